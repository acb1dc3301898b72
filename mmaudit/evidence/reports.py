"""The chapter's strict reports: what was measured, kept apart from what is assumed and what is open."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mmaudit.evidence.findings import findings_of, suites_summary, told, undecided
from mmaudit.evidence.records import Record, RunEvidence
from mmaudit.evidence.searches import searched

__all__ = ["NOT_VERIFIED", "REPORTS", "report_facts", "reports", "summary_facts", "verdict_counts"]

NOT_VERIFIED = "Not verified"
"""The verification status of every document, always: a machine measured, no person has verified."""

REPORTS: dict[str, tuple[str, ...]] = {
    "baseline": ("integrity", "alignment"),
    "dominance": ("dominance",),
    "shortcut": ("shortcut",),
    "corruption": ("corruption",),
    "collapse": ("collapse",),
    "stress": ("stress",),
}
"""The failures each report covers; ``baseline`` also takes those that no report is named after."""

_QUESTIONS = {
    "baseline": "Are the audited pairs a fair sample of what the encoders will meet in use?",
    "dominance": "Is an imbalance between the modalities intended, because only one direction is used?",
    "shortcut": "Which cues shared by both modalities were not among the ones re-drawn or matched here?",
    "corruption": "Are the trusted pairs right, and were the claimed ones drawn as the training pairs were?",
    "collapse": "Does the loss of dimensions hurt the task that the embeddings serve?",
    "stress": "Which shifts of the inputs are expected in use, and how strong may they become?",
    "summary": "Has someone who did not run this audit reproduced its digest and read the open items?",
}
_ORDER = {"REJECT": 0, "INCONCLUSIVE": 1, "ACCEPT": 2}


def reports(evidence: RunEvidence) -> dict[str, Record]:
    """Return the seven reports by path, each with exactly the fields of the chapter's schema."""
    outcomes = evidence.outcomes
    found = {}
    for name in REPORTS:
        history = evidence.history if name == "baseline" else None
        search = evidence.search if name == "stress" else None
        facts = report_facts(name, outcomes, history, evidence.findings, search)
        found[f"reports/{name}.json"] = _report(name, facts, facts["checks"], evidence)
    facts = summary_facts(
        outcomes,
        evidence.certifications,
        evidence.counts,
        evidence.deviations,
        evidence.findings,
        evidence.diagnosis,
    )
    found["reports/summary.json"] = _report("summary", facts, outcomes, evidence)
    return found


def report_facts(
    name: str,
    outcomes: list[Record],
    history: list[Record] | None,
    findings: list[Record],
    search: Record | None,
) -> Record:
    """Return the facts of the report ``name``: outcomes, suite, search and training history, in full."""
    return {
        "checks": [row for row in outcomes if _home(row["failure"]) == name],
        "history": history,
        "suite": findings_of(name, findings),
        "search": search,
    }


def summary_facts(
    outcomes: list[Record],
    certifications: list[Record],
    counts: Mapping[str, int],
    deviations: list[str],
    findings: list[Record],
    diagnosis: Record | None,
) -> Record:
    """Return the facts of the summary.

    Counts, one line a check or claim, extremes, self-certification, and which failures were diagnosed.
    """
    gaps = [row for row in outcomes if row["check"].startswith("symmetry")]
    drops = [row for row in outcomes if row["check"].endswith("_drop")]
    collapse = [row for row in outcomes if row["failure"] == "collapse" and row["verdict"] in _ORDER]
    return {
        "verdicts": verdict_counts(outcomes),
        "diagnosis": diagnosis,
        "checks": [_line(row) for row in outcomes],
        "extremes": {
            "largest_symmetry_gap": _largest(gaps, abs),
            "largest_shortcut_drop": _largest(drops, float),
            "strongest_collapse_indicator": _line(min(collapse, key=_alarm)) if collapse else None,
        },
        "self_certification": {
            "caught": [row["check"] for row in certifications if row["verdict"] == "ACCEPT"],
            "missed": [row["check"] for row in certifications if row["verdict"] != "ACCEPT"],
        },
        "suites": suites_summary(findings),
        "tests": dict(counts),
        "deviations": list(deviations),
    }


def verdict_counts(outcomes: Iterable[Record]) -> dict[str, int]:
    """Return how many outcomes have each verdict; outcomes without one count as ``notice``."""
    found = Counter(row["verdict"] or "notice" for row in outcomes)
    return {key: found[key] for key in ("ACCEPT", "REJECT", "INCONCLUSIVE", "NOT EVIDENCED", "notice")}


def _report(name: str, facts: Record, checks: list[Record], evidence: RunEvidence) -> Record:
    suite = facts.get("suite", evidence.findings)
    return {
        "facts_provided": facts,
        "assumptions": _assumptions(checks),
        "open_items": _open_items(name, checks, evidence) + list(undecided(suite)),
        "analysis": _analysis(checks),
        "draft_output": {
            "findings": [*(_sentence(row) for row in checks), *told(suite), *searched(facts.get("search"))]
        },
        "verification_status": NOT_VERIFIED,
        "questions_to_verify": [_QUESTIONS[name]],
    }


