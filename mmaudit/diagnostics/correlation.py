"""Linear correspondence of the two modalities: canonical correlations and centred kernel alignment."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import RESOLUTION, FloatArray, centred
from mmaudit.diagnostics._whole import equal_blocks, exchanged, halves
from mmaudit.diagnostics.principal import Principal, principal
from mmaudit.diagnostics.retrieval import group_codes
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.errors import InputError
from mmaudit.measurement import Direction, Measurement
from mmaudit.seeds import generator

__all__ = ["canonical_correlations", "debiased_cka", "linear_cka", "ridge_cca"]


def _whitening(directions: Principal, ridge: float) -> FloatArray:
    """Return (d, r) axes that whiten centred items, the variance of each raised by ridge · mean variance.

    Axes without variance are left out instead of inverted.
    """
    variances = directions.singular**2 / len(directions.scores)
    scale = np.sqrt(variances + ridge * variances.sum() / len(directions.mean))
    whitening: FloatArray = directions.axes.T / scale
    return whitening


def _standardised(z: FloatArray) -> FloatArray:
    """Return the columns of ``z`` with mean 0 and variance 1; a column that does not vary becomes zero."""
    centred = z - z.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    varies = deviation > RESOLUTION * np.abs(z).max(initial=0.0)
    standardised: FloatArray = np.divide(centred, deviation, out=np.zeros_like(centred), where=varies)
    return standardised


def canonical_correlations(
    embeddings: Embeddings,
    groups: npt.ArrayLike | None = None,
    *,
    top: int = 8,
    ridge: float = 0.1,
    seed: int = 0,
    confidence: float = 0.95,
) -> Measurement:
    """Mean of the ``top`` canonical correlations, *held out*: directions from one half, scored on the other.

    Hotelling 1936, regularised (Vinod 1976) with ``ridge`` times the mean variance, whitened along
    principal directions (safe for rank-deficient input). Each half fits once and is scored once; halves are
    drawn by content, not by order, whole ``groups`` (n,) at a time: captions of one picture in both halves
    would correlate whatever they say. Unlike an in-sample correlation, which is 1 whenever 2d > n, it is 0 on
    average for unrelated modalities, and it may be negative. Fewer components than ``top`` are averaged where
    the rank is lower.

    The interval is the infinitesimal jackknife of the held-out Pearson correlations *given the directions*:
    what refitting them adds is left out, and nominal 95 % cover about 90 % of redraws. With groups it is
    cluster-robust. Undefined below 8 pairs or 8 groups, or where a side does not vary. Raises
    :class:`InputError` for top < 1, ridge < 0 or groups of another length.
    """
    name = "canonical_correlations"
    if top < 1 or not ridge >= 0:
        raise InputError(f"top is {top} and ridge {ridge:g}; give top >= 1 and ridge >= 0")
    n = len(embeddings)
    codes = group_codes(groups, n)
    if (units := int(codes.max(initial=-1)) + 1) < 8:
        kind = "pairs" if units == n else "groups of pairs"
        return inference.undefined(name, f"8 {kind} are needed, got {units}", n, confidence=confidence)
    x, y = (centred(z) for z in embeddings.scored)
    first, second = halves(inference.drawn_order("canonical halves", x, y, seed=seed, groups=codes), codes)
    influence = np.zeros(n)
    value = 0.0
    found: list[FloatArray] = []
    for fit, score in ((first, second), (second, first)):
        fit_x, fit_y = centred(x[fit]), centred(y[fit])
        for side, modality in zip((fit_x, fit_y), embeddings.modalities, strict=True):
            if not side.any():
                return inference.undefined(
                    name, f"{modality} embeddings do not vary", n, confidence=confidence
                )
        white_x, white_y = (_whitening(principal(side), ridge) for side in (fit_x, fit_y))
        left, _, right = np.linalg.svd((fit_x @ white_x).T @ (fit_y @ white_y), full_matrices=False)
        a = _standardised(x[score] @ (white_x @ left[:, :top]))
        b = _standardised(y[score] @ (white_y @ right[:top].T))
        correlations = (a * b).mean(axis=0)
        found.append(correlations)
        value += len(score) / n * float(correlations.mean())
        influence[score] = (a * b - 0.5 * correlations * (a**2 + b**2)).mean(axis=1)
    listed = (", ".join(f"{r:.3f}" for r in correlations) for correlations in found)
    return inference.linearized(
        name,
        value,
        influence,
        clusters=codes,
        confidence=confidence,
        unit="correlation",
        direction="higher is better",
        null=0.0,
        method=f"two-fold held-out CCA, relative ridge {ridge:g}, mean of the top {top}",
        notes=tuple(f"half {i}: {row}" for i, row in enumerate(listed, start=1)),
    )


def ridge_cca(
    embeddings: Embeddings,
    groups: npt.ArrayLike | None = None,
    *,
    ridge: float = 1e-3,
    top: int = 8,
    draws: int = 20,
    seed: int = 0,
    confidence: float = 0.95,
    directions: tuple[Principal, Principal] | None = None,
) -> Measurement:
    """Mean of the ``top`` singular values of (C_x + ridge·I)^-½ C_xy (C_y + ridge·I)^-½, *in sample*.

    Covariances (1/n) of unit rows, values clipped to [0, 1]. An exact description of these items that
    overfits: ``null`` is its mean over ``draws`` random pairings of the same rows, and the notes hold the
    permutation p-value (Phipson & Smyth 2010). With ``groups`` (n,) it is whole groups that are paired anew,
    with others of their size. The null is worked out in float32, whose error is less than a thousandth of
    what draws differ by, and compared with the value in float32. :func:`canonical_correlations` is the one to
    judge by. ``directions`` are the principal ones of both sides' unit rows, where they are known. Undefined
    below 2 pairs or in 0 dimensions. Raises :class:`InputError` for top, ridge, draws not positive, or groups
    of another length.
    """
    name = "ridge_cca"
    if top < 1 or not ridge > 0 or draws < 1:
        raise InputError(f"top is {top}, ridge {ridge:g}, draws {draws}; all must be positive")
    n, d = len(embeddings), embeddings.width
    codes = group_codes(groups, n)
    if n < 2 or d == 0:
        return inference.undefined(
            name, f"2 pairs of 1 dimension are needed, got {n} of {d}", n, confidence=confidence
        )
    x, y = unit_rows(embeddings.x), unit_rows(embeddings.y)
    # Pairings are drawn over rows in the order of their content: the null is that of the data, in any order.
    order = inference.canonical_order(x, y, groups=codes)
    blocks = equal_blocks(codes[order])
    white_x, white_y = (_ridge_whitened(side, ridge)[order] for side in directions or map(principal, (x, y)))
    fewer = min(white_x.shape[1], white_y.shape[1])

    def mean_top(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
        cross = first.T @ second / n
        square = cross @ cross.T if len(cross) == fewer else cross.T @ cross
        squares = _largest(square, top) if fewer else np.zeros(1)
        singular = np.sqrt(np.clip(squares, 0.0, 1.0))
        return float(singular.sum() / min(top, d))

    value = mean_top(white_x, white_y)
    rng = generator(seed, "ridge cca null")
    single_x, single_y = (white.astype(np.float32) for white in (white_x, white_y))
    null = np.array([mean_top(single_x, single_y[exchanged(blocks, rng)]) for _ in range(draws)])
    p_value = (1 + int((null >= mean_top(single_x, single_y)).sum())) / (1 + draws)
    return inference.exact(
        name,
        value,
        n,
        confidence=confidence,
        unit="correlation",
        direction="higher is better",
        null=float(null.mean()),
        method=f"in-sample ridge CCA, ridge {ridge:g}, mean of the top {top}",
        notes=(f"permutation p = {p_value:.3g} ({draws} draws)",),
    )


def _largest(square: npt.NDArray[Any], top: int) -> npt.NDArray[Any]:
    """Return the ``top`` largest eigenvalues of a symmetric matrix, ascending, or all if they are fewer."""
    import scipy.linalg

    size = len(square)
    try:
        wanted = [max(0, size - top), size - 1]
        found: npt.NDArray[Any] = scipy.linalg.eigvalsh(square, subset_by_index=wanted, check_finite=False)
    except np.linalg.LinAlgError:
        # LAPACK's way to a part of the spectrum gives up where many eigenvalues are equal, as they are of
        # orthogonal items; the way to all of it does not.
        found = np.linalg.eigvalsh(square)[-top:]
    return found


def _ridge_whitened(directions: Principal, ridge: float) -> FloatArray:
    """Return centred items times (covariance + ridge·I)^-½, turned onto their (r) principal directions."""
    variances = directions.singular**2 / len(directions.scores)
    whitened: FloatArray = directions.scores / np.sqrt(variances + ridge)
    return whitened


def _hsic(x: FloatArray, y: FloatArray, products: FloatArray) -> tuple[float, FloatArray]:
    """Return the unbiased HSIC of two centred matrices with linear kernels, and its influence (n,).

    Song et al. 2012, eq. 5. ``products`` (n,) are the inner products of the rows of both kernels, diagonals
    included; kernels without their diagonals are never formed.
    """
    n = len(x)
    self_x, self_y = (x**2).sum(axis=1), (y**2).sum(axis=1)
    sum_x = x @ x.sum(axis=0) - self_x
    sum_y = y @ y.sum(axis=0) - self_y
    per_item = products - self_x * self_y
    total = per_item.sum() + sum_x.sum() * sum_y.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (sum_x @ sum_y)
    projected = per_item / (n - 1)
    return float(total / (n * (n - 3))), 2 * (projected - projected.mean())


def _hsics(x: FloatArray, y: FloatArray) -> list[tuple[float, FloatArray]]:
    """Return :func:`_hsic` of both matrices, of the first with itself and of the second with itself.

    In O(n²·d) with more columns than rows, else in O(n·d²) and without a kernel.
    """
    pairs = (x, y), (x, x), (y, y)
    if min(x.shape[1], y.shape[1]) > len(x):
        k, m = x @ x.T, y @ y.T
        products = [np.einsum("ij,ij->i", *kernels) for kernels in ((k, m), (k, k), (m, m))]
    else:
        products = [np.einsum("ij,ij->i", one @ (one.T @ other), other) for one, other in pairs]
    return [_hsic(one, other, product) for (one, other), product in zip(pairs, products, strict=True)]


def linear_cka(
    embeddings: Embeddings, *, clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """Debiased linear CKA: HSIC(x, y) / √(HSIC(x, x) HSIC(y, y)), each HSIC unbiased.

    Kornblith et al. 2019 with the estimator of Song et al. 2012 (Nguyen et al. 2021, eq. 3): unlike plain CKA
    it does not tend to 1 as d/n grows; 0 on average for unrelated modalities, and may be slightly negative.
    The interval is the infinitesimal jackknife over pairs, those of one label of ``clusters`` (n,) as one.
    Undefined below 4 pairs, or where one side has no variance to be seen.
    """
    x, y = embeddings.scored
    sides = (f"{embeddings.modalities[0]} embeddings", f"{embeddings.modalities[1]} embeddings")
    return debiased_cka(
        "linear_cka", x, y, sides, direction="higher is better", clusters=clusters, confidence=confidence
    )


def debiased_cka(
    name: str,
    x: FloatArray,
    y: FloatArray,
    sides: tuple[str, str],
    *,
    direction: Direction,
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Measurement:
    """Return the debiased linear CKA of ``x`` (n, p) and ``y`` (n, d), which the ``sides`` are called."""
    n = len(x)
    if n < 4:
        return inference.undefined(name, f"4 pairs are needed, got {n}", n, confidence=confidence)
    x, y = centred(x), centred(y)
    (cross, cross_influence), (own_x, influence_x), (own_y, influence_y) = _hsics(x, y)
    for own, z, side in zip((own_x, own_y), (x, y), sides, strict=True):
        if own <= RESOLUTION * float((z**2).sum(axis=1).mean()) ** 2:
            return inference.undefined(
                name, f"{side} show no variance common to items", n, confidence=confidence
            )
    scale = np.sqrt(own_x * own_y)
    value = float(cross / scale)
    return inference.linearized(
        name,
        value,
        cross_influence / scale - 0.5 * value * (influence_x / own_x + influence_y / own_y),
        clusters=clusters,
        confidence=confidence,
        unit="similarity",
        direction=direction,
        null=0.0,
        method="debiased linear CKA (Song 2012, Nguyen 2021), infinitesimal jackknife",
    )
