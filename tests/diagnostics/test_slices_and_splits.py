import numpy as np
import pytest

from mmaudit.diagnostics import (
    measured_slices,
    near_duplicates,
    ranks,
    slice_discrimination,
    slice_spread,
    split_overlap,
)
from mmaudit.embeddings import Embeddings
from mmaudit.inference import mean_share
from mmaudit.seeds import generator


def sides(n=300, width=16, noise=0.4, seed=0, cone=0.0):
    rng = generator(seed, "sides")
    z = rng.standard_normal((n, width))
    made = [np.hstack([z + noise * rng.standard_normal(z.shape), np.full((n, 1), cone)]) for _ in range(2)]
    return [side.astype(np.float32) for side in made]


def test_a_slice_that_is_not_matched_shows_though_the_whole_is_well():
    x, y = sides()
    rows = np.arange(300) < 40
    y[rows] = generator(1, "lost").standard_normal((40, 17))
    found = slice_discrimination(
        ranks(Embeddings(x, y)), {"lost": rows, "rest": ~rows, "few": np.arange(300) < 9}
    )
    assert [m.name for m in found] == ["slice_discrimination (lost)", "slice_discrimination (rest)"]
    assert found[0].high < 0.7
    assert found[1].low > 0.9
    few_first = {"few": np.arange(300) < 9, "lost": rows, "rest": ~rows}
    assert slice_discrimination(ranks(Embeddings(x, y)), few_first) == found
    spread = [m.name for m in slice_spread(Embeddings(x, y), few_first)]
    assert spread == [f"slice_spread_{m} ({s})" for m in ("image", "text") for s in ("lost", "rest")]


@pytest.mark.parametrize("cone", [0.0, 12.0])
def test_a_slice_on_one_point_shows_in_a_cone_as_without(cone):
    x, y = sides(cone=cone)
    rows = np.arange(300) < 40
    y[rows] = y[0] + 0.01 * (y[rows] - y[0])
    found = {m.name: m for m in slice_spread(Embeddings(x, y), {"class": rows, "rest": ~rows})}
    assert found["slice_spread_text (class)"].high < 0.05
    assert found["slice_spread_image (class)"].low > 0.8
    assert found["slice_spread_text (rest)"].low > 0.8


def test_a_slice_of_one_meaning_has_no_spread_to_have():
    x, y = sides()
    groups = np.where(np.arange(300) < 40, 0, np.arange(300))
    y[:40] = y[0]
    assert slice_spread(Embeddings(x, y), {"class": groups == 0}, groups) == []


def test_the_interval_of_a_spread_covers():
    """The truth is 1 by construction: the slice is a random part of the items."""
    covered = 0
    for seed in range(60):
        rows = generator(seed, "slice").random(200) < 0.3
        found = slice_spread(Embeddings(*sides(200, seed=seed)), {"part": rows})
        covered += found[0].low <= 1 <= found[0].high
    assert covered >= 52


def test_overlap_is_counted():
    m = split_overlap([0, 1, 2, 0, 3, 3], [0, 0, 0, 1, 1, 1], of="image")
    assert (m.name, m.n) == ("split_overlap (image)", 6)
    assert m.value == pytest.approx(2 / 6)
    assert split_overlap([0, 0, 1, 2], [0, 0, 1, 1]).value == 0  # repeated within a split alone


@pytest.mark.parametrize("cone", [0.0, 12.0])
def test_near_duplicates_are_measured_against_the_own_split(cone):
    x, _ = sides(cone=cone)
    split = np.arange(300) % 2
    assert near_duplicates(x, split).value == 0
    copies = np.flatnonzero(split == 1)[:30]
    x[copies] = x[copies - 1] + generator(2, "jitter").normal(0, 0.02, (30, 17))
    m = near_duplicates(x, split)
    assert m.value == pytest.approx(60 / 300)
    assert m.null == 0
    moved = generator(3, "order").permutation(300)
    assert near_duplicates(x[moved], split[moved], block=17) == m


def test_near_duplicates_that_cannot_be_measured():
    x, _ = sides()
    assert near_duplicates(x, np.zeros(300)).notes[0] == "all items are in one split"
    same = np.ones((50, 4), dtype=np.float32)
    assert "not apart" in near_duplicates(same, np.arange(50) % 2).notes[0]


def test_the_error_of_a_spread_equals_the_brute_force_jackknife():
    x, y = sides(n=120, width=6, noise=0.6)
    rows, groups = np.arange(120) % 3 == 0, np.arange(120)
    x[rows] *= (1, 1, 1, 0.2, 0.2, 0.2, 1)

    def measured(kept):
        return slice_spread(Embeddings(x[kept], y[kept]), {"third": rows[kept]}, groups[kept])

    without = [[m.value for m in measured(np.delete(np.arange(120), i))] for i in range(120)]
    for m, values in zip(measured(np.arange(120)), np.transpose(without), strict=True):
        brute = np.sqrt(119 / 120 * np.sum((values - values.mean()) ** 2))
        assert m.se == pytest.approx(brute, rel=0.1)
        assert (m.null, m.n, m.unit, m.direction) == (1.0, 120, "of the spread of all", "higher is better")


