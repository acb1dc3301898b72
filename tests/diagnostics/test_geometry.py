import pathlib

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from mmaudit import diagnostics as d
from mmaudit import inference
from mmaudit.diagnostics import geometry
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.errors import InputError

REAL = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data" / "real_embeddings"


def _sample(n=60, width=8, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, width)) + 0.7) * np.linspace(2, 0.3, width)


def _pairs(n=60, width=8, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width)) + 0.4
    return Embeddings(x, x + rng.normal(size=(n, width)) - 0.6)


def _jackknife_se(statistic, n):
    """Brute-force delete-one jackknife (Quenouille, Tukey): statistic of the rows kept."""
    values = np.array([statistic(np.delete(np.arange(n), i)) for i in range(n)])
    return np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum())


# -- ranks ------------------------------------------------------------------------------------------------


def _entropy_rank(weights):
    return np.exp(stats.entropy(weights))


@pytest.mark.parametrize("shape", [(60, 8), (8, 60), (20, 20)])
def test_ranks_equal_the_definitions_by_svd(shape):
    z = np.random.default_rng(1).normal(size=shape) + 0.5
    singular = np.linalg.svd(z, compute_uv=False)
    p = singular / singular.sum() + 1e-7
    assert d.rankme(z).value == pytest.approx(np.exp(-np.sum(p * np.log(p))), rel=1e-9)
    centred = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)
    assert d.centred_rankme(z).value == pytest.approx(_entropy_rank(centred), rel=1e-4)
    assert d.effective_rank(z).value == pytest.approx(_entropy_rank(centred**2), rel=1e-9)
    np.testing.assert_allclose(d.spectrum(z), centred**2 / len(z), atol=1e-12)
    np.testing.assert_allclose(d.spectrum(z, centred=False), singular**2 / len(z), atol=1e-12)


def test_the_ranks_are_different_numbers_with_known_values():
    orthonormal = np.concatenate([np.eye(5), -np.eye(5)])
    assert d.rankme(orthonormal).value == pytest.approx(5, rel=1e-4)
    assert d.effective_rank(orthonormal).value == pytest.approx(5)
    lopsided = orthonormal * [10, 1, 1, 1, 1]
    assert d.effective_rank(lopsided).value == pytest.approx(_entropy_rank([100, 1, 1, 1, 1]))
    assert d.rankme(lopsided).value == pytest.approx(_entropy_rank([10, 1, 1, 1, 1]), rel=1e-4)


def test_a_cone_lowers_rankme_but_no_centred_rank():
    z = np.random.default_rng(0).normal(size=(200, 8))
    cone = z + 20
    assert d.rankme(cone).value < 0.5 * d.rankme(z).value
    assert d.effective_rank(cone).value == pytest.approx(d.effective_rank(z).value)
    assert d.alpha_req(cone).value == pytest.approx(d.alpha_req(z).value)


def test_rank_of_nothing_is_zero_and_of_one_direction_is_one():
    equal = np.tile(_sample(1), (30, 1))
    assert d.effective_rank(equal).value == 0
    assert d.rankme(np.zeros((30, 4))).value == 0
    assert d.rankme(equal).value == pytest.approx(1, abs=1e-4)
    assert d.effective_rank(np.outer(np.arange(30), [1.0, 2.0, 3.0])).value == pytest.approx(1)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_rank_share_reaches_one_for_few_items(n):
    simplex = np.eye(n, 12)
    assert d.effective_rank(simplex).value == pytest.approx(n - 1)
    assert d.rank_share(simplex).value == pytest.approx(1)


def test_ranks_do_not_depend_on_scale():
    z = _sample()
    for diagnostic in (d.rankme, d.effective_rank, d.alpha_req):
        for scale in (1e-30, 1e30):
            assert diagnostic(z * scale).value == pytest.approx(diagnostic(z).value, rel=1e-9)


