"""Influence of one batch: what a single perturbed optimiser step does to retrieval."""

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.errors import InputError
from mmaudit.measurement import Direction, Measurement

__all__ = ["one_step_influence"]

_HIGHER: Direction = "higher is better"
_ZERO: Direction = "closer to zero is better"


def one_step_influence(
    hits_before: npt.ArrayLike,
    hits_clean_step: npt.ArrayLike,
    hits_perturbed_step: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> tuple[Measurement, Measurement, Measurement]:
    """Return ``one_step_gain``, ``one_step_influence`` and ``one_step_influence_absolute``.

    All three columns (n,) hold the expected hit in [0, 1] of the same queries: before, after one optimiser
    step on a batch, and after one step from the same state on the perturbed batch (pairs swapped, a
    nuisance removed). Gain is clean − before, influence clean − perturbed (positive: the perturbation
    hurts), both paired by query; ``clusters`` (n,) marks relevance groups.

    The absolute influence |mean clean − mean perturbed| of one batch is the usual probe and uninformative on
    its own: being without sign it is positive for no effect at all, and one batch moves a trained model as
    little whether its training pairs were clean or not. It is the signed one taken in the direction in
    which it is positive, with the same standard error: an interval that reaches below 0 has no sign. Raises
    :class:`InputError` on unequal lengths or hits outside [0, 1].
    """
    before, clean, perturbed = (
        np.asarray(column, dtype=np.float64) for column in (hits_before, hits_clean_step, hits_perturbed_step)
    )
    if not before.shape == clean.shape == perturbed.shape:
        raise InputError(
            f"hits have shapes {before.shape}, {clean.shape}, {perturbed.shape}; give the same queries thrice"
        )
    higher, lower = (clean, perturbed) if clean.sum() >= perturbed.sum() else (perturbed, clean)
    gain, signed, absolute = (
        inference.paired_difference(
            name,
            first,
            second,
            clusters=clusters,
            confidence=confidence,
            unit="hit rate",
            direction=direction,
            null=0.0,
        )
        for name, first, second, direction in (
            ("one_step_gain", clean, before, _HIGHER),
            ("one_step_influence", clean, perturbed, _ZERO),
            ("one_step_influence_absolute", higher, lower, _ZERO),
        )
    )
    return gain, signed, absolute
