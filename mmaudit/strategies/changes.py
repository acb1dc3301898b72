"""Strategies of changes: to pairs, which leave their meaning, and to models, which harm them."""

import dataclasses
import math
from collections.abc import Collection

import numpy as np
from hypothesis import strategies as st

from mmaudit.errors import SettingsError
from mmaudit.failures import MECHANISMS, Mechanism
from mmaudit.interventions import EDITS, edited, modality_of
from mmaudit.pairs import IntArray, Pairs
from mmaudit.seeds import generator
from mmaudit.strategies.dials import STEPS

__all__ = ["INTERVENTIONS", "Intervention", "failures", "interventions"]

INTERVENTIONS: tuple[str, ...] = ("identity", "reordered", "fewer", "relabelled", "redrawn", *EDITS)
"""What :func:`interventions` can do, the mildest first: nothing; another order of the items; half of them;
the nuisance's values under other names; every nuisance drawn anew, where pairs can be rendered; and the edits
of real captions and pictures, :data:`mmaudit.interventions.EDITS`."""


@dataclasses.dataclass(frozen=True)
class Intervention:
    """A change of claimed pairs after which every pair still means what it meant.

    ``name`` is one of :data:`INTERVENTIONS`; ``seed`` draws what there is to draw. Raises
    :class:`SettingsError` on another name.
    """

    name: str
    seed: int

    def __post_init__(self) -> None:
        """Check the name, which may have been written by hand."""
        _check([self.name])

    def rows(self, n: int) -> IntArray:
        """Return which pair of the original, of ``n``, each pair of the changed ones is: (k,) int64."""
        rng = generator(self.seed, "strategies", self.name)
        if self.name == "reordered":
            return rng.permutation(n).astype(np.int64)
        if self.name == "fewer":
            return np.sort(rng.permutation(n)[: math.ceil(n / 2)]).astype(np.int64)
        return np.arange(n, dtype=np.int64)

    def apply(self, pairs: Pairs) -> Pairs:
        """Return the changed pairs; those that have nothing of what is changed come back as they are."""
        if self.name in EDITS:
            return edited(pairs, self.name)
        if self.name == "redrawn" and pairs.renderer is not None:
            return pairs.renderer.redrawn(self.seed)
        if self.name == "relabelled":
            nuisance = {key: self._relabelled(codes) for key, codes in pairs.nuisance.items()}
            return dataclasses.replace(pairs, nuisance=nuisance)
        return pairs.take(self.rows(len(pairs))) if self.name in ("reordered", "fewer") else pairs

    def _relabelled(self, codes: IntArray) -> IntArray:
        values, place = np.unique(codes, return_inverse=True)
        rng = generator(self.seed, "strategies", self.name)
        return rng.permutation(values)[place].astype(np.int64)


def interventions(
    pairs: Pairs | None = None, *, only: Collection[str] | None = None
) -> st.SearchStrategy[Intervention]:
    """Return changes that no sound encoder may take for a change of meaning, shrinking to the mildest.

    They are those of :data:`INTERVENTIONS`; given ``pairs``, those that find something to change; given
    ``only``, those that it names. Where captions speak of colours, leave out ``grey``. Raises
    :class:`SettingsError` on a name that does not exist, and where none is left.
    """
    _check(only or ())
    names = [name for name in INTERVENTIONS if only is None or name in only]
    if pairs is not None:
        names = [name for name in names if _changes(name, pairs)]
    if not names:
        asked = ", ".join(sorted(only or ())) or "an empty list"
        raise SettingsError(f"{asked} changes nothing of these pairs; name another, such as 'reordered'")
    return st.builds(Intervention, st.sampled_from(names), st.integers(0, 2**16))


def _check(names: Collection[str]) -> None:
    unknown = set(names) - set(INTERVENTIONS)
    if unknown:
        known = ", ".join(INTERVENTIONS)
        raise SettingsError(f"no intervention {min(unknown)!r}; the interventions are {known}")


def _changes(name: str, pairs: Pairs) -> bool:
    if name in EDITS:
        return modality_of(pairs, EDITS[name].kind) is not None
    return {"relabelled": bool(pairs.nuisance), "redrawn": pairs.renderer is not None}.get(name, True)


def failures(
    mechanisms: Collection[Mechanism] = MECHANISMS,
) -> st.SearchStrategy[tuple[Mechanism, float]]:
    """Return (mechanism, severity) of :mod:`mmaudit.failures`, severity in [0, 1] shrinking to 0, healthy."""
    severities = st.integers(0, STEPS).map(lambda i: i / STEPS)
    return st.tuples(st.sampled_from(tuple(mechanisms)), severities)
