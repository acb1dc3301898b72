"""The hidden causes of an item: five factors, 4608 combinations."""

import numpy as np

from mmaudit.pairs import IntArray
from mmaudit.seeds import generator
from mmaudit.world.spec import COMBINATIONS, FACTORS, WorldSpec

__all__ = ["draw_combinations", "factor_values"]


def factor_values(combinations: IntArray) -> IntArray:
    """Return the (n, 5) int64 factor levels of (n,) combination numbers in [0, 4608)."""
    return np.stack(np.unravel_index(combinations, tuple(FACTORS.values())), axis=1).astype(np.int64)


def draw_combinations(spec: WorldSpec, splits: dict[str, IntArray]) -> IntArray:
    """Return the (n_items,) int64 combination number of every item.

    Without replacement no combination occurs twice. With replacement each item draws from all of them or,
    when splitting by group, from the share that its split owns. What is drawn counts for ``copies``
    items, one after the other.
    """
    rng = generator(spec.seed, "factors")
    allowed = _allowed(spec)
    if not spec.replacement:
        order = rng.permutation(COMBINATIONS).astype(np.int64)
        return _copied(spec, order[np.isin(order, allowed)][: spec.n_meanings])
    if spec.split_by == "item":
        return _copied(spec, allowed[rng.integers(len(allowed), size=spec.n_meanings, dtype=np.int64)])
    combinations = np.empty(spec.n_items, dtype=np.int64)
    for index, share in zip(splits.values(), _shares(spec, allowed, rng), strict=True):
        if len(index):
            combinations[index] = rng.choice(share, size=len(index))
    return combinations


def _allowed(spec: WorldSpec) -> IntArray:
    """Return the combinations, in order, that have every held factor at its level."""
    every = np.arange(COMBINATIONS, dtype=np.int64)
    levels = factor_values(every)
    held = [levels[:, list(FACTORS).index(name)] == level for name, level in spec.held.items()]
    return every[np.logical_and.reduce(held)] if held else every


def _copied(spec: WorldSpec, meanings: IntArray) -> IntArray:
    return np.repeat(meanings, spec.copies)[: spec.n_items]


def _shares(spec: WorldSpec, allowed: IntArray, rng: np.random.Generator) -> list[IntArray]:
    """Deal the combinations out to the splits in proportion to their counts, at least one to each in use."""
    counts = spec.counts.values()
    spare = len(allowed) - len(counts)
    sizes = [(count > 0) + spare * count // spec.n_items for count in counts]
    return np.split(rng.permutation(allowed), np.cumsum(sizes))[: len(sizes)]
