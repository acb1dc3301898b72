"""What is counted of a block of similarities: by query, by candidate, and who the rivals are."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics._arrays import blocks

__all__ = ["Block", "BoolArray", "IntArray", "Tally", "nonzero", "places"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


_PARTS = 512
"""Lists of rivals that are kept before those of queries with more hits since are dropped."""


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
        self.keep(block, row, column, tied)

    def add_mask(self, block: Block, mask: BoolArray, tied: bool = False) -> None:
        """Count the hits marked in ``mask``, as large as the block."""
        chosen = np.flatnonzero(self.add_sums(block, _row_sums(mask), _column_sums(mask), tied))
        if not len(chosen):
            return
        if block.axis == 0:
            row, column = nonzero(mask[chosen])
            row = chosen[row]
        else:
            row, column = nonzero(mask[:, chosen])
            column = chosen[column]
        self.keep(block, row, column, np.full(len(row), tied))

    def add_sums(
        self, block: Block, by_row: npt.NDArray[Any], by_column: npt.NDArray[Any], tied: bool = False
    ) -> BoolArray:
        """Count hits by the integer sums of the block's rows and columns.

        Return which of its queries have rivals among them that are to be listed and kept.
        """
        by_query, by_candidate = (by_row, by_column) if block.axis == 0 else (by_column, by_row)
        counts = self.ties if tied else self.better
        counts[block.queries] += by_query
        self.beaten[block.candidates] += by_candidate if tied else 2 * by_candidate
        few: BoolArray = (counts[block.queries] <= self.depth) & (by_query > 0)
        return few

    def keep(self, block: Block, row: IntArray, column: IntArray, tied: BoolArray) -> None:
        """Keep hits that are counted, listed by their place in ``block``, as rivals."""
        query, candidate = (row, column) if block.axis == 0 else (column, row)
        self._keep(block.queries.start + query, block.candidates.start + candidate, tied)

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
            if len(self._rivals) > _PARTS:
                self._prune()

    def _prune(self) -> None:
        """Drop what belongs to queries that have had more hits since."""
        none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
        query, candidate, tied = (np.concatenate(part) for part in zip(none, *self._rivals, strict=True))
        few = (self.better[query] <= self.depth) & (self.ties[query] <= self.depth)
        self._rivals = [(query[few], candidate[few], tied[few])]


def nonzero(mask: BoolArray) -> tuple[IntArray, IntArray]:
    """Return rows and columns where a contiguous (r, c) mask is set."""
    return places(np.flatnonzero(mask), mask.shape[1])


def places(at: IntArray, width: int) -> tuple[IntArray, IntArray]:
    """Return rows and columns of flat positions."""
    row = at // width
    return row, at - row * width


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
