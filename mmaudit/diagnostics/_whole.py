"""Relevance groups kept whole: in the parts that a fit leaves out, and in what a permutation exchanges."""

import numpy as np
import numpy.typing as npt

__all__ = ["equal_blocks", "exchanged", "group_order", "halves"]

IntArray = npt.NDArray[np.int64]


def group_order(order: IntArray, codes: IntArray) -> IntArray:
    """Return the groups (k,) of the rows ``order`` as they come first in it, the larger ones first.

    ``codes`` are (n,) dense. Dealt out in turn, groups in this order make parts of about equal size.
    """
    found, first = np.unique(codes[order], return_index=True)
    groups = found[np.argsort(first)]
    sizes = np.bincount(codes)
    drawn: IntArray = groups[np.argsort(-sizes[groups], kind="stable")]
    return drawn


def halves(order: IntArray, codes: IntArray) -> tuple[IntArray, IntArray]:
    """Cut the rows ``order``, in which members of a group stand together, between groups near the middle.

    ``codes`` are (n,) dense, of two groups or more.
    """
    ends = np.flatnonzero(np.diff(codes[order])) + 1
    cut = int(ends[np.argmin(np.abs(ends - len(order) // 2))])
    return order[:cut], order[cut:]


def equal_blocks(codes: IntArray) -> list[IntArray]:
    """Return the places (k, size) of the groups of each size, smallest first; members stand together."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1])
    sizes = np.diff(np.append(starts, len(codes)))
    return [starts[sizes == size][:, None] + np.arange(size) for size in np.unique(sizes)]


def exchanged(blocks: list[IntArray], rng: np.random.Generator) -> IntArray:
    """Return places (n,) in which whole groups have changed places with others of their size at random.

    Labels that a group has in common stay so: a permutation of single items would tear them apart, and what
    it reads by chance would be that of more independent items than there are.
    """
    places = np.empty(sum(block.size for block in blocks), dtype=np.int64)
    for block in blocks:
        places[block] = block[rng.permutation(len(block))]
    return places
