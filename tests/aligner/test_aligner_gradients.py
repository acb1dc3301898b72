"""The analytic gradient of every parameter against central differences, in float64."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from mmaudit.aligner.encoder import Encoder
from mmaudit.aligner.loss import info_nce
from mmaudit.aligner.spec import LossDirection
from mmaudit.seeds import generator

FloatArray = npt.NDArray[np.float64]

STEP = 1e-6
N, WIDTH = 7, 4


def central_differences(loss: Callable[[FloatArray], float], at: FloatArray) -> FloatArray:
    slopes = np.empty_like(at)
    for i in range(at.size):
        shift = np.zeros_like(at)
        shift[i] = STEP
        slopes[i] = (loss(at + shift) - loss(at - shift)) / (2 * STEP)
    return slopes


@pytest.mark.parametrize("direction", ["both", "x_to_y", "y_to_x"])
@pytest.mark.parametrize(("gain", "rank"), [(1.0, None), (3.0, None), (0.5, 3)])
def test_every_parameter_has_the_slope_of_the_loss(
    direction: LossDirection, gain: float, rank: int | None
) -> None:
    rng = generator(2, "gradients")
    basis = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0][:, :rank] if rank else None
    encoders = [
        Encoder(5, 6, WIDTH, leak=0.01, gain=gain, directions=basis),
        Encoder(4, 8, WIDTH, leak=0.3),
    ]
    inputs = [rng.standard_normal((N, encoder.inputs)) for encoder in encoders]
    thetas = [encoder.initial(rng, 1.0) + 0.1 * rng.standard_normal(encoder.size) for encoder in encoders]
    for encoder, theta, x in zip(encoders, thetas, inputs, strict=True):
        weights = encoder.split(theta)
        assert np.abs(x @ weights.w1 + weights.b1).min() > 1e-3, "the toy sits on a kink of the leaky ReLU"

    def loss(theta_x: FloatArray, theta_y: FloatArray) -> float:
        unit = [e.forward(t, x).unit for e, t, x in zip(encoders, (theta_x, theta_y), inputs, strict=True)]
        return float(info_nce(unit[0], unit[1], 0.2, direction).pair_losses.mean())

    seen = [e.forward(t, x) for e, t, x in zip(encoders, thetas, inputs, strict=True)]
    result = info_nce(seen[0].unit, seen[1].unit, 0.2, direction)
    numeric = [
        central_differences(lambda theta: loss(theta, thetas[1]), thetas[0]),
        central_differences(lambda theta: loss(thetas[0], theta), thetas[1]),
    ]
    for side, d_unit in enumerate((result.d_x, result.d_y)):
        encoder = encoders[side]
        analytic = encoder.split(encoder.backward(thetas[side], seen[side], d_unit))
        for name, slope in encoder.split(numeric[side])._asdict().items():
            found = getattr(analytic, name)
            assert found.dtype == np.float64
            # The differences themselves are good to about 1e-16 / STEP.
            np.testing.assert_allclose(found, slope, rtol=1e-6, atol=1e-9, err_msg=f"side {side} {name}")
            assert np.linalg.norm(found - slope) < 1e-6 * np.linalg.norm(found), f"side {side} {name}"


def test_a_bottleneck_confines_the_embeddings_to_its_directions() -> None:
    rng = generator(3, "bottleneck")
    basis = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0]
    encoder = Encoder(5, 6, WIDTH, leak=0.01, directions=basis[:, :2])
    unit = encoder.forward(encoder.initial(rng, 1.0).astype(np.float64), rng.standard_normal((N, 5))).unit
    np.testing.assert_allclose(unit @ basis[:, 2:], 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1)


def test_decay_reaches_the_weights_and_not_the_biases() -> None:
    encoder = Encoder(5, 6, WIDTH, leak=0.01)
    marked = encoder.split(encoder.decayed)
    assert marked.w1.all()
    assert marked.w2.all()
    assert not marked.b1.any()
    assert not marked.b2.any()
