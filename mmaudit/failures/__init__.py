"""Planted failures: what the gates must catch, and how much harm each of them does.

``damage`` plants in given embeddings, ``nulls`` are encoders that know nothing, and the mechanisms break a
model where it is made: in its world, its encoders, its training or its serving.
"""

import difflib

from mmaudit.errors import SettingsError
from mmaudit.failures.collapse import COLLAPSE
from mmaudit.failures.corruption import CORRUPTION, early_separation
from mmaudit.failures.dominance import DOMINANCE
from mmaudit.failures.harm import clean_ranks, harm, removed_ranks
from mmaudit.failures.mechanism import Mechanism, compound
from mmaudit.failures.nulls import NULL_ENCODERS, null_encoder
from mmaudit.failures.recipe import HEALTHY, Planted, Recipe, train
from mmaudit.failures.shortcut import SHORTCUT

__all__ = [
    "HEALTHY",
    "MECHANISMS",
    "NULL_ENCODERS",
    "Mechanism",
    "Planted",
    "Recipe",
    "clean_ranks",
    "compound",
    "early_separation",
    "harm",
    "mechanism_named",
    "null_encoder",
    "removed_ranks",
    "train",
]

MECHANISMS: tuple[Mechanism, ...] = (*DOMINANCE, *SHORTCUT, *CORRUPTION, *COLLAPSE)
"""Every mechanism that works, by family."""


def mechanism_named(name: str) -> Mechanism:
    """Return the mechanism called ``name``; raises :class:`SettingsError` with the nearest name."""
    known = {mechanism.name: mechanism for mechanism in MECHANISMS}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the mechanisms are {', '.join(known)}"
        raise SettingsError(f"no mechanism is called {name!r}; {hint}")
    return known[name]
