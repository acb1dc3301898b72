"""InfoNCE against formulations that share no code with it."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss

from mmaudit.aligner.loss import info_nce
from mmaudit.embeddings import unit_rows
from mmaudit.seeds import generator

FloatArray = npt.NDArray[np.float64]
TEMPERATURE = 0.2


@pytest.fixture
def pair() -> tuple[FloatArray, FloatArray]:
    rng = generator(4, "loss")
    return unit_rows(rng.standard_normal((9, 5))), unit_rows(rng.standard_normal((9, 5)))


def test_each_direction_is_a_cross_entropy_over_the_batch(pair: tuple[FloatArray, FloatArray]) -> None:
    x, y = pair
    logits = x @ y.T / TEMPERATURE
    rows = log_loss(np.arange(9), softmax(logits, axis=1))
    columns = log_loss(np.arange(9), softmax(logits.T, axis=1))
    assert info_nce(x, y, TEMPERATURE, "x_to_y").pair_losses.mean() == pytest.approx(rows, rel=1e-12)
    assert info_nce(x, y, TEMPERATURE, "y_to_x").pair_losses.mean() == pytest.approx(columns, rel=1e-12)
    both = info_nce(x, y, TEMPERATURE).pair_losses.mean()
    assert both == pytest.approx((rows + columns) / 2, rel=1e-12)


def test_pair_losses_are_the_diagonal_of_both_log_softmaxes(pair: tuple[FloatArray, FloatArray]) -> None:
    x, y = pair
    logits = x @ y.T / TEMPERATURE
    expected = -np.diagonal(log_softmax(logits, axis=1) + log_softmax(logits, axis=0)) / 2
    np.testing.assert_allclose(info_nce(x, y, TEMPERATURE).pair_losses, expected, rtol=1e-12)


def test_swapping_the_sides_swaps_the_gradients(pair: tuple[FloatArray, FloatArray]) -> None:
    x, y = pair
    forth, back = info_nce(x, y, TEMPERATURE), info_nce(y, x, TEMPERATURE)
    np.testing.assert_allclose(forth.d_x, back.d_y, rtol=1e-12)
    np.testing.assert_allclose(forth.d_y, back.d_x, rtol=1e-12)


def test_cold_float32_stays_float32_and_finite(pair: tuple[FloatArray, FloatArray]) -> None:
    x, y = (side.astype(np.float32) for side in pair)
    # exp(1/0.003) is beyond float64; a naive softmax overflows and warns, which fails the test.
    cold = info_nce(x, y, 0.003)
    for part in cold:
        assert part.dtype == np.float32
        assert np.isfinite(part).all()
    assert cold.pair_losses.max() > 100


def test_embeddings_that_tell_nothing_apart_lose_log_n() -> None:
    same = np.tile([1.0, 0.0], (6, 1))
    np.testing.assert_allclose(info_nce(same, same, TEMPERATURE).pair_losses, np.log(6))


@pytest.mark.parametrize("repulsion", [0.0, 0.4, 1.0])
def test_repulsion_weighs_the_negatives_gradient_alone(
    pair: tuple[FloatArray, FloatArray], repulsion: float
) -> None:
    x, y = pair
    n = len(x)
    logits = x @ y.T / TEMPERATURE
    softmaxes = (softmax(logits, axis=1) + softmax(logits, axis=0)) / 2
    attraction = np.diag(np.diagonal(softmaxes) - 1)
    push = softmaxes - np.diag(np.diagonal(softmaxes))
    pull = (attraction + repulsion * push) / (n * TEMPERATURE)
    found = info_nce(x, y, TEMPERATURE, repulsion=repulsion)
    np.testing.assert_allclose(found.d_x, pull @ y, rtol=1e-10)
    np.testing.assert_allclose(found.d_y, pull.T @ x, rtol=1e-10)
    np.testing.assert_array_equal(found.pair_losses, info_nce(x, y, TEMPERATURE).pair_losses)
