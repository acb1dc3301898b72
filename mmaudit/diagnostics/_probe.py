"""A linear softmax probe, fitted by L-BFGS as scikit-learn's logistic regression is.

That one is more costly to import and to call than to fit, and runs on threads of OpenMP that nobody limits.
"""

import functools

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics._arrays import FloatArray
from mmaudit.threads import one_blas_thread

__all__ = ["Probe"]

IntArray = npt.NDArray[np.int64]

_STEPS = 1000
_SEARCHED = 50
"""Points tried along one direction before the search along it is given up."""
_SLOPE = 1e-3
"""Largest entry of the gradient at which the probe counts as fitted."""
_FLAT = 64 * float(np.finfo(np.float64).eps)
"""Relative decrease of the loss below which it is rounding."""


class Probe:
    """Predicts labels 0 .. ``classes`` − 1 (2 or more) from ``width`` features, by default all alike.

    ``weights`` (free, width + 1) float64, the last column the intercepts. Of two classes the first needs no
    weights, so that ``free`` is 1; of more each has its own.
    """

    def __init__(self, width: int, classes: int) -> None:
        self._fixed = 1 if classes == 2 else 0
        self.weights = np.zeros((classes - self._fixed, width + 1))

    def fit(self, items: FloatArray, labels: IntArray, strength: float) -> None:
        """Fit to ``items`` (n, width) and ``labels`` (n,), starting from the weights as they are.

        The loss is the mean negative log-likelihood plus ‖weights‖² / (2 · ``strength`` · n), without the
        intercepts.
        """
        from scipy.optimize import minimize

        n, columns = len(items), _with_ones(items)
        drawn = labels * n + np.arange(n)
        ridge = np.full((1, len(columns)), 1 / (strength * n))
        ridge[0, -1] = 0.0

        # SciPy asks for the slope where it has just asked for the loss. Its own memory of it (``jac=True``)
        # compares the two points by functions of arrays, which take longer than bytes.
        @functools.lru_cache(maxsize=1)
        def loss(point: bytes) -> tuple[float, FloatArray]:
            weights = np.frombuffer(point).reshape(self.weights.shape)
            logits = self._logits(weights, columns)
            listed = logits.reshape(-1)
            own = listed[drawn]
            total = _exponentiated(logits)
            surprise = float(np.add.reduce(np.log(total) - own)) / n
            logits /= total
            listed[drawn] -= 1
            logits /= n
            held = ridge * weights
            slope = logits[self._fixed :] @ columns.T
            slope += held
            return surprise + 0.5 * float(np.vdot(held, weights)), slope.reshape(-1)

        # Vectors are short here, and the threads of a BLAS look out for more work long after a small product.
        with one_blas_thread():
            found = minimize(
                lambda flat: loss(flat.tobytes())[0],
                self.weights.ravel(),
                method="L-BFGS-B",
                jac=lambda flat: loss(flat.tobytes())[1],
                options={"maxiter": _STEPS, "maxls": _SEARCHED, "gtol": _SLOPE, "ftol": _FLAT},
            )
        self.weights = found.x.reshape(self.weights.shape)

    def probabilities(self, items: FloatArray) -> FloatArray:
        """Return the probability of every class (classes, n) for ``items`` (n, width)."""
        logits = self._logits(self.weights, _with_ones(items))
        logits /= _exponentiated(logits)
        return logits

    def _logits(self, weights: FloatArray, columns: FloatArray) -> FloatArray:
        """Return the logits (classes, n), less the largest of each item."""
        logits = np.zeros((len(weights) + self._fixed, columns.shape[1]))
        np.matmul(weights, columns, out=logits[self._fixed :])
        logits -= logits.max(axis=0)
        return logits


def _with_ones(items: FloatArray) -> FloatArray:
    """Return ``items`` (n, d) as columns (d + 1, n), below them the ones that intercepts multiply."""
    return np.concatenate([items.T, np.ones((1, len(items)))])


def _exponentiated(logits: FloatArray) -> FloatArray:
    """Exponentiate ``logits`` (classes, n) in place and return each item's total (n,)."""
    np.exp(logits, out=logits)
    return np.asarray(logits.sum(axis=0))
