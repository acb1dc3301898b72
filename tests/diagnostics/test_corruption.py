import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
from scipy.special import logsumexp
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from mmaudit import inference
from mmaudit.diagnostics import corruption
from mmaudit.diagnostics.corruption import (
    EDGES,
    STOREY,
    WEIGHED,
    _best_weights,
    _counted,
    early_loss_separation,
    exchangeability,
    mispairing_rate,
    pair_losses,
    suspects,
    tail_excess,
)
from mmaudit.diagnostics.retrieval import Counts, Ranks, ranks
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.seeds import generator


def claimed(wrong, n=400, noise=0.5, seed=0, similarity="cosine"):
    rng = generator(seed, "corruption")
    latent = rng.normal(size=(n, 16))
    x, y = latent + noise * rng.normal(size=(n, 16)), latent + noise * rng.normal(size=(n, 16))
    moved = np.arange(n // 2, n // 2 + round(wrong * n / 2))
    y[moved] = y[np.roll(moved, 1)]
    return Embeddings(x.astype(np.float32), y.astype(np.float32), similarity=similarity), moved


def first_half(n=400):
    return np.arange(n) < n // 2


@pytest.mark.parametrize("noise", [0.5, 1.5])
@pytest.mark.parametrize("wrong", [0.0, 0.2, 0.5])
def test_the_planted_share_is_within_the_interval_for_a_good_and_a_weak_encoder(wrong, noise):
    embeddings, _ = claimed(wrong, noise=noise, seed=1)
    m = mispairing_rate(ranks(embeddings), first_half())
    assert m.low <= wrong <= m.high
    assert m.high - m.low < 0.4
    assert m.n == 200
    assert 0 <= m.value <= 1


def test_without_trusted_pairs_a_weak_encoder_is_told_apart_by_a_note_only():
    embeddings, _ = claimed(0.0, noise=2.5)
    raw = mispairing_rate(ranks(embeddings))
    assert raw.low > 0.1
    assert "weak encoder" in raw.notes[0]
    assert mispairing_rate(ranks(embeddings), first_half()).low < 0


@pytest.mark.parametrize("noise", [0.5, 0.6, 3.0])
def test_the_estimate_is_the_written_formula(noise):
    embeddings, _ = claimed(0.3, n=400, noise=noise)
    measured = ranks(embeddings)
    places = np.array([side.better for side in (measured.forward, measured.backward)])
    known = first_half(400)
    m = mispairing_rate(measured, known)
    # The density of trusted places and the weights, by a sum over places of 1/400 each: no pair is tied.
    widths = np.diff(EDGES)
    in_bin = np.diff(np.clip(np.subtract.outer(EDGES * 400, np.arange(400)), 0, 1), axis=0)
    density = (in_bin[:, places[:, known]].sum(axis=(1, 2)) / widths + 1) / 401
    fit = IsotonicRegression(increasing=False).fit(widths.cumsum(), density, sample_weight=widths)
    density = fit.predict(widths.cumsum())
    share = 0.02
    for _ in range(3):
        weights = 1 / (share + (1 - share) * density)
        counts = (in_bin.T @ weights)[places].mean(axis=0) / (weights @ widths)
        trusted, others = counts[known].mean(), counts[~known].mean()
        share = min(0.9, max(0.02, (others - trusted) / (1 - trusted)))
    assert m.value == pytest.approx((others - trusted) / (1 - trusted))
    assert m.null == 0
    alone = mispairing_rate(measured)
    assert alone.value == pytest.approx(np.mean(places >= 200) / 0.5)
    assert alone.null is None


def weak(trusted, seed, claims=400):
    """Right pairs of a weak encoder, and which of them are trusted."""
    rng = generator(seed, "few trusted")
    x = rng.normal(size=(trusted + claims, 16))
    y = 0.3 * x + math.sqrt(1 - 0.3**2) * rng.normal(size=x.shape)
    return Embeddings(x.astype(np.float32), y.astype(np.float32)), np.arange(len(x)) < trusted


def test_few_trusted_pairs_are_compared_by_storeys_weights_and_with_the_error_of_the_claimed():
    embeddings, known = weak(WEIGHED - 1, seed=1)
    found = ranks(embeddings)
    m = mispairing_rate(found, known)
    far = _counted(found, *STOREY)
    pi, base = (inference.bounded_mean("p", far[rows], (0.0, 2.0)) for rows in (~known, known))
    few = max(base.se, pi.se * math.sqrt(401 / (WEIGHED - 1 + 1)))
    kept = 1 - base.value
    assert m.value == pytest.approx(max(0.0, (pi.value - base.value) / kept))
    assert m.se == pytest.approx(math.hypot(pi.se / kept, (1 - pi.value) / kept**2 * few))
    assert m.method == "Storey's π₀ at 0.5 against trusted pairs, delta method, Welch t"
    embeddings, known = weak(WEIGHED, seed=1)
    assert mispairing_rate(ranks(embeddings), known).method.startswith("weighted")
    pairs_of_two = np.where(known, np.arange(len(known)) // 2, np.arange(len(known)))
    assert mispairing_rate(ranks(embeddings, pairs_of_two), known).method.startswith("Storey")


def test_few_trusted_pairs_do_not_make_right_pairs_look_wrong():
    beyond = []
    for seed in range(100):
        embeddings, known = weak(20, seed)
        m = mispairing_rate(ranks(embeddings), known)
        beyond.append(m.low is not None and m.low > 0)
    assert np.mean(beyond) < 0.08


def test_the_estimate_is_nearer_to_the_truth_than_a_cut_in_the_middle():
    """What the weights are for: a weak encoder, many wrong pairs."""
    errors = []
    for seed in range(30):
        embeddings, moved = claimed(0.4, noise=1.6, seed=seed)
        measured, known = ranks(embeddings), first_half()
        far = _counted(measured, *STOREY)
        base = far[known].mean()
        halved = (far[~known].mean() - base) / (1 - base)
        truth = len(moved) / 200
        errors.append((abs(mispairing_rate(measured, known).value - truth), abs(halved - truth)))
    weighted, halved = np.mean(errors, axis=0)
    assert weighted < 0.9 * halved


def test_the_rank_of_a_wrong_partner_gives_one_in_any_geometry():
    rng = generator(4, "cone")
    x, y = (rng.normal(size=(600, 8)) + np.array([3.0, *[0] * 7]) for _ in range(2))
    y *= rng.gamma(1.0, size=(600, 1))
    m = mispairing_rate(ranks(Embeddings(x.astype(np.float32), y.astype(np.float32), similarity="dot")))
    assert m.low < 1 <= m.value + 0.1


@pytest.mark.parametrize("size", [20, 25, 41])
def test_a_uniform_place_counts_exactly_the_mean_weight(size):
    """Partners at every place in turn, and one tie over all places, are one wrong pair each."""
    counts = Counts(
        better=np.arange(size),
        ties=np.zeros(size, dtype=np.int64),
        candidates=np.full(size, size - 1),
        wins=np.zeros(size),
        rivals=np.zeros((0, 2), dtype=np.int64),
        tied=np.zeros(0, dtype=bool),
    )
    level = dataclasses.replace(counts, better=np.zeros(size, dtype=np.int64), ties=np.full(size, size - 1))
    single, tied = (Ranks(each, each, np.arange(size)) for each in (counts, level))
    for edges, weights in (STOREY, (EDGES, np.linspace(0.0, 3.0, 10))):
        mean = np.diff(edges) @ weights
        assert np.mean(_counted(single, edges, weights)) == pytest.approx(mean)
        assert _counted(tied, edges, weights) == pytest.approx(np.full(size, mean))


@pytest.mark.parametrize("n", [40, 41])
def test_an_encoder_that_says_nothing_is_no_clean_bill(n):
    z = np.ones((n, 3), dtype=np.float32)
    assert mispairing_rate(ranks(Embeddings(z, z))).value == pytest.approx(1.0)
    blind = mispairing_rate(ranks(Embeddings(z, z)), first_half(n))
    assert blind.value is None
    assert "no better than chance" in blind.notes[0]


def test_a_negative_estimate_is_clipped_and_its_interval_is_not():
    embeddings, moved = claimed(0.3, noise=1.2)
    trusted = np.zeros(400, dtype=bool)
    trusted[moved] = True
    trusted[:100] = True
    m = mispairing_rate(ranks(embeddings), trusted)
    assert m.value == 0.0
    assert m.low < 0 < m.high
    assert "raw estimate is -" in m.notes[-1]


def test_no_wrong_pair_found_still_has_a_width():
    x = claimed(0.0)[0].x
    m = mispairing_rate(ranks(Embeddings(x, x)), first_half())
    assert m.value == 0.0
    assert m.high > 0.005


def test_mispairing_that_cannot_be_measured():
    embeddings, _ = claimed(0.1, n=20)
    assert mispairing_rate(ranks(embeddings, groups=np.zeros(20))).value is None
    everyone = mispairing_rate(ranks(embeddings), np.ones(20, dtype=bool))
    assert "every pair is trusted" in everyone.notes[0]
    with pytest.raises(InputError, match="trusted has shape"):
        mispairing_rate(ranks(embeddings), np.ones(3, dtype=bool))
    with pytest.raises(InputError, match="bool"):
        mispairing_rate(ranks(embeddings), np.arange(20))


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("block", [1, 7, 64, 1024])
def test_pair_losses_are_the_symmetric_infonce(similarity, block):
    embeddings, _ = claimed(0.2, n=60, similarity=similarity)
    x, y = embeddings.scored
    logits = x @ y.T / 0.05
    expected = (logsumexp(logits, axis=1) + logsumexp(logits, axis=0) - 2 * np.diag(logits)) / 2
    np.testing.assert_allclose(pair_losses(embeddings, temperature=0.05, block=block), expected, atol=1e-9)


def test_pair_losses_leave_the_group_out_and_survive_any_scale():
    embeddings, _ = claimed(0.2, n=40)
    groups = np.arange(40) // 2
    x, y = embeddings.scored
    logits = x @ y.T / 0.07
    logits[(groups[:, None] == groups) & ~np.eye(40, dtype=bool)] = -np.inf
    expected = (logsumexp(logits, axis=1) + logsumexp(logits, axis=0)) / 2 - np.diag(logits)
    np.testing.assert_allclose(pair_losses(embeddings, groups), expected, atol=1e-9)
    assert np.isfinite(pair_losses(embeddings, temperature=1e-6)).all()
    np.testing.assert_allclose(pair_losses(embeddings, np.zeros(40)), 0.0, atol=1e-12)
    with pytest.raises(InputError, match="positive number"):
        pair_losses(embeddings, temperature=0.0)


def test_tail_excess_sees_hard_losses_and_states_its_exact_null():
    rng = generator(5, "tail")
    losses, trusted = rng.normal(size=1100), np.arange(1100) < 499
    losses[-100:] += 6
    m = tail_excess(losses, trusted)
    threshold = np.sort(losses[:499])[494]  # ⌈0.99 · 500⌉ = 495th
    assert m.null == 5 / 500
    assert m.value == np.mean(losses[499:] > threshold)
    expected = scipy.stats.binomtest(int(np.sum(losses[499:] > threshold)), 601).proportion_ci(
        method="wilson"
    )
    assert (m.low, m.high) == pytest.approx(tuple(expected))
    assert tail_excess(losses[:1000], trusted[:1000]).low < 0.01


def test_the_null_of_the_tail_holds_on_average_for_few_trusted_pairs():
    rng = generator(6, "tail")
    draws = [tail_excess(rng.normal(size=60), np.arange(60) < 30) for _ in range(2000)]
    assert np.mean([m.value for m in draws]) == pytest.approx(draws[0].null, abs=0.004)
    assert draws[0].null == pytest.approx(1 / 31)


def test_exchangeability_is_the_exact_tail_of_the_beta_binomial():
    rng = generator(8, "exchangeable")
    losses, trusted = rng.normal(size=1200), np.arange(1200) < 800
    losses[-30:] += 6
    m = exchangeability(losses, trusted)
    count = int(np.sum(losses[800:] > np.sort(losses[:800])[792]))
    assert m.value == pytest.approx(scipy.stats.betabinom(400, 8, 793).sf(count - 1), rel=1e-12)
    assert m.value < 1e-8
    assert m.low == m.value == m.high
    assert m.notes == (f"{count} of 400 claimed pairs are beyond the threshold of 800 trusted ones",)


def test_exchangeable_pairs_are_improbable_no_more_often_than_their_probability_says():
    rng = generator(9, "exchangeable")
    draws = np.array([exchangeability(rng.normal(size=300), np.arange(300) < 200).value for _ in range(1000)])
    for level in (0.02, 0.1, 0.5):
        assert np.mean(draws <= level) <= level + 3 * math.sqrt(level * (1 - level) / 1000)
    assert draws.max() == 1.0


def hard_pictures(seed, pictures=240, captions=5, trusted=200):
    """Losses of right pairs, most of them a picture's that all of its captions share; which are trusted."""
    rng = generator(seed, "hard pictures")
    groups = np.repeat(np.arange(pictures), captions)
    losses = np.repeat(rng.normal(size=pictures), captions) + 0.3 * rng.normal(size=len(groups))
    return losses, groups < trusted, groups


def test_the_tail_of_hard_pictures_has_the_null_and_the_level_of_as_many_groups():
    draws = [tail_excess(*hard_pictures(seed, 1000, trusted=99)) for seed in range(400)]
    assert draws[0].null == pytest.approx(1 / 100)
    assert draws[0].n == 901 * 5
    assert draws[0].notes[0].endswith("from 99 groups of trusted pairs")
    values = np.array([m.value for m in draws])
    assert 0.002 < values.mean() < 0.01
    # The share beyond the largest of 99 independent ones is Beta(1, 99) distributed.
    assert np.mean(values > 0.03) < scipy.stats.beta(1, 99).sf(0.03)


def test_a_group_places_the_threshold_with_the_weight_of_one():
    losses = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0, 2.5])
    trusted, groups = np.arange(7) < 6, np.array([0, 0, 0, 1, 1, 2, 3])
    m = tail_excess(losses, trusted, groups)
    assert (m.null, m.value) == (1 / 4, 0.0)
    assert m.notes[0] == "threshold 5 nats from 3 groups of trusted pairs"
    many = np.arange(200)
    shared = np.concatenate([[900.0, 1000.0], many[1:] + 300.0, many])
    m = tail_excess(shared, np.arange(401) < 201, np.concatenate([[0], many, 200 + many]))
    assert m.notes[0] == "threshold 499 nats from 200 groups of trusted pairs"


