"""The teaching suites: every condition of the chapter with its claim, and what the measurement says of it."""

from mmaudit.suites.catalogue import CONDITIONS, condition_named, conditions
from mmaudit.suites.condition import SUITES, Claim, Condition, Statement
from mmaudit.suites.finding import Decided, Finding, Judged
from mmaudit.suites.laboratory import Laboratory
from mmaudit.suites.recipe import Callback, Trainable

__all__ = [
    "CONDITIONS",
    "SUITES",
    "Callback",
    "Claim",
    "Condition",
    "Decided",
    "Finding",
    "Judged",
    "Laboratory",
    "Statement",
    "Trainable",
    "condition_named",
    "conditions",
]
