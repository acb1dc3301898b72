"""Which similarities beat the claimed partner's: by float32 where that settles it, else by float64."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics._arrays import FloatArray, blocks
from mmaudit.diagnostics._compiled import Kernels
from mmaudit.diagnostics._tally import Block, BoolArray, IntArray, Tally, nonzero, places

__all__ = [
    "CACHED",
    "IN_DOUBT",
    "PLAIN",
    "TIE",
    "UNDERFLOW",
    "Leaves",
    "Operand",
    "Product",
    "Screen",
    "compare",
    "count",
    "error_bound",
    "inner_products",
    "multiply",
    "rooms",
]

Float32Array = npt.NDArray[np.float32]

TIE = 1e-12
"""Similarities closer than this, relative to the norms of the rows compared, are equal. A float64 inner
product of float32 rows errs by about 1e-15 of them, and by how much depends on the block and on the BLAS
kernel; distinct float32 rows differ by 1e-8."""

_SINGLE = 2.0**-24
"""Unit roundoff of float32."""

UNDERFLOW = 1e-36
"""More than all products and sums of one float32 inner product can lose by underflow."""

PLAIN = (1e-18, 1e18)
"""Norms between these are divided out in float32 without leaving its range."""

IN_DOUBT = 1 / 64
"""A block with more than this share in doubt costs less as one float64 product than pair by pair."""

_SPARSE = 1 / 32
"""With fewer hits than this share, listing them costs less than comparing the block again."""

_FIRST = 16
"""Rows of a block that show whether hits are many, before all of it is looked at."""

CACHED = 64
"""Rows taken in float64 at a time: so few stay in the cache, which is worth a factor of five."""


def error_bound(width: int) -> float:
    """Return by how much of the norms a float32 product of ``width`` terms may err; infinite if unknown.

    γ of Higham (2002, sec. 3.1), which holds for every order of summation; 8 terms more for scaling the rows.
    """
    terms = (width + 8) * _SINGLE
    return terms / (1 - terms) if terms < 0.5 else np.inf


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

    @property
    def width(self) -> int:
        """The number of dimensions."""
        return int(self.z.shape[1])

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


class Product(NamedTuple):
    """A block: scored rows ``x`` (r, d) and ``y`` (c, d) in float32, and their ``similarity`` (r, c).

    ``hits`` and ``certain`` (r, c) are room to work in.
    """

    x: Float32Array
    y: Float32Array
    similarity: Float32Array
    hits: BoolArray
    certain: BoolArray


def rooms(size: int) -> list[npt.NDArray[Any]]:
    """Return room for products of at most ``size`` entries."""
    return [np.empty(size, kind) for kind in (np.float32, np.bool_, np.bool_)]


def multiply(x: Float32Array, y: Float32Array, room: Sequence[npt.NDArray[Any]]) -> Product:
    """Return the product of scored rows, in the ``room`` of another."""
    shape = len(x), len(y)
    similarity, hits, certain = (part[: shape[0] * shape[1]].reshape(shape) for part in room)
    with np.errstate(over="ignore", invalid="ignore"):
        np.matmul(x, y.T, out=similarity)
    return Product(x, y, similarity, hits, certain)


class Leaves(Protocol):
    """What leaves candidates out of a block."""

    def apply(self, block: npt.NDArray[np.floating], rows: slice, columns: slice) -> None:
        """Write −∞ where row and column of ``block`` are no candidates of each other."""


class Screen:
    """Rows of x against rows of y, the claimed similarities of the queries, and what float32 settles of them.

    ``own`` and ``partner`` hold for each direction the queries' similarity to their partner and the partner's
    norm, float64; ``largest`` is the largest norm on either side. ``limits`` holds for each direction two
    float32 arrays, one number a query: similarities up to the first are surely not level with its own, those
    beyond the second surely above it. ``near`` holds for each direction (n,) float64: by how much a float64
    product of rows scored in float32 may err. ``kernels``, where given, are used in place of NumPy's passes.
    """

    def __init__(
        self,
        x: Operand,
        y: Operand,
        own: Sequence[FloatArray],
        partner: Sequence[FloatArray],
        largest: tuple[float, float],
        kernels: Kernels | None = None,
    ) -> None:
        self.x, self.y, self.own, self.partner, self.kernels = x, y, own, partner, kernels
        self.norms = x.norms, y.norms
        error = error_bound(x.width)
        self.single = bool(np.isfinite(error)) and largest[0] * largest[1] < 1e36
        self.limits = []
        self.near = []
        for axis, similarity in enumerate(own):
            margin = self.norms[axis] * largest[1 - axis] * (error + TIE) + UNDERFLOW
            with np.errstate(over="ignore"):
                low, high = ((similarity + side).astype(np.float32) for side in (-margin, margin))
            outward = np.nextafter(low, np.float32(-np.inf)), np.nextafter(high, np.float32(np.inf))
            self.limits.append(outward)
            self.near.append(self.norms[axis] * largest[1 - axis] * (error_bound(0) + TIE) + UNDERFLOW)


def nobody(pairs: Screen, sides: Sequence[Block], similarity: Float32Array) -> bool:
    """Return whether nobody in a block can beat a partner. Its first rows show mostly that somebody can."""
    lowest = min(pairs.limits[block.axis][0][block.queries].min() for block in sides)
    return not (similarity[:_FIRST].max() > lowest or similarity.max() > lowest)


def sparse(
    pairs: Screen,
    sides: Sequence[Block],
    tallies: Sequence[Tally],
    product: Product,
) -> bool:
    """Count a block in the directions ``sides`` if few beat anybody; else count nothing and return False."""
    similarity, hits = product.similarity, product.hits
    lows = [pairs.limits[block.axis][0][block.queries] for block in sides]
    lowest = min(low.min() for low in lows)
    first = similarity[:_FIRST]
    if np.count_nonzero(np.greater(first, lowest, out=hits[:_FIRST])) > 2 * _SPARSE * first.size:
        return False
    np.greater(similarity, lowest, out=hits)
    if np.count_nonzero(hits) > _SPARSE * similarity.size:
        return False
    at = np.flatnonzero(hits)
    value = similarity.ravel()[at]
    listed = places(at, similarity.shape[1])
    for block, tally, low in zip(sides, tallies, lows, strict=True):
        query = listed[block.axis]
        met = np.flatnonzero(value > low[query])
        if not len(met):
            continue
        sure = value[met] > pairs.limits[block.axis][1][block.queries][query[met]]
        (row, column), (one, other) = ([place[met[which]] for place in listed] for which in (sure, ~sure))
        tally.add(block, row, column)
        settle(pairs, block, one, other, tally, product)
    return True


def dense(
    pairs: Screen,
    block: Block,
    tally: Tally,
    product: Product,
) -> bool:
    """Count a block in one direction; or count nothing and return False, if too much is in doubt."""
    if sparse(pairs, [block], [tally], product):
        return True
    similarity, hits, certain = product.similarity, product.hits, product.certain
    low, high = (_along(limit[block.queries], block) for limit in pairs.limits[block.axis])
    np.greater(similarity, low, out=hits)
    np.greater(similarity, high, out=certain)
    np.not_equal(hits, certain, out=hits)
    if np.count_nonzero(hits) > IN_DOUBT * similarity.size:
        return False
    tally.add_mask(block, certain)
    row, column = nonzero(hits)
    settle(pairs, block, row, column, tally, product)
    return True


def compiled(
    pairs: Screen,
    kernels: Kernels,
    sides: Sequence[Block],
    tallies: Sequence[Tally],
    product: Product,
) -> list[bool]:
    """Count a block by rows and by columns in compiled passes; return in which directions.

    As :func:`dense` does: nothing is counted where too much is in doubt.
    """
    similarity = product.similarity
    r, c = similarity.shape
    room = int(IN_DOUBT * similarity.size)
    by_row, by_column = np.zeros((2, r), dtype=np.int32), np.zeros((2, c), dtype=np.int32)
    doubts, found = np.empty((2, room), dtype=np.int64), np.empty(2, dtype=np.int64)
    limits = [limit[block.queries] for block in sides for limit in pairs.limits[block.axis]]
    kernels.screen(similarity, *limits, by_row, by_column, doubts, found)
    few, most = [], 0
    for block, tally in zip(sides, tallies, strict=True):
        chosen = np.zeros(len(limits[2 * block.axis]), dtype=np.bool_)
        if found[block.axis] <= room:
            chosen = tally.add_sums(block, by_row[block.axis], by_column[block.axis])
            by_query = (by_row, by_column)[block.axis][block.axis]
            most = max(most, int(by_query[chosen].sum()))
        few.append(chosen)
    if most:
        rivals, listed = np.empty((2, most), dtype=np.int64), np.empty(2, dtype=np.int64)
        highs = [
            np.where(chosen, high, np.float32(np.inf)) for chosen, high in zip(few, limits[1::2], strict=True)
        ]
        kernels.above(similarity, *highs, rivals, listed)
        for block, tally in zip(sides, tallies, strict=True):
            row, column = places(rivals[block.axis, : listed[block.axis]], c)
            tally.keep(block, row, column, np.zeros(len(row), dtype=np.bool_))
    settled = [bool(number <= room) for number in found]
    for block, tally in zip(sides, tallies, strict=True):
        if settled[block.axis]:
            row, column = places(doubts[block.axis, : found[block.axis]], c)
            settle(pairs, block, row, column, tally, product)
    return settled


def settle(
    pairs: Screen, block: Block, row: IntArray, column: IntArray, tally: Tally, product: Product
) -> None:
    """Count pairs listed by their place in the block, by their float64 similarities.

    Those of the scored rows, which are at hand, leave few to be taken from the rows as served.
    """
    own, near = pairs.own[block.axis][block.queries], pairs.near[block.axis][block.queries]
    query = (row, column)[block.axis]
    difference = _products(product.x, row, product.y, column, pairs.kernels) - own[query]
    sure, doubted = difference > near[query], np.abs(difference) <= near[query]
    tally.add(block, row[sure], column[sure])
    row, column = row[doubted], column[doubted]
    if not len(row):
        return
    i, j = block.rows.start + row, block.columns.start + column
    similarity = inner_products(pairs.x, pairs.y, i, j, pairs.kernels)
    query, candidate = (i, j) if block.axis == 0 else (j, i)
    asked, offered = pairs.norms[block.axis], pairs.norms[1 - block.axis]
    scale = asked[query] * np.maximum(pairs.partner[block.axis][query], offered[candidate])
    above, level = compare(similarity, pairs.own[block.axis][query], scale)
    met = above | level
    tally.add(block, row[met], column[met], level[met])


def inner_products(
    x: Operand, y: Operand, i: IntArray, j: IntArray, kernels: Kernels | None = None
) -> FloatArray:
    """Return the (k,) float64 similarities of rows ``i`` of ``x`` and ``j`` of ``y``."""
    similarity = _products(x.z, x.at[i], y.z, y.at[j], kernels)
    similarity *= x.factor[i] * y.factor[j]
    return similarity


def _products(
    x: Float32Array, i: IntArray, y: Float32Array, j: IntArray, kernels: Kernels | None
) -> FloatArray:
    """Return the (k,) float64 inner products of rows ``i`` of ``x`` and ``j`` of ``y``."""
    products = np.empty(len(i))
    if kernels:
        kernels.inner_products(x, i, y, j, products)
    else:
        for part in blocks(len(i), CACHED):
            first, second = (z[rows[part]].astype(np.float64) for z, rows in ((x, i), (y, j)))
            np.einsum("ij,ij->i", first, second, out=products[part])
    return products


def exact(pairs: Screen, rows: slice, columns: slice, parts: Sequence[tuple[Leaves, int, Tally]]) -> None:
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
            asking = (pairs.own[axis], asked, pairs.partner[axis])
            own, scale, partner = (_along(v[block.queries], block) for v in asking)
            above, level = compare(similarity, own, scale * np.maximum(partner, by_candidate))
            tally.add_mask(block, above)
            tally.add_mask(block, level, tied=True)


def count(
    pairs: Screen,
    mask: Leaves,
    rows: slice,
    columns: slice,
    tallies: Sequence[Tally],
    product: Product,
) -> None:
    """Count a block, ``mask`` applied, by axis 0 and, with two tallies, by axis 1."""
    sides = [Block(rows, columns, axis) for axis in range(len(tallies))]
    settled = [False] * len(sides)
    if pairs.single and pairs.kernels:
        if nobody(pairs, sides, product.similarity):
            return
        settled = compiled(pairs, pairs.kernels, sides, tallies, product)
    elif pairs.single:
        if sparse(pairs, sides, tallies, product):
            return
        settled = [dense(pairs, side, tally, product) for side, tally in zip(sides, tallies, strict=True)]
    unsettled = [
        (mask, side.axis, tally)
        for side, tally, done in zip(sides, tallies, settled, strict=True)
        if not done
    ]
    if unsettled:
        exact(pairs, rows, columns, unsettled)


def _along(values: npt.NDArray[Any], block: Block) -> npt.NDArray[Any]:
    """Return one value a query, shaped to meet a block."""
    return values[:, None] if block.axis == 0 else values
