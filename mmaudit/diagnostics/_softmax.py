"""The normalisers of the softmax over all similarities, both ways, from one matrix product in blocks."""

import numpy as np

from mmaudit.diagnostics._arrays import FloatArray, blocks
from mmaudit.diagnostics._sweep import Mask

__all__ = ["log_normalisers"]


def log_normalisers(
    x: FloatArray, y: FloatArray, temperature: float, block: int, mask: Mask | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return log Σ_j exp s_ij (n,) and log Σ_i exp s_ij (n,) of s = x yᵀ / temperature, in blocks of rows.

    Under a ``mask`` the sums run over the pair itself and over the candidates that are left in. Memory is
    O(n · block).
    """
    n = len(x)
    rows_log = np.empty(n)
    peak, total = np.full(n, -np.inf), np.zeros(n)
    for rows in blocks(n, block):
        logits = x[rows] @ y.T
        logits /= temperature
        if mask is not None:
            here = np.arange(rows.stop - rows.start), np.arange(rows.start, rows.stop)
            own = logits[here]
            mask.apply(logits, rows, slice(0, n))
            logits[here] = own
        top = logits.max(axis=1)
        work = np.subtract(logits, top[:, None])
        rows_log[rows] = top + np.log(np.exp(work, out=work).sum(axis=1))
        higher = np.maximum(peak, logits.max(axis=0))
        # Of a column that is masked so far nothing is counted: infinity less infinity is no number.
        shift = np.where(higher > -np.inf, higher, 0.0)
        np.subtract(logits, shift, out=work)
        total = total * np.exp(peak - shift) + np.exp(work, out=work).sum(axis=0)
        peak = higher
    return rows_log, peak + np.log(total)
