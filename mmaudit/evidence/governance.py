"""What only people can state about an audited system; what they did not state is said, never guessed."""

from collections.abc import Mapping
from typing import Any

from mmaudit.evidence.records import Record
from mmaudit.evidence.reports import NOT_VERIFIED

__all__ = ["NOT_STATED", "STATEMENTS", "governance"]

NOT_STATED = "not stated"

STATEMENTS = (
    "intended_use",
    "responsible_person",
    "system_version",
    "previous_version",
    "evaluator_independence",
    "licence",
    "dataset_description",
    "residual_risks",
)
"""Texts or lists of texts. ``licence`` and ``dataset_description`` are those of the audited data."""


def governance(stated: Mapping[str, Any]) -> Record:
    """Return the governance document: every statement, or that it was not made."""
    rows = {key: stated.get(key, NOT_STATED) for key in STATEMENTS}
    return {
        "statements": {key: row if isinstance(row, str) else list(row) for key, row in rows.items()},
        "not_stated": [key for key, row in rows.items() if row == NOT_STATED],
        "verification_status": NOT_VERIFIED,
    }
