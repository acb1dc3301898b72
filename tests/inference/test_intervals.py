import dataclasses
import functools
import math
import statistics

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaudit import inference
from mmaudit.errors import InputError
from mmaudit.seeds import generator

hits01 = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=40)


def test_mean_is_the_textbook_student_interval():
    values = generator(1, "mean").normal(size=30)
    m = inference.mean("m", values, confidence=0.9)
    assert m.se == pytest.approx(scipy.stats.sem(values), rel=1e-13)
    assert (m.low, m.high) == pytest.approx(
        scipy.stats.t.interval(0.9, 29, loc=statistics.fmean(values), scale=scipy.stats.sem(values)),
        rel=1e-12,
    )
    assert (m.interval, m.df, m.n, m.confidence) == ("student", 29, 30, 0.9)


def test_mean_of_equal_clusters_is_the_mean_of_cluster_means():
    values = generator(2, "mean").normal(size=(12, 5))
    m = inference.mean("m", values.ravel(), clusters=np.repeat(np.arange(12), 5))
    whole = inference.mean("m", values.mean(axis=1))
    assert m.value == pytest.approx(whole.value, rel=1e-13)
    assert m.se == pytest.approx(whole.se, rel=1e-12)
    assert (m.df, m.n) == (11, 60)


def test_mean_of_unequal_clusters_follows_the_written_formula():
    values, clusters = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 0.0]), np.array([7, 7, 3, 3, 3, 9])
    centre = values.mean()
    totals = [sum(v - centre for v, c in zip(values, clusters, strict=True) if c == k) for k in (3, 7, 9)]
    m = inference.mean("m", values, clusters=clusters)
    assert m.se == pytest.approx(math.sqrt(3 / 2 * sum(t * t for t in totals)) / 6, rel=1e-13)


@pytest.mark.parametrize("hits", [0, 1, 7, 20])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_proportion_is_the_wilson_interval_of_scipy(hits, confidence):
    m = inference.proportion("p", [1.0] * hits + [0.0] * (20 - hits), confidence=confidence)
    expected = scipy.stats.binomtest(hits, 20).proportion_ci(confidence, method="wilson")
    assert (m.low, m.high) == pytest.approx(tuple(expected), abs=1e-14)
    assert m.df == pytest.approx(20)


def test_effective_trials_never_exceed_the_hits_and_count_whole_clusters():
    repeated = np.repeat([1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0], 5)
    clusters = np.repeat(np.arange(8), 5)
    m = inference.proportion("p", repeated, clusters=clusters)
    assert m.n == 40
    # The variance of 40 independent hits over that of the mean of 8 clusters, (p q / 39) / (p q / 7).
    assert m.df == pytest.approx(40 * 7 / 39)
    assert inference.proportion("p", np.tile([0.0, 1.0], 20), clusters=clusters // 2).df == 40
    assert inference.proportion("p", np.ones(40), clusters=clusters).df == 8
    assert inference.proportion("p", np.ones(5), clusters=np.zeros(5)).df == 1
    assert inference.proportion("p", [1.0, 0.0, 1.0], clusters=np.zeros(3)).df == 1


def test_variance_that_items_share_costs_trials_and_widens_differences():
    hits = np.tile([0.0, 1.0], 50)
    assert inference.proportion("p", hits, shared=0.0075).df == pytest.approx(25, rel=0.02)
    plain = inference.paired_difference("d", hits, hits[::-1])
    wide = inference.paired_difference("d", hits, hits[::-1], shared=0.01)
    assert wide.se**2 == pytest.approx(plain.se**2 + 0.01)


def test_paired_difference_is_bonett_and_price():
    rng = generator(3, "paired")
    first, second = rng.random(50) < 0.7, rng.random(50) < 0.6
    only_first, only_second = np.sum(first & ~second), np.sum(second & ~first)
    p12, p21 = (only_first + 1) / 52, (only_second + 1) / 52
    m = inference.paired_difference("d", first, second)
    assert m.se == pytest.approx(math.sqrt((p12 + p21 - (p12 - p21) ** 2) / 52), rel=1e-13)
    assert m.value == pytest.approx((only_first - only_second) / 50)


def test_no_disagreement_still_has_a_width():
    m = inference.paired_difference("d", np.ones(100), np.ones(100))
    assert m.value == 0
    assert m.high == -m.low > 0.01


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 2, st.integers(0, 4)), min_size=1, max_size=30))
@settings(deadline=None, max_examples=50)
def test_paired_difference_is_exactly_antisymmetric(rows):
    first, second, clusters = (np.array(column) for column in zip(*rows, strict=True))
    one = inference.paired_difference("d", first, second, clusters=clusters)
    other = inference.paired_difference("d", second, first, clusters=clusters)
    assert (one.value, one.low, one.high, one.se) == (-other.value, -other.high, -other.low, other.se)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=2, max_size=30), st.randoms())
