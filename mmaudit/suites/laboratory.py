"""Runs conditions: builds the world, trains the aligner, measures, compares. Nothing is trained twice."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.aligner import MODALITIES, TrainedAligner, train
from mmaudit.aligner.vitals import vitals
from mmaudit.embeddings import Embeddings
from mmaudit.errors import MMAuditError, SettingsError
from mmaudit.executor import Executor, Told
from mmaudit.gates.store import Store, kept
from mmaudit.inference import exact
from mmaudit.measurement import Measurement
from mmaudit.pairs import Pairs
from mmaudit.seeds import derived_seed
from mmaudit.subjects import Subject, View, as_subject
from mmaudit.subjects.encode import encode
from mmaudit.subjects.reference import claimed, subject_of
from mmaudit.suites.catalogue import CONDITIONS, condition_named
from mmaudit.suites.condition import Condition, specs
from mmaudit.suites.finding import Finding, find
from mmaudit.suites.firing import audited
from mmaudit.suites.probes import TOLD_FACTOR, TWIN_SIZE, Probed, Sample, compared, probed
from mmaudit.suites.recipe import Trainable, dials_of, lacking
from mmaudit.threads import one_blas_thread
from mmaudit.world import World, build

__all__ = ["Laboratory"]

Features = npt.NDArray[np.float32]

TWIN_GROUPS = 500
REDRAWS = 4


class Laboratory:
    """The suites under one root seed. ``cache`` is a folder that the processes of one run share.

    With a ``recipe`` its models are trained in the place of the reference aligner, on the same worlds. The
    claims of a condition were made of the reference aligner; of another they are questions.
    """

    def __init__(self, seed: int, cache: Path | None = None, recipe: Trainable | None = None) -> None:
        self._seed = seed
        self._store = Store(None if recipe is not None else cache)
        self._recipe = recipe

    @property
    def applicable(self) -> tuple[str, ...]:
        """The names of the conditions that can be run: all, or those that the recipe has the dials for."""
        return tuple(name for name in CONDITIONS if self.lacks(name) is None)

    @property
    def has_recipe(self) -> bool:
        """Whether the models are those of a recipe, not of the reference aligner."""
        return self._recipe is not None

    def lacks(self, name: str) -> str | None:
        """Return why the condition called ``name`` cannot be run, in one line, or ``None``."""
        condition = condition_named(name)
        return None if self._recipe is None else lacking(condition, self._recipe)

    def run(self, name: str) -> Finding:
        """Return what the condition called ``name`` shows. The same seed gives the same finding, always.

        Raises :class:`SettingsError` on an unknown name, and on a condition that the recipe lacks the dials
        for.
        """
        condition = condition_named(name)
        if (lack := self.lacks(name)) is not None:
            raise SettingsError(f"{name} {lack}")
        result = self._result(condition)
        measurements = list(result.measured)
        if condition.reference is not None:
            reference = self._result(condition_named(condition.reference))
            with one_blas_thread():
                measurements += compared(result, reference)
        return find(condition, measurements)

    def prepare(self, names: Iterable[str], executor: Executor, told: Told | None = None) -> None:
        """Train the conditions ``names``, and those they are compared with, as jobs for ``executor``.

        :meth:`run` then finds them, as it would have trained them itself. An error of one is its own and is
        raised there. Of the processes that share a folder one prepares, and the others wait for it. Raises
        :class:`SettingsError` on an unknown name, and where a recipe is trained: that is an object of this
        process.
        """
        if self._recipe is not None:
            raise SettingsError("a recipe of your own is trained in this process; give no other executor")
        asked = [condition_named(name) for name in names]
        asked += [condition_named(c.reference) for c in asked if c.reference is not None]
        with self._store.alone("conditions.lock"):
            wanted = {self._key(c): c.name for c in asked if self._key(c) not in self._store}
            trained = executor.map(functools.partial(_trained_alone, self._seed), [*wanted.values()], told)
            for key, result in zip(wanted, trained, strict=True):
                self._store.put(key, result)

    def _result(self, condition: Condition) -> Probed:
        """Return the trained condition; conditions of equal settings are one."""
        return self._store.get(self._key(condition), lambda: self._trained(condition))

    def _key(self, condition: Condition) -> str:
        settings = (specs(condition, self._seed), condition.served_raw, condition.suite == "silent")
        return f"lab-{hashlib.sha256(repr(settings).encode()).hexdigest()[:32]}"

    def _trained(self, condition: Condition) -> Probed:
        world_spec, aligner, training = specs(condition, self._seed)
        world = build(world_spec)
        if self._recipe is not None:
            model = self._fitted(self._recipe, condition, world)
        else:
            trained = train(
                *claimed(world, "train"),
                *claimed(world, "val"),
                aligner=aligner,
                training=training,
                seed=self._seed,
            )
            model = _Model(subject_of(trained, world), served=functools.partial(_served, trained, condition))
        with one_blas_thread():
            sample = self._sample(condition, model, world)
            measured = probed(sample)
            if condition.suite == "silent":
                measured += audited(model.subject, world.audit_pairs(model.view), self._seed)
            else:
                measured += _watched(model.epochs)
            return Probed(sample.embeddings, sample.ranks, measured)

    def _fitted(self, recipe: Trainable, condition: Condition, world: World) -> "_Model":
        """Train the user's recipe on the claimed pairs, and look at it on validation pairs every epoch."""
        view: View = getattr(recipe, "view", "features")
        held_out = world.pairs("val", view)
        epochs: list[dict[str, Any]] = []

        def watch(epoch: int, model: Any) -> None:
            served = _embedded(as_subject(model, modalities=MODALITIES), held_out)
            epochs.append({"epoch": epoch, **vitals(served)})

        fitted = recipe.fit(world.pairs("train", view), (watch,), **dials_of(condition))
        subject = as_subject(fitted, modalities=MODALITIES)
        return _Model(subject, served=functools.partial(_embedded, subject), view=view, epochs=tuple(epochs))

    def _sample(self, condition: Condition, model: "_Model", world: World) -> Sample:
        pairs = world.pairs("test", model.view)
        assert pairs.groups is not None
        assert pairs.renderer is not None
        seeds = [derived_seed(self._seed, "lab", "redrawn", draw) for draw in range(REDRAWS)]
        labels = {TOLD_FACTOR: pairs.factors[TOLD_FACTOR], **pairs.nuisance}
        return Sample(
            embeddings=model.served(pairs),
            groups=pairs.groups,
            labels={} if condition.suite == "silent" else labels,
            redrawn=tuple(model.served(pairs.renderer.redrawn(s)) for s in seeds) if pairs.nuisance else (),
            twins=model.served(
                pairs.renderer.twins(TWIN_GROUPS, TWIN_SIZE, derived_seed(self._seed, "lab", "twins"))
            ),
            training=model.subject.training,
        )