def test_claimed_pairs_of_a_picture_are_one_cluster_of_the_tail():
    losses, trusted, groups = hard_pictures(1, captions=4, trusted=120)
    threshold = np.sort(losses[trusted])[-20]
    hits = losses[~trusted] > threshold
    m = tail_excess(np.where(trusted, threshold, losses), trusted, groups)
    expected = inference.proportion("tail", hits, clusters=groups[~trusted])
    assert (m.value, m.low, m.high) == (expected.value, expected.low, expected.high)
    assert m.high - m.low > 1.2 * (lambda p: p.high - p.low)(inference.proportion("tail", hits))


def test_hard_pictures_are_improbable_no_more_often_than_their_probability_says():
    whole = np.array([exchangeability(*hard_pictures(s, 200, trusted=100)).value for s in range(500)])
    single = []
    for seed in range(500):
        losses, _, groups = hard_pictures(seed, 200)
        trusted = generator(seed, "single pairs").random(len(losses)) < 0.4
        single.append(exchangeability(losses, trusted, groups).value)
    for values in (whole, np.array(single)):
        for level in (0.02, 0.1, 0.5):
            assert np.mean(values <= level) <= level + 3 * math.sqrt(level * (1 - level) / 500)


def test_each_group_is_exchanged_with_its_worst_pair():
    losses, trusted, groups = hard_pictures(2, 300, trusted=150)
    losses[-5 * 20 :: 5] += 6
    worst = losses.reshape(300, 5).max(axis=1)
    by_hand = exchangeability(worst, np.arange(300) < 150)
    m = exchangeability(losses, trusted, groups)
    assert (m.value, m.n, m.notes) == (by_hand.value, 150, by_hand.notes)
    assert m.value < 1e-6
    # Of a group with both kinds the worse pair counts, and of two equal ones the trusted one.
    known = np.array([True, False, True, False, True, False])
    mixed = exchangeability([3.0, 1.0, 2.0, 5.0, 9.0, 9.0], known, [0, 0, 1, 1, 2, 2])
    assert mixed.value == exchangeability([3.0, 5.0, 9.0], np.array([True, False, True])).value


