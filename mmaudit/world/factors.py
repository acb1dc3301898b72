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
    when splitting by group, from the share that its split owns.
    """
    rng = generator(spec.seed, "factors")
    if not spec.replacement:
        return rng.permutation(COMBINATIONS)[: spec.n_items].astype(np.int64)
    if spec.split_by == "item":
        return rng.integers(COMBINATIONS, size=spec.n_items, dtype=np.int64)
    combinations = np.empty(spec.n_items, dtype=np.int64)
    for index, share in zip(splits.values(), _shares(spec, rng), strict=True):
        if len(index):
            combinations[index] = rng.choice(share, size=len(index))
    return combinations


def _shares(spec: WorldSpec, rng: np.random.Generator) -> list[IntArray]:
    """Deal the combinations out to the splits in proportion to their counts, at least one to each in use."""
    counts = spec.counts.values()
    spare = COMBINATIONS - len(counts)
    sizes = [(count > 0) + spare * count // spec.n_items for count in counts]
    return np.split(rng.permutation(COMBINATIONS), np.cumsum(sizes))[: len(sizes)]
