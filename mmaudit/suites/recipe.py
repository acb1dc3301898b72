"""A training recipe of the user's own in the place of the reference aligner: what the suites ask of it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from mmaudit.pairs import Pairs
from mmaudit.suites.condition import Condition

__all__ = ["Callback", "Trainable", "dials_of", "lacking"]

Callback = Callable[[int, Any], None]
"""Told (epoch, counted from 1; the model as it is then, anything :func:`mmaudit.as_subject` takes)."""

_OWN_SCHEDULE = frozenset({"epochs", "keep"})
"""How long the reference aligner trains and which epoch it keeps are no part of what a condition changes."""


class Trainable(Protocol):
    """Trains a new model on claimed pairs.

    ``fit`` starts from its own random weights each time, calls every callback after each epoch, and returns
    anything that :func:`mmaudit.as_subject` takes. It may take dials by name: those of a condition's
    ``aligner`` and ``training`` (``temperature``, ``lr``, ``weight_decay``, ...). An attribute ``view``,
    ``features`` (the default) or ``pictures``, says what the pairs hold: float32 matrices, or uint8 pictures
    and sentences.
    """

    def fit(self, pairs: Pairs, callbacks: Sequence[Callback]) -> Any:
        """Train on ``pairs`` and return the model."""


def dials_of(condition: Condition) -> Mapping[str, Any]:
    """Return the dials of a training that ``condition`` turns, by name."""
    changed = {**condition.aligner, **condition.training}
    return {name: value for name, value in changed.items() if name not in _OWN_SCHEDULE}


def lacking(condition: Condition, recipe: Trainable) -> str | None:
    """Return what ``recipe`` would have to do for ``condition`` and does not, in one line, or ``None``."""
    if condition.served_raw:
        return "serves the norms of one encoder, which is a setting of the built-in aligner"
    taken = inspect.signature(recipe.fit).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in taken.values()):
        return None
    missing = sorted(name for name in dials_of(condition) if name not in taken)
    return f"turns {', '.join(missing)}, which this recipe's fit does not take" if missing else None
