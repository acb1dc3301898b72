"""Dominance: which modality the training objective turns, and which one has moved."""

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import FloatArray, blocks
from mmaudit.diagnostics._softmax import log_normalisers
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement

__all__ = ["batch_gradient_ratio", "embedding_gradient_ratio", "gradient_ratio", "movement_ratio"]

_FLOOR = 1e-6
"""A side below this share of the other counts as this share: the log ratio stays finite."""

_VANISHED = 1e-12
"""Gradients below this, relative to the rows, are rounding of terms that cancel."""


def _turning(
    x: FloatArray,
    y: FloatArray,
    log_rows: FloatArray,
    log_columns: FloatArray,
    temperature: float,
    block: int,
) -> tuple[float, FloatArray]:
    """Return A = Σ_i ‖P⊥ (D y)_i‖² over the anchors ``x`` and ∂A/∂w_m (n,), w_m the weight of pair m.

    ``log_rows`` and ``log_columns`` (n,) are of :func:`~mmaudit.diagnostics._softmax.log_normalisers`. Pair m
    enters as an anchor, and as a candidate in the softmax of every other anchor: both are counted.
    """
    n = len(x)
    axis = unit_rows(x)
    as_anchor, as_candidate, column_pull = np.empty(n), np.zeros(n), np.zeros(n)
    for rows in blocks(n, block):
        logits = x[rows] @ y.T / temperature
        by_row = np.exp(logits - log_rows[rows, None])
        by_column = np.exp(logits - log_columns)
        centre = by_row @ y
        pull = 0.5 * (centre + by_column @ y) - y[rows]
        pull -= (pull * axis[rows]).sum(axis=1, keepdims=True) * axis[rows]
        as_anchor[rows] = (pull**2).sum(axis=1)
        towards = pull @ y.T
        as_candidate += np.einsum("ij,ij->j", by_row, towards) - (pull * centre).sum(axis=1) @ by_row
        column_pull += np.einsum("ij,ij->j", by_column, towards)
    as_candidate += column_pull
    for rows in blocks(n, block):
        if n > block:  # Else it is still at hand.
            by_column = np.exp(x[rows] @ y.T / temperature - log_columns)
        as_candidate[rows] -= by_column @ column_pull
    return float(as_anchor.sum()), as_anchor + as_candidate


def embedding_gradient_ratio(
    embeddings: Embeddings, *, temperature: float = 0.07, confidence: float = 0.95, block: int = 1024
) -> Measurement:
    """Log ratio of the gradients that symmetric InfoNCE sends into the two modalities' embeddings.

    log ‖P⊥ D Y‖_F / ‖P⊥ Dᵀ X‖_F with D = ½(P_row + P_col) − I, P the softmax of X Yᵀ / temperature over rows
    and columns, P⊥ off each own unit row: up to 1/(n·temperature) the analytic gradient with regard to the
    rows as scored, less the part that only lengthens them. All n pairs are one batch. It sees bandwidth and
    norm leaks, not learning speed. Exactly antisymmetric under :meth:`Embeddings.swapped` up to rounding.

    The interval is the infinitesimal jackknife over pairs, each as anchor and as candidate. Memory
    O(n·block). Undefined where a gradient vanishes. Raises :class:`InputError` if ``temperature <= 0``.
    """
    name = "embedding_gradient_ratio"
    if not temperature > 0:
        raise InputError(f"temperature is {temperature:g}; give a positive number, such as 0.07")
    n = len(embeddings)
    if n < 2:
        return inference.undefined(name, f"two pairs are needed, got {n}", n, confidence=confidence)
    x, y = embeddings.scored
    rows, columns = log_normalisers(x, y, temperature, block)
    sides = (
        _turning(x, y, rows, columns, temperature, block),
        _turning(y, x, columns, rows, temperature, block),
    )
    for (total, _), modality, other in zip(sides, embeddings.modalities, (y, x), strict=True):
        if total <= _VANISHED**2 * float((other**2).sum()):
            return inference.undefined(
                name, f"the gradient into the {modality} embeddings vanishes", n, confidence=confidence
            )
    (total_x, weight_x), (total_y, weight_y) = sides
    return inference.linearized(
        name,
        0.5 * float(np.log(total_x) - np.log(total_y)),
        0.5 * n * (weight_x / total_x - weight_y / total_y),
        confidence=confidence,
        unit="log ratio",
        direction="closer to zero is better",
        null=0.0,
        method=f"analytic InfoNCE gradient, temperature {temperature:g}, infinitesimal jackknife",
    )


