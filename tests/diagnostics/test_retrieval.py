import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import label_ranking_loss, top_k_accuracy_score

from mmaudit.diagnostics.retrieval import (
    Counts,
    Ranks,
    mean_recall,
    median_rank,
    mrr,
    pair_discrimination,
    ranks,
    recall,
)
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.seeds import generator


def noisy(n=90, d=8, seed=0, similarity="cosine", noise=0.8):
    rng = generator(seed, "retrieval")
    latent = rng.normal(size=(n, d))
    x, y = latent + noise * rng.normal(size=(n, d)), latent + noise * rng.normal(size=(n, d))
    return Embeddings(x.astype(np.float32), y.astype(np.float32), similarity=similarity)


def reference(embeddings, groups=None):
    """Count by two plain loops over the dense similarity matrix: forward (better, ties), backward."""
    x, y = embeddings.scored
    n = len(x)
    groups = np.arange(n) if groups is None else groups
    similarity = [[math.fsum(a * b) for b in y] for a in x]
    sides = []
    for at in (lambda i, j: similarity[i][j], lambda i, j: similarity[j][i]):
        rows = []
        for i in range(n):
            others = [at(i, j) - at(i, i) for j in range(n) if groups[j] != groups[i]]
            rows.append((sum(d > 1e-11 for d in others), sum(abs(d) <= 1e-11 for d in others), len(others)))
        sides.append(np.array(rows).T)
    return sides


def columns(counts):
    return np.stack([counts.better, counts.ties, counts.candidates])


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("grouped", [False, True])
def test_counts_are_those_of_a_plain_loop_for_every_block(similarity, grouped):
    embeddings = noisy(similarity=similarity)
    groups = np.arange(90) // 3 if grouped else None
    expected = reference(embeddings, groups)
    for block in (1, 7, 64, 90, 1024):
        measured = ranks(embeddings, groups, block=block)
        np.testing.assert_array_equal(columns(measured.forward), expected[0])
        np.testing.assert_array_equal(columns(measured.backward), expected[1])
        assert measured.forward.better.dtype == np.int64
        for name in ("wins", "rivals", "tied"):
            one, other = (getattr(r.backward, name) for r in (measured, ranks(embeddings, groups)))
            np.testing.assert_array_equal(one, other)


def test_ranks_follow_the_items_when_they_are_permuted():
    embeddings, order = noisy(), generator(3, "order").permutation(90)
    groups = np.arange(90) // 2
    straight, moved = ranks(embeddings, groups), ranks(embeddings.take(order), groups[order])
    for side in ("forward", "backward"):
        np.testing.assert_array_equal(columns(straight.side(side))[:, order], columns(moved.side(side)))
        np.testing.assert_array_equal(straight.side(side).wins[order], moved.side(side).wins)
        for measure in (recall, mrr, median_rank):
            assert measure(straight, direction=side) == measure(moved, direction=side)
    assert mean_recall(straight) == mean_recall(moved)
    assert pair_discrimination(straight) == pair_discrimination(moved)


def test_duplicates_tie_whatever_block_they_fall_into():
    base = noisy(n=50, d=200, noise=0.1)
    doubled = base.take(np.tile(np.arange(50), 2))
    for block in (1, 7, 33, 100):
        measured = ranks(doubled, block=block)
        assert (measured.forward.ties >= 1).all()
        assert recall(measured).value == pytest.approx(0.5)
    together = ranks(doubled, groups=np.tile(np.arange(50), 2))
    assert recall(together).value == 1.0
    assert (together.forward.candidates == 98).all()


@pytest.mark.parametrize("row", [np.ones(4), np.zeros(4)])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_an_encoder_that_says_nothing_scores_chance_exactly(row, similarity):
    z = np.tile(row.astype(np.float32), (40, 1))
    measured = ranks(Embeddings(z, z, similarity=similarity))
    assert recall(measured).value == pytest.approx(1 / 40, abs=1e-16)
    assert recall(measured).null == pytest.approx(1 / 40, abs=1e-16)
    assert recall(measured, k=10, direction="backward").value == 0.25
    assert pair_discrimination(measured).value == 0.5
    assert mean_recall(measured).value == pytest.approx(1 / 40, abs=1e-16)
    assert mrr(measured).value == pytest.approx(sum(1 / r for r in range(1, 41)) / 40)
    assert mrr(measured).value == pytest.approx(mrr(measured).null)
    assert median_rank(measured).value == median_rank(measured).null == 20.5
    assert len(measured.forward.rivals) == 0


