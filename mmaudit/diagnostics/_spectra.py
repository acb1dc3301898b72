"""Spectra of one matrix and of parts of its rows: what ranks and their jackknife are made of."""

import functools
import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics._arrays import RESOLUTION, FloatArray
from mmaudit.threads import one_blas_thread

__all__ = ["Spectra", "remembered", "spectra"]

IntArray = npt.NDArray[np.int64]
Spectra = Callable[[IntArray], FloatArray]

_FEW = 0.8
"""Items that span less than this share of the dimensions they could are turned into these: one more
decomposition, and twenty smaller ones."""

_REMEMBERED = 64
"""Matrices whose spectra are remembered, 21 vectors each: several diagnostics ask for the same ones, and so
does every severity of a damage to one modality alone, of the other one."""


def remembered(z: FloatArray, centred: bool) -> Spectra:
    """Return :func:`spectra` that are not worked out again where the same content and rows were asked for.

    To know that the content is the same is not worth its while for a single decomposition. Everything is
    worked out on one BLAS thread: whoever asks next may not see how many the first had.
    """
    content = hashlib.sha256(np.ascontiguousarray(z).data).digest()
    known = _known(content, z.shape, centred)
    worked_out: list[Spectra] = []

    def of(rows: IntArray) -> FloatArray:
        key = b"" if len(rows) == len(z) else hashlib.sha256(np.ascontiguousarray(rows).data).digest()
        if key not in known:
            with one_blas_thread():
                if not worked_out:
                    worked_out.append(spectra(z, centred))
                known[key] = worked_out[0](rows)
                known[key].setflags(write=False)
        return known[key]

    return of


@functools.lru_cache(maxsize=_REMEMBERED)
def _known(content: bytes, shape: tuple[int, ...], centred: bool) -> dict[bytes, FloatArray]:
    """Return the spectra found so far of the matrix of this ``content``, by the digest of their rows."""
    return {}


def spectra(z: FloatArray, centred: bool) -> Spectra:
    """Return a function from rows (k,) to the eigenvalues, descending, of their second moment over the
    squared peak of ``z``. Those that rounding cannot tell from zero are zero. ``z`` is not empty.

    The moment of all rows is taken once and that of the rows left out is subtracted, so that a jackknife
    costs about two passes over ``z``. With more dimensions than items, the kernel matrix takes its place;
    items that span few dimensions are first turned into these.
    """
    n, d = z.shape
    peak = np.abs(z).max()
    # Over the peak, neither denormal nor huge entries leave float64 when they are squared.
    scaled = z / peak if peak > 0 else z
    if centred:
        scaled = scaled - scaled.mean(axis=0)
        if np.abs(scaled).max() <= RESOLUTION:
            scaled = np.zeros_like(scaled)
    moment = scaled.T @ scaled if d <= n else scaled @ scaled.T
    negligible = 64 * np.finfo(np.float64).eps * np.trace(moment) / n
    of_all = np.linalg.eigvalsh(moment / n)[::-1]
    spanned = int(np.count_nonzero(of_all > negligible))
    if spanned < _FEW * len(of_all):
        squares, vectors = np.linalg.eigh(moment)
        first = vectors[:, ::-1][:, :spanned]
        scaled = scaled @ first if d <= n else first * np.sqrt(squares[::-1][:spanned])
        moment = scaled.T @ scaled

    def of(rows: IntArray) -> FloatArray:
        k = len(rows)
        if k == n:
            values = of_all
        elif len(moment) == scaled.shape[1]:
            left = np.ones(n, dtype=np.bool_)
            left[rows] = False
            left_out = scaled[left]
            part = (moment - left_out.T @ left_out) / k
            if centred:
                mean = scaled[rows].mean(axis=0)
                part -= np.outer(mean, mean)
            values = np.linalg.eigvalsh(part)[::-1]
        else:
            part = moment[np.ix_(rows, rows)] / k
            if centred:
                mean = part.mean(axis=0)
                part += mean.mean() - mean - mean[:, None]
            values = np.linalg.eigvalsh(part)[::-1]
        found = np.zeros(min(k, d))
        found[: len(values)] = values[: len(found)]
        return np.where(found > negligible, found, 0.0)

    return of
