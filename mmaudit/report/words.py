"""The wording that the terminal, the page and the CI summary share: numbers, effects, limits, sentences."""

import math
from collections.abc import Iterable

from mmaudit.gates.diagnosis import Diagnosis
from mmaudit.gates.outcome import Control, Limit, Outcome, Verdict
from mmaudit.gates.policy import by_failure
from mmaudit.measurement import Measurement

__all__ = [
    "advice",
    "allowed",
    "caught",
    "certification_line",
    "confidence",
    "count",
    "diagnosis_line",
    "effect",
    "interval",
    "number",
    "plain",
    "sentence",
    "verdict_word",
    "why",
]


def plain(text: object) -> str:
    """Return ``text`` as one printable line.

    Names and captions come from anyone: escape sequences would drive a reader's terminal, control characters
    are not XML, direction overrides turn a sentence around. They become U+FFFD, white space one space.
    """
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(text).split()))


def number(value: float | None, scale: float | None = None) -> str:
    """Return ``value`` with as many digits as a reader of magnitude ``scale`` (default: its own) can use."""
    if value is None or not math.isfinite(value):
        return "undefined"
    size = abs(value if scale is None else scale)
    if size >= 1e5 or 0 < size < 5e-4:
        return f"{value:.2e}"
    digits = 3 if size < 10 else 1 if size < 1000 else 0
    # Adding zero turns the minus of a rounded "-0.000" away.
    return f"{round(value, digits) + 0.0:.{digits}f}"


def effect(m: Measurement | None) -> str:
    """Return value and interval, ``0.046 [0.004, 0.088]``; the value alone when it is exact."""
    return "undefined" if m is None else interval(m.value, m.low, m.high)


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """Return a value and its interval with the digits that the largest of the three calls for.

    A value without an interval that is whole, as a count is, is written without a fraction.
    """
    if value is None or low is None or high is None or low == high:
        return (
            f"{value:.0f}" if value is not None and value.is_integer() and abs(value) < 1e5 else number(value)
        )
    scale = max(abs(value), abs(low), abs(high))
    return f"{number(value, scale)} [{number(low, scale)}, {number(high, scale)}]"


def confidence(m: Measurement) -> str:
    """Return the level of the interval, ``95 %``; ``exact`` where there is no sampling error."""
    if m.interval == "exact":
        return "exact"
    return f"{100 * m.confidence:.6g} %"


def allowed(limit: Limit | None) -> str:
    """Return the allowed range as a reader writes it."""
    if limit is None or (limit.low is None and limit.high is None):
        return "no limit"
    return str(limit)


def caught(control: Control | None) -> str:
    """Return the least planted damage that the gate rejects, ``share of pairs swapped ≥ 0.1``, or nothing."""
    return "" if control is None else f"{plain(control.damage)} ≥ {control.severity:g}"


def verdict_word(verdict: Verdict | None) -> str:
    """Return the verdict as it is printed; a check without a limit is a notice."""
    return "NOTICE" if verdict is None else verdict.value


def count(n: int, noun: str) -> str:
    """Return ``1 check``, ``2 checks``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def sentence(outcome: Outcome) -> str:
    """Return what one check found, against what, and what follows, in one line."""
    relation = _relation(outcome)
    parts = [f"{plain(outcome.check)} {_finding(outcome, relation)}"]
    if relation == "outside" and outcome.p_adjusted is not None:
        parts.append(f"p = {outcome.p_adjusted:.2g} after Holm over {count(outcome.family, 'gate')}")
    return "; ".join([*parts, *filter(None, [advice(outcome).rstrip(".")])]) + "."


def advice(outcome: Outcome) -> str:
    """Return what the gate's own reason adds to the numbers, which it may open with; empty where nothing."""
    m, reason = outcome.measurement, plain(outcome.reason)
    if m is None or not reason.startswith(f"{m.name} "):
        return reason
    # Why it is undefined is part of the finding, and may hold advice of its own.
    return "" if m.value is None else reason.partition("; ")[2]