@pytest.mark.parametrize("width", [8, 90])
@pytest.mark.parametrize("diagnostic", [d.rankme, d.centred_rankme, d.effective_rank, d.alpha_req])
def test_standard_error_of_spectra_is_that_of_the_delete_one_jackknife(diagnostic, width):
    z = _sample(60, width)
    m = diagnostic(z)
    dense = _jackknife_se(lambda rows: diagnostic(z[rows]).value, 60)
    if diagnostic is d.alpha_req:  # of groups
        assert m.se == pytest.approx(dense, rel=0.5)
        assert m.df == 9
    else:
        assert m.se == pytest.approx(dense, rel=1e-4)
        assert m.df == 59


@pytest.mark.parametrize("width", [10, 120])
def test_rank_intervals_cover_with_few_and_with_many_dimensions(width):
    scale = np.arange(1, width + 1) ** -0.5
    rng = np.random.default_rng(9)
    drawn = [d.rankme((rng.normal(size=(60, width)) + 0.3) * scale) for _ in range(150)]
    truth = np.mean([m.value for m in drawn])
    assert 0.9 <= np.mean([m.low <= truth <= m.high for m in drawn]) <= 0.995


def test_rank_asymmetry_is_the_log_ratio_and_exactly_antisymmetric():
    e = _pairs()
    x, y = (m.value for m in d.per_side(d.rankme, e))
    m = d.rank_asymmetry(e)
    assert m.value == pytest.approx(np.log(x / y))
    assert m.se > 0
    for kind in ("rankme", "centred_rankme", "effective_rank"):
        straight, mirrored = d.rank_asymmetry(e, kind=kind), d.rank_asymmetry(e.swapped(), kind=kind)
        assert mirrored.value == -straight.value
    assert d.rank_asymmetry(Embeddings(e.x, e.x)).value == 0


def test_alpha_req_recovers_a_power_law():
    k = np.arange(1, 17)
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(400, 17)))[0]
    axes = np.linalg.qr(axes - axes.mean(axis=0))[0][:, :16]
    assert d.alpha_req(axes * k**-0.65).value == pytest.approx(1.3, rel=1e-6)


# -- angles -----------------------------------------------------------------------------------------------


def test_pairwise_means_equal_scipy():
    z = _sample()
    cosine = distance.pdist(z, "cosine")
    squared = distance.pdist(unit_rows(z), "sqeuclidean")
    assert d.mean_cosine(z).value == pytest.approx(1 - cosine.mean())
    assert d.separation(z).value == pytest.approx(cosine.mean())
    assert d.uniformity(z).value == pytest.approx(np.log(np.exp(-2 * squared).mean()))
    assert d.uniformity(z, t=0.5).value == pytest.approx(np.log(np.exp(-0.5 * squared).mean()))
    assert d.variance(z).value == pytest.approx(unit_rows(z).var(axis=0, ddof=1).mean())


def test_alignment_and_gap_equal_their_definitions():
    e = _pairs()
    x, y = unit_rows(e.x), unit_rows(e.y)
    assert d.alignment(e).value == pytest.approx(((x - y) ** 2).sum(axis=1).mean())
    assert d.alignment(e, alpha=1).value == pytest.approx(np.sqrt(((x - y) ** 2).sum(axis=1)).mean())
    assert d.modality_gap(e).value == pytest.approx(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)))
    assert d.modality_gap(Embeddings(e.x, e.x)).value == 0


@pytest.mark.parametrize("diagnostic", [d.mean_cosine, d.separation, d.uniformity, d.variance])
def test_closed_form_errors_of_one_side_equal_the_brute_force_jackknife(diagnostic):
    z = _sample(80)
    z[:4] = 0
    dense = _jackknife_se(lambda rows: diagnostic(z[rows]).value, 80)
    assert diagnostic(z).se == pytest.approx(dense, rel=0.05)


@pytest.mark.parametrize("diagnostic", [d.alignment, d.modality_gap, d.norm_leak])
def test_closed_form_errors_of_pairs_equal_the_brute_force_jackknife(diagnostic):
    e = _pairs(80)
    dense = _jackknife_se(lambda rows: diagnostic(e.take(rows)).value, 80)
    assert diagnostic(e).se == pytest.approx(dense, rel=0.05)