def _trained_alone(seed: int, name: str) -> Probed | MMAuditError:
    """Return the condition called ``name``, trained wherever this runs, or the error that this ends in."""
    return kept(lambda: Laboratory(seed)._trained(condition_named(name)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Model:
    """A trained model: the subject, how it embeds pairs, the view it reads, and one row an epoch."""

    subject: Subject
    served: Callable[[Pairs], Embeddings]
    view: View = "features"
    epochs: tuple[Mapping[str, Any], ...] = ()


def _embedded(subject: Subject, pairs: Pairs) -> Embeddings:
    x, y = (encode(subject, m, pairs.inputs[m]) for m in MODALITIES)
    return Embeddings(x, y, MODALITIES, subject.similarity)


def _served(trained: TrainedAligner, condition: Condition, pairs: Pairs) -> Embeddings:
    """Return what the reference aligner serves, with the norms that ``condition`` leaves."""
    x, y = (
        trained.encode(m, np.asarray(pairs.inputs[m]), serve_raw=m in condition.served_raw)
        for m in MODALITIES
    )
    return Embeddings(x, y, similarity="dot" if condition.served_raw else "cosine")


def _watched(epochs: Sequence[Mapping[str, Any]]) -> list[Measurement]:
    """Return the least effective rank that any epoch had on the validation pairs, each modality."""
    if not epochs:
        return []
    return [
        exact(
            f"least_effective_rank_{modality}",
            min(row[f"effective_rank_{side}"] for row in epochs),
            len(epochs),
            unit="dimensions",
            method="least over the epochs, validation pairs",
        )
        for modality, side in zip(MODALITIES, "xy", strict=True)
    ]
