"""The one form in which a number leaves a diagnostic: with its interval, its n and its method."""

import dataclasses
from typing import Any, Literal

__all__ = ["Direction", "IntervalKind", "Measurement"]

Direction = Literal["higher is better", "lower is better", "closer to zero is better", "descriptive"]
IntervalKind = Literal["student", "wilson", "exact", "none"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """A value with its uncertainty. Built by the constructors in :mod:`mmaudit.inference.intervals`.

    ``value``, ``low`` and ``high`` are finite floats or ``None``; when ``value`` is ``None`` the first of
    ``notes`` says why it is undefined. ``interval`` names how ``low`` and ``high`` follow from the rest, so
    that :func:`mmaudit.inference.at_confidence` can restate them at another level:

    - ``student``: ``value ± t(df) · se``; a standard error with its degrees of freedom.
    - ``wilson``: the score interval of a proportion over ``n`` independent trials (Wilson 1927).
    - ``exact``: counted or computed without sampling error; ``low == value == high``.
    - ``none``: undefined, no interval.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    confidence: float
    n: int
    method: str
    interval: IntervalKind
    unit: str
    direction: Direction
    se: float | None = None
    df: float | None = None
    null: float | None = None
    """The value expected when there is nothing to find (chance, or the mean of a permutation null)."""
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the measurement as exact builtin types, ready for canonical JSON."""
        row = dataclasses.asdict(self)
        row["notes"] = list(self.notes)
        return row

    @classmethod
    def from_record(cls, row: dict[str, Any]) -> "Measurement":
        """Rebuild a measurement from :meth:`record`."""
        # Canonical JSON writes a whole number without a fraction, and its reader returns an int.
        numbers = ("value", "low", "high", "confidence", "se", "df", "null")
        floats = {key: None if row[key] is None else float(row[key]) for key in numbers}
        return cls(**{**row, **floats, "notes": tuple(row["notes"])})