def test_one_constant_side_scores_chance_too():
    base = noisy(n=40)
    measured = ranks(Embeddings(base.x, np.ones_like(base.y)))
    assert recall(measured).value == pytest.approx(1 / 40, abs=1e-16)
    assert mean_recall(measured).value == pytest.approx(1 / 40, abs=1e-16)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_recall_is_top_k_accuracy_of_scikit_learn(k):
    embeddings = noisy()
    x, y = embeddings.scored
    measured = ranks(embeddings)
    labels = np.arange(90)
    assert recall(measured, k).value == pytest.approx(top_k_accuracy_score(labels, x @ y.T, k=k))
    assert recall(measured, k, "backward").value == pytest.approx(top_k_accuracy_score(labels, y @ x.T, k=k))
    assert mean_recall(measured, k).value == pytest.approx(
        (recall(measured, k).value + recall(measured, k, "backward").value) / 2
    )


def test_percentiles_and_reciprocal_ranks_of_scikit_learn_and_by_sorting():
    embeddings = noisy()
    x, y = embeddings.scored
    measured = ranks(embeddings)
    expected = 1 - (label_ranking_loss(np.eye(90), x @ y.T) + label_ranking_loss(np.eye(90), y @ x.T)) / 2
    assert pair_discrimination(measured).value == pytest.approx(expected, rel=1e-12)
    place = 1 + np.array([np.sum(row > row[i]) for i, row in enumerate(x @ y.T)])
    assert mrr(measured).value == pytest.approx(np.mean(1 / place))
    assert median_rank(measured).value == np.median(place)


def test_expected_scores_average_over_every_order_of_the_tied():
    x = np.zeros((5, 2), dtype=np.float32)
    y = np.zeros((5, 2), dtype=np.float32)
    x[0] = [1, 0]
    y[:] = [[2, 0], [3, 0], [2, 0], [2, 0], [1, 0]]
    counts = ranks(Embeddings(x, y, similarity="dot")).forward
    assert (counts.better[0], counts.ties[0]) == (1, 2)
    assert [counts.hits(k)[0] for k in (1, 2, 3, 4)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert counts.reciprocal[0] == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)
    assert counts.percentile[0] == pytest.approx(0.5)


def test_spoiling_is_what_a_rival_gone_would_bring():
    base = noisy(n=30, noise=1.2)
    doubled = base.take(np.r_[np.arange(30), [3, 4]])
    counts = ranks(doubled).forward
    assert counts.tied.any()
    assert not counts.tied.all()
    for k in (1, 3):
        for (query, rival), gain in zip(counts.rivals, counts.spoiling(k), strict=True):
            kept = np.array([i for i in range(32) if i != rival])
            without = ranks(doubled.take(kept)).forward.hits(k)[np.flatnonzero(kept == query)[0]]
            assert gain == pytest.approx(without - counts.hits(k)[query], abs=1e-12)


def test_wins_count_the_columns():
    embeddings = noisy(n=40)
    x, y = embeddings.scored
    similarity = x @ y.T
    above = similarity > np.diag(similarity)[:, None] + 1e-12
    np.testing.assert_array_equal(ranks(embeddings).forward.wins, above.sum(axis=0))


def test_pair_discrimination_has_the_error_of_a_u_statistic():
    # Its jackknife over items, each deleted as query and as candidate.
    n = 150
    embeddings = noisy(n=n, noise=2.0)
    m = pair_discrimination(ranks(embeddings))
    kept = [np.delete(np.arange(n), i) for i in range(n)]
    without = np.array([pair_discrimination(ranks(embeddings.take(rows))).value for rows in kept])
    jackknife = math.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
    assert math.sqrt(m.value * (1 - m.value) / m.df) == pytest.approx(jackknife, rel=0.05)


def test_pairs_that_all_beat_all_others_are_so_many_trials_and_no_certainty():
    n = 20
    z = generator(0, "certain").normal(size=(n, 8))
    m = pair_discrimination(ranks(Embeddings(z, z)))
    assert (m.value, m.high) == (1.0, 1.0)
    assert m.low == pytest.approx(n / (n + 1.959964**2), rel=1e-6)


def test_hubs_widen_the_interval_of_recall_in_the_direction_they_spoil():
    spoiled, spared = [], []
    for seed in range(8):
        base = noisy(n=200, d=24, noise=0.5, seed=seed)
        gain = np.exp(0.3 * generator(seed, "hubs").normal(size=(200, 1)))
        measured = ranks(Embeddings(base.x, (base.y * gain).astype(np.float32), similarity="dot"))
        spoiled.append(recall(measured, direction="forward").df)
        spared.append(recall(measured, direction="backward").df)
    assert np.mean(spoiled) < 180
    assert np.mean(spared) > 185


def test_members_of_a_group_are_no_independent_trials():
    base = noisy(n=40, noise=0.6)
    repeated = base.take(np.repeat(np.arange(40), 4))
    m = recall(ranks(repeated, groups=np.repeat(np.arange(40), 4)))
    assert m.n == 160
    assert m.df <= 42


