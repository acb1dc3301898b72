import itertools

import numpy as np
import pytest
import scipy.stats

from mmaudit import inference
from mmaudit.diagnostics import shortcut
from mmaudit.diagnostics.retrieval import ranks
from mmaudit.diagnostics.shortcut import (
    blind_baseline,
    counterfactual_drop,
    matched_negative_drop,
    twin_accuracy,
    twin_agreement,
)
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.seeds import generator


def twins(groups=150, size=4, shared=0.0, seed=0):
    """Twins of one latent; ``shared`` is the strength of a nuisance that a pair shares."""
    rng = generator(seed, "twins")
    latent = np.repeat(rng.normal(size=(groups, 8)), size, axis=0)
    nuisance = shared * rng.normal(size=latent.shape)
    x, y = (latent + nuisance + 0.3 * rng.normal(size=latent.shape) for _ in range(2))
    return x.astype(np.float32), y.astype(np.float32)


def marked(shared, n=160, values=8, seed=0, noise=0.5):
    """Pairs whose two modalities share a nuisance code, as loud in the embedding as ``shared``."""
    rng = generator(seed, "marked")
    latent, nuisance = rng.normal(size=(n, 12)), rng.integers(0, values, n)
    marker = shared * np.eye(values, 12)[nuisance]
    x, y = (latent + marker + noise * rng.normal(size=latent.shape) for _ in range(2))
    return Embeddings(x.astype(np.float32), y.astype(np.float32)), nuisance


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_the_chance_of_few_drawn_is_that_of_scipy(k):
    for total in (1, 2, 9, 150, 2000):
        for drawn in sorted({0, 1, min(3, total), total // 2, total - 1, total}):
            expected = scipy.stats.hypergeom(total, np.arange(total + 1), drawn).cdf(k - 1)
            np.testing.assert_allclose(shortcut._fewer_than(k, total, drawn), expected, rtol=1e-9, atol=1e-13)


def test_twins_without_a_shortcut_are_found_at_chance_and_with_one_above():
    clean, leaning = twin_accuracy(*twins(), 4), twin_accuracy(*twins(shared=0.5), 4)
    assert clean.low <= clean.null == 0.25 <= clean.high
    assert leaning.low > 0.4
    assert (clean.n, clean.df) == (150, 149)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_twin_accuracy_by_a_plain_loop(similarity):
    x, y = twins(groups=20, size=3, shared=0.3)
    a, b = Embeddings(x, y, similarity=similarity).scored
    hits = []
    for g, i in itertools.product(range(20), range(3)):
        rows = np.arange(3 * g, 3 * g + 3)
        hits.append(np.argmax(b[rows] @ a[3 * g + i]) == i)
        hits.append(np.argmax(a[rows] @ b[3 * g + i]) == i)
    m = twin_accuracy(x, y, 3, similarity)
    assert m.value == pytest.approx(np.mean(hits))
    groups = np.mean(np.reshape(hits, (20, 6)), axis=1)
    assert m.se == pytest.approx(inference.mean("m", groups).se)


def test_twins_that_tie_are_found_at_chance_exactly():
    x, y = twins(groups=10)
    same = np.repeat(x[::4], 4, axis=0)
    assert twin_accuracy(same, same, 4).value == 0.25
    assert twin_accuracy(np.zeros((8, 2)), np.zeros((8, 2)), 2).value == 0.5
    assert twin_accuracy(x, np.ones_like(y), 4).value == pytest.approx(0.25)
    assert twin_accuracy(y, y, 4).value == 1.0


def test_twins_that_make_no_groups_are_refused():
    for size in (1, 3):
        with pytest.raises(InputError, match="groups of"):
            twin_accuracy(np.ones((8, 2)), np.ones((8, 2)), size)
    assert twin_accuracy(np.ones((2, 2)), np.ones((2, 2)), 2).value is None


def test_counterfactual_drop_is_the_recall_lost():
    present, removed = ranks(marked(2.0)[0]), ranks(marked(0.0)[0])
    m = counterfactual_drop(present, removed)
    assert m.value == pytest.approx(np.mean(present.mean_hits(1)) - np.mean(removed.mean_hits(1)))
    reverse = counterfactual_drop(removed, present)
    assert (reverse.value, reverse.se) == (-m.value, pytest.approx(m.se, rel=1e-12))
    same = counterfactual_drop(present, present)
    assert same.value == 0.0
    assert same.low < 0 < same.high


def test_counterfactual_drop_takes_each_items_mean_over_redraws():
    present, redraws = ranks(marked(2.0)[0]), [ranks(marked(0.0, seed=s)[0]) for s in (1, 2, 3)]
    m = counterfactual_drop(present, redraws)
    single = [counterfactual_drop(present, drawn) for drawn in redraws]
    assert m.value == pytest.approx(np.mean([one.value for one in single]))
    assert m.se < min(one.se for one in single)
    assert counterfactual_drop(present, [redraws[0]]) == single[0]


def test_counterfactual_drop_wants_the_same_items():
    present = ranks(marked(1.0)[0])
    with pytest.raises(InputError, match="none without"):
        counterfactual_drop(present, [])
    with pytest.raises(InputError, match="same items"):
        counterfactual_drop(present, ranks(marked(1.0, n=20)[0]))
    few = ranks(marked(1.0, n=4)[0])
    assert counterfactual_drop(few, few, k=5).value is None


def by_enumeration(embeddings, nuisance, groups, k):
    """Average over every subset of candidates and every order of the tied, by brute force."""
    x, y = embeddings.scored
    n, drops = len(x), []

    def hit(similarity, query, candidates):
        own = similarity[query, query]
        gaps = similarity[query, candidates] - own
        better, ties = np.sum(gaps > 1e-11), np.sum(np.abs(gaps) <= 1e-11)
        return np.mean([better + place < k for place in range(ties + 1)])

    for i in range(n):
        others = [j for j in range(n) if groups[j] != groups[i]]
        matched = [j for j in others if nuisance[j] == nuisance[i]]
        if len(matched) < k:
            continue
        drop = 0.0
        for similarity in (x @ y.T, y @ x.T):
            subsets = itertools.combinations(others, len(matched))
            drop += np.mean([hit(similarity, i, list(s)) for s in subsets]) - hit(similarity, i, matched)
        drops.append(drop / 2)
    return np.mean(drops), len(drops)


@pytest.mark.parametrize("k", [1, 2])
def test_matched_negative_drop_is_the_exact_expectation(k):
    embeddings, _ = marked(1.5, n=11, values=3, noise=1.0)
    tied = embeddings.take([0, 1, 2, 3, 4, 5, 6, 7, 8, 2, 10])
    nuisance, groups = (
        np.array([0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 5]),
        np.array([0, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    )
    for case in (embeddings, tied):
        value, count = by_enumeration(case, nuisance, groups, k)
        m = matched_negative_drop(case, nuisance, groups, k)
        assert m.value == pytest.approx(value, abs=1e-12)
        assert m.n == count
        assert "left out" in m.notes[0]


def test_matched_negative_drop_sees_the_shortcut_and_not_a_column_that_plays_no_role():
    embeddings, nuisance = marked(2.0, n=300)
    assert matched_negative_drop(embeddings, nuisance).low > 0.01
    idle = generator(9, "idle").integers(0, 8, 300)
    m = matched_negative_drop(embeddings, idle)
    assert m.low < 0 < m.high
    assert m.notes == ()


def test_matched_negative_drop_depends_on_neither_order_nor_block():
    embeddings, nuisance = marked(1.0)
    order = generator(2, "order").permutation(160)
    m = matched_negative_drop(embeddings, nuisance)
    moved = matched_negative_drop(embeddings.take(order), nuisance[order])
    assert (moved.value, moved.se) == (m.value, m.se)
    assert matched_negative_drop(embeddings, nuisance, block=7) == m


def test_an_encoder_that_says_nothing_has_no_drop():
    z = np.ones((30, 2), dtype=np.float32)
    m = matched_negative_drop(Embeddings(z, z), np.arange(30) % 3)
    assert m.value == pytest.approx(0.0, abs=1e-15)
    assert m.low < 0 < m.high


def test_matched_negative_drop_that_cannot_be_measured():
    embeddings, _ = marked(1.0, n=10)
    assert "unique to each item" in matched_negative_drop(embeddings, np.arange(10)).notes[0]
    with pytest.raises(InputError, match="one value a pair"):
        matched_negative_drop(embeddings, np.arange(3))
    with pytest.raises(InputError, match="from 1 to 10"):
        matched_negative_drop(embeddings, np.arange(10), k=0)


@pytest.mark.parametrize("grouped", [False, True])
def test_the_blind_baseline_is_the_retrieval_of_an_encoder_that_sees_the_value_alone(grouped):
    rng = generator(11, "blind")
    codes, groups = rng.integers(0, 7, 90), rng.integers(0, 30, 90) if grouped else None
    seen = np.eye(7, dtype=np.float32)[codes]
    expected = ranks(Embeddings(seen, seen), groups).mean_hits(1).mean()
    m = blind_baseline(codes, groups)
    assert m.value == pytest.approx(expected, rel=1e-12)
    assert m.low == m.value == m.high
    assert blind_baseline(codes.astype(str), groups).value == m.value


def test_the_blind_baseline_at_its_ends():
    assert blind_baseline(np.arange(5)).value == 1.0
    assert blind_baseline(np.zeros(5)).value == pytest.approx(0.2)
    assert blind_baseline(np.zeros(5), np.zeros(5)).value == 1.0
    assert blind_baseline(np.zeros(0)).value is None
    with pytest.raises(InputError, match=r"shape \(2, 2\)"):
        blind_baseline(np.zeros((2, 2)))


def brute_error(measure, n):
    """The jackknife over items, each deleted as query and as candidate."""
    without = np.array([measure(np.delete(np.arange(n), i)) for i in range(n)])
    return np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))


def hubs(n=100, seed=0, noise=1.2, loud=0.5):
    """Pairs some of whose texts are near to everything: their deletion lets many others be found."""
    rng = generator(seed, "hubs in a gallery")
    latent, nuisance = rng.normal(size=(n, 10)), rng.integers(0, 4, n)
    x = latent + noise * rng.normal(size=latent.shape)
    y = (latent + noise * rng.normal(size=latent.shape)) * np.exp(loud * rng.normal(size=(n, 1)))
    return Embeddings(x.astype(np.float32), y.astype(np.float32), similarity="dot"), nuisance


@pytest.mark.parametrize("redraws", [1, 3])
def test_the_error_of_a_counterfactual_drop_is_that_of_deleting_items(redraws):
    present = hubs(loud=1.0)[0]
    removed = [hubs(loud=0.2, seed=s + 10)[0] for s in range(redraws)]

    def measured(rows):
        return counterfactual_drop(ranks(present.take(rows)), [ranks(e.take(rows)) for e in removed])

    m = measured(np.arange(100))
    # The jackknife counts what is peculiar to a pair twice, and the interval has two pseudo-items.
    assert 0.75 < m.se / brute_error(lambda rows: measured(rows).value, 100) < 1.2


@pytest.mark.parametrize("rare", [0, 12])
def test_the_error_of_a_matched_negative_drop_is_that_of_deleting_items(rare):
    """``rare`` items have a value of their own and are left out as queries; they stay in the gallery."""
    embeddings, nuisance = hubs(loud=0.8)
    nuisance = np.where(np.arange(100) < rare, 100 + np.arange(100), nuisance)

    def measured(rows):
        return matched_negative_drop(embeddings.take(rows), nuisance[rows])

    m = measured(np.arange(100))
    assert m.n == 100 - rare
    assert 0.7 < m.se / brute_error(lambda rows: measured(rows).value, 100) < 1
    assert m.notes == (
        (f"{rare} of 100 queries left out: too few candidates of their value",) if rare else ()
    )


def agreement_by_hand(x, y, size):
    """The correlation of centred similarities with the centred identity, a group at a time."""
    found = []
    middle = np.eye(size) - 1 / size
    for start in range(0, len(x), size):
        a, b = (z[start : start + size] for z in (x, y))
        a, b = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (a, b))
        centred = middle @ (a @ b.T) @ middle
        found.append(np.corrcoef(centred.reshape(-1), middle.reshape(-1))[0, 1])
    return np.mean(found)


@pytest.mark.parametrize("size", [2, 4, 5])
def test_twin_agreement_is_the_mantel_correlation_of_each_group(size):
    rng = np.random.default_rng(size)
    x = rng.standard_normal((40 * size, 6))
    y = x + rng.standard_normal(x.shape)
    m = twin_agreement(x.astype(np.float32), y.astype(np.float32), size)
    assert m.value == pytest.approx(agreement_by_hand(x, y, size), abs=1e-6)
    assert (m.null, m.n, m.unit) == (0, 40, "correlation")


def test_twin_agreement_is_one_for_partners_alone_and_zero_for_level_groups():
    x = np.tile(np.eye(4, dtype=np.float32), (10, 1))
    assert twin_agreement(x, x, 4).value == pytest.approx(1)
    level = np.ones((40, 4), dtype=np.float32)
    assert twin_agreement(level, level, 4).value == 0


def test_twin_agreement_sees_a_shortcut_too_faint_for_the_share_of_hits():
    """A common mark far smaller than what differs between the twins of each modality."""
    rng = np.random.default_rng(3)
    mark = 0.35 * rng.standard_normal((1200, 16))
    x, y = (rng.standard_normal((1200, 16)) + mark for _ in range(2))
    by_hits, by_agreement = (
        f(x.astype(np.float32), y.astype(np.float32), 4) for f in (twin_accuracy, twin_agreement)
    )
    assert (by_agreement.value - 0) / by_agreement.se > 1.1 * (by_hits.value - 0.25) / by_hits.se > 0
    assert by_agreement.low > 0


def test_twin_agreement_of_unrelated_twins_holds_zero_as_often_as_it_says():
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        x, y = (rng.standard_normal((240, 5)).astype(np.float32) for _ in range(2))
        m = twin_agreement(x, y, 4)
        held += m.low <= 0 <= m.high
    assert 180 <= held <= 199


def test_twin_agreement_refuses_rows_that_are_no_groups():
    z = np.ones((7, 3), dtype=np.float32)
    with pytest.raises(InputError, match="7 rows do not make groups of 4 twins"):
        twin_agreement(z, z, 4)


def test_subsets_of_counts_made_by_hand():
    """Three candidates, one better and one as good: a hit among one, two or all of them drawn."""
    one, tie = np.array([1]), np.array([1])
    for drawn, expected in ((0, 1.0), (1, (2 / 3 + 1 / 3) / 2), (2, (1 / 3 + 0) / 2), (3, 0.0)):
        found = shortcut._subset_hits(one, tie, np.array([3]), np.array([drawn]), 1)
        assert found == pytest.approx([expected])
    sure = shortcut._subset_hits(np.array([0, 3]), np.array([0, 0]), np.array([3, 3]), np.array([2, 2]), 1)
    assert sure.tolist() == [1.0, 0.0]


def test_least_numbers_of_twins_and_candidates():
    x, y = twins(groups=3, size=2)
    assert twin_accuracy(x, y, 2).n == 3
    with pytest.raises(InputError, match="groups of 1 twins"):
        twin_accuracy(x, y, 1)
    embeddings, _ = marked(1.0, n=12)
    exactly = matched_negative_drop(embeddings, np.arange(12) // 3, k=2)
    assert (exactly.value is not None, exactly.n) == (True, 12)
    assert matched_negative_drop(embeddings, np.arange(12) // 3, k=3).value is None
    only = np.array([0, 0, *range(1, 11)])
    assert matched_negative_drop(embeddings, only).n == 2
