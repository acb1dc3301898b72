"""Hubness: items that are near neighbours of far more queries than their share."""

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import FloatArray, blocks, named
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement

__all__ = ["hub_items", "hubness", "neighbour_counts"]

_TIE = 1e-12
"""Similarities closer than this, relative to the norms, are equal: rounding of a float64 product."""


def neighbour_counts(
    embeddings: Embeddings, *, k: int = 10, block: int = 1024
) -> tuple[FloatArray, FloatArray]:
    """Return N_k of every item of ``x`` and of ``y``, (n,) each: for how many queries of the other modality
    it is among the k nearest.

    Items tied at the k-th place share the places left equally, so the counts do not depend on the order of
    the items; each side sums to n·min(k, n). Memory O(n·block). Raises :class:`InputError` if ``k < 1``.
    """
    if k < 1:
        raise InputError(f"k is {k}; give at least 1 neighbour")
    x, y = embeddings.scored
    return _counts(y, x, k, block), _counts(x, y, k, block)


def _counts(queries: FloatArray, gallery: FloatArray, k: int, block: int) -> FloatArray:
    n = len(gallery)
    if n <= k:
        return np.full(n, float(n))
    counts = np.zeros(n)
    tolerance = _TIE * np.linalg.norm(queries, axis=1) * np.linalg.norm(gallery, axis=1).max()
    for rows in blocks(n, block):
        similarity = queries[rows] @ gallery.T
        boundary = np.partition(similarity, n - k, axis=1)[:, n - k, None]
        above = similarity > boundary + tolerance[rows, None]
        tied = (similarity >= boundary - tolerance[rows, None]) & ~above
        places = (k - above.sum(axis=1)) / tied.sum(axis=1)
        counts += above.sum(axis=0) + places @ tied
    return counts


def hubness(
    embeddings: Embeddings, *, k: int = 10, confidence: float = 0.95, block: int = 1024
) -> tuple[Measurement, Measurement]:
    """Skewness of the N_k counts of each modality as gallery (Radovanović et al. 2010, eq. 1).

    Named after the modality whose items are the hubs: ``hubness_image``, ``hubness_text``. The interval is
    the infinitesimal jackknife over gallery items. Undefined with k items or fewer, or where all counts
    are equal.
    """
    sides = zip(neighbour_counts(embeddings, k=k, block=block), embeddings.modalities, strict=True)
    first, second = (
        _skewness(named("hubness", modality), counts, k, confidence) for counts, modality in sides
    )
    return first, second


def _skewness(name: str, counts: FloatArray, k: int, confidence: float) -> Measurement:
    n = len(counts)
    if n <= k:
        return inference.undefined(
            name, f"{n} items are all among the {k} nearest; give more than {k}", n, confidence=confidence
        )
    deviation = counts - k
    second, third = np.mean(deviation**2), np.mean(deviation**3)
    if second < _TIE:
        return inference.undefined(name, "every item is a neighbour equally often", n, confidence=confidence)
    skew = third / second**1.5
    influence = (deviation**3 - third - 3 * second * deviation) / second**1.5
    influence -= 1.5 * skew * (deviation**2 - second) / second
    return inference.linearized(
        name,
        float(skew),
        influence,
        confidence=confidence,
        unit="skewness",
        direction="lower is better",
        method=f"skewness of N_{k} (Radovanovic 2010), infinitesimal jackknife",
    )


def hub_items(
    embeddings: Embeddings, *, k: int = 10, block: int = 1024
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows of ``x`` and of ``y`` that are hubs, the largest first.

    A hub's N_k lies more than two standard deviations above the mean (Radovanović et al. 2010, sec. 3).
    """
    first, second = (_hubs(counts) for counts in neighbour_counts(embeddings, k=k, block=block))
    return first, second


def _hubs(counts: FloatArray) -> npt.NDArray[np.int64]:
    if len(counts) == 0:
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(-counts, kind="stable").astype(np.int64)
    largest: npt.NDArray[np.int64] = order[counts[order] > counts.mean() + 2 * counts.std() + _TIE]
    return largest
