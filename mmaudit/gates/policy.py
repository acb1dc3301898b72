"""From the conclusions of single checks to one conclusion: the verdict that stands, and what decided it."""

import difflib
import math
from collections.abc import Iterable, Sequence

from mmaudit.gates.outcome import Outcome, Verdict

__all__ = ["FAILURE_ORDER", "by_failure", "deciding", "margin", "misspelt", "overall"]

FAILURE_ORDER = ("integrity", "alignment", "dominance", "shortcut", "corruption", "collapse", "stress")
_ALIKE = 0.85
"""Share of letters in common from which a name is a misspelling: one or two letters off, of eight or ten."""


def overall(
    outcomes: Iterable[Outcome], certifications: Iterable[Outcome] = (), *, unfinished: int = 0
) -> Verdict:
    """Return the one verdict that all of these add up to.

    ``REJECT`` if any gate rejects; else ``INCONCLUSIVE`` if any gate is, or if ``unfinished`` collected
    checks never came to an end; else ``NOT EVIDENCED`` if no gate accepted; else ``ACCEPT``. Notices have no
    vote. ``certifications`` accept when the audit rejected the null encoder that it was shown; they can spoil
    the verdict, and never stand in for evidence on the subject itself.
    """
    accepted = {outcome.verdict for outcome in outcomes}
    voiced = accepted | {outcome.verdict for outcome in certifications}
    if Verdict.REJECT in voiced:
        return Verdict.REJECT
    if Verdict.INCONCLUSIVE in voiced or unfinished:
        return Verdict.INCONCLUSIVE
    return Verdict.ACCEPT if Verdict.ACCEPT in accepted else Verdict.NOT_EVIDENCED


def by_failure(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Return the outcomes by failure mode, known modes first and in their order, then any others by name.

    Within a mode they are sorted by check, so that the order in which checks ran shows nowhere.
    """
    modes: dict[str, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda o: (_position(o.failure), o.failure, o.check)):
        modes.setdefault(outcome.failure, []).append(outcome)
    return modes


def deciding(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the check that decides for these outcomes: of those with the overall verdict, the worst.

    The worst is the one with the least :func:`margin`, ties by name. ``None`` when there is no gate at all.
    """
    verdict = overall(outcomes)
    candidates = [outcome for outcome in outcomes if outcome.verdict is verdict]
    return min(candidates, key=lambda o: (margin(o), o.check), default=None)


def margin(outcome: Outcome) -> float:
    """Return how far inside its limit the value lies, in half-widths of its interval; negative is outside.

    1 is an interval that just touches the limit from within. Values without a sampling error are infinitely
    far on their side, and so is an outcome with nothing to compare (``-inf`` when it is a rejection).
    """
    m, limit = outcome.measurement, outcome.limit
    if m is None or m.value is None or limit is None or (limit.low is None and limit.high is None):
        return -math.inf if outcome.verdict is Verdict.REJECT else math.inf
    room = min(
        math.inf if limit.low is None else m.value - limit.low,
        math.inf if limit.high is None else limit.high - m.value,
    )
    half = 0.0 if m.low is None or m.high is None else (m.high - m.low) / 2
    if half > 0:
        return room / half
    return math.inf if room >= 0 else -math.inf


def misspelt(failure: str) -> str | None:
    """Return the known failure mode that ``failure`` must mean, ``None`` where it may be a name of its own.

    A name that holds a known one, as ``collapse of speakers`` does, was made from it on purpose.
    """
    if any(known in failure for known in FAILURE_ORDER):
        return None
    return next(iter(difflib.get_close_matches(failure, FAILURE_ORDER, n=1, cutoff=_ALIKE)), None)


def _position(failure: str) -> int:
    """Return where a failure mode stands in a report; unknown modes share the last place."""
    return FAILURE_ORDER.index(failure) if failure in FAILURE_ORDER else len(FAILURE_ORDER)
