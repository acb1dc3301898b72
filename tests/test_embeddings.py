import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.errors import InputError

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = X[::-1].copy()


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(allow_nan=False)))
@settings(deadline=None, derandomize=True, database=None)
def test_unit_rows_are_unit_or_zero(z):
    unit = unit_rows(z)
    lost = ~np.any(z, axis=1) | ~np.isfinite(z).all(axis=1)
    assert unit.shape == z.shape
    assert not np.any(unit[lost])
    assert np.allclose(np.linalg.norm(unit[~lost], axis=1), 1)


def test_unit_rows_survive_the_ends_of_the_range():
    z = np.array([[3e300, 4e300], [3e-310, 4e-310], [np.nan, 1.0], [np.inf, 1.0]])
    assert np.allclose(unit_rows(z), [[0.6, 0.8], [0.6, 0.8], [0, 0], [0, 0]])
    assert unit_rows(np.zeros((2, 0))).shape == (2, 0)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(allow_nan=False)))
@settings(deadline=None, derandomize=True, database=None)
def test_unit_rows_of_unit_rows_are_the_same_to_the_last_bit(z):
    unit = unit_rows(z)
    assert np.array_equal(unit_rows(unit), unit)


@pytest.mark.parametrize("width", [1, 7, 64, 513])
def test_a_unit_row_does_not_depend_on_the_others(width):
    z = np.random.default_rng(width).normal(size=(40, width)) * np.logspace(-120, 120, 40)[:, None]
    z[3], z[5] = 0.0, np.nan
    unit = unit_rows(z)
    for rows in (slice(7, 8), slice(0, 40, 3), slice(39, None, -1), slice(4, 31)):
        assert np.array_equal(unit_rows(z[rows]), unit[rows])
    longest = np.abs(np.linalg.norm(np.delete(unit, [3, 5], axis=0), axis=1) - 1).max()
    assert longest <= (width + 2) * np.finfo(np.float64).eps


def test_they_are_float32_and_of_one_shape():
    e = Embeddings(X.astype(np.float64), Y.astype(np.int64))
    assert (e.x.dtype, e.y.dtype) == (np.float32, np.float32)
    assert (len(e), e.width, e.modalities, e.similarity) == (4, 3, ("image", "text"), "cosine")
    assert Embeddings(X.tolist(), Y.tolist()).digest == e.digest


@pytest.mark.parametrize(
    ("x", "y", "line"),
    [
        (X[0], Y, r"image embeddings have shape \(3,\); expected \(items, width\)"),
        (X, Y[None], r"text embeddings have shape \(1, 4, 3\)"),
        (X + 1j, Y, "image embeddings have dtype complex64; expected a real number type"),
        (X, Y.astype(str), "text embeddings have dtype <U32"),
        (X > 0, Y, "dtype bool"),
        (X, Y[:3], "4 image rows but 3 text rows; give one row a pair, in the same order"),
        (X[:, :2], Y, "image embeddings are 2 wide, text embeddings 3; both must live in one space"),
        (X * np.float32("nan"), Y, r"NaN or infinity in 4 of 4 rows \(first: row 0\)"),
        (
            X,
            np.where(X == 4, np.inf, X),
            r"text embeddings hold NaN or infinity in 1 of 4 rows \(first: row 1\)",
        ),
        (X.astype(np.float64) * 1e300, Y, "image embeddings hold NaN or infinity in 4 of 4 rows"),
    ],
)
def test_what_no_similarity_is_defined_on_is_refused(x, y, line):
    with pytest.raises(InputError, match=line):
        Embeddings(x, y)


def test_what_is_scored():
    cosine, dot = Embeddings(X, Y), Embeddings(X, Y, similarity="dot")
    assert np.allclose(np.linalg.norm(cosine.scored[0], axis=1), 1)
    assert np.array_equal(dot.scored[1], Y)
    assert {a.dtype for e in (cosine, dot) for a in e.scored} == {np.dtype(np.float64)}


def test_the_digest_says_what_is_compared_and_how():
    variants = [
        Embeddings(X, Y),
        Embeddings(Y, X),
        Embeddings(X, Y, similarity="dot"),
        Embeddings(X, Y, ("audio", "text")),
        Embeddings(X.reshape(3, 4), Y.reshape(3, 4)),
        Embeddings(X, X),
    ]
    assert len({e.digest for e in variants}) == len(variants)
    assert Embeddings(np.asfortranarray(X), Y).digest == variants[0].digest


def test_swapped_and_taken():
    e = Embeddings(X, Y, ("audio", "text"), "dot")
    mirror = e.swapped()
    assert (mirror.modalities, mirror.similarity) == (("text", "audio"), "dot")
    assert mirror.swapped().digest == e.digest
    for rows in ([2, 0], np.array([False, True, False, True])):
        part = e.take(rows)
        assert np.array_equal(part.x, X[rows])
        assert np.array_equal(part.y, Y[rows])
        assert part.similarity == "dot"