@settings(deadline=None, max_examples=50)
def test_no_constructor_depends_on_the_order_of_items(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    results = []
    for table in (rows, shuffled):
        values, clusters = (np.array(column) for column in zip(*table, strict=True))
        results.append(
            (
                inference.mean("m", values, clusters=clusters),
                inference.proportion("p", values, clusters=clusters),
                inference.bounded_mean("b", values, (0, 1), clusters=clusters),
                inference.mean_share("s", values, clusters=clusters),
            )
        )
    assert results[0] == results[1]


def test_linearized_of_the_identity_is_the_mean_and_takes_any_value():
    values = generator(4, "lin").normal(size=20)
    m = inference.linearized("l", 7.0, values)
    assert m.se == pytest.approx(scipy.stats.sem(values))
    assert m.value == 7.0


def test_jackknife_of_the_mean_with_one_row_a_group_is_its_standard_error():
    values = generator(5, "jack").normal(size=25)
    order = inference.canonical_order(values)
    m = inference.jackknife("j", lambda rows: float(values[rows].mean()), order, groups=25)
    assert m.se == pytest.approx(scipy.stats.sem(values), rel=1e-9)
    assert m.df == 24


def test_the_mean_without_each_item_has_its_standard_error():
    values = generator(5, "jack").normal(size=25)
    m = inference.delete_one("d", 7.0, (values.sum() - values) / 24)
    assert (m.value, m.df, m.n) == (7.0, 24, 25)
    assert m.se == pytest.approx(scipy.stats.sem(values), rel=1e-9)


def test_what_is_undefined_without_an_item_is_undefined():
    m = inference.delete_one("d", 1.0, [1.0, math.nan, 2.0])
    assert (m.value, m.n) == (None, 3)
    assert "undefined on a part of the items: 1 of 4" in m.notes[0]
    assert inference.delete_one("d", math.inf, [1.0, 2.0]).value is None
    alone = inference.delete_one("d", 1.0, [0.0])
    assert (alone.value, alone.n) == (None, 1)
    assert "at least two" in alone.notes[0]


def test_jackknife_does_not_depend_on_item_order():
    values = generator(6, "jack").normal(size=(60, 3)).astype(np.float32)
    moved = values[generator(6, "shuffle").permutation(60)]

    def measured(table):
        spread = lambda rows: float(np.log(table[rows].std()))  # noqa: E731
        return inference.jackknife("j", spread, inference.canonical_order(table))

    assert measured(values) == measured(moved)


def test_jackknife_of_an_undefined_statistic_is_undefined():
    order = np.arange(10)
    m = inference.jackknife("j", lambda rows: math.nan if 3 in rows else 1.0, order)
    assert m.value is None
    assert "not finite" in m.notes[0]
    assert inference.jackknife("j", len, [0]).value is None


def test_canonical_order_sorts_equal_content_equally_and_ignores_the_sign_of_zero():
    table = np.array([[0.0, 2.0], [1.0, 1.0], [-0.0, 1.0], [3.0, -1.0]])
    extra = np.array([5, 6, 7, 8])
    order = inference.canonical_order(table, extra)
    for rows in ([3, 2, 1, 0], [1, 3, 0, 2]):
        again = inference.canonical_order(table[rows] + 0.0, extra[rows])
        np.testing.assert_array_equal(extra[rows][again], extra[order])
    assert inference.canonical_order(np.zeros((3, 0))).tolist() == [0, 1, 2]
    assert order.dtype == np.int64


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_comes_out_as_undefined_with_a_reason(bad):
    for m in (
        inference.mean("m", [1.0, bad]),
        inference.linearized("m", 1.0, [1.0, bad]),
        inference.linearized("m", bad, [1.0, 2.0]),
        inference.bounded_mean("m", [bad, 1.0], (0, 1)),
        inference.mean_share("m", [bad, 1.0]),
        inference.proportion("m", [bad, 1.0]),
        inference.paired_difference("m", [bad, 1.0], [0.0, 0.0]),
        inference.exact("m", bad, 3),
        inference.student("m", 1.0, bad, 3, 4),
    ):
        assert (m.value, m.low, m.high, m.interval) == (None, None, None, "none")
        assert "finite" in m.notes[0]


@pytest.mark.parametrize("values", [[], [1.0]])
def test_too_few_items_for_a_standard_error(values):
    assert inference.mean("m", values).value is None
    assert inference.proportion("p", []).value is None
    assert inference.bounded_mean("b", [], (0, 1)).value is None
    assert inference.mean_share("s", []).value is None
    one = inference.proportion("p", [1.0])
    assert (one.value, one.high) == (1.0, 1.0)
    assert one.low < 0.3
    assert inference.paired_difference("d", [1.0], [0.0]).low < 0


def test_equal_items_are_noted():
    m = inference.mean("m", [2.0, 2.0, 2.0], notes=("mine",))
    assert m.low == m.high == 2.0
    assert m.notes[0] == "mine"
    assert "no width" in m.notes[1]


def test_propagated_error_of_a_difference_of_means_is_welch():
    rng = generator(7, "welch")
    a, b = rng.normal(size=12), 3 * rng.normal(size=30)
    parts = ((1.0, inference.mean("a", a)), (-1.0, inference.mean("b", b)))
    m = inference.propagated("d", a.mean() - b.mean(), parts, 42)
    expected = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert (m.low, m.high) == pytest.approx(tuple(expected), rel=1e-10)
    undefined = inference.propagated("d", 0.0, ((1.0, inference.undefined("gone", "why")),), 3)
    assert undefined.value is None
    assert "gone" in undefined.notes[0]
    assert "why" in undefined.notes[0]


@given(hits01, st.floats(0.5, 0.999), st.floats(0.5, 0.999))
@settings(deadline=None, max_examples=50)
def test_restating_equals_measuring_at_that_confidence(hits, first, second):
    table = [
        inference.proportion("p", hits, confidence=first),
        inference.bounded_mean("b", hits, (0, 1), confidence=first),
        inference.mean_share("s", hits, confidence=first),
        inference.exact("e", hits[0], 1, confidence=first),
        inference.undefined("u", "why", confidence=first),
    ]
    direct = [
        inference.proportion("p", hits, confidence=second),
        inference.bounded_mean("b", hits, (0, 1), confidence=second),
        inference.mean_share("s", hits, confidence=second),
        inference.exact("e", hits[0], 1, confidence=second),
        inference.undefined("u", "why", confidence=second),
    ]
    assert [inference.at_confidence(m, second) for m in table] == direct


def test_a_wilson_measurement_built_by_hand_needs_no_df():
    m = inference.proportion("p", [1.0, 0.0, 1.0, 1.0])
    by_hand = dataclasses.replace(m, df=None)
    assert inference.at_confidence(by_hand, 0.9).low == pytest.approx(inference.at_confidence(m, 0.9).low)


def test_labels_reach_the_measurement():
    m = inference.mean(
        "m", [1, 2], unit="nats", direction="lower is better", null=1, notes=("a",), method="mine"
    )
    assert (m.unit, m.direction, m.null, m.notes, m.method) == (
        "nats", "lower is better", 1.0, ("a",), "mine",
    )  # fmt: skip
    assert isinstance(m.null, float)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_that_is_no_share_is_refused(confidence):
    with pytest.raises(InputError, match=r"such as 0\.95"):
        inference.mean("m", [1, 2], confidence=confidence)


def test_bad_columns_are_refused():
    with pytest.raises(InputError, match="one value an item"):
        inference.mean("m", [[1.0, 2.0]])
    with pytest.raises(InputError, match=r"outside \[0, 1\]"):
        inference.proportion("p", [0.0, 2.0])
    with pytest.raises(InputError, match=r"outside \[-1, 1\]"):
        inference.paired_difference("d", [2.0], [0.0])
    with pytest.raises(InputError, match="same items"):
        inference.paired_difference("d", [1.0], [0.0, 1.0])
    with pytest.raises(InputError, match="one label an item"):
        inference.mean("m", [1.0, 2.0], clusters=[1])


def test_a_proportion_of_nothing_counts_no_item():
    m = inference.proportion("p", [])
    assert (m.value, m.n, m.notes) == (None, 0, ("no item to measure",))


def test_hits_that_balance_each_other_are_worth_no_more_trials_than_there_are():
    """One hit and one miss in a cluster: the mean varies less than that of independent trials."""
    m = inference.proportion("p", [1.0, 0.0, 1.0, 0.0, 1.0, 1.0], clusters=[0, 0, 1, 1, 2, 2])
    assert m.df == 6


def test_one_interaction_is_an_interaction():
    """By hand: the spoiler missed, own = -3/4, effect 3; 4/3 (-2 · 3 · own + 3/4 · 9) - 9 = 6, over n²."""
    values = np.array([1.0, 0.0, 1.0, 1.0])
    one, two = np.array([0]), np.array([1])
    alone = inference.shared_variance(values, one, two, np.array([3.0]), np.arange(4))
    assert alone == pytest.approx(6 / 16)
    nothing = np.zeros(0, dtype=np.int64)
    assert inference.shared_variance(values, nothing, nothing, np.zeros(0), np.arange(4)) == 0


VALUES = np.array([0.0, 1.0, 0.25, 0.75, 1.0])
CONSTRUCTORS = {
    "exact": (lambda **k: inference.exact("m", 2.0, 5, **k), "exact"),
    "student": (lambda **k: inference.student("m", 2.0, 0.5, 4, 5, **k), "Student t interval"),
    "mean": (lambda **k: inference.mean("m", VALUES, **k), "mean, Student t"),
    "clustered mean": (
        lambda **k: inference.mean("m", VALUES, clusters=[0, 0, 1, 1, 2], **k),
        "mean, cluster-robust Student t",
    ),
    "linearized": (
        lambda **k: inference.linearized("m", 1.0, VALUES, **k),
        "infinitesimal jackknife, Student t",
    ),
    "bounded mean": (
        lambda **k: inference.bounded_mean("m", VALUES, (0, 1), **k),
        "mean, adjusted Wald (two pseudo-items), Student t",
    ),
    "mean share": (
        lambda **k: inference.mean_share("m", VALUES > 0.5, **k),
        "Wilson score interval, 5 effective trials",
    ),
    "paired difference": (
        lambda **k: inference.paired_difference("m", VALUES, VALUES[::-1], **k),
        "paired difference, Bonett-Price adjusted Wald",
    ),
    "proportion": (lambda **k: inference.proportion("m", VALUES > 0.5, **k), "Wilson score interval"),
    "jackknife": (
        lambda **k: inference.jackknife("m", lambda rows: float(VALUES[rows].mean()), range(5), 5, **k),
        "delete-a-group jackknife (5 groups), Student t",
    ),
    "delete one": (
        lambda **k: inference.delete_one("m", 1.0, VALUES, **k),
        "delete-one jackknife, Student t",
    ),
    "propagated": (
        lambda **k: inference.propagated("m", 1.0, [(2.0, inference.mean("a", VALUES))], 5, **k),
        "delta method, Welch t",
    ),
    "undefined": (lambda **k: inference.undefined("m", "why", **k), "undefined"),
}


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_every_constructor_says_how_it_measures_unless_it_is_told(name):
    make, method = CONSTRUCTORS[name]
    assert make().method == method
    assert make(method="mine").method == "mine"
    plain = make()
    assert (plain.confidence, plain.unit, plain.direction, plain.null) == (0.95, "", "descriptive", None)
    assert plain.name == "m"
    told = make(confidence=0.5, unit="nats", direction="higher is better", null=0)
    assert (told.confidence, told.unit, told.direction, told.null) == (0.5, "nats", "higher is better", 0.0)


def test_effective_trials_are_told_where_they_are_fewer():
    hits, clusters = np.repeat([1.0, 0.0, 1.0], 4), np.repeat([0, 1, 2], 4)
    assert inference.proportion("p", hits).method == "Wilson score interval"
    clustered = inference.proportion("p", hits, clusters=clusters)
    assert clustered.method == f"Wilson score interval, {clustered.df:.4g} effective trials"


def test_a_bounded_mean_is_that_of_two_more_items():
    """The definition: SS of the items and one at each bound about their mean, over (n + 2)²; df = n + 1."""
    for values, bounds in (
        (VALUES, (0.0, 1.0)),
        (4 * VALUES - 1, (-2.0, 5.0)),
        (np.array([0.3]), (0.0, 1.0)),
    ):
        m = inference.bounded_mean("b", values, bounds)
        more = np.append(values, bounds)
        assert m.se == pytest.approx(math.sqrt(np.sum((more - more.mean()) ** 2)) / len(more), rel=1e-12)
        assert (m.value, m.df, m.n) == (pytest.approx(values.mean()), len(values) + 1, len(values))
    grouped = inference.bounded_mean("b", np.repeat(VALUES, 3), (0, 1), clusters=np.repeat(range(5), 3))
    alone = inference.bounded_mean("b", VALUES, (0, 1))
    assert (grouped.se, grouped.df, grouped.n) == (pytest.approx(alone.se, rel=1e-12), 6, 15)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.5, 0.9999))
