import math

import numpy as np
import pytest
from scipy.special import logsumexp

from mmaudit import diagnostics as d
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.errors import InputError

TAU = 0.2


def _pairs(n=14, width=5, seed=0, **options):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width))
    return Embeddings(x, x + rng.normal(size=(n, width)), **options)


def _loss(z_x, z_y, tau):
    """Symmetric InfoNCE of rows that are normalised here, so that its gradient has no radial part."""
    x = z_x / np.linalg.norm(z_x, axis=1, keepdims=True)
    y = z_y / np.linalg.norm(z_y, axis=1, keepdims=True)
    s = x @ y.T / tau
    diagonal = np.diag(s)
    return 0.5 * (logsumexp(s, axis=1) - diagonal).mean() + 0.5 * (logsumexp(s, axis=0) - diagonal).mean()


def _numerical_gradient(f, z, step=1e-5):
    gradient = np.empty_like(z)
    for i in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[i] += step
        down[i] -= step
        gradient[i] = (f(up) - f(down)) / (2 * step)
    return gradient


def test_ratio_equals_finite_differences_of_the_loss():
    e = _pairs()
    x, y = e.scored
    into_x = _numerical_gradient(lambda z: _loss(z, y, TAU), x)
    into_y = _numerical_gradient(lambda z: _loss(x, z, TAU), y)
    expected = np.log(np.linalg.norm(into_x) / np.linalg.norm(into_y))
    assert d.embedding_gradient_ratio(e, temperature=TAU).value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_ratio_equals_the_dense_formula(similarity):
    e = _pairs(40, similarity=similarity)
    x, y = e.scored
    s = x @ y.T / TAU
    by_row = np.exp(s - logsumexp(s, axis=1, keepdims=True))
    by_column = np.exp(s - logsumexp(s, axis=0, keepdims=True))
    residual = 0.5 * (by_row + by_column) - np.eye(40)

    def turn(pull, z):
        axis = unit_rows(z)
        return np.linalg.norm(pull - (pull * axis).sum(axis=1, keepdims=True) * axis)

    expected = np.log(turn(residual @ y, x) / turn(residual.T @ x, y))
    assert d.embedding_gradient_ratio(e, temperature=TAU).value == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_error_equals_the_brute_force_jackknife(temperature):
    e = _pairs(90)
    values = np.array(
        [
            d.embedding_gradient_ratio(e.take(np.delete(np.arange(90), i)), temperature=temperature).value
            for i in range(90)
        ]
    )
    brute = math.sqrt(89 * np.mean((values - values.mean()) ** 2))
    assert d.embedding_gradient_ratio(e, temperature=temperature).se == pytest.approx(brute, rel=0.1)


@pytest.mark.parametrize("block", [1, 7, 64, 90])
def test_block_size_does_not_matter(block):
    e = _pairs(90)
    whole, parts = d.embedding_gradient_ratio(e), d.embedding_gradient_ratio(e, block=block)
    assert parts.value == pytest.approx(whole.value, rel=1e-10)
    assert parts.se == pytest.approx(whole.se, rel=1e-10)


def test_swapping_the_modalities_changes_the_sign():
    e = _pairs(50)
    assert d.embedding_gradient_ratio(e.swapped()).value == pytest.approx(
        -d.embedding_gradient_ratio(e).value
    )


def test_intervals_cover_the_mean_of_redraws():
    rng = np.random.default_rng(4)
    drawn = []
    for _ in range(200):
        z = rng.normal(size=(60, 6))
        pair = Embeddings(z + 0.3 * rng.normal(size=z.shape), z @ np.diag([2, 2, 1, 1, 0.3, 0.3]))
        drawn.append(d.embedding_gradient_ratio(pair, temperature=TAU))
    truth = np.mean([m.value for m in drawn])
    assert 0.9 <= np.mean([m.low <= truth <= m.high for m in drawn]) <= 0.99


def test_bandwidth_shows_and_identical_sides_do_not():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 32))
    narrow = z.copy()
    narrow[:, 6:] = 0
    noisy = Embeddings(z + 0.5 * rng.normal(size=z.shape), narrow)
    assert abs(d.embedding_gradient_ratio(noisy).value) > 0.1
    twin = Embeddings(z, z)
    assert d.embedding_gradient_ratio(twin, temperature=1.0).value == pytest.approx(0, abs=1e-12)


def test_a_vanished_gradient_is_undefined():
    constant = Embeddings(np.ones((20, 3)), np.ones((20, 3)))
    m = d.embedding_gradient_ratio(constant)
    assert m.value is None
    assert "vanishes" in m.notes[0]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(InputError, match="temperature"):
        d.embedding_gradient_ratio(_pairs(), temperature=temperature)


# -- training histories -----------------------------------------------------------------------------------


def test_gradient_ratio_is_the_log_ratio_of_means_without_error():
    m = d.gradient_ratio([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    assert m.value == pytest.approx(-math.log(2))
    assert (m.low, m.high, m.interval, m.n) == (m.value, m.value, "exact", 3)
    assert "no independent sample" in m.notes[0]
    assert d.gradient_ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]).value == -m.value


