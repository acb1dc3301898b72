"""Geometry of embeddings: how many dimensions they use, how far apart items and modalities lie.

Functions of one matrix take ``z`` of shape (n, d), any real dtype, and a ``modality`` that ends the
measurement's name; :func:`mmaudit.diagnostics.per_side` applies them to both sides. Spectra are taken of
``z`` as given (give ``Embeddings.scored``); everything measured by angles is taken of unit rows, and zero
rows stay zero. Intervals describe redraws of the same number of items: a rank or a gap of n items is not that
of infinitely many. Those of means and of pairs of items follow from closed-form influence functions (the
infinitesimal jackknife, Efron 1982). Those of ranks come from the delete-one jackknife, over all items and
from one decomposition (``_deletion.py``): with as many dimensions as items an item's influence is not
infinitesimal, and linearising makes the error of RankMe six times too small (300 items, 600 dimensions). That
of :func:`alpha_req`, for which eigenvalues count by their rank, is from a delete-a-group jackknife. Items
that are not independent, such as the captions of one picture, share one of the labels ``clusters`` (n,).
Malformed matrices raise :class:`InputError`.
"""

import dataclasses
import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import FloatArray, as_matrix, blocks, named
from mmaudit.diagnostics._deletion import entropy_changes
from mmaudit.diagnostics._spectra import decomposed, remembered, spectra
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.measurement import Measurement

__all__ = [
    "RankKind",
    "alignment",
    "alpha_req",
    "centred_rankme",
    "distinct_share",
    "effective_rank",
    "mean_cosine",
    "modality_gap",
    "norm_leak",
    "rank",
    "rank_asymmetry",
    "rank_share",
    "rankme",
    "separation",
    "spectrum",
    "uniformity",
    "variance",
]

IntArray = npt.NDArray[np.int64]
RankKind = Literal["rankme", "centred_rankme", "effective_rank"]

_NORM_ROUNDING = 1e-3
"""Unit rows rounded to half precision (relative step 1e-3 in float16) differ in norm by less than this."""

_GROUPS = 10
"""Groups that the error of alpha_req is taken from, each a decomposition of nearly the whole matrix."""

_RANKME_EPSILON = 1e-7
RANKS: dict[RankKind, tuple[bool, float, float, str]] = {
    # kind: (centred, power of the eigenvalues, epsilon, method)
    "rankme": (False, 0.5, _RANKME_EPSILON, "exp H of singular values, uncentred (Garrido 2023)"),
    "centred_rankme": (True, 0.5, _RANKME_EPSILON, "exp H of singular values, centred"),
    "effective_rank": (True, 1.0, 0.0, "exp H of covariance eigenvalues, centred (Roy & Vetterli 2007)"),
}


def _rank(z: FloatArray, kind: RankKind) -> tuple[float, FloatArray]:
    """Return exp of the entropy of the spectrum's shares, 0 if it is zero, and the same without each item."""

    def work() -> FloatArray:
        centred, power, epsilon, _ = RANKS[kind]
        values, squares = decomposed(z, centred)
        if not len(values):
            return np.zeros(1 + len(z))
        padded = np.zeros(min(z.shape))
        padded[: len(values)] = values**power
        value = exp_entropy(padded, epsilon)
        # What ε adds is the same to a millionth of itself, with an item or without.
        return np.append(value, value * np.exp(entropy_changes(values, squares, centred, power)))

    found = remembered(z)(kind, work)
    return float(found[0]), found[1:]


def exp_entropy(weights: FloatArray, epsilon: float) -> float:
    """Return exp of the entropy of the shares of ``weights``, raised by ``epsilon``; 0 if all are zero."""
    if not weights.any():
        return 0.0
    p = weights / weights.sum() + epsilon
    return float(np.exp(-p @ np.log(p, out=np.zeros_like(p), where=p > 0)))