@settings(deadline=None, max_examples=100)
def test_a_mean_share_has_an_interval_inside_its_range_that_never_closes(shares, confidence):
    m = inference.mean_share("s", shares, confidence=confidence)
    assert 0 <= m.low <= m.value <= m.high <= 1
    assert m.low < m.high
    mirrored = inference.mean_share("s", [1 - share for share in shares], confidence=confidence)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((m.low, m.high), abs=1e-9)


def test_a_mean_share_of_hits_is_a_proportion_and_of_many_shares_as_wide_as_a_bounded_mean():
    hits = np.arange(40) < 31
    m, whole = inference.mean_share("s", hits), inference.proportion("s", hits)
    assert (m.low, m.high, m.df) == pytest.approx((whole.low, whole.high, 40.0))
    shares = generator(3, "shares").beta(6, 3, size=4000)
    m, bounded = inference.mean_share("s", shares), inference.bounded_mean("s", shares, (0, 1))
    assert (m.low, m.high) == pytest.approx((bounded.low, bounded.high), abs=2e-5)
    grouped = inference.mean_share("s", np.repeat(hits, 3), clusters=np.repeat(range(40), 3))
    assert (grouped.df, grouped.n) == (pytest.approx(40), 120)
    with pytest.raises(InputError, match=r"shares lie in \[0, 2\], outside \[0, 1\]"):
        inference.mean_share("s", [0.0, 2.0])


