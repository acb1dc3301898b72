"""What float32 settles, and the room it is given: by the written bounds, and on numbers made by hand."""

import numpy as np
import pytest

from mmaudit.diagnostics import _arrays, _screen, _sweep, _tally
from mmaudit.diagnostics.device import _Device
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.seeds import generator

UNIT_ROUNDOFF = 2.0**-24


def gamma(width):
    """Higham (2002, sec. 3.1), of 8 terms more than there are."""
    terms = (width + 8) * UNIT_ROUNDOFF
    return terms / (1 - terms)


def uneven(n=40, width=7, similarity="dot"):
    rng = generator(1, "uneven")
    x, y = (rng.normal(size=(n, width)) * 10 ** rng.uniform(-30, 4, size=(n, 1)) for _ in range(2))
    x[3], y[5] = 0, 0
    return Embeddings(x.astype(np.float32), y.astype(np.float32), similarity=similarity)


def test_the_error_of_a_float32_product_is_bounded_by_its_terms():
    for width in (0, 1, 8, 512, 100_000):
        assert _screen.error_bound(width) == pytest.approx(gamma(width), rel=1e-12)
    half = 2**23
    assert np.isfinite(_screen.error_bound(half - 9))
    assert _screen.error_bound(half - 8) == np.inf


def test_similarities_nearer_than_a_millionth_of_a_millionth_of_the_norms_are_level():
    for scale in (1.0, 2.0, 1e-20):
        difference = np.array([-2e-12, -1e-12, 0.0, 1e-12, 2e-12]) * scale
        above, level = _screen.compare(difference, np.zeros(5), np.full(5, scale))
        assert above.tolist() == [False, False, False, False, True]
        assert level.tolist() == [False, True, True, True, False]
        above, level = _screen.compare(difference + 1, np.ones(5), np.full(5, 0.0))
        assert (above, level) == (pytest.approx(difference + 1 > 1), pytest.approx(difference + 1 == 1))


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_the_limits_of_what_float32_settles_are_the_bound_to_either_side(similarity):
    e = uneven(similarity=similarity)
    pairs, order = _sweep._by_own_similarity(e, 1)
    x, y = (z[order] for z in e.scored)
    own = np.einsum("ij,ij->i", x, y)
    assert (np.diff(own) >= -1e-12).all()
    norms = [np.linalg.norm(z, axis=1) for z in (x, y)]
    for axis, (low, high) in enumerate(pairs.limits):
        margin = norms[axis] * norms[1 - axis].max() * (gamma(7) + 1e-12) + 1e-36
        for limit, wanted, way in ((low, own - margin, -np.inf), (high, own + margin, np.inf)):
            # Rounded to float32 and one step further out.
            out = np.nextafter(wanted.astype(np.float32), np.float32(way))
            assert limit.dtype == np.float32
            np.testing.assert_allclose(limit, out, rtol=1e-6, atol=1e-37)
        assert (low < own).all()
        assert (high > own).all()
        near = norms[axis] * norms[1 - axis].max() * (gamma(0) + 1e-12) + 1e-36
        np.testing.assert_allclose(pairs.near[axis], near, rtol=1e-9)
        assert pairs.partner[axis] == pytest.approx(norms[1 - axis], rel=1e-12)
    assert pairs.single


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_a_device_is_given_the_same_room(similarity):
    e = uneven(similarity=similarity)
    found = _Device(e.x, e.y, similarity)
    norms = [np.linalg.norm(z, axis=1) for z in e.scored]
    for side in (0, 1):
        margin = norms[side] * norms[1 - side].max() * (gamma(7) + 1e-12) + 1e-36
        np.testing.assert_allclose(found.margin[side], margin, rtol=1e-9)
        np.testing.assert_allclose(found.norms[side], norms[side], rtol=1e-9)
    assert found.error == pytest.approx(gamma(7), rel=1e-12)
    np.testing.assert_allclose(found.own, np.einsum("ij,ij->i", *e.scored), rtol=1e-9, atol=1e-37)


