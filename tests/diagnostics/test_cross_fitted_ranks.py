import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import multivariate_normal, ttest_1samp

from mmaudit import inference
from mmaudit import strategies as st
from mmaudit.diagnostics import cross_fitted_ranks, mispairing_rate, ranks
from mmaudit.diagnostics._whole import group_order
from mmaudit.diagnostics.pointwise import FOLDS, PER_DIMENSION, RIDGE, _shared_out
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.seeds import generator

WIDTH = 4
ENOUGH = PER_DIMENSION * 2 * WIDTH


def pairs(n=200, seed=0, wrong=0.0, similarity="dot"):
    """Two views of one item that agree in one half of the dimensions and hardly in the other."""
    rng = generator(seed, "cross-fitted")
    scale = np.repeat((0.4, 3.0), WIDTH // 2)
    item = rng.standard_normal((n, WIDTH))
    x, y = (item + scale * rng.standard_normal((n, WIDTH)) + 1 for _ in range(2))
    trusted = np.arange(n) < n // 2
    moved = np.arange(n // 2, n // 2 + round(wrong * (n - n // 2)))
    y[moved] = y[np.roll(moved, 1)]
    return Embeddings(x.astype(np.float32), y.astype(np.float32), ("left", "right"), similarity), trusted


def counts(found):
    sides = (found.forward, found.backward)
    return np.array([[c.better, c.ties, c.candidates, 2 * c.wins] for c in sides])


def assert_same(found, expected):
    np.testing.assert_array_equal(counts(found), counts(expected))
    for side in ("forward", "backward"):
        np.testing.assert_array_equal(getattr(found, side).rivals, getattr(expected, side).rivals)
        np.testing.assert_array_equal(getattr(found, side).tied, getattr(expected, side).tied)
    assert found.modalities == expected.modalities


def folds(e, trusted):
    order = inference.drawn_order("cross-fitted ranks", e.x, e.y)
    fold = np.empty(len(e), dtype=int)
    for kind in (trusted, ~trusted):
        fold[order[kind[order]]] = np.arange(kind.sum()) % FOLDS
    return fold


def captioned(pictures=320, captions=10, width=8, seed=0):
    """Pictures with several captions each, all of them right; one half of the pictures is trusted."""
    rng = generator(seed, "captioned")
    item = rng.standard_normal((pictures, width))
    x = np.repeat(item + 1.5 * rng.standard_normal(item.shape), captions, axis=0)
    y = np.repeat(item, captions, axis=0)
    y = y + 1.5 * rng.standard_normal(y.shape)
    groups = np.repeat(np.arange(pictures), captions)
    return Embeddings(x.astype(np.float32), y.astype(np.float32)), groups


def density_ratio(e, fit):
    """The log ratio of the Gaussian of the rows ``fit`` to that of independent sides, of all rows by all."""
    x, y = e.scored
    joint = np.cov(np.hstack([x[fit], y[fit]]).T, ddof=0)
    for side in (slice(WIDTH), slice(WIDTH, None)):
        joint[side, side] += RIDGE * np.trace(joint[side, side]) / WIDTH * np.eye(WIDTH)
    mean_x, mean_y = x[fit].mean(axis=0), y[fit].mean(axis=0)
    grid = np.concatenate(np.broadcast_arrays(x[:, None] - mean_x, y[None] - mean_y), axis=-1)
    of_x = multivariate_normal(mean_x, joint[:WIDTH, :WIDTH]).logpdf(x)
    of_y = multivariate_normal(mean_y, joint[WIDTH:, WIDTH:]).logpdf(y)
    return multivariate_normal(np.zeros(2 * WIDTH), joint).logpdf(grid) - of_x[:, None] - of_y


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_a_fold_is_ranked_within_itself_by_the_trusted_pairs_of_the_others(similarity):
    e, trusted = pairs(similarity=similarity)
    found = cross_fitted_ranks(e, trusted)
    fold = folds(e, trusted)
    for k in range(FOLDS):
        inside = np.flatnonzero(fold == k)
        ratio = density_ratio(e, trusted & (fold != k))[np.ix_(inside, inside)]
        own = np.diag(ratio)
        np.testing.assert_array_equal(found.forward.better[inside], (ratio > own[:, None]).sum(axis=1))
        np.testing.assert_array_equal(found.backward.better[inside], (ratio > own).sum(axis=0))
        np.testing.assert_array_equal(found.forward.wins[inside], (ratio > own[:, None]).sum(axis=0))
        assert set(found.forward.candidates[inside]) == {len(inside) - 1}
        rivals = found.forward.rivals[np.isin(found.forward.rivals[:, 0], inside)]
        assert np.isin(rivals[:, 1], inside).all()
        row, column = (np.searchsorted(inside, at) for at in rivals.T)
        assert (ratio[row, column] > own[row]).all()
    assert len(found.forward.rivals) > len(e)
    assert not found.forward.ties.any()
    assert not found.backward.ties.any()


def test_the_order_of_the_pairs_changes_no_rank():
    e, trusted = pairs(210)
    found = cross_fitted_ranks(e, trusted)
    order = generator(1, "order").permutation(len(e))
    moved = cross_fitted_ranks(e.take(order), trusted[order])
    np.testing.assert_array_equal(counts(moved), counts(found)[:, :, order])
    rivals = np.argsort(order)[found.forward.rivals]
    np.testing.assert_array_equal(moved.forward.rivals, rivals[np.lexsort(rivals.T[::-1])])


def test_no_pair_is_ranked_by_what_was_fitted_to_another_of_its_group():
    e, groups = captioned(160, 3, WIDTH)
    trusted = generator(5, "trusted").random(len(e)) < 0.7
    found = cross_fitted_ranks(e, trusted, groups)
    order = inference.drawn_order("cross-fitted ranks", e.x, e.y, groups=groups)
    fold = _shared_out(group_order(order, groups), groups, trusted)[groups]
    for k in range(FOLDS):
        inside = np.flatnonzero(fold == k)
        ratio = density_ratio(e, trusted & (fold != k))[np.ix_(inside, inside)]
        better = (ratio > np.diag(ratio)[:, None]) & (groups[inside, None] != groups[inside])
        np.testing.assert_array_equal(found.forward.better[inside], better.sum(axis=1))


def test_a_group_is_no_rival_of_its_own():
    e, trusted = pairs(200)
    twice = e.take(np.repeat(np.arange(200), 2))
    groups = np.repeat(np.arange(200), 2) * 7
    both = np.repeat(trusted, 2)
    found = cross_fitted_ranks(twice, both, groups)
    np.testing.assert_array_equal(found.forward.candidates, 2 * 200 // FOLDS - 2)
    np.testing.assert_array_equal(found.groups, np.repeat(np.arange(200), 2))
    same = twice.x[found.forward.rivals[:, 0]] == twice.x[found.forward.rivals[:, 1]]
    assert not same.all(axis=1).any()
    with pytest.raises(InputError, match="groups have shape"):
        cross_fitted_ranks(e, trusted, groups)


@pytest.mark.parametrize("whole", [True, False])
def test_folds_share_out_trusted_and_claimed_pairs_evenly(whole):
    rng = generator(2, "shared out")
    groups = np.sort(rng.integers(0, 200, 600))
    codes = np.unique(groups, return_inverse=True)[1]
    trusted = codes < 100 if whole else rng.random(600) < 0.5
    part = _shared_out(group_order(rng.permutation(600), codes), codes, trusted)
    assert len(part) == codes.max() + 1
    for kind in (trusted, ~trusted):
        sizes = np.bincount(part[codes[kind]], minlength=FOLDS)
        assert np.ptp(sizes) < (0.05 if whole else 0.2) * kind.sum()


def test_groups_of_one_change_nothing_and_the_order_of_grouped_pairs_neither():
    e, trusted = pairs(210)
    assert_same(cross_fitted_ranks(e, trusted, 3 * np.arange(210)[::-1]), cross_fitted_ranks(e, trusted))
    e, groups = captioned(100, 4, WIDTH)
    trusted = groups < 60
    found = cross_fitted_ranks(e, trusted, groups)
    order = generator(1, "order").permutation(len(e))
    moved = cross_fitted_ranks(e.take(order), trusted[order], -groups[order])
    np.testing.assert_array_equal(counts(moved), counts(found)[:, :, order])


def test_right_captions_of_pictures_not_trusted_rank_like_those_of_trusted_ones():
    apart = []
    for seed in range(10):
        e, groups = captioned(seed=seed)
        trusted = groups < 160
        found = cross_fitted_ranks(e, trusted, groups)
        assert (found.forward.candidates < len(e) / 2).all()
        apart.append(found.mean_percentile[trusted].mean() - found.mean_percentile[~trusted].mean())
    assert abs(np.mean(apart)) < 0.01


def test_groups_that_cannot_be_shared_out_leave_the_ranks_by_similarity():
    e, trusted = pairs(2 * ENOUGH)
    few = np.arange(len(e)) // 2
    large = np.maximum(np.arange(len(e) * 4) - len(e) * 3, 0)
    for embeddings, known, groups in (
        (e, trusted, few),
        (e.take(np.arange(len(large)) % len(e)), np.ones(len(large), dtype=bool), large),
    ):
        known[-1] = False
        assert_same(cross_fitted_ranks(embeddings, known, groups), ranks(embeddings, groups))


def test_where_nothing_can_be_learned_they_are_the_ranks_by_similarity():
    e, trusted = pairs(2 * ENOUGH)
    assert not np.array_equal(counts(cross_fitted_ranks(e, trusted)), counts(ranks(e)))
    few = trusted & (np.arange(len(e)) > 0)
    assert_same(cross_fitted_ranks(e, few), ranks(e))
    everything = np.ones(len(e), dtype=bool)
    assert_same(cross_fitted_ranks(e, everything), ranks(e))
    level = dataclasses.replace(e, y=np.ones_like(e.y))
    groups = np.arange(len(e)) // 2
    assert_same(cross_fitted_ranks(level, trusted, groups), ranks(level, groups))


def test_right_claimed_pairs_rank_like_trusted_ones_and_wrong_ones_like_chance():
    right, wrong = [], []
    for seed in range(40):
        e, trusted = pairs(2 * ENOUGH, seed)
        found = cross_fitted_ranks(e, trusted).mean_percentile
        right.append(found[~trusted].mean() - found[trusted].mean())
        e, trusted = pairs(2 * ENOUGH, seed, wrong=1.0)
        wrong.append(cross_fitted_ranks(e, trusted).mean_percentile[~trusted].mean())
    assert abs(np.mean(right)) < 0.02 < 0.1 < abs(np.mean(wrong) - np.mean(found[trusted]))
    assert ttest_1samp(right, 0.0).pvalue > 1e-3
    assert ttest_1samp(wrong, 0.5).pvalue > 1e-3


def test_the_share_of_wrong_pairs_is_known_better_where_similarity_weighs_noise_and_meaning_alike():
    errors = []
    for seed in range(20):
        e, trusted = pairs(400, seed, wrong=0.3)
        informed, plain = (mispairing_rate(r, trusted) for r in (cross_fitted_ranks(e, trusted), ranks(e)))
        errors.append((informed.value - 0.3, plain.value - 0.3))
        assert informed.high - informed.low < plain.high - plain.low
    informed, plain = np.sqrt(np.mean(np.square(errors), axis=0))
    assert informed < 0.7 * plain


def test_an_item_on_a_scale_of_its_own_ranks_last_and_moves_no_other():
    e, trusted = pairs(400, 0)
    at = np.flatnonzero(~trusted)[0]
    found = []
    for scale in (1e3, 1e25):
        x = np.array(e.x)
        x[at] *= scale
        found.append(cross_fitted_ranks(Embeddings(x, e.y, e.modalities, "dot"), trusted))
    near, far = (ranked.backward for ranked in found)
    others = np.arange(len(e)) != at
    assert np.array_equal(near.better[others], far.better[others])
    assert far.better[at] == far.candidates[at]


@settings(max_examples=40)
@given(e=st.embeddings(max_items=8, max_width=2))
def test_copies_and_extremes_give_ranks_of_all_pairs(e):
    """Few distinct items many times over: sides that are level, of rank one, or alike."""
    copies = e.take(np.arange(4 * PER_DIMENSION * max(1, e.width)) % len(e)) if len(e) else e
    trusted = np.arange(len(copies)) % 2 == 0
    found = cross_fitted_ranks(copies, trusted)
    for side in (found.forward, found.backward):
        assert (side.better + side.ties <= side.candidates).all()
        assert len(side) == len(copies)
    share = mispairing_rate(found, trusted)
    assert share.value is None or 0 <= share.value <= 1