def _rank_measurement(
    name: str,
    kind: RankKind,
    z: npt.ArrayLike,
    clusters: npt.ArrayLike | None,
    confidence: float,
    as_share: bool = False,
) -> Measurement:
    matrix = as_matrix(z)
    n, d = matrix.shape
    if n < 2 or d == 0:
        return inference.undefined(name, _too_few(n, d), n, confidence=confidence)
    limit = min(n - 1, d) if as_share else 1
    value, without = _rank(matrix, kind)
    measured = inference.delete_one(
        name,
        value / limit,
        without / limit,
        clusters=clusters,
        confidence=confidence,
        unit="share" if as_share else "dimensions",
        direction="higher is better",
        method=RANKS[kind][3] + (" / min(n - 1, d)" if as_share else "") + ", delete-one jackknife",
    )
    if measured.value != 0:
        return measured
    return dataclasses.replace(
        measured, notes=("nothing varies: the spectrum is zero, rank 0 by convention",)
    )


def _too_few(n: int, d: int) -> str:
    return f"2 items of 1 dimension are needed, got {n} of {d}"


def rankme(
    z: npt.ArrayLike, *, modality: str = "", clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """RankMe: exp H(p), p_k = σ_k / ‖σ‖₁ + ε, σ the singular values of ``z`` uncentred, ε = 1e-7.

    Garrido et al. 2023, eq. 1. In dimensions, at most min(n, d); 0 when every entry is zero. It sees the
    cone (a common mean direction is one large σ), which :func:`effective_rank` does not.
    """
    return _rank_measurement(named("rankme", modality), "rankme", z, clusters, confidence)


def centred_rankme(
    z: npt.ArrayLike, *, modality: str = "", clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """RankMe (:func:`rankme`) of ``z`` less its mean row: at most min(n − 1, d); 0 for equal rows."""
    return _rank_measurement(named("centred_rankme", modality), "centred_rankme", z, clusters, confidence)


def effective_rank(
    z: npt.ArrayLike, *, modality: str = "", clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """Effective rank exp H(λ / Σλ), λ the eigenvalues of the *centred* covariance (Roy & Vetterli 2007).

    In dimensions, at most min(n − 1, d); 0 for equal rows. Another number than :func:`rankme`: squaring
    the singular values weighs the leading directions more.
    """
    return _rank_measurement(named("effective_rank", modality), "effective_rank", z, clusters, confidence)


def rank_share(
    z: npt.ArrayLike, *, modality: str = "", clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """:func:`effective_rank` over min(n − 1, d), the most that n centred items in d dimensions can reach."""
    return _rank_measurement(
        named("rank_share", modality), "effective_rank", z, clusters, confidence, as_share=True
    )


def rank_asymmetry(
    embeddings: Embeddings,
    *,
    kind: RankKind = "rankme",
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Measurement:
    """Log ratio of the ranks of the two modalities, log(rank_x / rank_y), each of the given ``kind``.

    The interval is paired: item i enters both spectra. Exactly antisymmetric under
    :meth:`Embeddings.swapped`. Undefined where one side has rank 0.
    """
    name = named("rank_asymmetry", *(() if kind == "rankme" else (kind,)))
    n, d = len(embeddings), embeddings.width
    if n < 2 or d == 0:
        return inference.undefined(name, _too_few(n, d), n, confidence=confidence)
    x, y = (_rank(z, kind) for z in embeddings.scored)
    for (value, _), modality in zip((x, y), embeddings.modalities, strict=True):
        if value == 0:
            return inference.undefined(name, f"{modality} embeddings do not vary", n, confidence=confidence)
    (log_x, without_x), (log_y, without_y) = ((math.log(value), _log(without)) for value, without in (x, y))
    return inference.delete_one(
        name,
        log_x - log_y,
        without_x - without_y,
        clusters=clusters,
        confidence=confidence,
        unit="log ratio",
        direction="closer to zero is better",
        null=0.0,
        method=f"log ratio of {RANKS[kind][3]}, delete-one jackknife",
    )


def _log(ranks: FloatArray) -> FloatArray:
    """Return the logarithms of ``ranks``, NaN of those that are zero."""
    logs: FloatArray = np.log(ranks, out=np.full_like(ranks, math.nan), where=ranks > 0)
    return logs


def rank(z: npt.ArrayLike, kind: RankKind) -> float | None:
    """Return the rank of ``kind`` alone, without its interval, for which eigenvectors are needed.

    ``None`` where the diagnostic of that name is undefined.
    """
    matrix = as_matrix(z)
    n, d = matrix.shape
    if n < 2 or d == 0:
        return None
    centred, power, epsilon, _ = RANKS[kind]
    return exp_entropy(spectra(matrix, centred)(np.arange(n)) ** power, epsilon)


def spectrum(z: npt.ArrayLike, *, centred: bool = True) -> FloatArray:
    """Return the eigenvalues (min(n, d),) of the covariance (1/n) of ``z``, descending.

    ``centred=False`` gives those of the second moment: σ² / n of the singular values. Zeros where the
    entries differ by rounding only.
    """
    matrix = as_matrix(z)
    if matrix.size == 0:
        return np.zeros(0)
    eigenvalues: FloatArray = spectra(matrix, centred)(np.arange(len(matrix))) * np.abs(matrix).max() ** 2
    return eigenvalues


def alpha_req(
    z: npt.ArrayLike, *, modality: str = "", clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """α-ReQ: the decay α of λ_k ∝ k^−α, by least squares of log λ_k on log k (Agrawal et al. 2022).

    All positive eigenvalues of the centred covariance enter. Blind to the cone. Undefined below three. The
    interval is a jackknife over ten groups of items.
    """
    name = named("alpha_req", modality)
    matrix = as_matrix(z)
    n = len(matrix)
    # An empty matrix has no row too, of which the spectrum is empty.
    spectra_of = spectra(matrix, True) if matrix.size else lambda rows: np.zeros(0)
    positive = np.count_nonzero(spectra_of(np.arange(n)))
    if positive < 3:
        return inference.undefined(
            name, f"a power law needs 3 positive eigenvalues, got {positive}", n, confidence=confidence
        )

    def decay(rows: IntArray) -> float:
        values = spectra_of(rows)
        log_values = np.log(values[values > 0])
        if len(log_values) < 3:
            return math.nan
        log_k = np.log(np.arange(1, len(log_values) + 1))
        log_k -= log_k.mean()
        return -float(log_k @ log_values / (log_k @ log_k))

    return inference.jackknife(
        name,
        decay,
        inference.canonical_order(matrix),
        clusters=clusters,
        confidence=confidence,
        unit="exponent",
        direction="descriptive",
        groups=_GROUPS,
        method=f"slope of {positive} log eigenvalues on log rank, jackknife over {_GROUPS} groups",
    )


def _zero_row_notes(units: FloatArray) -> tuple[str, ...]:
    zero = int((~units.any(axis=1)).sum())
    return (f"{zero} of {len(units)} rows are zero and have no direction",) if zero else ()


def mean_cosine(
    z: npt.ArrayLike, *, modality: str = "", clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """Mean cosine between different items of one modality, in O(n·d); 0 with a zero row.

    A U-statistic of order two: (‖Σu‖² − Σ‖u‖²) / (n(n − 1)) of unit rows u (Hoeffding 1948).
    """
    name = named("mean_cosine", modality)
    units = unit_rows(as_matrix(z))
    n = len(units)
    if n < 2:
        return inference.undefined(name, f"two different items are needed, got {n}", n, confidence=confidence)
    to_others = (units @ units.sum(axis=0) - (units**2).sum(axis=1)) / (n - 1)
    value = float(to_others.mean())
    return inference.linearized(
        name,
        min(1.0, max(-1.0, value)),
        2 * (to_others - value),
        clusters=clusters,
        confidence=confidence,
        unit="cosine",
        direction="lower is better",
        method="mean over ordered pairs of different items",
        notes=_zero_row_notes(units),
    )


def separation(
    z: npt.ArrayLike, *, modality: str = "", clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """Mean cosine distance between different items of one modality: 0 collapsed, 1 orthogonal on average.

    One less :func:`mean_cosine`, but a zero row is at distance 0 of everything: an encoder that answers
    nothing separates nothing. A cone lowers it (public CLIP: 0.47), complete collapse takes it to 0.
    """
    name = named("separation", modality)
    units = unit_rows(as_matrix(z))
    n = len(units)
    if n < 2:
        return inference.undefined(name, f"two different items are needed, got {n}", n, confidence=confidence)
    filled = units.any(axis=1)
    to_others = np.where(filled, filled.sum() - units @ units.sum(axis=0), 0.0) / (n - 1)
    value = float(to_others.mean())
    return inference.linearized(
        name,
        max(0.0, value),
        2 * (to_others - value),
        clusters=clusters,
        confidence=confidence,
        unit="cosine distance",
        direction="higher is better",
        null=0.0,
        method="mean over ordered pairs of different items",
        notes=_zero_row_notes(units),
    )


def distinct_share(
    z: npt.ArrayLike,
    *,
    resolution: float = 1e-3,
    modality: str = "",
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    block: int = 1024,
) -> Measurement:
    """Share of items farther than ``resolution`` (cosine distance) from every other item of the modality.

    Zero rows are never distinct. Memory O(n·block). The interval is Wilson's over items.
    """
    name = named("distinct_share", modality)
    units = unit_rows(as_matrix(z))
    n = len(units)
    if n < 2:
        return inference.undefined(name, f"two different items are needed, got {n}", n, confidence=confidence)
    distinct: npt.NDArray[np.bool_] = np.any(units, axis=1)
    for rows in blocks(n, block):
        cosine = units[rows] @ units.T
        np.fill_diagonal(cosine[:, rows], -np.inf)
        distinct[rows] &= cosine.max(axis=1) < 1 - resolution
    return inference.proportion(
        name,
        distinct.astype(np.float64),
        clusters=clusters,
        confidence=confidence,
        unit="share",
        direction="higher is better",
        notes=_zero_row_notes(units),
    )


def variance(
    z: npt.ArrayLike, *, modality: str = "", clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """Mean over the d dimensions of the unbiased variance of unit rows: about (1 − ‖ū‖²) / d."""
    name = named("variance", modality)
    units = unit_rows(as_matrix(z))
    n, d = units.shape
    if n < 2 or d == 0:
        return inference.undefined(name, _too_few(n, d), n, confidence=confidence)
    squared = ((units - units.mean(axis=0)) ** 2).sum(axis=1) * n / ((n - 1) * d)
    return inference.mean(
        name,
        squared,
        clusters=clusters,
        confidence=confidence,
        unit="variance",
        direction="higher is better",
        method="mean variance of a dimension, unit rows",
        notes=_zero_row_notes(units),
    )


def uniformity(
    z: npt.ArrayLike,
    *,
    t: float = 2.0,
    modality: str = "",
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    block: int = 1024,
) -> Measurement:
    """Log mean Gaussian potential log E exp(−t‖u_i − u_j‖²) over different items (Wang & Isola 2020, eq. 8).

    In nats, from −4t (antipodal) to 0 (all equal); lower is more uniform. Memory O(n·block).
    """
    name = named("uniformity", modality)
    units = unit_rows(as_matrix(z))
    n = len(units)
    if n < 2:
        return inference.undefined(name, f"two different items are needed, got {n}", n, confidence=confidence)
    norms = (units**2).sum(axis=1)
    to_others = np.empty(n)
    for rows in blocks(n, block):
        squared = norms[rows, None] + norms - 2 * (units[rows] @ units.T)
        potential = np.exp(-t * np.maximum(squared, 0.0))
        np.fill_diagonal(potential[:, rows], 0.0)
        to_others[rows] = potential.sum(axis=1) / (n - 1)
    potential_mean = float(to_others.mean())
    return inference.linearized(
        name,
        float(np.log(potential_mean)),
        2 * (to_others / potential_mean - 1),
        clusters=clusters,
        confidence=confidence,
        unit="nats",
        direction="lower is better",
        method=f"log mean Gaussian potential, t = {t:g} (Wang & Isola 2020)",
        notes=_zero_row_notes(units),
    )


def alignment(
    embeddings: Embeddings,
    *,
    alpha: float = 2.0,
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Measurement:
    """Mean distance ‖u_i − v_i‖^alpha of the unit rows of a pair (Wang & Isola 2020, eq. 7); 0 is best."""
    distance = np.linalg.norm(unit_rows(embeddings.x) - unit_rows(embeddings.y), axis=1)
    if len(distance) < 2:
        return inference.undefined(
            "alignment", f"two pairs are needed, got {len(distance)}", len(distance), confidence=confidence
        )
    return inference.mean(
        "alignment",
        distance**alpha,
        clusters=clusters,
        confidence=confidence,
        unit="distance" if alpha == 1 else f"distance^{alpha:g}",
        direction="lower is better",
        method="mean over pairs (Wang & Isola 2020)",
    )


def modality_gap(
    embeddings: Embeddings, *, clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """Distance ‖ū − v̄‖ between the mean unit rows of the two modalities (Liang et al. 2022); 0 to 2.

    Healthy public models have a gap of 0.8, so it describes and does not judge. Where the true gap is
    below √(tr Cov(u − v) / n), the estimate lies above it.
    """
    n = len(embeddings)
    if n < 2:
        return inference.undefined("modality_gap", f"two pairs are needed, got {n}", n, confidence=confidence)
    difference = unit_rows(embeddings.x) - unit_rows(embeddings.y)
    centre = difference.mean(axis=0)
    gap = float(np.linalg.norm(centre))
    axis = centre / gap if gap > 0 else centre
    return inference.linearized(
        "modality_gap",
        gap,
        difference @ axis - gap,
        clusters=clusters,
        confidence=confidence,
        unit="distance",
        direction="descriptive",
        method="distance of the mean unit rows (Liang 2022)",
    )


def _norm_variation(z: npt.NDArray[np.float32]) -> tuple[float, FloatArray] | None:
    """Return the coefficient of variation of the row norms and its influence; ``None`` if all are zero."""
    norms = np.linalg.norm(z.astype(np.float64), axis=1)
    centre = norms.mean()
    if centre == 0:
        return None
    deviation = norms / centre - 1
    variation = float(np.sqrt(np.mean(deviation**2)))
    if variation < _NORM_ROUNDING:
        return 0.0, np.zeros(len(norms))
    return variation, (deviation**2 - variation**2) / (2 * variation) - variation * deviation


def norm_leak(
    embeddings: Embeddings, *, clusters: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """Difference CV‖y‖ − CV‖x‖ of the coefficients of variation of the norms *as served*.

    Exactly 0 where both sides serve unit rows: a variation below 1e-3 is rounding (float32 leaves 3e-8,
    float16 2e-4 in public CLIP embeddings). Under a dot product a
    side whose norms vary favours its long items in every ranking; nothing else breaks the symmetry of
    normalised scoring. Undefined where one side is all zeros.
    """
    n = len(embeddings)
    if n < 2:
        return inference.undefined("norm_leak", f"two pairs are needed, got {n}", n, confidence=confidence)
    sides = [_norm_variation(embeddings.x), _norm_variation(embeddings.y)]
    common: inference.Labels = {
        "confidence": confidence,
        "unit": "coefficient of variation",
        "direction": "closer to zero is better",
        "null": 0.0,
    }
    for side, modality in zip(sides, embeddings.modalities, strict=True):
        if side is None:
            return inference.undefined(
                "norm_leak", f"all {modality} embeddings are zero", n, confidence=confidence
            )
    (variation_x, influence_x), (variation_y, influence_y) = (side for side in sides if side is not None)
    if variation_x == variation_y == 0:
        return inference.exact("norm_leak", 0.0, n, **common)
    return inference.linearized(
        "norm_leak", variation_y - variation_x, influence_y - influence_x, clusters=clusters, **common
    )
