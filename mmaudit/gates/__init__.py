"""Gates: the catalogue of checks, their limits, and the verdicts."""

from mmaudit.failures.nulls import NULL_ENCODERS
from mmaudit.gates.auditor import Auditor
from mmaudit.gates.case import Again, Case
from mmaudit.gates.catalogue import CHECKS, check_named
from mmaudit.gates.check import Check, Damage
from mmaudit.gates.configured import load_settings
from mmaudit.gates.decide import Decision, decide, finalize
from mmaudit.gates.diagnosis import ACCESS_LEVELS, Diagnosis, Evidence, diagnose
from mmaudit.gates.outcome import Control, Limit, Outcome, Verdict
from mmaudit.gates.policy import overall

__all__ = [
    "ACCESS_LEVELS",
    "CHECKS",
    "NULL_ENCODERS",
    "Again",
    "Auditor",
    "Case",
    "Check",
    "Control",
    "Damage",
    "Decision",
    "Diagnosis",
    "Evidence",
    "Limit",
    "Outcome",
    "Verdict",
    "check_named",
    "decide",
    "diagnose",
    "finalize",
    "load_settings",
    "overall",
]
