"""Is any of many columns what items are matched by? Nobody has to say which one it might be."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import FloatArray, blocks
from mmaudit.diagnostics._screen import compare
from mmaudit.diagnostics.retrieval import group_codes
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement

__all__ = ["LEAST", "UNKNOWN", "categories", "known_values", "same_value_drops"]

IntArray = npt.NDArray[np.int64]

UNKNOWN = -1
"""Code of an item whose value is not known or too rare; it takes no part in that column."""
BINS = 5
FEW = 8
"""Different numbers up to which they are taken as they are, and not cut into bins."""
LEAST = 5
"""Items that a value needs: with fewer, hardly a query has candidates of its own value."""
MOST = 64
KNOWN = 0.2
"""Share of the items that must have a value they share with others: of fewer, little could be lost."""
NEAR = 40
"""A query with more better candidates than this is no hit among any subset that one of them could spoil."""


def known_values(
    column: npt.ArrayLike, *, nominal: bool = False
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Return the values (n,) by which a column tells items apart, and of which items they are known, (n,).

    Not known are NaN, infinity and an empty string. Numbers of more than :data:`FEW` values are cut into
    :data:`BINS` of equal count, and the values are numbers of bins, unless they are ``nominal``: codes, of
    which one being larger means nothing.
    """
    values = np.asarray(column)
    if values.dtype.kind not in "biuf":
        return values, values != ""
    known = np.isfinite(values)
    if nominal or len(np.unique(values[known])) <= FEW:
        return values, known
    numbers = values.astype(np.float64)
    edges = np.unique(np.quantile(numbers[known], np.arange(1, BINS) / BINS))
    return np.searchsorted(edges, numbers, side="right"), known


def categories(column: npt.ArrayLike) -> IntArray | str:
    """Return the codes (n,) int64 by which a column is scanned, or why it cannot be.

    Of its :func:`known_values` the :data:`MOST` commonest are kept that :data:`LEAST` items have. What is not
    known or rare is :data:`UNKNOWN`.
    """
    values, known = known_values(column)
    kept, codes, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    common = np.argsort(-counts, kind="stable")[:MOST]
    common = common[counts[common] >= LEAST]
    if len(kept) < 2:
        return "it has one value alone"
    if len(common) < 2:
        return "its values are rare"
    renumbered = np.full(len(kept), UNKNOWN)
    renumbered[common] = np.arange(len(common))
    found = np.full(len(values), UNKNOWN, dtype=np.int64)
    found[known] = renumbered[codes.ravel()]
    if np.count_nonzero(found >= 0) < KNOWN * len(found):
        return "its values are rare, or most are missing"
    return found


def same_value_drops(
    embeddings: Embeddings,
    columns: Mapping[str, IntArray],
    groups: npt.ArrayLike | None = None,
    *,
    name: str = "same_value_drop",
    confidence: float = 0.95,
    block: int = 1024,
) -> list[Measurement]:
    """Measure for each column the r@1 lost when wrong candidates share the query's value instead of not.

    ``columns`` maps a name to (n,) codes; :data:`UNKNOWN` items take no part in that column. Per query: r@1
    among m random candidates of other values, less r@1 among m of its own value, m being the smaller of the
    two counts; the mean of both directions. A query without a value, or without such candidates, loses
    nothing: what is measured is the harm to all queries.

    Subsets are not drawn: with b of N candidates better and t as good, the expected hit is
    [C(N − b + 1, m + 1) − C(N − b − t, m + 1)] / ((t + 1) C(N, m)), the sum of the hypergeometric terms over
    the places among the tied. A column that plays no role reads 0 whatever the encoder; what rules
    candidates out, or only prefers some, reads more.

    Unlike :func:`~mmaudit.diagnostics.shortcut.matched_negative_drop`, the other side holds no candidate of
    the query's own value. A shortcut of two values loses half its effect there, and nothing here. Raises
    :class:`InputError` on a column of another length.
    """
    n = len(embeddings)
    for label, codes in columns.items():
        if np.shape(codes) != (n,):
            raise InputError(f"{label} has shape {np.shape(codes)}; expected ({n},), one value a pair")
    group = group_codes(groups, n)
    x, y = embeddings.scored
    ways = [_Way(queries, gallery, group, columns, block) for queries, gallery in ((x, y), (y, x))]
    return [
        _drop(f"{name} ({label})", np.asarray(codes), ways, at, group, confidence)
        for at, (label, codes) in enumerate(columns.items())
    ]


