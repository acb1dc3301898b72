"""Ranks of a few queries against a whole gallery that is read once."""

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics._arrays import FloatArray, blocks
from mmaudit.diagnostics._screen import PLAIN, Operand, Screen, count, multiply, rooms
from mmaudit.diagnostics._tally import IntArray, Tally
from mmaudit.diagnostics.retrieval import Counts, Ranks
from mmaudit.embeddings import Similarity
from mmaudit.executor import Executor, Local
from mmaudit.scale.rows import Rows
from mmaudit.scale.survey import Survey

__all__ = ["CHUNK", "query_ranks"]

CHUNK = 4096
"""Rows of the gallery that a thread reads at once."""
JOB = 16 * CHUNK
"""Rows of the gallery that an executor is given at once."""

BLOCK = 1024


@dataclasses.dataclass(frozen=True, eq=False)
class _Queries:
    """What every part of the gallery is ranked for: the items ``rows`` (k,), with both sides as ``served``.

    ``norms`` (2, k), ``own`` (k,) and ``codes`` (k,) theirs, ``largest`` the galleries' largest norms.
    """

    sides: tuple[Rows, Rows]
    similarity: Similarity
    threads: int
    rows: IntArray
    served: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
    norms: FloatArray
    own: FloatArray
    codes: IntArray | None
    largest: tuple[float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """A part of the gallery: its rows, with their ``norms`` (2, m) and relevance ``groups`` (m,)."""

    rows: slice
    norms: FloatArray
    groups: IntArray | None


def query_ranks(
    x: Rows,
    y: Rows,
    rows: IntArray,
    found: Survey,
    groups: IntArray | None = None,
    similarity: Similarity = "cosine",
    executor: Executor | None = None,
) -> Ranks:
    """Rank the partners of the items ``rows`` (k,) among all n, both directions, in one pass over both sides.

    The counts are those that :func:`mmaudit.diagnostics.ranks` of everything has at ``rows``; ``wins`` and
    ``rivals``, which take every query, are empty. ``groups`` (n,) are the relevance groups, ``found`` the
    survey of the same sides. Rows without a similarity (NaN, infinity) count as zero rows. The parts of the
    gallery are jobs for ``executor``; they are counted, so their order cannot show.
    """
    executor = executor or Local()
    rows = np.sort(np.asarray(rows, dtype=np.int64))
    norms = np.stack([side.norms for side in found.sides])
    of_x, of_y = (np.asarray(z[rows], dtype=np.float32) for z in (x, y))
    first, second = (1.0 if similarity == "cosine" else float(side.max(initial=0.0)) for side in norms)
    codes = None if groups is None else groups[rows]
    queries = _Queries(
        sides=(x, y),
        similarity=similarity,
        threads=executor.threads,
        rows=rows,
        served=(of_x, of_y),
        norms=norms[:, rows],
        own=found.own[rows],
        codes=codes,
        largest=(first, second),
    )
    parts = [
        _Part(part, norms[:, part], None if groups is None else groups[part]) for part in blocks(found.n, JOB)
    ]
    better, ties = np.zeros((2, 2, len(rows)), dtype=np.int64)
    for ahead, level in executor.map(functools.partial(_counts, queries), parts):
        better += ahead
        ties += level
    sizes = np.ones(len(rows), dtype=np.int64)
    if groups is not None and codes is not None:
        labels, members = np.unique(groups, return_counts=True)
        sizes = members[np.searchsorted(labels, codes)]
    nothing = np.zeros(len(rows)), np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.bool_)
    forward, backward = (Counts(better[way], ties[way], found.n - sizes, *nothing) for way in (0, 1))
    return Ranks(forward, backward, np.arange(len(rows)) if codes is None else codes)


def _counts(queries: _Queries, part: _Part) -> tuple[IntArray, IntArray]:
    """Return how many of ``part`` beat and how many tie the partner, (2, k) each: by direction and query."""
    operands = [
        _operand(z, norms, queries.similarity) for z, norms in zip(queries.served, queries.norms, strict=True)
    ]
    better, ties = np.zeros((2, 2, len(queries.rows)), dtype=np.int64)
    of_chunk = functools.partial(_of_chunk, queries, operands, part)
    chunks = list(blocks(part.rows.stop - part.rows.start, CHUNK))
    for tallies in Local(queries.threads).map(of_chunk, chunks):
        for way, tally in enumerate(tallies):
            better[way] += tally.better[: len(queries.rows)]
            ties[way] += tally.ties[: len(queries.rows)]
    return better, ties


def _of_chunk(queries: _Queries, operands: list[Operand], part: _Part, chunk: slice) -> list[Tally]:
    """Return the counts of a chunk of ``part``, given by place in it, for each direction."""
    start = part.rows.start + chunk.start
    columns = slice(start, part.rows.start + chunk.stop)
    leave = _Leave(queries.rows, start, queries.codes, None if part.groups is None else part.groups[chunk])
    tallies = []
    for way in (0, 1):
        gallery = _operand(queries.sides[1 - way][columns], part.norms[1 - way, chunk], queries.similarity)
        ordered = (queries.largest[way], queries.largest[1 - way])
        screen = Screen(operands[way], gallery, (queries.own,), (operands[1 - way].norms,), ordered)
        tally = Tally(max(len(queries.rows), columns.stop - columns.start), depth=-1)
        _count(screen, tally, leave)
        tallies.append(tally)
    return tallies


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
    room = rooms(min(BLOCK, k) * min(BLOCK, n))
    for columns in blocks(n, BLOCK):
        candidates = screen.y.single(columns)
        for rows in blocks(k, BLOCK):
            product = multiply(scored[rows], candidates, room)
            leave.apply(product.similarity, rows, columns)
            count(screen, leave, rows, columns, [tally], product)
