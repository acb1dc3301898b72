"""Dominance: one modality carries the space, or the score."""

import dataclasses

from mmaudit.aligner.spec import Side
from mmaudit.aligner.trained import MODALITIES
from mmaudit.failures.mechanism import Mechanism, Plant, geometric
from mmaudit.failures.recipe import Recipe

__all__ = ["DOMINANCE"]

LARGEST_POWER = 2.0
LARGEST_GAIN = 16.0
RANKS = (6, 2)
"""Down to six dimensions little is lost; the dial begins there."""


def _norm_leak(side: Side) -> Mechanism:
    def plant(recipe: Recipe, severity: float) -> Recipe:
        power = LARGEST_POWER * severity
        x, y = recipe.norm_powers or (0.0, 0.0)
        powers = (x + power, y) if side == "x" else (x, y + power)
        return dataclasses.replace(recipe, norm_powers=powers)

    return _mechanism(
        "norm leak",
        side,
        plant,
        "Its rows are served with their lengths, and long ones win whatever they mean.",
        "norm_leak",
    )


def _passenger(side: Side) -> Mechanism:
    def plant(recipe: Recipe, severity: float) -> Recipe:
        return recipe.trained_with(**{f"lr_mult_{side}": 1.0 - severity})

    return _mechanism(
        "passenger",
        side,
        plant,
        "Its encoder learns more slowly, at last not at all, and the other one does the aligning.",
        "movement_ratio",
    )


def _heavy_start(side: Side) -> Mechanism:
    def plant(recipe: Recipe, severity: float) -> Recipe:
        return recipe.with_aligner(**{f"init_gain_{side}": geometric(1.0, LARGEST_GAIN, severity)})

    return _mechanism(
        "heavy start",
        side,
        plant,
        "Its initial weights are too large for the learning rate, so its gradients are small.",
        "gradient_ratio",
    )


def _bandwidth(side: Side) -> Mechanism:
    def plant(recipe: Recipe, severity: float) -> Recipe:
        return recipe.with_aligner(**{f"rank_{side}": round(RANKS[0] + (RANKS[1] - RANKS[0]) * severity)})

    return _mechanism(
        "bandwidth", side, plant, "Its embeddings are confined to few dimensions.", "rank_asymmetry"
    )


def _mechanism(name: str, side: Side, plant: Plant, claim: str, seen_by: str) -> Mechanism:
    modality = MODALITIES["xy".index(side)]
    return Mechanism(
        name=f"{name}, {modality}",
        families=("dominance",),
        side=modality,
        claim=claim,
        seen_by=seen_by,
        plant=plant,
    )


DOMINANCE: tuple[Mechanism, ...] = (
    _norm_leak("x"),
    _norm_leak("y"),
    _passenger("x"),
    _passenger("y"),
    _heavy_start("x"),
    _heavy_start("y"),
    _bandwidth("x"),
    _bandwidth("y"),
)
"""Norm leak, passenger encoder, heavy start and bandwidth, each on either side."""
