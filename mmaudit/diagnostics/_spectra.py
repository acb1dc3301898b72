"""Spectra of one matrix and of parts of its rows, and each item's part in them: what ranks are made of."""

import functools
import hashlib
from collections.abc import Callable, Hashable

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics import _arrays
from mmaudit.diagnostics._arrays import FloatArray
from mmaudit.threads import one_blas_thread

__all__ = ["Spectra", "decomposed", "few_axes", "moment_of", "remembered", "spectra"]

IntArray = npt.NDArray[np.int64]
Spectra = Callable[[IntArray], FloatArray]

_FEW = 0.8
"""Items that span less than this share of the dimensions they could are turned into these: a Cholesky
decomposition more, and smaller ones of eigenvalues."""

_ROUNDING = 64 * float(np.finfo(np.float64).eps)
"""Eigenvalues below this share of their sum cannot be told from zero."""

_REMEMBERED = 64
"""Matrices of which is remembered what was found: several diagnostics ask for the same, and so does every
severity of a damage to one modality alone, of the other one."""


def remembered(z: FloatArray) -> Callable[[Hashable, Callable[[], FloatArray]], FloatArray]:
    """Return ``once(key, work)``: what ``work`` finds of ``z``, once for the same content and ``key``.

    To know that the content is the same is not worth its while for a single decomposition. Everything is
    worked out on one BLAS thread: whoever asks next may not see how many the first had.
    """
    known = _known(hashlib.sha256(np.ascontiguousarray(z).data).digest(), z.shape)

    def once(key: Hashable, work: Callable[[], FloatArray]) -> FloatArray:
        if key not in known:
            with one_blas_thread():
                found = work()
            found.setflags(write=False)
            known[key] = found
        return known[key]

    return once


@functools.lru_cache(maxsize=_REMEMBERED)
def _known(content: bytes, shape: tuple[int, ...]) -> dict[Hashable, FloatArray]:
    """Return what was found so far of the matrix of this ``content``."""
    return {}


def spectra(z: FloatArray, centred: bool) -> Spectra:
    """Return a function from rows (k,) to the eigenvalues, descending, of their second moment over the
    squared peak of ``z``. Those that rounding cannot tell from zero are zero. ``z`` is not empty.

    The moment of all rows is taken once and that of the rows left out is subtracted, so that a jackknife
    costs about two passes over ``z``. With more dimensions than items, the kernel matrix takes its place;
    items that span few dimensions are first turned into these.
    """
    n, d = z.shape
    scaled = _scaled(z, centred)
    moment = moment_of(scaled)
    negligible = _ROUNDING * np.trace(moment) / n
    if (few := few_axes(scaled, moment)) is not None:
        scaled, moment = few, few.T @ few
    of_all = np.linalg.eigvalsh(moment / n)[::-1]

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


def decomposed(z: FloatArray, centred: bool) -> tuple[FloatArray, FloatArray]:
    """Return the eigenvalues of the second moment of ``z`` (n, d), not empty, and what items add to them.

    ``values`` (r,), ascending, those that rounding can tell from zero, over a common factor; ``squares``
    (n, r) the squared scores of the items on their directions, over the same factor, so that each column
    adds up to its eigenvalue. ``centred`` takes the mean row off first.
    """
    n, d = z.shape
    scaled = _scaled(z, centred)
    moment = moment_of(scaled)
    least = _ROUNDING * np.trace(moment)
    by_axis = d <= n
    if (few := few_axes(scaled, moment)) is not None:
        scaled, moment, by_axis = few, few.T @ few, True
    values, vectors = np.linalg.eigh(moment)
    kept = values > least
    values, vectors = values[kept], vectors[:, kept]
    scores = scaled @ vectors if by_axis else vectors * np.sqrt(values)
    return values, np.square(scores, out=scores)


def _scaled(z: FloatArray, centred: bool) -> FloatArray:
    """Return ``z`` over its peak, ``centred`` less its mean row; zero where rows differ by rounding."""
    if centred:
        return _arrays.centred(z)
    peak = _arrays.largest(z)
    # Over the peak, neither denormal nor huge entries leave float64 when they are squared.
    return z / peak if peak > 0 else z


def moment_of(rows: FloatArray) -> FloatArray:
    """Return the smaller of the two products of ``rows`` (n, d) with themselves, that of axes if n = d."""
    moment: FloatArray = rows.T @ rows if rows.shape[1] <= len(rows) else rows @ rows.T
    return moment


def few_axes(rows: FloatArray, moment: FloatArray) -> FloatArray | None:
    """Return ``rows`` (n, d) on axes of the r dimensions that they span, (n, r); ``None`` if these are many.

    From the Cholesky decomposition of their ``moment`` with pivots, which stops where all that is left is
    rounding (LAPACK's pstrf; Higham 1990).
    """
    from scipy.linalg.lapack import dpstrf

    size = len(moment)
    if size == 0:
        return None
    packed, pivots, r, _ = dpstrf(moment, lower=1, tol=_ROUNDING * np.trace(moment) / size)
    if r >= _FEW * size:
        return None
    factor = np.empty((size, r))
    factor[pivots - 1] = np.tril(packed)[:, :r]
    return factor if size < rows.shape[1] else rows @ np.linalg.qr(factor)[0]
