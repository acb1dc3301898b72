"""What the queries of one gallery have in common, by whole matrices: every query against every candidate.

Each error is that of the same estimator, given the variance that is shared as it is worked out here: the
effect of every candidate on every query by taking it away, summed by relevance group.
"""

import numpy as np
import pytest
from scipy.stats import hypergeom

from mmaudit import diagnostics as d
from mmaudit import inference
from mmaudit.diagnostics import idle
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.seeds import generator

N = 60
GROUPS = np.arange(N) // 2


def loud(seed=0, hubs=True, noise=0.3):
    """Pairs of two halves, along the first axis and against it; some are doubled, so that candidates tie.

    Of each side three long items spoil the one half and one the other half.
    """
    rng = generator(seed, "loud")
    latent = rng.normal(size=(N, 10))
    latent[:, 0] = np.where(np.arange(N) % 3 > 0, 1.0, -1.0) + 0.1 * rng.normal(size=N)
    x, y = (latent + noise * rng.normal(size=latent.shape) for _ in range(2))
    x[40:50:2], y[40:50:2] = x[30:40:2], y[30:40:2]
    for side, first in ((x, 0), (y, 8)) if hubs else ():
        side[first : first + 8 : 2] = 0.1 * rng.normal(size=(4, 10))
        side[first : first + 8 : 2, 0] = (11.0, 12.0, 10.0, -12.0)
    return Embeddings(x.astype(np.float32), y.astype(np.float32), similarity="dot")


CODES = (np.arange(N) % 3 > 0).astype(int)


def matrices(e, allowed):
    """Return (above, level) (n, n) of both directions, queries in the rows."""
    x, y = e.scored
    sides = []
    for queries, gallery in ((x, y), (y, x)):
        difference = queries @ gallery.T - np.einsum("ij,ij->i", queries, gallery)[:, None]
        sides.append(((difference > 1e-9) & allowed, (np.abs(difference) <= 1e-9) & allowed))
    return sides


OTHER_GROUP = GROUPS[:, None] != GROUPS


def among_all(k):
    """Return the chance of a hit by the candidates that are better and level."""
    return lambda better, ties, i: np.mean([better + place < k for place in range(ties + 1)])


def in_subsets(k, total, drawn):
    """Return the same among ``drawn`` of ``total`` candidates, by query."""

    def hit(better, ties, i):
        return (
            hypergeom.cdf(k - 1, total[i], better + np.arange(ties + 1), drawn[i]).mean() if total[i] else 1.0
        )

    return hit


def taken_away(above, level, hit):
    """Return each query's hit (n,), and what it would gain without each candidate (n, n)."""
    better, ties = above.sum(axis=1), level.sum(axis=1)
    hits = np.array([hit(better[i], ties[i], i) for i in range(N)])
    gain = np.zeros((N, N))
    for i, j in np.argwhere(above | level):
        if max(better[i], ties[i]) <= 10:
            gain[i, j] = hit(better[i] - above[i, j], ties[i] - level[i, j], i) - hits[i]
    return hits, gain


def hits_of(e, k, allowed=OTHER_GROUP):
    return [taken_away(*side, among_all(k)) for side in matrices(e, allowed)]


def shared(values, effect, groups=GROUPS):
    """Return the jackknife variance over groups beyond that of independent ones; pairs' own is off once."""
    member = np.eye(groups.max() + 1)[groups]
    by = member.T @ effect @ member
    own = member.T @ (values - values.mean())
    whole = own - by.sum(axis=0) + member.sum(axis=0) * effect.sum() / len(values)
    units, both = len(own), np.triu(by + by.T, 1)
    excess = units / (units - 1) * ((whole**2).sum() - (own**2).sum()) - (both**2).sum()
    assert excess > 0
    return excess / len(values) ** 2


@pytest.mark.parametrize("k", [1, 3])
def test_recall_is_worth_as_many_trials_as_its_hubs_leave(k):
    e = loud()
    (forward, spoiled), (backward, spoiled_back) = hits_of(e, k)
    ranked = d.ranks(e, GROUPS)
    for way, hits, effect in (("forward", forward, spoiled), ("backward", backward, spoiled_back)):
        by_hand = inference.proportion("r", hits, clusters=GROUPS, shared=shared(hits, effect))
        m = d.recall(ranked, k, way)
        assert (m.value, m.df) == pytest.approx((by_hand.value, by_hand.df), rel=1e-9)
    both = (forward + backward) / 2
    by_hand = inference.proportion(
        "r",
        np.concatenate([forward, backward]),
        clusters=np.tile(GROUPS, 2),
        shared=shared(both, (spoiled + spoiled_back) / 2),
    )
    m = d.mean_recall(ranked, k)
    assert (m.value, m.df) == pytest.approx((by_hand.value, by_hand.df), rel=1e-9)
    assert m.df < 2 * N - 10


