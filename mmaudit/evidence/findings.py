"""The teaching suites in the reports: which report a finding belongs to, and whether its claims follow."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mmaudit.evidence.records import Record

__all__ = ["by_condition", "finding_contradiction", "findings_of", "suites_summary", "told", "undecided"]

_HOME = {"silent": "baseline"}
"""The report of a suite that has none of its own name."""


def by_condition(findings: Iterable[Record]) -> list[Record]:
    """Return ``findings`` in one order, whatever the order in which they arrived."""
    return sorted(findings, key=lambda row: (str(row["suite"]), str(row["condition"])))


def findings_of(report: str, findings: Iterable[Record]) -> list[Record]:
    """Return the findings that stand in the report called ``report``."""
    return [row for row in findings if _HOME.get(row["suite"], row["suite"]) == report]


def suites_summary(findings: Iterable[Record]) -> Record:
    """Return one line a claim, and the extremes that the chapter asks for, ``None`` where no suite ran."""
    rows = by_condition(findings)
    gaps = _lines(rows, "symmetry_gap", lambda row: row["suite"] == "dominance")
    drops = _lines(rows, "counterfactual_drop", lambda row: row["suite"] == "shortcut")
    crowding = _lines(rows, "mean_cosine_image", lambda row: row["suite"] == "collapse")
    return {
        "claims": [
            {"condition": row["condition"], **{key: claim[key] for key in ("claim", "decision", "truth")}}
            for row in rows
            for claim in row["claims"]
        ],
        "extremes": {
            "best_symmetry_gap": min(gaps, key=lambda line: abs(line["value"]), default=None),
            "worst_symmetry_gap": max(gaps, key=lambda line: abs(line["value"]), default=None),
            "largest_counterfactual_drop": max(drops, key=_value, default=None),
            "strongest_collapse_indicator": max(crowding, key=_value, default=None),
        },
    }


def told(findings: Iterable[Record]) -> Iterator[str]:
    """Yield one sentence a claim: what was claimed, what became of it, and what is true."""
    for row in findings:
        for claim in row["claims"]:
            truth = f" {claim['truth']}" if claim["truth"] else ""
            yield f"{row['condition']}: {claim['decision']}: {claim['claim']}{truth}"


def undecided(findings: Iterable[Record]) -> Iterator[str]:
    """Yield one line for each claim that its interval leaves open."""
    for row in findings:
        for claim in row["claims"]:
            if claim["decision"] == "UNDECIDED":
                yield f"{row['condition']}: undecided. {claim['claim']}"


def finding_contradiction(row: Record) -> str | None:
    """Return how the decisions of one finding contradict its own numbers, or ``None``."""
    measurements = {m["name"]: m for m in row["measurements"]}
    if len(measurements) != len(row["measurements"]):
        return "measures something twice"
    for claim in row["claims"]:
        for statement in (*claim["says"], *claim["shows"]):
            measure = statement["measure"]
            if measure not in measurements:
                return f"decides by {measure!r}, which was not measured"
            if statement["decision"] != _decision(measurements[measure], statement):
                return f"decides about {measure!r} against its interval"
        found = {statement["decision"] for statement in claim["says"]}
        expected = "UNDECIDED" if found != {"HOLDS"} else "HOLDS"
        if claim["decision"] != ("IS FALSE" if "IS FALSE" in found else expected):
            return "decides about a claim against its statements"
    return None


def _decision(measurement: Mapping[str, Any], statement: Mapping[str, Any]) -> str:
    """Return what the whole interval of ``measurement`` says of ``statement``."""
    start, end = measurement["low"], measurement["high"]
    low, high = statement["low"], statement["high"]
    if start is None or end is None:
        return "UNDECIDED"
    if (low is None or start >= low) and (high is None or end <= high):
        return "IS FALSE" if statement["outside"] else "HOLDS"
    if (low is not None and end < low) or (high is not None and start > high):
        return "HOLDS" if statement["outside"] else "IS FALSE"
    return "UNDECIDED"


def _lines(rows: Iterable[Record], measure: str, wanted: Callable[[Record], bool]) -> list[Record]:
    return [
        {"condition": row["condition"], **{key: m[key] for key in ("name", "value", "low", "high", "n")}}
        for row in rows
        if wanted(row)
        for m in row["measurements"]
        if m["name"] == measure and m["value"] is not None
    ]


def _value(line: Record) -> float:
    return float(line["value"])
