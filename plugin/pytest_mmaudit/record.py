"""What one test found, kept on its item and sent to the process that writes the bundle."""

import dataclasses
import json
from typing import Any

import pytest

from mmaudit.errors import InputError
from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.suites.finding import Finding

__all__ = ["RECORD", "Record", "builtins_only"]


@dataclasses.dataclass
class Record:
    """The findings of one test, in the order in which it made them. ``message`` is why it did not pass.

    ``stress`` is what a search for a failing world found.
    """

    outcomes: list[Outcome] = dataclasses.field(default_factory=list)
    certifications: list[Outcome] = dataclasses.field(default_factory=list)
    evidence: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    suites: list[Finding] = dataclasses.field(default_factory=list)
    stress: dict[str, Any] | None = None
    message: str = ""

    @property
    def fails(self) -> bool:
        """Whether something of what the test found can fail it; a test that fails without it has crashed."""
        verdicts = {o.verdict for o in (*self.outcomes, *self.certifications)}
        return bool(verdicts - {Verdict.ACCEPT, None}) or any(f.contradicted for f in self.suites)

    def to_builtins(self) -> dict[str, Any]:
        """Return the record as exact builtin types: all that crosses a process boundary."""
        row: dict[str, Any] = builtins_only(
            {
                "outcomes": [o.record() for o in self.outcomes],
                "certifications": [o.record() for o in self.certifications],
                "evidence": self.evidence,
                "suites": [f.record() for f in self.suites],
                "stress": self.stress,
                "message": self.message,
            }
        )
        return row

    @classmethod
    def from_builtins(cls, row: dict[str, Any]) -> "Record":
        """Rebuild a record from :meth:`to_builtins`."""
        return cls(
            outcomes=[Outcome.from_record(o) for o in row["outcomes"]],
            certifications=[Outcome.from_record(o) for o in row["certifications"]],
            evidence=row["evidence"],
            suites=[Finding.from_record(f) for f in row["suites"]],
            stress=row["stress"],
            message=row["message"],
        )


RECORD = pytest.StashKey[Record]()
"""On the item of every test that takes part in the audit."""


def builtins_only(value: Any) -> Any:
    """Return ``value`` with exact builtin types; raise :class:`InputError` where JSON cannot carry it.

    The round trip matters: ``np.float64`` is a float to :mod:`json` but kills an xdist worker, whose
    serialiser knows exact types only.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"evidence must be finite numbers, strings, booleans, lists and dicts with string keys: {error}"
        ) from error
