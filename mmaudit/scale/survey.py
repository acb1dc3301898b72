"""One pass over both sides: what is served, and the sums that geometry follows from."""

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import blocks
from mmaudit.diagnostics.geometry import RANKS, exp_entropy
from mmaudit.embeddings import Similarity
from mmaudit.errors import InputError
from mmaudit.executor import Executor, Local, Told
from mmaudit.measurement import Measurement
from mmaudit.scale.rows import Rows

__all__ = ["GROUPS", "Side", "Survey", "survey"]

FloatArray = npt.NDArray[np.float64]

GROUPS = 20
"""Groups of the jackknife, as many as :func:`mmaudit.inference.jackknife` takes."""

CHUNK = 4096
"""Rows that a thread reads at once."""
JOB = 16 * CHUNK
"""Rows that an executor is given at once: to read them takes as long as to send their sums."""


@dataclasses.dataclass(frozen=True, eq=False)
class Side:
    """Sums over one side's n rows; those in (GROUPS, ...) are by jackknife group.

    ``broken`` counts rows with NaN or infinity, ``zero`` rows without a direction; ``directions`` (d,) is the
    sum of the unit rows. ``counts`` (GROUPS,), ``sums`` (GROUPS, d) and ``moments`` (GROUPS, d, d) are of
    scored rows, ``norms`` (n,) those as served; ``keys`` (n,) uint64 are equal where the rows served are.
    """

    broken: int
    zero: int
    directions: FloatArray
    counts: FloatArray
    sums: FloatArray
    moments: FloatArray
    norms: FloatArray
    keys: npt.NDArray[np.uint64]


@dataclasses.dataclass(frozen=True, eq=False)
class Survey:
    """Both sides of n pairs of ``width`` d, and the float64 similarity ``own`` (n,) of every claimed pair."""

    n: int
    width: int
    sides: tuple[Side, Side]
    own: FloatArray

    def violations(self) -> int:
        """Return how many rows no similarity is defined on."""
        return sum(side.broken + side.zero for side in self.sides)


@dataclasses.dataclass(eq=False)
class _Sums:
    """What is summed of some rows of both sides; ``own`` (n,), ``norms``, ``keys`` (2, n) are of each row."""

    own: FloatArray
    norms: FloatArray
    keys: npt.NDArray[np.uint64]
    bad: npt.NDArray[np.int64]
    directions: FloatArray
    counts: FloatArray
    sums: FloatArray
    moments: FloatArray

    @classmethod
    def nothing(cls, n: int, width: int) -> "_Sums":
        """Return the sums of no row, with room for n."""
        return cls(
            own=np.zeros(n),
            norms=np.zeros((2, n)),
            keys=np.zeros((2, n), dtype=np.uint64),
            bad=np.zeros((2, 2), dtype=np.int64),
            directions=np.zeros((2, width)),
            counts=np.zeros(GROUPS),
            sums=np.zeros((2, GROUPS, width)),
            moments=np.zeros((2, GROUPS, width, width)),
        )

    def add(self, rows: slice, other: "_Sums") -> None:
        """Add ``other``, the sums of ``rows``."""
        self.own[rows], self.norms[:, rows], self.keys[:, rows] = other.own, other.norms, other.keys
        for name in ("bad", "directions", "counts", "sums", "moments"):
            total = getattr(self, name)
            total += getattr(other, name)


def survey(
    x: Rows,
    y: Rows,
    similarity: Similarity = "cosine",
    executor: Executor | None = None,
    told: Told | None = None,
) -> Survey:
    """Read both sides once, in jobs for ``executor``. Memory is O(n + d²), 8 · GROUPS · d² bytes a side.

    Which rows make a group of the jackknife follows from what is in them, so the order of the items does not
    matter. Sums are added in the order of the rows, so that neither threads nor workers show in their last
    bits. Raises :class:`~mmaudit.errors.InputError` on two sides that are no pairs.
    """
    if x.shape != y.shape:
        raise InputError(f"the sides have shapes {x.shape} and {y.shape}; give one row a pair, of one width")
    n, width = x.shape
    executor = executor or Local()
    total, jobs = _Sums.nothing(n, width), list(blocks(n, JOB))
    summed = functools.partial(_summed, x, y, similarity, executor.threads)
    for rows, found in zip(jobs, executor.map(summed, jobs, told), strict=True):
        total.add(rows, found)
    first, second = (
        Side(
            broken=int(total.bad[s, 0]),
            zero=int(total.bad[s, 1]),
            directions=total.directions[s],
            counts=total.counts,
            sums=total.sums[s],
            moments=total.moments[s],
            norms=total.norms[s],
            keys=total.keys[s],
        )
        for s in (0, 1)
    )
    return Survey(n, width, (first, second), total.own)


def _summed(x: Rows, y: Rows, similarity: Similarity, threads: int, rows: slice) -> _Sums:
    """Return the sums of ``rows``, chunk by chunk."""
    total = _Sums.nothing(rows.stop - rows.start, x.shape[1])
    chunks = [
        slice(rows.start + part.start, rows.start + part.stop)
        for part in blocks(rows.stop - rows.start, CHUNK)
    ]
    of_chunk = functools.partial(_of_chunk, x, y, similarity)
    for chunk, found in zip(chunks, Local(threads).map(of_chunk, chunks), strict=True):
        total.add(slice(chunk.start - rows.start, chunk.stop - rows.start), found)
    return total


