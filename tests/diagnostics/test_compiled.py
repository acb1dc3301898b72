"""The compiled passes beside NumPy: as machine code, and as the Python they are compiled from."""

import numpy as np
import pytest

from mmaudit.diagnostics import _compiled
from mmaudit.seeds import generator


@pytest.fixture(params=["machine code", "python"])
def kernels(request):
    if request.param == "python":
        return _compiled.Kernels(_compiled._screen, _compiled._above, _compiled._inner_products)
    pytest.importorskip("numba", reason="numba is not installed: pip install 'mmaudit[fast]'")
    return _compiled.kernels()


def block(r, c):
    """Return a block with entries left out, and limits near enough for some to be in doubt."""
    rng = generator(1, "compiled")
    similarity = rng.normal(size=(r, c)).astype(np.float32)
    similarity[rng.random((r, c)) < 0.1] = -np.inf
    own = [rng.normal(size=length).astype(np.float32) for length in (r, c)]
    own[0][0] = similarity[0, 0]
    limits = [one + np.float32(side) for one in own for side in (-0.05, 0.05)]
    return similarity, limits


def screened(kernels, similarity, limits, room):
    r, c = similarity.shape
    by_row, by_column = np.zeros((2, r), np.int32), np.zeros((2, c), np.int32)
    doubts, found = np.full((2, room), -1), np.empty(2, np.int64)
    kernels.screen(similarity, *limits, by_row, by_column, doubts, found)
    return by_row, by_column, doubts, found


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (9, 16), (33, 41)])
def test_one_pass_counts_what_is_above_and_lists_what_is_in_doubt(kernels, shape):
    similarity, limits = block(*shape)
    by_row, by_column, doubts, found = screened(kernels, similarity, limits, similarity.size)
    for side in (0, 1):
        low, high = (limit[:, None] if side == 0 else limit for limit in limits[2 * side : 2 * side + 2])
        above = similarity > high
        assert by_row[side].tolist() == above.sum(axis=1).tolist()
        assert by_column[side].tolist() == above.sum(axis=0).tolist()
        between = np.flatnonzero((similarity > low) & ~above)
        assert doubts[side, : found[side]].tolist() == between.tolist()
    assert found.sum() > 0 or shape == (1, 1)


def test_more_doubts_than_there_is_room_for_are_said_to_be_more(kernels):
    similarity, limits = block(33, 41)
    *_, found = screened(kernels, similarity, limits, similarity.size)
    for room in (0, int(found.min())):
        *_, doubts, more = screened(kernels, similarity, limits, room)
        assert (more > room).tolist() == (found > room).tolist()
        assert (doubts >= 0).all()


@pytest.mark.parametrize("shape", [(5, 3), (33, 41)])
def test_hits_of_some_queries_are_listed_in_the_order_of_the_block(kernels, shape):
    similarity, (_, by_row, _, by_column) = block(*shape)
    by_row[::2], by_column[1::2] = np.inf, np.inf
    expected = [np.flatnonzero(similarity > limit) for limit in (by_row[:, None], by_column)]
    hits, found = np.empty((2, max(map(len, expected))), np.int64), np.empty(2, np.int64)
    kernels.above(similarity, by_row, by_column, hits, found)
    assert [hits[side, : found[side]].tolist() for side in (0, 1)] == [at.tolist() for at in expected]


@pytest.mark.parametrize("width", [0, 1, 31, 32, 70])
def test_inner_products_are_taken_in_float64(kernels, width):
    rng = generator(2, "products")
    x, y = (rng.normal(size=(n, width)).astype(np.float32) for n in (6, 9))
    x.setflags(write=False)
    i, j = rng.integers(0, 6, 20), rng.integers(0, 9, 20)
    products = np.empty(20)
    kernels.inner_products(x, i, y, j, products)
    expected = np.einsum("ij,ij->i", x[i].astype(np.float64), y[j].astype(np.float64))
    np.testing.assert_allclose(products, expected, rtol=0, atol=1e-14)


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(monkeypatch):
    numba = pytest.importorskip("numba", reason="numba is not installed: pip install 'mmaudit[fast]'")
    asked = []

    def njit(signature, **options):
        asked.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(numba, "njit", njit)
    assert _compiled.kernels.__wrapped__().above is _compiled._above
    assert [options.get("cache", False) for options in asked] == [True, False] * 3
    assert all(options["nogil"] for options in asked)
