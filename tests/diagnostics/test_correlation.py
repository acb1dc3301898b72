import numpy as np
import pytest
from scipy.linalg import hadamard, sqrtm, subspace_angles

from mmaudit import diagnostics as d
from mmaudit import inference
from mmaudit.diagnostics import correlation
from mmaudit.diagnostics._whole import equal_blocks, exchanged, halves
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.errors import InputError
from mmaudit.seeds import generator


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


@pytest.mark.parametrize("size", [100, 150, 256])
def test_ridge_cca_of_orthogonal_items(size):
    """Of their cross-covariances many singular values are equal, of which LAPACK may not part the largest."""
    items = np.eye(size)
    shuffled = items[np.random.default_rng(size).permutation(size)]
    for e in (Embeddings(items, items), Embeddings(items, shuffled), Embeddings(items, -items)):
        m = d.ridge_cca(e, draws=50)
        # Variances are 1/size in every direction but that of the mean.
        assert m.value == pytest.approx(1 / (1 + 1e-3 * size), rel=1e-6)
        assert m.null == pytest.approx(m.value, rel=1e-5)


def test_ridge_cca_where_the_largest_alone_cannot_be_had(monkeypatch):
    def fails(*args, **kwargs):
        raise np.linalg.LinAlgError("Internal Error.")

    expected = d.ridge_cca(_latent(), draws=5)
    monkeypatch.setattr("scipy.linalg.eigvalsh", fails)
    m = d.ridge_cca(_latent(), draws=5)
    assert m.value == pytest.approx(expected.value, rel=1e-12)
    assert m.null == pytest.approx(expected.null, rel=1e-5)


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


@pytest.mark.parametrize("width", [6, 40, 90])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_hsic_is_that_of_dense_kernels_and_its_influence_the_mean_over_other_items(similarity, width):
    """2 (mean over the n - 1 others of k̃ l̃, less its mean over items), kernels without their diagonals."""
    e = Embeddings(_latent(40, width).x, _latent(40, width).y, similarity=similarity)
    x, y = (z - z.mean(axis=0) for z in e.scored)
    found = correlation._hsics(x, y)
    for (value, influence), (one, other) in zip(found, ((x, y), (x, x), (y, y)), strict=True):
        k, l_ = one @ one.T, other @ other.T
        assert value == pytest.approx(_dense_hsic(k, l_), rel=1e-9)
        to_others = (k * l_ * (1 - np.eye(40))).sum(axis=1) / 39
        expected = 2 * (to_others - to_others.mean())
        np.testing.assert_allclose(influence, expected, atol=1e-13 * np.abs(k * l_).sum())


def test_the_error_of_cka_is_that_of_a_ratio():
    """log CKA = log HSIC(x, y) - ½ log HSIC(x, x) - ½ log HSIC(y, y), and so is its influence."""
    e = _latent(60, noise=1.0)
    x, y = (correlation.centred(z) for z in e.scored)
    (xy, u), (xx, v), (yy, w) = correlation._hsics(x, y)
    m = d.linear_cka(e)
    assert m.value == pytest.approx(xy / np.sqrt(xx * yy), rel=1e-12)
    influence = m.value * (u / xy - v / xx / 2 - w / yy / 2)
    assert m.se == pytest.approx(np.sqrt(influence.var(ddof=1) / 60), rel=1e-9)


