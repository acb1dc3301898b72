"""The report as one HTML file: whole without its script, no network, the same for two equal runs."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, get_args

from mmaudit.gates.diagnosis import diagnose
from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.gates.policy import by_failure, deciding, overall
from mmaudit.report import words
from mmaudit.report.comparison import METHODS, change_rows, regressions
from mmaudit.report.figures import themed
from mmaudit.report.stress import boundary_words
from mmaudit.report.suites import claim_rows
from mmaudit.report.suspects import SuspectList, view
from mmaudit.report.tables import Cell, Kind, Table
from mmaudit.suites.finding import Finding

__all__ = ["page"]

_WIDE: tuple[Kind, ...] = ("verdicts", "controls", "responses", "history", "conditions", "doses")
"""Plots that take the whole width of the page."""


def page(
    outcomes: Sequence[Outcome],
    certifications: Sequence[Outcome],
    *,
    settings: Mapping[str, Any],
    dataset: Mapping[str, Any],
    subject: Mapping[str, Any],
    environment: Mapping[str, Any],
    counts: Mapping[str, int],
    deviations: Sequence[str],
    plots: Mapping[str, bytes],
    tables: Mapping[str, Table],
    digest_note: str,
    suspects: Sequence[SuspectList] = (),
    comparison: Mapping[str, Any] | None = None,
    risks: Sequence[Mapping[str, Any]] = (),
    statements: Mapping[str, Any] | None = None,
    suites: Sequence[Finding] = (),
    search: Mapping[str, Any] | None = None,
    pictures: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the whole report as one self-contained UTF-8 HTML page.

    It opens with the overall verdict, its reasons and the diagnosis, then gives the ``comparison`` with the
    baseline (the record of ``comparison.json``) where there is one, every failure mode with its checks, what
    was only noted, what was not evidenced, the audit's proof on itself, the ``risks`` (rows of the risk log),
    the ``suspects``, what became of each claim of the teaching ``suites``, the plots with their numbers, and
    what was audited how, with the ``statements`` of governance. ``plots`` holds SVG by path and ``tables``
    the numbers behind it under the same path; ``counts`` are the session's (``not_run`` and ``errors`` bar an
    accept); the mappings hold builtin types; ``digest_note`` says where the digest of the bundle is to be
    found, which cannot stand inside it.

    Equal records give equal bytes; durations and times are kept out for that reason. The one script, which
    the page's policy admits by its hash, sorts tables and nothing else.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    templates = resources.files("mmaudit.report") / "templates"
    css = (templates / "report.css").read_text(encoding="utf-8")
    script = (templates / "report.js").read_text(encoding="utf-8")
    environment_ = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment_.filters["plain"] = words.plain
    environment_.filters["png"] = lambda data: _data_url("image/png", data)
    template = environment_.from_string((templates / "report.html.j2").read_text(encoding="utf-8"))
    unfinished = counts.get("not_run", 0) + counts.get("errors", 0)
    text = template.render(
        css=Markup(css),
        css_digest=_digest(css),
        script=Markup(script),
        script_digest=_digest(script),
        words=words,
        cell=_cell,
        verdict=overall(outcomes, certifications, unfinished=unfinished),
        reasons=words.why(outcomes, certifications, unfinished=unfinished),
        diagnosis=diagnose(outcomes),
        about=_about(subject, dataset, settings),
        strip=_strip(outcomes, certifications, counts),
        comparison=comparison,
        changes=[] if comparison is None else change_rows(comparison),
        methods=METHODS,
        regressions=regressions(comparison),
        risks=risks,
        claims=claim_rows(suites),
        recipe=settings.get("recipe"),
        modes=[_mode(failure, group) for failure, group in by_failure(outcomes).items()],
        notices=[o for group in by_failure(outcomes).values() for o in group if o.verdict is None],
        missing=[
            o for group in by_failure(outcomes).values() for o in group if o.verdict is Verdict.NOT_EVIDENCED
        ],
        certifications=sorted(certifications, key=lambda o: o.check),
        suspects=suspects,
        search=search,
        counterexamples=[
            {
                **row,
                "seen": view((pictures or {}).get(row["file"], "no picture")),
                "where": list(boundary_words(row)),
            }
            for row in (search or {}).get("counterexamples", ())
        ],
        plots=[
            _plot(path, plots[path], tables.get(path))
            for path in sorted(plots, key=lambda p: _place(p, tables))
        ],
        facts=[
            ("Statements by people", list(_flat(statements or {}))),
            ("Subject", list(_flat(subject))),
            ("Data", list(_flat(_without(dataset, "world")))),
            ("Settings", list(_flat(settings))),
            ("Session", list(_flat(counts))),
            ("Environment", list(_flat(_without(environment, "packages")))),
        ],
        long_facts=[
            (title, rows)
            for title, rows in (
                ("The built-in world", list(_flat(dataset.get("world") or {}))),
                ("Third-party components and their licences", _components(environment)),
            )
            if rows
        ],
        deviations=deviations,
        digest_note=digest_note,
    )
    return text.encode("utf-8")


def _about(
    subject: Mapping[str, Any], dataset: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return what was audited on what, as the masthead names it; what is not known is left out."""
    pairs = dataset.get("pairs")
    named = [
        ("Subject", subject.get("name")),
        ("Data", dataset.get("name")),
        ("Pairs", None if pairs is None else str(pairs)),
        ("Profile", settings.get("profile")),
    ]
    return [(title, words.plain(value)) for title, value in named if value]


