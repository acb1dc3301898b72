"""Two audits of the same items under the same settings: what changed, and whether it got worse."""

from mmaudit.comparison.compare import Change, Comparison, Moved, Turned, compare
from mmaudit.comparison.sides import ARRAYS, Conditions, Side, check_comparable, side_of

__all__ = [
    "ARRAYS",
    "Change",
    "Comparison",
    "Conditions",
    "Moved",
    "Side",
    "Turned",
    "check_comparable",
    "compare",
    "side_of",
]
