"""Which items belong to which split, and the proof that none leaks."""

import itertools
from collections.abc import Mapping

import numpy as np

from mmaudit.errors import InputError
from mmaudit.pairs import IntArray
from mmaudit.seeds import generator
from mmaudit.world.spec import WorldSpec

__all__ = ["check_hygiene", "deal"]


def deal(spec: WorldSpec) -> dict[str, IntArray]:
    """Return the item indices (int64, shuffled) of train, val, claims and test."""
    order = generator(spec.seed, "splits").permutation(spec.n_items).astype(np.int64)
    cuts = np.cumsum(list(spec.counts.values()))[:-1]
    return dict(zip(spec.counts, np.split(order, cuts), strict=True))


def check_hygiene(splits: Mapping[str, IntArray], combinations: IntArray, *, by_group: bool) -> None:
    """Raise :class:`InputError` if two splits share an item or, ``by_group``, a factor combination."""
    for (a, left), (b, right) in itertools.combinations(splits.items(), 2):
        shared = np.intersect1d(left, right)
        if len(shared):
            raise InputError(f"splits {a!r} and {b!r} share {len(shared)} items (first: item {shared[0]})")
        if by_group:
            groups = np.intersect1d(combinations[left], combinations[right])
            if len(groups):
                raise InputError(
                    f"splits {a!r} and {b!r} share {len(groups)} factor combinations "
                    f"(first: combination {groups[0]}); keep items of identical factors in one split"
                )