@pytest.mark.parametrize("n", [30, 200])
def test_the_interval_of_a_mean_share_covers_near_its_end(n):
    """Percentiles of good ranks: nearly all first, a few anywhere."""
    rng = generator(n, "shares near one")
    drawn = np.where(rng.random((1000, n)) < 0.03, rng.random((1000, n)), 1.0)
    found = [inference.mean_share("s", shares) for shares in drawn]
    assert np.mean([m.low <= 1 - 0.03 / 2 <= m.high for m in found]) >= 0.93
    assert max(inference.bounded_mean("s", shares, (0, 1)).high for shares in drawn) > 1


def test_values_at_their_bounds_are_inside_them():
    assert inference.bounded_mean("b", [-1.0, 2.0], (-1, 2)).value == 0.5
    assert inference.proportion("p", [0.0, 1.0]).value == 0.5


def test_two_items_are_enough_for_a_standard_error():
    pair = np.array([1.0, 3.0])
    whole = inference.mean("m", pair)
    assert (whole.value, whole.se, whole.df) == (2.0, pytest.approx(1.0), 1)
    by_halves = inference.jackknife("m", lambda rows: float(pair[rows].mean()), np.arange(2))
    assert (by_halves.value, by_halves.se, by_halves.df, by_halves.n) == (2.0, pytest.approx(1.0), 1, 2)
    clustered = inference.mean("m", [1.0, 1.0, 3.0, 3.0], clusters=[5, 5, 6, 6])
    assert (clustered.se, clustered.df) == (pytest.approx(1.0), 1)
    assert inference.mean("m", [1.0, 3.0], clusters=[5, 5]).value is None


