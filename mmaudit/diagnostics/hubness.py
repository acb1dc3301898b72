"""Hubness: items that are near neighbours of far more queries than their share."""

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import FloatArray, blocks, named
from mmaudit.diagnostics._screen import TIE, UNDERFLOW, Operand, error_bound, inner_products
from mmaudit.diagnostics._sweep import each, operands, threads_for
from mmaudit.diagnostics._tally import nonzero
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement

__all__ = ["NEIGHBOURS", "hub_items", "hubness", "neighbour_counts"]

NEIGHBOURS = 10
"""Neighbours of a query among which an item is counted, where nothing else is said."""

_FEW = 8
"""Candidates a query may have, times k, for them to be compared one by one."""


def neighbour_counts(
    embeddings: Embeddings, *, k: int = NEIGHBOURS, block: int = 256
) -> tuple[FloatArray, FloatArray]:
    """Return N_k of every item of ``x`` and of ``y``, (n,) each: for how many queries of the other modality
    it is among the k nearest.

    Items tied at the k-th place share the places left equally, so the counts do not depend on the order of
    the items; each side sums to n·min(k, n). The neighbours are those of float64 similarities, looked for in
    float32. Memory O(n·(block + d)). Raises :class:`InputError` if ``k < 1``.
    """
    if k < 1:
        raise InputError(f"k is {k}; give at least 1 neighbour")
    threads = threads_for(embeddings)
    x, y, _ = operands(embeddings, threads)
    return _counts(y, x, k, block, threads), _counts(x, y, k, block, threads)


def _counts(queries: Operand, gallery: Operand, k: int, block: int, threads: int) -> FloatArray:
    n = len(gallery.at)
    if n <= k:
        return np.full(n, float(n))
    parts = list(blocks(n, block))
    found: list[FloatArray] = [np.zeros(0)] * len(parts)
    largest = float(gallery.norms.max())
    error = error_bound(gallery.width)
    single = np.isfinite(error) and float(queries.norms.max()) * largest < 1e36
    scored = gallery.single(slice(0, n)).T if single else None
    tolerance = TIE * queries.norms * largest
    # Off by the error on either side of the k-th place, and below it by as much as ties may be.
    margin = 2 * (error * queries.norms * largest + UNDERFLOW) + tolerance

    def task(numbers: slice) -> None:
        for number in range(numbers.start, numbers.stop):
            rows = parts[number]
            listed = None if scored is None else _listed(queries.single(rows) @ scored, margin[rows], k)
            if listed is None:
                similarity = queries.double(rows) @ gallery.double(slice(0, n)).T
                boundary = np.partition(similarity, n - k, axis=1)[:, n - k] - tolerance[rows]
                row, column = nonzero(similarity >= boundary[:, None])
                value = similarity[row, column]
            else:
                row, column = listed
                value = inner_products(queries, gallery, rows.start + row, column)
            found[number] = _shares(row, column, value, tolerance[rows], k, n)

    each(task, list(blocks(len(parts), max(1, -(-len(parts) // (4 * threads))))), threads)
    # Summed in the order of the blocks, whatever thread was first.
    total: FloatArray = np.sum(found, axis=0)
    return total


def _listed(
    similarity: npt.NDArray[np.float32], margin: FloatArray, k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """Return (row, column) of all that may be among the k nearest of its row; ``None`` if they are many."""
    n = similarity.shape[1]
    boundary = np.partition(similarity, n - k, axis=1)[:, n - k]
    low = np.nextafter((boundary - margin).astype(np.float32), np.float32(-np.inf))
    hits = similarity >= low[:, None]
    if np.count_nonzero(hits) > _FEW * k * len(similarity):
        return None
    return nonzero(hits)


def _shares(
    row: npt.NDArray[np.int64],
    column: npt.NDArray[np.int64],
    value: FloatArray,
    tolerance: FloatArray,
    k: int,
    n: int,
) -> FloatArray:
    """Return (n,) the places that each column has among the k nearest of the rows it is listed for."""
    rows = len(tolerance)
    order = np.lexsort((-value, row))
    row, column, value = row[order], column[order], value[order]
    starts = np.searchsorted(row, np.arange(rows))
    boundary = value[starts + k - 1]
    above = value > (boundary + tolerance)[row]
    tied = (value >= (boundary - tolerance)[row]) & ~above
    places = (k - np.bincount(row[above], minlength=rows)) / np.bincount(row[tied], minlength=rows)
    weights = np.where(above, 1.0, np.where(tied, places[row], 0.0))
    return np.bincount(column, weights=weights, minlength=n).astype(np.float64)


def hubness(
    embeddings: Embeddings,
    *,
    k: int = NEIGHBOURS,
    counts: tuple[FloatArray, FloatArray] | None = None,
    confidence: float = 0.95,
    block: int = 256,
) -> tuple[Measurement, Measurement]:
    """Skewness of the N_k counts of each modality as gallery (Radovanović et al. 2010, eq. 1).

    Named after the modality whose items are the hubs: ``hubness_image``, ``hubness_text``. The interval is
    the infinitesimal jackknife over gallery items. ``counts`` are the :func:`neighbour_counts`, where they
    are known. Undefined with k items or fewer, or where all counts are equal.
    """
    if counts is None:
        counts = neighbour_counts(embeddings, k=k, block=block)
    first, second = (
        _skewness(named("hubness", modality), side, k, confidence)
        for side, modality in zip(counts, embeddings.modalities, strict=True)
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
    if second < TIE:
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


def hub_items(counts: FloatArray) -> npt.NDArray[np.int64]:
    """Return the rows that are hubs, the largest first, by the (n,) :func:`neighbour_counts` of their side.

    A hub's N_k lies more than two standard deviations above the mean (Radovanović et al. 2010, sec. 3).
    """
    if len(counts) == 0:
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(-counts, kind="stable").astype(np.int64)
    largest: npt.NDArray[np.int64] = order[counts[order] > counts.mean() + 2 * counts.std() + TIE]
    return largest
