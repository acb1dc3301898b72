"""A two-layer perceptron on the unit sphere, forwards and backwards, over one flat parameter vector."""

import dataclasses
import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mmaudit.aligner.spec import AlignerSpec, Side

__all__ = ["Activations", "Array", "Encoder", "Weights"]

Array = npt.NDArray[np.floating[Any]]

_SMALLEST_NORM = 1e-12


class Weights(NamedTuple):
    """The four tensors of an encoder, as views into its flat vector."""

    w1: Array
    b1: Array
    w2: Array
    b2: Array


class Activations(NamedTuple):
    """What a forward pass leaves for the backward pass; ``raw`` is the embedding before normalisation."""

    inputs: Array
    hidden: Array
    raw: Array
    norm: Array
    unit: Array


@dataclasses.dataclass(frozen=True, eq=False)
class Encoder:
    """The fixed part of one encoder: ``inputs`` → ``hidden`` (leaky ReLU) → ``width`` → unit sphere.

    ``directions`` (width, k) holds orthonormal columns that the embedding is projected on, ``None`` for no
    bottleneck. Parameters are one flat vector of ``size`` numbers in the order w1 (inputs, hidden),
    b1 (hidden,), w2 (hidden, width), b2 (width,). Every function keeps the dtype of the parameters it is
    given, so that float64 can check what float32 trains.
    """

    inputs: int
    hidden: int
    width: int
    leak: float
    gain: float = 1.0
    directions: Array | None = None

    @classmethod
    def built(cls, spec: AlignerSpec, side: Side, inputs: int, directions: Array | None) -> "Encoder":
        """Return the encoder of ``side`` under ``spec`` for ``inputs`` columns."""
        settings = spec.side(side)
        return cls(inputs, settings.hidden, spec.embed_dim, spec.leak, settings.gain, directions)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the four tensors."""
        return (self.inputs, self.hidden), (self.hidden,), (self.hidden, self.width), (self.width,)

    @functools.cached_property
    def _ends(self) -> tuple[int, ...]:
        """Where each of the four tensors ends in the flat vector."""
        return tuple(itertools.accumulate(map(math.prod, self.shapes)))

    @property
    def size(self) -> int:
        """The number of parameters."""
        return self._ends[-1]

    def split(self, flat: Array) -> Weights:
        """Return the four tensors as views into ``flat`` (size,)."""
        a, b, c, d = self._ends
        w1, w2 = flat[:a].reshape(-1, self.hidden), flat[b:c].reshape(-1, self.width)
        return Weights(w1, flat[a:b], w2, flat[c:d])

    def initial(self, rng: np.random.Generator, gain: float) -> npt.NDArray[np.float32]:
        """Return fresh float32 parameters: normal weights of SD gain·√(2/fan-in) (He 2015), no bias."""
        flat = np.zeros(self.size, dtype=np.float32)
        weights = self.split(flat)
        for tensor in (weights.w1, weights.w2):
            tensor[...] = rng.standard_normal(tensor.shape) * (gain * math.sqrt(2 / len(tensor)))
        return flat

    @functools.cached_property
    def decayed(self) -> npt.NDArray[np.float32]:
        """A flat vector, 1 where weight decay applies (weights) and 0 where it does not (biases)."""
        flat = np.ones(self.size, dtype=np.float32)
        weights = self.split(flat)
        weights.b1[...] = weights.b2[...] = 0
        flat.setflags(write=False)
        return flat

    def forward(self, flat: Array, inputs: Array) -> Activations:
        """Embed ``inputs`` (n, inputs); ``unit`` (n, width) has rows of length 1."""
        weights = self.split(flat)
        hidden = inputs @ weights.w1 + weights.b1
        np.maximum(hidden, self.leak * hidden, out=hidden)
        raw = self._project(hidden @ weights.w2 + weights.b2)
        raw *= self.gain
        norm = np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), _SMALLEST_NORM)
        return Activations(inputs, hidden, raw, norm, raw / norm)

    def backward(self, flat: Array, seen: Activations, d_unit: Array) -> Array:
        """Return the flat gradient of a loss whose gradient in ``seen.unit`` is ``d_unit`` (n, width).

        The normalisation y = z/‖z‖ is passed once: dz = (dy − y⟨y, dy⟩)/‖z‖. At the kink of the leaky ReLU
        the slope below zero is taken.
        """
        weights = self.split(flat)
        gradient = np.empty_like(flat)
        out = self.split(gradient)
        radial = np.sum(seen.unit * d_unit, axis=1, keepdims=True)
        d_raw = self._project((d_unit - seen.unit * radial) * (self.gain / seen.norm))
        np.matmul(seen.hidden.T, d_raw, out=out.w2)
        np.sum(d_raw, axis=0, out=out.b2)
        d_hidden = d_raw @ weights.w2.T
        # The leak is positive or zero, so the activation has the sign of what went into it; and below one, so
        # that the larger of the two is the slope. A masked product would take ten times as long.
        d_hidden *= np.maximum((seen.hidden > 0).astype(d_hidden.dtype), self.leak)
        np.matmul(seen.inputs.T, d_hidden, out=out.w1)
        np.sum(d_hidden, axis=0, out=out.b1)
        return gradient

    def _project(self, rows: Array) -> Array:
        """Return ``rows`` projected on the allowed directions; the projection is its own transpose."""
        if self.directions is None:
            return rows
        basis = self.directions.astype(rows.dtype, copy=False)
        return (rows @ basis) @ basis.T
