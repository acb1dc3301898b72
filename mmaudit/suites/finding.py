"""What a condition showed: its measurements, and what became of every claim. Builtin records on the way."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from mmaudit.measurement import Measurement
from mmaudit.suites.condition import Claim, Condition, Statement

__all__ = ["Decided", "Decision", "Finding", "Judged", "find", "judge"]

Decision = Literal["HOLDS", "IS FALSE", "UNDECIDED"]


@dataclasses.dataclass(frozen=True)
class Decided:
    """One statement and what the interval of its measurement says of it."""

    statement: Statement
    decision: Decision

    def record(self) -> dict[str, Any]:
        """Return it flat, as builtin types."""
        return {**dataclasses.asdict(self.statement), "decision": self.decision}

    @classmethod
    def from_record(cls, row: Mapping[str, Any]) -> "Decided":
        """Rebuild it from :meth:`record`."""
        return cls(Statement(**{k: v for k, v in row.items() if k != "decision"}), row["decision"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim after the measurement: ``says`` decides it, ``shows`` its correction where there is one."""

    claim: str
    decision: Decision
    says: tuple[Decided, ...]
    truth: str
    shows: tuple[Decided, ...]

    def record(self) -> dict[str, Any]:
        """Return it as builtin types."""
        return {
            "claim": self.claim,
            "decision": self.decision,
            "says": [row.record() for row in self.says],
            "truth": self.truth,
            "shows": [row.record() for row in self.shows],
        }

    @classmethod
    def from_record(cls, row: Mapping[str, Any]) -> "Judged":
        """Rebuild it from :meth:`record`."""
        told = {key: tuple(Decided.from_record(each) for each in row[key]) for key in ("says", "shows")}
        return cls(claim=row["claim"], decision=row["decision"], truth=row["truth"], **told)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One condition as it came out. ``changes`` are its dials as builtin types."""

    condition: str
    suite: str
    origin: str
    reference: str | None
    changes: dict[str, Any]
    claims: tuple[Judged, ...]
    measurements: tuple[Measurement, ...]

    def __getitem__(self, measure: str) -> Measurement:
        """Return the measurement called ``measure``."""
        return {m.name: m for m in self.measurements}[measure]

    def __contains__(self, measure: object) -> bool:
        """Return whether ``measure`` was taken."""
        return any(m.name == measure for m in self.measurements)

    @property
    def contradicted(self) -> tuple[str, ...]:
        """What the suite states and this measurement contradicts, a line each; empty if nothing."""
        lines = []
        for claim in self.claims:
            for row in claim.shows or claim.says:
                if row.decision == "IS FALSE":
                    m = self[row.statement.measure]
                    lines.append(
                        f"{row.statement}, measured {m.value:.3g} [{m.low:.3g}, {m.high:.3g}]: "
                        f"{claim.truth or claim.claim}"
                    )
        return tuple(lines)

    def record(self) -> dict[str, Any]:
        """Return the finding as exact builtin types, ready for canonical JSON and process boundaries."""
        return {
            "condition": self.condition,
            "suite": self.suite,
            "origin": self.origin,
            "reference": self.reference,
            "changes": self.changes,
            "claims": [claim.record() for claim in self.claims],
            "measurements": [m.record() for m in self.measurements],
        }

    @classmethod
    def from_record(cls, row: Mapping[str, Any]) -> "Finding":
        """Rebuild a finding from :meth:`record`."""
        fields = dict(row)
        fields["claims"] = tuple(Judged.from_record(each) for each in row["claims"])
        fields["measurements"] = tuple(Measurement.from_record(m) for m in row["measurements"])
        return cls(**fields)


def find(condition: Condition, measurements: Iterable[Measurement]) -> Finding:
    """Return what ``measurements`` say of the claims of ``condition``."""
    taken = tuple(measurements)
    by_name = {m.name: m for m in taken}
    return Finding(
        condition=condition.name,
        suite=condition.suite,
        origin=condition.origin,
        reference=condition.reference,
        changes=condition.changes(),
        claims=tuple(_judged(claim, by_name) for claim in condition.claims),
        measurements=taken,
    )


def judge(m: Measurement | None, statement: Statement) -> Decision:
    """Decide ``statement`` by the whole interval of ``m``: on one side of it, on the other, or across.

    What was not measured decides nothing.
    """
    if m is None or m.low is None or m.high is None:
        return "UNDECIDED"
    low, high = statement.low, statement.high
    within = (low is None or m.low >= low) and (high is None or m.high <= high)
    beyond = (low is not None and m.high < low) or (high is not None and m.low > high)
    if not within and not beyond:
        return "UNDECIDED"
    return "HOLDS" if within != statement.outside else "IS FALSE"


def _judged(claim: Claim, measurements: Mapping[str, Measurement]) -> Judged:
    says, shows = (
        tuple(Decided(s, judge(measurements.get(s.measure), s)) for s in statements)
        for statements in (claim.says, claim.shows)
    )
    return Judged(claim=claim.text, decision=_together(says), says=says, truth=claim.truth, shows=shows)


def _together(rows: Sequence[Decided]) -> Decision:
    """Return the decision of a claim that says all of ``rows``: one that is false makes it false."""
    decisions = {row.decision for row in rows}
    if "IS FALSE" in decisions:
        return "IS FALSE"
    return "HOLDS" if decisions == {"HOLDS"} else "UNDECIDED"