def test_groups_of_one_and_the_order_of_pairs_change_no_tail():
    losses, trusted, groups = hard_pictures(3, 60, trusted=30)
    order = generator(4, "order").permutation(len(losses))
    for measure in (tail_excess, exchangeability):
        assert measure(losses, trusted, order) == measure(losses, trusted)
        assert measure(losses[order], trusted[order], -groups[order]) == measure(losses, trusted, groups)
        with pytest.raises(InputError, match="groups have shape"):
            measure(losses, trusted, groups[:3])


def test_exchangeability_that_cannot_be_measured():
    for losses, trusted in (([1.0, 2.0], [True, True]), ([1.0, math.nan], [True, False])):
        m = exchangeability(losses, np.array(trusted))
        assert m.value is None
        assert m.notes == tail_excess(losses, np.array(trusted)).notes


def test_tail_excess_that_cannot_be_measured():
    assert tail_excess(np.ones(4), np.ones(4, dtype=bool)).value is None
    assert tail_excess(np.ones(4), np.zeros(4, dtype=bool)).value is None
    bad = tail_excess([1.0, math.nan, 2.0], np.array([True, False, False]))
    assert "finite" in bad.notes[0]


def delong_by_hand(positive, negative):
    kernel = [[(a > b) + (a == b) / 2 for b in negative] for a in positive]
    rows, columns = np.mean(kernel, axis=1), np.mean(kernel, axis=0)
    return math.sqrt(np.var(rows, ddof=1) / len(rows) + np.var(columns, ddof=1) / len(columns))