def test_a_spread_is_the_ratio_of_mean_distances():
    x, y = sides(n=60, width=5)
    rows = np.arange(60) < 35
    found = slice_spread(Embeddings(x, y), {"first": rows})
    for m, z in zip(found, (x, y), strict=True):
        units = z / np.linalg.norm(z, axis=1, keepdims=True)
        apart = 1 - units.astype(np.float64) @ units.T

        def spread(inside, apart=apart):
            part = apart[np.ix_(inside, inside)]
            return part.sum() / (len(part) * (len(part) - 1))

        assert m.value == pytest.approx(spread(rows) / spread(rows | True), rel=1e-5)


@pytest.mark.parametrize(("inside", "there"), [(29, 0), (30, 1), (31, 1)])
def test_slices_of_thirty_items_and_more_are_measured(inside, there):
    x, y = sides(n=60)
    rows = np.arange(60) < inside
    assert len(slice_discrimination(ranks(Embeddings(x, y)), {"few": rows})) == there
    assert len(slice_spread(Embeddings(x, y), {"few": rows})) == 2 * there


def test_a_slice_is_measured_against_all_candidates_and_says_so():
    x, y = sides(n=60, noise=2.0)
    rows = np.arange(60) < 40
    measured = ranks(Embeddings(x, y))
    (m,) = slice_discrimination(measured, {"few": rows})
    assert m.value == pytest.approx(1 - measured.mean_percentile[rows].mean())
    assert (m.n, m.null, m.direction) == (40, 0.5, "higher is better")


def test_a_slice_that_is_matched_well_is_not_discriminated_with_more_than_certainty():
    x, y = sides(n=200, noise=0.8)
    (m,) = slice_discrimination(ranks(Embeddings(x, y)), {"some": np.arange(200) < 60})
    assert 0.9 < m.low < m.value < m.high < 1


def test_no_spread_at_all_is_said_of_each_modality():
    same = np.ones((40, 4), dtype=np.float32)
    inside = {"most": np.arange(40) < 35, "all": np.arange(40) < 40}
    found = slice_spread(Embeddings(same, sides(n=40, width=3)[0]), inside)
    assert [m.value is None for m in found] == [True, True, False, True]
    assert found[0].notes == found[1].notes == ("no two items of this modality are apart",)
    assert found[3].notes == ("the slice holds every item, so there is nothing to compare it with",)
    assert found[0].n == 35


def test_near_duplicates_by_a_plain_loop():
    rng = generator(4, "plain loop")
    x = rng.standard_normal((60, 4))
    split = np.array(["a", "b", "c"])[np.arange(60) % 3]
    groups = np.arange(60) // 2
    x[1::12] = x[0::12] + 1e-3 * rng.standard_normal((5, 4))  # near, in another split, of one group
    x[6] = x[3]  # near, in the same split
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    own, other = [], []
    for i in range(60):
        apart = 1 - u @ u[i]
        own.append(min(apart[j] for j in range(60) if split[j] == split[i] and groups[j] != groups[i]))
        other.append(min(apart[j] for j in range(60) if split[j] != split[i]))
    threshold = 0.1 * np.median(own)
    m = near_duplicates(x, split, groups, modality="audio")
    assert m.name == "near_duplicates_audio"
    assert m.value == pytest.approx(np.mean(np.array(other) < threshold))
    assert m.value >= 10 / 60
    assert m.null == pytest.approx(np.mean(np.array(own) < threshold))
    assert m.null >= 2 / 60
    assert m.notes == (f"nearer than a cosine distance of {threshold:.3g}, 0.1 of the median within a split",)
    assert (m.n, m.unit, m.direction) == (60, "share", "lower is better")


def test_a_split_of_one_item_has_no_yardstick():
    x, _ = sides(n=30)
    assert "holds one item alone" in near_duplicates(x, np.arange(30)).notes[0]


def test_two_thousand_items_are_looked_up_among_all():
    x = generator(5, "many").standard_normal((2100, 3)).astype(np.float32)
    m = near_duplicates(x, np.arange(2100) % 2)
    assert m.n == 2000
    assert near_duplicates(x[:1999], np.arange(1999) % 2).n == 1999


def test_overlap_of_nothing_and_of_all():
    assert split_overlap([], []).notes == ("no item to measure",)
    m = split_overlap(["x", "x"], [0, 1])
    assert (m.name, m.value, m.unit, m.direction) == ("split_overlap", 1.0, "share", "lower is better")
    assert m.notes == ("2 of 2 items are in more than one split",)


