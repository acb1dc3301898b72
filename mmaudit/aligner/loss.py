"""Symmetric InfoNCE with its analytic gradient."""

from typing import NamedTuple

import numpy as np

from mmaudit.aligner.encoder import Array
from mmaudit.aligner.spec import LossDirection

__all__ = ["InfoNCE", "info_nce"]


class InfoNCE(NamedTuple):
    """``pair_losses`` (n,) in nats, whose mean is the loss, and its gradients ``d_x``, ``d_y`` (n, d)."""

    pair_losses: Array
    d_x: Array
    d_y: Array


def info_nce(
    x: Array, y: Array, temperature: float, direction: LossDirection = "both", repulsion: float = 1.0
) -> InfoNCE:
    """Return InfoNCE of n pairs of embeddings (van den Oord 2018, eq. 4; both directions as in Radford 2021).

    ``x`` and ``y`` are (n, d), row i of one paired with row i of the other; logits are S = x yᵀ/τ. A pair's
    loss is log Σ_j exp S_ij − S_ii, with rows for x→y and columns for y→x, averaged over the directions
    trained. With P the matching softmaxes, averaged likewise, the gradient in S is (P − I)/n.
    ``repulsion`` multiplies the off-diagonal entries of that gradient and leaves the losses alone.
    """
    n = len(x)
    logits = (x @ y.T) / temperature
    axes = {"both": (1, 0), "x_to_y": (1,), "y_to_x": (0,)}[direction]
    losses = -np.diagonal(logits)
    pull = np.zeros_like(logits)
    for axis in axes:
        # The largest logit is taken out first: exp(1/τ) overflows float32 below τ = 0.0113.
        peak = np.max(logits, axis=axis, keepdims=True)
        weight = logits - peak
        np.exp(weight, out=weight)
        total = np.sum(weight, axis=axis, keepdims=True)
        losses += np.ravel(peak + np.log(total)) / len(axes)
        weight /= total * len(axes)
        pull += weight
    positive = np.diagonal(pull) - 1
    pull *= repulsion
    np.fill_diagonal(pull, positive)
    pull /= n * temperature
    return InfoNCE(losses, pull @ y, pull.T @ x)