def test_movement_ratio_takes_the_end_of_the_history():
    assert d.movement_ratio([0.1, 0.4], [0.1, 0.1]).value == pytest.approx(math.log(4))
    assert d.movement_ratio(0.4, 0.1).value == pytest.approx(math.log(4))


@pytest.mark.parametrize("ratio", [d.gradient_ratio, d.movement_ratio])
def test_a_frozen_side_is_bounded_and_said_so(ratio):
    m = ratio([0.5, 0.5], [0.0, 0.0])
    assert m.value == pytest.approx(math.log(1e6))
    assert "below 1e-06" in m.notes[1]
    assert ratio([0.0], [1e-300]).value == pytest.approx(-math.log(1e6))


@pytest.mark.parametrize("ratio", [d.gradient_ratio, d.movement_ratio])
def test_histories_that_say_nothing_are_undefined(ratio):
    assert ratio([0.0], [0.0]).value is None
    assert ratio([], []).notes[0] == "the history is empty"


@pytest.mark.parametrize("ratio", [d.gradient_ratio, d.movement_ratio])
@pytest.mark.parametrize(
    "norms",
    [([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([-1.0], [1.0]), ([[1.0]], [[1.0]])],
    ids=["unequal", "nan", "negative", "two axes"],
)
def test_histories_that_are_wrong_are_refused(ratio, norms):
    with pytest.raises(InputError, match="ratio"):
        ratio(*norms)


def test_batch_gradient_ratio_is_the_mean_log_ratio_over_batches():
    x, y = np.array([1.0, 2.0, 8.0]), np.array([1.0, 4.0, 2.0])
    m = d.batch_gradient_ratio(x, y, "observed somehow")
    logs = np.log(x / y)
    assert m.value == pytest.approx(logs.mean())
    assert m.se == pytest.approx(logs.std(ddof=1) / math.sqrt(3))
    assert (m.name, m.n, m.df, m.null) == ("gradient_ratio", 3, 2, 0.0)
    assert (m.unit, m.direction, m.notes) == ("log ratio", "closer to zero is better", ("observed somehow",))


def test_batch_gradient_ratio_of_a_side_without_a_gradient_is_bounded():
    m = d.batch_gradient_ratio([1.0, 3.0], [0.0, 0.0], "seen")
    assert m.value == pytest.approx(math.log(1e6))
    assert d.batch_gradient_ratio([0.0, 0.0], [1.0, 3.0], "seen").value == pytest.approx(-math.log(1e6))


def test_batch_gradient_ratio_that_cannot_be_measured():
    for x, y in (([], []), ([1.0, 0.0], [2.0, 0.0]), ([0.0], [0.0])):
        m = d.batch_gradient_ratio(x, y, "seen")
        assert (m.value, m.n, m.notes[0]) == (None, len(x), "a batch gives neither encoder a gradient")
    with pytest.raises(InputError, match="2 norms against 1"):
        d.batch_gradient_ratio([1.0, 2.0], [1.0], "seen")
    with pytest.raises(InputError):
        d.batch_gradient_ratio([-1.0, 2.0], [1.0, 1.0], "seen")


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_what_rounding_leaves_of_a_gradient_is_none_whatever_the_signs(sign, similarity):
    still = sign * np.array([[1.0, 0.3, 2.0]] * 20)
    m = d.embedding_gradient_ratio(Embeddings(still, still, similarity=similarity))
    assert m.notes == ("the gradient into the image embeddings vanishes",)
    assert m.n == 20


def test_a_small_gradient_is_no_vanished_one():
    """Pairs told apart with certainty: gradients of e^-k are small, and have a ratio."""
    e = Embeddings(np.eye(6), np.eye(6) + 0.01)
    assert d.embedding_gradient_ratio(e, temperature=0.07).value is not None
    assert d.embedding_gradient_ratio(_pairs(2), temperature=0.5).n == 2


def test_ratios_at_and_below_the_floor():
    for ratio in (d.gradient_ratio, d.movement_ratio):
        at, below = ratio([1.0], [1e-6]), ratio([1.0], [0.9e-6])
        assert at.value == pytest.approx(math.log(1e6)) == below.value
        assert (len(at.notes), len(below.notes)) == (1, 2)
        assert ratio([1.0], [2e-6]).value == pytest.approx(math.log(5e5))
        assert (at.unit, at.direction, at.null) == ("log ratio", "closer to zero is better", 0.0)
    assert d.gradient_ratio([], []).n == d.movement_ratio([], []).n == 0
    assert d.gradient_ratio([0.0], [0.0]).notes == ("neither encoder received a gradient",)
    assert d.movement_ratio([0.0], [0.0]).notes == ("neither encoder moved",)
    assert d.movement_ratio([1.0, 2.0], [1.0, 1.0]).n == 2
    mixed = d.batch_gradient_ratio([1.0, 0.0], [0.0, 1.0], "seen")
    assert mixed.value == pytest.approx(0.0, abs=1e-12)
    assert mixed.se == pytest.approx(math.log(1e6))