def held_out(e, top, ridge, seed):
    """Canonical correlations of either half on the other, by roots of covariance matrices; and the error."""
    x, y = e.scored
    n, d_ = x.shape
    drawn = inference.canonical_order(*(correlation.centred(z) for z in (x, y)))
    drawn = drawn[generator(seed, "canonical halves").permutation(n)]
    value, influence = 0.0, np.zeros(n)
    for fit, score in ((drawn[: n // 2], drawn[n // 2 :]), (drawn[n // 2 :], drawn[: n // 2])):
        centred = [z[fit] - z[fit].mean(axis=0) for z in (x, y)]
        covariances = [z.T @ z / len(fit) for z in centred]
        roots = [np.linalg.inv(sqrtm(c + ridge * np.trace(c) / d_ * np.eye(d_)).real) for c in covariances]
        u, _, vt = np.linalg.svd(roots[0] @ centred[0].T @ centred[1] @ roots[1])
        a, b = x[score] @ roots[0] @ u[:, :top], y[score] @ roots[1] @ vt[:top].T
        a, b = ((z - z.mean(axis=0)) / z.std(axis=0) for z in (a, b))
        r = (a * b).mean(axis=0)
        value += len(score) / n * r.mean()
        influence[score] = (a * b - r / 2 * (a**2 + b**2)).mean(axis=1)
    return value, np.sqrt(influence.var(ddof=1) / n)


@pytest.mark.parametrize(("top", "ridge"), [(8, 0.1), (3, 0.1), (2, 1.0)])
@pytest.mark.parametrize("n", [61, 120])
def test_held_out_correlations_are_those_of_covariance_matrices(n, top, ridge):
    e = _latent(n, 9)
    options = {} if (top, ridge) == (8, 0.1) else {"top": top, "ridge": ridge}
    for seed in (0, 3):
        m = d.canonical_correlations(e, seed=seed, **options)
        assert (m.value, m.se) == pytest.approx(held_out(e, top, ridge, seed), rel=1e-7)
        assert m.method == f"two-fold held-out CCA, relative ridge {ridge:g}, mean of the top {top}"
        assert [len(note.split(",")) for note in m.notes] == [top, top]
        assert m.notes[0].startswith("half 1: 0.")
        assert m.notes[1].startswith("half 2: 0.")


@pytest.mark.parametrize(("width", "top"), [(10, 8), (10, 3), (5, 8)])
def test_the_null_of_ridge_cca_is_its_mean_over_random_pairings(width, top):
    e = _unrelated(40, width)
    x, y = (unit_rows(z) for z in (e.x, e.y))
    order = inference.canonical_order(x, y)
    x, y = (z[order] - z.mean(axis=0) for z in (x, y))
    roots = [np.linalg.inv(sqrtm(z.T @ z / 40 + 1e-3 * np.eye(width))).real for z in (x, y)]

    def mean_top(rows):
        cross = roots[0] @ (x.T @ y[rows] / 40) @ roots[1]
        return np.linalg.svd(cross, compute_uv=False)[:top].sum() / min(top, width)

    rng = generator(0, "ridge cca null")
    null = np.array([mean_top(rng.permutation(40)) for _ in range(20)])
    m = d.ridge_cca(e, **({} if top == 8 else {"top": top}))
    assert m.value == pytest.approx(mean_top(np.arange(40)), rel=1e-9)
    assert m.null == pytest.approx(null.mean(), rel=1e-7)  # in float32
    assert abs(m.null - null.mean()) < 1e-3 * null.std()
    assert m.notes == (f"permutation p = {(1 + (null >= m.value).sum()) / 21:.3g} (20 draws)",)
    assert (m.interval, m.unit, m.direction, m.n) == ("exact", "correlation", "higher is better", 40)
    assert m.method == f"in-sample ridge CCA, ridge 0.001, mean of the top {top}"


def test_what_differs_by_rounding_does_not_vary():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(40, 3))
    for step, varies in ((1e-8, False), (1e-4, True)):
        z = 1 + step * noise
        assert correlation.centred(z).any() == varies
        columns = np.column_stack([noise[:, 0], z[:, 0]])
        deviations = correlation._standardised(columns).std(axis=0)
        assert deviations == pytest.approx([1.0, float(varies)], abs=1e-9)
    assert not correlation.centred(np.zeros((3, 2))).any()
    assert np.abs(correlation.centred(1e30 * noise)).max() < 3


@pytest.mark.parametrize("side", ["x", "y"])
def test_a_side_that_does_not_vary_is_named(side):
    e = _latent(60, 4)
    still = np.ones_like(e.x)
    one = Embeddings(still, e.y) if side == "x" else Embeddings(e.x, still)
    modality = "image" if side == "x" else "text"
    assert d.canonical_correlations(one).notes == (f"{modality} embeddings do not vary",)
    assert d.linear_cka(one).notes == (f"{modality} embeddings show no variance common to items",)
    # One item that stands apart is a variance of that item alone.
    lone = np.zeros_like(e.x)
    lone[7, 1] = 1
    alone = Embeddings(lone, e.y) if side == "x" else Embeddings(e.x, lone)
    assert d.linear_cka(alone).notes == (f"{modality} embeddings show no variance common to items",)


@pytest.mark.parametrize("wrong", [{"top": 0}, {"ridge": 0.0}, {"draws": 0}])
def test_settings_of_ridge_cca_at_their_bounds(wrong):
    with pytest.raises(InputError, match="all must be positive"):
        d.ridge_cca(_latent(), **wrong)
    assert d.ridge_cca(_latent(20, 3), top=1, ridge=1e-9, draws=1).value is not None
    assert d.canonical_correlations(_latent(20, 3), top=1, ridge=0.0).value is not None
    assert d.ridge_cca(Embeddings(np.zeros((5, 0)), np.zeros((5, 0)))).notes == (
        "2 pairs of 1 dimension are needed, got 5 of 0",
    )


@pytest.mark.parametrize("swapped", [False, True])
def test_ridge_cca_of_sides_that_span_unlike_many_dimensions(swapped):
    """Three correlations there are, whichever side has no more, and the mean over eight counts five zeros."""
    rng = np.random.default_rng(4)
    x = np.hstack([rng.normal(size=(50, 3)), np.zeros((50, 7))])
    e = Embeddings(x, x @ rng.normal(size=(10, 10)) + rng.normal(size=(50, 10)))
    e = e.swapped() if swapped else e
    a, b = (z - z.mean(axis=0) for z in (unit_rows(e.x), unit_rows(e.y)))
    roots = [np.linalg.inv(sqrtm(z.T @ z / 50 + 1e-3 * np.eye(10))).real for z in (a, b)]
    singular = np.linalg.svd(roots[0] @ (a.T @ b / 50) @ roots[1], compute_uv=False)
    assert singular[2] > 0.1 > 1e-6 > singular[3]
    assert d.ridge_cca(e).value == pytest.approx(singular[:3].sum() / 8, rel=1e-6)
    assert d.ridge_cca(e, top=2).value == pytest.approx(singular[:2].mean(), rel=1e-6)


@pytest.mark.parametrize("shared", [0, 1, 2])
def test_columns_that_are_orthogonal_have_no_correlation_and_no_square_root_of_a_rounding(shared):
    """Of a Hadamard matrix: what is not shared correlates exactly not at all, but for rounding."""
    columns = hadamard(32)[:, 1:]
    x, y = columns[:, :6], columns[:, 6 - shared : 12 - shared]
    m = d.ridge_cca(Embeddings(x, y), ridge=1e-9, top=6)
    assert m.value == pytest.approx(shared / 6, abs=1e-6)


def test_ridge_cca_of_known_directions_is_the_same():
    from mmaudit.diagnostics.principal import principal

    for e in (_latent(), _unrelated(30, 60)):
        known = principal(unit_rows(e.x)), principal(unit_rows(e.y))
        alone, given = d.ridge_cca(e), d.ridge_cca(e, directions=known)
        assert given.value == pytest.approx(alone.value, rel=1e-9)
        assert given.null == pytest.approx(alone.null, rel=1e-6)
        assert given.notes == alone.notes


def captioned(seed, pictures=100, captions=5, width=16, shared=0.0):
    """Pictures and what was written of each: several pairs a picture, of sides that share so much."""
    rng = generator(seed, "captioned")
    item = rng.normal(size=(pictures, width))
    other = shared * item + (1 - shared) * rng.normal(size=item.shape)
    x, y = (np.repeat(z, captions, axis=0) for z in (item, other))
    x, y = (z + 0.2 * rng.normal(size=z.shape) for z in (x, y))
    return Embeddings(x.astype(np.float32), y.astype(np.float32)), np.repeat(np.arange(pictures), captions)


def test_unrelated_modalities_do_not_correlate_by_what_a_group_has_in_common():
    held_out, in_sample = [], []
    for seed in range(12):
        e, groups = captioned(seed)
        held_out.append(d.canonical_correlations(e, groups))
        found = d.ridge_cca(e, groups)
        in_sample.append(found.value - found.null)
    assert abs(np.mean([m.value for m in held_out])) < 0.06
    assert sum(m.low > 0 for m in held_out) <= 2
    assert held_out[0].df == 99
    assert abs(np.mean(in_sample)) < 0.02
    # Taken for independent, the same pairs seem to correlate.
    assert d.canonical_correlations(e).low > 0.3
    alone = d.ridge_cca(e)
    assert alone.value - alone.null > 0.05
    assert d.canonical_correlations(*captioned(1, shared=0.7)).low > 0.5


@pytest.mark.parametrize("measure", [d.canonical_correlations, d.ridge_cca])
def test_groups_of_one_change_no_correlation_and_the_order_of_grouped_pairs_neither(measure):
    e, _ = captioned(1, 80, 1, 4)
    assert measure(e, 3 * np.arange(80)[::-1]) == measure(e)
    groups = generator(2, "sizes").integers(0, 30, 80)
    order = generator(2, "order").permutation(80)
    one, other = measure(e, groups), measure(e.take(order), -groups[order])
    assert (one.value, one.null) == pytest.approx((other.value, other.null), abs=1e-6)
    with pytest.raises(InputError, match="groups have shape"):
        measure(e, groups[:3])


def test_halves_are_cut_between_groups():
    e, groups = captioned(2, 7)
    few = d.canonical_correlations(e, groups)
    assert few.notes == ("8 groups of pairs are needed, got 7",)
    order = np.arange(20)
    codes = np.repeat([3, 0, 1, 2], [2, 12, 5, 1])
    first, second = halves(order, codes)
    assert (len(first), len(second)) == (14, 6)
    first, second = halves(np.arange(9), np.arange(9))
    assert (len(first), len(second)) == (4, 5)


@pytest.mark.parametrize("seed", range(3))
def test_exchanged_groups_are_whole_and_of_one_size(seed):
    codes = np.repeat(np.arange(9), [3, 1, 2, 3, 1, 2, 3, 1, 4])
    places = exchanged(equal_blocks(codes), generator(seed, "exchanged"))
    assert np.array_equal(np.sort(places), np.arange(len(codes)))
    for group in range(9):
        given = codes[places[codes == group]]
        assert len(np.unique(given)) == 1
        assert np.array_equal(np.sort(places[codes == group]), places[codes == group])
        assert np.count_nonzero(codes == given[0]) == np.count_nonzero(codes == group)
    single = exchanged(equal_blocks(np.arange(30)), generator(seed, "exchanged"))
    assert np.array_equal(single, generator(seed, "exchanged").permutation(30))