def _log_ratio(name: str, x: float, y: float, n: int, nothing: str, method: str) -> Measurement:
    larger = max(x, y)
    if larger == 0:
        return inference.undefined(name, nothing, n)
    notes: tuple[str, ...] = (
        "of this one run: its epochs are no independent sample, other seeds are not covered",
    )
    if min(x, y) < _FLOOR * larger:
        notes += (f"the smaller side is below {_FLOOR:g} of the larger and counts as that",)
    return inference.exact(
        name,
        float(np.log(max(x, _FLOOR * larger) / larger) - np.log(max(y, _FLOOR * larger) / larger)),
        n,
        unit="log ratio",
        direction="closer to zero is better",
        null=0.0,
        method=method,
        notes=notes,
    )


def _history(name: str, values: npt.ArrayLike) -> FloatArray:
    column = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if column.ndim != 1 or not np.isfinite(column).all() or (column < 0).any():
        raise InputError(f"{name}: give one finite, non-negative norm an epoch for each modality")
    return column


def gradient_ratio(norms_x: npt.ArrayLike, norms_y: npt.ArrayLike) -> Measurement:
    """Log ratio of the mean gradient norms of the two encoders over a training history.

    ``norms_x``, ``norms_y`` (epochs,) or (steps,): global gradient norm of each encoder. Exact for this run:
    successive epochs are not independent, so no interval over them would speak of other runs. The ratio is
    bounded at 1e±6 (a side whose gradient was stopped). Undefined without gradients. Raises
    :class:`InputError` on norms that are negative or not finite, or of unequal number.
    """
    x, y = _history("gradient_ratio", norms_x), _history("gradient_ratio", norms_y)
    if len(x) != len(y):
        raise InputError(f"gradient_ratio: {len(x)} norms against {len(y)}; give both encoders' same epochs")
    if len(x) == 0:
        return inference.undefined("gradient_ratio", "the history is empty", 0)
    return _log_ratio(
        "gradient_ratio",
        float(x.mean()),
        float(y.mean()),
        len(x),
        "neither encoder received a gradient",
        "log ratio of mean gradient norms over the history",
    )


def batch_gradient_ratio(norms_x: npt.ArrayLike, norms_y: npt.ArrayLike, observed: str) -> Measurement:
    """Log ratio of the gradient norms of the two encoders of a finished model, on independent batches.

    ``norms_x``, ``norms_y`` (batches,): global gradient norm of each encoder on one batch; ``observed`` says
    how, and becomes a note. The mean over batches of log(‖g_x‖/‖g_y‖) with a Student interval. Bounded at
    1e±6 on each batch. Undefined where a batch gives neither a gradient. Raises :class:`InputError` as
    :func:`gradient_ratio` does.
    """
    name = "gradient_ratio"
    x, y = _history(name, norms_x), _history(name, norms_y)
    if len(x) != len(y):
        raise InputError(f"{name}: {len(x)} norms against {len(y)}; give both encoders' same batches")
    larger = np.maximum(x, y)
    if len(x) == 0 or not larger.all():
        return inference.undefined(name, "a batch gives neither encoder a gradient", len(x))
    ratios = np.log(np.maximum(x, _FLOOR * larger)) - np.log(np.maximum(y, _FLOOR * larger))
    return inference.mean(
        name,
        ratios,
        unit="log ratio",
        direction="closer to zero is better",
        null=0.0,
        method="mean log ratio of gradient norms over batches, Student t",
        notes=(observed,),
    )


def movement_ratio(move_x: npt.ArrayLike, move_y: npt.ArrayLike) -> Measurement:
    """Log ratio of how far the two encoders have moved, ‖Δθ‖ / ‖θ₀‖ each, at the end of a training history.

    ``move_x``, ``move_y`` (epochs,) or scalars: relative distance from the initial weights; the last value
    counts. Exact for this run, bounded at 1e±6 (a frozen encoder). Undefined where neither moved. Raises
    :class:`InputError` as :func:`gradient_ratio` does.
    """
    x, y = _history("movement_ratio", move_x), _history("movement_ratio", move_y)
    if len(x) != len(y):
        raise InputError(f"movement_ratio: {len(x)} values against {len(y)}; give both encoders' same epochs")
    if len(x) == 0:
        return inference.undefined("movement_ratio", "the history is empty", 0)
    return _log_ratio(
        "movement_ratio",
        float(x[-1]),
        float(y[-1]),
        len(x),
        "neither encoder moved",
        "log ratio of relative movements at the end of the history",
    )
