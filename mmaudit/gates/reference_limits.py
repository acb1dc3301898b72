"""Limits for the reference aligner in the standard world, whose healthy range is known: it was measured.

``benchmarks/healthy_ranges.py`` trains healthy aligners on its development seeds and prints the mean and the
standard deviation (SD) of each figure; a limit stands far beyond the healthy range and short of what a
harmful failure does.
"""

from mmaudit.gates.outcome import Limit

__all__ = [
    "EXCHANGEABILITY",
    "GRADIENT_RATIO",
    "IMAGE_INPUT_SIMILARITY",
    "MEAN_COSINE",
    "MOVEMENT_RATIO",
    "RANKME",
    "RANK_ASYMMETRY",
    "TEXT_INPUT_SIMILARITY",
    "TWIN_VARIANCE",
]


def _reference(rationale: str, low: float | None = None, high: float | None = None) -> Limit:
    return Limit(low=low, high=high, kind="reference", rationale=rationale)


RANKME = _reference("beyond 10 SD of healthy reference aligners (benchmarks/healthy_ranges.py)", low=22.5)
MEAN_COSINE = _reference(
    "beyond 8 SD of healthy reference aligners (benchmarks/healthy_ranges.py)", low=-0.03, high=0.03
)
RANK_ASYMMETRY = _reference(
    "0.4 to either side of the healthy mean, beyond 10 SD of healthy reference aligners "
    "(benchmarks/healthy_ranges.py); a modality confined to half of its dimensions gives 0.7",
    low=-0.35,
    high=0.45,
)
GRADIENT_RATIO = _reference(
    "0.5 to either side of the healthy mean, beyond 10 SD of healthy reference aligners "
    "(benchmarks/healthy_ranges.py); initial weights 4 times too large move it by more than 1",
    low=-0.75,
    high=0.25,
)
MOVEMENT_RATIO = _reference(
    "0.4 to either side of the healthy mean, beyond 10 SD of healthy reference aligners "
    "(benchmarks/healthy_ranges.py); half a learning rate moves it by 0.5",
    low=-0.2,
    high=0.6,
)
EXCHANGEABILITY = _reference(
    "distinguishability: in the standard world trusted pairs are drawn as the claimed ones are, so a healthy "
    "reference aligner falls below once in five thousand audits, exactly",
    low=0.0002,
)
TWIN_VARIANCE = _reference(
    "beyond 5 SD of healthy reference aligners (benchmarks/healthy_ranges.py); a text encoder that has a "
    "quarter of its learning rate gives 0.25",
    high=0.215,
)
IMAGE_INPUT_SIMILARITY = _reference(
    "beyond 5 SD of healthy reference aligners (benchmarks/healthy_ranges.py); an image encoder that has a "
    "quarter of its learning rate gives 0.2",
    high=0.17,
)
TEXT_INPUT_SIMILARITY = _reference(
    "beyond 4.9 SD of healthy reference aligners (benchmarks/healthy_ranges.py); a text encoder that has a "
    "quarter of its learning rate gives more than 0.5",
    high=0.48,
)
