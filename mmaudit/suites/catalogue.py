"""All conditions by name, in the order of the suites."""

import types
from collections.abc import Mapping

from mmaudit.errors import SettingsError
from mmaudit.settings import did_you_mean
from mmaudit.suites.baseline import BASELINE
from mmaudit.suites.collapse import COLLAPSE
from mmaudit.suites.condition import Condition, Suite
from mmaudit.suites.confounding import CORRUPTION, SHORTCUT
from mmaudit.suites.dominance import DOMINANCE
from mmaudit.suites.silent import SILENT

__all__ = ["CONDITIONS", "condition_named", "conditions"]

CONDITIONS: Mapping[str, Condition] = types.MappingProxyType(
    {c.name: c for c in (*BASELINE, *DOMINANCE, *SHORTCUT, *CORRUPTION, *COLLAPSE, *SILENT)}
)


def conditions(*suites: Suite) -> tuple[str, ...]:
    """Return the names of the conditions of ``suites``."""
    return tuple(name for name, condition in CONDITIONS.items() if condition.suite in suites)


def condition_named(name: str) -> Condition:
    """Return the condition called ``name``; raises :class:`SettingsError` with the nearest name."""
    if name not in CONDITIONS:
        raise SettingsError(f"no condition is called {name!r}; {did_you_mean(name, CONDITIONS)}")
    return CONDITIONS[name]
