"""Principal directions of a cloud of embeddings, and its items on the first few of them."""

import dataclasses

import numpy as np

from mmaudit.diagnostics._arrays import RESOLUTION, FloatArray

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
    1e-8 of the largest, and costs a fraction of their decomposition.
    """
    mean = z.mean(axis=0)
    centred = z - mean
    by_axis = centred.shape[1] <= len(centred)
    product = centred.T @ centred if by_axis else centred @ centred.T
    squares, vectors = np.linalg.eigh(product)
    singular = np.sqrt(np.maximum(squares[::-1], 0.0))
    kept = singular > RESOLUTION * singular.max(initial=0.0)
    singular, vectors = singular[kept], vectors[:, ::-1][:, kept]
    axes = vectors.T if by_axis else vectors.T @ centred / singular[:, None]
    return Principal(mean, singular, axes, centred @ axes.T if by_axis else vectors * singular)
