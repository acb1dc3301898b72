"""One pass over all similarities of n pairs, in blocks, counting for both directions at once.

Each block is a float32 matrix product. That settles every comparison with a claimed partner but the few that
lie within its rounding error, and those are taken again in float64: the counts are those of float64, at about
the cost of float32. A block of which most is in doubt, as in collapsed embeddings, is taken in float64 whole.
"""

import dataclasses
import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics._arrays import FloatArray, blocks
from mmaudit.embeddings import Embeddings
from mmaudit.threads import cores, one_blas_thread

__all__ = ["TIE", "Mask", "Operand", "Tally", "compare", "operands", "sweep"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]

TIE = 1e-12
"""Similarities closer than this, relative to the norms of the rows compared, are equal. A float64 inner
product of float32 rows errs by about 1e-15 of them, and by how much depends on the block and on the BLAS
kernel; distinct float32 rows differ by 1e-8."""

_SINGLE = 2.0**-24
"""Unit roundoff of float32."""

_UNDERFLOW = 1e-36
"""More than all products and sums of one float32 inner product can lose by underflow."""

_PLAIN = (1e-18, 1e18)
"""Norms between these are divided out in float32 without leaving its range."""

_IN_DOUBT = 1 / 64
"""A block with more than this share in doubt costs less as one float64 product than pair by pair."""

_SPARSE = 1 / 32
"""With fewer hits than this share, listing them costs less than comparing the block again."""

_CACHED = 64
"""Rows taken in float64 at a time: so few stay in the cache, which is worth a factor of five."""

_TASK_BYTES = 16 * 2**20
"""How much of one side a thread holds, normalised, in float32."""

_SMALL = 2.0**28
"""Below this many products, threads cost more than they bring."""