@pytest.mark.parametrize("k", [1, 3])
def test_a_gap_between_directions_has_the_hubs_of_both(k):
    e = loud()
    (forward, spoiled), (backward, spoiled_back) = hits_of(e, k)
    common = shared(forward - backward, spoiled - spoiled_back)
    by_hand = inference.paired_difference("g", forward, backward, clusters=GROUPS, shared=common)
    m = d.symmetry_gap(d.ranks(e, GROUPS), k)
    assert (m.value, m.se) == pytest.approx((by_hand.value, by_hand.se), rel=1e-9)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("redraws", [1, 3])
def test_a_counterfactual_has_the_hubs_of_all_its_galleries(k, redraws):
    present, removed = loud(), [loud(seed, hubs=False, noise=0.2) for seed in range(1, redraws + 1)]
    sides = [hits_of(e, k) for e in (present, *removed)]
    hits = [(a[0] + b[0]) / 2 for a, b in sides]
    gains = [(a[1] + b[1]) / 2 for a, b in sides]
    without = np.mean(hits[1:], axis=0)
    common = shared(hits[0] - without, gains[0] - np.mean(gains[1:], axis=0))
    by_hand = inference.paired_difference("c", hits[0], without, clusters=GROUPS, shared=common)
    m = d.counterfactual_drop(d.ranks(present, GROUPS), [d.ranks(e, GROUPS) for e in removed], k)
    assert (m.value, m.se) == pytest.approx((by_hand.value, by_hand.se), rel=1e-9)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("rare", [0, 5])
def test_a_drop_among_matched_negatives_has_the_hubs_of_both_galleries(k, rare):
    e = loud()
    codes = np.where(np.arange(N) < rare, 10 + np.arange(N), CODES)
    matched = OTHER_GROUP & (codes[:, None] == codes)
    total, drawn = OTHER_GROUP.sum(axis=1), matched.sum(axis=1)
    drop, effect = np.zeros(N), np.zeros((N, N))
    for everyone, alike in zip(matrices(e, OTHER_GROUP), matrices(e, matched), strict=True):
        expected, gain = taken_away(*everyone, in_subsets(k, total, drawn))
        found, spoiled = taken_away(*alike, among_all(k))
        drop += (expected - found) / 2
        effect += (gain - spoiled) / 2
    kept = drawn >= k
    assert kept.sum() == N - rare
    # Queries left out stay in the gallery, and have the mean of the others.
    values = np.where(kept, drop, drop[kept].mean())
    common = shared(values, np.where(kept[:, None], effect, 0.0)) * (N / kept.sum()) ** 2
    by_hand = inference.bounded_mean("m", drop[kept], (-1.0, 1.0), clusters=GROUPS[kept], shared=common)
    m = d.matched_negative_drop(e, codes, GROUPS, k)
    assert (m.value, m.se, m.n) == pytest.approx((by_hand.value, by_hand.se, by_hand.n), rel=1e-9)


@pytest.mark.parametrize("unknown", [0, 6])
def test_a_drop_by_value_has_the_hubs_of_the_own_and_of_other_values(unknown):
    e = loud()
    codes = np.where(np.arange(N) >= N - unknown, -1, CODES)
    known = OTHER_GROUP & (codes >= 0)
    own, other = known & (codes[:, None] == codes), known & (codes[:, None] != codes)
    drawn = np.where(codes >= 0, np.minimum(own.sum(axis=1), other.sum(axis=1)), 0)
    drop, effect = np.zeros(N), np.zeros((N, N))
    for alike, apart in zip(matrices(e, own), matrices(e, other), strict=True):
        found, spoiled = taken_away(*alike, in_subsets(1, own.sum(axis=1), drawn))
        expected, gain = taken_away(*apart, in_subsets(1, other.sum(axis=1), drawn))
        drop += (expected - found) / 2
        effect += (gain - spoiled) / 2
    common = shared(drop, effect)
    by_hand = inference.bounded_mean("s", drop, (-1.0, 1.0), clusters=GROUPS, shared=common)
    (m,) = d.same_value_drops(e, {"c": codes}, GROUPS)
    assert (m.value, m.se, m.n) == pytest.approx((by_hand.value, by_hand.se, by_hand.n), rel=1e-9)
    assert len(m.notes) == (unknown > 0)


