"""Principal directions of a cloud of embeddings, and its items on the first few of them."""

import dataclasses

import numpy as np

from mmaudit.diagnostics._arrays import RESOLUTION, FloatArray
from mmaudit.diagnostics._spectra import few_axes, moment_of

__all__ = ["Principal", "principal"]


@dataclasses.dataclass(frozen=True, eq=False)
class Principal:
    """The r directions of n items in d dimensions, by descending variance.

    ``mean`` (d,), ``singular`` (r,) the singular values of the centred items, ``axes`` (r, d) of unit length,
    ``scores`` (n, r) the centred items along them; all float64.
    """

    mean: FloatArray
    singular: FloatArray
    axes: FloatArray
    scores: FloatArray

    def keep(self, k: int) -> FloatArray:
        """Return the items (n, d) on their first ``k`` directions, about the same mean."""
        kept: FloatArray = self.mean + self.scores[:, :k] @ self.axes[:k]
        return kept


def principal(z: FloatArray) -> Principal:
    """Return the principal directions of ``z`` (n, d) float64, n ≥ 1: at most min(n - 1, d).

    Those that rounding cannot tell from none are left out. From the eigenvectors of the smaller of the two
    products of the centred items with themselves: it squares the singular values, which leaves those above
    1e-8 of the largest, and costs a fraction of their decomposition. Items that span far fewer directions
    than their number and the width allow are first turned into these.
    """
    mean = z.mean(axis=0)
    centred = z - mean
    product = moment_of(centred)
    by_axis = centred.shape[1] <= len(centred)
    few = None if by_axis else few_axes(centred, product)
    squares, vectors = np.linalg.eigh(product if few is None else few.T @ few)
    singular = np.sqrt(np.maximum(squares[::-1], 0.0))
    kept = singular > RESOLUTION * singular.max(initial=0.0)
    singular, vectors = singular[kept], vectors[:, ::-1][:, kept]
    if by_axis:
        return Principal(mean, singular, vectors.T, centred @ vectors)
    scores = vectors * singular if few is None else few @ vectors
    return Principal(mean, singular, (scores / singular).T @ centred / singular[:, None], scores)
