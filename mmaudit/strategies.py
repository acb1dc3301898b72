"""Hypothesis strategies for a project's own property tests: worlds, pairs, embeddings, edits and failures.

Each shrinks towards the clean, small, default world, or towards the healthy case: what is left in a
counterexample is what matters. Every function returns a :class:`hypothesis.strategies.SearchStrategy`.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, get_args

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError, SettingsError
from mmaudit.failures import MECHANISMS, Mechanism
from mmaudit.pairs import IntArray, Pairs
from mmaudit.seeds import generator
from mmaudit.world import World, WorldSpec, build, preset
from mmaudit.world.claims import View
from mmaudit.world.spec import FACTORS, FIXED_CARDINALITY, WORDINGS, ConfounderKind

__all__ = [
    "DIALS",
    "KINDS",
    "Intervention",
    "Kind",
    "changed",
    "embeddings",
    "failures",
    "interventions",
    "pairs",
    "world_specs",
    "worlds",
]

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


Kind = Literal[
    "healthy",
    "one item",
    "empty",
    "duplicates",
    "ties",
    "zero rows",
    "rank one",
    "constant",
    "unpaired",
    "denormal",
    "huge norms",
    "mixed norms",
    "one dimension",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What :func:`embeddings` can be like, the healthy first. ``zero rows`` are no embeddings where cosines are
compared, and are what a diagnostic must survive."""


@st.composite
def embeddings(
    draw: st.DrawFn, kinds: Collection[Kind] = KINDS, *, max_items: int = 24, max_width: int = 8
) -> Embeddings:
    """Return embeddings: healthy, degenerate and adversarial ones, of each of ``kinds``.

    At most ``max_items`` (n) pairs of ``max_width`` (d) dimensions. They shrink towards a few healthy pairs.
    """
    kind = draw(st.sampled_from([k for k in KINDS if k in kinds]))
    # Every kind draws the same choices: what draws fewer would be simpler, and shrinking would end there.
    n = draw(st.integers(2, max_items))
    d = draw(st.integers(min(2, max_width), max_width))
    n = {"empty": 0, "one item": 1}.get(kind, n)
    d = 1 if kind == "one dimension" else d
    rng = generator(draw(st.integers(0, 2**16)), "strategies", "embeddings")
    x = rng.standard_normal((n, d))
    y = x + draw(st.sampled_from([0.3, 0.0, 1.0, 3.0])) * rng.standard_normal((n, d))
    x, y = _SHAPED[kind](x, y, rng) if kind in _SHAPED else (x, y)
    similarity: Literal["cosine", "dot"] = draw(st.sampled_from(["cosine", "dot"]))
    return Embeddings(x.astype(np.float32), y.astype(np.float32), similarity=similarity)


_Shape = Callable[[Any, Any, np.random.Generator], tuple[Any, Any]]
_SHAPED: Mapping[str, _Shape] = {
    "duplicates": lambda x, y, rng: (x[rng.integers(len(x), size=len(x))], y),
    "ties": lambda x, y, rng: (np.sign(np.rint(x)), np.sign(np.rint(y))),
    "zero rows": lambda x, y, rng: (x * (rng.random((len(x), 1)) < 0.5), y),
    "rank one": lambda x, y, rng: (x[:, :1] * x[:1], y[:, :1] * x[:1]),
    "constant": lambda x, y, rng: (np.ones_like(x), np.ones_like(y)),
    "unpaired": lambda x, y, rng: (x, rng.standard_normal(y.shape)),
    "denormal": lambda x, y, rng: (x * 1e-42, y * 1e-42),
    "huge norms": lambda x, y, rng: (x * 1e37, y * 1e37),
    "mixed norms": lambda x, y, rng: (x * 10.0 ** rng.integers(-30, 30, size=(len(x), 1)), y),
}


@dataclasses.dataclass(frozen=True)
class Intervention:
    """A change of claimed pairs after which every pair still means what it meant.

    ``apply`` takes pairs and returns the changed ones; ``rows`` says which pair of the original each of them
    is, given the number of pairs.
    """

    name: str
    apply: Callable[[Pairs], Pairs]
    rows: Callable[[int], IntArray]


def interventions() -> st.SearchStrategy[Intervention]:
    """Return changes that no sound encoder may take for a change of meaning.

    ``identity``, ``reordered``, ``fewer`` (a part of the items alone), ``relabelled`` (the nuisance's values
    under other names) and ``redrawn`` (every nuisance drawn anew, where the pairs can be rendered).
    """
    seeds = st.integers(0, 2**16)
    names = st.sampled_from(["identity", "reordered", "fewer", "relabelled", "redrawn"])
    return st.builds(_intervention, names, seeds)


def _intervention(name: str, seed: int) -> Intervention:
    def rows(n: int) -> IntArray:
        rng = generator(seed, "strategies", name)
        if name == "reordered":
            return rng.permutation(n).astype(np.int64)
        if name == "fewer":
            return np.sort(rng.permutation(n)[: math.ceil(n / 2)]).astype(np.int64)
        return np.arange(n, dtype=np.int64)

    def apply(given: Pairs) -> Pairs:
        if name == "redrawn" and given.renderer is not None:
            return given.renderer.redrawn(seed)
        if name == "relabelled":
            nuisance = {key: _relabelled(codes, seed) for key, codes in given.nuisance.items()}
            return dataclasses.replace(given, nuisance=nuisance)
        return _taken(given, rows(len(given))) if name in ("reordered", "fewer") else given

    return Intervention(name, apply, rows)


def _relabelled(codes: IntArray, seed: int) -> IntArray:
    values, place = np.unique(codes, return_inverse=True)
    return generator(seed, "strategies", "relabelled").permutation(values)[place].astype(np.int64)


def _taken(given: Pairs, rows: IntArray) -> Pairs:
    def taken(column: Any) -> Any:
        if column is None:
            return None
        return column[rows] if isinstance(column, np.ndarray) else [column[i] for i in rows]

    return dataclasses.replace(
        given,
        inputs={name: taken(column) for name, column in given.inputs.items()},
        groups=taken(given.groups),
        factors={name: taken(codes) for name, codes in given.factors.items()},
        nuisance={name: taken(codes) for name, codes in given.nuisance.items()},
        trusted=taken(given.trusted),
        renderer=None,
    )


def failures(
    mechanisms: Collection[Mechanism] = MECHANISMS,
) -> st.SearchStrategy[tuple[Mechanism, float]]:
    """Return (mechanism, severity) of :mod:`mmaudit.failures`, severity in [0, 1] shrinking to 0, healthy."""
    severities = st.integers(0, STEPS).map(lambda i: i / STEPS)
    return st.tuples(st.sampled_from(tuple(mechanisms)), severities)