def test_names_units_and_nulls():
    measured = ranks(noisy(n=20))
    forward, backward = recall(measured), recall(measured, direction="backward")
    assert forward.name == "recall_at_1_image_to_text"
    assert backward.name == "recall_at_1_text_to_image"
    assert forward.direction == "higher is better"
    assert forward.null == pytest.approx(0.05)
    assert mean_recall(measured, k=5).name == "recall_at_5"
    assert mrr(measured).name == "mean_reciprocal_rank_image_to_text"
    assert mean_recall(measured).n == 20
    assert pair_discrimination(measured).null == 0.5
    assert recall(measured, confidence=0.8).low > forward.low


def test_a_gallery_without_wrong_candidates_measures_nothing():
    for measured in (
        ranks(noisy(n=6), groups=np.zeros(6)),
        ranks(noisy(n=1)),
        ranks(Embeddings(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))),
    ):
        for measure in (recall, mean_recall, mrr, median_rank, pair_discrimination):
            assert measure(measured).value is None
            assert "wrong candidates" in measure(measured).notes[0]
    assert recall(ranks(noisy(n=5)), k=5).value is None
    assert recall(ranks(noisy(n=6)), k=5).value is not None


def test_bad_settings_are_refused_in_one_line():
    with pytest.raises(InputError, match="one label a pair"):
        ranks(noisy(n=6), groups=[1, 2])
    with pytest.raises(InputError, match="at least 1 row"):
        ranks(noisy(n=6), block=0)
    for k in (0, 11):
        with pytest.raises(InputError, match="from 1 to 10"):
            recall(ranks(noisy(n=20)), k=k)


@pytest.mark.parametrize("n", [3, 8, 25, 40, 101])
def test_the_error_of_a_median_is_that_of_two_order_statistics(n):
    """McKean & Schrader (1984): the distribution-free 99 % interval over the width of the normal one."""
    measured = ranks(noisy(n=n, d=6, noise=2.0))
    m = median_rank(measured)
    position = np.sort(1 + measured.forward.better + measured.forward.ties / 2)
    z = scipy.stats.norm.ppf(0.995)
    depth = max(1, round((n + 1) / 2 - z * math.sqrt(n / 4)))
    width = position[-depth] - position[depth - 1]
    assert m.value == np.median(position)
    assert m.se == pytest.approx(width / (2 * z))
    assert (m.df, m.n) == (n - 1, n)


def test_scores_of_counts_made_by_hand():
    counts = Counts(
        better=np.array([0, 1, 3, 0]),
        ties=np.array([0, 2, 0, 4]),
        candidates=np.array([4, 4, 4, 4]),
        wins=np.array([1.0, 2.0, 2.5, 2.5]),
        rivals=np.zeros((0, 2), dtype=np.int64),
        tied=np.zeros(0, dtype=bool),
    )
    assert len(counts) == 4
    assert counts.hits(1) == pytest.approx([1, 0, 0, 1 / 5])
    assert counts.hits(2) == pytest.approx([1, 1 / 3, 0, 2 / 5])
    assert counts.hits(4) == pytest.approx([1, 1, 1, 4 / 5])
    assert counts.percentile == pytest.approx([0, 0.5, 0.75, 0.5])
    assert counts.reciprocal == pytest.approx(
        [1, (1 / 2 + 1 / 3 + 1 / 4) / 3, 1 / 4, (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 5]
    )
    other = dataclasses.replace(counts, better=np.zeros(4, dtype=np.int64), ties=np.zeros(4, dtype=np.int64))
    both = Ranks(counts, other, np.arange(4), ("audio", "text"))
    assert both.mean_hits(1) == pytest.approx([1, 0.5, 0.5, 0.6])
    assert both.mean_percentile == pytest.approx([0, 0.25, 0.375, 0.25])
    assert (both.way("forward"), both.way("backward")) == ("audio_to_text", "text_to_audio")
    assert (both.side("forward"), both.side("backward")) == (counts, other)
    assert median_rank(both).value == np.median([1, 3, 4, 3])
    assert mrr(both).null == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 5)
    assert recall(both, 2).null == pytest.approx(2 / 5)
    assert mean_recall(both, 2).null == pytest.approx(2 / 5)


def test_too_few_candidates_are_counted_in_the_reason():
    measured = ranks(noisy(n=6))
    assert measured.too_few(5) is None
    assert measured.too_few(6).startswith(
        "a query has 5 wrong candidates, so any encoder would score r@6 = 1"
    )
    grouped = ranks(noisy(n=6), groups=[0, 0, 0, 0, 1, 2])
    assert grouped.too_few(3).startswith("a query has 2 wrong candidates")
    assert grouped.forward.candidates.tolist() == [2, 2, 2, 2, 5, 5]
