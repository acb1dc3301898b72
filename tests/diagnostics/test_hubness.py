import importlib

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from mmaudit import diagnostics as d
from mmaudit.diagnostics import _sweep
from mmaudit.diagnostics.hubness import _listed
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.seeds import generator


def _pairs(n=80, width=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width))
    return Embeddings(x, x + rng.normal(size=(n, width)) + 0.3)


def _sklearn_counts(queries, gallery, k):
    found = (
        NearestNeighbors(n_neighbors=k, metric="cosine")
        .fit(gallery)
        .kneighbors(queries, return_distance=False)
    )
    return np.bincount(found.ravel(), minlength=len(gallery))


@pytest.mark.parametrize("k", [1, 10])
def test_counts_equal_scikit_learn(k):
    e = _pairs()
    x, y = e.scored
    counts_x, counts_y = d.neighbour_counts(e, k=k)
    np.testing.assert_allclose(counts_x, _sklearn_counts(y, x, k))
    np.testing.assert_allclose(counts_y, _sklearn_counts(x, y, k))


def test_value_equals_scipy_skewness_of_each_gallery():
    e = _pairs()
    for m, counts in zip(d.hubness(e), d.neighbour_counts(e), strict=True):
        assert m.value == pytest.approx(stats.skew(counts))


def test_error_equals_the_brute_force_jackknife_of_the_skewness():
    e = _pairs(300)
    for m, counts in zip(d.hubness(e), d.neighbour_counts(e), strict=True):
        without = np.array([stats.skew(np.delete(counts, i)) for i in range(len(counts))])
        brute = np.sqrt((len(counts) - 1) * np.mean((without - without.mean()) ** 2))
        assert m.se == pytest.approx(brute, rel=0.05)


@pytest.mark.parametrize("block", [1, 7, 64, 80])
def test_neither_block_size_nor_item_order_matters_even_with_ties(block):
    base = _pairs(20)
    rows = np.repeat(np.arange(20), 4)
    tied = base.take(rows)
    order = np.random.default_rng(1).permutation(80)
    for straight, other in zip(
        d.neighbour_counts(tied, k=3), d.neighbour_counts(tied.take(order), k=3, block=block), strict=True
    ):
        np.testing.assert_allclose(straight[order], other, atol=1e-12)


def test_ties_share_the_places_left():
    gallery = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    e = Embeddings(np.tile([[1.0, 0.1]], (4, 1)), gallery)
    counts_x, counts_y = d.neighbour_counts(e, k=2)
    np.testing.assert_allclose(counts_y, [8 / 3, 8 / 3, 8 / 3, 0])
    np.testing.assert_allclose(counts_x, [2, 2, 2, 2])


def test_a_planted_hub_is_found_on_its_own_side_only():
    e = _pairs(100)
    x, y = e.x + 1.0, e.y + 1.0
    y[17] = x.mean(axis=0)
    planted = Embeddings(x, y)
    hubs_x, hubs_y = map(d.hub_items, d.neighbour_counts(planted))
    assert hubs_y[0] == 17
    assert 17 not in hubs_x
    assert hubs_y.dtype == np.int64
    counts = d.neighbour_counts(planted)[1]
    assert (np.diff(counts[hubs_y]) <= 0).all()
    assert d.hubness(planted)[1].value > d.hubness(e)[1].value + 1


def test_no_items_no_hubs():
    assert len(d.hub_items(d.neighbour_counts(Embeddings(np.zeros((0, 3)), np.zeros((0, 3))))[0])) == 0


def test_a_constant_side_has_no_skewness():
    e = _pairs(40)
    constant = Embeddings(np.ones_like(e.x), e.y)
    image, _ = d.hubness(constant)
    assert image.value is None
    assert "equally often" in image.notes[0]
    assert len(d.hub_items(d.neighbour_counts(constant)[0])) == 0


def test_ten_items_are_too_few_for_ten_neighbours():
    image, text = d.hubness(_pairs(10))
    assert image.value is None
    assert text.value is None
    assert d.hubness(_pairs(11))[0].value is not None


def test_k_must_be_positive():
    with pytest.raises(InputError, match="k is 0"):
        d.hubness(_pairs(), k=0)


