"""The risk log: the chapter's taxonomy, tied to what this audit did and did not see of each risk."""

import dataclasses

from mmaudit.evidence.records import Record, RunEvidence
from mmaudit.evidence.reports import NOT_VERIFIED

__all__ = ["risk_log", "risk_rows"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Risk:
    """A risk and where its evidence is: by ``failures``, or by ``fragments`` of a check's name."""

    name: str
    description: str
    limitation: str
    evidence_file: str
    failures: tuple[str, ...] = ()
    fragments: tuple[str, ...] = ()


_TAXONOMY = (
    _Risk(
        name="confounding",
        description="The pairs are matched by a cue both modalities share, not by what they mean.",
        limitation="Only cues that were re-drawn, removed or listed as metadata can be seen.",
        evidence_file="reports/shortcut.json",
        failures=("shortcut",),
    ),
    _Risk(
        name="dominance",
        description="One modality shapes the shared space and the other follows it.",
        limitation="A mildly slow encoder leaves no trace in the embeddings alone.",
        evidence_file="reports/dominance.json",
        failures=("dominance",),
    ),
    _Risk(
        name="collapse",
        description="The embeddings lose dimensions or distinctness while the loss still looks sound.",
        limitation="A collapse within one class can hide behind an average over all of them.",
        evidence_file="reports/collapse.json",
        failures=("collapse",),
    ),
    _Risk(
        name="leakage",
        description="The answer reaches the encoder by a side channel, or audited items were trained on.",
        limitation="Whether the audited items were trained on cannot be seen from their embeddings.",
        evidence_file="reports/baseline.json",
        failures=("leakage",),
        fragments=("leak",),
    ),
    _Risk(
        name="metric gaming",
        description="A degenerate encoder scores well because of ties, NaN or an evaluator's ordering.",
        limitation="Only the null encoders listed here were tried.",
        evidence_file="reports/baseline.json",
        failures=("integrity", "alignment"),
        fragments=("null:",),
    ),
    _Risk(
        name="corruption",
        description="Some of the claimed pairs are wrong.",
        limitation="Mismatches between items that share most of their meaning are underestimated.",
        evidence_file="reports/corruption.json",
        failures=("corruption",),
    ),
    _Risk(
        name="hubness",
        description="A few items are the nearest neighbour of many and crowd out right answers.",
        limitation="Hubs depend on the gallery; another one can have others.",
        evidence_file="outcomes.json",
        fragments=("hub",),
    ),
)
_OPEN_QUESTIONS = [
    "Do these failure signatures carry over to the data and the training that will be used in earnest?",
    "Which of these checks best foretells brittleness under a shift of domain?",
    "Which limits are appropriate for the use this subject is meant for?",
]


def risk_log(evidence: RunEvidence) -> Record:
    """Return the risk log of an audit."""
    return {
        "risks": risk_rows(evidence.outcomes, evidence.certifications),
        "open_questions": _OPEN_QUESTIONS,
        "verification_status": NOT_VERIFIED,
    }


def risk_rows(outcomes: list[Record], certifications: list[Record]) -> list[Record]:
    """Return one row a risk: its checks with their limits, its controls, its status, where to read on."""
    return [_row(risk, outcomes + certifications) for risk in _TAXONOMY]


def _row(risk: _Risk, records: list[Record]) -> Record:
    seen = [row for row in records if _concerns(risk, row)]
    return {
        "risk": risk.name,
        "description": risk.description,
        "status": _status([row["verdict"] for row in seen]),
        "checks": [{key: row[key] for key in ("check", "verdict", "limit")} for row in seen],
        "controls": [_control(row["check"], row["control"]) for row in seen if row["control"] is not None],
        "evidence_file": risk.evidence_file,
        "limitation": risk.limitation,
    }


def _concerns(risk: _Risk, row: Record) -> bool:
    return row["failure"] in risk.failures or any(part in row["check"] for part in risk.fragments)


def _control(check: str, control: Record) -> str:
    return f"{check} rejects {control['damage']} from severity {control['severity']:.3g}"


def _status(verdicts: list[str | None]) -> str:
    for verdict, status in (
        ("REJECT", "detected"),
        ("INCONCLUSIVE", "undecided"),
        ("ACCEPT", "not detected"),
        (None, "measured, not judged"),
    ):
        if verdict in verdicts:
            return status
    return "not evidenced"
