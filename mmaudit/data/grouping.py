"""Which pairs are right answers to each other: those of one picture, or of one caption."""

from collections.abc import Hashable, Sequence

import numpy as np

from mmaudit.pairs import IntArray

__all__ = ["codes", "relevance_groups"]


def codes(values: Sequence[Hashable]) -> IntArray:
    """Return equal values as equal numbers, (n,) int64, numbered by first appearance."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(value, len(seen)) for value in values], dtype=np.int64)


def relevance_groups(*columns: Sequence[Hashable]) -> IntArray | None:
    """Return groups (n,) int64 of pairs that share a value in any column, directly or through others.

    ``None`` where no value occurs twice. Sharing is taken to be transitive: of two captions of one picture,
    each is a right answer to the other's picture, and so on. That never counts a right answer as wrong.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(columns[0])
    numbered = [codes(column) for column in columns]
    if all(len(np.unique(column)) == n for column in numbered):
        return None
    offset, ends = n, []
    for column in numbered:
        ends.append(column + offset)
        offset += int(column.max(initial=-1)) + 1
    rows = np.tile(np.arange(n), len(ends))
    graph = coo_array((np.ones(len(rows)), (rows, np.concatenate(ends))), shape=(offset, offset))
    _, component = connected_components(graph, directed=False)
    return codes(component[:n].tolist())
