"""One pass over all similarities of n pairs, in blocks, counting for both directions at once.

Each block is a float32 matrix product. That settles every comparison with a claimed partner but the few that
lie within its rounding error, and those are taken again in float64: the counts are those of float64, at about
the cost of float32. A block of which most is in doubt, as in collapsed embeddings, is taken in float64 whole.
"""

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics._arrays import FloatArray, blocks
from mmaudit.diagnostics._compiled import Kernels, kernels
from mmaudit.diagnostics._screen import CACHED, PLAIN, Operand, Screen, count, multiply, rooms
from mmaudit.diagnostics._tally import IntArray, Tally
from mmaudit.embeddings import Embeddings
from mmaudit.threads import cores, one_blas_thread

__all__ = ["BLOCK", "Mask", "each", "operands", "sweep", "threads_for"]

_Part = TypeVar("_Part")

BLOCK = 1344
"""Rows that meet as many columns at a time. Larger blocks cost the product less, and more memory; where their
rows are whole pages, as those of 1024 are, they fall on one another in the cache."""

_TASK_BYTES = 16 * 2**20
"""How much of one side a thread holds, normalised, in float32."""

_SMALL = 2.0**28
"""Below this many products, threads cost more than they bring."""

_MANY = 8192
"""From so many pairs on, compiled passes save more than it takes to import numba."""


class Mask:
    """The candidates left out: those of the query's own group and, with ``within``, all of other values.

    ``groups`` and ``within`` are (n,) int64 codes. ``candidates`` (n,) int64 counts those left in.
    """

    def __init__(self, groups: IntArray, within: IntArray | None = None) -> None:
        n = len(groups)
        self._groups, self._within = groups, within
        sizes = np.bincount(groups, minlength=1)
        self._pairs: tuple[IntArray, IntArray] | None = None
        if (sizes.astype(np.float64) ** 2).sum() <= 32 * n:
            self._pairs = _same_group(groups, sizes)
        if within is None:
            self.candidates: IntArray = n - sizes[groups]
        else:
            both = np.unique(np.stack([groups, within]), axis=1, return_inverse=True, return_counts=True)
            self.candidates = np.bincount(within, minlength=1)[within] - both[2][both[1].reshape(n)]

    def take(self, order: IntArray) -> "Mask":
        """Return the same mask of items in another order."""
        return Mask(self._groups[order], None if self._within is None else self._within[order])

    def apply(self, block: npt.NDArray[np.floating], rows: slice, columns: slice) -> None:
        """Write −∞ where row and column of ``block`` are no candidates of each other."""
        if self._within is not None:
            np.copyto(block, -np.inf, where=self._within[rows, None] != self._within[columns])
        if self._pairs is None:
            np.copyto(block, -np.inf, where=self._groups[rows, None] == self._groups[columns])
            return
        first, second = self._pairs
        start, stop = np.searchsorted(first, [rows.start, rows.stop])
        row, column = first[start:stop], second[start:stop]
        inside = (column >= columns.start) & (column < columns.stop)
        block[row[inside] - rows.start, column[inside] - columns.start] = -np.inf


def _same_group(groups: IntArray, sizes: IntArray) -> tuple[IntArray, IntArray]:
    """Return all ordered pairs (first, second) of items of one group, themselves included, by first."""
    order = np.argsort(groups, kind="stable")
    starts = np.cumsum(sizes) - sizes
    own = sizes[groups]
    first = np.repeat(np.arange(len(groups)), own)
    step = np.arange(len(first)) - np.repeat(np.cumsum(own) - own, own)
    return first, order[np.repeat(starts[groups], own) + step]


def threads_for(embeddings: Embeddings) -> int:
    """Return how many threads all similarities of ``embeddings`` are worth."""
    n = len(embeddings)
    return cores() if n * n * max(1, embeddings.width) >= _SMALL else 1


