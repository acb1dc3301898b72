"""What every diagnostic of embeddings does first: one matrix, in float64, in blocks, side by side."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement

__all__ = ["RESOLUTION", "FloatArray", "as_matrix", "blocks", "centred", "largest", "named", "per_side"]

FloatArray = npt.NDArray[np.float64]

RESOLUTION = 1e-6
"""Relative differences below this are rounding: encoders answer in float32 at best, and the same item
encoded in another batch comes back this close."""


def as_matrix(z: npt.ArrayLike) -> FloatArray:
    """Return ``z`` as float64 of shape (items, width), itself where it is that already.

    Raises :class:`InputError` unless it is a real matrix whose entries float32 can hold.
    """
    array = np.asarray(z)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InputError(
            f"embeddings have shape {array.shape}, dtype {array.dtype}; expected a real matrix (items, width)"
        )
    matrix = array.astype(np.float64, copy=False)
    most = float(np.finfo(np.float32).max)
    if not largest(matrix) <= most:  # Nor is NaN.
        bad = int((~(np.abs(matrix) <= most)).any(axis=1).sum())
        raise InputError(
            f"embeddings hold NaN, infinity or more than float32 can in {bad} rows; drop these items"
        )
    return matrix


def blocks(n: int, size: int) -> Iterator[slice]:
    """Yield slices of at most ``size`` that cover ``range(n)``. Raises :class:`InputError` below size 1."""
    if size < 1:
        raise InputError(f"block is {size}; give at least 1 row a block")
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def centred(z: FloatArray) -> FloatArray:
    """Return ``z`` (n, d) over its peak, less its mean row; exactly zero where rows differ by rounding."""
    peak = largest(z)
    moved = z / peak if peak > 0 else z.copy()
    moved -= moved.mean(axis=0)
    return moved if largest(moved) > RESOLUTION else np.zeros_like(moved)


def largest(z: FloatArray) -> float:
    """Return the largest magnitude in ``z``, 0 where it is empty."""
    return float(max(z.max(initial=0.0), -z.min(initial=0.0)))


def named(*parts: str) -> str:
    """Join the non-empty ``parts`` of a measurement's name: diagnostic, modality, factor."""
    return "_".join(part for part in parts if part)


def per_side(
    diagnostic: Callable[..., Measurement], embeddings: Embeddings, **options: Any
) -> tuple[Measurement, Measurement]:
    """Apply a one-matrix ``diagnostic`` to the two scored matrices of ``embeddings``.

    The measurements are named after their modality (``rankme_image``, ``rankme_text``); ``options`` are
    passed on.
    """
    first, second = (
        diagnostic(z, modality=modality, **options)
        for z, modality in zip(embeddings.scored, embeddings.modalities, strict=True)
    )
    return first, second
