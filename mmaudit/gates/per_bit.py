"""An effective rank by what it must tell apart: dimensions for each bit that names a meaning."""

import dataclasses
import math

from mmaudit.measurement import Measurement

__all__ = ["per_bit"]


def per_bit(rank: Measurement, groups: int) -> Measurement:
    """Return an effective ``rank`` over log2 of so many relevance ``groups``, the bits that tell them apart.

    Items of one group are each other's right answers, so nothing has to tell these apart. A rank that is
    undefined stays as it is.
    """
    if rank.value is None or rank.se is None or rank.low is None or rank.high is None:
        return rank
    bits = math.log2(max(2, groups))
    return dataclasses.replace(
        rank,
        name=rank.name.replace("effective_rank", "effective dimensions a bit"),
        value=rank.value / bits,
        low=rank.low / bits,
        high=rank.high / bits,
        se=rank.se / bits,
        unit="dimensions/bit",
        method=f"{rank.method}, over log2 of the relevance groups",
    )
