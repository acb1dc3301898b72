"""Runs the catalogue against one subject and one set of pairs."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmaudit.embeddings import Embeddings
from mmaudit.errors import ControlError, InputError, SettingsError, SubjectError
from mmaudit.failures.nulls import null_encoder
from mmaudit.gates.case import Case
from mmaudit.gates.catalogue import CHECKS, check_named
from mmaudit.gates.check import Check, Damage
from mmaudit.gates.controls import smallest, with_trusted
from mmaudit.gates.decide import Decision, decide
from mmaudit.gates.facets import SAMPLE, sample
from mmaudit.gates.material import Material
from mmaudit.gates.outcome import Control, Dose, Limit, Outcome, Verdict
from mmaudit.gates.store import Store
from mmaudit.inference import exact
from mmaudit.measurement import Measurement
from mmaudit.memory import keep_freed
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator
from mmaudit.settings import Settings, did_you_mean
from mmaudit.subjects import Subject, as_subject
from mmaudit.subjects.cache import EmbeddingCache
from mmaudit.subjects.encode import Progress
from mmaudit.threads import one_blas_thread
from mmaudit.world import World

__all__ = ["Auditor"]

Judge = Callable[[Sequence[Measurement]], Decision]

CONTROL_ITEMS = SAMPLE
"""Pairs a control is planted in: what it catches there it catches in more, and each try costs n² d."""
CONTROL_SLICE = 400
"""Pairs of a slice, each of another group, that join that sample where it has no slice that is measured."""
CERTIFICATION_ITEMS = 250
"""Pairs that a null encoder is audited on: fewer than 50 tell chance from a limit such as 0.75."""


class Auditor:
    """One audit: a subject, its pairs and the settings. Cheap to build; work happens on first need.

    ``subject`` is anything :func:`mmaudit.subjects.as_subject` takes; ``None`` is the reference aligner.
    ``pairs=None`` means the built-in world's pairs or, for given embeddings, their rows. ``cache`` is a
    folder that the processes of one run share. Raises :class:`SubjectError` or :class:`InputError` at once
    on a subject or pairs that cannot be used, or not together, and :class:`SettingsError` on limits of no
    check.
    """

    def __init__(
        self,
        subject: Any = None,
        pairs: Pairs | None = None,
        settings: Settings | None = None,
        *,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        keep_freed()
        self.settings = settings or Settings()
        _check_limits(self.settings)
        folder, before = self.settings.cache, self.settings.checkpoint_before
        named = None if pairs is None else pairs.modalities
        self.material = Material(
            None if subject is None else as_subject(subject, modalities=named),
            pairs,
            seed=self.settings.seed,
            store=Store(cache),
            progress=progress,
            kept=None if folder is None else EmbeddingCache(Path(folder)),
            before=None if before is None else Path(before),
        )

    @property
    def subject(self) -> Subject:
        """What is audited."""
        return self.material.subject

    @property
    def pairs(self) -> Pairs:
        """What it is audited on."""
        return self.material.pairs

    @property
    def world(self) -> World | None:
        """The built-in world, where the pairs come from it."""
        return self.material.world

    @property
    def embeddings(self) -> Embeddings:
        """The audited embeddings; raises what the encoders raise."""
        return self.material.case(()).embeddings

    @functools.cached_property
    def checks(self) -> tuple[Check, ...]:
        """The checks of the profile, in the catalogue's order."""
        return tuple(c for c in CHECKS if self.settings.profile in c.profiles)

    @functools.cached_property
    def family(self) -> int:
        """How many gates the catalogue sets for this subject: the family p-values are adjusted for."""
        return sum(self.limit(check) is not None for check in self.checks)

    def limit(self, check: Check) -> Limit | None:
        """Return the limit in force: the user's, else the reference limit if it applies, else the field's."""
        if check.name in self.settings.limits:
            low, high = self.settings.limits[check.name]
            why = self.settings.rationales.get(check.name)
            said = "set in the project's settings before the run"
            return Limit(low=low, high=high, kind="user", rationale=f"{why} ({said})" if why else said)
        return check.reference_limit if self.material.is_reference and check.reference_limit else check.limit

    def run(self, name: str, *, control: bool = True) -> Outcome:
        """Measure and judge the check called ``name`` and, with ``control``, plant its damage if it accepts.

        Never raises for a broken encoder: ``contract`` rejects and says why, and what could not be measured
        is NOT EVIDENCED.
        """
        check = check_named(name)
        limit = self.limit(check)
        lacking = self.material.lacks(check.needs)
        if lacking:
            return self._outcome(check, limit, verdict=Verdict.NOT_EVIDENCED, reason=lacking)
        try:
            self.material.served()
        except (SubjectError, InputError) as error:
            if check.name == "contract":
                return self._broken(check, limit, str(error))
            return self._outcome(
                check, limit, verdict=Verdict.NOT_EVIDENCED, reason=f"no usable embeddings: {error}"
            )
        try:
            case = self.material.case(check.needs)
            with one_blas_thread():
                return self._measured(check, case, limit, control)
        except SubjectError as error:
            return self._broken(check, limit, str(error))
        except InputError as error:
            return self._outcome(
                check, limit, verdict=Verdict.NOT_EVIDENCED, reason=f"cannot be measured: {error}"
            )

    def control(self, name: str) -> Control:
        """Return the smallest damage to these pairs that the check called ``name`` rejects, accepted or not.

        Raises :class:`ControlError` where it rejects none or none can be planted, and :class:`InputError`
        where damaged pairs cannot be measured.
        """
        check = check_named(name)
        limit, lacking = self.limit(check), self.material.lacks(check.needs)
        if limit is None or check.damage is None or lacking:
            raise ControlError(f"no damage can be planted: {lacking or 'the check has no limit'}")
        with one_blas_thread():
            return self._control(check, check.damage, self.material.case(check.needs), self._judge(limit))

    def _measured(self, check: Check, case: Case, limit: Limit | None, control: bool) -> Outcome:
        measurements = check.measure(case)
        if limit is None:
            first, *rest = measurements
            return self._outcome(check, None, verdict=None, measurement=first, others=tuple(rest))
        return self._judged(check, case, measurements, limit, control)

    def _judged(
        self, check: Check, case: Case, measurements: Sequence[Measurement], limit: Limit, control: bool
    ) -> Outcome:
        judge = self._judge(limit)
        decision = judge(measurements)
        verdict, reason, planted = decision.verdict, decision.reason, None
        if (
            decision.measurement.notes
            and verdict is Verdict.REJECT
            and decision.measurement.interval == "exact"
        ):
            reason = f"{reason}; {'; '.join(decision.measurement.notes)}"
        if control and verdict is Verdict.ACCEPT and check.damage is None:
            reason = f"{reason}; no damage is planted for this figure, so that it can reject was not shown"
        elif control and verdict is Verdict.ACCEPT and check.damage is not None:
            try:
                planted = self._control(check, check.damage, case, judge)
            except ControlError as error:
                verdict, reason = Verdict.INCONCLUSIVE, f"{reason}; {error}"
        return self._outcome(
            check,
            limit,
            verdict=verdict,
            measurement=decision.measurement,
            others=decision.others,
            p_value=decision.p_value,
            n_to_decide=decision.n_to_decide,
            control=planted,
            reason=reason,
        )

    def _judge(self, limit: Limit) -> Judge:
        s = self.settings
        return functools.partial(
            decide, limit=limit, confidence=s.confidence, alpha=s.alpha, family=self.family
        )

    def _control(self, check: Check, damage: Damage, case: Case, judge: Judge) -> Control:
        """Return the smallest ``damage`` to this very case, or to a sample of it, that the gate rejects.

        Raises :class:`ControlError` where the gate rejects none of it.
        """
        # What is encoded a second time, or compared with its input, is few rows of all, and named by their
        # numbers among all.
        if len(case.x) > CONTROL_ITEMS and not case.again and case.inputs is None:
            seed = self.settings.seed
            rows = with_trusted(sample(len(case.x), seed, CONTROL_ITEMS), case.trusted, seed)
            if case.slices and not len(case.take(rows).smallest_slice):
                # A slice of few of many items is measured, but not in the sample.
                inside = case.smallest_slice
                if case.groups is not None:
                    inside = inside[np.unique(case.groups[inside], return_index=True)[1]]
                rows = np.union1d(rows, inside[sample(len(inside), seed, CONTROL_SLICE)])
            case = case.take(rows)
        tried: dict[float, tuple[Case, Decision]] = {}

        def rejects(severity: float) -> bool:
            damaged = damage.plant(case, severity, generator(self.settings.seed, "control", check.name))
            tried[severity] = damaged, judge(check.measure(damaged))
            return tried[severity][1].verdict is Verdict.REJECT

        severity = smallest(rejects)
        if severity is None:
            raise ControlError(
                f"this gate cannot reject here: no severity of its damage ({damage.name}) is rejected"
            )
        damaged, decision = tried[severity]
        return Control(
            damage=damage.name,
            severity=severity,
            value=decision.measurement.value,
            harm=_harm(case, damaged),
            doses=tuple(_dose(each, tried[each][1]) for each in sorted(tried)),
        )

    def _broken(self, check: Check, limit: Limit | None, why: str) -> Outcome:
        """Return the rejection of an encoder that could not be run to the end."""
        one = exact(
            "contract violations",
            1.0,
            len(self.pairs),
            method="the encoder was run",
            unit="violations",
            notes=(why,),
        )
        return self._outcome(check, limit, verdict=Verdict.REJECT, measurement=one, p_value=0.0, reason=why)

    def _outcome(self, check: Check, limit: Limit | None, **found: Any) -> Outcome:
        return Outcome(
            check=check.name,
            failure=check.failure,
            question=check.question,
            limit=limit,
            family=self.family,
            access=check.access,
            **{"measurement": None, **found},
        )

    def judge(self, measurement: Measurement, limit: Limit, *, failure: str, question: str = "") -> Outcome:
        """Judge a user's own measurement by a user's own limit; it is a family of one."""
        decision = decide(
            [measurement], limit, confidence=self.settings.confidence, alpha=self.settings.alpha, family=1
        )
        return Outcome(
            check=measurement.name,
            failure=failure,
            question=question or f"Does {measurement.name} keep to {limit}?",
            verdict=decision.verdict,
            measurement=decision.measurement,
            limit=limit,
            p_value=decision.p_value,
            n_to_decide=decision.n_to_decide,
            reason=decision.reason,
        )

    def certify(self, name: str) -> Outcome:
        """Audit the null encoder called ``name`` (one of :data:`NULL_ENCODERS`) on this audit's own terms.

        ACCEPT means the null encoder was rejected, as it must be; INCONCLUSIVE that the pairs are too few to
        reject it; NOT EVIDENCED that the subject gave no embeddings to permute.
        """
        fields: dict[str, Any] = {
            "check": f"null:{name}",
            "failure": "certification",
            "question": f"Is the {name.replace('_', ' ')} encoder rejected?",
            "measurement": None,
            "limit": Limit(
                low=1, kind="field", rationale="an encoder that knows nothing must not pass the audit"
            ),
        }
        n = min(len(self.pairs), CERTIFICATION_ITEMS)
        modalities = self.subject.modalities
        base = self.subject
        if name == "permuted_pairs":
            try:
                x, y = self.material.served()
            except (SubjectError, InputError) as error:
                return Outcome(
                    **fields, verdict=Verdict.NOT_EVIDENCED, reason=f"no usable embeddings: {error}"
                )
            given = as_subject(dict(zip(modalities, (x[:n], y[:n]), strict=True)))
            base = dataclasses.replace(given, similarity=self.subject.similarity)
        null = Auditor(
            null_encoder(name, base),
            Pairs(inputs=dict.fromkeys(modalities, np.arange(n))),
            self.settings,
        )
        gates = [
            c.name for c in null.checks if null.limit(c) is not None and null.material.lacks(c.needs) is None
        ]
        rejecting = [g for g in gates if null.run(g, control=False).verdict is Verdict.REJECT]
        fields["measurement"] = exact(
            "gates that reject it", float(len(rejecting)), n, method="the audit was run on it", unit="gates"
        )
        if rejecting:
            return Outcome(
                **fields, verdict=Verdict.ACCEPT, p_value=1.0, reason=f"rejected by {', '.join(rejecting)}"
            )
        why = f"no gate rejects it: {n} pairs are too few, or a limit of your own is too wide"
        return Outcome(**fields, verdict=Verdict.INCONCLUSIVE, reason=why)


def _check_limits(settings: Settings) -> None:
    """Refuse limits that would never be in force: settings made by hand were held to no catalogue."""
    known = [check.name for check in CHECKS]
    for name, limit in settings.limits.items():
        if name not in known:
            raise SettingsError(f"mmaudit limit for {name!r}, which is no check; {did_you_mean(name, known)}")
        if isinstance(limit, Mapping) or len(limit) != 2:
            raise SettingsError(
                f"mmaudit limit for {name!r} is {limit!r}; expected (low, high), or the table "
                "{low = …, high = …} through mmaudit.load_settings"
            )


def _dose(severity: float, decision: Decision) -> Dose:
    m = decision.measurement
    return Dose(
        severity=severity,
        value=m.value,
        low=m.low,
        high=m.high,
        rejected=decision.verdict is Verdict.REJECT,
    )


def _harm(before: Case, after: Case) -> float | None:
    """Return the r@1 (mean of both directions) that the damage took, ``None`` if it left the pairs alone."""
    if after.x is before.x and after.y is before.y:
        return None
    try:
        return _hits(before) - _hits(after)
    except InputError:
        return None


def _hits(case: Case) -> float:
    return float(case.ranks.mean_hits(1).mean())