def _assumptions(checks: list[Record]) -> list[str]:
    kinds = {row["limit"]["kind"] for row in checks if row["limit"] is not None}
    meaning = {
        "field": "Field limits rest on an invariant, distinguishability or harm and hold for any encoder.",
        "reference": "Reference limits were calibrated on the reference aligner and hold for it alone.",
        "user": "User limits were set by whoever configured the audit and are taken as given.",
    }
    found = [meaning[kind] for kind in sorted(kinds)]
    if any(row["measurement"] is not None for row in checks):
        found.append("The audited pairs are independent draws, or independent by relevance group.")
    return found


def _open_items(name: str, checks: list[Record], evidence: RunEvidence) -> list[str]:
    found = [] if checks else [f"Nothing was measured for {name}: no check of this report ran."]
    for row in checks:
        if row["verdict"] == "NOT EVIDENCED":
            found.append(_item(row, "not evidenced.", row["reason"]))
        elif row["verdict"] == "INCONCLUSIVE":
            enough = row["n_to_decide"]
            hint = "" if enough is None else f"About {enough} items would decide."
            found.append(_item(row, "undecided.", row["reason"], hint))
        elif row["verdict"] == "ACCEPT" and row["control"] is None:
            found.append(_item(row, "accepted without a positive control."))
    if name == "summary":
        missed = (row for row in evidence.certifications if row["verdict"] != "ACCEPT")
        found += [_item(row, "this null encoder was not caught.", row["reason"]) for row in missed]
        if evidence.counts["not_run"]:
            found.append(f"{evidence.counts['not_run']} collected tests did not run.")
    return found


def _item(row: Record, *sentences: str) -> str:
    return " ".join([f"{row['check']}:", *filter(None, sentences)])


def _analysis(checks: list[Record]) -> str:
    if not checks:
        return "Nothing was measured, so nothing follows."
    counts = ", ".join(f"{n} {verdict}" for verdict, n in verdict_counts(checks).items() if n)
    text = f"{len(checks)} {'check' if len(checks) == 1 else 'checks'}: {counts}."
    for verdict, lead in (("REJECT", "Rejected"), ("INCONCLUSIVE", "Undecided")):
        names = [row["check"] for row in checks if row["verdict"] == verdict]
        if names:
            text += f" {lead}: {', '.join(names)}."
    caught = [row for row in checks if row["verdict"] == "ACCEPT" and row["control"] is not None]
    if caught:
        text += f" {len(caught)} of the accepted gates rejected planted damage on this subject."
    return text


def _sentence(row: Record) -> str:
    text = f"{row['check']}: {row['verdict'] or 'notice'}; {_interval(row['measurement'])}"
    if row["limit"] is not None:
        text += f"; allowed {_range(row['limit'])} ({row['limit']['kind']}: {row['limit']['rationale']})"
    if row["control"] is not None:
        text += f"; rejects {row['control']['damage']} from severity {row['control']['severity']:.3g}"
    return text + "."


def _interval(measurement: Record | None) -> str:
    if measurement is None:
        return "not measured"
    if measurement["value"] is None:
        return f"undefined: {measurement['notes'][0]}" if measurement["notes"] else "undefined"
    text = f"{measurement['value']:.4g}"
    if measurement["low"] is not None:
        text += f" [{measurement['low']:.4g}, {measurement['high']:.4g}] at {measurement['confidence']:.4g}"
    return f"{text} {measurement['unit']}".rstrip() + f", n = {measurement['n']}, {measurement['method']}"


def _range(limit: Record) -> str:
    low, high = limit["low"], limit["high"]
    if low is None:
        return f"at most {high:.4g}"
    return f"at least {low:.4g}" if high is None else f"{low:.4g} to {high:.4g}"


def _line(row: Record) -> Record:
    measurement: Mapping[str, Any] = row["measurement"] or {}
    numbers = {key: measurement.get(key) for key in ("value", "low", "high", "n", "unit")}
    return {key: row[key] for key in ("check", "failure", "verdict", "p_adjusted")} | numbers


def _largest(rows: list[Record], size: Callable[[float], float]) -> Record | None:
    measured = [
        row for row in rows if row["measurement"] is not None and row["measurement"]["value"] is not None
    ]
    return _line(max(measured, key=lambda row: size(row["measurement"]["value"]))) if measured else None


def _alarm(row: Record) -> tuple[int, float, str]:
    """Sort key: worst verdict, then least room to the limit in half-widths of the interval, then name."""
    m, limit = row["measurement"], row["limit"]
    room = math.inf
    if m is not None and m["value"] is not None and limit is not None:
        above = math.inf if limit["low"] is None else m["value"] - limit["low"]
        below = math.inf if limit["high"] is None else limit["high"] - m["value"]
        half = 0.0 if m["low"] is None else (m["high"] - m["low"]) / 2
        room = min(above, below) / half if half > 0 else math.copysign(math.inf, min(above, below))
    return _ORDER[row["verdict"]], room, row["check"]


def _home(failure: str) -> str:
    return next((name for name, failures in REPORTS.items() if failure in failures), "baseline")
