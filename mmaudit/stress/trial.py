"""One generated world, put to a subject: what its gates say, and which items were hard."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.errors import MMAuditError
from mmaudit.executor import Executor
from mmaudit.gates import Auditor, Outcome, Verdict
from mmaudit.gates.policy import margin, overall
from mmaudit.pairs import IntArray, Pairs
from mmaudit.settings import Settings
from mmaudit.stress.domain import NUMBERS, Domain, level_of
from mmaudit.subjects import Subject
from mmaudit.threads import one_blas_thread
from mmaudit.world import World, WorldSpec, build
from mmaudit.world.spec import FACTORS

__all__ = ["BINS", "COLUMNS", "GATES", "Bench", "Trial"]

GATES = ("contract", "pair_discrimination", "symmetry_gap", "rank_asymmetry", "separation", "effective_rank")
"""The gates that a generated world is judged by: those whose limit means something there. Its pairs are
right, so there is no gate on corruption; limits are field limits, for no reference limit holds elsewhere."""
SHORTCUT_GATE = "matched_negative_drop"
"""Judged as well where the two modalities share a code."""
COLUMNS = (*FACTORS, "paraphrase", "copies", *NUMBERS)
BINS = 4
"""Parts of a number's range, above its default, that items are told apart by."""
_MOST = 50.0


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """What became of one world.

    ``outcomes`` are those of its gates. ``hardness`` (n,) is the share of wrong candidates that beat each
    pair, 0 best and 0.5 chance; ``columns`` (n, len(COLUMNS)) int64 say what each item is like: factor
    levels, paraphrase, copies, and which part of its range each number is in, 0 being the default.
    """

    spec: WorldSpec
    outcomes: tuple[Outcome, ...]
    hardness: npt.NDArray[np.float64]
    columns: IntArray

    @property
    def rejected(self) -> bool:
        """Whether a gate rejects the subject in this world."""
        return self.verdict is Verdict.REJECT

    @property
    def verdict(self) -> Verdict:
        """What the gates add up to."""
        return overall(self.outcomes)

    @property
    def worst(self) -> Outcome:
        """The gate with the least room to its limit; one that rejects before all others."""
        return min(self.outcomes, key=lambda o: (o.verdict is not Verdict.REJECT, margin(o), o.check))

    @property
    def scores(self) -> dict[str, float]:
        """How near each gate is to its limit, in half-widths of its interval; above 0 is beyond it."""
        return {o.check: min(_MOST, max(-_MOST, -margin(o))) for o in self.outcomes}


class Bench:
    """Puts worlds to one subject. The same world gives the same trial, and is encoded once.

    Every gate rejects at ``alpha`` over the gates of a world and over the ``budget`` of worlds together
    (Bonferroni), so that a sound subject stays unrejected in all of them but ``alpha`` of the searches.
    """

    def __init__(self, subject: Subject, domain: Domain, settings: Settings) -> None:
        self.subject = subject
        self.domain = domain
        self.settings = Settings(
            seed=settings.seed, confidence=settings.confidence, alpha=settings.alpha / domain.budget
        )
        self._trials: dict[WorldSpec, Trial] = {}
        self._given = settings

    @property
    def trials(self) -> list[Trial]:
        """The trials so far, in the order in which they were made."""
        return list(self._trials.values())

    def __contains__(self, spec: object) -> bool:
        """Return whether the world of ``spec`` has been tried."""
        return spec in self._trials

    def __call__(self, spec: WorldSpec) -> Trial:
        """Put the world of ``spec`` to the subject, unless it was."""
        if spec not in self._trials:
            self._trials[spec] = self._tried(spec)
        return self._trials[spec]

    def all(self, specs: Sequence[WorldSpec], executor: Executor) -> None:
        """Put the worlds of ``specs``, none of which was tried, to the subject as jobs for ``executor``."""
        bare = Bench(self.subject, self.domain, self._given)
        self._trials.update(zip(specs, executor.map(bare._tried, specs), strict=True))

    def _tried(self, spec: WorldSpec) -> Trial:
        world = build(spec)
        auditor = self.auditor(world)
        outcomes = self._outcomes(auditor, spec)
        with one_blas_thread():
            hardness = _hardness(auditor)
        return Trial(spec, outcomes, hardness, self._columns(world))

    def auditor(self, world: World) -> Auditor:
        """Return the audit of the subject in ``world``, with the limits that hold for any encoder."""
        return Auditor(self.subject, self._pairs(world), self.settings)

    def part(self, spec: WorldSpec, rows: IntArray) -> Verdict:
        """Return what the gates add up to on the test items ``rows`` of the world of ``spec`` alone."""
        auditor = Auditor(self.subject, self._pairs(build(spec)).take(rows), self.settings)
        return overall(self._outcomes(auditor, spec))

    def _pairs(self, world: World) -> Pairs:
        return world.pairs("test", self.subject.view)

    def _outcomes(self, auditor: Auditor, spec: WorldSpec) -> tuple[Outcome, ...]:
        gates = (*GATES, SHORTCUT_GATE) if level_of(spec, "agreement") > 0 else GATES
        with one_blas_thread():
            return tuple(auditor.run(name, control=False) for name in gates)

    def _columns(self, world: World) -> IntArray:
        rows = world.splits["test"]
        spec, table = world.spec, np.zeros((len(rows), len(COLUMNS)), dtype=np.int64)
        table[:, : len(FACTORS)] = world.items.factors[rows]
        table[:, len(FACTORS)] = world.items.paraphrases(rows)
        table[:, len(FACTORS) + 1] = spec.copies
        for place, name in enumerate(NUMBERS, start=len(FACTORS) + 2):
            table[:, place] = self._bin(name, level_of(spec, name))
        return table

    def _bin(self, name: str, value: float) -> int:
        high = next((dial.high for dial in self.domain.dials if dial.name == name), None)
        return math.ceil(min(1.0, value / high) * BINS) if high else 0


def _hardness(auditor: Auditor) -> npt.NDArray[Any]:
    """Return how hard each pair was; 1 throughout where there are no embeddings to tell by."""
    try:
        return np.nan_to_num(auditor.material.case(()).ranks.mean_percentile, nan=0.5)
    except MMAuditError:
        return np.ones(len(auditor.pairs))