@pytest.mark.parametrize("block", [1, 7, 59, 60, 1000])
def test_block_size_does_not_matter(block):
    z = np.concatenate([_sample(50), _sample(10)])
    assert d.uniformity(z, block=block).value == pytest.approx(d.uniformity(z).value, rel=1e-12)
    assert d.distinct_share(z, block=block) == d.distinct_share(z)


def test_block_must_be_positive():
    with pytest.raises(InputError, match="block is 0"):
        d.distinct_share(_sample(), block=0)


# -- collapse ---------------------------------------------------------------------------------------------


def test_distinct_share_counts_items_with_no_near_duplicate():
    z = _sample(20)
    assert d.distinct_share(z).value == 1
    z[1], z[3], z[4] = z[0], 2 * z[2], 0.0
    m = d.distinct_share(z)
    assert m.value == pytest.approx(15 / 20)
    assert "1 of 20 rows are zero" in m.notes[0]
    nearest = np.sort(distance.squareform(distance.pdist(z[5:], "cosine")) + 9 * np.eye(15), axis=1)[:, 0]
    middle = float(np.median(nearest)) + 1e-9
    assert d.distinct_share(z[5:], resolution=middle).value == pytest.approx(np.mean(nearest > middle))


@pytest.mark.parametrize("z", [np.zeros((30, 4)), np.ones((30, 4))], ids=["zero", "constant"])
def test_collapsed_encoders_separate_nothing(z):
    assert d.separation(z).value == 0
    assert d.distinct_share(z).value == 0
    assert d.variance(z).value == pytest.approx(0, abs=1e-15)


def test_separation_tells_a_cone_from_a_collapse():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(300, 32))
    cone, collapse = noise + 1.0, noise + 10.0
    assert d.separation(cone).low > 0.4
    assert d.separation(collapse).high < 0.02
    assert d.effective_rank(collapse).value == pytest.approx(d.effective_rank(cone).value)


# -- norms ------------------------------------------------------------------------------------------------


def test_norm_leak_is_the_difference_of_variation():
    e = _pairs()
    norm_x, norm_y = (np.linalg.norm(z.astype(float), axis=1) for z in (e.x, e.y))
    assert d.norm_leak(e).value == pytest.approx(stats.variation(norm_y) - stats.variation(norm_x))
    assert d.norm_leak(e.swapped()).value == -d.norm_leak(e).value


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_unit_rows_leak_exactly_nothing_in_any_precision(dtype):
    e = _pairs(300, 64)
    m = d.norm_leak(Embeddings(unit_rows(e.x).astype(dtype), 3 * unit_rows(e.y).astype(dtype)))
    assert (m.value, m.low, m.high, m.interval) == (0, 0, 0, "exact")


def test_one_side_served_without_normalisation_leaks():
    e = _pairs(200)
    leaked = d.norm_leak(Embeddings(unit_rows(e.x), e.y))
    assert leaked.low > 0.02


# -- a real model -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.is_dir(), reason="the real CLIP embeddings are not part of this checkout")
@pytest.mark.parametrize(
    ("file", "rank", "centred", "cosine", "gap"),
    [
        ("clip_coco_trained.npy", (258, 244), (298, 280), (0.531, 0.515), 0.851),
        ("clip_coco_random_init.npy", (37, 195), (65, 243), (0.681, 0.663), 1.136),
    ],
)
def test_public_clip_has_the_published_geometry(file, rank, centred, cosine, gap):
    x, y = np.load(REAL / file)
    e = Embeddings(x, y)
    assert [round(m.value) for m in d.per_side(d.rankme, e)] == list(rank)
    assert [round(m.value) for m in d.per_side(d.centred_rankme, e)] == list(centred)
    assert [round(m.value, 3) for m in d.per_side(d.mean_cosine, e)] == list(cosine)
    assert round(d.modality_gap(e).value, 3) == gap
    assert d.norm_leak(e).value == 0


