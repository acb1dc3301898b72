"""Paired embeddings: what an encoder served for n pairs, and what is scored."""

import dataclasses
import functools
import hashlib
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError

__all__ = ["Embeddings", "Similarity", "unit_rows"]

Similarity = Literal["cosine", "dot"]
FloatArray = npt.NDArray[np.float64]

_SQUARES = 1e-200, 1e200
"""Sums of squares between these are neither zero nor have under- or overflown in a part that matters."""


def unit_rows(z: npt.ArrayLike) -> FloatArray:
    """Return ``z`` (n, d) with every row divided by its L2 norm, in float64.

    Rows without a direction, zero or not finite, come back zero; those that float64 cannot tell from unit
    ones as they are, so that what was divided once stays the same to the last bit.
    """
    unit: FloatArray = np.array(z, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", unit, unit)
    plain = (squares > _SQUARES[0]) & (squares < _SQUARES[1])
    # A sum of d squares, added up in any order, errs by d roundings at most, and so did that of the divisor.
    divided = np.abs(squares - 1) <= (unit.shape[1] + 2) * np.finfo(np.float64).eps
    if not divided.all():
        # In place: for some hundred rows, memory that was never touched costs more than the arithmetic.
        unit /= np.sqrt(np.where(plain & ~divided, squares, 1.0))[:, None]
    if not plain.all():
        unit[~plain] = _unit_rows_of_any_size(unit[~plain])
    return unit


def _unit_rows_of_any_size(z: FloatArray) -> FloatArray:
    """Return the same by dividing out the row maximum first, so that no square under- or overflows."""
    peak = np.abs(z).max(axis=1, keepdims=True, initial=0.0)
    directed = (peak > 0) & np.isfinite(peak)
    scaled = np.where(directed, z, 0.0) / np.where(directed, peak, 1.0)
    unit: FloatArray = scaled / np.where(directed, np.linalg.norm(scaled, axis=1, keepdims=True), 1.0)
    return unit


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """Embeddings of n pairs, row i of ``x`` claimed to match row i of ``y``.

    ``x`` and ``y`` are float32 of shape (n, d), as the encoder served them; ``modalities`` names them in
    that order. ``similarity`` says how they are compared: ``cosine`` (rows are normalised first) or ``dot``
    (as served, norms included). Raises :class:`InputError` on anything that is not two finite float
    matrices of one shape.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    modalities: tuple[str, str] = ("image", "text")
    similarity: Similarity = "cosine"

    def __post_init__(self) -> None:
        """Convert to float32 and refuse what no similarity is defined on."""
        for side, modality in zip(("x", "y"), self.modalities, strict=True):
            z = np.asarray(getattr(self, side))
            if z.ndim != 2:
                raise InputError(f"{modality} embeddings have shape {z.shape}; expected (items, width)")
            if z.dtype.kind not in "fiu":
                raise InputError(f"{modality} embeddings have dtype {z.dtype}; expected a real number type")
            with np.errstate(over="ignore"):
                z = np.ascontiguousarray(z, dtype=np.float32)
            bad = ~np.isfinite(z).all(axis=1)
            if bad.any():
                raise InputError(
                    f"{modality} embeddings hold NaN or infinity in {int(bad.sum())} of {len(z)} rows "
                    f"(first: row {int(np.argmax(bad))}); mend the encoder or drop these items"
                )
            object.__setattr__(self, side, z)
        if len(self.x) != len(self.y):
            raise InputError(
                f"{len(self.x)} {self.modalities[0]} rows but {len(self.y)} {self.modalities[1]} rows; "
                "give one row a pair, in the same order"
            )
        if self.x.shape[1] != self.y.shape[1]:
            raise InputError(
                f"{self.modalities[0]} embeddings are {self.x.shape[1]} wide, {self.modalities[1]} "
                f"embeddings {self.y.shape[1]}; both must live in one space"
            )

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.x)

    @property
    def width(self) -> int:
        """The number of dimensions."""
        return int(self.x.shape[1])

    @functools.cached_property
    def scored(self) -> tuple[FloatArray, FloatArray]:
        """The two float64 matrices whose inner products are the similarities."""
        if self.similarity == "cosine":
            return unit_rows(self.x), unit_rows(self.y)
        return self.x.astype(np.float64), self.y.astype(np.float64)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over shape, comparison rule and both matrices."""
        h = hashlib.sha256(f"{self.x.shape}|{self.modalities}|{self.similarity}|".encode())
        h.update(self.x.tobytes())
        h.update(self.y.tobytes())
        return h.hexdigest()

    def swapped(self) -> "Embeddings":
        """Return the mirror image: ``y`` in the place of ``x``."""
        return Embeddings(self.y, self.x, (self.modalities[1], self.modalities[0]), self.similarity)

    def take(self, rows: npt.ArrayLike) -> "Embeddings":
        """Return the pairs at ``rows`` (integer indices or a boolean mask)."""
        index = np.asarray(rows)
        return Embeddings(self.x[index], self.y[index], self.modalities, self.similarity)
