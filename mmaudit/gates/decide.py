"""From measurements and a limit to a verdict. The interval decides, once."""

import dataclasses
from collections.abc import Sequence

from mmaudit.errors import InputError
from mmaudit.gates.outcome import Limit, Outcome, Verdict
from mmaudit.inference import at_confidence, holm, n_to_decide, tail_probability
from mmaudit.measurement import Measurement
from mmaudit.settings import Settings

__all__ = ["Decision", "decide", "finalize"]


@dataclasses.dataclass(frozen=True)
class Decision:
    """The verdict over one or several measurements under one limit, and the measurement that decided it."""

    verdict: Verdict
    measurement: Measurement
    others: tuple[Measurement, ...]
    p_value: float | None
    n_to_decide: int | None
    reason: str


def decide(
    measurements: Sequence[Measurement], limit: Limit, *, confidence: float, alpha: float, family: int
) -> Decision:
    """Judge ``measurements`` (several where a check looks at both modalities or many columns) by ``limit``.

    ACCEPT: every ``confidence`` interval lies within the limit. No correction is due: an audit accepts only
    if all its gates do (intersection-union test, Berger 1982). REJECT: an interval widened for all
    comparisons (Bonferroni over ``family`` gates times the measurements here) lies wholly outside; Holm's
    step-down in :func:`finalize` may reject more. Otherwise INCONCLUSIVE, with the n that would decide; so
    is a measurement that is undefined, unless another one rejects. Raises :class:`InputError` on a limit
    without sides.
    """
    if limit.low is None and limit.high is None:
        raise InputError("a limit without low and high judges nothing; give one of them or both")
    stated = [at_confidence(m, confidence) for m in measurements]
    tails = [tail_probability(m, limit.low, limit.high) for m in stated]
    p_values = [1.0 if tail is None else min(1.0, len(stated) * tail) for tail in tails]
    # Of those with no evidence against them, one that is undefined bars an acceptance.
    worst = min(
        range(len(stated)),
        key=lambda i: (p_values[i], stated[i].value is not None, -_excess(stated[i], limit)),
    )
    m, p = stated.pop(worst), p_values[worst]
    others = tuple(stated)
    if m.value is None:
        why = m.notes[0] if m.notes else "no reason was given"
        return Decision(Verdict.INCONCLUSIVE, m, others, None, None, f"{m.name} is undefined: {why}")
    span = f"{m.name} {_shown(m)}"
    if all(_inside(each, limit) for each in (m, *others)):
        return Decision(Verdict.ACCEPT, m, others, p, None, f"{span} lies within {limit}")
    if p * family <= alpha:
        return Decision(Verdict.REJECT, m, others, p, None, f"{span} lies outside {limit}")
    # Beyond the limit it is a rejection that more items bring, and that is judged by the widened interval.
    widened = 1 - alpha / (family * len(measurements))
    nearing = at_confidence(m, widened) if _excess(m, limit) > 0 else m
    wanted = n_to_decide(nearing, limit.low, limit.high)
    more = "no n would decide at this value" if wanted is None else f"about n = {wanted} would decide"
    return Decision(
        Verdict.INCONCLUSIVE, m, others, p, wanted, f"{span} is not clear of {limit}; {more} (n = {m.n})"
    )


def _inside(m: Measurement, limit: Limit) -> bool:
    return (limit.low is None or (m.low is not None and m.low >= limit.low)) and (
        limit.high is None or (m.high is not None and m.high <= limit.high)
    )


def _excess(m: Measurement, limit: Limit) -> float:
    """Return how far the value is beyond the nearer end of the limit (negative inside)."""
    value = 0.0 if m.value is None else m.value
    sides = [limit.low - value] if limit.low is not None else []
    sides += [value - limit.high] if limit.high is not None else []
    return max(sides)


def _shown(m: Measurement) -> str:
    return f"{m.value:.3g}" if m.interval == "exact" else f"{m.value:.3g} [{m.low:.3g}, {m.high:.3g}]"


def finalize(outcomes: Sequence[Outcome], settings: Settings) -> list[Outcome]:
    """Adjust the p-values of all gates together (Holm 1979) and reject what the adjustment allows.

    The family is the catalogue's, stored in each outcome, and not the checks that happened to be selected:
    one that was not run counts as p = 1, so a narrower selection never rejects more. A user's own check is
    a family of one. The step-down can only turn INCONCLUSIVE into REJECT.
    """
    gates = {o.check: o.p_value for o in outcomes if o.family > 1 and o.limit and o.p_value is not None}
    family = max((o.family for o in outcomes), default=1)
    adjusted = dict(zip(gates, holm(list(gates.values()), family=family), strict=True))
    final: list[Outcome] = []
    for outcome in outcomes:
        p = adjusted.get(outcome.check) if outcome.family > 1 else outcome.p_value
        row = dataclasses.replace(outcome, p_adjusted=p)
        if p is not None and p <= settings.alpha and row.verdict is Verdict.INCONCLUSIVE:
            span = row.reason.split(" is not clear of")[0]
            reason = f"{span} lies outside {row.limit} (Holm over {row.family} gates)"
            row = dataclasses.replace(row, verdict=Verdict.REJECT, n_to_decide=None, reason=reason)
        final.append(row)
    return final