# -- by other ways ----------------------------------------------------------------------------------------


def _values(z, centred, power):
    """Singular values, or eigenvalues of the covariance, by SVD; what rounding leaves is nothing."""
    z = np.asarray(z, dtype=np.float64)
    singular = np.linalg.svd(z - z.mean(axis=0) if centred else z, compute_uv=False)
    return singular[singular > 1e-7 * singular[0]] ** power


def _slope(z):
    values = np.log(_values(z, True, 2))
    return -np.polyfit(np.log(np.arange(1, len(values) + 1)), values, 1)[0]


SPECTRAL = {
    "rankme": (d.rankme, lambda z: _entropy_rank(_values(z, False, 1))),
    "centred_rankme": (d.centred_rankme, lambda z: _entropy_rank(_values(z, True, 1))),
    "effective_rank": (d.effective_rank, lambda z: _entropy_rank(_values(z, True, 2))),
    "rank_share": (d.rank_share, lambda z: _entropy_rank(_values(z, True, 2)) / min(len(z) - 1, z.shape[1])),
    "alpha_req": (d.alpha_req, _slope),
}


def _again(name, statistic, order):
    """The jackknife of groups where eigenvalues enter by their rank, else of each item alone."""
    if name == "alpha_req":
        return inference.jackknife("j", statistic, order, groups=10)
    without = [statistic(np.delete(order, i)) for i in range(len(order))]
    return inference.delete_one("j", statistic(order), without)


