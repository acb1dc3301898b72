from collections import Counter

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score

from mmaudit import diagnostics as d
from mmaudit import inference
from mmaudit.diagnostics import information
from mmaudit.diagnostics._probe import Probe
from mmaudit.errors import InputError
from mmaudit.seeds import generator


def _known(n=400, width=6, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, width))
    return z, (z[:, 0] > 0).astype(int) + 2 * (z[:, 1] > 0).astype(int)


# -- the binned proxy -------------------------------------------------------------------------------------


def test_proxy_equals_scikit_learn_on_the_same_codes():
    z, factor = _known()
    cuts = np.quantile(z[:, :2], [0.25, 0.5, 0.75], axis=0)
    codes = np.searchsorted(cuts[:, 0], z[:, 0], "right") * 4 + np.searchsorted(cuts[:, 1], z[:, 1], "right")
    proxy, _ = d.mi_proxy(z, factor, dims=2)
    assert proxy.value == pytest.approx(mutual_info_score(codes, factor))


def test_random_labels_saturate_the_proxy_and_leave_no_excess():
    z, _ = _known(360, 48)
    labels = np.random.default_rng(3).integers(0, 4, 360)
    proxy, excess = d.mi_proxy(z, labels)
    assert proxy.value > 0.95 * np.log(4)
    assert proxy.null == pytest.approx(proxy.value, abs=0.02)
    assert excess.low <= 0 <= excess.high
    assert "of H(F)" in proxy.notes[1]


def test_a_known_factor_leaves_an_excess():
    z, factor = _known()
    proxy, excess = d.mi_proxy(z, factor, dims=2)
    assert excess.low > 0.5
    assert excess.value == pytest.approx(proxy.value - proxy.null)
    assert proxy.notes[0].startswith("permutation p = 0.00498")


def test_excess_is_rarely_claimed_for_random_labels():
    rng = np.random.default_rng(8)
    claims = 0
    for _ in range(100):
        _, excess = d.mi_proxy(rng.normal(size=(120, 2)), rng.integers(0, 3, 120), dims=2, draws=40)
        claims += not excess.low <= 0 <= excess.high
    assert claims <= 10


def test_proxy_does_not_depend_on_the_order_of_the_items():
    z, factor = _known(100)
    order = np.random.default_rng(1).permutation(100)
    straight, shuffled = d.mi_proxy(z, factor, draws=10), d.mi_proxy(z[order], factor[order], draws=10)
    assert [m.value for m in shuffled] == pytest.approx([m.value for m in straight], abs=1e-12)
    assert shuffled[0].null == pytest.approx(straight[0].null, abs=1e-12)


def test_names_carry_modality_and_factor():
    z, factor = _known(60)
    names = [m.name for m in d.mi_proxy(z, factor, draws=2, modality="image", factor_name="shape")]
    assert names == ["mi_proxy_image_shape", "mi_excess_image_shape"]
    assert (
        d.v_information(z, factor, modality="image", factor_name="shape").name == "v_information_image_shape"
    )


# -- the probe --------------------------------------------------------------------------------------------


def test_a_linear_factor_is_read_nearly_whole():
    z, factor = _known()
    m = d.v_information(z, factor)
    assert 0.7 * np.log(4) < m.low
    assert m.high < np.log(4)
    assert m.null == 0


def test_permuted_labels_give_nothing_or_a_little_less():
    z, factor = _known(400, 32)
    values = []
    for seed in range(4):
        labels = np.random.default_rng(seed).permutation(factor)
        m = d.v_information(z, labels, seed=seed)
        assert m.low <= 0.01
        values.append(m.value)
    assert -0.05 < np.mean(values) < 0.01


def test_probe_finds_the_information_of_a_gaussian_channel():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 3000)
    z = (2 * label - 1)[:, None] * np.array([[1.0, 0.0]]) + rng.normal(size=(3000, 2))
    grid = np.linspace(-8, 8, 20001)
    density = np.exp(-0.5 * (grid - 1) ** 2) / np.sqrt(2 * np.pi)
    truth = np.log(2) - np.sum(density * np.log1p(np.exp(-2 * grid))) * (grid[1] - grid[0])
    m = d.v_information(z, label)
    assert m.low <= truth <= m.high
    assert m.high - m.low < 0.1