def test_jackknife_groups_are_as_even_as_they_can_be_and_default_to_twenty():
    seen = []

    def count(rows):
        seen.append(len(rows))
        return float(len(rows) % 7)

    assert inference.jackknife("j", count, np.arange(47)).df == 19
    assert seen[0] == 47
    assert sorted(seen[1:]) == [44] * 7 + [45] * 13


def test_jackknife_by_the_written_formula():
    """se² = (g − 1)/g · Σ(θ₍₋ₖ₎ − θ̄)², over what the statistic gave without each group."""
    values, given = generator(8, "jack").normal(size=30), []

    def statistic(rows):
        given.append(float(np.log(values[rows].std())))
        return given[-1]

    m = inference.jackknife("j", statistic, np.arange(30), groups=6)
    without = given[1:]
    centre = sum(without) / 6
    assert m.se == pytest.approx(math.sqrt(5 / 6 * sum((w - centre) ** 2 for w in without)), rel=1e-12)
    assert (m.value, m.df, m.n) == (given[0], 5, 30)


def test_error_is_propagated_only_from_what_has_one():
    wilson = inference.proportion("w", [1.0, 0.0])
    known = inference.exact("e", 1.0, 3)
    good = inference.mean("g", VALUES)
    for part, told in (
        (wilson, "w has no standard error: wilson"),
        (known, "e has no standard error: exact"),
    ):
        m = inference.propagated("d", 1.0, [(1.0, good), (1.0, part)], 5)
        assert (m.value, m.n, m.notes) == (None, 5, (told,))


