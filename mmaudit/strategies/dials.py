"""Strategies of worlds: every dial of a spec, the worlds built from it, and their pairs."""

import dataclasses
import itertools
from collections.abc import Collection, Mapping
from typing import Any, get_args

from hypothesis import assume
from hypothesis import strategies as st

from mmaudit.errors import InputError, SettingsError
from mmaudit.pairs import Pairs
from mmaudit.world import World, WorldSpec, build, preset
from mmaudit.world.claims import View
from mmaudit.world.spec import FACTORS, FIXED_CARDINALITY, WORDINGS, ConfounderKind

__all__ = ["DIALS", "STEPS", "changed", "pairs", "world_specs", "worlds"]

STEPS = 20
"""Steps in which a number goes through its range: a counterexample then has short numbers."""

DIALS: Mapping[str, Any] = {
    **{name: (None, *range(levels)) for name, levels in FACTORS.items()},
    "noise_image": (0.0, 0.5),
    "noise_text": (0.0, 0.1),
    "paraphrase": (None, *range(WORDINGS)),
    "agreement": (0.0, 1.0),
    "strength": (0.1, 2.0),
    "kind": get_args(ConfounderKind),
    "copies": (1, 4),
    "seed": (0, 1000),
    "n_test": (1, 200),
    "n_claims": (0, 60),
    "n_val": (0, 60),
    "n_train": (0, 60),
    "corruption_rate": (0.0, 0.5),
    "corruption_kind": ("derangement", "hard"),
    "split_by": ("item", "group"),
    "replacement": (False, True),
    "orientation_span": ("half", "full"),
    "image_side": (14, 24),
    "vocab_size": (64, 80),
    "sequence_length": (9, 14),
}
"""What :func:`world_specs` varies, by default over these values: a pair of numbers is a range, both ends
included. ``agreement``, ``strength`` and ``kind`` are the confounder's."""
_CONFOUNDER = ("agreement", "strength", "kind")


def world_specs(
    base: WorldSpec | None = None, *, only: Collection[str] | None = None, held: int = 2, **dials: Any
) -> st.SearchStrategy[WorldSpec]:
    """Return specs of worlds near ``base`` (default: the preset ``small``), towards which they shrink.

    ``only`` names the dials that vary (default: those of :data:`DIALS`); all others are as in ``base``. A
    dial given by name takes other values: a pair of numbers is a range, any other sequence a choice, a
    strategy what it draws, and anything else a constant. At most ``held`` factors are held at one level at a
    time. Where the items would be more than there are combinations to draw them from, ``n_test`` is
    lowered. Raises :class:`SettingsError` on a dial that does not exist.
    """
    start = preset("small") if base is None else base
    unknown = {*dials, *(only or ())} - set(DIALS)
    if unknown:
        raise SettingsError(f"no dial {min(unknown)!r}; the dials of a world are {', '.join(DIALS)}")
    varied = [name for name in DIALS if name in dials or only is None or name in only]
    if start.confounder is None:
        varied = [name for name in varied if name not in _CONFOUNDER]
    drawn = {name: _values(dials.get(name, DIALS[name]), _of(start, name)) for name in varied}
    factors = [name for name in FACTORS if name in drawn]
    levels = {name: drawn.pop(name).filter(lambda level: level is not None) for name in factors}
    return _specs(start, drawn, levels, held)


@st.composite
def _specs(
    draw: st.DrawFn,
    start: WorldSpec,
    dials: Mapping[str, st.SearchStrategy[Any]],
    levels: Mapping[str, st.SearchStrategy[Any]],
    held: int,
) -> WorldSpec:
    changes = {name: draw(values) for name, values in dials.items()}
    some = [names for k in range(held + 1) for names in itertools.combinations(levels, k)]
    changes |= {name: draw(levels[name]) for name in draw(st.sampled_from(some))}
    try:
        return changed(start, changes)
    except SettingsError:
        assume(False)
        raise


def changed(start: WorldSpec, changes: Mapping[str, Any]) -> WorldSpec:
    """Return ``start`` with the dials ``changes``, and with no more items than can be drawn.

    Raises :class:`SettingsError` where they contradict each other.
    """
    fields = {name: value for name, value in changes.items() if name not in _CONFOUNDER}
    own = {name: value for name, value in changes.items() if name in _CONFOUNDER}
    if own and start.confounder is not None:
        if (codes := FIXED_CARDINALITY.get(own.get("kind", ""))) is not None:
            own["cardinality"] = codes
        fields["confounder"] = dataclasses.replace(start.confounder, **own)
    spec = dataclasses.replace(start, **{**fields, "n_test": 1, "n_train": 0, "n_val": 0, "n_claims": 0})
    counts = {name: fields.get(name, getattr(start, name)) for name in ("n_train", "n_val", "n_claims")}
    n_test = fields.get("n_test", start.n_test)
    if not spec.replacement:
        n_test = min(n_test, max(1, spec.combinations * spec.copies - sum(counts.values())))
    return dataclasses.replace(spec, n_test=n_test, **counts)


def _of(spec: WorldSpec, dial: str) -> Any:
    return getattr(spec.confounder if dial in _CONFOUNDER else spec, dial, None)


def _values(given: Any, default: Any) -> st.SearchStrategy[Any]:
    """Return the strategy of one dial, the default first wherever it is among the values."""
    if isinstance(given, st.SearchStrategy):
        return given
    if not isinstance(given, (tuple, list, range, frozenset, set)):
        return st.just(given)
    values = list(given) if not isinstance(given, (set, frozenset)) else sorted(given)
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if len(values) == 2 and numbers and isinstance(given, tuple):
        return _range(values[0], values[1], default)
    first = [v for v in values if v == default and type(v) is type(default)]
    return st.sampled_from(first + [v for v in values if v not in first])


def _range(low: float, high: float, default: Any) -> st.SearchStrategy[Any]:
    """Return numbers of [low, high] that shrink towards the default, or else towards the nearer end."""
    whole = isinstance(low, int) and isinstance(high, int)
    start = min(max(default if isinstance(default, (int, float)) else low, low), high)
    if whole:
        ups, downs = int(high - start), int(start - low)
        order = st.integers(0, ups).map(lambda i: int(start) + i)
        return order | st.integers(0, downs).map(lambda i: int(start) - i) if downs else order
    up = st.integers(0, STEPS).map(lambda i: _rounded(start + (high - start) * i / STEPS))
    if start == low:
        return up
    down = st.integers(0, STEPS).map(lambda i: _rounded(start - (start - low) * i / STEPS))
    return down if start == high else up | down


def _rounded(value: float) -> float:
    return float(f"{value:.12g}")


def worlds(specs: st.SearchStrategy[WorldSpec] | None = None) -> st.SearchStrategy[World]:
    """Return worlds built from ``specs`` (default: :func:`world_specs`)."""
    return (world_specs() if specs is None else specs).map(_built)


def _built(spec: WorldSpec) -> World:
    try:
        return build(spec)
    except InputError:
        # So few items, or items so alike, that no text is wrong for some image.
        assume(False)
        raise


def pairs(
    specs: st.SearchStrategy[WorldSpec] | None = None, *, view: View | None = None
) -> st.SearchStrategy[Pairs]:
    """Return the test pairs of worlds from ``specs``, in one ``view`` or in either, features first."""
    views = st.sampled_from(get_args(View)) if view is None else st.just(view)
    return st.builds(lambda world, seen: world.pairs("test", seen), worlds(specs), views)