def test_probe_depends_neither_on_item_order_nor_on_scale():
    z, factor = _known(120)
    order = np.random.default_rng(1).permutation(120)
    straight = d.v_information(z, factor).value
    assert d.v_information(z[order], factor[order]).value == pytest.approx(straight, rel=1e-6)
    assert d.v_information(1e30 * z, factor).value == pytest.approx(straight, rel=1e-6)


def test_a_value_seen_once_stays_finite():
    z, factor = _known(60)
    factor[0] = 9
    assert d.v_information(z, factor).value is not None


@pytest.mark.parametrize("diagnostic", [d.mi_proxy, d.v_information])
def test_a_factor_of_another_length_is_refused(diagnostic):
    with pytest.raises(InputError, match=r"factor has shape \(3,\)"):
        diagnostic(np.zeros((30, 2)), [0, 1, 2])


@pytest.mark.parametrize("options", [{"bins": 1}, {"dims": 0}, {"draws": 0}])
def test_proxy_settings_are_checked(options):
    with pytest.raises(InputError, match="give at least"):
        d.mi_proxy(*_known(60), **options)


def test_probe_needs_three_folds():
    with pytest.raises(InputError, match="folds is 2"):
        d.v_information(*_known(60), folds=2)


def test_a_probe_that_may_learn_nothing_predicts_the_marginal_as_it_is_smoothed():
    """With so small a strength the probe answers with the frequencies, and no item gains or loses."""
    rng = generator(4, "marginal")
    z, labels = rng.normal(size=(400, 3)), (rng.random(400) < 0.2).astype(np.int64) + (rng.random(400) < 0.1)
    fit = np.arange(400) < 300
    (gains,) = information._gains(z, labels, 4, fit, ~fit, (1e-9,))
    assert np.abs(gains).max() < 0.01
    assert len(gains) == 100


def test_a_value_that_was_not_there_to_learn_is_smoothed_by_one_item():
    """Three values, of which the probe has seen two: both sides give the third one pseudo-item."""
    z = np.linspace(-1, 1, 90)[:, None]
    labels = np.where(np.arange(90) < 60, np.arange(90) % 2, 2)
    fit = np.arange(90) < 60
    (gains,) = information._gains(z, labels, 3, fit, ~fit, (1.0,))
    assert np.allclose(gains, 0.0)


def _entropy(labels):
    return -np.mean(np.log(np.bincount(labels)[labels] / len(labels)))


@pytest.mark.parametrize(("bins", "dims", "draws"), [(4, 8, 200), (2, 3, 7), (3, 1, 1)])
def test_the_proxy_its_null_and_its_excess_are_means_over_items(bins, dims, draws):
    z, factor = _known(90, 9)
    cuts = [np.quantile(column, np.arange(1, bins) / bins) for column in z.T[:dims]]
    codes = [
        tuple(np.searchsorted(c, v, "right") for c, v in zip(cuts, row[:dims], strict=True)) for row in z
    ]
    order = inference.canonical_order(z, factor)
    codes, labels = [codes[i] for i in order], factor[order]

    def pointwise(labels):
        pairs = list(zip(codes, labels.tolist(), strict=True))
        joint, first, second = Counter(pairs), Counter(codes), Counter(labels.tolist())
        return np.array([np.log(joint[p] * 90 / (first[p[0]] * second[p[1]])) for p in pairs])

    rng = generator(0, "mi null")
    permuted = np.array([pointwise(rng.permutation(labels)) for _ in range(draws)])
    null = permuted.mean(axis=1)
    options = {} if bins == 4 else {"bins": bins, "dims": dims, "draws": draws}
    proxy, excess = d.mi_proxy(z, factor, **options)
    observed = pointwise(labels)
    for m, values in ((proxy, observed), (excess, observed - permuted.mean(axis=0))):
        by_hand = inference.mean("m", values)
        assert (m.value, m.se, m.df, m.n) == pytest.approx((by_hand.value, by_hand.se, 89, 90), abs=1e-12)
        assert (m.unit, m.direction) == ("nats", "higher is better")
        share = null.mean() / _entropy(labels)
        assert m.notes[1] == (
            f"{len(set(codes))} codes among 90 items; permuted labels reach {share:.0%} of H(F)"
        )
        if len(set(codes)) < 80:  # else permutations differ by rounding alone
            p = (1 + (null >= observed.mean()).sum()) / (1 + draws)
            assert m.notes[0] == f"permutation p = {p:.3g} ({draws} draws)"
    method = f"plug-in over {bins} bins of {dims} dimensions"
    assert (proxy.method, excess.method) == (method, f"{method}, less the mean over permuted labels")
    assert proxy.null == pytest.approx(null.mean())
    assert excess.null == 0.0