def test_propagated_error_weighs_its_parts_and_needs_no_spread():
    good, still = inference.mean("g", VALUES), inference.mean("s", [2.0, 2.0, 2.0])
    m = inference.propagated("d", 1.0, [(-3.0, good)], 5)
    assert (m.se, m.df) == (pytest.approx(3 * good.se), pytest.approx(good.df))
    one_still = inference.propagated("d", 1.0, [(2.0, good), (5.0, still)], 5)
    assert (one_still.se, one_still.df) == (pytest.approx(2 * good.se), pytest.approx(good.df))
    none = inference.propagated("d", 1.0, [(2.0, still)], 9)
    assert (none.low, none.high, none.df) == (1.0, 1.0, 8.0)


def test_a_student_needs_a_degree_of_freedom():
    assert inference.student("m", 1.0, 0.1, 0, 1).value is None
    assert "at least two" in inference.student("m", 1.0, 0.1, -1, 1).notes[0]
    assert inference.student("m", 1.0, 0.1, 0.5, 2).value == 1.0
    assert inference.student("m", 1.0, 0.1, 3, 2).notes == ()


def test_clusters_need_not_be_in_order_and_all_alone_are_items():
    totals = inference.intervals.cluster_totals(np.array([1.0, 2.0, 4.0, 8.0]), np.array([9, 3, 9, 3]))
    assert totals.tolist() == [10.0, 5.0]
    alone = inference.intervals.cluster_totals(np.array([1.0, 2.0, 4.0]), np.array([2, 0, 1]))
    assert alone.tolist() == [2.0, 4.0, 1.0]


