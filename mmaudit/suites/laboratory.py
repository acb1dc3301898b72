"""Runs conditions: builds the world, trains the aligner, measures, compares. Nothing is trained twice."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mmaudit.aligner import MODALITIES, TrainedAligner, train
from mmaudit.embeddings import Embeddings
from mmaudit.gates.store import Store
from mmaudit.measurement import Measurement
from mmaudit.pairs import Pairs
from mmaudit.seeds import derived_seed
from mmaudit.subjects.reference import claimed, subject_of
from mmaudit.suites.catalogue import condition_named
from mmaudit.suites.condition import Condition, specs
from mmaudit.suites.finding import Finding, find
from mmaudit.suites.firing import audited
from mmaudit.suites.probes import TOLD_FACTOR, TWIN_SIZE, Sample, compared, probed
from mmaudit.threads import one_blas_thread
from mmaudit.world import World, build

__all__ = ["Laboratory"]

Features = npt.NDArray[np.float32]

TWIN_GROUPS = 500
REDRAWS = 4


@dataclasses.dataclass(frozen=True, eq=False)
class _Result:
    """What is kept of a trained condition."""

    sample: Sample
    measured: Sequence[Measurement]


class Laboratory:
    """The suites under one root seed. ``cache`` is a folder that the processes of one run share."""

    def __init__(self, seed: int, cache: Path | None = None) -> None:
        self._seed = seed
        self._store = Store(cache)

    def run(self, name: str) -> Finding:
        """Return what the condition called ``name`` shows. The same seed gives the same finding, always.

        Raises :class:`SettingsError` on an unknown name.
        """
        condition = condition_named(name)
        result = self._result(condition)
        measurements = list(result.measured)
        if condition.reference is not None:
            reference = self._result(condition_named(condition.reference))
            own, theirs = ({m.name: m for m in r.measured} for r in (result, reference))
            with one_blas_thread():
                measurements += compared(result.sample, own, reference.sample, theirs)
        return find(condition, measurements)

    def _result(self, condition: Condition) -> _Result:
        """Return the trained condition; conditions of equal settings are one."""
        settings = (specs(condition, self._seed), condition.served_raw, condition.suite == "silent")
        digest = hashlib.sha256(repr(settings).encode()).hexdigest()
        return self._store.get(f"lab-{digest[:32]}", lambda: self._trained(condition))

    def _trained(self, condition: Condition) -> _Result:
        world_spec, aligner, training = specs(condition, self._seed)
        world = build(world_spec)
        trained = train(
            *claimed(world, "train"),
            *claimed(world, "val"),
            aligner=aligner,
            training=training,
            seed=self._seed,
        )
        with one_blas_thread():
            sample = self._sample(condition, trained, world)
            if condition.suite == "silent":
                return _Result(sample, (*probed(sample), *audited(trained, world, self._seed)))
            return _Result(sample, probed(sample))

    def _sample(self, condition: Condition, trained: TrainedAligner, world: World) -> Sample:
        def embedded(pairs: Pairs) -> Embeddings:
            x, y = (
                trained.encode(m, np.asarray(pairs.inputs[m]), serve_raw=m in condition.served_raw)
                for m in MODALITIES
            )
            return Embeddings(x, y, similarity="dot" if condition.served_raw else "cosine")

        pairs = world.pairs("test")
        assert pairs.groups is not None
        assert pairs.renderer is not None
        seeds = [derived_seed(self._seed, "lab", "redrawn", draw) for draw in range(REDRAWS)]
        labels = {TOLD_FACTOR: pairs.factors[TOLD_FACTOR], **pairs.nuisance}
        training = subject_of(trained, world).training
        assert training is not None
        return Sample(
            embeddings=embedded(pairs),
            groups=pairs.groups,
            labels={} if condition.suite == "silent" else labels,
            redrawn=tuple(embedded(pairs.renderer.redrawn(s)) for s in seeds) if pairs.nuisance else (),
            twins=embedded(
                pairs.renderer.twins(TWIN_GROUPS, TWIN_SIZE, derived_seed(self._seed, "lab", "twins"))
            ),
            training=training,
        )