def compare(similarity: FloatArray, own: FloatArray, scale: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Return where ``similarity`` is above ``own`` and where it is level with it.

    ``scale`` is the product of the norms of the rows compared; all three broadcast together.
    """
    difference = similarity - own
    tolerance = TIE * scale
    above = difference > tolerance
    return above, (difference >= -tolerance) & ~above


@dataclasses.dataclass(frozen=True, eq=False)
class Operand:
    """One side of the pairs, of which scored rows are made when they are needed.

    ``z`` is (n, d) float32 as served, of which the rows ``at`` (n,) are meant, ``factor`` (n,) float64 is
    what they are multiplied by, and ``norms`` (n,) float64 are those of the products. ``plain`` says whether
    float32 can multiply.
    """

    z: npt.NDArray[np.float32]
    at: IntArray
    factor: FloatArray
    norms: FloatArray
    plain: bool

    def single(self, rows: slice) -> Float32Array:
        """Return scored rows in float32, off by at most two roundings each."""
        if not self.plain:
            return self.double(rows).astype(np.float32)
        scored: Float32Array = self.z[self.at[rows]]
        scored *= self.factor[rows, None].astype(np.float32)
        return scored

    def double(self, rows: slice | IntArray) -> FloatArray:
        """Return scored rows in float64."""
        scored = self.served(rows)
        scored *= self.factor[rows, None]
        return scored

    def served(self, rows: slice | IntArray) -> FloatArray:
        """Return rows as served in float64."""
        return self.z[self.at[rows]].astype(np.float64)

    def take(self, order: IntArray) -> "Operand":
        """Return the same side with its rows in another order."""
        return dataclasses.replace(
            self, at=self.at[order], factor=self.factor[order], norms=self.norms[order]
        )


def operands(embeddings: Embeddings, threads: int = 1) -> tuple[Operand, Operand, FloatArray]:
    """Return both sides of ``embeddings`` and the (n,) float64 similarities of the claimed pairs."""
    n, cosine = len(embeddings), embeddings.similarity == "cosine"
    own, raw = np.empty(n), np.empty((2, n))

    def measure(task: slice) -> None:
        for part in blocks(task.stop - task.start, _CACHED):
            rows = slice(task.start + part.start, task.start + part.stop)
            x, y = (np.asarray(z[rows], dtype=np.float64) for z in (embeddings.x, embeddings.y))
            own[rows] = np.einsum("ij,ij->i", x, y)
            raw[0, rows], raw[1, rows] = (np.sqrt(np.einsum("ij,ij->i", z, z)) for z in (x, y))

    _each(measure, list(blocks(n, 2048)), threads)
    sides = []
    for z, norms in zip((embeddings.x, embeddings.y), raw, strict=True):
        filled = norms > 0
        factor = np.divide(1.0, norms, out=np.zeros(n), where=filled) if cosine else np.ones(n)
        within = (norms > _PLAIN[0]) & (norms < _PLAIN[1])
        plain = bool((within | ~filled).all()) if cosine else True
        sides.append(Operand(z, np.arange(n), factor, filled.astype(np.float64) if cosine else norms, plain))
    return sides[0], sides[1], own * sides[0].factor * sides[1].factor


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


class Block(NamedTuple):
    """Some rows of x against some of y; with ``axis`` 0 the rows are the queries, with 1 the columns are."""

    rows: slice
    columns: slice
    axis: int

    @property
    def queries(self) -> slice:
        """The queries among all items."""
        return (self.rows, self.columns)[self.axis]

    @property
    def candidates(self) -> slice:
        """The candidates among all items."""
        return (self.columns, self.rows)[self.axis]


class Tally:
    """What one direction counts; arrays are (n,) int64, and rivals are (query, candidate, tied).

    ``better`` and ``ties`` are by query; ``beaten`` counts, by candidate, twice the queries it beats and once
    those it ties with. Rivals are kept for queries with at most ``depth`` better and as many tied ones.
    """

    def __init__(self, n: int, depth: int) -> None:
        self.better, self.ties, self.beaten = (np.zeros(n, dtype=np.int64) for _ in range(3))
        self.depth = depth
        self._rivals: list[tuple[IntArray, IntArray, BoolArray]] = []

    def add(self, block: Block, row: IntArray, column: IntArray, tied: BoolArray | None = None) -> None:
        """Count hits listed by their place in ``block``; where ``tied``, level with the partner."""
        if not len(row):
            return
        query, candidate = (row, column) if block.axis == 0 else (column, row)
        size, count = block.queries.stop - block.queries.start, block.candidates.stop - block.candidates.start
        if tied is None:
            tied = np.zeros(len(query), dtype=np.bool_)
            self.better[block.queries] += np.bincount(query, minlength=size)
            self.beaten[block.candidates] += 2 * np.bincount(candidate, minlength=count)
        else:
            self.better[block.queries] += np.bincount(query[~tied], minlength=size)
            self.ties[block.queries] += np.bincount(query[tied], minlength=size)
            self.beaten[block.candidates] += 2 * np.bincount(candidate[~tied], minlength=count)
            self.beaten[block.candidates] += np.bincount(candidate[tied], minlength=count)
        self._keep(block.queries.start + query, block.candidates.start + candidate, tied)

    def add_mask(self, block: Block, mask: BoolArray, tied: bool = False) -> None:
        """Count the hits marked in ``mask``, as large as the block."""
        by_row, by_column = _row_sums(mask), _column_sums(mask)
        by_query, by_candidate = (by_row, by_column) if block.axis == 0 else (by_column, by_row)
        counts = self.ties if tied else self.better
        counts[block.queries] += by_query
        self.beaten[block.candidates] += by_candidate if tied else 2 * by_candidate
        few = (counts[block.queries] <= self.depth) & (by_query > 0)
        if not few.any():
            return
        if block.axis == 0:
            chosen = np.flatnonzero(few)
            row, candidate = _nonzero(mask[chosen])
            query = chosen[row]
        else:
            chosen = np.flatnonzero(few)
            candidate, column = _nonzero(mask[:, chosen])
            query = chosen[column]
        self._keep(block.queries.start + query, block.candidates.start + candidate, np.full(len(query), tied))

    def merge(self, other: "Tally") -> None:
        """Add the counts of another part of the same sweep."""
        self.better += other.better
        self.ties += other.ties
        self.beaten += other.beaten
        for found in other._rivals:
            self._keep(*found)

    def reorder(self, order: IntArray) -> None:
        """Give every item the number ``order`` (n,) has at its place."""
        self._prune()
        for counts in (self.better, self.ties, self.beaten):
            counts[order] = counts.copy()
        query, candidate, tied = self._rivals[0]
        self._rivals = [(order[query], order[candidate], tied)]

    def rivals(self) -> tuple[IntArray, BoolArray]:
        """Return the rivals (m, 2) as (query, candidate), sorted, and which of them tie (m,)."""
        self._prune()
        query, candidate, tied = self._rivals[0]
        order = np.lexsort((candidate, query))
        return np.stack([query, candidate], axis=1)[order], tied[order]

    def _keep(self, query: IntArray, candidate: IntArray, tied: BoolArray) -> None:
        few = (self.better[query] <= self.depth) & (self.ties[query] <= self.depth)
        if few.any():
            self._rivals.append((query[few], candidate[few], tied[few]))
            if len(self._rivals) > 512:
                self._prune()

    def _prune(self) -> None:
        """Drop what belongs to queries that have had more hits since."""
        none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
        query, candidate, tied = (np.concatenate(part) for part in zip(none, *self._rivals, strict=True))
        few = (self.better[query] <= self.depth) & (self.ties[query] <= self.depth)
        self._rivals = [(query[few], candidate[few], tied[few])]


def sweep(
    embeddings: Embeddings, masks: Sequence[Mask], *, depth: int, block: int = 1024
) -> list[tuple[Tally, Tally]]:
    """Return for each of ``masks`` the tallies of both directions, x → y and y → x.

    Masks are nested: each leaves out what the one before it does. ``block`` rows meet as many columns at a
    time; memory is O(n + block² + block · d) beyond the embeddings for each of the threads, which are as many
    as there are cores. Neither changes a count.
    """
    n, width = len(embeddings), max(1, embeddings.width)
    threads = cores() if n * n * width >= _SMALL else 1
    pairs = _Pairs(embeddings, threads)
    masks = [mask.take(pairs.order) for mask in masks]
    total = [(Tally(n, depth), Tally(n, depth)) for _ in masks]
    lock = threading.Lock()

    def task(rows: slice) -> None:
        part = [(Tally(n, depth), Tally(n, depth)) for _ in masks]
        _count(pairs, rows, masks, part, block)
        with lock:
            for sums, added in zip(total, part, strict=True):
                for tally, other in zip(sums, added, strict=True):
                    tally.merge(other)

    held = max(1, _TASK_BYTES // (4 * width))
    turns = -(-n // (held * threads))
    _each(task, list(blocks(n, max(-(-n // max(1, turns * threads)), min(block, n), 1))), threads)
    for tally in itertools.chain.from_iterable(total):
        tally.reorder(pairs.order)
    return total


class _Pairs:
    """Both sides, the claimed similarities ``own`` (n,) float64, and what float32 settles.

    Pairs are taken in the ``order`` of their own similarity: the queries of a block then have nearly the
    same, and one number settles most of it. ``limits`` holds for each direction two (n,) float32 arrays:
    similarities up to the first are surely not level with the query's own, those beyond the second surely
    above it.
    """

    def __init__(self, embeddings: Embeddings, threads: int) -> None:
        x, y, own = operands(embeddings, threads)
        self.order = np.argsort(own, kind="stable")
        self.x, self.y, self.own = x.take(self.order), y.take(self.order), own[self.order]
        terms = (embeddings.width + 8) * _SINGLE
        # γ of Higham (2002, sec. 3.1), which holds for every order of summation; 8 more for scaling the rows.
        error = terms / (1 - terms) if terms < 0.5 else np.inf
        self.norms = self.x.norms, self.y.norms
        largest = [float(norms.max(initial=0.0)) for norms in self.norms]
        self.single = bool(np.isfinite(error)) and largest[0] * largest[1] < 1e36
        self.limits = []
        for axis in (0, 1):
            margin = self.norms[axis] * largest[1 - axis] * (error + TIE) + _UNDERFLOW
            with np.errstate(over="ignore"):
                low, high = ((self.own + side).astype(np.float32) for side in (-margin, margin))
            outward = np.nextafter(low, np.float32(-np.inf)), np.nextafter(high, np.float32(np.inf))
            self.limits.append(outward)


def _count(
    pairs: _Pairs, rows: slice, masks: Sequence[Mask], tallies: list[tuple[Tally, Tally]], block: int
) -> None:
    """Count everything that ``rows`` of x take part in."""
    scored = pairs.x.single(rows)
    n, size = len(pairs.own), min(block, len(scored))
    product, hits, certain = (
        np.empty(size * min(block, n), kind) for kind in (np.float32, np.bool_, np.bool_)
    )
    for columns in blocks(n, block):
        candidates = pairs.y.single(columns).T
        for part in blocks(len(scored), block):
            shape = (part.stop - part.start, columns.stop - columns.start)
            space = [room[: shape[0] * shape[1]].reshape(shape) for room in (product, hits, certain)]
            with np.errstate(over="ignore", invalid="ignore"):
                np.matmul(scored[part], candidates, out=space[0])
            here = slice(rows.start + part.start, rows.start + part.stop)
            unsettled = []
            for mask, directions in zip(masks, tallies, strict=True):
                mask.apply(space[0], here, columns)
                sides = [Block(here, columns, axis) for axis in (0, 1)]
                if pairs.single and _sparse(pairs, sides, directions, *space[:2]):
                    continue
                for side, tally in zip(sides, directions, strict=True):
                    if not (pairs.single and _dense(pairs, side, tally, *space)):
                        unsettled.append((mask, side.axis, tally))
            if unsettled:
                _exact(pairs, here, columns, unsettled)


def _sparse(
    pairs: _Pairs,
    sides: Sequence[Block],
    tallies: Sequence[Tally],
    similarity: Float32Array,
    hits: BoolArray,
) -> bool:
    """Count a block in the directions ``sides`` if few beat anybody; else count nothing and return False."""
    lows = [pairs.limits[block.axis][0][block.queries] for block in sides]
    np.greater(similarity, min(low.min() for low in lows), out=hits)
    if np.count_nonzero(hits) > _SPARSE * similarity.size:
        return False
    at = np.flatnonzero(hits)
    value = similarity.reshape(-1)[at]
    places = _places(at, similarity.shape[1])
    for block, tally, low in zip(sides, tallies, lows, strict=True):
        query = places[block.axis]
        met = np.flatnonzero(value > low[query])
        if not len(met):
            continue
        sure = value[met] > pairs.limits[block.axis][1][block.queries][query[met]]
        (row, column), (one, other) = ([place[met[which]] for place in places] for which in (sure, ~sure))
        tally.add(block, row, column)
        _settle(pairs, block, one, other, tally)
    return True


def _dense(
    pairs: _Pairs,
    block: Block,
    tally: Tally,
    similarity: Float32Array,
    hits: BoolArray,
    certain: BoolArray,
) -> bool:
    """Count a block in one direction; or count nothing and return False, if too much is in doubt.

    ``hits`` and ``certain`` are room to work in.
    """
    if _sparse(pairs, [block], [tally], similarity, hits):
        return True
    low, high = (_along(limit[block.queries], block) for limit in pairs.limits[block.axis])
    np.greater(similarity, low, out=hits)
    np.greater(similarity, high, out=certain)
    np.not_equal(hits, certain, out=hits)
    if np.count_nonzero(hits) > _IN_DOUBT * similarity.size:
        return False
    tally.add_mask(block, certain)
    row, column = _nonzero(hits)
    _settle(pairs, block, row, column, tally)
    return True


def _settle(pairs: _Pairs, block: Block, row: IntArray, column: IntArray, tally: Tally) -> None:
    """Count pairs listed by their place in the block, by their float64 similarities."""
    i, j = block.rows.start + row, block.columns.start + column
    similarity = np.empty(len(i))
    for part in blocks(len(i), _CACHED):
        first, second = pairs.x.served(i[part]), pairs.y.served(j[part])
        np.einsum("ij,ij->i", first, second, out=similarity[part])
    similarity *= pairs.x.factor[i] * pairs.y.factor[j]
    query, candidate = (i, j) if block.axis == 0 else (j, i)
    asked, offered = pairs.norms[block.axis], pairs.norms[1 - block.axis]
    scale = asked[query] * np.maximum(offered[query], offered[candidate])
    above, level = compare(similarity, pairs.own[query], scale)
    met = above | level
    tally.add(block, row[met], column[met], level[met])


def _exact(pairs: _Pairs, rows: slice, columns: slice, parts: Sequence[tuple[Mask, int, Tally]]) -> None:
    """Count a block by its float64 similarities; ``parts`` are a mask, an axis and where to count."""
    gallery = pairs.y.double(columns).T
    for step in blocks(rows.stop - rows.start, 128):
        here = slice(rows.start + step.start, rows.start + step.stop)
        similarity = pairs.x.double(here) @ gallery
        for mask, axis, tally in parts:
            mask.apply(similarity, here, columns)
            block = Block(here, columns, axis)
            asked, offered = pairs.norms[axis], pairs.norms[1 - axis]
            by_candidate = offered[block.candidates]
            by_candidate = by_candidate if axis == 0 else by_candidate[:, None]
            own, scale, partner = (_along(v[block.queries], block) for v in (pairs.own, asked, offered))
            above, level = compare(similarity, own, scale * np.maximum(partner, by_candidate))
            tally.add_mask(block, above)
            tally.add_mask(block, level, tied=True)


def _along(values: npt.NDArray[Any], block: Block) -> npt.NDArray[Any]:
    """Return one value a query, shaped to meet a block."""
    return values[:, None] if block.axis == 0 else values


def _nonzero(mask: BoolArray) -> tuple[IntArray, IntArray]:
    """Return rows and columns where a contiguous (r, c) mask is set."""
    return _places(np.flatnonzero(mask), mask.shape[1])


def _places(at: IntArray, width: int) -> tuple[IntArray, IntArray]:
    """Return rows and columns of flat positions. Whole blocks are as wide as a power of two: no division."""
    if width & (width - 1):
        row, column = np.divmod(at, width)
        return row, column
    return at >> (width.bit_length() - 1), at & (width - 1)


def _column_sums(mask: BoolArray) -> IntArray:
    """Count each column of (r, c), 255 rows at a time in one byte each."""
    counts = np.zeros(mask.shape[1], dtype=np.int64)
    for rows in blocks(len(mask), 255):
        counts += np.add.reduce(mask[rows].view(np.uint8), axis=0, dtype=np.uint8)
    return counts


def _row_sums(mask: BoolArray) -> IntArray:
    """Count each row of (r, c), eight columns at a time where they fill words."""
    r, c = mask.shape
    if c % 8 or c > 2040:
        return np.asarray(np.count_nonzero(mask, axis=1), dtype=np.int64)
    words = np.add.reduce(mask.view(np.uint64), axis=1)
    counts: IntArray = words.view(np.uint8).reshape(r, 8).sum(axis=1, dtype=np.int64)
    return counts


def _each(task: Callable[[slice], None], parts: Sequence[slice], threads: int) -> None:
    """Run ``task`` on all ``parts``, each thread with a BLAS of one thread."""
    if threads == 1 or len(parts) == 1:
        for part in parts:
            task(part)
        return
    with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(task, parts):
            pass
