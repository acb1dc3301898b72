"""The image modality: a sinusoid under a shape's mask."""

import functools

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError
from mmaudit.pairs import IntArray
from mmaudit.world.factors import factor_values
from mmaudit.world.spec import COMBINATIONS, SMALLEST_SIDE, OrientationSpan

__all__ = ["coordinates", "render", "rendered", "to_gray"]

FloatArray = npt.NDArray[np.float64]

GRAY_LEVELS = 40.0
"""Gray levels for one standard deviation of a picture; the largest noise-free value is 2.5 deviations."""


def coordinates(side: int) -> tuple[FloatArray, FloatArray]:
    """Return x (to the right) and y (downwards) of the pixel centres in [-1, 1]², (side, side) each.

    Raises :class:`InputError` where the finest wave (6.5 cycles across) would alias.
    """
    if side < SMALLEST_SIDE:
        raise InputError(
            f"a picture of {side} pixels a side cannot show 6.5 cycles across; use at least {SMALLEST_SIDE}"
        )
    centre = (2.0 * np.arange(side) + 1.0 - side) / side
    y, x = np.meshgrid(centre, centre, indexing="ij")
    return x, y


def render(factors: npt.NDArray[np.int64], side: int, span: OrientationSpan) -> FloatArray:
    """Return noise-free pictures, (k, side²) float64, each of mean 0 and standard deviation 1.

    ``factors`` is (k, 5). Frequency level f puts 1.5 + f cycles across the picture; thickness level t
    flattens the wave to ``sign(v) |v|^(1 / (1 + t))``.
    """
    x, y = (axis.ravel() for axis in coordinates(side))
    shape, orientation, frequency, phase, thickness = factors.T[:, :, None]
    # The half step keeps every wave oblique. Along a pixel row a wave would meet only a few levels, at some
    # sides a single one: standardising then undoes the power, and thickness leaves no trace.
    angle = (orientation + 0.5) / 8.0 * (np.pi if span == "half" else 2.0 * np.pi)
    across = np.cos(angle) * x + np.sin(angle) * y
    wave = np.sin((1.5 + frequency) * np.pi * across + phase / 8.0 * 2.0 * np.pi)
    masks = np.stack(
        [
            np.hypot(x, y) < 0.75,
            np.maximum(np.abs(x), np.abs(y)) < 0.75,
            np.abs(x) + np.abs(y) < 1.05,
            np.abs(x) < 0.45,
        ]
    )
    picture = masks[shape[:, 0]] * np.sign(wave)
    # Not `**`: NumPy's power gives other last bits to one picture alone than to the same one among many.
    for level, root in ((0, np.positive), (1, np.sqrt), (2, np.cbrt)):
        rows = thickness[:, 0] == level
        picture[rows] *= root(np.abs(wave[rows]))
    picture -= picture.mean(axis=1, keepdims=True)
    picture /= picture.std(axis=1, keepdims=True)
    return np.asarray(picture)


def rendered(combinations: IntArray, side: int, span: OrientationSpan) -> npt.NDArray[np.float32]:
    """Return the noise-free pictures, (k, side²) float32, of ``combinations`` (k,), each rendered once."""
    pictures, known = _gallery(side, span)
    new = np.unique(combinations[~known[combinations]])
    if len(new):
        pictures[new] = render(factor_values(new), side, span)
        known[new] = True
    return np.asarray(pictures[combinations])


@functools.lru_cache(maxsize=2)
def _gallery(side: int, span: OrientationSpan) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return room for a picture of every combination, and which of them are there."""
    return np.empty((COMBINATIONS, side * side), dtype=np.float32), np.zeros(COMBINATIONS, dtype=np.bool_)


def to_gray(pictures: npt.NDArray[np.floating], side: int) -> npt.NDArray[np.uint8]:
    """Return (k, side, side, 3) uint8 pictures of standardised (k, side²) ones, mid gray being 0."""
    gray = np.clip(np.rint(127.5 + GRAY_LEVELS * pictures), 0, 255).astype(np.uint8)
    return np.repeat(gray.reshape(-1, side, side, 1), 3, axis=3)
