"""Whether the documents of a bundle can all be true at once."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mmaudit.evidence.findings import finding_contradiction
from mmaudit.evidence.governance import NOT_STATED
from mmaudit.evidence.records import Record
from mmaudit.evidence.reports import REPORTS, report_facts, summary_facts
from mmaudit.evidence.risks import risk_rows
from mmaudit.evidence.searches import search_contradiction

__all__ = ["contradictions", "verdict_contradiction"]

_COUNTED = {"passed": "passed", "failed": "failed", "skipped": "skipped", "error": "errors"}


def contradictions(documents: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each contradiction within ``documents`` (parsed and schema-valid, by path)."""
    outcomes = documents["outcomes.json"]["outcomes"]
    certifications = documents["outcomes.json"]["certifications"]
    alpha = documents["settings.json"].get("alpha")
    alpha = alpha if isinstance(alpha, float) else None
    for row in outcomes:
        fault = verdict_contradiction(row, alpha)
        if fault is not None:
            yield f"outcomes.json: {row['check']!r} {fault}"

    counts, tests = documents["pytest.json"]["counts"], documents["pytest.json"]["tests"]
    found = Counter(row["outcome"] for row in tests)
    # An audit without pytest has counts and no tests.
    if tests and any(counts[key] != found[outcome] for outcome, key in _COUNTED.items()):
        yield "pytest.json: its counts are not those of its tests"
    if counts["collected"] != counts["not_run"] + sum(counts[key] for key in _COUNTED.values()):
        yield "pytest.json: collected is not the tests run and not run together"

    findings: list[Record] = []
    for name in REPORTS:
        facts = documents[f"reports/{name}.json"]["facts_provided"]
        findings += facts["suite"]
        search = facts["search"] if name == "stress" else None
        if facts != report_facts(name, outcomes, facts["history"], facts["suite"], search):
            yield f"reports/{name}.json: its facts are not those of outcomes.json"
    for finding in findings:
        fault = finding_contradiction(finding)
        if fault is not None:
            yield f"suites: {finding['condition']!r} {fault}"
    if (fault := search_contradiction(documents)) is not None:
        yield f"reports/stress.json: {fault}"
    facts = documents["reports/summary.json"]["facts_provided"]
    if facts != summary_facts(
        outcomes, certifications, counts, facts["deviations"], findings, facts["diagnosis"]
    ):
        yield "reports/summary.json: its facts are not those of outcomes.json and pytest.json"
    if facts["diagnosis"] is not None:
        fault = _diagnosis_contradiction(facts["diagnosis"], outcomes)
        if fault is not None:
            yield f"reports/summary.json: {fault}"
    # Wording may improve from one release to the next without making older bundles false; facts may not.
    if _links(documents["risk_log.json"]["risks"]) != _links(risk_rows(outcomes, certifications)):
        yield "risk_log.json: its rows do not follow from outcomes.json"

    governance = documents["governance.json"]
    silent = {key for key, text in governance["statements"].items() if text == NOT_STATED}
    if set(governance["not_stated"]) != silent:
        yield "governance.json: its list of what is not stated is not that of its statements"

    if "comparison.json" in documents:
        fault = _comparison_contradiction(documents["comparison.json"], alpha)
        if fault is not None:
            yield f"comparison.json: {fault}"


def _diagnosis_contradiction(diagnosis: Record, outcomes: list[Record]) -> str | None:
    """Return how a diagnosis contradicts itself or the outcomes it was made from, or ``None``."""
    named = {row["failure"] for row in diagnosis["evidence"]}
    if set(diagnosis["failures"]) != named or len(diagnosis["failures"]) != len(named):
        return "the failures diagnosed are not those with evidence"
    measured = {(row["check"], row["failure"]) for row in outcomes if row["measurement"] is not None}
    for row in diagnosis["evidence"]:
        if (row["check"], row["failure"]) not in measured:
            return f"the diagnosis rests on {row['check']!r}, which was not measured"
    return None


