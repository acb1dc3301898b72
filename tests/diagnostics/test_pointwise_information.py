import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import binom, multivariate_normal

from mmaudit.diagnostics import exchangeability, mismatch_scores, pair_losses, pointwise_information
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.seeds import generator


def pairs(n=300, seed=0, noise=(0.3, 2.0), names=("left", "right")):
    """Two views of one item, whose first three dimensions agree and whose last three hardly do."""
    rng = generator(seed, "pointwise")
    scale = np.repeat(noise, 3)
    item = rng.standard_normal((n, 6))
    x, y = (item + scale * rng.standard_normal((n, 6)) for _ in range(2))
    return Embeddings(x.astype(np.float32), y.astype(np.float32), names, "dot")


def test_it_is_the_log_ratio_of_the_fitted_gaussians():
    e = pairs()
    x, y = (z - z.mean(axis=0) for z in (e.x.astype(float), e.y.astype(float)))
    joint = np.hstack([x, y])
    covariance = joint.T @ joint / len(e)
    expected = multivariate_normal(np.zeros(12), covariance).logpdf(joint)
    expected -= multivariate_normal(np.zeros(6), covariance[:6, :6]).logpdf(x)
    expected -= multivariate_normal(np.zeros(6), covariance[6:, 6:]).logpdf(y)
    np.testing.assert_allclose(pointwise_information(e, ridge=1e-12), expected, atol=1e-6)


def test_a_ridge_shrinks_what_each_direction_says():
    e = pairs()
    loose, tight = (pointwise_information(e, ridge=ridge).mean() for ridge in (1e-9, 1.0))
    assert 0 < tight < loose
    assert pointwise_information(e).mean() == pytest.approx(pointwise_information(e, ridge=0.1).mean(), rel=0)


def test_neither_order_nor_a_turn_of_a_side_changes_a_pair():
    e = pairs()
    found = pointwise_information(e)
    order = generator(1, "order").permutation(len(e))
    np.testing.assert_array_equal(pointwise_information(e.take(order)), found[order])
    turn = np.linalg.qr(generator(2, "turn").standard_normal((6, 6)))[0]
    turned = Embeddings(e.x, (e.y @ turn + 5).astype(np.float32), similarity="dot")
    np.testing.assert_allclose(pointwise_information(turned), found, atol=1e-4)
    swapped = Embeddings(e.y, e.x, similarity="dot")
    np.testing.assert_allclose(pointwise_information(swapped), found, atol=1e-8)


def test_equal_pairs_have_equal_figures():
    e = pairs(97)
    twice = e.take(np.concatenate([np.arange(97), np.arange(97)]))
    found = pointwise_information(twice)
    np.testing.assert_array_equal(found[:97], found[97:])


@pytest.mark.parametrize("n", [0, 1, 20])
def test_a_side_that_does_not_vary_says_nothing(n):
    x = generator(0, "x").standard_normal((n, 3)).astype(np.float32)
    e = Embeddings(x, np.ones((n, 3), dtype=np.float32), similarity="dot")
    np.testing.assert_array_equal(pointwise_information(e), np.zeros(n))


@pytest.mark.parametrize("ridge", [0.0, -1.0, float("nan")])
def test_a_ridge_that_is_not_positive_is_refused(ridge):
    with pytest.raises(InputError, match="ridge is"):
        pointwise_information(pairs(), ridge=ridge)


def test_scores_are_losses_where_pairs_are_few_for_their_dimensions():
    few, enough = pairs(119), pairs(120)
    np.testing.assert_array_equal(mismatch_scores(few), pair_losses(few))
    np.testing.assert_array_equal(mismatch_scores(enough), -pointwise_information(enough))
    groups = np.arange(119) // 2
    np.testing.assert_array_equal(mismatch_scores(few, groups), pair_losses(few, groups))


def test_partners_exchanged_for_near_ones_show_where_their_losses_are_like_the_others():
    """The near one differs where the modalities agree, by less than they differ anyway where they do not."""
    e = pairs(600)
    trusted = np.arange(600) < 300
    rng = generator(3, "near")
    y = e.y.copy()
    y[540:, :3] += 1.5 * rng.choice([-1, 1], (60, 3))
    planted = Embeddings(e.x, y, similarity="dot")
    by_information = exchangeability(mismatch_scores(planted), trusted).value
    by_loss = exchangeability(pair_losses(planted), trusted).value
    assert by_information is not None
    assert by_loss is not None
    assert by_information < 1e-6 < by_loss


def test_pairs_that_are_alike_are_improbable_no_more_often_than_they_may_be():
    """All pairs are fitted alike, so the test stays exact though the trusted ones are among the fitted."""
    found = []
    for seed in range(200):
        e = pairs(120, seed)
        trusted = np.isin(np.arange(120), generator(seed, "trusted").permutation(120)[:60])
        found.append(exchangeability(mismatch_scores(e), trusted).value)
    below = np.count_nonzero(np.array(found) <= 0.1)
    assert below <= binom.ppf(0.999, 200, 0.1)


@pytest.mark.parametrize("ridge", [0.1, 0.7])
def test_it_is_the_written_sum_over_canonical_variates(ridge):
    """Roots of the covariances, each with ridge times its mean variance on the diagonal."""
    e = pairs(80)
    x, y = (z - z.mean(axis=0) for z in (e.x.astype(float), e.y.astype(float)))
    covariances = [z.T @ z / 80 for z in (x, y)]
    roots = [np.linalg.inv(sqrtm(c + ridge * np.trace(c) / 6 * np.eye(6)).real) for c in covariances]
    u, rho, vt = np.linalg.svd(roots[0] @ (x.T @ y / 80) @ roots[1])
    a, b = x @ roots[0] @ u, y @ roots[1] @ vt.T
    expected = -np.log(1 - rho**2) / 2 - (rho**2 * (a**2 + b**2) - 2 * rho * a * b) / (2 * (1 - rho**2))
    options = {} if ridge == 0.1 else {"ridge": ridge}
    np.testing.assert_allclose(pointwise_information(e, **options), expected.sum(axis=1), atol=2e-9)