def on_first(z, k):
    mean = z.mean(axis=0)
    u, s, vt = np.linalg.svd(z - mean, full_matrices=False)
    return mean + (u[:, :k] * s[:k]) @ vt[:k]


@pytest.fixture
def interactions(monkeypatch):
    """What is handed over as values (n,) and effects (n, n)."""
    seen = []

    def spy(values, query, candidate, effect, clusters):
        dense = np.zeros((N, N))
        np.add.at(dense, (query, candidate), effect)
        seen.append((values, dense, clusters))
        return found(values, query, candidate, effect, clusters)

    found = inference.shared_variance
    monkeypatch.setattr(inference, "shared_variance", spy)
    return seen


@pytest.mark.parametrize(
    ("width", "live", "noise", "depth"),
    [(24, 18, 1.0, 1), (24, 16, 1.4, 5), (24, 14, 2.8, 10), (40, 14, 1.0, 1)],
)
def test_idle_dimensions_compare_the_galleries_on_all_and_on_fewer_directions(
    width, live, noise, depth, interactions, monkeypatch
):
    """L/P or half of the live ones, where three queries in ten succeed; error aside, margins are hits."""
    monkeypatch.setattr(idle, "SMOOTHING", 1e-9)
    rng = generator(width, "idle", live)
    latent = np.hstack([rng.normal(size=(N, live)), np.zeros((N, width - live))])
    used = np.arange(width) < live
    x, y = (latent + noise * used * rng.normal(size=latent.shape) for _ in range(2))
    e = Embeddings(x.astype(np.float32), y.astype(np.float32))
    fewer = round(live * max(0.5, live / width))
    cut = Embeddings(*(on_first(unit_rows(z), fewer).astype(np.float32) for z in (e.x, e.y)))
    allowed = ~np.eye(N, dtype=bool)
    hits = {k: np.mean([side[0] for side in hits_of(e, k, allowed)], axis=0) for k in (1, 5, 10)}
    assert next((k for k in (1, 5, 10) if hits[k].mean() >= 0.3), 10) == depth, hits
    (before, gain), (after, gain_after) = (
        [np.mean(part, axis=0) for part in zip(*hits_of(side, depth, allowed), strict=True)]
        for side in (e, cut)
    )
    m = d.idle_dimensions(e)
    assert m.name == ("idle_dimensions" if depth == 1 else f"idle_dimensions_at_{depth}")
    assert m.notes[0] == f"image embeddings use {live} of {width} possible directions"
    assert (m.value, m.null) == (pytest.approx((before - after).mean()), 0.0)
    _, (values, effect, clusters) = interactions
    np.testing.assert_allclose(values, before - after, atol=1e-9)
    np.testing.assert_allclose(effect, gain - gain_after, atol=1e-9)
    assert clusters.tolist() == list(range(N))


@pytest.mark.parametrize(("used", "counted"), [(11, True), (12, False)])
def test_where_few_directions_are_used_all_that_is_missing_counts(used, counted, interactions):
    """Two directions for each of the log2 60 bits that tell 60 items apart are 11.8."""
    rng = generator(3, "few used")
    latent, pad = rng.normal(size=(N, used)), np.zeros((N, 24 - used))
    x, y = (np.hstack([latent + 0.9 * rng.normal(size=latent.shape), pad]) for _ in range(2))
    e = Embeddings(x.astype(np.float32), y.astype(np.float32))
    sides = hits_of(e, 1, ~np.eye(N, dtype=bool))
    hits, gain = (np.mean(part, axis=0) for part in zip(*sides, strict=True))
    m = d.idle_dimensions(e)
    assert ("fewer than two directions a bit: all that is missing of r@1 is counted" in m.notes) == counted
    if counted:
        assert (m.name, m.n, m.value) == ("idle_dimensions", N, pytest.approx(1 - hits.mean()))
        ((values, effect, _),) = interactions
        np.testing.assert_allclose(values, hits, atol=1e-9)
        np.testing.assert_allclose(effect, gain, atol=1e-9)
