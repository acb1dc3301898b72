"""The stress checks: generated worlds and metamorphic relations, each to one outcome."""

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics.retrieval import group_codes
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError, SettingsError, SubjectError
from mmaudit.executor import Executor
from mmaudit.failures import damage
from mmaudit.gates import Auditor, Outcome, Verdict
from mmaudit.gates.case import Case
from mmaudit.gates.catalogue import check_named
from mmaudit.gates.check import ACCESS, Check
from mmaudit.gates.controls import smallest as smallest_severity
from mmaudit.gates.decide import Decision, decide
from mmaudit.gates.outcome import Control, Limit
from mmaudit.inference import exact, paired_difference
from mmaudit.measurement import Measurement
from mmaudit.pairs import IntArray
from mmaudit.seeds import derived_seed, generator
from mmaudit.settings import did_you_mean
from mmaudit.stress.domain import Domain, domain_of, lacks, with_dials
from mmaudit.stress.records import counterexample_records, search_record
from mmaudit.stress.relations import RELATIONS, TOLERANCE, Relation, Sample
from mmaudit.stress.search import Search, search
from mmaudit.stress.trial import GATES, Bench
from mmaudit.threads import one_blas_thread
from mmaudit.world import build

__all__ = ["CHECKS", "NOISE", "NO_WORLD", "WORLDS", "Stress"]

FloatArray = npt.NDArray[np.float64]

WORLDS, NOISE = "generated_worlds", "adding_noise"
CHECKS: tuple[str, ...] = (WORLDS, NOISE, *(relation.name for relation in RELATIONS))
"""The names of all stress checks."""
SAMPLE = 400
"""Pairs that a relation is tried on: a law that all of them keep is no matter of their number."""
NOISE_DRAWS = 4

_QUESTIONS = {
    WORLDS: "Is there a world, within what the encoder is promised, in which a gate rejects it?",
    NOISE: "Is retrieval no better in a noisier world?",
}
NO_WORLD = Limit(
    high=0, kind="field", rationale="promise: the gates hold in every world that the encoder is promised"
)
_NO_HELP = Limit(
    high=0.1, kind="field", rationale="harm: noise that helps one query in ten is what is being matched on"
)
_LAW = Limit(
    high=TOLERANCE,
    kind="field",
    rationale="invariant: the change means nothing, so no figure may follow it; what is left is rounding",
)


