import numpy as np
import pytest
from scipy.linalg import sqrtm, subspace_angles

from mmaudit import diagnostics as d
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.errors import InputError


def _latent(n=300, width=10, shared=4, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, shared))
    x, y = (z @ rng.normal(size=(shared, width)) + noise * rng.normal(size=(n, width)) for _ in range(2))
    return Embeddings(x, y)


def _unrelated(n=300, width=10, seed=0):
    rng = np.random.default_rng(seed)
    return Embeddings(rng.normal(size=(n, width)), rng.normal(size=(n, width)))


# -- canonical correlations -------------------------------------------------------------------------------


def test_held_out_correlations_approach_those_of_the_population():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(4000, 3))
    true = np.array([0.9, 0.6, 0.3])
    other = true * z + np.sqrt(1 - true**2) * rng.normal(size=z.shape)
    mix_x, mix_y = rng.normal(size=(2, 3, 3))
    m = d.canonical_correlations(Embeddings(z @ mix_x, other @ mix_y, similarity="dot"), ridge=0.0)
    assert m.value == pytest.approx(true.mean(), abs=0.02)
    assert m.low <= true.mean() <= m.high


@pytest.mark.parametrize(("n", "width"), [(100, 60), (300, 10)])
def test_unrelated_modalities_have_none_held_out_however_few_the_items(n, width):
    m = d.canonical_correlations(_unrelated(n, width))
    assert abs(m.value) < 0.15
    assert m.low <= 0.05
    assert d.canonical_correlations(_latent(n, width)).value > 0.3


def test_in_sample_correlation_of_unrelated_modalities_is_no_better_than_its_null():
    m = d.ridge_cca(_unrelated(100, 60))
    assert m.value > 0.5
    assert m.value == pytest.approx(m.null, abs=0.05)
    assert "permutation p" in m.notes[0]
    related = d.ridge_cca(_latent())
    assert related.value > related.null + 0.2
    assert related.notes == ("permutation p = 0.0476 (20 draws)",)


def test_ridge_cca_equals_the_matrix_formula():
    e = _latent()
    x, y = (z - z.mean(axis=0) for z in (unit_rows(e.x), unit_rows(e.y)))
    n = len(e)
    half_x, half_y = (np.linalg.inv(sqrtm(z.T @ z / n + 1e-3 * np.eye(10))).real for z in (x, y))
    singular = np.linalg.svd(half_x @ (x.T @ y / n) @ half_y, compute_uv=False)
    assert d.ridge_cca(e).value == pytest.approx(singular[:8].mean())


def test_ridge_cca_tends_to_the_angles_between_the_column_spaces():
    e = _latent(60, 5)
    x, y = (unit_rows(z) - unit_rows(z).mean(axis=0) for z in (e.x, e.y))
    cosines = np.sort(np.cos(subspace_angles(x, y)))[::-1]
    assert d.ridge_cca(e, ridge=1e-12, top=5).value == pytest.approx(cosines.mean(), rel=1e-6)


@pytest.mark.parametrize(
    ("diagnostic", "options"),
    [(d.canonical_correlations, {"top": 4}), (d.ridge_cca, {"top": 4}), (d.linear_cka, {})],
)
def test_rank_deficient_copies_change_little(diagnostic, options):
    e = _latent(300, 6)
    doubled = Embeddings(np.hstack([e.x, e.x]), np.hstack([e.y, e.y]))
    assert diagnostic(doubled, **options).value == pytest.approx(diagnostic(e, **options).value, abs=0.02)


def test_held_out_error_matches_redraws_given_the_directions():
    drawn = [d.canonical_correlations(_latent(120, 6, seed=seed), top=2) for seed in range(60)]
    spread = np.std([m.value for m in drawn], ddof=1)
    assert 0.4 < np.mean([m.se for m in drawn]) / spread < 1.5


@pytest.mark.parametrize("options", [{"top": 0}, {"ridge": -1.0}])
def test_settings_are_checked(options):
    with pytest.raises(InputError, match="top"):
        d.canonical_correlations(_latent(), **options)
    with pytest.raises(InputError, match="positive"):
        d.ridge_cca(_latent(), **options)


def test_correlations_use_their_seed():
    e = _latent()
    assert d.canonical_correlations(e, seed=1) == d.canonical_correlations(e, seed=1)
    assert d.canonical_correlations(e, seed=1).value != d.canonical_correlations(e, seed=2).value
    assert d.ridge_cca(e, seed=1).null != d.ridge_cca(e, seed=2).null


# -- kernel alignment -------------------------------------------------------------------------------------


def _dense_hsic(k, other):
    """Song et al. 2012, eq. 5, with the kernel matrices written out."""
    n = len(k)
    k, other = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
    one = np.ones(n)
    product = np.trace(k @ other) + (one @ k @ one) * (one @ other @ one) / ((n - 1) * (n - 2))
    return (product - 2 / (n - 2) * (one @ k @ other @ one)) / (n * (n - 3))


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_cka_equals_the_dense_estimator(similarity):
    e = Embeddings(_latent(50).x, _latent(50).y, similarity=similarity)
    x, y = e.scored
    k, other = x @ x.T, y @ y.T
    expected = _dense_hsic(k, other) / np.sqrt(_dense_hsic(k, k) * _dense_hsic(other, other))
    assert d.linear_cka(e).value == pytest.approx(expected)


def test_cka_of_unrelated_modalities_is_zero_where_the_biased_one_is_not():
    e = _unrelated(100, 200)
    x, y = (z - z.mean(axis=0) for z in e.scored)
    biased = np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert biased > 0.5
    assert abs(d.linear_cka(e).value) < 0.1


def test_cka_of_a_rotated_copy_is_one():
    e = _latent()
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0]
    assert d.linear_cka(Embeddings(e.x, e.x @ rotation)).value == pytest.approx(1)


@pytest.mark.parametrize("noise", [0.5, 5.0])
def test_cka_error_equals_the_brute_force_jackknife(noise):
    e = _latent(150, noise=noise)
    values = np.array([d.linear_cka(e.take(np.delete(np.arange(150), i))).value for i in range(150)])
    brute = np.sqrt(149 * np.mean((values - values.mean()) ** 2))
    assert d.linear_cka(e).se == pytest.approx(brute, rel=0.03)
