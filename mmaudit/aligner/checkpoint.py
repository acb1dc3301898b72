"""A trained aligner as bytes: float32 tensors in safetensors, everything else as plain JSON values."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.aligner.encoder import Array, Encoder, Weights
from mmaudit.aligner.history import History
from mmaudit.aligner.optimizer import Moments
from mmaudit.aligner.spec import AlignerSpec, Side, TrainSpec
from mmaudit.aligner.trained import MODALITIES, EncoderState, TrainedAligner
from mmaudit.errors import InputError, SettingsError

__all__ = ["from_bytes", "to_bytes"]

Tensors = dict[str, npt.NDArray[np.float32]]

# The empty name gives the trained tensors the plain names that readers of weights expect.
_VECTORS = ("", "initial.", "adam_mean.", "adam_square.")


def to_bytes(aligner: TrainedAligner) -> tuple[bytes, dict[str, Any]]:
    """Return ``aligner`` as a metadata-free safetensors file, and the JSON values that complete it.

    Tensors are named ``image.w1`` to ``text.b2``; ``image.initial.w1`` and so on are those before training,
    ``adam_mean`` and ``adam_square`` the AdamW moments, ``image.directions`` a bottleneck's basis, and
    ``pair_losses`` the recorded losses. Equal aligners give equal bytes.
    """
    from safetensors.numpy import save

    tensors: dict[str, Array] = {}
    for modality, state in zip(MODALITIES, (aligner.x, aligner.y), strict=True):
        flats = (state.theta, state.initial, state.moments.mean, state.moments.square)
        for vector, flat in zip(_VECTORS, flats, strict=True):
            for name, tensor in state.encoder.split(flat)._asdict().items():
                tensors[f"{modality}.{vector}{name}"] = tensor
        if state.encoder.directions is not None:
            tensors[f"{modality}.directions"] = state.encoder.directions
    if aligner.history.pair_losses is not None:
        tensors["pair_losses"] = aligner.history.pair_losses.astype(np.float32)
    training = dataclasses.asdict(aligner.training)
    training["betas"] = list(aligner.training.betas)
    meta = {
        "aligner": dataclasses.asdict(aligner.spec),
        "training": training,
        "seed": aligner.seed,
        "steps": [aligner.x.moments.steps, aligner.y.moments.steps],
        "best_epoch": aligner.best_epoch,
        "history": aligner.history.rows(),
    }
    return save(tensors), meta


def from_bytes(data: bytes, meta: dict[str, Any]) -> TrainedAligner:
    """Rebuild an aligner from :func:`to_bytes`, or raise :class:`InputError` if they do not fit."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(data)
        losses = tensors.get("pair_losses")
        spec = AlignerSpec(**meta["aligner"])
        training = TrainSpec(**(meta["training"] | {"betas": tuple(meta["training"]["betas"])}))
        steps_x, steps_y = meta["steps"]
        return TrainedAligner(
            spec=spec,
            training=training,
            seed=meta["seed"],
            x=_state(spec, "x", tensors, steps_x),
            y=_state(spec, "y", tensors, steps_y),
            history=History.from_rows(meta["history"], None if losses is None else losses.astype(np.float64)),
            best_epoch=meta["best_epoch"],
        )
    except (SafetensorError, SettingsError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"no checkpoint of the reference aligner ({type(error).__name__}: {reason}); "
            "give what to_bytes returned"
        ) from error


def _state(spec: AlignerSpec, side: Side, tensors: Tensors, steps: int) -> EncoderState:
    modality = MODALITIES[0] if side == "x" else MODALITIES[1]
    directions = tensors.get(f"{modality}.directions")
    rank = spec.side(side).rank
    found = None if directions is None else directions.shape
    if found != (None if rank is None else (spec.embed_dim, rank)):
        raise ValueError(f"{modality}.directions has shape {found}, which does not fit rank {rank}")
    encoder = Encoder.built(spec, side, tensors[f"{modality}.w1"].shape[0], directions)
    theta, initial, mean, square = (_flat(encoder, f"{modality}.{vector}", tensors) for vector in _VECTORS)
    return EncoderState(encoder, theta, initial, Moments(mean, square, steps))


def _flat(encoder: Encoder, prefix: str, tensors: Tensors) -> Array:
    parts = [tensors[prefix + name] for name in Weights._fields]
    shapes = tuple(part.shape for part in parts)
    if shapes != encoder.shapes:
        raise ValueError(f"{prefix}* has shapes {shapes}, expected {encoder.shapes}")
    return np.concatenate([part.ravel() for part in parts])
