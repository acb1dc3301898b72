"""Gates that sampled queries decide: what each reads of a query's ranks, and what is sure of it so far."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics import Ranks
from mmaudit.gates import Limit, Verdict
from mmaudit.inference.sequences import BettingSequence

__all__ = ["SampledGate", "discrimination", "far_behind", "gap_at"]

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass
class SampledGate:
    """A gate on the mean of a ``figure`` in [0, 1] of each pair's ranks; ``scale``, which rises, undoes that.

    ``drawn`` bounds the mean of the audited pairs. With ``known``, which bounds that of the pairs known to be
    right, the figure is the share of wrong pairs among the others: q = (π₀ − π₀ᵗ) / (1 − π₀ᵗ), as
    :func:`mmaudit.diagnostics.mispairing_rate` has it. It falls as π₀ᵗ rises, so that the ends of both, each
    at half the error, bound it.
    """

    check: str
    limit: Limit
    figure: Callable[[Ranks], FloatArray]
    scale: Callable[[float], float]
    drawn: BettingSequence
    known: BettingSequence | None = None
    verdict: Verdict = Verdict.INCONCLUSIVE

    @property
    def value(self) -> float | None:
        """The estimate; ``None`` before the first draw."""
        mean = self.drawn.mean
        if mean is None:
            return None
        if self.known is None:
            return self.scale(mean)
        right = self.known.mean
        return None if right is None else _wrong(self.scale(mean), self.scale(right), 0.0)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return bounds that miss the figure at any look with probability ``alpha`` at most."""
        if self.known is None:
            low, high = map(self.scale, self.drawn.interval(alpha))
            return low, high
        low, high = map(self.scale, self.drawn.interval(alpha / 2))
        least, most = map(self.scale, self.known.interval(alpha / 2))
        return _wrong(low, most, 0.0), _wrong(high, least, 1.0)

    def look(self, alpha: float, strict: float) -> None:
        """Decide if the draws suffice: accept at ``alpha``, reject at ``strict``."""
        (low, high), (surely_low, surely_high) = self.interval(alpha), self.interval(strict)
        limit = self.limit
        below = limit.low is not None and surely_high < limit.low
        if below or (limit.high is not None and surely_low > limit.high):
            self.verdict = Verdict.REJECT
        elif (limit.low is None or low >= limit.low) and (limit.high is None or high <= limit.high):
            self.verdict = Verdict.ACCEPT


def _wrong(claimed: float, right: float, otherwise: float) -> float:
    """Return the share of wrong pairs from both π₀; ``otherwise`` where right pairs may rank by chance."""
    return min(1.0, max(0.0, (claimed - right) / (1 - right))) if right < 1 else otherwise


def discrimination(ranked: Ranks) -> FloatArray:
    """Return the probability that each pair beats a random wrong one."""
    return 1 - ranked.mean_percentile


def gap_at(depth: int) -> Callable[[Ranks], FloatArray]:
    """Return what reads the difference of both directions' hits at ``depth``, moved into [0, 1]."""
    return lambda ranked: (ranked.forward.hits(depth) - ranked.backward.hits(depth) + 1) / 2


def far_behind(ranked: Ranks) -> FloatArray:
    """Return Storey's count at one half, the mean of both directions: half of what π₀ counts."""
    halves = []
    for side in (ranked.forward, ranked.backward):
        # The partner's place fills [r, r + 1) of candidates + 1.
        start = np.maximum(side.better, (side.candidates + 1) / 2)
        halves.append(np.maximum(side.better + side.ties + 1 - start, 0.0) / (side.ties + 1))
    return np.asarray((halves[0] + halves[1]) / 2, dtype=np.float64)
