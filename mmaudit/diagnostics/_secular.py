"""The eigenvalues that are left when each item in turn is left out, from one decomposition.

Without item i a second moment loses c·x_i x_iᵀ (``_deletion.py``), and what it has left are the roots μ of

    f(μ) = 1 − c Σ s²_ik/(λ_k − μ),

one between each two neighbours of the λ_k, the first between zero and the smallest (Golub 1973). The two
poles next to each end of an interval are taken as they are; those beyond them, on either side, as the one
pole that adds up to the same at both ends: these sums are matrix products, as all items have the same ends.
Roots come from Li's iteration (1994): the slopes of all poles below are put on the one at the lower end,
those of all above on the one at the upper, and the quadratic equation that is left is solved. What the single
poles miss is most next to zero, where the interval is wide, so that root follows from the determinant, which
is exact: Π μ = f(0) Π λ. What is left of the error is in single eigenvalues, and hardly in sums over
neighbours.
"""

from collections.abc import Iterator

import numpy as np

from mmaudit.diagnostics._arrays import FloatArray, blocks
from mmaudit.diagnostics._spectra import ROUNDING

__all__ = ["eigenvalues_without"]

_STEPS = 4
"""Iterations: after four the error is below that of the single poles."""
_BLOCK = 64
"""Items at a time, so that what is worked out of them stays in the cache."""
_APART = 1e-18
"""Eigenvalues of a spectrum that adds up to one are taken to lie this far apart at least: far below rounding,
and nothing is divided by zero."""
_EDGE = 1e-15
"""Roots keep this share of their interval away from its ends, where the equation has its poles."""
_TINY = 1e-300


def eigenvalues_without(
    values: FloatArray, squares: FloatArray, centred: bool
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield rows and the eigenvalues (k, r) that are left without each of these items, ascending.

    ``values`` (r,), two or more, and ``squares`` (n, r) are of
    :func:`mmaudit.diagnostics._spectra.decomposed`. Where an item takes a direction of its own along, the
    first eigenvalue is zero.
    """
    n, r = squares.shape
    factor = n / (n - 1) if centred else 1.0
    total = values.sum()
    upper = values / total
    lower = np.append(0.0, upper[:-1])
    gap = np.maximum(upper - lower, _APART)
    pole, interval = np.ogrid[:r, :r]
    below, above = (
        [beyond / np.maximum(np.abs(upper[:, None] - end), _APART) for end in ends]
        for beyond, ends in ((pole < interval - 2, (lower, upper)), (pole > interval + 1, (upper, lower)))
    )
    # How far the second pole of a side lies beyond its end, in intervals; at the ends of a spectrum is none.
    before = (lower - np.append([-1.0, -1.0], upper[:-2])) / gap
    after = (np.append(upper[1:], 2.0) - upper) / gap
    # The geometric middle of the interval: eigenvalues may lie orders of magnitude apart.
    middle = np.sqrt(lower) / (np.sqrt(lower) + np.sqrt(upper))
    for rows in blocks(n, _BLOCK):
        scores = np.ascontiguousarray(squares[rows]) * (factor / total)
        beside = np.pad(scores, ((0, 0), (2, 1)))
        low_second, low, high, high_second = (beside[:, k : k + r] / gap for k in range(4))
        (low_end, low_change), (high_end, high_change) = (
            _single(*(scores @ sums for sums in side)) for side in (below, above)
        )
        u = np.broadcast_to(middle, scores.shape)
        for _ in range(_STEPS):
            v = 1 - u
            low_near, high_near = low_second / (u + before), high_second / (v + after)
            low_far, high_far = 1 / (low_end + low_change * u), 1 / (high_end + high_change * v)
            low_slope = u * (low_near / (u + before) + low_change * low_far**2)
            high_slope = v * (high_near / (v + after) + high_change * high_far**2)
            rest = 1 + low_near + low_far - low_slope - high_near - high_far + high_slope
            u = np.clip(_root(low + u * low_slope, high + v * high_slope, rest), _EDGE, 1 - _EDGE)
        yield rows, total * _by_determinant(lower + gap * u, upper, scores)


def _single(near: FloatArray, distant: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a, b of the pole 1/(a + b·u) that is ``near`` at u = 0 and ``distant`` at u = 1."""
    start = 1 / np.maximum(near, _TINY)
    return start, 1 / np.maximum(distant, _TINY) - start


def _root(p: FloatArray, q: FloatArray, c: FloatArray) -> FloatArray:
    """Return the u in [0, 1] with p/u − q/(1 − u) + c = 0, for p and q not negative."""
    linear = p + q - c
    root = np.sqrt((p - q + c) ** 2 + 4 * p * q)
    # Of the two ways to write it the one that adds, so that nothing is lost in a difference.
    sums, first = np.abs(linear) + root, linear > 0
    return np.where(first, 2 * p, sums) / np.maximum(np.where(first, sums, 2 * c), _TINY)


def _by_determinant(left: FloatArray, values: FloatArray, scores: FloatArray) -> FloatArray:
    """Return the roots ``left`` (k, r) with the first that is not zero as the determinant has it."""
    logs = np.log(left[:, 1:])
    known = np.log(values).sum() - logs.sum(axis=1)
    first = np.maximum(1 - (scores / values).sum(axis=1), 0.0) * np.exp(known)
    gone = first <= ROUNDING
    # Not held below the eigenvalue with the item: what it has too much, its neighbours have too little.
    left[:, 0] = np.where(gone, 0.0, first)
    # Of a determinant that is zero, its slope.
    second = (scores / values**2).sum(axis=1) * np.exp(known + logs[:, 0])
    left[gone, 1] = second[gone]
    return left
