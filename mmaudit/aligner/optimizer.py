"""AdamW and gradient clipping over flat parameter vectors, as pure functions."""

from typing import NamedTuple

import numpy as np

from mmaudit.aligner.encoder import Array

__all__ = ["Moments", "adamw", "clip"]


class Moments(NamedTuple):
    """Running means of the gradient and of its square, and the number of steps behind them."""

    mean: Array
    square: Array
    steps: int

    @classmethod
    def zero(cls, theta: Array) -> "Moments":
        """Return the moments before the first step of ``theta``."""
        return cls(np.zeros_like(theta), np.zeros_like(theta), 0)


def clip(gradient: Array, limit: float) -> tuple[Array, float]:
    """Return ``gradient`` shortened to ``limit`` if it is longer, and its length before."""
    norm = float(np.linalg.norm(gradient))
    return (gradient * (limit / norm) if norm > limit else gradient), norm


def adamw(
    theta: Array,
    gradient: Array,
    moments: Moments,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decayed: Array,
) -> tuple[Array, Moments]:
    """Return parameters and moments after one step of AdamW (Loshchilov & Hutter 2019, algorithm 2).

    The decay is decoupled from the gradient and scaled by the learning rate:
    θ ← θ − lr·(weight_decay·decayed·θ + m̂/(√v̂ + eps)). ``decayed`` is 1 where decay applies, else 0.
    """
    beta1, beta2 = betas
    steps = moments.steps + 1
    # Three new vectors and one to work in: a temporary each would cost more than the arithmetic.
    mean, square, room = beta1 * moments.mean, beta2 * moments.square, np.empty_like(gradient)
    mean += np.multiply(1 - beta1, gradient, out=room)
    np.multiply(gradient, gradient, out=room)
    square += np.multiply(1 - beta2, room, out=room)
    np.divide(square, 1 - beta2**steps, out=room)
    np.sqrt(room, out=room)
    room += eps
    update = mean / (1 - beta1**steps)
    update /= room
    np.multiply(weight_decay, decayed, out=room)
    room *= theta
    update += room
    update *= lr
    return np.subtract(theta, update, out=update), Moments(mean, square, steps)
