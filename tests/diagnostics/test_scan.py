import dataclasses

import numpy as np
import pytest
from scipy.stats import hypergeom

from mmaudit.diagnostics import matched_negative_drop, same_value_drops
from mmaudit.diagnostics.scan import UNKNOWN, _hits, categories
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.seeds import generator


def seen_twice(n=400, width=24, noise=1.0, seed=0, mark=None, weight=0.0):
    """Two noisy views of n items; ``mark`` (n,) is written into both beside them."""
    rng = generator(seed, "seen twice")
    z = rng.standard_normal((n, width))
    sides = [z + noise * rng.standard_normal(z.shape) for _ in range(2)]
    if mark is not None:
        sides = [np.hstack([side, weight * np.eye(mark.max() + 1)[mark]]) for side in sides]
    return Embeddings(*(side.astype(np.float32) for side in sides))


def test_expected_hits_are_the_sum_over_subsets_and_places():
    rng = generator(0, "expected hits")
    for _ in range(300):
        total = int(rng.integers(1, 30))
        better = int(rng.integers(0, total + 1))
        level = int(rng.integers(0, total - better + 1))
        drawn = int(rng.integers(1, total + 1))
        expected = np.mean([hypergeom.pmf(0, total, better + j, drawn) for j in range(level + 1)])
        found = _hits(np.array([[better], [level], [total]]), np.array([drawn]))
        assert found[0] == pytest.approx(expected, abs=1e-9)


def brute(embeddings, codes, groups):
    """The mean over queries, by listing candidates one by one."""
    x, y = embeddings.scored
    drops = []
    for q in range(len(x)):
        both = []
        for a, b in ((x, y), (y, x)):
            score = a[q] @ b.T
            wrong = [j for j in range(len(x)) if groups[j] != groups[q] and codes[j] != UNKNOWN]
            own = [score[j] > score[q] for j in wrong if codes[j] == codes[q]]
            other = [score[j] > score[q] for j in wrong if codes[j] != codes[q]]
            m = min(len(own), len(other))
            if codes[q] == UNKNOWN or m == 0:
                break
            both.append(hypergeom.pmf(0, len(other), sum(other), m) - hypergeom.pmf(0, len(own), sum(own), m))
        else:
            drops.append(np.mean(both))
    return np.sum(drops) / len(x)


def test_the_drop_is_the_exact_expectation():
    rng = generator(4, "exact")
    e = seen_twice(40, 6, noise=1.5)
    groups = rng.integers(0, 30, 40)
    columns = {"a": rng.integers(-1, 3, 40), "b": rng.integers(0, 2, 40)}
    for (name, codes), m in zip(columns.items(), same_value_drops(e, columns, groups, block=7), strict=True):
        assert m.value == pytest.approx(brute(e, codes, groups), abs=1e-12)
        assert (m.n, m.name) == (40, f"same_value_drop ({name})")


def test_neither_order_nor_block_nor_other_columns_matter():
    rng = generator(5, "orders")
    e = seen_twice()
    columns = {f"c{i}": rng.integers(-1, 4, len(e)) for i in range(3)}
    found = same_value_drops(e, columns)
    order = rng.permutation(len(e))
    moved = same_value_drops(e.take(order), {name: codes[order] for name, codes in columns.items()}, block=33)
    for a, b in zip(found, moved, strict=True):
        assert (a.value, a.se) == pytest.approx((b.value, b.se), abs=1e-12)
    (alone,) = same_value_drops(e, {"c1": columns["c1"]})
    assert alone == found[1]


@pytest.mark.parametrize("values", [2, 8])
def test_a_shortcut_of_two_values_is_seen_as_well_as_one_of_many(values):
    codes = generator(6, "codes").integers(0, values, 600)
    e = seen_twice(600, noise=1.2, mark=codes, weight=6.0)
    (m,) = same_value_drops(e, {"mark": codes})
    assert m.low > 0.25
    if values == 2:
        # Among random candidates half have the query's value already, and ruling out the rest wins little.
        assert matched_negative_drop(e, codes).high < 0.15


def test_the_interval_covers_where_nothing_is_to_be_found():
    covered = []
    for seed in range(60):
        codes = generator(seed, "idle column").integers(0, 2 + seed % 6, 250)
        (m,) = same_value_drops(seen_twice(250, noise=1.4, seed=seed), {"idle": codes})
        covered.append(m.low <= 0 <= m.high)
    assert sum(covered) >= 52  # binomial(60, 0.95) is below once in 1000


def test_what_cannot_be_scanned():
    e = seen_twice(20)
    (m,) = same_value_drops(e, {"unique": np.arange(20)})
    assert m.value is None
    assert m.notes[0] == "no query has candidates of its own value and of others"
    with pytest.raises(InputError, match=r"short has shape \(3,\); expected \(20,\)"):
        same_value_drops(e, {"short": np.arange(3)})


