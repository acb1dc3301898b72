import numpy as np
import pytest

from mmaudit.diagnostics import near_duplicates, ranks, slice_discrimination, slice_spread, split_overlap
from mmaudit.embeddings import Embeddings
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