def operands(
    embeddings: Embeddings, threads: int = 1, kernels: Kernels | None = None
) -> tuple[Operand, Operand, FloatArray]:
    """Return both sides of ``embeddings`` and the (n,) float64 similarities of the claimed pairs."""
    n, cosine = len(embeddings), embeddings.similarity == "cosine"
    x, y = embeddings.x, embeddings.y
    own, raw = np.empty(n), np.empty((2, n))

    def measure(task: slice) -> None:
        if kernels is not None:
            at = np.arange(task.start, task.stop)
            for first, second, products in ((x, y, own), (x, x, raw[0]), (y, y, raw[1])):
                kernels.inner_products(first, at, second, at, products[task])
            return
        for part in blocks(task.stop - task.start, CACHED):
            rows = slice(task.start + part.start, task.start + part.stop)
            one, other = (np.asarray(z[rows], dtype=np.float64) for z in (x, y))
            for a, b, products in ((one, other, own), (one, one, raw[0]), (other, other, raw[1])):
                np.einsum("ij,ij->i", a, b, out=products[rows])

    each(measure, list(blocks(n, 2048)), threads)
    np.sqrt(raw, out=raw)
    sides = []
    for z, norms in zip((x, y), raw, strict=True):
        filled = norms > 0
        factor = np.divide(1.0, norms, out=np.zeros(n), where=filled) if cosine else np.ones(n)
        plain = not cosine or bool(((norms > PLAIN[0]) & (norms < PLAIN[1]) | ~filled).all())
        sides.append(Operand(z, np.arange(n), factor, filled.astype(np.float64) if cosine else norms, plain))
    return sides[0], sides[1], own * sides[0].factor * sides[1].factor


def sweep(
    embeddings: Embeddings, masks: Sequence[Mask], *, depth: int, block: int = BLOCK
) -> list[tuple[Tally, Tally]]:
    """Return for each of ``masks`` the tallies of both directions, x → y and y → x.

    Masks are nested: each leaves out what the one before it does. ``block`` rows meet as many columns at a
    time; memory is O(n + block² + block · d) beyond the embeddings for each of the threads, which are as many
    as there are cores. Neither changes a count.
    """
    n, width, threads = len(embeddings), max(1, embeddings.width), threads_for(embeddings)
    pairs, order = _by_own_similarity(embeddings, threads)
    masks = [mask.take(order) for mask in masks]
    total = [(Tally(n, depth), Tally(n, depth)) for _ in masks]
    lock = threading.Lock()

    def task(rows: Sequence[slice]) -> None:
        part = [(Tally(n, depth), Tally(n, depth)) for _ in masks]
        _count(pairs, rows, parts, masks, part)
        with lock:
            for sums, added in zip(total, part, strict=True):
                for tally, other in zip(sums, added, strict=True):
                    tally.merge(other)

    number = _up(len(list(blocks(n, block))), threads)
    # Equal blocks keep all threads at work to the end; sums of rows are taken eight columns at a time.
    size = min(block, _up(-(-n // max(1, number)), 16))
    parts = list(blocks(n, max(1, size)))
    held = max(1, _TASK_BYTES // (4 * width * max(1, size)))
    tasks = _up(-(-len(parts) // held), threads)
    # Those at one end of the order have the most hits: every task gets blocks from all of it.
    each(task, [parts[start::tasks] for start in range(min(tasks, len(parts)))], threads)
    for tally in itertools.chain.from_iterable(total):
        tally.reorder(order)
    return total


def _by_own_similarity(embeddings: Embeddings, threads: int) -> tuple[Screen, IntArray]:
    """Return all pairs in the order of their own similarity, and that order.

    The queries of a block then have nearly the same, and one number settles most of it.
    """
    compiled = kernels() if len(embeddings) >= _MANY else None
    x, y, own = operands(embeddings, threads, compiled)
    order = np.argsort(own, kind="stable")
    x, y, own = x.take(order), y.take(order), own[order]
    largest = float(x.norms.max(initial=0.0)), float(y.norms.max(initial=0.0))
    return Screen(x, y, (own, own), (y.norms, x.norms), largest, compiled), order


def _up(number: int, step: int) -> int:
    """Return the next multiple of ``step``."""
    return -(-number // step) * step


def _count(
    pairs: Screen,
    rows: Sequence[slice],
    columns: Sequence[slice],
    masks: Sequence[Mask],
    tallies: list[tuple[Tally, Tally]],
) -> None:
    """Count everything that the blocks ``rows`` of x take part in; ``columns`` are those of all y."""
    scored = [pairs.x.single(part) for part in rows]
    room = rooms(max(len(part) for part in scored) * max(part.stop - part.start for part in columns))
    for there in columns:
        candidates = pairs.y.single(there)
        for here, queries in zip(rows, scored, strict=True):
            product = multiply(queries, candidates, room)
            for mask, directions in zip(masks, tallies, strict=True):
                mask.apply(product.similarity, here, there)
                count(pairs, mask, here, there, directions, product)


def each(task: Callable[[_Part], None], parts: Sequence[_Part], threads: int) -> None:
    """Run ``task`` on all ``parts``, each thread with a BLAS of one thread."""
    with one_blas_thread():
        # Alone, too: the threads of a BLAS look out for more work long after a small product.
        if threads == 1 or len(parts) == 1:
            for part in parts:
                task(part)
            return
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(task, parts):
                pass