def test_categories_of_numbers_and_strings():
    bins = categories(np.concatenate([np.arange(100.0), [np.nan]]))
    assert bins[-1] == UNKNOWN
    assert np.bincount(bins[:-1]).tolist() == [20] * 5
    few = categories(np.array([3.0, 1.0] * 10))
    assert sorted(np.unique(few)) == [0, 1]
    names = np.array(["a"] * 9 + ["b"] * 8 + ["rare"] + [""] * 2)
    found = categories(names)
    assert (found[:17] >= 0).all()
    assert (found[17:] == UNKNOWN).all()
    assert found[0] == 0  # the commonest comes first


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (np.ones(20), "it has one value alone"),
        (np.array([str(i) for i in range(20)]), "its values are rare"),
        (np.full(20, np.nan), "it has one value alone"),
        (np.array(["a"] * 5 + ["b"] * 5 + [""] * 50), "its values are rare, or most are missing"),
    ],
)
def test_columns_that_say_nothing_are_named(column, reason):
    assert categories(column) == reason


def test_the_mirror_image_reads_the_same():
    e = seen_twice()
    codes = np.arange(len(e)) % 3
    (a,), (b,) = (same_value_drops(side, {"c": codes}) for side in (e, e.swapped()))
    assert a == dataclasses.replace(b, value=a.value, low=a.low, high=a.high, se=a.se)
    assert a.value == pytest.approx(b.value, abs=1e-12)


def test_the_error_of_a_drop_is_that_of_deleting_items():
    """The jackknife deletes items as queries and candidates, and counts what is peculiar to a pair twice."""
    codes = np.arange(100) % 3
    e = seen_twice(100, 8, noise=1.2, mark=codes, weight=1.0)

    def measured(rows):
        return same_value_drops(e.take(rows), {"a": codes[rows]})[0]

    without = np.array([measured(np.delete(np.arange(100), i)).value for i in range(100)])
    brute = np.sqrt(0.99 * np.sum((without - without.mean()) ** 2))
    m = measured(np.arange(100))
    assert 0.7 < m.se / brute < 1.05
    assert (m.n, m.null, m.unit, m.notes) == (100, 0.0, "share", ())


def test_an_item_without_a_value_loses_nothing_and_is_counted():
    codes = np.where(np.arange(60) < 50, np.arange(60) % 2, UNKNOWN)
    (m,) = same_value_drops(seen_twice(60, 8, noise=1.0), {"a": codes})
    assert (m.n, m.df) == (60, 61)
    assert m.notes == ("10 of 60 queries lose nothing: their value is rare or missing",)


def test_columns_are_cut_as_documented():
    """Up to eight numbers are taken as they are, more into five bins; a value needs five items."""
    eight = categories(np.repeat(np.arange(8.0), 6))
    assert np.bincount(eight).tolist() == [6] * 8
    nine = categories(np.repeat(np.arange(9.0), 10))
    assert len(np.unique(nine)) == 5
    assert np.bincount(nine).sum() == 90
    # A value on a cut falls above it.
    ten = categories(np.repeat(np.arange(10.0), 10))
    cuts = np.quantile(np.repeat(np.arange(10.0), 10), [0.2, 0.4, 0.6, 0.8])
    bins = np.searchsorted(cuts, np.repeat(np.arange(10.0), 10), side="right")
    assert len({(a, b) for a, b in zip(ten.tolist(), bins.tolist(), strict=True)}) == len(np.unique(bins))
    five = categories(np.array(["a"] * 5 + ["b"] * 6 + ["c"] * 4))
    assert five.tolist() == [1] * 5 + [0] * 6 + [UNKNOWN] * 4
    assert categories(np.array(["a"] * 5 + ["b"] * 4)) == "its values are rare"
    assert categories(np.array(["a"] * 5 + ["b"] * 5)).tolist() == [0] * 5 + [1] * 5


def test_the_sixty_four_commonest_values_are_kept():
    names = np.repeat([f"v{k}" for k in range(70)], np.arange(75, 5, -1))
    found = categories(names)
    assert found.max() == 63
    assert (found[names == "v63"] == 63).all()
    assert (found[names == "v64"] == UNKNOWN).all()


@pytest.mark.parametrize(("missing", "scanned"), [(40, True), (41, False)])
def test_a_fifth_of_the_items_must_be_known(missing, scanned):
    found = categories(np.array(["a"] * 5 + ["b"] * 5 + [""] * missing))
    assert isinstance(found, str) != scanned
    numbers = categories(np.array([0.0] * 5 + [1.0] * 5 + [np.nan, np.inf] * 20 + [np.nan] * (missing - 40)))
    assert isinstance(numbers, str) != scanned


def test_codes_of_truths_and_whole_numbers():
    assert categories(np.arange(20) % 2 == 0).tolist() == [1, 0] * 10
    assert categories(np.array([7, 7, 7, 3, 3, 3] * 3)).tolist() == [1, 1, 1, 0, 0, 0] * 3


def test_ties_are_met_in_random_order():
    e = Embeddings(np.ones((8, 2)), np.ones((8, 2)))
    (m,) = same_value_drops(e, {"a": np.arange(8) % 2})
    assert m.value == pytest.approx(0.0, abs=1e-12)
    assert m.n == 8


def test_two_queries_are_measured_and_one_is_not():
    """Only the queries of a value that others share, too, have candidates of both kinds."""
    e = seen_twice(4, 4)
    assert same_value_drops(e, {"a": np.array([0, 0, 1, UNKNOWN])})[0].notes == (
        "2 of 4 queries lose nothing: their value is rare or missing",
    )
    (none,) = same_value_drops(e, {"a": np.array([0, 1, 2, UNKNOWN])})
    assert none.value is None
    assert none.n == 4