@pytest.mark.parametrize("shape", [(2, 5), (3, 3), (4, 2)])
@pytest.mark.parametrize("name", [*geometry.RANKS])
def test_errors_of_ranks_of_a_few_items(name, shape):
    diagnostic, by_svd = SPECTRAL[name]
    z = _sample(*shape) * (1e-9 if shape == (3, 3) else 1.0)
    one_left = shape[0] == 2 and name != "rankme"  # which does not vary
    rank = (
        (lambda rows: 0.0 if len(rows) == 1 else by_svd(z[rows]))
        if one_left
        else lambda rows: by_svd(z[rows])
    )
    again, m = _again(name, rank, np.arange(len(z))), diagnostic(z)
    assert m.value == pytest.approx(again.value, rel=1e-4)
    assert m.se == pytest.approx(again.se, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("width", [12, 70])
def test_items_that_are_alone_in_their_direction_or_nothing_at_all_are_left_out_as_well(width):
    z = _sample(40, width)
    z[:, :3] = 0
    z[:3] = 0
    z[0, 0], z[1, 1] = 5.0, 1e-3
    for name in geometry.RANKS:
        diagnostic, by_svd = SPECTRAL[name]
        m, again = diagnostic(z), _again(name, lambda rows, f=by_svd: f(z[rows]), np.arange(40))
        assert m.se == pytest.approx(again.se, rel=1e-4)


@pytest.mark.parametrize("shape", [(60, 8), (60, 59), (60, 60), (60, 61), (60, 90), (25, 12)])
@pytest.mark.parametrize("name", SPECTRAL)
def test_spectra_of_parts_are_those_of_the_svd_of_each_part(name, shape):
    """The same jackknife over a decomposition of every part anew."""
    diagnostic, by_svd = SPECTRAL[name]
    z = _sample(*shape)
    again = _again(name, lambda rows: by_svd(z[rows]), inference.canonical_order(z))
    m = diagnostic(z)
    assert (m.n, m.df) == (shape[0], again.df)
    if name == "rank_share":  # over what the whole could have
        assert m.value == pytest.approx(again.value, rel=1e-4)
        whole = d.effective_rank(z)
        assert m.se == pytest.approx(whole.se / min(shape[0] - 1, shape[1]), rel=1e-9)
        return
    assert m.value == pytest.approx(again.value, rel=1e-4)
    assert m.se == pytest.approx(again.se, rel=1e-3)


@pytest.mark.parametrize("kind", ["rankme", "centred_rankme", "effective_rank"])
def test_the_error_of_an_asymmetry_is_that_of_pairs(kind):
    e = _pairs(70, 9)
    by_svd, (x, y) = SPECTRAL[kind][1], e.scored
    again = _again(kind, lambda rows: float(np.log(by_svd(x[rows]) / by_svd(y[rows]))), np.arange(70))
    m = d.rank_asymmetry(e, kind=kind)
    assert m.value == pytest.approx(again.value, abs=1e-5)
    assert m.se == pytest.approx(again.se, rel=1e-4)
    assert m.df == 69


@pytest.mark.parametrize("shape", [(1, 5), (5, 0), (0, 4)])
def test_an_asymmetry_of_too_little_says_what_is_missing(shape):
    m = d.rank_asymmetry(Embeddings(np.ones(shape), np.ones(shape)))
    assert m.value is None
    assert m.notes == (f"2 items of 1 dimension are needed, got {shape[0]} of {shape[1]}",)


@pytest.mark.parametrize(
    "diagnostic", [d.mean_cosine, d.separation, d.distinct_share, d.variance, d.uniformity]
)
def test_rows_without_a_direction_are_counted_in_a_note(diagnostic):
    z = _sample(30)
    assert diagnostic(z).notes == ()
    z[[3, 9]] = 0
    assert diagnostic(z).notes == ("2 of 30 rows are zero and have no direction",)


def test_a_row_that_is_zero_is_near_to_all_and_distinct_from_none():
    z = np.vstack([np.eye(4), np.zeros((1, 4))])
    assert d.separation(z).value == pytest.approx(4 * 3 / (5 * 4))
    assert d.mean_cosine(z).value == 0.0
    assert d.distinct_share(z).value == 0.8


@pytest.mark.parametrize("resolution", [1e-3, 0.5])
def test_distinct_is_below_the_resolution(resolution):
    angle = np.arccos(1 - resolution * np.array([0.9, 1.1]))
    for turn, share in zip(angle, (1 / 3, 1.0), strict=True):
        z = np.array([[1.0, 0, 0], [np.cos(turn), np.sin(turn), 0], [0, 0, 1.0]])
        assert d.distinct_share(z, resolution=resolution).value == pytest.approx(share)


def test_cosines_stay_in_their_range_and_none_is_negative():
    same = np.ones((40, 3))
    assert (d.mean_cosine(same).value, d.separation(same).value) == (1.0, 0.0)
    assert d.mean_cosine(np.array([[1.0, 0.0], [-1.0, 0.0]])).value == -1.0
    assert d.separation(np.array([[1.0, 0.0], [-1.0, 0.0]])).value == 2.0


def test_norms_vary_by_their_coefficient_of_variation():
    rng = np.random.default_rng(3)
    directions, lengths = _sample(50), np.exp(0.3 * rng.normal(size=(50, 1)))
    e = Embeddings(unit_rows(directions) * lengths, unit_rows(directions), similarity="dot")
    assert d.norm_leak(e).value == pytest.approx(-lengths.std() / lengths.mean(), rel=1e-5)
    assert d.norm_leak(e.swapped()).value == pytest.approx(lengths.std() / lengths.mean(), rel=1e-5)
    half = Embeddings(unit_rows(directions), np.zeros((50, directions.shape[1])))
    assert d.norm_leak(half).notes == ("all text embeddings are zero",)


@pytest.mark.parametrize("varied", [2, 3])
def test_a_power_law_needs_three_positive_eigenvalues(varied):
    z = np.zeros((40, 6))
    z[:, :varied] = np.random.default_rng(0).normal(size=(40, varied))
    m = d.alpha_req(z)
    if varied == 3:
        assert m.value == pytest.approx(_slope(z), rel=1e-6)
        assert m.method.startswith("slope of 3 log eigenvalues")
    else:
        assert m.notes[0] == "a power law needs 3 positive eigenvalues, got 2"


def test_the_power_law_is_the_least_squares_slope():
    z = _sample(50, 7)
    assert d.alpha_req(z).value == pytest.approx(_slope(z), rel=1e-9)


def test_a_rank_alone_is_the_value_of_the_diagnostic():
    z = _sample(30, 5)
    for kind, (diagnostic, _) in SPECTRAL.items():
        if kind in geometry.RANKS:
            assert geometry.rank(z, kind) == pytest.approx(diagnostic(z).value, rel=1e-12)
    for gone in (z[:1], z[:, :0]):
        assert geometry.rank(gone, "rankme") is None
    assert geometry.rank(z[:2], "effective_rank") == pytest.approx(1.0)
    assert geometry.rank(z[:, :1], "effective_rank") == pytest.approx(1.0)


def test_the_least_share_of_rankme_is_raised_by_a_ten_millionth():
    """Garrido et al. 2023: p_k = σ_k / Σσ + 1e-7; a direction without variance counts as that much."""
    z = np.zeros((6, 4))
    z[:, 0] = np.arange(1.0, 7)
    p = np.array([1 + 1e-7, *[1e-7] * 3])
    assert d.rankme(z).value == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-12)
    assert d.effective_rank(z).value == pytest.approx(1.0, rel=1e-12)


