"""Which kinds of items were hard in all worlds tried so far, and the worlds that would tell."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mmaudit.stress.domain import NUMBERS, Domain, with_dials
from mmaudit.stress.trial import BINS, COLUMNS, Trial
from mmaudit.world import WorldSpec

__all__ = ["suspects"]

_FEWEST = 3
"""Items without which a kind is no suspect."""


def suspects(trials: Sequence[Trial], domain: Domain) -> Iterator[WorldSpec]:
    """Yield worlds that hold what was hardest, the most suspect first.

    Items of all ``trials`` are pooled. For every kind, one value or two values together, the mean hardness of
    its items is compared with that of all: z = (m − M)/(s/√k). Each kind gives two worlds: one with every
    number at the end of its range besides, where more goes wrong, and one that is else the default.
    """
    harsh = {dial.name: dial.high for dial in domain.dials if dial.high}
    for kind in _ranked(trials):
        dials = _dials(kind, domain)
        if dials is not None:
            for besides in (harsh, {}):
                yield with_dials(domain.base, {**besides, **dials}, domain.base.n_test)


def _ranked(trials: Sequence[Trial]) -> list[Mapping[str, int]]:
    hardness = np.concatenate([trial.hardness for trial in trials])
    table = np.concatenate([trial.columns for trial in trials])
    spread = float(hardness.std())
    if spread == 0:
        return []
    excess = (hardness - hardness.mean()) / spread
    scored: list[tuple[float, tuple[tuple[str, int], ...]]] = []
    singles = [(column,) for column in range(len(COLUMNS))]
    for columns in (*singles, *itertools.combinations(range(len(COLUMNS)), 2)):
        values, place, counts = np.unique(table[:, columns], axis=0, return_inverse=True, return_counts=True)
        z = np.bincount(place.ravel(), weights=excess) / np.sqrt(counts)
        for row in np.flatnonzero(counts >= _FEWEST):
            kind = tuple((COLUMNS[c], int(v)) for c, v in zip(columns, values[row], strict=True))
            scored.append((-round(float(z[row]), 9), kind))
    return [dict(kind) for _, kind in sorted(scored)]


def _dials(kind: Mapping[str, int], domain: Domain) -> dict[str, float | int | None] | None:
    """Return the dials that make a world of ``kind``, ``None`` where the domain has no such world."""
    turned = {dial.name: dial for dial in domain.dials}
    found: dict[str, float | int | None] = {}
    for name, value in kind.items():
        dial = turned.get(name)
        if dial is None:
            return None
        if name in NUMBERS:
            found[name] = (dial.high or 0.0) * value / BINS
        elif value in (dial.default, *dial.values):
            found[name] = value
        else:
            return None
    return found
