"""The teaching suites in pictures and in the terminal: the chapter's plots, with intervals."""

from collections.abc import Callable, Sequence
from typing import Any

from mmaudit.report.tables import Cell, Table
from mmaudit.report.words import plain
from mmaudit.suites.catalogue import CONDITIONS
from mmaudit.suites.condition import SUITES
from mmaudit.suites.finding import Decision, Finding

__all__ = ["claim_rows", "suite_lines", "suite_order", "suite_tables"]

_CONDITION_COLUMNS = ("panel", "condition", "value", "low", "high")
_DOSE_COLUMNS = ("panel", "series", "dial", "r@1", "low", "high")
_DECISIONS: dict[Decision, str] = {"HOLDS": "true", "IS FALSE": "false", "UNDECIDED": "undecided"}
_PRESENT, _REMOVED = "as rendered", "lost when the confounder is drawn anew"


def suite_order(findings: Sequence[Finding]) -> list[Finding]:
    """Return ``findings`` in the order of the suites, whatever the order in which they arrived."""
    place = {name: i for i, name in enumerate(CONDITIONS)}
    return sorted(findings, key=lambda f: place.get(f.condition, len(place)))


def suite_tables(findings: Sequence[Finding]) -> dict[str, Table]:
    """Return the tables of the chapter's plots, keyed ``plots/<name>.svg``; empty ones are left out."""
    ordered = suite_order(findings)
    tables = {
        "expA_symmetry_gap": _symmetry(ordered),
        "expB_counterfactual_drop": _drops(ordered),
        "collapse_indicators": _collapse(ordered),
        "degradation_curves": _degradation(ordered),
    }
    return {f"plots/{name}.svg": table for name, table in tables.items() if table.rows}


def claim_rows(findings: Sequence[Finding]) -> list[tuple[str, str, str, str, str]]:
    """Return suite, condition, claim, whether it is true, and what is true instead, a row a claim."""
    return [
        (finding.suite, finding.condition, claim.claim, _DECISIONS[claim.decision], claim.truth)
        for finding in suite_order(findings)
        for claim in finding.claims
    ]


def suite_lines(findings: Sequence[Finding], recipe: str | None = None) -> list[str]:
    """Return the lines a terminal shows of the suites: one a suite, then every contradicted statement.

    Of models that a ``recipe`` trained nothing was claimed, so a contradiction only says that they differ.
    """
    lines = []
    for suite, title in SUITES.items():
        ran = [f for f in findings if f.suite == suite]
        decisions = [claim.decision for f in ran for claim in f.claims]
        if ran:
            counts = ", ".join(f"{n} {word}" for d, word in _DECISIONS.items() if (n := decisions.count(d)))
            lines.append(f"{title}: {len(ran)} conditions; claims: {counts}")
    if lines and recipe is not None:
        lines.insert(0, f"Suites trained by {plain(recipe)}; the claims were made of the built-in aligner")
    word = "contradicted" if recipe is None else "differs"
    for finding in suite_order(findings):
        lines += [f"{word}, {finding.condition}: {plain(line)}" for line in finding.contradicted]
    return lines


def _row(panel: str, finding: Finding, measure: str) -> tuple[Cell, ...]:
    m = finding[measure]
    return (panel, finding.condition, m.value, m.low, m.high)


def _of(findings: Sequence[Finding], suite: str, measure: str) -> list[Finding]:
    return [f for f in findings if f.suite == suite and measure in f and f[measure].value is not None]


def _symmetry(findings: Sequence[Finding]) -> Table:
    rows = tuple(
        _row("r@1 image→text − text→image", f, "symmetry_gap")
        for f in _of(findings, "dominance", "symmetry_gap")
    )
    return Table(
        kind="conditions",
        title="Suite A: symmetry gap by condition",
        alt=f"Symmetry gap of {len(rows)} dominance conditions, each with its interval.",
        columns=_CONDITION_COLUMNS,
        rows=rows,
    )


