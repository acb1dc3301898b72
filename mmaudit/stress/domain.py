"""What an encoder is promised to cope with: the worlds that a search may put to it."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from mmaudit.errors import SettingsError
from mmaudit.seeds import derived_seed
from mmaudit.settings import Settings, did_you_mean
from mmaudit.subjects import Subject
from mmaudit.world import WorldSpec, preset
from mmaudit.world.captions import PARAPHRASES
from mmaudit.world.claims import View
from mmaudit.world.spec import FACTORS

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "BUDGET",
    "NUMBERS",
    "Dial",
    "Domain",
    "changed_dials",
    "domain_of",
    "lacks",
    "level_of",
    "with_dials",
]

Value = int | float | None

BUDGET = {"ci": 60, "full": 1000}
"""Worlds that a search tries, by profile. A number and no time: no machine finds less than another."""
DRAWS = 50
HELD = 2
MOST_COPIES = 8
NUMBERS = ("noise_image", "noise_text", "agreement")
_STANDARD = preset("standard")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dial:
    """What may differ between worlds: ``values`` beside the ``default``, or numbers up to ``high``."""

    name: str
    default: Value
    values: tuple[Value, ...] = ()
    high: float | None = None

    def record(self) -> dict[str, Any]:
        """Return it as builtin types."""
        return {**dataclasses.asdict(self), "values": list(self.values)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Domain:
    """The worlds around ``base`` that ``dials`` span, at most ``held`` factors held at one level at a time.

    A search tries ``budget`` of them.
    """

    base: WorldSpec
    dials: tuple[Dial, ...]
    budget: int
    held: int = HELD

    def __getitem__(self, name: str) -> Dial:
        """Return the dial called ``name``."""
        return next(dial for dial in self.dials if dial.name == name)

    def specs(self) -> "SearchStrategy[WorldSpec]":
        """Return the strategy that draws worlds of the domain, shrinking towards ``base``."""
        from mmaudit.strategies import world_specs

        ranges: dict[str, Any] = {}
        for dial in self.dials:
            if dial.high is None:
                ranges[dial.name] = [dial.default, *dial.values]
            else:
                ranges[dial.name] = (dial.default, dial.high)
        return world_specs(self.base, only=list(ranges), held=self.held, **ranges)

    def record(self) -> dict[str, Any]:
        """Return the promise as builtin types."""
        return {
            "base": self.base.as_dict(),
            "dials": [dial.record() for dial in self.dials],
            "held": self.held,
            "budget": self.budget,
        }


def domain_of(settings: Settings, view: View) -> Domain:
    """Return the domain of ``settings`` for a subject that reads ``view``.

    By default no world is noisier than the standard one, whose marginals every subject of the built-in data
    is promised. ``[tool.mmaudit.stress]`` changes that: ``worlds`` is the budget, ``noise_image``,
    ``noise_text`` and ``agreement`` give the largest value, ``copies`` and the factors the values that
    occur (a list; empty: the dial is not turned). Raises :class:`SettingsError`, one line.
    """
    table = dict(settings.stress)
    budget = _whole("worlds", table.pop("worlds", BUDGET.get(settings.profile, BUDGET["ci"])), 2, 100_000)
    base = dataclasses.replace(preset("small"), seed=derived_seed(settings.seed, "stress"))
    limits = {
        "noise_image": _STANDARD.noise_image,
        "noise_text": _STANDARD.noise_text,
        "agreement": 1.0,
    }
    choices: dict[str, tuple[int, ...]] = {name: tuple(range(levels)) for name, levels in FACTORS.items()}
    if view == "pictures":
        choices["paraphrase"] = tuple(range(len(PARAPHRASES)))
    choices["copies"] = (2, 1, 4)
    unknown = set(table) - {*limits, *choices}
    if unknown:
        name = min(unknown)
        raise SettingsError(
            f"unknown mmaudit setting 'stress.{name}'; {did_you_mean(name, ['worlds', *limits, *choices])}"
        )
    dials = [
        Dial(name=name, default=level_of(base, name), values=_levels(name, table.get(name), values))
        for name, values in choices.items()
    ]
    for name, high in limits.items():
        most = _number(name, table.get(name, high), 1.0 if name == "agreement" else 100.0)
        dials.append(Dial(name=name, default=level_of(base, name), high=most))
    draws = tuple(derived_seed(settings.seed, "stress", "draw", draw) for draw in range(1, DRAWS))
    dials.append(Dial(name="seed", default=base.seed, values=draws))
    turned = tuple(dial for dial in dials if dial.values or dial.high)
    return Domain(base=base, dials=turned, budget=budget)


def lacks(subject: Subject, *, own_data: bool, settings: Settings) -> str | None:
    """Return why ``subject`` cannot be put to generated worlds, as one line, or ``None``."""
    if subject.items is not None:
        return "needs an encoder to run on generated worlds; this subject is a table of given embeddings"
    if set(subject.modalities) != {"image", "text"}:
        return f"needs an encoder of images and texts; this one encodes {' and '.join(subject.modalities)}"
    if own_data and not settings.stress:
        return (
            "needs an encoder of the built-in world's pictures and sentences; this one was given data of its "
            "own. If it reads both, say so with a [tool.mmaudit.stress] table, such as worlds = 100"
        )
    return None


def level_of(spec: WorldSpec, dial: str) -> Any:
    """Return where ``dial`` stands in ``spec``."""
    if dial == "agreement":
        return 0.0 if spec.confounder is None else spec.confounder.agreement
    return getattr(spec, dial)


def with_dials(spec: WorldSpec, values: Mapping[str, Any], items: int) -> WorldSpec:
    """Return ``spec`` with the dials ``values`` and as many of ``items`` test items as can be drawn."""
    from mmaudit.strategies import changed

    return changed(spec, {**values, "n_test": items})


def changed_dials(spec: WorldSpec, domain: Domain) -> dict[str, Any]:
    """Return the dials that stand elsewhere in ``spec`` than in the domain's base, in the domain's order."""
    found = {dial.name: level_of(spec, dial.name) for dial in domain.dials}
    return {name: value for name, value in found.items() if value != domain[name].default}


def _levels(name: str, given: Any, allowed: tuple[int, ...]) -> tuple[int, ...]:
    if given is None:
        return allowed
    known: Collection[int] = range(1, MOST_COPIES + 1) if name == "copies" else allowed
    whole = isinstance(given, list) and all(type(level) is int for level in given)
    if not whole or not set(given) <= set(known):
        raise SettingsError(
            f"mmaudit setting 'stress.{name}' is {given!r}; expected a list of whole numbers from "
            f"{min(known)} to {max(known)}"
        )
    return tuple(dict.fromkeys(given))


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise SettingsError(
            f"mmaudit setting 'stress.{name}' is {value!r}; expected a whole number from {low} to {high}"
        )
    return int(value)


def _number(name: str, value: Any, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= high:
        raise SettingsError(
            f"mmaudit setting 'stress.{name}' is {value!r}; expected the largest value, from 0 to {high:g}"
        )
    return float(value)