def test_an_undefined_measurement_counts_its_items_and_gives_its_reason_first():
    m = inference.undefined("m", "why", 7, notes=("mine",))
    assert (m.n, m.notes, m.interval) == (7, ("why", "mine"), "none")
    assert inference.undefined("m", "why").n == 0
    two_bad = inference.mean("m", [1.0, math.nan, math.inf])
    assert (two_bad.n, two_bad.notes) == (3, ("2 of 3 values are not finite numbers",))
    nothing = inference.linearized("m", 1.0, [])
    assert (nothing.n, nothing.notes) == (0, ("no item to measure",))
    assert inference.bounded_mean("b", [], (0, 1)).n == 0
    assert inference.bounded_mean("b", [math.nan], (0, 1)).n == 1
    assert inference.proportion("p", [math.nan] * 4).n == 4
    assert inference.jackknife("j", len, [0]).n == 1
    assert inference.jackknife("j", lambda rows: math.nan, range(6)).n == 6


def test_a_wilson_interval_touches_its_end_exactly_and_only_there():
    for n in (*range(1, 60), 1000):
        none, every = inference.proportion("p", np.zeros(n)), inference.proportion("p", np.ones(n))
        assert (none.low, every.high) == (0.0, 1.0)
        assert 0 < none.high == pytest.approx(1 - every.low)
    near = inference.proportion("p", np.append(np.ones(999), 0.0))
    assert 0.99 < near.low < 0.999 < near.high < 1
    few = inference.proportion("p", np.append(np.zeros(999), 1.0))
    assert 0 < few.low < 0.001 < few.high < 0.01


def test_canonical_order_is_that_of_the_bytes_side_by_side():
    first, second = np.array([2.0, 1.0, 1.0, 0.0]), np.array([[0.0, 1], [5, 0], [4, 9], [7, 7]])
    assert inference.canonical_order(first, second).tolist() == [3, 2, 1, 0]
    assert inference.canonical_order(np.zeros((0, 4))).tolist() == []
    assert inference.canonical_order(np.array([3.0, 1.0, 2.0, 1.0])).tolist() == [1, 3, 2, 0]
    cube = np.arange(12.0).reshape(3, 2, 2)[::-1]
    assert inference.canonical_order(cube).tolist() == [2, 1, 0]


def test_items_that_differ_by_little_are_sorted_by_that_little():
    """Else their order would be the one they came in."""
    table = np.array([[3e-30, 1.0], [1e-30, 1.0], [2e-30, 1.0]])
    assert inference.canonical_order(table).tolist() == [1, 2, 0]
    assert inference.canonical_order(table[::-1]).tolist() == [1, 0, 2]


def test_whole_groups_are_drawn_in_an_order_that_is_a_matter_of_content():
    rng = generator(3, "groups")
    x, groups = rng.integers(0, 9, (60, 2)).astype(float), rng.integers(0, 15, 60)
    order, moved = rng.permutation(60), rng.permutation(60)
    for ordered in (inference.canonical_order, functools.partial(inference.drawn_order, "some")):
        rows = ordered(x, groups=groups)
        assert np.array_equal(np.sort(rows), np.arange(60))
        assert np.count_nonzero(np.diff(groups[rows])) == len(np.unique(groups)) - 1
        again = ordered(x[order], groups=-groups[order])
        assert np.array_equal(x[order][again], x[rows])
        assert np.array_equal(ordered(x, groups=moved), ordered(x))
        with pytest.raises(InputError, match=r"groups have shape \(3,\); expected \(60,\)"):
            ordered(x, groups=[0, 1, 1])
        assert len(ordered(x[:0], groups=groups[:0])) == 0
    drawn = inference.drawn_order("some", x, groups=groups)
    assert not np.array_equal(drawn, inference.canonical_order(x, groups=groups))
    assert not np.array_equal(drawn, inference.drawn_order("some", x, groups=groups, seed=1))
