"""How many items would decide what this many left open."""

import math

from mmaudit.measurement import Measurement

__all__ = ["n_to_decide"]

_MOST = 2.0**53


def n_to_decide(m: Measurement, low: float | None, high: float | None) -> int | None:
    """Return the n at which ``m``, were its value to stay, would clear the limits of ``[low, high]``.

    The standard error is taken to shrink as 1/√n. A value inside the range has to clear both limits, one
    outside only the limit it broke. ``None`` when the value sits on such a limit, when there is no limit,
    when more items change nothing (exact, undefined, or no spread at all), and where they would be more than
    a number in JSON can count.
    """
    if m.value is None or m.interval not in ("student", "wilson"):
        return None
    if low is not None and m.value < low:
        limits = [low]
    elif high is not None and m.value > high:
        limits = [high]
    else:
        limits = [limit for limit in (low, high) if limit is not None]
    if not limits or m.value in limits or (m.interval == "student" and not m.se):
        return None
    # The hair taken off keeps a ratio that is whole but for rounding from asking for one item more.
    needed = max(m.n * _ratio(m, m.value, limit) * (1 - 1e-12) for limit in limits)
    return max(1, math.ceil(needed)) if needed < _MOST else None


def _ratio(m: Measurement, value: float, limit: float) -> float:
    """Return the factor on n at which the interval ends at ``limit``; infinite where it overflows."""
    from scipy.special import ndtri, stdtrit

    upper = (1 + m.confidence) / 2
    df = float(m.n) if m.df is None else m.df
    if m.interval == "student":
        reach = float(stdtrit(df, upper)) * (m.se or 0.0) / (value - limit)
        return reach * reach
    # The score interval ends at the limit where the score test of the limit is just significant.
    reach = float(ndtri(upper)) * math.sqrt(max(0.0, limit * (1 - limit))) / (value - limit)
    return reach * reach / df
