import numpy as np
import pytest

from mmaudit.diagnostics import _spectra, geometry
from mmaudit.diagnostics._spectra import remembered
from mmaudit.embeddings import Embeddings
from mmaudit.inference import canonical_order
from mmaudit.seeds import generator


def cloud(n, d, rank, stream):
    rng = generator(3, "spectra", stream)
    return rng.standard_normal((n, rank)) @ rng.standard_normal((rank, d)) + rng.standard_normal(d)


@pytest.fixture
def decompositions(monkeypatch):
    """The shapes of all that was decomposed, nothing being remembered from before."""
    _spectra._known.cache_clear()
    seen = []
    eigvalsh = np.linalg.eigvalsh

    def counted(matrix):
        seen.append(matrix.shape)
        return eigvalsh(matrix)

    monkeypatch.setattr(np.linalg, "eigvalsh", counted)
    return seen


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("n", "d", "rank"), [(60, 12, 12), (40, 90, 90), (60, 30, 5), (40, 90, 7)])
def test_parts_have_the_spectra_of_their_dense_rows(n, d, rank, centred):
    z = cloud(n, d, rank, "dense")
    of = remembered(z, centred)
    order = generator(0, "spectra parts").permutation(n)
    for rows in (order, order[: n - 3], order[5:], order[n // 2 :]):
        part = z[rows] - z[rows].mean(axis=0) if centred else z[rows]
        squares = np.linalg.svd(part / np.abs(z).max(), compute_uv=False) ** 2 / len(rows)
        found = of(rows)
        assert found.shape == (min(len(rows), d),)
        assert np.abs(found - squares).max() <= 1e-12 * squares.max()


def test_diagnostics_of_equal_content_share_their_spectra(decompositions):
    z = cloud(60, 12, 12, "shared")
    first = geometry.effective_rank(z)
    taken = len(decompositions)
    assert taken == 21
    geometry.alpha_req(z.copy())
    geometry.rank_share(z)
    assert geometry.effective_rank(np.asfortranarray(z)) == first
    assert len(decompositions) == taken


def test_damage_to_one_side_leaves_the_spectra_of_the_other(decompositions):
    x, y, damaged = (cloud(60, 12, 12, stream) for stream in "xyd")
    geometry.rank_asymmetry(Embeddings(x, y))
    assert len(decompositions) == 42
    geometry.rank_asymmetry(Embeddings(x, damaged))
    assert len(decompositions) == 63


def test_other_content_rows_or_centring_are_worked_out(decompositions):
    z = cloud(30, 8, 8, "other")
    rows = np.arange(20)
    remembered(z, False)(rows)
    for matrix, centred, part in ((-z[::-1], False, rows), (z, True, rows), (z, False, rows[1:])):
        before = len(decompositions)
        remembered(matrix, centred)(part)
        assert len(decompositions) > before


def test_what_is_remembered_does_not_show(decompositions):
    z = cloud(60, 12, 12, "order")
    order = canonical_order(z)
    alone = [remembered(z, True)(order[k:]).tobytes() for k in (3, 7)]
    _spectra._known.cache_clear()
    geometry.alpha_req(z)
    assert [remembered(z, True)(order[k:]).tobytes() for k in (7, 3)] == alone[::-1]


def test_remembered_spectra_cannot_be_changed():
    found = remembered(cloud(20, 4, 4, "kept"), True)(np.arange(10))
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1.0