def test_early_loss_separation_is_the_area_of_scikit_learn_with_delongs_error():
    rng = generator(7, "auc")
    corrupted = rng.random(120) < 0.3
    losses = np.round(rng.normal(size=120) + corrupted, 1)  # rounded, so that some tie
    m = early_loss_separation(losses, corrupted)
    assert m.value == pytest.approx(roc_auc_score(corrupted, losses), rel=1e-12)
    assert m.se == pytest.approx(delong_by_hand(losses[corrupted], losses[~corrupted]), rel=1e-12)
    assert m.null == 0.5
    assert early_loss_separation(-losses, corrupted).value == pytest.approx(1 - m.value)


def test_early_loss_separation_at_its_ends():
    corrupted = np.arange(20) < 5
    assert early_loss_separation(-np.arange(20.0), corrupted).value == 1.0
    assert early_loss_separation(np.ones(20), corrupted).value == 0.5
    assert early_loss_separation(np.ones(20), np.arange(20) < 1).value is None
    assert early_loss_separation(np.full(20, np.nan), corrupted).value is None


def test_suspects_are_the_wrong_pairs():
    embeddings, moved = claimed(0.1, noise=0.3)
    rows = suspects(ranks(embeddings), k=len(moved))
    assert set(rows) == set(moved)
    assert rows.dtype == np.int64
    worst = ranks(embeddings).mean_percentile[suspects(ranks(embeddings), k=400)]
    assert (np.diff(worst) <= 0).all()
    z = np.ones((5, 2), dtype=np.float32)
    assert suspects(ranks(Embeddings(z, z))).tolist() == [0, 1, 2, 3, 4]


