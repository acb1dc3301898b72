"""Collapse: the embeddings of both modalities leave most of their space unused."""

from mmaudit.failures.mechanism import Mechanism, Plant, geometric
from mmaudit.failures.recipe import Recipe

__all__ = ["COLLAPSE"]

# The dials begin where harm does: mild doses of the first three help, and eight dimensions are enough. That
# of the cone ends where harm ends to grow, though the cone still narrows.
RANKS = (8, 2)
REPULSIONS = (0.75, 0.2)
LOST_A_STEP = (0.015, 0.24)
TEMPERATURES = (0.03, 0.01)


def _dimensional(recipe: Recipe, severity: float) -> Recipe:
    rank = round(geometric(*RANKS, severity))
    return recipe.with_aligner(rank_x=rank, rank_y=rank)


def _repulsion(recipe: Recipe, severity: float) -> Recipe:
    # The best epoch by validation would be one before the collapse.
    return recipe.trained_with(repulsion=geometric(*REPULSIONS, severity), keep="last")


def _decay(recipe: Recipe, severity: float) -> Recipe:
    # What a weight loses in a step is the product of the two, and only the last epoch shows what is left.
    lost = geometric(*LOST_A_STEP, severity)
    return recipe.trained_with(weight_decay=lost / recipe.training.lr, keep="last")


def _cone(recipe: Recipe, severity: float) -> Recipe:
    return recipe.with_aligner(temperature=geometric(*TEMPERATURES, severity))


def _mechanism(name: str, plant: Plant, claim: str, seen_by: str) -> Mechanism:
    return Mechanism(name=name, families=("collapse",), claim=claim, seen_by=seen_by, plant=plant)


COLLAPSE: tuple[Mechanism, ...] = (
    _mechanism(
        "dimensional collapse",
        _dimensional,
        "Both modalities are confined to the same few dimensions.",
        "rankme",
    ),
    _mechanism(
        "collapse by repulsion",
        _repulsion,
        "Pairs are pulled together harder than the rest is pushed apart.",
        "rankme",
    ),
    _mechanism("collapse by decay", _decay, "Decoupled weight decay outweighs the loss.", "rankme"),
    _mechanism("cone", _cone, "A temperature too low lets both modalities crowd into a cone.", "mean_cosine"),
)
"""Dimensional collapse, complete collapse by weak repulsion and by decay, and the cone."""
