"""Wrong pairs: which text is claimed to belong to each image."""

import numpy as np

from mmaudit.errors import InputError
from mmaudit.pairs import IntArray
from mmaudit.world.factors import factor_values
from mmaudit.world.spec import CorruptionKind

__all__ = ["corrupt"]


def corrupt(combinations: IntArray, rate: float, kind: CorruptionKind, rng: np.random.Generator) -> IntArray:
    """Return (n,) int64: the row whose text is claimed for each row's image.

    ``combinations`` (n,) are the rows' factor combinations. Exactly ``round(rate * n)`` rows get the text of
    a row of another combination; the rows of a lower rate are among those of a higher one. Raises
    :class:`InputError` where no such text exists.
    """
    n = len(combinations)
    partner = np.arange(n, dtype=np.int64)
    chosen = rng.permutation(n)[: round(rate * n)]
    if len(chosen):
        mismatch = _derangement if kind == "derangement" else _hard
        partner[chosen] = mismatch(combinations, chosen, rng)
    return partner


def _derangement(combinations: IntArray, chosen: IntArray, rng: np.random.Generator) -> IntArray:
    """Exchange texts among ``chosen``, so that every text is still used once.

    With equal combinations laid side by side, in random order, a cyclic shift by the longest run takes
    every row out of its own run.
    """
    _, run, lengths = np.unique(combinations[chosen], return_inverse=True, return_counts=True)
    shift = int(lengths.max())
    if 2 * shift > len(chosen):
        raise InputError(
            f"{shift} of the {len(chosen)} pairs to corrupt mean the same, so not all can be exchanged; "
            "corrupt more pairs or draw items without replacement"
        )
    ring = np.argsort(rng.permutation(len(lengths))[run], kind="stable")
    partner = np.empty_like(chosen)
    partner[ring] = chosen[np.roll(ring, -shift)]
    return partner


def _hard(combinations: IntArray, chosen: IntArray, rng: np.random.Generator) -> IntArray:
    """Give each row of ``chosen`` the text of a random one of the rows that share most, not all, factors."""
    factors = factor_values(combinations)
    shared = (factors[chosen, None, :] == factors[None, :, :]).sum(axis=2)
    shared[shared == factors.shape[1]] = -1
    if (shared.max(axis=1) < 0).any():
        raise InputError("all pairs of the split mean the same, so no text is wrong for any image")
    best = shared == shared.max(axis=1, keepdims=True)
    partner: IntArray = np.where(best, rng.random(best.shape), -1.0).argmax(axis=1)
    return partner