def _strip(
    outcomes: Sequence[Outcome], certifications: Sequence[Outcome], counts: Mapping[str, int]
) -> list[tuple[str, str]]:
    """Return the figures that a reader takes in at a glance: how many of what."""
    verdicts = [o.verdict for o in outcomes]
    found = [(verdict.value.lower(), str(verdicts.count(verdict))) for verdict in Verdict]
    found.append(("notices", str(verdicts.count(None))))
    caught = sum(o.verdict is Verdict.ACCEPT for o in certifications)
    found.append(("null encoders caught", f"{caught} of {len(certifications)}"))
    ran = counts.get("collected", 0) - counts.get("not_run", 0)
    return [*found, ("tests that ran", f"{ran} of {counts.get('collected', 0)}")]


def _components(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return every package with its version and licence."""
    packages = environment.get("packages")
    if not isinstance(packages, Mapping):
        return []
    return [
        (words.plain(name), words.plain(f"{row['version']}, {row['licence'] or 'licence not declared'}"))
        for name, row in sorted(packages.items())
    ]


def _without(tree: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if name != key}


def _mode(failure: str, group: Sequence[Outcome]) -> dict[str, Any]:
    """Return what the page shows of one failure mode."""
    return {
        "name": failure,
        "verdict": overall(group),
        "worst": deciding(group),
        "gates": [o for o in group if o.verdict not in (None, Verdict.NOT_EVIDENCED)],
        "notices": sum(o.verdict is None for o in group),
        "missing": sum(o.verdict is Verdict.NOT_EVIDENCED for o in group),
    }


def _place(path: str, tables: Mapping[str, Table]) -> tuple[int, str]:
    """Return where a plot stands on the page: by what it shows, then by name."""
    kinds = get_args(Kind)
    return kinds.index(tables[path].kind) if path in tables else len(kinds), path


def _plot(path: str, image: bytes, table: Table | None) -> dict[str, Any]:
    """Return one plot as an image that needs no request, beside its numbers."""
    return {
        "path": path,
        "source": _drawing(themed(image)),
        "title": path if table is None else table.title,
        "alt": path if table is None else table.alt,
        "wide": table is not None and table.kind in _WIDE,
        "table": table,
    }


def _drawing(image: bytes) -> Any:
    """Return a plot as a data URL, its text as it is: a quarter shorter than in base64.

    Escaped are what would end the URL, the attribute, or the page for a reader that looks for tags alone.
    """
    from markupsafe import Markup

    text = image.decode()
    for mark, escape in (("%", "%25"), ("#", "%23"), ("<", "%3C"), ("&", "&amp;"), ('"', "&quot;")):
        text = text.replace(mark, escape)
    return Markup("data:image/svg+xml,") + Markup(text)


def _data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _digest(text: str) -> str:
    """Return the SHA-256 by which a content security policy admits exactly ``text``."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _cell(value: Cell) -> str:
    """Return one cell of a plot's table; what is not there is a dash."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return words.plain(value)
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and values of nested mappings, by name; lists as JSON."""
    for key in sorted(tree):
        value = tree[key]
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        elif isinstance(value, str):
            yield name, words.plain(value)
        else:
            yield name, words.plain(json.dumps(value, ensure_ascii=False, sort_keys=True))