def test_the_probe_is_cross_fitted_and_its_strength_chosen_on_the_next_fold():
    z, factor = _known(80, 3)
    z = 5 * z + 2
    factor[factor == 3] = 0
    strengths = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    drawn = inference.canonical_order(z, factor)[generator(2, "probe folds").permutation(80)]
    part = np.empty(80, dtype=int)
    part[drawn[np.argsort(factor[drawn], kind="stable")]] = np.arange(80) % 4

    def gains(fit, score, strength):
        scale = np.sqrt(((z[fit] - z[fit].mean(axis=0)) ** 2).mean())
        features = (z - z[fit].mean(axis=0)) / scale
        probe = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(features[fit], factor[fit])
        count = fit.sum()
        predicted = probe.predict_proba(features[score])[np.arange(score.sum()), factor[score]]
        marginal = (np.bincount(factor[fit], minlength=3)[factor[score]] + 1) / (count + 3)
        return np.log((predicted * count + 1) / (count + 3) / marginal)

    gain = np.empty(80)
    for fold in range(4):
        scored, chosen_on = part == fold, part == (fold + 1) % 4
        tried = [gains(~scored & ~chosen_on, chosen_on, s).mean() for s in strengths]
        gain[scored] = gains(~scored, scored, strengths[int(np.argmax(tried))])
    m = d.v_information(z, factor, folds=4, seed=2)
    by_hand = inference.mean("v", gain)
    assert (m.value, m.se) == pytest.approx((by_hand.value, by_hand.se), abs=2e-3)
    assert m.notes == (f"H(F) = {_entropy(factor):.3f} nats",)
    assert m.method == "4-fold cross-fitted logistic probe (Xu 2020)"
    counts = np.array([np.bincount(part[factor == value], minlength=4) for value in range(3)])
    assert np.ptp(counts, axis=1).max() <= 1


def test_a_probe_has_five_folds_unless_told():
    z, factor = _known(40, 2)
    factor %= 2
    assert d.v_information(z, factor) == d.v_information(z, factor, folds=5)
    assert d.v_information(z, factor) != d.v_information(z, factor, folds=4)


@pytest.mark.parametrize("still", [0.0, 1.0, 1e30])
def test_a_probe_of_equal_rows_gains_nothing(still):
    labels = np.arange(40) % 2
    fit = np.arange(40) < 30
    z = np.full((40, 2), still) * (1 + 1e-8 * np.random.default_rng(0).normal(size=(40, 2)))
    assert not information._gains(z, labels, 2, fit, ~fit, (1.0, 0.1)).any()
    one_label = information._gains(_known(40)[0], labels * 0, 1, fit, ~fit, (1.0,))
    assert one_label.tolist() == [[0.0] * 10]


def test_what_a_factor_needs():
    z, _ = _known(30)
    for measured in (d.mi_proxy(z, np.zeros(30))[0], d.v_information(z, np.zeros(30))):
        assert "got 30 items, 1 values" in measured.notes[0]
    for measured in (
        d.mi_proxy(z[:, :0], np.arange(30) % 2)[1],
        d.v_information(z[:, :0], np.arange(30) % 2),
    ):
        assert measured.value is None
    least, _ = d.mi_proxy(z[:2], [0, 1], draws=1, dims=1)
    assert least.value == pytest.approx(np.log(2))
    assert d.mi_proxy(z[:1], [0])[0].value is None
    assert d.mi_proxy(z, np.arange(30) % 2, bins=2, dims=1, draws=1)[0].value is not None


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
def test_probe_is_the_logistic_regression_of_scikit_learn(classes, strength):
    rng = generator(5, "probe", classes)
    labels = rng.integers(0, classes, size=300)
    z = rng.standard_normal((classes, 6))[labels] + rng.standard_normal((300, 6))
    theirs = LogisticRegression(C=strength, tol=1e-3, max_iter=1000).fit(z[:200], labels[:200])
    probe = Probe(6, classes)
    probe.fit(z[:200], labels[:200], strength)
    assert probe.weights[:, :-1] == pytest.approx(theirs.coef_, abs=1e-10)
    assert probe.weights[:, -1] == pytest.approx(theirs.intercept_, abs=1e-10)
    assert pytest.approx(theirs.predict_proba(z[200:]), abs=1e-10) == probe.probabilities(z[200:]).T


