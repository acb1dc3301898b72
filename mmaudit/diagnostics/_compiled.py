"""The passes over a block of similarities as machine code, where numba is installed and the work is worth it.

Nothing here decides anything: NumPy does the same in ``_screen.py`` and ``_tally.py``, with a pass over the
block for every comparison and every sum, where one pass here takes all of them. The functions are plain
Python, compiled as they stand; floating point is not relaxed, but for the order in which an inner product is
summed, as a BLAS chooses it too.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

__all__ = ["Kernels", "kernels"]


class Kernels(NamedTuple):
    """The compiled :func:`_screen`, :func:`_above` and :func:`_inner_products`."""

    screen: Callable[..., None]
    above: Callable[..., None]
    inner_products: Callable[..., None]


@functools.cache
def kernels() -> Kernels | None:
    """Return the compiled passes; ``None`` where numba is not installed, or not for this NumPy.

    The first call on a machine compiles them, in seconds; they are kept beside this file or in the user's
    cache.
    """
    try:
        import numba
    except ImportError:
        return None

    block, limits = numba.float32[:, ::1], numba.float32[::1]
    counts, listed = numba.int32[:, ::1], numba.int64[:, ::1]
    served, rows = numba.types.Array(numba.float32, 2, "C", readonly=True), numba.int64[::1]

    def compiled(function: Callable[..., None], *types: Any, relaxed: Any = False) -> Callable[..., None]:
        signature = numba.void(*types)
        try:
            made = numba.njit(signature, nogil=True, fastmath=relaxed, cache=True)(function)
        except RuntimeError:  # Nowhere to keep it.
            made = numba.njit(signature, nogil=True, fastmath=relaxed)(function)
        return cast("Callable[..., None]", made)

    return Kernels(
        compiled(_screen, block, *[limits] * 4, counts, counts, listed, rows),
        compiled(_above, block, limits, limits, listed, rows),
        compiled(
            _inner_products, served, rows, served, rows, numba.float64[::1], relaxed={"reassoc", "contract"}
        ),
    )


# Sums of int32 stay int32 only if they are told to, and then eight or sixteen fit a register.


def _screen(
    block: npt.NDArray[np.float32],
    row_low: npt.NDArray[np.float32],
    row_high: npt.NDArray[np.float32],
    column_low: npt.NDArray[np.float32],
    column_high: npt.NDArray[np.float32],
    by_row: npt.NDArray[np.int32],
    by_column: npt.NDArray[np.int32],
    doubts: npt.NDArray[np.int64],
    found: npt.NDArray[np.int64],
) -> None:
    """Count a block (r, c) by rows and by columns as queries, and list what is in doubt.

    Limits are those of the queries, (r,) and (c,). What is beyond the upper limit of its row is counted in
    the first line of ``by_row`` (2, r) and ``by_column`` (2, c), beyond that of its column in the second;
    they come filled with zeros. ``doubts`` (2, room) gets the flat places of what lies between the limits of
    its row and of its column, as far as there is room, and ``found`` (2,) how many these are. It ends early
    where neither have room.
    """
    r, c = block.shape
    marks = np.zeros((c + 7) // 8 * 8, dtype=np.uint8)
    words = marks.view(np.uint64)
    room = doubts.shape[1]
    found[:] = 0
    for i in range(r):
        low, high = row_low[i], row_high[i]
        above_row, above_column = np.int32(0), np.int32(0)
        for j in range(c):
            value = block[i, j]
            first, second = value > high, value > column_high[j]
            above_row = np.int32(above_row + np.int32(first))
            above_column = np.int32(above_column + np.int32(second))
            by_column[0, j] += np.int32(first)
            by_column[1, j] += np.int32(second)
            in_row = (value > low) & (value <= high)
            in_column = (value > column_low[j]) & (value <= column_high[j])
            marks[j] = np.uint8(in_row) | np.uint8(np.uint8(in_column) << np.uint8(1))
        by_row[0, i], by_row[1, i] = above_row, above_column
        for word in range(len(words)):
            if words[word]:
                for j in range(8 * word, 8 * word + 8):
                    for side in range(2):
                        if marks[j] >> side & 1:
                            if found[side] < room:
                                doubts[side, found[side]] = i * c + j
                            found[side] += 1
        if found.min() > room:
            return


def _above(
    block: npt.NDArray[np.float32],
    row_limit: npt.NDArray[np.float32],
    column_limit: npt.NDArray[np.float32],
    hits: npt.NDArray[np.int64],
    found: npt.NDArray[np.int64],
) -> None:
    """List in ``hits`` (2, room) the flat places of what is above the limit of its row, and of its column.

    ``found`` (2,) gets how many these are; the caller has counted them, and there is room.
    """
    r, c = block.shape
    marks = np.zeros((c + 7) // 8 * 8, dtype=np.uint8)
    words = marks.view(np.uint64)
    found[:] = 0
    for i in range(r):
        limit = row_limit[i]
        for j in range(c):
            value = block[i, j]
            marks[j] = np.uint8(value > limit) | np.uint8(np.uint8(value > column_limit[j]) << np.uint8(1))
        for word in range(len(words)):
            if words[word]:
                for j in range(8 * word, 8 * word + 8):
                    for side in range(2):
                        if marks[j] >> side & 1:
                            hits[side, found[side]] = i * c + j
                            found[side] += 1


def _inner_products(
    x: npt.NDArray[np.float32],
    i: npt.NDArray[np.int64],
    y: npt.NDArray[np.float32],
    j: npt.NDArray[np.int64],
    products: npt.NDArray[np.float64],
) -> None:
    """Write to ``products`` (k,) the inner products of rows ``i`` (k,) of ``x`` and ``j`` of ``y``."""
    for k in range(len(i)):
        row, other = i[k], j[k]
        total = 0.0
        for column in range(x.shape[1]):
            total += np.float64(x[row, column]) * np.float64(y[other, column])
        products[k] = total