class Stress:
    """The stress checks of one audit. The search runs on first need, once.

    Worlds that can be tried apart are jobs for ``executor`` where the built-in aligner is audited; an encoder
    of the user's own stays in this process.
    """

    def __init__(self, auditor: Auditor, executor: Executor | None = None) -> None:
        """Read the promise from the settings; raises :class:`SettingsError` on what it cannot say."""
        self._auditor = auditor
        self._executor = executor if auditor.material.is_reference else None
        domain_of(auditor.settings, "pictures")
        self.found: Search | None = None

    @functools.cached_property
    def domain(self) -> Domain:
        """The worlds that the audited encoder is promised to cope with."""
        return domain_of(self._auditor.settings, self._auditor.subject.view)

    @property
    def checks(self) -> tuple[str, ...]:
        """The names of the checks that the profile runs: none where it looks at embeddings alone."""
        return () if self._auditor.settings.profile == "smoke" else CHECKS

    @property
    def record(self) -> dict[str, Any] | None:
        """What the search found as builtin types, ``None`` where none was made.

        ``search`` is for its report, ``counterexamples`` maps paths in a bundle to documents.
        """
        if self.found is None:
            return None
        subject, alpha = self._auditor.subject, self._auditor.settings.alpha
        return {
            "search": search_record(self.found),
            "counterexamples": counterexample_records(self.found, subject, alpha),
        }

    def run(self, name: str) -> Outcome:
        """Return the outcome of the stress check called ``name``; a broken encoder never raises."""
        if name not in CHECKS:
            raise SettingsError(f"no stress check is called {name!r}; {did_you_mean(name, CHECKS)}")
        if name not in (WORLDS, NOISE):
            return self._relation(next(r for r in RELATIONS if r.name == name))
        lacking = lacks(
            self._auditor.subject, own_data=self._auditor.world is None, settings=self._auditor.settings
        )
        if lacking:
            return self._not_evidenced(name, lacking)
        return self._worlds() if name == WORLDS else self._noise()

    def _worlds(self) -> Outcome:
        found = search(self._auditor.subject, self.domain, self._auditor.settings, self._executor)
        self.found = found
        tried = len(found.trials)
        measurement = exact(
            "worlds in which a gate rejects",
            float(found.failing),
            tried,
            method=f"searched by Hypothesis and by what was hard, {len(GATES)} gates a world",
            unit="worlds",
            direction="lower is better",
            notes=tuple(example.words for example in found.counterexamples),
        )
        outcome = self._judged(WORLDS, measurement, NO_WORLD)
        if outcome.verdict is not Verdict.ACCEPT:
            first = found.counterexamples[0]
            where = "; ".join(
                [f"{name} from {m.value:.3g} on" for name, m in first.boundaries.items() if m.low is not None]
            )
            reason = (
                f"{found.failing} of {tried} worlds rejected; the smallest is {first.words}"
                f"{f' (fails at {where})' if where else ''}: {first.outcome.reason}"
            )
            return dataclasses.replace(outcome, reason=reason)
        reason = f"{tried} worlds tried, none rejected"
        control = self._control_of_worlds(found)
        if control is None:
            return dataclasses.replace(
                outcome,
                verdict=Verdict.INCONCLUSIVE,
                reason=f"{reason}; this search cannot fail here: even noise for embeddings is not rejected",
            )
        return dataclasses.replace(outcome, reason=reason, control=control)

    def _control_of_worlds(self, found: Search) -> Control | None:
        """Return the smallest noise in one modality of the default world that its gates reject."""
        bench = Bench(self._auditor.subject, found.domain, self._auditor.settings)
        auditor = bench.auditor(build(found.domain.base))
        case = auditor.material.case(())
        path = (self._auditor.settings.seed, "stress", "control")
        values: dict[float, float | None] = {}

        def rejects(severity: float) -> bool:
            noisy = case.serving(case.x, damage.mixed_with_noise(case.y, severity, generator(*path)))
            decisions = [_decided(auditor, check_named(name), noisy) for name in GATES]
            against = [found for found in decisions if found.verdict is Verdict.REJECT]
            values[severity] = against[0].measurement.value if against else None
            return bool(against)

        with one_blas_thread():
            severity = smallest_severity(rejects)
        if severity is None:
            return None
        return Control(
            damage="weight of noise in one modality of the default world",
            severity=severity,
            value=values[severity],
            harm=None,
        )

    def _noise(self) -> Outcome:
        """Compare retrieval in the default world and in the noisiest of the domain, on the same items."""
        domain = self.domain
        loud = {dial.name: dial.high for dial in domain.dials if dial.name.startswith("noise") and dial.high}
        if not loud:
            return self._not_evidenced(NOISE, "needs a domain with noise; [tool.mmaudit.stress] allows none")
        bench = Bench(self._auditor.subject, domain, self._auditor.settings)
        quiet_hits: list[FloatArray] = []
        loud_hits: list[FloatArray] = []
        clusters: list[IntArray] = []
        try:
            for draw in range(NOISE_DRAWS):
                seed = derived_seed(domain.base.seed, "noise", draw)
                quiet = with_dials(domain.base, {"seed": seed}, domain.base.n_test)
                for spec, hits in ((quiet, quiet_hits), (with_dials(quiet, loud, quiet.n_test), loud_hits)):
                    case = bench.auditor(build(spec)).material.case(())
                    hits.append(case.ranks.mean_hits(1))
                    groups = case.ranks.groups
                clusters.append(groups + draw * len(groups))
        except (SubjectError, InputError) as error:
            return self._not_evidenced(NOISE, f"no usable embeddings: {error}")
        before, after = np.concatenate(quiet_hits), np.concatenate(loud_hits)

        def gained(first: FloatArray) -> Measurement:
            return paired_difference(
                "r@1 gained by noise", after, first, clusters=np.concatenate(clusters), unit="share",
                direction="lower is better", null=0.0,
            )  # fmt: skip

        outcome = self._judged(NOISE, gained(before), _NO_HELP)
        if outcome.verdict is Verdict.ACCEPT:
            control = self._judged(NOISE, gained(np.zeros_like(before)), _NO_HELP)
            if control.verdict is Verdict.REJECT and control.measurement is not None:
                found = Control(
                    damage="every item of the quiet world missed",
                    severity=1.0,
                    value=control.measurement.value,
                    harm=None,
                )
                return dataclasses.replace(outcome, control=found)
            why = "this check cannot fail here: retrieval does not work in the noisy world either"
            return dataclasses.replace(
                outcome, verdict=Verdict.INCONCLUSIVE, reason=f"{outcome.reason}; {why}"
            )
        return outcome

    def _relation(self, relation: Relation) -> Outcome:
        try:
            sample = self._sample
        except (SubjectError, InputError) as error:
            return self._not_evidenced(relation.name, f"no usable embeddings: {error}")
        if len(sample.groups) < 2:
            return self._not_evidenced(relation.name, f"needs two pairs or more, got {len(sample.groups)}")
        with one_blas_thread():
            kept, broken = (
                relation.violation(
                    sample, generator(self._auditor.settings.seed, "stress", relation.name), wrong
                )
                for wrong in (False, True)
            )
        measurement = exact(
            "largest change of a figure",
            kept,
            len(sample.groups),
            method="the figures of the audit before and after",
            direction="lower is better",
        )
        outcome = self._judged(relation.name, measurement, _LAW)
        if outcome.verdict is not Verdict.ACCEPT:
            return outcome
        if broken <= TOLERANCE:
            why = f"this check cannot fail here: its control ({relation.control}) changes no figure"
            return dataclasses.replace(
                outcome, verdict=Verdict.INCONCLUSIVE, reason=f"{outcome.reason}; {why}"
            )
        control = Control(damage=relation.control, severity=1.0, value=broken, harm=None)
        return dataclasses.replace(outcome, control=control)

    @functools.cached_property
    def _sample(self) -> Sample:
        """Some of the audited pairs, with their groups and a nuisance, their own if they have one."""
        e: Embeddings = self._auditor.embeddings
        pairs, n = self._auditor.pairs, len(self._auditor.embeddings)
        rows = np.sort(generator(self._auditor.settings.seed, "stress", "sample").permutation(n)[:SAMPLE])
        codes = next(iter(pairs.nuisance.values()), np.arange(n) % 4)
        groups = group_codes(pairs.groups, n)[rows]
        return Sample(e.take(rows), group_codes(groups, len(rows)), np.asarray(codes)[rows].astype(np.int64))

    def _judged(self, name: str, measurement: Measurement, limit: Limit) -> Outcome:
        outcome = self._auditor.judge(measurement, limit, failure="stress", question=_question(name))
        return dataclasses.replace(outcome, check=name, access=_access(name))

    def _not_evidenced(self, name: str, why: str) -> Outcome:
        return Outcome(
            check=name,
            failure="stress",
            question=_question(name),
            verdict=Verdict.NOT_EVIDENCED,
            measurement=None,
            limit=None,
            access=_access(name),
            reason=why,
        )


def _decided(auditor: Auditor, check: Check, case: Case) -> Decision:
    limit, s = auditor.limit(check), auditor.settings
    assert limit is not None
    return decide(check.measure(case), limit, confidence=s.confidence, alpha=s.alpha, family=auditor.family)


def _question(name: str) -> str:
    return _QUESTIONS.get(name) or next(r.question for r in RELATIONS if r.name == name)


def _access(name: str) -> tuple[str, ...]:
    found = ("embeddings", "claimed pairs")
    return (*found, ACCESS["encoder"][0]) if name in (WORLDS, NOISE) else found
