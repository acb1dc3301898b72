"""The built-in subject: the reference aligner, trained on the claimed pairs of the standard world."""

import dataclasses
import functools
import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.aligner import TrainedAligner, one_step, preset, to_bytes, train
from mmaudit.diagnostics import ranks
from mmaudit.embeddings import Embeddings
from mmaudit.subjects.encode import Progress
from mmaudit.subjects.subject import Identity, Subject, Training, TrainingFault
from mmaudit.world import World, build
from mmaudit.world import preset as world_preset

__all__ = ["claimed", "reference_subject", "reference_world", "subject_of"]

DEFAULT_SEED = 7
Features = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]


@functools.lru_cache(maxsize=2)
def reference_world(seed: int = DEFAULT_SEED) -> World:
    """Return the standard world under ``seed``."""
    return build(dataclasses.replace(world_preset("standard"), seed=seed))


def reference_subject(*, seed: int = DEFAULT_SEED, progress: Progress | None = None) -> Subject:
    """Train the reference aligner and return it as a subject, with its training."""
    return _trained_with(seed, progress=progress)


def _trained_with(
    seed: int, fault: TrainingFault | None = None, severity: float = 0.0, progress: Progress | None = None
) -> Subject:
    world = reference_world(seed)
    aligner, training = preset("standard")
    if fault == "passenger":
        training = dataclasses.replace(training, lr_mult_y=1.0 - severity)
    elif fault == "heavy start":
        aligner = dataclasses.replace(aligner, init_gain_y=16.0**severity)
    trained = train(
        *claimed(world, "train"),
        *claimed(world, "val"),
        aligner=aligner,
        training=training,
        seed=seed,
        progress=progress,
    )
    return subject_of(trained, world, retrain=functools.partial(_trained_with, seed))


def subject_of(trained: TrainedAligner, world: World, **fields: Any) -> Subject:
    """Return an aligner trained on ``world`` as a subject that reads the world's features."""
    weights, _ = to_bytes(trained)
    history = trained.history
    return Subject(
        encoders={m: functools.partial(trained.encode, m) for m in ("image", "text")},
        identity=Identity(
            name="reference aligner", adapter="built in", weights_sha256=hashlib.sha256(weights).hexdigest()
        ),
        view="features",
        batch_size=4096,
        training=Training(
            gradient_norms=(history.gradient_norm_x, history.gradient_norm_y),
            movements=(history.movement_x, history.movement_y),
            temperature=trained.spec.temperature,
            history=history.rows(),
            weights=dict(trained.params),
            influence=_influence(trained, world),
        ),
        **fields,
    )


@functools.lru_cache(maxsize=4)
def claimed(world: World, split: str) -> tuple[Features, Features]:
    """Return image features and the text features claimed for them."""
    return world.items.image_features(world.splits[split]), world.items.text_features(world.partner(split))


def _influence(trained: TrainedAligner, world: World) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return validation hits before a step, after a clean one, and after one on pairs shifted by one."""
    x, y = claimed(world, "train")
    batch = slice(0, trained.training.batch)
    val_x, val_y = claimed(world, "val")

    def hits(aligner: TrainedAligner) -> FloatArray:
        served = Embeddings(aligner.encode("image", val_x), aligner.encode("text", val_y))
        return ranks(served).mean_hits(1)

    shifted = np.roll(y[batch], 1, axis=0)
    return (
        hits(trained),
        hits(one_step(trained, x[batch], y[batch])),
        hits(one_step(trained, x[batch], shifted)),
    )