def test_groups_make_the_least_of_a_slice():
    """Thirty meanings, however many items show them; the interval is over meanings."""
    x, y = sides(n=120, noise=2.0)
    groups = np.arange(120) // 2
    ranked = ranks(Embeddings(x, y), groups)
    for inside, there in ((58, 0), (60, 1)):
        found = slice_discrimination(ranked, {"some": np.arange(120) < inside})
        assert len(found) == there
        assert len(slice_spread(Embeddings(x, y), {"some": np.arange(120) < inside}, groups)) == 2 * there
    (m,) = found
    assert (m.n, m.unit) == (60, "probability")
    of_meanings = mean_share("", 1 - ranked.mean_percentile[:60], clusters=groups[:60])
    assert (m.low, m.high) == (of_meanings.low, of_meanings.high)
    one_group = ranks(Embeddings(x, y), np.zeros(120))
    assert slice_discrimination(one_group, {"all": np.ones(120, bool)}) == []


def test_each_group_counts_once_in_a_spread_and_in_what_it_is_compared_with():
    """By plain loops over two groups at a time: the mean distance between their items."""
    x, y = sides(n=90, width=4, noise=1.0)
    groups = np.r_[np.arange(40), np.arange(40), np.arange(10)]
    inside = np.r_[np.arange(40) < 34, np.arange(40) < 5, np.ones(10, bool)]
    found = slice_spread(Embeddings(x, y), {"s": inside}, groups + 7)
    for m, z in zip(found, (x, y), strict=True):
        u = z.astype(np.float64) / np.linalg.norm(z.astype(np.float64), axis=1, keepdims=True)

        def spread(rows, u=u):
            there = np.unique(groups[rows])
            apart = [
                (1 - u[rows & (groups == a)] @ u[rows & (groups == b)].T).mean()
                for a in there
                for b in there
                if a != b
            ]
            return np.mean(apart)

        assert m.value == pytest.approx(spread(inside) / spread(inside | True), rel=1e-6)
        assert m.n == 40


def captions_of_two_languages():
    """Two captions of each picture; those of the second language lie on almost one point."""
    x, y = sides(n=120)
    groups, second = np.repeat(np.arange(60), 2), np.tile([False, True], 60)
    y = y[groups]
    y[second] = y[0] + 0.01 * y[second]
    return x, y, groups, second


def test_a_slice_that_holds_no_first_item_of_a_group_is_measured():
    x, y, groups, second = captions_of_two_languages()
    found = slice_spread(Embeddings(x, y), {"first": ~second, "second": second}, groups)
    values = {m.name: m for m in found}
    assert values["slice_spread_text (second)"].high < 0.01
    assert values["slice_spread_text (first)"].value > 1.1  # All items are closer than those of this slice.
    assert all(m.se > 0 for m in found)


def test_a_spread_does_not_depend_on_the_order_of_the_items():
    x, y, groups, second = captions_of_two_languages()
    orders = (np.arange(120), np.arange(120)[::-1], generator(6, "order").permutation(120))
    found = [
        slice_spread(Embeddings(x[o], y[o]), {"a": ~second[o], "b": second[o]}, groups[o]) for o in orders
    ]
    for again in found[1:]:
        assert [m.name for m in again] == [m.name for m in found[0]]
        for m, first in zip(again, found[0], strict=True):
            assert (m.value, m.low, m.high) == pytest.approx((first.value, first.low, first.high), rel=1e-9)


def test_groups_of_one_item_change_no_bit_of_a_spread():
    x, y = sides(n=120)
    inside = {"s": np.arange(120) % 2 == 0}
    labels = generator(7, "labels").permutation(120)
    assert slice_spread(Embeddings(x, y), inside, labels) == slice_spread(Embeddings(x, y), inside)


def test_a_slice_of_zeros_has_no_spread():
    x, y = sides(n=100)
    lost = np.arange(100) < 40
    y[lost] = 0
    image, text = slice_spread(Embeddings(x, y), {"lost": lost})
    assert (text.value, text.low, text.high) == (0, 0, 0)
    assert image.low > 0.5
    half = np.arange(100) < 80
    spread = slice_spread(Embeddings(x, y), {"half": half})[1].value
    assert 0.7 < spread < 1  # Two zeros are together, a zero and another item are apart.
    zeros = np.zeros_like(y)
    assert slice_spread(Embeddings(x, zeros), {"lost": lost})[1].notes == (
        "no two items of this modality are apart",
    )


def test_slices_are_measured_by_their_groups():
    slices = {"few": np.arange(90) < 40, "some": np.arange(90) < 30}
    assert list(measured_slices(slices)) == ["few", "some"]
    groups = np.arange(90)
    groups[30:40] = 0
    groups[:5] = 0
    assert list(measured_slices(slices, groups)) == []
    groups[1:5] = np.arange(1, 5)
    assert list(measured_slices(slices, groups)) == ["few", "some"]
