import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mmaudit import inference
from mmaudit.errors import InputError
from mmaudit.seeds import generator

limits = st.one_of(st.none(), st.floats(-0.2, 1.2))
samples = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=60)


def measurements(values):
    return [
        inference.proportion("p", values),
        inference.mean("m", values),
        inference.bounded_mean("b", values, (0, 1)),
        inference.mean_share("s", values),
        inference.exact("e", values[0], len(values)),
    ]


@given(samples, limits, limits, st.floats(0.001, 0.5))
@settings(deadline=None, max_examples=200)
def test_p_is_at_most_alpha_exactly_when_the_interval_is_outside(values, low, high, alpha):
    if low is not None and high is not None and low > high:
        low, high = high, low
    for m in measurements(values):
        p = inference.tail_probability(m, low, high)
        at = inference.at_confidence(m, 1 - alpha)
        gaps = [low - at.high] if low is not None else []
        gaps += [at.low - high] if high is not None else []
        assume(abs(p - alpha) > 1e-9)
        assume(all(abs(gap) > 1e-12 for gap in gaps) or m.value in (low, high))
        assert 0 <= p <= 1
        assert (p <= alpha) == any(gap > 0 for gap in gaps)


def test_p_values_of_scipy():
    values = generator(1, "t").normal(size=20)
    m = inference.mean("m", values)
    limit = m.value - 0.3
    assert inference.tail_probability(m, None, limit) == pytest.approx(
        scipy.stats.ttest_1samp(values, limit).pvalue, rel=1e-10
    )
    p = inference.proportion("p", [1.0] * 14 + [0.0] * 6)
    z = (0.7 - 0.5) / math.sqrt(0.25 / 20)
    assert inference.tail_probability(p, 0.2, 0.5) == pytest.approx(2 * scipy.stats.norm.sf(z), rel=1e-12)


def test_limits_too_close_to_tell_from_the_value_do_not_overflow():
    nothing = inference.proportion("p", [0.0, 0.0])
    assert inference.tail_probability(nothing, 5e-324, None) == 1.0
    assert inference.n_to_decide(nothing, 5e-324, None) is None
    assert inference.n_to_decide(inference.student("m", 0.0, 1.0, 9, 10), 1e-200, None) is None


def test_p_without_doubt_or_without_a_question():
    one = inference.exact("e", 0.5, 4)
    assert inference.tail_probability(one, 0.5, 0.5) == 1.0
    assert inference.tail_probability(one, 0.6, None) == 0.0
    assert inference.tail_probability(one, None, None) == 1.0
    assert inference.tail_probability(inference.undefined("u", "why"), 0, 1) is None
    still = inference.mean("m", [2.0, 2.0])
    assert inference.tail_probability(still, None, 1.0) == 0.0
    assert inference.tail_probability(inference.proportion("p", [1.0, 0.0]), 1.0, None) == 0.0
    by_hand = dataclasses.replace(inference.proportion("p", [1.0, 0.0, 0.0]), df=None)
    assert inference.tail_probability(by_hand, 0.9, None) == pytest.approx(
        2 * scipy.stats.norm.cdf((1 / 3 - 0.9) / math.sqrt(0.09 / 3))
    )


def test_holm_by_hand():
    assert inference.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert inference.holm([0.01, None, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06)]
    assert inference.holm([0.01, 0.3], family=10) == [pytest.approx(0.1), 1.0]
    assert inference.holm([]) == []
    with pytest.raises(InputError, match="family of 1"):
        inference.holm([0.1, 0.2], family=1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.integers(0, 4), st.floats(0.01, 0.2))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values, silent, alpha):
    m = len(p_values) + silent
    rejected, order = set(), sorted(range(len(p_values)), key=p_values.__getitem__)
    for step, i in enumerate(order):
        assume(abs((m - step) * p_values[i] - alpha) > 1e-12)
        if (m - step) * p_values[i] > alpha:
            break
        rejected.add(i)
    adjusted = inference.holm(p_values, family=m)
    assert {i for i, p in enumerate(adjusted) if p <= alpha} == rejected


