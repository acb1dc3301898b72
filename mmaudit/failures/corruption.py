"""Corruption: a share of the pairs, trained on and claimed, belongs to somebody else."""

from mmaudit.diagnostics import early_loss_separation
from mmaudit.errors import InputError
from mmaudit.failures.mechanism import Mechanism
from mmaudit.failures.recipe import Planted, Recipe
from mmaudit.measurement import Measurement

__all__ = ["CORRUPTION", "early_separation"]

LARGEST_RATE = 0.45


def _random(recipe: Recipe, severity: float) -> Recipe:
    return recipe.in_world(corruption_rate=LARGEST_RATE * severity, corruption_kind="derangement")


def _hard(recipe: Recipe, severity: float) -> Recipe:
    return recipe.in_world(corruption_rate=LARGEST_RATE * severity, corruption_kind="hard")


CORRUPTION: tuple[Mechanism, ...] = (
    Mechanism(
        name="random mismatches",
        families=("corruption",),
        claim="A share of the pairs is exchanged at random.",
        seen_by="mispairing_rate",
        plant=_random,
    ),
    Mechanism(
        name="hard mismatches",
        families=("corruption",),
        claim="A share of the pairs gets the text of the nearest other meaning.",
        seen_by="exchangeability",
        plant=_hard,
    ),
)
"""Random and hard mismatches, at the same rate in training and in the claimed pairs."""


def early_separation(planted: Planted, epoch: int) -> Measurement:
    """Measure how well the training losses of ``epoch``, counted from 1, tell the wrong pairs from the right.

    See :func:`mmaudit.diagnostics.early_loss_separation`. Raises :class:`~mmaudit.errors.InputError` where
    the training recorded no such losses.
    """
    losses = planted.aligner.history.pair_losses
    if losses is None or not 1 <= epoch <= len(losses):
        recorded = 0 if losses is None else len(losses)
        raise InputError(
            f"{recorded} epochs of pair losses were recorded, not epoch {epoch}; train with "
            "TrainSpec.pair_losses and ask for an epoch that was trained"
        )
    return early_loss_separation(losses[epoch - 1], planted.world.corrupted("train"))
