import numpy as np
import pytest

from mmaudit.diagnostics import _spectra, geometry
from mmaudit.diagnostics._deletion import entropy_changes
from mmaudit.diagnostics._spectra import decomposed, remembered, spectra
from mmaudit.embeddings import Embeddings
from mmaudit.seeds import generator

SHAPES = [(60, 12, 12), (40, 90, 90), (60, 30, 5), (40, 90, 7)]


def cloud(n, d, rank, stream):
    rng = generator(3, "spectra", stream)
    return rng.standard_normal((n, rank)) @ rng.standard_normal((rank, d)) + rng.standard_normal(d)


@pytest.fixture
def decompositions(monkeypatch):
    """The shapes of all that was decomposed into eigenvectors, nothing being remembered from before."""
    _spectra._known.cache_clear()
    seen = []
    eigh = np.linalg.eigh

    def counted(matrix):
        seen.append(matrix.shape)
        return eigh(matrix)

    monkeypatch.setattr(np.linalg, "eigh", counted)
    return seen


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("n", "d", "rank"), SHAPES)
def test_parts_have_the_spectra_of_their_dense_rows(n, d, rank, centred):
    z = cloud(n, d, rank, "dense")
    of = spectra(z, centred)
    order = generator(0, "spectra parts").permutation(n)
    for rows in (order, order[: n - 3], order[5:], order[n // 2 :]):
        part = z[rows] - z[rows].mean(axis=0) if centred else z[rows]
        squares = np.linalg.svd(part / np.abs(z).max(), compute_uv=False) ** 2 / len(rows)
        found = of(rows)
        assert found.shape == (min(len(rows), d),)
        assert np.abs(found - squares).max() <= 1e-12 * squares.max()


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("n", "d", "rank"), SHAPES)
def test_items_add_up_to_the_eigenvalues_and_their_squares_are_those_of_the_svd(n, d, rank, centred):
    z = cloud(n, d, rank, "items")
    rows = z - z.mean(axis=0) if centred else z
    left, singular, _ = np.linalg.svd(rows / np.abs(z).max(), full_matrices=False)
    values, squares = decomposed(z, centred)
    r = len(values)
    # A mean that is none of the few directions is one more; items about their mean are one less.
    assert r == min(rank + (rank < min(n, d) and not centred), n - centred, d)
    np.testing.assert_allclose(values[::-1], singular[:r] ** 2, atol=1e-12 * singular[0] ** 2)
    np.testing.assert_allclose(squares.sum(axis=0), values, atol=1e-12 * singular[0] ** 2)
    np.testing.assert_allclose(squares[:, ::-1], (left * singular)[:, :r] ** 2, atol=1e-10 * singular[0] ** 2)


@pytest.mark.parametrize("power", [0.5, 1.0])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("n", "d", "rank"), [*SHAPES, (5000, 4, 4)])
def test_the_entropy_without_an_item_is_that_of_the_other_items(n, d, rank, centred, power):
    def entropy(rows):
        singular = np.linalg.svd(rows - rows.mean(axis=0) if centred else rows, compute_uv=False)
        p = singular[singular > 1e-10 * singular[0]] ** (2 * power)
        p /= p.sum()
        return -p @ np.log(p)

    z = cloud(n, d, rank, "entropy") * np.linspace(1, 1e-3, d)
    changes = entropy_changes(*decomposed(z, centred), centred, power)
    assert changes.shape == (n,)
    for item in (0, n // 2, n - 1):
        change = entropy(np.delete(z, item, axis=0)) - entropy(z)
        assert changes[item] == pytest.approx(change, rel=1e-6, abs=1e-9)


def test_nothing_is_left_without_the_only_item_that_varies():
    z = np.zeros((6, 3))
    z[4] = [1.0, 2.0, 3.0]
    for centred in (False, True):
        changes = entropy_changes(*decomposed(z, centred), centred, 1.0)
        assert changes[4] == -np.inf
        np.testing.assert_allclose(np.delete(changes, 4), 0, atol=1e-9)


def test_diagnostics_of_equal_content_share_what_was_found(decompositions):
    z = cloud(60, 12, 12, "shared")
    first = geometry.effective_rank(z)
    geometry.rank_share(z.copy())
    assert geometry.effective_rank(np.asfortranarray(z)) == first
    assert len(decompositions) == 1


def test_damage_to_one_side_leaves_what_was_found_of_the_other(decompositions):
    x, y, damaged = (cloud(60, 12, 12, stream) for stream in "xyd")
    geometry.rank_asymmetry(Embeddings(x, y))
    assert len(decompositions) == 2
    geometry.rank_asymmetry(Embeddings(x, damaged))
    assert len(decompositions) == 3


def test_other_content_or_another_rank_is_worked_out(decompositions):
    z = cloud(30, 8, 8, "other")
    geometry.rankme(z)
    for measure, matrix in (
        (geometry.rankme, -z[::-1]),
        (geometry.centred_rankme, z),
        (geometry.rankme, z.T),
    ):
        before = len(decompositions)
        measure(matrix)
        assert len(decompositions) == before + 1


def test_what_is_remembered_does_not_show(decompositions):
    z = cloud(60, 12, 12, "order")
    alone = geometry.effective_rank(z)
    _spectra._known.cache_clear()
    geometry.rankme(z)
    geometry.centred_rankme(z)
    assert geometry.effective_rank(z) == alone


def test_what_is_remembered_cannot_be_changed():
    found = remembered(cloud(20, 4, 4, "kept"))("ones", lambda: np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 2.0
