"""One way to break a model, on a dial; and two of them at once."""

import dataclasses
from collections.abc import Callable

from mmaudit.errors import SettingsError
from mmaudit.failures.recipe import HEALTHY, Recipe

__all__ = ["Mechanism", "Plant", "compound", "geometric"]

Plant = Callable[[Recipe, float], Recipe]
"""Breaks a recipe with a severity in (0, 1]."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mechanism:
    """A planted failure.

    ``families`` are the failures it causes, one unless it is a compound. ``side`` is the modality it is
    planted in, ``None`` where it has none. ``claim`` is what it does, in one sentence. ``seen_by`` names the
    check of the catalogue that is there to see it.
    """

    name: str
    families: tuple[str, ...]
    claim: str
    seen_by: str
    plant: Plant
    side: str | None = None

    def apply(self, severity: float, recipe: Recipe = HEALTHY) -> Recipe:
        """Return ``recipe`` broken with ``severity`` in [0, 1]; 0 returns it as it is.

        Raises :class:`~mmaudit.errors.SettingsError` outside that range.
        """
        if not 0 <= severity <= 1:
            raise SettingsError(f"the severity of {self.name} is {severity!r}; give a number from 0 to 1")
        return self.plant(recipe, severity) if severity > 0 else recipe


def compound(first: Mechanism, second: Mechanism) -> Mechanism:
    """Return the mechanism that plants both, each with the severity given.

    Raises :class:`~mmaudit.errors.SettingsError` when the two turn the same dial, so that one would undo the
    other.
    """
    doses = ((0.5, 1.0), (1.0, 0.5))
    if any(first.apply(a, second.apply(b)) != second.apply(b, first.apply(a)) for a, b in doses):
        raise SettingsError(f"{first.name} and {second.name} turn the same dial; combine two that do not")
    return Mechanism(
        name=f"{first.name} + {second.name}",
        families=tuple(dict.fromkeys((*first.families, *second.families))),
        claim=f"{first.claim} {second.claim}",
        seen_by=first.seen_by,
        plant=lambda recipe, severity: second.apply(severity, first.apply(severity, recipe)),
    )


def geometric(start: float, end: float, severity: float) -> float:
    """Return the point of the way from ``start`` to ``end`` on a logarithmic scale."""
    return float(start * (end / start) ** severity)