def why(
    outcomes: Iterable[Outcome], certifications: Iterable[Outcome] = (), *, unfinished: int = 0
) -> list[str]:
    """Return the sentences that give the overall verdict its reasons, those that weigh most first."""
    ordered = [o for group in by_failure(outcomes).values() for o in group]
    spoilt = [o for o in certifications if o.verdict in (Verdict.REJECT, Verdict.INCONCLUSIVE)]
    reasons = [sentence(o) for o in ordered if o.verdict is Verdict.REJECT]
    reasons += [f"The audit failed its own proof: {sentence(o)}" for o in spoilt]
    reasons += [sentence(o) for o in ordered if o.verdict is Verdict.INCONCLUSIVE]
    if unfinished:
        reasons.append(f"{count(unfinished, 'collected check')} did not finish.")
    if reasons:
        return reasons
    accepted = [o for o in ordered if o.verdict is Verdict.ACCEPT]
    missing = sum(o.verdict is Verdict.NOT_EVIDENCED for o in ordered)
    if not accepted and not missing:
        return ["No gate was among what ran."]
    if not accepted:
        return [f"No gate could be evidenced ({count(missing, 'check')} lacked what they need)."]
    proven = sum(o.control is not None for o in accepted)
    line = f"{count(len(accepted), 'gate')} accepted, {proven} of them shown to reject planted damage"
    return [line + (f"; {count(missing, 'check')} not evidenced." if missing else ".")]


def certification_line(certifications: Iterable[Outcome]) -> str:
    """Return how many null encoders the audit saw through, which it accepts, and by name those it did not."""
    found = {plain(o.check.removeprefix("null:")): o.verdict for o in certifications}
    if not found:
        return "no null encoder was tried"
    seen = list(found.values()).count(Verdict.ACCEPT)
    untried = [name for name, verdict in found.items() if verdict is Verdict.NOT_EVIDENCED]
    passed = [
        name for name, verdict in found.items() if verdict is not Verdict.ACCEPT and name not in untried
    ]
    line = f"{seen} of {count(len(found), 'null encoder')} rejected"
    if seen == len(found):
        return f"{line}, as they must be"
    but = [f"{', '.join(passed)} got through"] if passed else []
    but += [f"{', '.join(untried)} could not be tried"] if untried else []
    return f"{line}, and all must be: {'; '.join(but)}"


def diagnosis_line(diagnosis: Diagnosis) -> str:
    """Return the failures named and the checks that name them, and how much could not be looked at."""
    checks = {f: [plain(e.check) for e in diagnosis.evidence if e.failure == f] for f in diagnosis.failures}
    named = "; ".join(f"{plain(f)} (by {', '.join(by)})" for f, by in checks.items())
    blind = f"; {count(len(diagnosis.unknown), 'sign')} could not be looked for" if diagnosis.unknown else ""
    return (named or "none of dominance, shortcut, corruption and collapse") + blind


def _finding(outcome: Outcome, relation: str | None) -> str:
    """Return the predicate of the sentence, read off the numbers alone."""
    m = outcome.measurement
    if outcome.verdict is Verdict.NOT_EVIDENCED:
        return "is not evidenced"
    if m is None:
        return "was not measured"
    # A measurement that is called like its check adds what it was taken of, and does not repeat the name.
    own = plain(m.name.removeprefix(f"{outcome.check} "))
    name = "" if m.name == outcome.check else f"{own} " if own.startswith("(") else f"({own}) "
    if m.value is None:
        return f"{name}is undefined ({plain(m.notes[0]) if m.notes else 'no reason was given'})"
    found = f"{name}is {effect(m)} ({confidence(m)}, n {m.n})"
    return (
        f"{found}, no limit set"
        if relation is None
        else f"{found}, {relation} the allowed {allowed(outcome.limit)}"
    )


def _relation(outcome: Outcome) -> str | None:
    """Return where the interval lies with respect to the limit; ``None`` when there are not both."""
    m, limit = outcome.measurement, outcome.limit
    if m is None or m.value is None or limit is None or (limit.low is None and limit.high is None):
        return None
    low = m.value if m.low is None else m.low
    high = m.value if m.high is None else m.high
    floor = -math.inf if limit.low is None else limit.low
    ceiling = math.inf if limit.high is None else limit.high
    if floor <= low and high <= ceiling:
        return "inside"
    return "outside" if high < floor or low > ceiling else "across the edge of"