@given(st.integers(5, 200), st.data(), st.floats(0.02, 0.98))
@settings(deadline=None, max_examples=100)
def test_n_to_decide_is_the_first_n_that_clears(n, data, limit):
    hits = data.draw(st.integers(1, n - 1))
    assume(abs(hits / n - limit) > 0.01)
    m = inference.proportion("p", [1.0] * hits + [0.0] * (n - hits))
    needed = inference.n_to_decide(m, limit, None)

    def clears(count):
        trials = m.df * count / m.n
        at = inference.at_confidence(dataclasses.replace(m, df=trials), m.confidence)
        return at.low > limit - 1e-10 or at.high < limit + 1e-10

    assert clears(needed)
    assert needed == 1 or not clears(needed - 1 - 1e-6)


def test_n_to_decide_for_student_and_two_limits():
    m = inference.student("m", 0.5, 0.1, 99, 100)
    half = m.high - m.value
    assert inference.n_to_decide(m, None, 0.6) == math.ceil(100 * (half / 0.1) ** 2)
    assert inference.n_to_decide(m, 0.3, 0.6) == inference.n_to_decide(m, None, 0.6)
    assert inference.n_to_decide(m, 0.45, 0.6) == math.ceil(100 * (half / 0.05) ** 2)
    assert inference.n_to_decide(m, 0.55, 0.9) == math.ceil(100 * (half / 0.05) ** 2)
    assert inference.n_to_decide(m, 0.1, 0.4) == math.ceil(100 * (half / 0.1) ** 2)


def test_n_to_decide_where_more_items_do_not_help():
    assert inference.n_to_decide(inference.exact("e", 0.5, 3), 0.1, None) is None
    assert inference.n_to_decide(inference.undefined("u", "why"), 0.1, None) is None
    assert inference.n_to_decide(inference.student("m", 0.5, 0.1, 9, 10), 0.5, None) is None
    assert inference.n_to_decide(inference.student("m", 0.5, 0.1, 9, 10), None, None) is None
    assert inference.n_to_decide(inference.mean("m", [1.0, 1.0]), 0.5, None) is None


def test_shared_variance_of_a_hub_is_what_resampling_whole_items_shows():
    # Item i spoils the queries of every other item it is told to: with probability rate[i], on its own.
    rng = generator(8, "hub")
    n, redraws = 200, 400
    means, queries_alone, corrected = [], [], []
    for _ in range(redraws):
        rate = np.where(rng.random(n) < 0.02, 0.08, 0.0005)
        beaten = rng.random((n, n)) < rate
        np.fill_diagonal(beaten, False)
        better = beaten.sum(axis=1)
        hits = (better == 0).astype(float)
        query, spoiler = np.nonzero(beaten & (better == 1)[:, None])
        shared = inference.shared_variance(hits, query, spoiler, np.ones(len(query)), np.arange(n))
        means.append(hits.mean())
        queries_alone.append(hits.var(ddof=1) / n)
        corrected.append(hits.var(ddof=1) / n + shared)
    truth = np.var(means, ddof=1)
    assert truth > 1.5 * np.mean(queries_alone)
    assert np.mean(corrected) == pytest.approx(truth, rel=0.2)


def test_shared_variance_without_interactions_or_clusters_is_zero():
    nothing = np.zeros(0, dtype=np.int64)
    values = np.array([0.0, 1.0, 1.0])
    assert inference.shared_variance(values, nothing, nothing, np.zeros(0), np.arange(3)) == 0
    one = np.array([0]), np.array([1]), np.ones(1)
    assert inference.shared_variance(values, *one, np.zeros(3, dtype=np.int64)) == 0