def dense_counts(queries, gallery, k):
    """Count by one float64 matrix: the places tied for are shared."""
    similarity = queries @ gallery.T
    boundary = np.sort(similarity, axis=1)[:, -k, None]
    tolerance = 1e-12 * np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(gallery, axis=1).max()
    above = similarity > boundary + tolerance
    tied = (similarity >= boundary - tolerance) & ~above
    return above.sum(axis=0) + ((k - above.sum(axis=1)) / tied.sum(axis=1)) @ tied


@pytest.mark.parametrize("kind", ["plain", "repeated", "collapsed", "empty", "huge"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_counts_are_those_of_a_dense_float64_matrix_for_every_block_and_thread(kind, similarity, monkeypatch):
    rng = generator(9, "hubs", kind)
    z = rng.normal(size=(150, 8))
    x, y = z + rng.normal(size=z.shape), z + rng.normal(size=z.shape)
    if kind == "repeated":
        x, y = (np.round(side[rng.integers(0, 40, 150)]) for side in (x, y))
    elif kind == "collapsed":
        x, y = 1 + 1e-4 * x, 1 + 1e-4 * y
    elif kind == "empty":
        x[::3], y[::4] = 0, 0
    elif kind == "huge":
        x, y = x * 1e20, y * 1e20
    e = Embeddings(x.astype(np.float32), y.astype(np.float32), similarity=similarity)
    first, second = e.scored
    expected = dense_counts(second, first, 10), dense_counts(first, second, 10)
    monkeypatch.setattr(_sweep, "_SMALL", 0)
    for threads in (1, 3):
        monkeypatch.setattr(_sweep, "cores", lambda threads=threads: threads)
        for block in (7, 256):
            found = d.neighbour_counts(e, block=block)
            np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
            np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)


def test_hubs_lie_more_than_two_deviations_above_the_mean():
    counts = np.array([0.0] * 4 + [5.0])
    assert counts.mean() + 2 * counts.std() == 5.0
    assert d.hub_items(counts).tolist() == []
    counts = np.array([0.0] * 5 + [6.0])
    assert d.hub_items(counts).tolist() == [5]
    counts = np.array([9.0, *[0.0] * 30, 9.5, 9.0])
    assert d.hub_items(counts).tolist() == [31, 0, 32]
    assert d.hub_items(np.full(9, 4.0)).tolist() == []


@pytest.mark.parametrize(("n", "k"), [(1, 1), (3, 5), (4, 4)])
def test_all_items_are_neighbours_where_there_are_no_more(n, k):
    for counts in d.neighbour_counts(_pairs(n), k=k):
        assert counts.tolist() == [n] * n


@pytest.mark.parametrize("k", [1, 2, 9])
def test_counts_of_a_few_items_are_those_of_a_dense_matrix(k):
    e = _pairs(10, 3)
    x, y = e.scored
    for found, expected in zip(
        d.neighbour_counts(e, k=k), (dense_counts(y, x, k), dense_counts(x, y, k)), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert found.sum() == pytest.approx(10 * k)


def test_candidates_that_may_be_near_are_listed_unless_they_are_many():
    """Eight times as many as are looked for, and not more."""
    near = np.zeros((1, 40), dtype=np.float32)
    for alike, there in ((16, True), (17, False)):
        near[0, :alike] = 1.0
        found = _listed(near, np.zeros(1), 2)
        assert (found is not None) == there
        if found is not None:
            assert found[1].tolist() == list(range(16))


@pytest.mark.parametrize("kind", ["plain", "empty"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_counts_taken_in_float64_whole_are_those_of_a_dense_matrix(kind, similarity, monkeypatch):
    """Also of queries without a length, which no candidate is nearer to than any other."""
    module = importlib.import_module("mmaudit.diagnostics.hubness")
    monkeypatch.setattr(module, "error_bound", lambda width: 1.0)  # so large that all are in doubt
    base = _pairs(60, 4)
    x, y = base.x.copy(), base.y.copy()
    if kind == "empty":
        x[::5], y[::7] = 0, 0
    e = Embeddings(x, y, similarity=similarity)
    first, second = e.scored
    for k in (1, 6):
        found = d.neighbour_counts(e, k=k, block=13)
        np.testing.assert_allclose(found[0], dense_counts(second, first, k), rtol=1e-12)
        np.testing.assert_allclose(found[1], dense_counts(first, second, k), rtol=1e-12)
