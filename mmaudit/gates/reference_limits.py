"""Limits for the reference aligner in the standard world, whose healthy range is known: it was measured.

``benchmarks/healthy_ranges.py`` trains healthy aligners on its development seeds and prints the mean and the
standard deviation (SD) of each figure; a limit stands far beyond the healthy range and short of what a
harmful failure does.
"""

from mmaudit.gates.outcome import Limit

__all__ = ["GRADIENT_RATIO", "MEAN_COSINE", "MOVEMENT_RATIO", "RANKME"]


def _reference(rationale: str, low: float | None = None, high: float | None = None) -> Limit:
    return Limit(low=low, high=high, kind="reference", rationale=rationale)


RANKME = _reference("beyond 10 SD of healthy reference aligners (benchmarks/healthy_ranges.py)", low=22.5)
MEAN_COSINE = _reference(
    "beyond 8 SD of healthy reference aligners (benchmarks/healthy_ranges.py)", low=-0.03, high=0.03
)
GRADIENT_RATIO = _reference(
    "beyond 10 SD of healthy reference aligners (benchmarks/healthy_ranges.py); initial weights 4 times too "
    "large give 1",
    low=-0.75,
    high=0.75,
)
MOVEMENT_RATIO = _reference(
    "beyond 10 SD of healthy reference aligners (benchmarks/healthy_ranges.py); half a learning rate gives "
    "0.76",
    low=-0.6,
    high=0.6,
)
