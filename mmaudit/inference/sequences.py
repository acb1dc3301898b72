"""Intervals that may be looked at after every draw: the mean of a finite population, by betting."""

import math

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError

__all__ = ["BettingSequence"]

_TRUNCATION = 0.75
"""The largest share of the capital that is bet at once."""

FloatArray = npt.NDArray[np.float64]


class BettingSequence:
    """Bounds on the mean of ``population`` numbers in [0, 1], drawn one by one without replacement.

    The hedged capital process of Waudby-Smith & Ramdas (2024, JRSS B 86(1)), in its form for draws without
    replacement. For every candidate mean m two gamblers bet that it is larger or smaller; were m the mean,
    neither's expected capital would grow, so that by Ville's inequality it reaches 2/α with probability α/2
    at most, *ever*. All m against which one did are excluded. The bounds hold at all times at once: one may
    look after every draw and stop for any reason.

    ``alpha`` tunes the bets; :meth:`interval` may be asked for any other level. Candidates are the multiples
    of 1/``steps``, and bounds are rounded outwards to them. Raises :class:`~mmaudit.errors.InputError` on
    numbers outside [0, 1] and on more draws than there are numbers.
    """

    def __init__(self, population: int, alpha: float = 0.05, steps: int = 1000) -> None:
        self.population, self.alpha, self.count = population, alpha, 0
        self._candidates: FloatArray = np.arange(steps + 1) / steps
        self._larger, self._smaller = np.zeros((2, steps + 1))
        self._sum, self._spread = 0.0, 0.25

    def extend(self, values: npt.ArrayLike) -> None:
        """Take the next draws, (k,) in the order drawn."""
        drawn = np.asarray(values, dtype=np.float64)
        if len(drawn) and not (drawn.min() >= 0 and drawn.max() <= 1):
            raise InputError(f"draws lie in [{drawn.min():g}, {drawn.max():g}], outside [0, 1]")
        if self.count + len(drawn) > self.population:
            raise InputError(f"more draws than the {self.population} there are")
        with np.errstate(divide="ignore", invalid="ignore"):
            for value in drawn:
                self._bet(float(value))

    def _bet(self, value: float) -> None:
        left = self.population - self.count
        # What the rest must average for the candidate to be the mean.
        rest = (self.population * self._candidates - self._sum) / left
        variance = self._spread / (self.count + 1)
        self.count += 1
        bet = math.sqrt(2 * math.log(2 / self.alpha) / (variance * self.count * math.log1p(self.count)))
        gain = value - rest
        possible = (rest >= 0) & (rest <= 1)
        upwards = np.minimum(bet, _TRUNCATION / rest)
        downwards = np.minimum(bet, _TRUNCATION / (1 - rest))
        self._larger += np.where(possible, np.log1p(np.where(possible, upwards * gain, 0.0)), 0.0)
        self._smaller += np.where(possible, np.log1p(np.where(possible, -downwards * gain, 0.0)), 0.0)
        # No values within [0, 1] are left that would make it the mean.
        self._larger[rest < 0] = np.inf
        self._smaller[rest > 1] = np.inf
        self._sum += value
        centre = (0.5 + self._sum) / (self.count + 1)
        self._spread += (value - centre) ** 2

    @property
    def mean(self) -> float | None:
        """The mean of the draws."""
        return self._sum / self.count if self.count else None

    def interval(self, alpha: float | None = None) -> tuple[float, float]:
        """Return bounds that exclude the mean at any time with probability ``alpha`` at most."""
        enough = math.log(2 / (self.alpha if alpha is None else alpha))
        # Each gambler's capital is monotone in the candidate, so what one excludes is all on one side.
        below = np.flatnonzero(self._larger >= enough)
        above = np.flatnonzero(self._smaller >= enough)
        low = float(self._candidates[below[-1]]) if len(below) else 0.0
        high = float(self._candidates[above[0]]) if len(above) else 1.0
        return low, high
