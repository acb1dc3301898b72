"""Ranks of the claimed partner, and the retrieval scores that follow from them.

A rank here is four counts, never a position in a sorted list: how many wrong candidates are better than the
claimed partner, how many tie with it, and how many there are. Ties are resolved in expectation, so an
encoder that cannot tell its items apart scores chance, and not the answer key's place in the gallery.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import FloatArray, named
from mmaudit.diagnostics._sweep import BLOCK, Mask, sweep
from mmaudit.diagnostics._tally import Tally
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement

__all__ = [
    "Counts",
    "Ranks",
    "Side",
    "check_depth",
    "group_codes",
    "mean_recall",
    "median_rank",
    "mrr",
    "nested_ranks",
    "pair_discrimination",
    "ranks",
    "recall",
]

IntArray = npt.NDArray[np.int64]
Side = Literal["forward", "backward"]

DEPTH = 10
"""The largest k that r@k is measured at."""


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
    """Where the claimed partner of each query stands in one direction; all arrays are (n,) int64.

    ``better`` and ``ties``: wrong candidates more similar than the partner, and as similar; ``candidates``:
    how many wrong candidates there were. ``wins`` (n,) float64: how many queries of other items each row of
    the gallery beats, ties counting one half.

    ``rivals`` (m, 2) int64 lists (query, candidate) wherever the candidate is at least as similar as the
    partner, and ``tied`` (m,) bool where it is just as similar; only of queries with at most
    :data:`DEPTH` better and as many tied ones, since one candidate among more changes no score much.
    """

    better: IntArray
    ties: IntArray
    candidates: IntArray
    wins: FloatArray
    rivals: IntArray
    tied: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.better)

    def hits(self, k: int) -> FloatArray:
        """Return the (n,) probability that the partner is among the first ``k``, ties in random order."""
        return _expected_hits(self.better, self.ties, k)

    def spoiling(self, k: int) -> FloatArray:
        """Return how much each rival's absence would add to its query's hit at ``k``, (m,)."""
        better, ties = self.better[self.rivals[:, 0]], self.ties[self.rivals[:, 0]]
        without = _expected_hits(better - ~self.tied, ties - self.tied, k)
        return without - _expected_hits(better, ties, k)

    @property
    def reciprocal(self) -> FloatArray:
        """The (n,) expected reciprocal rank, ties in random order."""
        return _expected_reciprocal(self.better, self.ties)

    @property
    def percentile(self) -> FloatArray:
        """The (n,) share of wrong candidates that beat the partner, ties counting one half.

        0 is best, 0.5 is chance; NaN where a query has no wrong candidate.
        """
        with np.errstate(invalid="ignore"):
            return (self.better + self.ties / 2) / self.candidates


@dataclasses.dataclass(frozen=True, eq=False)
class Ranks:
    """The claimed partners' ranks in both directions: ``forward`` is x → y, ``backward`` y → x.

    ``groups`` (n,) int64 are the relevance groups as dense codes; they are the clusters of every interval.
    """

    forward: Counts
    backward: Counts
    groups: IntArray
    modalities: tuple[str, str] = ("image", "text")

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.groups)

    def side(self, direction: Side) -> Counts:
        """Return the counts of one direction."""
        return self.forward if direction == "forward" else self.backward

    def way(self, direction: Side) -> str:
        """Return the direction as it stands in the name of a measurement, such as ``image_to_text``."""
        first, second = self.modalities if direction == "forward" else self.modalities[::-1]
        return f"{first}_to_{second}"

    def mean_hits(self, k: int) -> FloatArray:
        """Return the (n,) expected hit at ``k`` of each pair, the mean of its two directions."""
        return (self.forward.hits(k) + self.backward.hits(k)) / 2

    @functools.cached_property
    def mean_percentile(self) -> FloatArray:
        """The (n,) percentile of each pair, the mean of its two directions."""
        return (self.forward.percentile + self.backward.percentile) / 2

    def rivalry(self, k: int, forward: float, backward: float) -> tuple[IntArray, IntArray, FloatArray]:
        """Return (query, candidate, effect on the hit at ``k``), the directions weighted as given."""
        effects = [forward * self.forward.spoiling(k), backward * self.backward.spoiling(k)]
        rivals = np.concatenate([self.forward.rivals, self.backward.rivals])
        effect = np.concatenate(effects)
        felt = effect != 0
        return rivals[felt, 0], rivals[felt, 1], effect[felt]

    def too_few(self, k: int) -> str | None:
        """Return why r@k means nothing here; ``None`` where every query has k wrong candidates or more.

        Raises :class:`~mmaudit.errors.InputError` on a k outside 1 .. :data:`DEPTH`.
        """
        check_depth(k)
        fewest = int(self.forward.candidates.min()) if len(self) else 0
        if fewest >= k:
            return None
        return f"a query has {fewest} wrong candidates, so any encoder would score r@{k} = 1; give more items"


def ranks(embeddings: Embeddings, groups: npt.ArrayLike | None = None, block: int = BLOCK) -> Ranks:
    """Rank the claimed partner of every item among all others, in both directions.

    ``groups`` (n,): items of one group are all correct answers, so a query's own group is left out of its
    wrong candidates (the filtered rank of Bordes et al. 2013). The counts are those of float64 similarities,
    taken in float32 where that settles them; ``block`` items of one side meet as many of the other at a time,
    so memory is O(n + block²) for each thread, and no count depends on ``block``. Raises
    :class:`~mmaudit.errors.InputError` on groups of another length and on a block below one.
    """
    return nested_ranks(embeddings, groups, block=block)[0]


def nested_ranks(
    embeddings: Embeddings,
    groups: npt.ArrayLike | None = None,
    within: Sequence[IntArray] = (),
    block: int = BLOCK,
) -> list[Ranks]:
    """Return the ranks among all candidates and then, in the same pass, among those alike in ``within``.

    Each of ``within`` is (n,) int64: the candidates of a query are those that share its value.
    """
    codes = group_codes(groups, len(embeddings))
    masks = [Mask(codes), *(Mask(codes, value) for value in within)]
    return [
        Ranks(
            forward=_counts(forward, mask),
            backward=_counts(backward, mask),
            groups=codes,
            modalities=embeddings.modalities,
        )
        for mask, (forward, backward) in zip(
            masks, sweep(embeddings, masks, depth=DEPTH, block=block), strict=True
        )
    ]


def _counts(tally: Tally, mask: Mask) -> Counts:
    rivals, tied = tally.rivals()
    return Counts(tally.better, tally.ties, mask.candidates, tally.beaten / 2, rivals, tied)


def check_depth(k: int) -> None:
    """Raise :class:`~mmaudit.errors.InputError` on a k that r@k is not measured at."""
    if not 1 <= k <= DEPTH:
        raise InputError(f"r@{k} is not measured; give a k from 1 to {DEPTH}")


def recall(ranks: Ranks, k: int = 1, direction: Side = "forward", confidence: float = 0.95) -> Measurement:
    """Measure the share of queries whose partner is among the first ``k``: Wilson, clustered by group.

    ``null`` is what an encoder scores that cannot tell its items apart. Undefined where a query has fewer
    than k wrong candidates.
    """
    name = named(f"recall_at_{k}", ranks.way(direction))
    if (reason := ranks.too_few(k)) is not None:
        return inference.undefined(name, reason, len(ranks), confidence=confidence, unit="share")
    side = ranks.side(direction)
    return inference.proportion(
        name,
        side.hits(k),
        clusters=ranks.groups,
        shared=_shared(ranks, k, direction),
        confidence=confidence,
        unit="share",
        direction="higher is better",
        null=float(np.mean(k / (side.candidates + 1))),
    )


def mean_recall(ranks: Ranks, k: int = 1, confidence: float = 0.95) -> Measurement:
    """Measure the mean of r@k over both directions; ``n`` counts pairs.

    Wilson over all 2n queries, worth as many trials as the agreement of a pair's two queries leaves (see
    :func:`mmaudit.inference.proportion`).
    """
    name = f"recall_at_{k}"
    if (reason := ranks.too_few(k)) is not None:
        return inference.undefined(name, reason, len(ranks), confidence=confidence, unit="share")
    pooled = inference.proportion(
        name,
        np.concatenate([ranks.forward.hits(k), ranks.backward.hits(k)]),
        clusters=np.tile(ranks.groups, 2),
        shared=inference.shared_variance(ranks.mean_hits(k), *ranks.rivalry(k, 0.5, 0.5), ranks.groups),
        confidence=confidence,
        unit="share",
        direction="higher is better",
        null=float(np.mean(k / (ranks.forward.candidates + 1))),
    )
    return dataclasses.replace(pooled, n=len(ranks))


def mrr(ranks: Ranks, direction: Side = "forward", confidence: float = 0.95) -> Measurement:
    """Measure the mean expected reciprocal rank of one direction, over all wrong candidates."""
    name = named("mean_reciprocal_rank", ranks.way(direction))
    if (reason := ranks.too_few(1)) is not None:
        return inference.undefined(name, reason, len(ranks), confidence=confidence)
    side = ranks.side(direction)
    return inference.bounded_mean(
        name,
        side.reciprocal,
        (0.0, 1.0),
        clusters=ranks.groups,
        confidence=confidence,
        direction="higher is better",
        null=float(np.mean(_expected_reciprocal(np.zeros_like(side.better), side.candidates))),
    )


def median_rank(ranks: Ranks, direction: Side = "forward", confidence: float = 0.95) -> Measurement:
    """Measure the median expected rank of one direction, 1 being best.

    The standard error is McKean & Schrader's (1984): the width of the distribution-free 99 % interval between
    two order statistics, divided by the width of the normal one. It does not use the groups.
    """
    name = named("median_rank", ranks.way(direction))
    if (reason := ranks.too_few(1)) is not None:
        return inference.undefined(name, reason, len(ranks), confidence=confidence, unit="rank")
    side = ranks.side(direction)
    position = np.sort(1 + side.better + side.ties / 2)
    n, z = len(position), 2.5758293035489004  # the standard normal 99.5 % quantile
    depth = max(1, round((n + 1) / 2 - z * np.sqrt(n / 4)))
    return inference.student(
        name,
        float(np.median(position)),
        float(position[n - depth] - position[depth - 1]) / (2 * z),
        n - 1,
        n,
        confidence=confidence,
        unit="rank",
        direction="lower is better",
        null=float(np.median(1 + side.candidates / 2)),
        method="median, McKean-Schrader order statistics, Student t",
    )


def pair_discrimination(ranks: Ranks, confidence: float = 0.95) -> Measurement:
    """Measure the probability that a claimed pair beats a random wrong one, both directions averaged.

    One minus the mean percentile; 0.5 is chance, and exactly what an encoder scores that cannot tell its
    items apart. Comparable between galleries of any size, which r@k is not.
    """
    name = "pair_discrimination"
    if (reason := ranks.too_few(1)) is not None:
        return inference.undefined(name, reason, len(ranks), confidence=confidence, unit="probability")
    sides = (ranks.forward, ranks.backward)
    won = 1 - ranks.mean_percentile
    # An item takes part as a query and as every other query's candidate: both projections of a U-statistic.
    withstood = 1 - sum(side.wins / side.candidates for side in sides) / 2
    return inference.mean_share(
        name,
        won,
        influences=won + withstood,
        clusters=ranks.groups,
        confidence=confidence,
        unit="probability",
        direction="higher is better",
        null=0.5,
    )


def _shared(ranks: Ranks, k: int, direction: Side) -> float:
    weights = (1.0, 0.0) if direction == "forward" else (0.0, 1.0)
    return inference.shared_variance(ranks.side(direction).hits(k), *ranks.rivalry(k, *weights), ranks.groups)


def _expected_hits(better: IntArray, ties: IntArray, k: int) -> FloatArray:
    return np.clip((k - better) / (ties + 1), 0.0, 1.0)


def _expected_reciprocal(better: IntArray, ties: IntArray) -> FloatArray:
    last = int(np.max(better + ties, initial=0)) + 1
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, last + 1))])
    spread = harmonic[better + ties + 1] - harmonic[better]
    return np.where(ties > 0, spread / (ties + 1), 1 / (better + 1))


def group_codes(groups: npt.ArrayLike | None, n: int) -> IntArray:
    """Return relevance groups as dense codes (n,) int64; without groups every item is its own."""
    if groups is None:
        return np.arange(n, dtype=np.int64)
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise InputError(f"groups have shape {labels.shape}; expected ({n},), one label a pair")
    return np.unique(labels, return_inverse=True)[1].reshape(n).astype(np.int64)
