"""The margins that claims are decided by, one meaning each, shared by all suites."""

from mmaudit.suites.condition import Statement

__all__ = ["GAP", "HARM", "NO_GAP", "RANK_LOST", "SOME_GAP", "gained", "lost", "unharmed"]

GAP = 0.1
"""The limit of the audit's own gate: one query in ten succeeds in one direction only."""
HARM = 0.05
"""r@1 that counts as harm, as everywhere in the audit."""
RANK_LOST = -0.288
"""Log of three quarters: a quarter of the effective dimensions is gone."""

SOME_GAP = Statement("symmetry_gap", -GAP, GAP, outside=True)
NO_GAP = Statement("symmetry_gap", -GAP, GAP)


def lost(least: float = HARM) -> Statement:
    """Return the statement that at least so much r@1 is lost against the reference."""
    return Statement("recall_lost", low=least)


def gained(least: float = HARM) -> Statement:
    """Return the statement that at least so much r@1 is gained against the reference."""
    return Statement("recall_lost", high=-least)


def unharmed(margin: float = HARM) -> Statement:
    """Return the statement that r@1 is that of the reference, to within ``margin`` either way."""
    return Statement("recall_lost", -margin, margin)