@pytest.mark.parametrize("rows", [0, 1, 254, 255, 256, 511])
@pytest.mark.parametrize("columns", [1, 7, 8, 16, 2040, 2048, 2056])
def test_sums_of_marks_hold_however_many_there_are(rows, columns):
    """Bytes hold 255 marks at most: that many rows, or eight times as many columns, are summed at a time."""
    full = np.ones((rows, columns), dtype=np.bool_)
    some = generator(2, "marks").random((rows, columns)) < 0.5
    for mask in (full, some):
        np.testing.assert_array_equal(_tally._row_sums(mask), mask.sum(axis=1))
        np.testing.assert_array_equal(_tally._column_sums(mask), mask.sum(axis=0))
        for found, wanted in zip(_tally.nonzero(mask), np.nonzero(mask), strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("tied", [False, True])
def test_hits_that_are_listed_count_as_those_that_are_marked(axis, tied):
    rng = generator(3, "tally")
    block = _tally.Block(slice(4, 10), slice(20, 31), axis)
    mask = rng.random((6, 11)) < 0.4
    row, column = np.nonzero(mask)
    marked, listed = (_tally.Tally(40, depth=3) for _ in range(2))
    marked.add_mask(block, mask, tied=tied)
    listed.add(block, row, column, np.full(len(row), tied))
    by_row, by_column = mask.sum(axis=1), mask.sum(axis=0)
    by_query, by_candidate = (by_row, by_column) if axis == 0 else (by_column, by_row)
    for tally in (marked, listed):
        counts = tally.ties if tied else tally.better
        assert counts[block.queries].tolist() == by_query.tolist()
        assert tally.beaten[block.candidates].tolist() == ((2 - tied) * by_candidate).tolist()
        assert counts.sum() == mask.sum()
        offset = np.array([block.queries.start, block.candidates.start])
        pairs = np.argwhere(mask if axis == 0 else mask.T) + offset
        few = counts[pairs[:, 0]] <= 3
        rivals, level = tally.rivals()
        assert rivals.tolist() == pairs[few].tolist()
        assert level.tolist() == [tied] * int(few.sum())
    surely = _tally.Tally(40, depth=3)
    surely.add(block, row, column)
    assert tied or surely.better.tolist() == marked.better.tolist()
    assert tied or surely.beaten.tolist() == marked.beaten.tolist()


def test_rivals_are_dropped_once_their_query_has_had_more_hits():
    tally = _tally.Tally(30, depth=2)
    block = _tally.Block(slice(0, 1), slice(0, 30), 0)
    for found in range(4):
        rivals, _ = tally.rivals()
        assert rivals.tolist() == ([[0, j] for j in range(found)] if found <= 2 else [])
        tally.add(block, np.array([0]), np.array([found]))
    other = _tally.Tally(30, depth=2)
    other.add(block, np.array([0]), np.array([9]))
    both = _tally.Tally(30, depth=2)
    both.merge(other)
    both.reorder(np.arange(30)[::-1])
    assert both.rivals()[0].tolist() == [[29, 20]]
    assert (both.better[29], both.beaten[20]) == (1, 2)


def test_masks_count_the_candidates_that_are_left():
    groups, within = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 0, 1])
    assert _sweep.Mask(groups).candidates.tolist() == [4, 4, 5, 3, 3, 3]
    assert _sweep.Mask(groups, within).candidates.tolist() == [2, 2, 2, 1, 1, 2]
    for mask, allowed in (
        (_sweep.Mask(groups), groups[:, None] != groups),
        (_sweep.Mask(groups, within), (groups[:, None] != groups) & (within[:, None] == within)),
    ):
        block = np.zeros((4, 3))
        mask.apply(block, slice(1, 5), slice(2, 5))
        assert (block == 0).tolist() == allowed[1:5, 2:5].tolist()


def test_a_matrix_of_embeddings_is_as_large_as_float32_and_not_larger():
    largest = float(np.finfo(np.float32).max)
    assert _arrays.as_matrix([[largest, -largest]]).tolist() == [[largest, -largest]]
    bad = np.ones((4, 3))
    bad[1, 0], bad[1, 1], bad[3, 2] = np.nan, np.inf, 1.01 * largest
    with pytest.raises(InputError, match="in 2 rows"):
        _arrays.as_matrix(bad)
    assert [(s.start, s.stop) for s in _arrays.blocks(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert list(_arrays.blocks(3, 1)) == [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_directions_above_a_millionth_of_the_largest_are_kept():
    from mmaudit.diagnostics.principal import principal

    axes = np.linalg.qr(np.column_stack([np.ones(40), generator(4, "axes").normal(size=(40, 3))]))[0][:, 1:]
    for wide in (False, True):
        cloud = axes * [1.0, 1e-3, 1e-8]
        found = principal(np.hstack([cloud, np.zeros((40, 50))]) if wide else cloud)
        assert found.singular == pytest.approx([1.0, 1e-3])