def test_shared_variance_by_hand():
    # Item 2 alone spoils items 0 and 1: the deletion values are written out, less the pairs' own part.
    values = np.array([0.0, 0.0, 1.0, 1.0])
    first, second = np.array([0, 1]), np.array([2, 2])
    own = values - 0.5
    whole = own - (np.array([0.0, 0.0, 2.0, 0.0]) - 0.5)
    excess = 4 / 3 * (np.sum(whole**2) - np.sum(own**2)) - 2
    expected = max(0.0, excess) / 16
    assert inference.shared_variance(values, first, second, np.ones(2), np.arange(4)) == pytest.approx(
        expected
    )

    # A hub that spoils four of eight, itself a miss; two of the spoiled are one cluster.
    values = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    clusters = np.array([4, 4, 2, 3, 9, 0, 1, 5])
    own = np.array([-0.75, -0.375, -0.375, -0.375, 0.625, 0.625, 0.625])
    whole = own - (np.array([0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0]) - 0.5 * np.array([2, 1, 1, 1, 1, 1, 1]))
    excess = 7 / 6 * (np.sum(whole**2) - np.sum(own**2)) - (2**2 + 1 + 1)
    measured = inference.shared_variance(values, np.arange(4), np.full(4, 4), np.ones(4), clusters)
    assert excess > 0
    assert measured == pytest.approx(excess / 64)


def test_n_to_decide_reaches_by_the_degrees_of_freedom_and_not_by_n():
    m = inference.student("m", 0.5, 0.1, df=3, n=1000)
    half = scipy.stats.t.ppf(0.975, 3) * 0.1
    assert inference.n_to_decide(m, None, 0.6) == math.ceil(1000 * (half / 0.1) ** 2)


def test_more_items_than_json_can_count_decide_nothing():
    m = inference.student("m", 0.0, 1.0, 9, 10)
    assert inference.n_to_decide(m, -1e-9, None) is None
    assert inference.n_to_decide(m, -1e-6, None) < 2**53


def test_two_items_that_spoil_each_other_are_one_pair():
    """What is peculiar to a pair is taken off once for the pair, whichever way round it came."""
    values = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    first, second = np.array([0, 1, 2, 3, 1, 4]), np.array([4, 4, 4, 4, 0, 1])
    effect = np.array([1.0, 1.0, 1.0, 1.0, 0.5, 0.25])
    # 4 and 1 spoil each other; 4 spoils 0, 2 and 3 as well, and 0 spoils 1.
    own = values - values.mean()
    whole = own - (np.array([0.5, 0.25, 0.0, 0.0, 4.0, 0.0]) - effect.sum() / 6)
    peculiar = 1.0 + (1.0 + 0.25) ** 2 + 1.0 + 1.0 + 0.5**2
    expected = (6 / 5 * (np.sum(whole**2) - np.sum(own**2)) - peculiar) / 36
    assert expected > 0.05
    for order in (np.arange(6), np.arange(6)[::-1]):
        found = inference.shared_variance(values, first[order], second[order], effect[order], np.arange(6))
        assert found == pytest.approx(expected)


def test_no_item_more_is_asked_for_where_a_whole_number_decides():
    """Half the error is wanted: four times the items, and not one more for a rounding."""
    m = inference.student("m", 0.5, 0.1, 99, 25)
    half = m.high - m.value
    assert inference.n_to_decide(m, None, 0.5 + half / 2) == 100
    assert inference.n_to_decide(m, None, 0.5 + half / 3) == 225
    assert inference.n_to_decide(m, 0.5 - half / 5, None) == 625


def test_a_limit_that_no_share_can_reach_is_cleared_by_one_item():
    m = inference.proportion("p", [1.0, 0.0, 1.0])
    assert inference.n_to_decide(m, None, 1.2) == inference.n_to_decide(m, -0.5, None) == 1
    assert inference.n_to_decide(m, None, 1.0) == 1