def test_an_estimate_at_its_end_is_no_raw_estimate():
    """A perfect encoder of right pairs: both shares are alike, the estimate is 0 and was not cut."""
    z = generator(5, "perfect").normal(size=(80, 8)).astype(np.float32)
    m = mispairing_rate(ranks(Embeddings(z, z)), np.arange(80) < 40)
    assert m.value == 0.0
    assert len(m.notes) == 1


def test_exchangeability_of_a_tail_that_holds_all_is_its_last_term():
    losses = np.concatenate([np.arange(10.0), np.full(4, 99.0)])
    m = exchangeability(losses, np.arange(14) < 10)
    assert m.value == pytest.approx(scipy.stats.betabinom(4, 1, 10).pmf(4), rel=1e-12)
    assert m.n == 4
    none = exchangeability(np.concatenate([np.arange(10.0), np.zeros(4)]), np.arange(14) < 10)
    assert none.value == 1.0


def test_the_threshold_is_the_order_statistic_that_was_promised():
    for trusted, place in ((98, 98), (99, 99), (100, 100), (198, 198), (199, 198), (299, 297)):
        losses = np.concatenate([np.arange(1.0, trusted + 1), np.arange(1.0, trusted + 1) + 0.5])
        m = tail_excess(losses, np.arange(2 * trusted) < trusted)
        assert m.null == pytest.approx((trusted + 1 - place) / (trusted + 1))
        assert m.value == pytest.approx((trusted - place + 1) / trusted)
        assert f"threshold {place:.4g} nats from {trusted} trusted pairs" in m.notes


