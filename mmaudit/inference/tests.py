"""p-values that say exactly what the intervals say."""

import math

from mmaudit.measurement import Measurement

__all__ = ["tail_probability"]


def tail_probability(m: Measurement, low: float | None, high: float | None) -> float | None:
    """Return the two-sided p-value that ``m`` lies outside the closed range ``[low, high]``.

    Twice the one-sided tail beyond each given side, the smaller of them, at most 1. It inverts the interval
    (Student's t, or Wilson's score): p ≤ α exactly when the interval at confidence 1 − α lies wholly outside
    the range. 0 or 1 for a value known without error; 1 when both sides are open; ``None`` when ``m`` is
    undefined.
    """
    if m.value is None:
        return None
    below = 1.0 if low is None else _one_sided(m, m.value - low, low)
    above = 1.0 if high is None else _one_sided(m, high - m.value, high)
    return min(1.0, 2 * below, 2 * above)


def _one_sided(m: Measurement, inside: float, limit: float) -> float:
    """Return the tail at ``limit``, ``inside`` being how far the value lies on its right side."""
    if inside >= 0:
        # At least one half: no evidence against this side, whatever the error.
        return 1.0
    df = float(m.n) if m.df is None else m.df
    if m.interval == "student" and m.se:
        from scipy.special import stdtr

        return float(stdtr(df, inside / m.se))
    if m.interval == "wilson" and 0 < limit < 1:
        from scipy.special import ndtr

        return float(ndtr(inside / math.sqrt(limit * (1 - limit)) * math.sqrt(df)))
    return 0.0
