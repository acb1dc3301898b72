"""A bundle in the terminal: its verdicts, and what they were reached under."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.gates.policy import by_failure
from mmaudit.report import words
from mmaudit.report.columns import columns
from mmaudit.report.comparison import comparison_lines
from mmaudit.report.stress import stress_lines
from mmaudit.report.terminal import summary_lines

__all__ = ["SUSPECTS", "audited_lines", "show_lines"]

SUSPECTS = {
    "data/suspect_pairs.npy": "suspect pairs",
    "data/hubs_x.npy": "hubs of the first modality",
    "data/hubs_y.npy": "hubs of the second modality",
}
"""Arrays of row numbers that a bundle may hold, the worst first, and what they list."""

_MOST_ROWS = 20


def show_lines(
    documents: Mapping[str, Any],
    suspects: Mapping[str, Sequence[int]],
    *,
    width: int,
    colour: bool = False,
) -> list[str]:
    """Return what the ``documents`` of a bundle (parsed, by path) say, in the order a reader asks.

    Summary, every gate, notices, what is not evidenced, ``suspects`` (row numbers by path), the comparison
    with a baseline, settings. A document that is missing, as it may be from a broken bundle, is left out.
    """
    lines = audited_lines(documents.get("subject.json", {}), documents.get("dataset.json", {}))
    lines += _told("run:    ", documents.get("run.json", {}), ("run_id", "started"))
    if "outcomes.json" in documents:
        outcomes, certifications = (
            [Outcome.from_record(row) for row in documents["outcomes.json"][key]]
            for key in ("outcomes", "certifications")
        )
        counts = documents.get("pytest.json", {}).get("counts", {})
        unfinished = counts.get("not_run", 0) + counts.get("errors", 0)
        lines += ["", *summary_lines(
            outcomes, certifications, width=width, colour=colour, unfinished=unfinished
        )]  # fmt: skip
        lines += _outcomes([o for group in by_failure(outcomes).values() for o in group], width)
    lines += _suspects(suspects, width)
    search = documents.get("reports/stress.json", {}).get("facts_provided", {}).get("search")
    if search is not None:
        lines += ["", *stress_lines(search, width, code=True)]
    if "comparison.json" in documents:
        lines += ["", *comparison_lines(documents["comparison.json"], width)]
    if "settings.json" in documents:
        rows = [(words.plain(k), words.plain(v)) for k, v in sorted(documents["settings.json"].items())]
        lines += ["", "settings", *columns(rows, width)]
    return lines


def audited_lines(subject: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    """Return what was audited, and on what: two lines, or fewer where a record says nothing.

    ``subject`` has a name and an adapter, ``data`` a name, a number of pairs and, where they come from the
    built-in world, something at ``world``.
    """
    pairs = dict(data)
    if pairs.get("world"):
        pairs["name"] = f"built-in world ({pairs.get('name')})"
    if "pairs" in pairs:
        pairs["pairs"] = f"{pairs['pairs']} pairs"
    return [*_told("subject:", subject, ("name", "adapter")), *_told("data:   ", pairs, ("name", "pairs"))]


def _told(label: str, record: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    said = [words.plain(record[key]) for key in keys if record.get(key) not in (None, "")]
    if said:
        yield f"{label} {', '.join(said)}"


def _outcomes(ordered: Sequence[Outcome], width: int) -> list[str]:
    gates = [
        (
            words.verdict_word(o.verdict),
            words.plain(o.check),
            words.effect(o.measurement),
            words.allowed(o.limit),
            words.caught(o.control),
        )
        for o in ordered
        if o.verdict not in (None, Verdict.NOT_EVIDENCED)
    ]
    notices = [
        (words.plain(m.name), words.effect(m), words.plain(m.unit))
        for o in ordered
        if o.verdict is None
        for m in (o.measurement, *o.others)
        if m is not None
    ]
    missing = [
        (words.plain(o.check), words.plain(o.reason)) for o in ordered if o.verdict is Verdict.NOT_EVIDENCED
    ]
    header = ("verdict", "gate", "effect", "limit", "would catch")
    lines = ["", "gates", *columns([header, *gates], width)] if gates else []
    lines += ["", "notices", *columns(notices, width)] if notices else []
    return lines + (["", "not evidenced", *columns(missing, width)] if missing else [])


def _suspects(suspects: Mapping[str, Sequence[int]], width: int) -> list[str]:
    rows = [
        (
            f"{SUSPECTS[path]} ({len(found)})",
            ", ".join(map(str, found[:_MOST_ROWS])) + "…" * (len(found) > _MOST_ROWS),
        )
        for path, found in suspects.items()
        if len(found)
    ]
    return ["", "suspects, by row, the worst first", *columns(rows, width)] if rows else []