def test_the_error_of_the_estimate_is_the_delta_method_over_both_shares():
    """q = (π − b)/(1 − b): ∂q/∂π = 1/(1 − b), ∂q/∂b = (π − 1)/(1 − b)²; both shares have errors."""
    rng = generator(6, "delta method")
    z = rng.normal(size=(500, 8))
    y = z + 1.5 * rng.normal(size=z.shape)
    trusted = np.arange(500) < 200
    y[400:] = rng.permutation(y[400:])
    found = ranks(Embeddings(z.astype(np.float32), y.astype(np.float32)))
    edges, heights = _best_weights(found, trusted)
    counted, bounds = _counted(found, edges, heights), (0.0, float(heights.max()))
    (pi, base) = (inference.bounded_mean("p", counted[rows], bounds) for rows in (~trusted, trusted))
    m = mispairing_rate(found, trusted)
    kept = 1 - base.value
    assert 0.05 < base.value < 0.6
    assert m.value == pytest.approx((pi.value - base.value) / kept)
    assert m.se == pytest.approx(math.hypot(pi.se / kept, (1 - pi.value) / kept**2 * base.se))


def counts_of(better, ties, candidates):
    size = len(better)
    return Counts(
        better=np.array(better),
        ties=np.array(ties),
        candidates=np.array(candidates),
        wins=np.zeros(size),
        rivals=np.zeros((0, 2), dtype=np.int64),
        tied=np.zeros(0, dtype=bool),
    )


def test_bins_of_places_are_ten_by_equal_ratios_and_one_for_what_is_found():
    assert pytest.approx([0, *(10 ** (-2 + 2 * k / 9) for k in range(10))]) == EDGES
    assert STOREY[0].tolist() == [0, 0.5, 1]
    assert STOREY[1].tolist() == [0, 2]


def test_a_partner_ranks_before_an_edge_by_the_part_of_its_places_before_it():
    """Of nine places: sure of the first; three to six, tied; sure of the last."""
    counts = counts_of([0, 3, 8], [0, 3, 0], [8, 8, 8])
    before = corruption._before(counts, np.array([0.0, 1 / 18, 0.5, 1.0]))
    assert before == pytest.approx(np.array([[0, 0, 0], [0.5, 0, 0], [1, 1.5 / 4, 0], [1, 1, 1]]))


