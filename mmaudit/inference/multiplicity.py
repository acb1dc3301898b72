"""Many gates, one audit: adjusted p-values."""

from collections.abc import Sequence

from mmaudit.errors import InputError

__all__ = ["holm"]


def holm(p_values: Sequence[float | None], family: int | None = None) -> list[float | None]:
    """Return Holm's (1979) step-down adjusted p-values, in the order given; ``None`` stays ``None``.

    ``family`` is the number of hypotheses that could have been tested, at least ``len(p_values)`` and that by
    default; those without a p-value count as 1, so what an audit could not measure does not make the rest
    look stronger.
    """
    m = len(p_values) if family is None else family
    if m < len(p_values):
        raise InputError(f"a family of {m} cannot hold {len(p_values)} p-values; give their full number")
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for step, (p, i) in enumerate(sorted((p, i) for i, p in enumerate(p_values) if p is not None)):
        largest = max(largest, min(1.0, (m - step) * p))
        adjusted[i] = largest
    return adjusted