def _of_chunk(x: Rows, y: Rows, similarity: Similarity, rows: slice) -> _Sums:
    found = _Sums.nothing(rows.stop - rows.start, x.shape[1])
    scored = []
    for s, z in enumerate((x, y)):
        served = np.asarray(z[rows], dtype=np.float64)
        found.keys[s] = _keys(served)
        finite = np.asarray(np.isfinite(served).all(axis=1))
        if not finite.all():
            served = np.where(finite[:, None], served, 0.0)
        length = np.sqrt(np.einsum("ij,ij->i", served, served))
        unit = served / np.where(length > 0, length, 1.0)[:, None]
        scored.append(unit if similarity == "cosine" else served)
        found.directions[s] = unit.sum(axis=0)
        found.bad[s] = np.count_nonzero(~finite), np.count_nonzero(finite & (length == 0))
        found.norms[s] = length
    found.own[:] = np.einsum("ij,ij->i", *scored)
    group = _groups(*scored)
    for g in range(GROUPS):
        at = np.flatnonzero(group == g)
        found.counts[g] = len(at)
        for s, z in enumerate(scored):
            members = z[at]
            found.sums[s, g] = members.sum(axis=0)
            np.matmul(members.T, members, out=found.moments[s, g])
    return found


def _groups(*sides: FloatArray) -> npt.NDArray[np.int64]:
    """Return a group of the jackknife for each pair, from its content alone, whichever side comes first."""
    return (_keys(*sides) % np.uint64(GROUPS)).astype(np.int64)


def _keys(*sides: FloatArray) -> npt.NDArray[np.uint64]:
    """Return a number (n,) for the content of the rows of ``sides``, (n, d) each, whichever comes first."""
    mixed = np.zeros(len(sides[0]), dtype=np.uint64)
    for rows in sides:
        words = np.ascontiguousarray(rows + 0.0).view(np.uint64)
        odd = np.arange(1, 2 * words.shape[1], 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed += ((words ^ (words >> np.uint64(31))) * odd).sum(axis=1, dtype=np.uint64)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    return mixed


def effective_rank(side: Side, modality: str, confidence: float) -> Measurement:
    """:func:`mmaudit.diagnostics.effective_rank` of scored rows, from their sums."""
    return _jackknife(f"effective_rank_{modality}", (side,), "effective_rank", confidence)


def rank_asymmetry(found: Survey, confidence: float) -> Measurement:
    """:func:`mmaudit.diagnostics.rank_asymmetry` of scored rows, from their sums."""
    return _jackknife("rank_asymmetry", found.sides, "rankme", confidence)


def separation(side: Side, modality: str, confidence: float) -> Measurement:
    """:func:`mmaudit.diagnostics.separation`, exactly over all pairs of rows, from their sums."""
    n = len(side.norms)
    filled = n - side.zero - side.broken
    total = side.directions
    value = (filled * filled - float(total @ total)) / (n * (n - 1))
    return inference.exact(
        f"separation_{modality}",
        min(2.0, max(0.0, value)),
        n,
        confidence=confidence,
        unit="cosine distance",
        direction="higher is better",
        null=0.0,
        method="mean over all ordered pairs of different items",
    )


def _jackknife(name: str, sides: tuple[Side, ...], kind: str, confidence: float) -> Measurement:
    """Return a rank, or the log ratio of two, with its delete-a-group jackknife error."""
    centred, power, epsilon, method = RANKS[kind]  # type: ignore[index]

    totals = [(side.counts.sum(), side.sums.sum(axis=0), side.moments.sum(axis=0)) for side in sides]

    def rank(index: int, without: int | None) -> float:
        count, total, moment = totals[index]
        if without is not None:
            side = sides[index]
            count, total = count - side.counts[without], total - side.sums[without]
            moment = moment - side.moments[without]
        moment = moment / count
        if centred:
            moment -= np.outer(total / count, total / count)
        values = np.linalg.eigvalsh(moment)[::-1]
        negligible = 64 * np.finfo(np.float64).eps * np.trace(moment)
        return exp_entropy(np.where(values > negligible, values, 0.0) ** power, epsilon)

    def statistic(without: int | None) -> float:
        ranks = [rank(index, without) for index in range(len(sides))]
        if len(ranks) == 1:
            return ranks[0]
        return float(np.log(ranks[0]) - np.log(ranks[1])) if min(ranks) > 0 else np.nan

    n = len(sides[0].norms)
    used = np.flatnonzero(sides[0].counts > 0)
    value = statistic(None)
    if len(used) < 2 or not np.isfinite(value):
        return inference.undefined(
            name, "the rows do not vary enough to tell ranks", n, confidence=confidence
        )
    without = np.array([statistic(int(g)) for g in used])
    if not np.isfinite(without).all():
        return inference.undefined(
            name, "the rows do not vary enough to tell ranks", n, confidence=confidence
        )
    g = len(used)
    se = float(np.sqrt((g - 1) / g * ((without - without.mean()) ** 2).sum()))
    return inference.student(
        name,
        value,
        se,
        g - 1,
        n,
        confidence=confidence,
        unit="dimensions" if len(sides) == 1 else "log ratio",
        direction="higher is better" if len(sides) == 1 else "closer to zero is better",
        null=None if len(sides) == 1 else 0.0,
        method=f"{method}, delete-a-group jackknife",
    )
