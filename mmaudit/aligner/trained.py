"""What training leaves behind: two encoders with their parameters, where they began, and their history."""

import dataclasses

import numpy as np
import numpy.typing as npt

from mmaudit.aligner.encoder import Array, Encoder
from mmaudit.aligner.history import History
from mmaudit.aligner.optimizer import Moments
from mmaudit.aligner.spec import AlignerSpec, TrainSpec
from mmaudit.embeddings import unit_rows
from mmaudit.errors import InputError
from mmaudit.threads import one_blas_thread

__all__ = ["MODALITIES", "EncoderState", "TrainedAligner", "input_matrix"]

MODALITIES = ("image", "text")
"""The names of side ``x`` and side ``y``."""

_ROWS = 400
"""Rows embedded at a time: what the layers make of so many stays in the cache, and takes no new memory."""


def input_matrix(name: str, values: npt.ArrayLike, width: int | None = None) -> npt.NDArray[np.float32]:
    """Return ``values`` as a finite float32 matrix (n ≥ 1, width), or raise :class:`InputError`."""
    try:
        matrix = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} inputs are no matrix: their rows differ in length") from error
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise InputError(
            f"{name} inputs have shape {matrix.shape} and dtype {matrix.dtype}; give a matrix of real numbers"
        )
    if not matrix.size:
        raise InputError(f"{name} inputs have shape {matrix.shape}; give at least one row and one column")
    if width is not None and matrix.shape[1] != width:
        raise InputError(f"{name} inputs are {matrix.shape[1]} wide; the encoder takes {width}")
    with np.errstate(over="ignore"):
        matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    bad = ~np.isfinite(matrix).all(axis=1)
    if bad.any():
        raise InputError(
            f"{name} inputs hold NaN or infinity in {int(bad.sum())} of {len(matrix)} rows "
            f"(first: row {int(np.argmax(bad))}); drop or mend these items"
        )
    return matrix


@dataclasses.dataclass(frozen=True, eq=False)
class EncoderState:
    """One encoder: its fixed part, its flat parameters, those it began with, and its AdamW moments."""

    encoder: Encoder
    theta: Array
    initial: Array
    moments: Moments

    @property
    def movement(self) -> float:
        """How far training went from where it began: ‖θ − θ₀‖/‖θ₀‖."""
        return float(np.linalg.norm(self.theta - self.initial) / np.linalg.norm(self.initial))

    def embed(self, inputs: npt.NDArray[np.float32], *, raw: bool = False) -> npt.NDArray[np.float32]:
        """Embed ``inputs`` (n, d); the rows have length 1, or with ``raw`` the one the encoder gave them.

        The work is done in float64 and rounded at the end, so that no result depends on how the inputs are
        cut into batches.
        """
        theta = self.theta.astype(np.float64)
        embedded = np.empty((len(inputs), self.encoder.width), dtype=np.float32)
        with one_blas_thread():
            for start in range(0, len(inputs), _ROWS):
                rows = slice(start, start + _ROWS)
                z = self.encoder.forward(theta, inputs[rows].astype(np.float64)).raw
                embedded[rows] = z if raw else unit_rows(z)
        return embedded


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedAligner:
    """Two trained encoders, ``x`` for images and ``y`` for texts, and all that is known of their training.

    ``best_epoch`` counts from 1; the encoders are its own unless ``training.keep`` is ``"last"``.
    """

    spec: AlignerSpec
    training: TrainSpec
    seed: int
    x: EncoderState
    y: EncoderState
    history: History
    best_epoch: int

    @property
    def params(self) -> dict[str, Array]:
        """The trained tensors by name, ``image.w1`` to ``text.b2``, as views."""
        return self._named(self.x.theta, self.y.theta)

    @property
    def initial_params(self) -> dict[str, Array]:
        """The same tensors before the first step."""
        return self._named(self.x.initial, self.y.initial)

    def encode(
        self, modality: str, inputs: npt.ArrayLike, *, serve_raw: bool = False
    ) -> npt.NDArray[np.float32]:
        """Embed ``inputs`` (n, d) of ``modality``, ``"image"`` or ``"text"``, as float32 (n, embed_dim).

        Rows have length 1, or the length the encoder gave them with ``serve_raw``. Raises
        :class:`InputError` on an unknown modality or unusable inputs.
        """
        if modality not in MODALITIES:
            raise InputError(f"no modality is called {modality!r}; give one of {', '.join(MODALITIES)}")
        state = self.x if modality == MODALITIES[0] else self.y
        return state.embed(input_matrix(modality, inputs, state.encoder.inputs), raw=serve_raw)

    def _named(self, x: Array, y: Array) -> dict[str, Array]:
        return {
            f"{modality}.{name}": tensor
            for modality, side, flat in zip(MODALITIES, (self.x, self.y), (x, y), strict=True)
            for name, tensor in side.encoder.split(flat)._asdict().items()
        }
