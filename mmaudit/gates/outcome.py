"""What a gate concludes: flat records, comparable and printable without the code that made them."""

import dataclasses
import enum
from typing import Any, Literal

from mmaudit.measurement import Measurement

__all__ = ["Control", "Dose", "Limit", "LimitKind", "Outcome", "Verdict"]

LimitKind = Literal["field", "reference", "user"]


class Verdict(str, enum.Enum):
    """The four answers of a gate. What was not measured is never a pass."""

    ACCEPT = "ACCEPT"
    REJECT = "REJECT"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_EVIDENCED = "NOT EVIDENCED"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limit:
    """The closed range ``[low, high]`` a measurement must lie in; ``None`` leaves a side open.

    ``kind``: ``field`` limits hold for any encoder (they rest on an invariant, on distinguishability or on
    harm); ``reference`` limits were calibrated on the reference aligner in the standard world and are used
    for it alone; ``user`` limits come from the settings.
    """

    low: float | None = None
    high: float | None = None
    kind: LimitKind
    rationale: str

    def __str__(self) -> str:
        """Return the range as a reader writes it."""
        if self.low is not None and self.high is not None:
            return f"±{self.high:g}" if self.low == -self.high else f"{self.low:g} to {self.high:g}"
        return f"≥ {self.low:g}" if self.low is not None else f"≤ {self.high:g}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dose:
    """One severity of a planted damage that was tried: what the gate measured there, and whether it rejected.

    ``value`` with its interval ``[low, high]`` is what decided; ``None`` where the damage left nothing to
    measure.
    """

    severity: float
    value: float | None
    low: float | None
    high: float | None
    rejected: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Control:
    """The positive control of one accepted gate: damage planted in this very subject until it rejects.

    ``severity`` in [0, 1] is the smallest one tried at which the gate rejects; ``value`` is what the gate
    measured there and ``harm`` the r@1 (mean of both directions) lost there, ``None`` where retrieval is
    not what the damage touches. ``doses`` are all that were tried, by severity: the response of this gate to
    its damage on this subject, coarse as the search for the smallest one left it.
    """

    damage: str
    severity: float
    value: float | None
    harm: float | None
    doses: tuple[Dose, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """One check's conclusion. ``verdict`` is ``None`` for a notice: measured and shown, with no limit set.

    ``measurement`` decided (of several, the one nearest to rejection); ``others`` are the rest, such as the
    other modality's.

    ``p_value`` is two-sided and asks whether the measurement is on the wrong side of the limit;
    ``p_adjusted`` is Holm's over the ``family`` gates of the catalogue. ``access`` lists what the check had
    to see (embeddings, claimed pairs, inputs, gradients). ``reason`` is one line a person can act on; where
    it opens with the measurement's numbers, what they do not say follows the first semicolon.
    """

    check: str
    failure: str
    question: str
    verdict: Verdict | None
    measurement: Measurement | None
    limit: Limit | None
    others: tuple[Measurement, ...] = ()
    p_value: float | None = None
    p_adjusted: float | None = None
    family: int = 1
    n_to_decide: int | None = None
    control: Control | None = None
    access: tuple[str, ...] = ()
    reason: str = ""

    def record(self) -> dict[str, Any]:
        """Return the outcome as exact builtin types, ready for canonical JSON and process boundaries."""
        row: dict[str, Any] = dataclasses.asdict(self)
        row["verdict"] = None if self.verdict is None else self.verdict.value
        row["measurement"] = None if self.measurement is None else self.measurement.record()
        row["others"] = [m.record() for m in self.others]
        row["access"] = list(self.access)
        if self.control is not None:
            row["control"]["doses"] = list(row["control"]["doses"])
        return row

    @classmethod
    def from_record(cls, row: dict[str, Any]) -> "Outcome":
        """Rebuild an outcome from :meth:`record`."""
        fields = dict(row)
        if fields["verdict"] is not None:
            fields["verdict"] = Verdict(fields["verdict"])
        if fields["measurement"] is not None:
            fields["measurement"] = Measurement.from_record(fields["measurement"])
        fields["others"] = tuple(Measurement.from_record(m) for m in fields["others"])
        if fields["limit"] is not None:
            fields["limit"] = Limit(**fields["limit"])
        if fields["control"] is not None:
            control = fields["control"]
            fields["control"] = Control(**control | {"doses": tuple(Dose(**d) for d in control["doses"])})
        fields["access"] = tuple(fields["access"])
        return cls(**fields)
