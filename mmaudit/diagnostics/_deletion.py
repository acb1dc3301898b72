"""How the entropy of a spectrum changes when each item in turn is left out, from one decomposition.

Without item i a second moment A = Σ xxᵀ loses c·x_i x_iᵀ: c is 1, or n/(n − 1) if the mean goes with it. So
for t > 0 the determinant lemma gives the change of the whole spectrum,

    D(t) = Σ log (μ_k + t)/(λ_k + t) = log(1 − c Σ s²_ik/(λ_k + t)),

μ being the eigenvalues without the item, λ those with it and s_ik the item's score on direction k. Sums over
the spectrum are integrals of D:

    Σ √μ − Σ √λ             = 1/2π ∫ D t^-½ dt
    Σ √μ log μ − Σ √λ log λ = 1/π  ∫ D t^-½ (1 + ½ log t) dt
    Σ μ log μ − Σ λ log λ   = T − ∫ (D − T/(1 + t)) dt          with T = Σ μ − Σ λ,

all from zero to infinity: ∫ log(1 + x/t) t^(s-1) dt is x^s π/(s sin πs) for 0 < s < 1, the second is its
derivative by s, and the third its limit s → 1. In log t the integrands are analytic within π of the real
axis and vanish exponentially, so that the trapezoidal rule with step h is right to about exp(-2π²/h): 4e-12
for h = ¾ (Trefethen & Weideman 2014).
"""

import math

import numpy as np

from mmaudit.diagnostics._arrays import FloatArray, blocks

__all__ = ["entropy_changes"]

_STEP = 0.75
_LOG_T = _STEP * np.arange(-80, 81)
"""Beyond these, of a spectrum that adds up to one, √t and 1/√t weigh less than 1e-13."""
_WHOLE = 1e-10
"""An item whose leverage is one but for this takes a direction of its own along."""
_BLOCK = 4096


def entropy_changes(values: FloatArray, squares: FloatArray, centred: bool, power: float) -> FloatArray:
    """Return how the entropy of the shares of ``values ** power`` changes without each item, (n,) in nats.

    ``values`` (r,) and ``squares`` (n, r) are of :func:`mmaudit.diagnostics._spectra.decomposed`, ``power``
    is 0.5 or 1. Minus infinity where without the item nothing is left.
    """
    n = len(squares)
    total = values.sum()
    factor = n / (n - 1) if centred else 1.0
    shares = values / total
    t = np.exp(_LOG_T)
    near, far = t / (shares[:, None] + t), shares[:, None] / (shares[:, None] + t)
    weights = shares**power
    size, product = weights.sum(), weights @ np.log(weights)
    changes = np.empty(n)
    for rows in blocks(n, _BLOCK):
        leverages = factor * squares[rows] / values
        own = np.maximum(1 - leverages.sum(axis=1), 0.0)
        own[own < _WHOLE] = 0.0
        gone, left = leverages @ far, own[:, None] + leverages @ near
        # The two add up to one; the smaller one is not a difference, so the logarithm of neither is lost.
        change = np.where(gone < 0.5, np.log1p(-np.minimum(gone, 0.5)), np.log(left))
        trace = -(leverages @ shares)
        if power == 1:
            less = trace
            product_less = trace - _STEP * ((change - trace[:, None] / (1 + t)) @ t)
        else:
            weight = _STEP / (2 * math.pi) * np.sqrt(t)
            less = change @ weight
            product_less = change @ (weight * (1 + _LOG_T / 2))
        remains = 1 + trace > _WHOLE
        after = np.where(remains, size + less, 1.0)
        entropy = np.log(after) - (product + product_less) / after
        changes[rows] = np.where(remains, entropy - (np.log(size) - product / size), -np.inf)
    return changes
