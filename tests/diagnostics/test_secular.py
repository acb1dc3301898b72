import numpy as np
import pytest

from mmaudit.diagnostics._secular import eigenvalues_without
from mmaudit.diagnostics._spectra import decomposed
from mmaudit.seeds import generator

SHAPES = [(60, 12), (60, 58), (60, 60), (40, 90), (150, 10)]
FALLS = {
    "even": lambda k: np.ones_like(k),
    "power law": lambda k: 1 / k,
    "collapsed": lambda k: np.where(k > 4, 1e-2, 1.0),
}


def cloud(n, d, fall):
    z = generator(5, "secular", n, d).standard_normal((n, d)) + 1.0
    return z * FALLS[fall](np.arange(1.0, d + 1))


def left(z, centred):
    """What is left without each item, and the same from a decomposition of the other rows, both (n, r)."""
    values, squares = decomposed(z, centred)
    found = np.concatenate([part for _, part in eigenvalues_without(values, squares, centred)])
    dense = np.zeros_like(found)
    for i in range(len(z)):
        rows = np.delete(z, i, axis=0) / np.abs(z).max()
        rows = rows - rows.mean(axis=0) if centred else rows
        singular = np.sort(np.linalg.svd(rows, compute_uv=False))
        squared = np.where(singular > 1e-7 * singular.max(), singular, 0.0) ** 2
        kept = min(len(squared), len(values))
        dense[i, len(values) - kept :] = squared[len(squared) - kept :]
    return found, dense


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("fall", FALLS)
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_what_is_left_is_the_spectrum_of_the_other_items(n, d, fall, centred):
    found, dense = left(cloud(n, d, fall), centred)
    assert np.array_equal(found == 0, dense == 0)
    assert (found == 0).any() == (d >= n - centred)
    positive = dense > 0
    errors = np.abs(np.log(found[positive] / dense[positive]))
    assert np.median(errors) < 1e-3
    # Products are those of the determinants, exactly.
    logs, dense_logs = (np.log(np.where(positive, z, 1.0)) for z in (found, dense))
    np.testing.assert_allclose(logs.sum(axis=1), dense_logs.sum(axis=1), atol=1e-7)
    # Partial sums, of which those over ranks are made, err by little of what tells one item from another.
    partial, dense_partial = logs.cumsum(axis=1)[:, 1:-1], dense_logs.cumsum(axis=1)[:, 1:-1]
    assert np.median(np.abs(partial - dense_partial) / dense_partial.std(axis=0)) < 0.02


def test_items_alone_in_their_direction_take_it_along():
    z = np.diag(np.arange(1.0, 8))
    found, dense = left(z, centred=False)
    np.testing.assert_allclose(found, dense, rtol=1e-9, atol=1e-15)


def test_an_item_with_nothing_on_any_direction_changes_nothing():
    z = cloud(30, 6, "even")
    z[4] = 0
    found, _ = left(z, centred=False)
    np.testing.assert_allclose(found[4], decomposed(z, False)[0], rtol=1e-9)


def test_of_equal_eigenvalues_all_but_one_stay():
    z = np.concatenate([np.eye(6), -np.eye(6)])
    found, dense = left(z, centred=True)
    np.testing.assert_allclose(found, dense, rtol=1e-9)
