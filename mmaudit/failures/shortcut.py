"""Shortcut: both modalities carry a code that has nothing to do with what they mean, and it is matched on."""

from mmaudit.failures.mechanism import Mechanism, Plant
from mmaudit.failures.recipe import Recipe

__all__ = ["SHORTCUT"]

MOST_CODES = 4
FULL_STRENGTH = 0.5
# Drawn anew, a code of K values still agrees in 1/K of the pairs, so that harm goes with 1 - 1/K, which gains
# little after four; and the more values there are, the less does the healthy twin retrieve, to be lost.


def _agreement(recipe: Recipe, severity: float) -> Recipe:
    return recipe.confounded(agreement=severity)


def _cardinality(recipe: Recipe, severity: float) -> Recipe:
    return recipe.confounded(agreement=1.0, cardinality=max(2, round(1 + (MOST_CODES - 1) * severity)))


def _strength(recipe: Recipe, severity: float) -> Recipe:
    return recipe.confounded(agreement=1.0, strength=FULL_STRENGTH * severity)


def _mechanism(name: str, plant: Plant, claim: str) -> Mechanism:
    return Mechanism(name=name, families=("shortcut",), claim=claim, seen_by="twin_accuracy", plant=plant)


SHORTCUT: tuple[Mechanism, ...] = (
    _mechanism("confounder by agreement", _agreement, "A code agrees within a share of the pairs."),
    _mechanism(
        "confounder by cardinality",
        _cardinality,
        "A code of two, three or four values agrees within all pairs.",
    ),
    _mechanism(
        "confounder by strength",
        _strength,
        "A code that agrees within all pairs is printed ever more boldly.",
    ),
)
"""The confounder by how often, by how finely and by how plainly its codes agree."""