def _collapse(findings: Sequence[Finding]) -> Table:
    panels = {
        "effective rank, images (dimensions)": "effective_rank_image",
        "mean cosine, images": "mean_cosine_image",
        "mean cosine, texts": "mean_cosine_text",
        "r@1": "recall_at_1",
    }
    rows = tuple(
        _row(panel, f, measure)
        for panel, measure in panels.items()
        for f in _of(findings, "collapse", measure)
    )
    return Table(
        kind="conditions",
        title="Collapse indicators by condition",
        alt="Effective rank, mean cosines and r@1 of every collapse condition, each on an axis of its own.",
        columns=_CONDITION_COLUMNS,
        rows=rows,
    )


def _drops(findings: Sequence[Finding]) -> Table:
    strength, agreement = "strength of the marker, always agreeing", "agreement of the marker, strength 2"
    rows: list[tuple[Cell, ...]] = []
    for panel, dial, fixed, value in (
        (strength, "strength", "agreement", 1.0),
        (agreement, "agreement", "strength", 2.0),
    ):
        at = _marker(dial, fixed, value)
        for series, measure in ((_PRESENT, "recall_at_1"), (_REMOVED, "counterfactual_drop")):
            rows += _dose(panel, series, measure, _of(findings, "shortcut", measure), at)
    return Table(
        kind="doses",
        title="Suite B: r@1, and how much of it the confounder answers",
        alt="r@1 and counterfactual drop against strength and agreement of the marker, with intervals.",
        columns=_DOSE_COLUMNS,
        rows=tuple(rows),
    )


def _degradation(findings: Sequence[Finding]) -> Table:
    clean = [f for f in findings if f.condition == "balanced"]
    noisy = _of(findings, "dominance", "recall_at_1")
    corrupted = _of(findings, "corruption", "recall_at_1")
    marked = [f for f in findings if f.condition == "conf_high_corr0"]
    curves: tuple[tuple[str, str, Sequence[Finding], Callable[[Finding], Any]], ...] = (
        ("share of wrong training pairs", "clean world", [*clean, *corrupted], _corruption(marked=False)),
        (
            "share of wrong training pairs",
            "confounded world",
            [*marked, *corrupted],
            _corruption(marked=True),
        ),
        ("noise of the images", "clean world", noisy, _noise("noise_image", 0.06)),
        ("noise of the texts", "clean world", noisy, _noise("noise_text", 0.02)),
    )
    rows = [
        row
        for panel, series, chosen, dial in curves
        for row in _dose(panel, series, "recall_at_1", chosen, dial)
    ]
    return Table(
        kind="doses",
        title="Degradation: r@1 against the share of wrong pairs and against noise",
        alt="r@1 falls with the share of wrong training pairs and with noise, each with its interval.",
        columns=_DOSE_COLUMNS,
        rows=tuple(rows),
    )


def _dose(
    panel: str, series: str, measure: str, findings: Sequence[Finding], dial: Callable[[Finding], Any]
) -> list[tuple[Cell, ...]]:
    """Return the rows of one curve, by dial; ``dial`` is ``None`` for a finding that is not on it."""
    placed = [(float(at), f[measure]) for f in findings if (at := dial(f)) is not None]
    return [
        (panel, series, at, m.value, m.low, m.high)
        for at, m in sorted(placed, key=lambda point: point[0])
        if m.value is not None
    ]


def _marker(dial: str, fixed: str, value: float) -> Callable[[Finding], Any]:
    def at(finding: Finding) -> Any:
        marker = finding.changes["world"].get("confounder", {})
        return marker.get(dial) if marker.get(fixed) == value else None

    return at


def _corruption(*, marked: bool) -> Callable[[Finding], Any]:
    def at(finding: Finding) -> Any:
        world = finding.changes["world"]
        return world.get("corruption_rate", 0.0) if ("confounder" in world) == marked else None

    return at


def _noise(name: str, usual: float) -> Callable[[Finding], Any]:
    def at(finding: Finding) -> Any:
        if finding.condition == "balanced":
            return usual
        return finding.changes["world"].get(name)

    return at
