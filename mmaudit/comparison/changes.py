"""How much one figure changed from one model to another, both measured on the same items.

Where a figure is a mean over items, or has an influence for each, the two models are compared item by item:
what an item has in common under both cancels. Elsewhere only the two estimates are left, which depend on
each other in a way nobody recorded; by the triangle inequality the standard error of their difference is at
most the sum of theirs, and that bound is used.
"""

import dataclasses
import math

import numpy as np

from mmaudit import inference
from mmaudit.diagnostics import Ranks
from mmaudit.errors import InputError
from mmaudit.gates.outcome import Limit
from mmaudit.measurement import Direction, Measurement

__all__ = ["discrimination_change", "estimates_change", "recall_change", "symmetry_change"]

_PAIRED = "paired by item, adjusted Wald (two pseudo-items), Student t"
_BOUND = "two estimates on the same items, not paired: standard error at most the sum of theirs, Student t"


def recall_change(
    name: str, before: Ranks, now: Ranks, k: int, forward: float, backward: float, confidence: float
) -> Measurement:
    """Return the change of r@k, its directions weighted ``forward`` and ``backward`` (non-negative, sum 1).

    As :func:`mmaudit.inference.paired_difference` of the items' expected hits, with the variance that items
    share by ranking one gallery in either model.
    """
    if (reason := before.too_few(k)) is not None:
        return inference.undefined(name, reason, len(now), confidence=confidence, unit="share")
    return _combined(name, before, now, k, (forward, backward), -1.0, confidence, "higher is better")


def symmetry_change(name: str, before: Ranks, now: Ranks, confidence: float) -> Measurement:
    """Return the change of the symmetry gap's distance from zero, ``|now| − |before|``.

    It is at most as large as the gaps' difference and as their sum, so the larger of those two standard
    errors covers it whether or not the gap changed sides.
    """
    if (reason := before.too_few(1)) is not None:
        return inference.undefined(name, reason, len(now), confidence=confidence, unit="share")
    gaps = [math.fsum(r.forward.hits(1) - r.backward.hits(1)) / len(r) for r in (before, now)]
    either = [
        _combined(name, before, now, 1, (1.0, -1.0), sign, confidence, "lower is better")
        for sign in (-1.0, 1.0)
    ]
    widest = max(either, key=lambda m: m.se or 0.0)
    moved = dataclasses.replace(widest, value=abs(gaps[1]) - abs(gaps[0]))
    return inference.at_confidence(moved, confidence)


def _combined(
    name: str,
    before: Ranks,
    now: Ranks,
    k: int,
    weights: tuple[float, float],
    sign: float,
    confidence: float,
    direction: Direction,
) -> Measurement:
    """Return the mean over items of ``now + sign · before``, each its hits at k weighted by direction."""
    forward, backward = weights
    values = sum(
        factor * (forward * side.forward.hits(k) + backward * side.backward.hits(k))
        for side, factor in ((now, 1.0), (before, sign))
    )
    felt = (now.rivalry(k, forward, backward), before.rivalry(k, sign * forward, sign * backward))
    first, second, effect = (np.concatenate(columns) for columns in zip(*felt, strict=True))
    span = abs(forward) + abs(backward)
    return inference.bounded_mean(
        name,
        values,
        (-span, span),
        clusters=now.groups,
        shared=inference.shared_variance(np.asarray(values), first, second, effect, now.groups),
        confidence=confidence,
        unit="share",
        direction=direction,
        null=0.0,
        method=_PAIRED,
    )


def discrimination_change(name: str, before: Ranks, now: Ranks, confidence: float) -> Measurement:
    """Return the change of pair discrimination, from the difference of the items' influences on it."""
    if (reason := before.too_few(1)) is not None:
        return inference.undefined(name, reason, len(now), confidence=confidence, unit="probability")
    won = before.mean_percentile - now.mean_percentile
    # As in diagnostics.pair_discrimination, an item also takes part as every other query's candidate.
    withstood = sum(
        (old.wins - new.wins) / new.candidates / 2
        for old, new in ((before.forward, now.forward), (before.backward, now.backward))
    )
    return inference.linearized(
        name,
        math.fsum(won) / len(won),
        won + withstood,
        clusters=now.groups,
        confidence=confidence,
        unit="probability",
        direction="higher is better",
        null=0.0,
        method="paired by item, infinitesimal jackknife, Student t",
    )


def estimates_change(before: Measurement, now: Measurement, limit: Limit, confidence: float) -> Measurement:
    """Return the change of a figure of which only two estimates are known.

    ``higher`` and ``lower is better``: ``now − before``; ``closer to zero is better``: of the distances from
    zero; a descriptive figure is judged by its ``limit``: by the side that is closed, or by the distance from
    its middle. A figure known without error changes without error.
    """
    centre, direction = _aim(now.direction, limit)
    name, n, unit = now.name, min(before.n, now.n), now.unit
    if before.value is None or now.value is None:
        which = "before" if before.value is None else "now"
        return inference.undefined(name, f"it is undefined {which}", n, confidence=confidence, unit=unit)
    if centre is None:
        value = now.value - before.value
    else:
        value = abs(now.value - centre) - abs(before.value - centre)
    if before.interval == now.interval == "exact":
        return inference.exact(name, value, n, confidence=confidence, unit=unit, direction=direction)
    return inference.student(
        name,
        value,
        _standard_error(before) + _standard_error(now),
        min(_freedom(before), _freedom(now)),
        n,
        confidence=confidence,
        unit=unit,
        direction=direction,
        null=0.0,
        method=_BOUND,
    )


def _aim(direction: Direction, limit: Limit) -> tuple[float | None, Direction]:
    """Return the point that the distance is taken from, if one is, and which way is better then."""
    if direction == "closer to zero is better":
        return 0.0, "lower is better"
    if direction != "descriptive":
        return None, direction
    if limit.low is not None and limit.high is not None:
        return (limit.low + limit.high) / 2, "lower is better"
    return None, "higher is better" if limit.low is not None else "lower is better"


def _standard_error(m: Measurement) -> float:
    """Return the standard error; for an interval that has none, its longer arm in units of the normal one."""
    if m.se is not None:
        return m.se
    if m.value is None or m.low is None or m.high is None:
        raise InputError(f"{m.name} has no interval to compare by")
    from scipy.special import ndtri

    return max(m.high - m.value, m.value - m.low) / float(ndtri((1 + m.confidence) / 2))


def _freedom(m: Measurement) -> float:
    return float(max(1, m.n - 1)) if m.df is None else m.df