class _Way:
    """Counts of better, level and all wrong candidates of one direction: of the query's value, and of others.

    ``own`` and ``other`` are (columns, 3, n) in the order better, level, all. ``rivals`` (m, 2) are (query,
    candidate) where the candidate is at least as good as the partner, ``tied`` (m,) where it is level.
    """

    def __init__(
        self,
        queries: FloatArray,
        gallery: FloatArray,
        group: IntArray,
        columns: Mapping[str, IntArray],
        block: int,
    ) -> None:
        n = len(queries)
        sizes = [int(codes.max(initial=0)) + 1 for codes in columns.values()]
        starts = np.cumsum([0, *sizes])
        # One column for each value of each column: a product with it counts candidates by value. Counts are
        # whole numbers far below 2**24, so float32 holds them exactly and in any order of summation.
        indicator = np.zeros((n, int(starts[-1])), dtype=np.float32)
        for start, codes in zip(starts, columns.values(), strict=False):
            known = np.flatnonzero(codes >= 0)
            indicator[known, start + codes[known]] = 1
        self.own = np.zeros((len(columns), 3, n), dtype=np.int64)
        self.other = np.zeros_like(self.own)
        rivals, tied = [np.zeros((0, 2), dtype=np.int64)], [np.zeros(0, dtype=np.bool_)]
        query_norms, gallery_norms = np.linalg.norm(queries, axis=1), np.linalg.norm(gallery, axis=1)
        own = np.einsum("ij,ij->i", queries, gallery)
        for rows in blocks(n, block):
            allowed = group[rows, None] != group
            larger = np.maximum(gallery_norms[rows, None], gallery_norms)
            above, level = compare(
                queries[rows] @ gallery.T, own[rows, None], query_norms[rows, None] * larger
            )
            above &= allowed
            level &= allowed
            for kind, where in enumerate((above, level, allowed)):
                by_value = where.astype(np.float32) @ indicator
                for at, codes in enumerate(columns.values()):
                    counts = by_value[:, starts[at] : starts[at + 1]]
                    mine = counts[np.arange(len(counts)), np.maximum(codes[rows], 0)]
                    self.own[at, kind, rows] = mine
                    self.other[at, kind, rows] = counts.sum(axis=1) - mine
            near = np.flatnonzero((above.sum(axis=1) <= NEAR) & (level.sum(axis=1) <= NEAR))
            query, candidate = np.nonzero(above[near] | level[near])
            rivals.append(np.stack([rows.start + near[query], candidate], axis=1))
            tied.append(level[near[query], candidate])
        self.rivals, self.tied = np.concatenate(rivals), np.concatenate(tied)


def _drop(
    name: str, codes: IntArray, ways: list[_Way], at: int, group: IntArray, confidence: float
) -> Measurement:
    n = len(codes)
    drop, interactions = np.zeros(n), []
    drawn = np.zeros(n, dtype=np.int64)
    for way in ways:
        own, other = way.own[at], way.other[at]
        drawn = np.where(codes >= 0, np.minimum(own[2], other[2]), 0)
        drop += (_hits(other, drawn) - _hits(own, drawn)) / 2
        query, candidate = way.rivals.T
        same = codes[candidate] == codes[query]
        felt = (drawn[query] > 0) & (codes[candidate] >= 0)
        query, candidate, same, tied = query[felt], candidate[felt], same[felt], way.tied[felt]
        side = np.where(same, own[:, query], other[:, query])
        without = side - np.stack([~tied, tied, np.zeros_like(tied)])
        gain = _hits(without, drawn[query]) - _hits(side, drawn[query])
        interactions.append((query, candidate, np.where(same, -gain, gain) / 2))
    kept = drawn > 0
    count = int(kept.sum())
    if count < 2:
        reason = "no query has candidates of its own value and of others"
        return inference.undefined(name, reason, n, confidence=confidence, unit="share")
    query, candidate, effect = (np.concatenate(column) for column in zip(*interactions, strict=True))
    moved = effect != 0
    shared = inference.shared_variance(drop, query[moved], candidate[moved], effect[moved], group)
    return inference.bounded_mean(
        name,
        np.clip(drop, -1.0, 1.0),
        (-1.0, 1.0),
        clusters=group,
        shared=shared,
        confidence=confidence,
        unit="share",
        direction="lower is better",
        null=0.0,
        notes=(f"{n - count} of {n} queries lose nothing: their value is rare or missing",)
        if count < n
        else (),
        method="paired difference, Bonett-Price adjusted Wald",
    )


def _hits(counts: IntArray, drawn: IntArray) -> FloatArray:
    """Return the (n,) expected hit at 1 among ``drawn`` candidates, ties in random order.

    ``counts`` (3, n) are the candidates better than the partner, level with it, and all.
    """
    better, level, total = counts
    all_ways = _log_choose(total, drawn)
    alone = np.exp(_log_choose(total - better, drawn) - all_ways)
    tied = level > 0
    if not tied.any():
        return alone
    upper = np.exp(_log_choose(total - better + 1, drawn + 1) - all_ways)
    lower = np.exp(_log_choose(total - better - level, drawn + 1) - all_ways)
    return np.where(tied, np.clip((upper - lower) / (level + 1), 0.0, 1.0), alone)


def _log_choose(total: IntArray, drawn: IntArray) -> FloatArray:
    """Return log C(total, drawn), -inf where ``drawn`` is more than ``total``."""
    from scipy.special import gammaln

    rest = total - drawn
    possible = rest >= 0
    rest = np.maximum(rest, 0)
    log = gammaln(total + 1.0) - gammaln(drawn + 1.0) - gammaln(rest + 1.0)
    return np.where(possible, log, -np.inf)