def _comparison_contradiction(comparison: Record, alpha: float | None) -> str | None:
    """Return how the regressions of a comparison contradict its own numbers, or ``None``."""
    if comparison["alpha"] != alpha:
        return "its alpha is not that of settings.json"
    for row in comparison["changes"]:
        p, change = row["p_adjusted"], row["change"]
        if row["regression"] != (p is not None and p <= comparison["alpha"]):
            return f"{change['name']!r} is called a regression or none against its p-value"
        if change["value"] is None or (p is None) != (change["interval"] == "exact"):
            return f"{change['name']!r} has no value, or a p-value without sampling error"
    regressed = bool(comparison["turned"]) or any(row["regression"] for row in comparison["changes"])
    return None if comparison["regressed"] == regressed else "its conclusion is not that of its rows"


def _links(rows: list[Record]) -> list[Record]:
    return [{key: row[key] for key in ("risk", "status", "checks")} for row in rows]


def verdict_contradiction(row: Record, alpha: float | None) -> str | None:
    """Return how the verdict of one outcome contradicts its own numbers, or ``None``.

    ACCEPT needs every interval wholly within the limit. REJECT needs a value outside it or a reason why there
    is none, and an adjusted p-value, where one is given, of at most ``alpha``. What has such a p-value may
    not be called INCONCLUSIVE. NOT EVIDENCED has no value but a reason; a notice (``None``) has no limit.
    """
    verdict, limit = row["verdict"], row["limit"]
    m = row["measurement"] or {"value": None, "low": None, "high": None, "notes": ["not measured"]}
    value, low, high = m["value"], m["low"], m["high"]
    if (low is None) != (high is None):
        return "has half an interval"
    if value is None and (low is not None or not m["notes"]):
        return "has no value and no note why"
    if low is not None and not low <= value <= high:
        return "has a value outside its own interval"
    if limit is not None and limit["low"] is None and limit["high"] is None:
        return "has a limit that limits nothing"
    breach = value is not None and limit is not None and not _inside(value, limit)
    adjusted = row["p_adjusted"]
    decided = None if adjusted is None or alpha is None else adjusted <= alpha
    if row["control"] is not None and _misplaced(row["control"]):
        return "has a control whose severity is not the smallest of its doses that was rejected"
    faults = {
        None: [("is a notice but has a limit", limit is not None)],
        "NOT EVIDENCED": [
            ("is NOT EVIDENCED but has a value", value is not None),
            ("is NOT EVIDENCED without a reason", not row["reason"]),
        ],
        "ACCEPT": [
            (
                "is an ACCEPT whose interval does not lie within its limit",
                limit is None or not all(_within(each, limit) for each in (m, *row["others"])),
            )
        ],
        "REJECT": [
            ("is a REJECT with neither a breach nor a reason", value is None and not row["reason"]),
            ("is a REJECT whose value lies within its limit", value is not None and not breach),
            ("is a REJECT whose adjusted p-value is above alpha", breach and decided is False),
        ],
        "INCONCLUSIVE": [("is INCONCLUSIVE although its p-value decides", breach and decided is True)],
    }
    return next((fault for fault, found in faults[verdict] if found), None)


def _misplaced(control: Record) -> bool:
    """Whether the doses tried, where they are told, tell another severity than the control does."""
    rejected = [dose["severity"] for dose in control["doses"] if dose["rejected"]]
    return bool(control["doses"]) and (not rejected or min(rejected) != control["severity"])


def _within(measurement: Record, limit: Record) -> bool:
    ends = measurement["low"], measurement["high"]
    return None not in ends and all(_inside(end, limit) for end in ends)


def _inside(value: float, limit: Record) -> bool:
    low = -math.inf if limit["low"] is None else limit["low"]
    high = math.inf if limit["high"] is None else limit["high"]
    return bool(low <= value <= high)
