"""Dimensional collapse that costs something: directions lie idle while retrieval is short of them."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import RESOLUTION, FloatArray
from mmaudit.diagnostics.principal import Principal, principal
from mmaudit.diagnostics.retrieval import Ranks, group_codes, mean_recall, ranks
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.measurement import Measurement

__all__ = ["IDLE", "LIVE", "SMOOTHING", "idle_dimensions"]

LIVE = 2e-4
"""A direction is idle whose singular value is below this share of the largest. Spectra that fall as 1/k stay
above it up to width 5000; what half-precision storage adds to an empty direction stays below."""
DEPTHS = (1, 5, 10)
IDLE = 0.05
"""Share of idle directions that is let pass: where there are about as many items as dimensions, the last few
singular values of any embedding come close to zero."""
ITEMS = 2000
FEW = 16
"""Directions by which items are told apart before they are compared along all."""
SMOOTHING = 4.4
"""Width of the error that margins are smoothed with, in SD of their own change at one item. It shrinks with
n^-1/3, as the best one for a share does (Azzalini 1981). Chosen on draws of ``benchmarks/field_limits.py``
that none of its results rests on."""
ENOUGH = 0.3
"""Share of the queries that must succeed for a loss of one in twenty to show."""


def idle_dimensions(
    embeddings: Embeddings,
    groups: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    directions: tuple[Principal, Principal] | None = None,
) -> Measurement:
    """Bound what retrieval would gain if the directions that lie idle were used.

    Dimensional collapse (Jing et al. 2022): the centred embeddings span L directions where their items and
    their width allow P. That alone harms nobody; it harms where each direction still counts. While most
    queries succeed, retrieval is concave in the logarithm of the directions used, so going from L to P brings
    less than going from L down by the same factor costs. That is what is measured: the loss with L · L/P
    directions, or with half where more than half lie idle. It is read at the least depth (1, 5 or 10) at
    which :data:`ENOUGH` of the queries succeed, because where nothing is left there is nothing to lose; and
    where fewer than two directions are used for each of the log2 n bits that tell n items apart, all that is
    missing of r@1 is taken for what the idle ones are worth. No more can be gained than is missing: where
    fewer queries fail than that loss says, their share is the bound.

    Few queries change sides where few directions are left out, and many come near to it. So each counts by
    the probability that its margin over its rivals outlasts a normal error, :data:`SMOOTHING` · n^-1/3 times
    as wide as the change of the margins.

    Exactly 0 where neither modality has more than :data:`IDLE` idle directions. Otherwise the smaller of both
    bounds, with its own interval, over at most :data:`ITEMS` items drawn at random: the loss as a mean of
    both directions of retrieval, paired by item, or the share of their queries that fail (Wilson). The
    interval of the loss takes the directions that are left out for given. With few items and a flat spectrum
    others might as well have been, and it is too narrow. A jackknife that finds them anew is no remedy: which
    they are changes by leaps, and with more items it would double an interval that is right.
    ``directions`` are the principal ones of the unit rows of both sides, where they are known.
    """
    if len(embeddings) == 0:
        return inference.undefined(
            "idle_dimensions", "no item to measure", confidence=confidence, unit="share"
        )
    part, group = embeddings, group_codes(groups, len(embeddings))
    if len(embeddings) > ITEMS:
        rows = np.sort(inference.drawn_order("idle dimensions", embeddings.x, embeddings.y)[:ITEMS])
        part, group = embeddings.take(rows), group[rows]
    most = len(np.unique(group))
    units = [unit_rows(z) for z in part.scored]
    if directions is None or len(part) < len(embeddings):
        directions = principal(units[0]), principal(units[1])
    found = [_use(z, known, most) for z, known in zip(units, directions, strict=True)]
    idle = [used for used in found if used.idle]
    notes = [
        f"{modality} embeddings use {used.live} of {used.possible} possible directions"
        for used, modality in zip(found, part.modalities, strict=True)
        if used.idle
    ]
    if not notes:
        return inference.exact(
            "idle_dimensions",
            0.0,
            len(part),
            confidence=confidence,
            unit="share",
            direction="lower is better",
            method=f"no modality has more than {IDLE:.0%} idle directions",
        )
    now = ranks(part, group)
    short = min(used.live for used in idle) < 2 * math.log2(most)
    k = 1 if short else next((k for k in DEPTHS if now.mean_hits(k).mean() >= ENOUGH), DEPTHS[-1])
    if (reason := now.too_few(k)) is not None:
        return inference.undefined("idle_dimensions", reason, len(part), confidence=confidence, unit="share")
    missing = _missing(now, k, confidence)
    if short:
        notes.append("fewer than two directions a bit: all that is missing of r@1 is counted")
        return dataclasses.replace(missing, notes=tuple(notes))
    x, y = (
        used.directions.keep(round(used.live * used.step)) if used.idle else z
        for used, z in zip(found, part.scored, strict=True)
    )
    fewer = Embeddings(x.astype(np.float32), y.astype(np.float32), part.modalities, part.similarity)
    before, after, interactions = _smoothed(_margins(part, group, k), _margins(fewer, group, k))
    query, candidate, effect = (np.concatenate(column) for column in zip(*interactions, strict=True))
    lost = inference.paired_difference(
        missing.name,
        before,
        after,
        clusters=now.groups,
        shared=inference.shared_variance(before - after, query, candidate, effect, now.groups),
        confidence=confidence,
        unit="share",
        direction="lower is better",
        null=0.0,
        notes=tuple(notes),
    )
    assert lost.value is not None
    assert missing.value is not None
    if lost.value <= missing.value:
        return lost
    notes.append("fewer directions cost more than what is missing: what is missing is counted")
    return dataclasses.replace(missing, notes=tuple(notes))


def _missing(now: Ranks, k: int, confidence: float) -> Measurement:
    """Return the share of the queries that fail at depth ``k``: one minus the recall, and no gain is more."""
    found = mean_recall(now, k, confidence)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return dataclasses.replace(
        found,
        name="idle_dimensions" if k == 1 else f"idle_dimensions_at_{k}",
        value=1 - found.value,
        low=1 - found.high,
        high=1 - found.low,
        direction="lower is better",
        null=0.0,
    )


@dataclasses.dataclass(frozen=True)
class _Use:
    """The principal ``directions`` of one side: how many are ``live``, of how many that are ``possible``."""

    directions: Principal
    live: int
    possible: int

    @property
    def idle(self) -> bool:
        return self.live < (1 - IDLE) * self.possible

    @property
    def step(self) -> float:
        """The share of the live directions that is kept."""
        return max(0.5, self.live / self.possible)


def _use(units: FloatArray, directions: Principal, groups: int) -> _Use:
    """Return how ``units`` (n, d), items of so many relevance groups, use their directions."""
    singular = directions.singular
    spread = len(singular) and singular[0] > RESOLUTION
    live = int(np.count_nonzero(singular > LIVE * singular[0])) if spread else 0
    # Neither more than the distinct items and groups of items allow, nor than the width.
    possible = min(groups - 1, units.shape[1])
    if live < (1 - IDLE) * possible:
        # Copies only lower what is possible, and looking for them costs the square of the items.
        possible = min(possible, _distinct(units, directions) - 1)
    return _Use(directions, live, possible)


@dataclasses.dataclass(frozen=True)
class _Margins:
    """By how much n partners beat the k-th of their rivals, ``kth`` (n,), and the one after, ``next`` (n,).

    ``rivals`` (n, k) are the first k; ``next`` is infinite where there are no more.
    """

    kth: FloatArray
    next: FloatArray
    rivals: npt.NDArray[np.int64]


def _margins(embeddings: Embeddings, groups: npt.NDArray[np.int64], k: int) -> tuple[_Margins, _Margins]:
    """Return the margins of both directions, in O(n²) memory. Every query must have ``k`` rivals."""
    x, y = embeddings.scored
    similarity = x @ y.T
    own = similarity.diagonal().copy()
    similarity[groups[:, None] == groups] = -np.inf
    found = []
    for by_query in (similarity, similarity.T):
        few = np.argpartition(-by_query, min(k, len(own) - 1), axis=1)[:, : k + 1]
        ahead = np.take_along_axis(by_query, few, axis=1)
        order = np.argsort(-ahead, axis=1, kind="stable")
        first, ahead = np.take_along_axis(few, order, axis=1), np.take_along_axis(ahead, order, axis=1)
        after = ahead[:, k] if k < len(own) else np.full(len(own), -np.inf)
        found.append(_Margins(own - ahead[:, k - 1], own - after, first[:, :k]))
    return found[0], found[1]


def _smoothed(
    now: tuple[_Margins, _Margins], fewer: tuple[_Margins, _Margins]
) -> tuple[FloatArray, FloatArray, list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]]]:
    """Return the smoothed hits (n,) ``now`` and with ``fewer`` directions, the mean of both ways, and what
    each rival takes of their difference: (query, candidate, effect) as ``shared_variance`` wants them.
    """
    from scipy.special import ndtr

    count = len(now[0].kth)
    hits, interactions = np.zeros((2, count)), []
    for before, after in zip(now, fewer, strict=True):
        change = after.kth - before.kth
        error = SMOOTHING * count ** (-1 / 3) * float(np.std(change))
        for row, sign, margins in ((0, 0.5, before), (1, -0.5, after)):
            # No error at all where nothing changes: then every margin decides.
            hit, without = (
                ndtr(np.divide(m, error, out=np.copysign(np.inf, m), where=error > 0))
                for m in (margins.kth, margins.next)
            )
            hits[row] += hit / 2
            query = np.repeat(np.arange(count), margins.rivals.shape[1])
            effect = np.repeat(sign * (without - hit), margins.rivals.shape[1])
            interactions.append((query, margins.rivals.reshape(-1), effect))
    return hits[0], hits[1], interactions


def _distinct(units: FloatArray, directions: Principal) -> int:
    """Return how many rows are no copy of an earlier one: a picture with five captions is one item."""
    # Copies are no farther apart along a few directions than along all, and these tell nearly all others.
    few = directions.scores[:, :FEW]
    squares = (few**2).sum(axis=1)
    apart = squares[:, None] + squares - 2 * (few @ few.T)
    np.fill_diagonal(apart, np.inf)
    # Cosines above 1 - RESOLUTION are squared distances below twice that, and rounding is far less.
    if not (apart < 3 * RESOLUTION).any():
        return len(units)
    near = units @ units.T > 1 - RESOLUTION
    return int(np.count_nonzero(~np.any(np.tril(near, -1), axis=1)))