def test_a_spectrum_of_nothing_is_empty_and_of_equal_rows_zero():
    assert d.spectrum(np.zeros((0, 3))).shape == d.spectrum(np.zeros((3, 0))).shape == (0,)
    for step, varies in ((1e-8, False), (1e-3, True)):
        rows = 1 + step * np.random.default_rng(2).normal(size=(9, 4))
        assert d.spectrum(rows).shape == (4,)
        assert d.spectrum(rows).any() == varies
    assert d.spectrum(np.zeros((3, 2)), centred=False).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["rankme", "centred_rankme", "effective_rank"])
@pytest.mark.parametrize("side", [0, 1])
def test_a_side_without_any_rank_has_no_asymmetry(kind, side):
    sides = [_sample(30, 4), _sample(30, 4, seed=1)]
    sides[side] = np.zeros((30, 4))
    m = d.rank_asymmetry(Embeddings(*sides), kind=kind)
    assert m.notes == (f"{('image', 'text')[side]} embeddings do not vary",)
    assert m.name == ("rank_asymmetry" if kind == "rankme" else f"rank_asymmetry_{kind}")


def test_a_side_of_which_a_part_does_not_vary_is_undefined_and_no_crash():
    """One item that differs: the part of the jackknife without it does not vary."""
    x = np.ones((40, 3))
    x[:1] = [1.0, 2.0, 3.0]
    m = d.rank_asymmetry(Embeddings(x, _sample(40, 3)), kind="effective_rank")
    assert m.value is None
    assert "undefined on a part of the items" in m.notes[0]


@pytest.mark.parametrize(("spread", "leaks"), [(0.9e-3, False), (1.1e-3, True)])
def test_norms_that_vary_by_less_than_a_thousandth_are_rounded(spread, leaks):
    lengths = 1 + spread * np.where(np.arange(40) % 2, 1, -1)[:, None]
    e = Embeddings(unit_rows(_sample(40)), unit_rows(_sample(40)) * lengths)
    m = d.norm_leak(e)
    assert (m.interval == "student") == leaks
    assert m.value == pytest.approx(spread if leaks else 0.0, rel=1e-3)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("n", "width"), [(2, 1), (3, 3), (5, 2), (2, 5)])
def test_spectra_of_a_few_rows(n, width, centred):
    z = np.random.default_rng(n).normal(size=(n, width)) + 1
    singular = np.linalg.svd(z - z.mean(axis=0) if centred else z, compute_uv=False)
    assert d.spectrum(z, centred=centred) == pytest.approx(singular**2 / n, abs=1e-12)
    assert d.spectrum(z, centred=centred).shape == (min(n, width),)