def test_suspects_stand_by_the_mean_percentile_of_both_directions():
    ranked = Ranks(
        counts_of([3, 0, 2, 1], [0, 4, 1, 0], [8, 8, 8, 2]),
        counts_of([1, 0, 0, 0], [0, 0, 2, 0], [8, 8, 8, 2]),
        np.arange(4),
    )
    # Percentiles: 4/16, 2/16, 3.5/16 and 1/4 (of two candidates): the first and the last are equal.
    assert suspects(ranked).tolist() == [0, 3, 2, 1]
    assert suspects(ranked, k=2).tolist() == [0, 3]
    alone = Ranks(*(counts_of([0, 0], [0, 0], [0, 0]) for _ in range(2)), np.zeros(2, dtype=np.int64))
    assert suspects(alone).tolist() == [0, 1]
    # All of one candidate is worse than three of four.
    uneven = Ranks(*(counts_of([3, 1], [0, 0], [4, 1]) for _ in range(2)), np.arange(2))
    assert suspects(uneven).tolist() == [1, 0]
    many = ranks(claimed(0.1, n=60)[0])
    assert len(suspects(many)) == 20


def test_the_estimate_is_undefined_where_trusted_pairs_may_rank_at_chance():
    """As soon as the interval of their share reaches one, whatever the share itself is."""
    embeddings, _ = claimed(0.0, n=60, noise=4.0)
    found = mispairing_rate(ranks(embeddings), first_half(60))
    assert found.value is None
    assert found.notes[0].startswith("the encoder ranks the 30 trusted pairs no better than chance")
    assert found.n == 30


def test_notes_say_what_was_cut_and_by_how_much():
    embeddings, _ = claimed(0.0, n=200, noise=0.5)
    trusted = first_half(200)
    better = ranks(embeddings)
    assert mispairing_rate(better, trusted).notes[0].startswith("100 trusted pairs have π₀ = 0.0")
    cone = np.ones((40, 3), dtype=np.float32)
    alone = mispairing_rate(ranks(Embeddings(cone, cone)))
    assert alone.notes == ("no trusted pairs: a weak encoder raises this share as wrong pairs do",)
    assert alone.method == "Storey's π₀ at 0.5, adjusted Wald"
    # Partners behind one half always: twice the share is claimed, and cut to one.
    behind = counts_of([15] * 20, [0] * 20, [19] * 20)
    cut = mispairing_rate(Ranks(behind, behind, np.arange(20)))
    assert cut.value == 1.0
    assert cut.notes[1] == "the raw estimate is 2.0000; a share cannot leave [0, 1]"


def test_losses_of_two_and_two_are_separated():
    corrupted = np.array([True, True, False, False])
    assert early_loss_separation([3.0, 2.0, 1.0, 0.0], corrupted).value == 1.0
    assert early_loss_separation([3.0, 2.0, 2.0, 0.0], corrupted).value == 0.875
    few = early_loss_separation([3.0, 2.0, 1.0], np.array([True, False, False]))
    assert few.notes == ("1 wrong and 2 right pairs; the area needs two of each kind",)
    other = early_loss_separation([3.0, 2.0, 1.0], np.array([True, True, False]))
    assert other.notes == ("2 wrong and 1 right pairs; the area needs two of each kind",)
    gone = early_loss_separation([3.0, np.nan, 1.0, np.inf], corrupted)
    assert gone.notes == ("2 of 4 losses are not finite numbers",)


def test_one_trusted_pair_places_a_threshold_and_one_claimed_pair_is_compared():
    m = tail_excess([1.0, 2.0], np.array([True, False]))
    assert (m.value, m.null, m.n) == (1.0, 0.5, 1)
    assert tail_excess([1.0, 1.0], np.array([True, False])).value == 0.0
    p = exchangeability([1.0, 2.0], np.array([True, False]))
    assert p.value == pytest.approx(0.5)
    none = tail_excess([1.0, 2.0], np.array([False, False]))
    assert none.notes == ("0 of 2 pairs are trusted; give some of both kinds",)
    gone = tail_excess([1.0, np.nan, np.inf], np.array([True, False, False]))
    assert gone.notes == ("2 of 3 losses are not finite numbers",)
