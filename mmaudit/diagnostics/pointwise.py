"""What the sides of a pair tell of each other, by a Gaussian that was fitted to pairs."""

import dataclasses

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import FloatArray, centred
from mmaudit.diagnostics._whole import group_order
from mmaudit.diagnostics.principal import principal
from mmaudit.diagnostics.retrieval import Counts, Ranks, group_codes, ranks
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError

__all__ = ["PER_DIMENSION", "cross_fitted_ranks", "pointwise_information"]

PER_DIMENSION = 10
"""Pairs for each dimension of both modalities that make a Gaussian of them worth more than similarities."""
RIDGE = 0.1
FOLDS = 4
_FARTHEST = 1e6
"""Standard deviations that no variate is beyond: the square of one on a scale of its own leaves float32."""

IntArray = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class _Gaussian:
    """A Gaussian of both sides: ``means`` (d,), ``axes`` (d, r) of canonical variates and ``rho`` (r,)."""

    means: tuple[FloatArray, FloatArray]
    axes: tuple[FloatArray, FloatArray]
    rho: FloatArray

    def variates(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the canonical variates of both sides, (n, r) each."""
        a, b = ((z - mean) @ axes for z, mean, axes in zip((x, y), self.means, self.axes, strict=True))
        return a, b


def _fitted(x: FloatArray, y: FloatArray, ridge: float) -> _Gaussian | None:
    """Return the Gaussian with the covariances of the pairs ``x``, ``y`` (n, d); ``None`` if a side is level.

    The variance along each principal direction is raised by ``ridge`` times the mean variance.
    """
    white, axes = [], []
    for z in (x, y):
        side = principal(centred(z))
        if not len(side.singular):
            return None
        variances = side.singular**2 / len(z)
        scale = np.sqrt(variances + ridge * variances.sum() / z.shape[1])
        white.append(side.scores / scale)
        axes.append(side.axes.T / scale / np.abs(z).max())
    left, rho, right = np.linalg.svd(white[0].T @ white[1] / len(x), full_matrices=False)
    return _Gaussian((x.mean(axis=0), y.mean(axis=0)), (axes[0] @ left, axes[1] @ right.T), rho)


def pointwise_information(embeddings: Embeddings, *, ridge: float = RIDGE) -> FloatArray:
    """Return what the sides of each pair tell of each other, (n,) float64 in nats.

    log p(x, y) / (p(x) p(y)) (Fano 1961) of the Gaussian that has these pairs' covariances: in canonical
    variates a, b of correlation ρ the sum of −½ log(1 − ρ²) − (ρ²(a² + b²) − 2ρab) / (2 (1 − ρ²)), whose mean
    is the mutual information of that Gaussian (Kay 1992). Whitened as in :func:`canonical_correlations`. Each
    direction weighs by how well the modalities agree in it, where a similarity weighs all alike.

    All pairs are fitted alike and in the order of their content, so that the figure of a pair does not depend
    on where it stands. It is 0 where a side does not vary. Fitted to few pairs it describes these alone:
    :data:`PER_DIMENSION` for each dimension are enough. Raises :class:`InputError` for ridge not positive.
    """
    if not ridge > 0:
        raise InputError(f"ridge is {ridge:g}; give a positive number, such as {RIDGE}")
    found = np.zeros(len(embeddings))
    if not len(found):
        return found
    order = inference.canonical_order(embeddings.x, embeddings.y)
    x, y = (z[order] for z in embeddings.scored)
    gaussian = _fitted(x, y, ridge)
    if gaussian is None:
        return found
    a, b = gaussian.variates(x, y)
    rho, unexplained = gaussian.rho, 1 - gaussian.rho**2
    pointwise = a * b @ (rho / unexplained) - (a**2 + b**2) @ (rho**2 / unexplained) / 2
    # Where it stands among the others moves a pair's figure by rounding, and equal pairs must stay equal.
    found[order] = np.round(pointwise - np.log(unexplained).sum() / 2, 9)
    return found


def cross_fitted_ranks(
    embeddings: Embeddings, trusted: npt.NDArray[np.bool_], groups: npt.ArrayLike | None = None
) -> Ranks:
    """Rank each claimed partner by its pointwise information instead of its similarity.

    ``trusted`` (n,) bool marks pairs known to be right. All pairs are dealt to four folds by content, whole
    relevance groups at a time: groups of trusted pairs, of claimed ones and of both are shared out evenly.
    Pairs of a fold are candidates of each other alone, ranked by the Gaussian of the trusted pairs of the
    other folds (cross-fitting: Chernozhukov et al. 2018). So nothing was fitted to a pair that it ranks, nor
    to another of its group, such as a second caption of its picture, and a right claimed pair ranks like a
    trusted one. The Gaussian knows in which directions the modalities agree; a similarity weighs all alike,
    and a weak encoder's right pairs rank worse by it.

    These are :func:`~mmaudit.diagnostics.ranks` where trusted pairs are of fewer groups than
    :data:`PER_DIMENSION` for each dimension of both modalities, where all pairs are trusted, where a side
    does not vary, or where groups are so unequal that a fold holds more than half of the trusted pairs.
    Raises :class:`InputError` on groups of another length.
    """
    codes, known = group_codes(groups, len(embeddings)), int(np.count_nonzero(trusted))
    if known == len(embeddings) or len(np.unique(codes[trusted])) < PER_DIMENSION * 2 * embeddings.width:
        return ranks(embeddings, codes)
    order = inference.drawn_order("cross-fitted ranks", embeddings.x, embeddings.y, groups=codes)
    part = _shared_out(group_order(order, codes), codes, trusted)
    fold = part[codes]
    if 2 * np.bincount(fold[trusted]).max() > known:
        return ranks(embeddings, codes)
    x, y = embeddings.scored
    parts = []
    for k in range(FOLDS):
        fit = order[(trusted & (fold != k))[order]]
        gaussian = _fitted(x[fit], y[fit], RIDGE)
        if gaussian is None:
            return ranks(embeddings, codes)
        rows = np.flatnonzero(fold == k)
        parts.append((rows, ranks(_informed(gaussian, embeddings.take(rows)), codes[rows])))
    return Ranks(
        forward=_joined([(rows, part.forward) for rows, part in parts]),
        backward=_joined([(rows, part.backward) for rows, part in parts]),
        groups=codes,
        modalities=embeddings.modalities,
    )


def _shared_out(groups: IntArray, codes: IntArray, trusted: npt.NDArray[np.bool_]) -> IntArray:
    """Return the fold of each group, (k,): trusted, claimed and mixed ones are each dealt out in turn."""
    members = np.bincount(codes)
    known = np.bincount(codes, weights=trusted)
    part = np.empty(len(members), dtype=np.int64)
    for kind in (known == members, known == 0, (known > 0) & (known < members)):
        dealt = groups[kind[groups]]
        part[dealt] = np.arange(len(dealt)) % FOLDS
    return part


def _informed(gaussian: _Gaussian, embeddings: Embeddings) -> Embeddings:
    """Return embeddings whose inner products are the pointwise information, but for a constant."""
    a, b = (np.clip(z, -_FARTHEST, _FARTHEST) for z in gaussian.variates(*embeddings.scored))
    rho, unexplained = gaussian.rho, 1 - gaussian.rho**2
    spent_a, spent_b = (-(z**2) @ (rho**2 / unexplained) / 2 for z in (a, b))
    one = np.ones(len(embeddings))
    x = np.column_stack([a * (rho / unexplained), spent_a, one]).astype(np.float32)
    y = np.column_stack([b, one, spent_b]).astype(np.float32)
    return Embeddings(x, y, embeddings.modalities, "dot")


def _joined(parts: list[tuple[IntArray, Counts]]) -> Counts:
    """Return the counts of all rows, of which each part holds its own."""
    rows = np.concatenate([at for at, _ in parts])
    back = np.argsort(rows)
    rivals = np.concatenate([at[counts.rivals] for at, counts in parts])
    by_query = np.lexsort((rivals[:, 1], rivals[:, 0]))
    return Counts(
        better=np.concatenate([counts.better for _, counts in parts])[back],
        ties=np.concatenate([counts.ties for _, counts in parts])[back],
        candidates=np.concatenate([counts.candidates for _, counts in parts])[back],
        wins=np.concatenate([counts.wins for _, counts in parts])[back],
        rivals=rivals[by_query],
        tied=np.concatenate([counts.tied for _, counts in parts])[by_query],
    )
