"""A comparison with a baseline, in words. Reads the record that ``comparison.json`` holds."""

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from mmaudit.measurement import Measurement
from mmaudit.report import words
from mmaudit.report.columns import columns

__all__ = ["METHODS", "ChangeRow", "change_rows", "comparison_lines", "regressions"]

_HEADER = ("figure", "before → now", "change", "")
METHODS = {
    "paired": "paired by item",
    "bounded": "not paired: two estimates, the error of their difference bounded by the sum of theirs",
    "exact": "without sampling error: the verdict decides",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChangeRow:
    """One figure of a comparison as a reader sees it; ``method`` is a key of :data:`METHODS`."""

    name: str
    span: str
    effect: str
    confidence: str
    tolerance: float
    method: str
    worse: bool


def change_rows(record: Mapping[str, Any]) -> list[ChangeRow]:
    """Return every figure compared, item by item first, in words."""
    return [
        ChangeRow(
            name=words.plain(m.name),
            span=_span(change),
            effect=words.effect(m),
            confidence=words.confidence(m),
            tolerance=change["tolerance"],
            method=method,
            worse=change["regression"],
        )
        for method in METHODS
        for change in record["changes"]
        if _method(change["change"]) == method
        for m in [Measurement.from_record(change["change"])]
    ]


def regressions(record: Mapping[str, Any] | None) -> list[str]:
    """Return one sentence for each way in which a run is worse than its baseline; none where it has none."""
    if record is None:
        return []
    compared = words.count(sum(c["p_value"] is not None for c in record["changes"]), "figure")
    found = [
        f"{words.plain(m.name)} changed by {words.effect(m)} ({words.confidence(m)}, n {m.n}), worse "
        f"beyond the tolerance of {change['tolerance']:g}; p = {change['p_adjusted']:.2g} after "
        f"Holm over {compared}."
        for change in record["changes"]
        if change["regression"]
        for m in [Measurement.from_record(change["change"])]
    ]
    found += [
        f"{words.plain(t['check'])} turned from ACCEPT to {t['now']}: {words.plain(t['reason'])}."
        for t in record["turned"]
    ]
    return found


def comparison_lines(record: Mapping[str, Any], width: int) -> list[str]:
    """Return what changed, no line wider than ``width`` columns where words allow it.

    Regressions come first and say so in words; then every figure with its interval, the items whose ranks
    rose most, what was not compared and why, and what limits the claim.
    """
    head = f"compared with {words.plain(record['baseline'])}"
    if record["baseline_digest"] is not None:
        head += f" (sha256 {record['baseline_digest'][:12]}…)"
    lines = [f"{head}, {words.count(record['pairs'], 'pair')}"]
    for method, title in METHODS.items():
        rows = [_row(change) for change in record["changes"] if _method(change["change"]) == method]
        if rows:
            lines += [f"{title}:", *columns([_HEADER, *rows], width)]
    lines += _items(record["moved"], width)
    if record["not_compared"]:
        lines.append("not compared:")
        lines += columns(
            [(words.plain(r["check"]), words.plain(r["reason"])) for r in record["not_compared"]], width
        )
    for note in record["notes"]:
        lines += textwrap.wrap(f"note: {words.plain(note)}", max(width, 40))
    lines += _conclusion(record, width)
    return lines


def _method(change: Mapping[str, Any]) -> str:
    if change["interval"] == "exact":
        return "exact"
    return "paired" if change["method"].startswith("paired") else "bounded"


def _row(change: Mapping[str, Any]) -> Sequence[str]:
    m = Measurement.from_record(change["change"])
    return (
        words.plain(m.name),
        _span(change),
        words.effect(m),
        "WORSE" if change["regression"] else "",
    )


def _span(change: Mapping[str, Any]) -> str:
    return " → ".join(words.interval(float(change[when]), None, None) for when in ("before", "now"))


def _items(moved: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    if not moved:
        return []
    header = ("item", "rank forward", "rank backward")
    rows = [
        (
            str(item["item"]),
            *(f"{item[side][0]:g} → {item[side][1]:g}" for side in ("forward", "backward")),
        )
        for item in moved
    ]
    return ["items whose ranks rose most (1 is best):", *columns([header, *rows], width)]


def _conclusion(record: Mapping[str, Any], width: int) -> list[str]:
    reasons = regressions(record)
    if not reasons:
        return ["no regression"]
    lines = [f"{words.count(len(reasons), 'regression')}:"]
    for reason in reasons:
        lines += textwrap.wrap(
            reason, max(width, 40), initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False
        )
    return lines
