"""What a planted model is made of: a world, an aligner, a training and a way of serving."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.aligner import AlignerSpec, TrainedAligner, TrainSpec, preset
from mmaudit.aligner import train as train_aligner
from mmaudit.embeddings import unit_rows
from mmaudit.errors import SettingsError
from mmaudit.pairs import Pairs
from mmaudit.subjects.encode import Progress
from mmaudit.subjects.reference import subject_of
from mmaudit.subjects.subject import Subject
from mmaudit.world import World, WorldSpec, build
from mmaudit.world import preset as world_preset

__all__ = ["HEALTHY", "Planted", "Recipe", "train"]

_WORLD = world_preset("standard")
_ALIGNER, _TRAINING = preset("standard")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of one model but its seed; the defaults are those of the reference aligner.

    ``norm_powers``: ``None`` serves unit rows compared by cosine. Two numbers (g_x, g_y) serve the rows
    ``z/‖z‖ · ‖z‖^g`` compared by inner product; g = 0 is a unit row, g = 1 the row as the encoder gave it.
    """

    world: WorldSpec = _WORLD
    aligner: AlignerSpec = _ALIGNER
    training: TrainSpec = _TRAINING
    norm_powers: tuple[float, float] | None = None

    def in_world(self, **settings: Any) -> "Recipe":
        """Return the recipe with other settings of its world."""
        return dataclasses.replace(self, world=dataclasses.replace(self.world, **settings))

    def confounded(self, **settings: Any) -> "Recipe":
        """Return the recipe with other settings of its world's confounder, which it must have."""
        if self.world.confounder is None:
            raise SettingsError("the recipe's world has no confounder to change; give WorldSpec.confounder")
        return self.in_world(confounder=dataclasses.replace(self.world.confounder, **settings))

    def with_aligner(self, **settings: Any) -> "Recipe":
        """Return the recipe with other settings of its encoders."""
        return dataclasses.replace(self, aligner=dataclasses.replace(self.aligner, **settings))

    def trained_with(self, **settings: Any) -> "Recipe":
        """Return the recipe with other settings of its training."""
        return dataclasses.replace(self, training=dataclasses.replace(self.training, **settings))

    def twin(self) -> "Recipe":
        """Return the healthy recipe that harm is measured against.

        Encoders and training are the reference aligner's. The world is the same world with right pairs and
        with codes that agree by chance only. What is served by inner product is served as unit rows.
        """
        twin = Recipe(world=self.world).in_world(corruption_rate=0.0, corruption_kind="derangement")
        if self.world.confounder is not None:
            twin = twin.confounded(agreement=0.0)
        return dataclasses.replace(twin, norm_powers=None if self.norm_powers is None else (0.0, 0.0))

    def record(self) -> dict[str, Any]:
        """Return the recipe as builtin types."""
        return dataclasses.asdict(self)


HEALTHY = Recipe()
"""The reference aligner in the standard world."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Planted:
    """A trained recipe: its world under ``seed``, the aligner, and the subject and pairs to audit."""

    recipe: Recipe
    seed: int
    world: World
    aligner: TrainedAligner
    subject: Subject
    pairs: Pairs


def train(recipe: Recipe, seed: int, progress: Progress | None = None) -> Planted:
    """Build the recipe's world and train its aligner on the claimed pairs, both under ``seed``.

    The pairs to audit are those of the world: test pairs known to be right, then pairs merely claimed. Raises
    :class:`~mmaudit.errors.SettingsError` on settings that make the training diverge.
    """
    world = build(dataclasses.replace(recipe.world, seed=seed))
    claimed = [world.pairs(split).inputs[m] for split in ("train", "val") for m in ("image", "text")]
    aligner = train_aligner(
        *(np.asarray(column) for column in claimed),
        aligner=recipe.aligner,
        training=recipe.training,
        seed=seed,
        progress=progress,
    )
    subject = subject_of(aligner, world)
    if recipe.norm_powers is not None:
        powers = zip(subject.modalities, recipe.norm_powers, strict=True)
        encoders = {m: functools.partial(_with_norms, aligner, m, power) for m, power in powers}
        subject = dataclasses.replace(subject, encoders=encoders, similarity="dot")
    return Planted(
        recipe=recipe,
        seed=seed,
        world=world,
        aligner=aligner,
        subject=subject,
        pairs=world.audit_pairs("features"),
    )


def _with_norms(
    aligner: TrainedAligner, modality: str, power: float, inputs: Sequence[Any]
) -> npt.NDArray[np.float32]:
    """Embed ``inputs`` (n, d) as rows whose length is the encoder's own to the ``power``."""
    raw = aligner.encode(modality, np.asarray(inputs), serve_raw=True).astype(np.float64)
    length = np.linalg.norm(raw, axis=1, keepdims=True)
    return np.asarray(unit_rows(raw) * length**power, dtype=np.float32)
