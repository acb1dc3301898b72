"""Ranks of a few queries against a whole gallery that is read once."""

import threading

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics._arrays import FloatArray, blocks
from mmaudit.diagnostics._screen import PLAIN, Operand, Screen, count
from mmaudit.diagnostics._sweep import each
from mmaudit.diagnostics._tally import IntArray, Tally
from mmaudit.diagnostics.retrieval import Counts, Ranks
from mmaudit.embeddings import Similarity
from mmaudit.scale.rows import Rows
from mmaudit.scale.survey import Survey
from mmaudit.threads import cores

__all__ = ["CHUNK", "query_ranks"]

CHUNK = 4096
"""Rows of the gallery that a thread reads at once."""

BLOCK = 1024


def query_ranks(
    x: Rows,
    y: Rows,
    rows: IntArray,
    found: Survey,
    groups: IntArray | None = None,
    similarity: Similarity = "cosine",
) -> Ranks:
    """Rank the partners of the items ``rows`` (k,) among all n, both directions, in one pass over both sides.

    The counts are those that :func:`mmaudit.diagnostics.ranks` of everything has at ``rows``; ``wins`` and
    ``rivals``, which take every query, are empty. ``groups`` (n,) are the relevance groups, ``found`` the
    survey of the same sides. Rows without a similarity (NaN, infinity) count as zero rows.
    """
    rows = np.sort(np.asarray(rows, dtype=np.int64))
    k = len(rows)
    norms = [side.norms for side in found.sides]
    largest = tuple(1.0 if similarity == "cosine" else float(side.max(initial=0.0)) for side in norms)
    queries = [_operand(z[rows], side[rows], similarity) for z, side in zip((x, y), norms, strict=True)]
    own, codes = found.own[rows], None if groups is None else groups[rows]
    better, ties = np.zeros((2, 2, k), dtype=np.int64)
    lock = threading.Lock()

    def task(columns: slice) -> None:
        leave = _Leave(rows, columns.start, codes, None if groups is None else groups[columns])
        for way in (0, 1):
            gallery = _operand((y, x)[way][columns], norms[1 - way][columns], similarity)
            ordered = (largest[way], largest[1 - way])
            screen = Screen(queries[way], gallery, (own,), (queries[1 - way].norms,), ordered)
            tally = Tally(max(k, columns.stop - columns.start), depth=-1)
            _count(screen, tally, leave)
            with lock:
                better[way] += tally.better[:k]
                ties[way] += tally.ties[:k]

    each(task, list(blocks(found.n, CHUNK)), cores())
    sizes = np.ones(k, dtype=np.int64)
    if groups is not None and codes is not None:
        labels, members = np.unique(groups, return_counts=True)
        sizes = members[np.searchsorted(labels, codes)]
    nothing = np.zeros(k), np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.bool_)
    forward, backward = (Counts(better[way], ties[way], found.n - sizes, *nothing) for way in (0, 1))
    return Ranks(forward, backward, np.arange(k) if codes is None else codes)


def _operand(served: npt.ArrayLike, norms: FloatArray, similarity: Similarity) -> Operand:
    z = np.asarray(served, dtype=np.float32)
    broken = np.flatnonzero(~np.isfinite(z).all(axis=1))
    if len(broken):
        z = z.copy()
        z[broken] = 0
    filled = norms > 0
    at = np.arange(len(z))
    if similarity == "dot":
        return Operand(z, at, np.ones(len(z)), norms, True)
    factor = np.divide(1.0, norms, out=np.zeros(len(z)), where=filled)
    plain = bool(((norms > PLAIN[0]) & (norms < PLAIN[1]) | ~filled).all())
    return Operand(z, at, factor, filled.astype(np.float64), plain)


class _Leave:
    """Leaves the query's own pair, and its group, out of a chunk of the gallery that begins at ``start``."""

    def __init__(self, rows: IntArray, start: int, codes: IntArray | None, groups: IntArray | None) -> None:
        self._rows, self._start, self._codes, self._groups = rows, start, codes, groups

    def apply(self, block: npt.NDArray[np.floating], rows: slice, columns: slice) -> None:
        """Write −∞ where row and column of ``block`` are no candidates of each other."""
        if self._codes is not None and self._groups is not None:
            np.copyto(block, -np.inf, where=self._codes[rows, None] == self._groups[columns])
            return
        at = self._rows[rows] - self._start - columns.start
        here = np.flatnonzero((at >= 0) & (at < columns.stop - columns.start))
        block[here, at[here]] = -np.inf


def _count(screen: Screen, tally: Tally, leave: _Leave) -> None:
    """Count all of the chunk against all queries, by block."""
    k, n = len(screen.x.at), len(screen.y.at)
    scored = screen.x.single(slice(0, k))
    size = min(BLOCK, k) * min(BLOCK, n)
    product, hits, certain = (np.empty(size, kind) for kind in (np.float32, np.bool_, np.bool_))
    for columns in blocks(n, BLOCK):
        candidates = screen.y.single(columns).T
        for rows in blocks(k, BLOCK):
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            space = [room[: shape[0] * shape[1]].reshape(shape) for room in (product, hits, certain)]
            with np.errstate(over="ignore", invalid="ignore"):
                np.matmul(scored[rows], candidates, out=space[0])
            leave.apply(space[0], rows, columns)
            count(screen, leave, rows, columns, [tally], *space)