def test_probe_goes_on_from_where_it_is():
    rng = generator(5, "warm probe")
    labels = rng.integers(0, 3, size=200)
    z = rng.standard_normal((3, 4))[labels] + rng.standard_normal((200, 4))
    theirs, probe = LogisticRegression(tol=1e-3, max_iter=1000, warm_start=True), Probe(4, 3)
    for strength in (1e-3, 1e-1):
        theirs.set_params(C=strength).fit(z, labels)
        probe.fit(z, labels, strength)
    assert probe.weights[:, :-1] == pytest.approx(theirs.coef_, abs=1e-10)


def test_probe_is_not_moved_by_rows_that_are_far_from_all_others():
    """Logits of thousands: exponentials of them overflow unless the largest is taken out first."""
    z, labels = np.array([[-1e4], [1e4], [-1e4], [1e4]]), np.array([0, 1, 0, 1])
    probe = Probe(1, 2)
    probe.fit(z, labels, 1.0)
    assert probe.probabilities(z)[labels, np.arange(4)] == pytest.approx(1.0)


# -- relevance groups -------------------------------------------------------------------------------------


def _captioned(seed, pictures=100, captions=5, width=32):
    """Pictures seen several times, and a factor that was drawn at random for each of them."""
    rng = generator(seed, "captioned")
    z = np.repeat(rng.normal(size=(pictures, width)), captions, axis=0)
    factor = np.repeat(rng.integers(4, size=pictures), captions)
    return z + 0.2 * rng.normal(size=z.shape), factor, np.repeat(np.arange(pictures), captions)


def test_a_factor_drawn_at_random_for_each_group_is_not_known_of_it():
    probed, excess = [], []
    for seed in range(8):
        z, factor, groups = _captioned(seed)
        probed.append(d.v_information(z, factor, groups))
        excess.append(d.mi_proxy(z, factor, groups, dims=3, draws=40)[1])
    assert all(m.value < 0.05 and m.low <= 0 for m in probed)
    assert sum(m.low > 0 for m in excess) <= 1
    assert abs(np.mean([m.value for m in excess])) < 0.05
    # Taken for independent, the same items seem to tell a lot.
    assert d.v_information(z, factor).low > 0.1
    assert d.mi_proxy(z, factor, dims=3, draws=40)[1].low > 0.1


def test_a_factor_that_can_be_seen_is_known_of_groups_that_were_not():
    z, _, groups = _captioned(1, width=8)
    factor = np.repeat(z[::5, 0] > 0, 5)
    m = d.v_information(z, factor, groups)
    assert m.low > 0.2
    assert m.df == 99
    assert d.mi_proxy(z, factor, groups, dims=2, draws=40)[1].low > 0.2


@pytest.mark.parametrize("measure", [d.v_information, d.mi_proxy])
def test_groups_of_one_change_no_information_and_the_order_of_grouped_items_neither(measure):
    z, factor = _known(120, 3)
    assert measure(z, factor, 5 * np.arange(120)[::-1]) == measure(z, factor)
    z, factor, _ = _captioned(2, 40, 3)
    groups = generator(3, "sizes").integers(0, 35, len(z))
    order = generator(3, "order").permutation(len(z))
    found = measure(z, factor, groups)
    moved = measure(z[order], factor[order], -groups[order])
    for one, other in zip(np.ravel([found]), np.ravel([moved]), strict=True):
        assert (one.value, one.se) == pytest.approx((other.value, other.se), rel=1e-6)
    with pytest.raises(InputError, match="groups have shape"):
        measure(z, factor, groups[:3])


def test_information_of_too_few_groups_is_undefined():
    z, factor, groups = _captioned(3, 19)
    few = d.v_information(z, factor, groups)
    assert few.notes == (
        "20 groups of items of 1 dimension, 2 factor values are needed, got 19 groups of items, 4 values",
    )
    assert d.mi_proxy(z, factor, np.zeros(len(z)))[0].value is None
