"""The catalogue's gates on a trained aligner, without their controls: which of them fire?"""

from collections.abc import Mapping, Sequence

from mmaudit.gates import CHECKS, Auditor, Outcome, Verdict, decide, finalize
from mmaudit.inference import exact
from mmaudit.measurement import Measurement
from mmaudit.pairs import Pairs
from mmaudit.settings import Settings
from mmaudit.subjects import Subject

__all__ = ["FIELD", "REFERENCE", "audited"]

FIELD, REFERENCE = "gates_that_fire", "gates_that_fire_by_reference_limits"


def audited(subject: Subject, pairs: Pairs, seed: int) -> tuple[Measurement, Measurement]:
    """Return how many gates reject ``subject`` on ``pairs``: :data:`FIELD` and :data:`REFERENCE`.

    The first holds it to the field limits, as any encoder; the second to the reference aligner's limits
    as well. The notes say which gates fire, and why.
    """
    reference = {
        check.name: (check.reference_limit.low, check.reference_limit.high)
        for check in CHECKS
        if check.reference_limit is not None
    }
    field, strict = (
        Auditor(subject, pairs, Settings(profile="full", seed=seed, limits=limits))
        for limits in ({}, reference)
    )
    # The strict audit has every gate of the other: measured once, judged twice.
    measured = {
        check.name: check.measure(strict.material.case(check.needs))
        for check in strict.checks
        if strict.limit(check) is not None and strict.material.lacks(check.needs) is None
    }
    return _fired(FIELD, field, measured), _fired(REFERENCE, strict, measured)


def _fired(name: str, auditor: Auditor, measured: Mapping[str, Sequence[Measurement]]) -> Measurement:
    outcomes = finalize(_outcomes(auditor, measured), auditor.settings)
    fired = [o for o in outcomes if o.verdict is Verdict.REJECT]
    return exact(
        name,
        float(len(fired)),
        len(outcomes),
        unit="gates",
        direction="lower is better",
        method="the catalogue's gates, Holm over the catalogue; n counts the gates",
        notes=tuple(f"{o.check}: {o.reason}" for o in fired),
    )


def _outcomes(auditor: Auditor, measured: Mapping[str, Sequence[Measurement]]) -> list[Outcome]:
    settings, outcomes = auditor.settings, []
    for check in auditor.checks:
        limit = auditor.limit(check)
        if limit is None or check.name not in measured:
            continue
        found = decide(
            measured[check.name],
            limit,
            confidence=settings.confidence,
            alpha=settings.alpha,
            family=auditor.family,
        )
        outcomes.append(
            Outcome(
                check=check.name,
                failure=check.failure,
                question=check.question,
                verdict=found.verdict,
                measurement=found.measurement,
                limit=limit,
                p_value=found.p_value,
                family=auditor.family,
                reason=found.reason,
            )
        )
    return outcomes
