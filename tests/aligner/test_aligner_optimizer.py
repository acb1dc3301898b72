"""AdamW against a literal, scalar re-derivation of its paper."""

import math

import numpy as np
import pytest

from mmaudit.aligner.optimizer import Moments, adamw, clip


def literal_adamw(
    theta: float, gradients: list[float], lr: float, wd: float, b1: float, b2: float, eps: float
) -> float:
    """Algorithm 2 of Loshchilov & Hutter 2019, line by line, with a schedule multiplier equal to ``lr``."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        m_hat = m / (1 - b1**t)
        v_hat = v / (1 - b2**t)
        theta = theta - lr * (m_hat / (math.sqrt(v_hat) + eps) + wd * theta)
    return theta


def test_three_steps_follow_the_paper() -> None:
    start = np.array([0.5, -2.0, 3.0])
    gradients = np.array([[0.1, -1.0, 2.0], [0.3, 0.5, -2.0], [-0.2, 0.0, 1e-9]])
    decayed = np.array([1.0, 0.0, 1.0])
    theta, moments = start, Moments.zero(start)
    for gradient in gradients:
        theta, moments = adamw(
            theta,
            gradient,
            moments,
            lr=0.05,
            betas=(0.8, 0.95),
            eps=1e-6,
            weight_decay=0.7,
            decayed=decayed,
        )
    expected = [
        literal_adamw(start[i], gradients[:, i].tolist(), 0.05, 0.7 * decayed[i], 0.8, 0.95, 1e-6)
        for i in range(3)
    ]
    np.testing.assert_allclose(theta, expected, rtol=1e-12)
    assert moments.steps == 3


def test_a_step_leaves_what_it_was_given_untouched() -> None:
    theta = np.array([1.0, 2.0], dtype=np.float32)
    moments = Moments.zero(theta)
    after, _ = adamw(
        theta,
        np.ones_like(theta),
        moments,
        lr=0.1,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.1,
        decayed=np.ones_like(theta),
    )
    np.testing.assert_array_equal(theta, [1, 2])
    assert not moments.mean.any()
    assert after.dtype == np.float32
    assert (after < theta).all()


@pytest.mark.parametrize(("limit", "length"), [(1.0, 1.0), (5.0, 5.0), (6.0, 5.0)])
def test_clipping_shortens_to_the_limit_and_reports_the_length_before(limit: float, length: float) -> None:
    clipped, norm = clip(np.array([3.0, -4.0]), limit)
    assert norm == 5
    np.testing.assert_allclose(clipped, np.array([0.6, -0.8]) * length)
