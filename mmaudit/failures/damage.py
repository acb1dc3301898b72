"""Damage planted in given embeddings, each with a severity dial from 0 (nothing) to 1 (everything).

These are the positive controls of the gates: they need no encoder and no training, so they can be planted in
any subject. All take and return float64 rows (n, d or wider) and never change their input.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics.principal import Principal, principal
from mmaudit.embeddings import unit_rows

__all__ = [
    "biased_gallery",
    "cut_rank",
    "deranged",
    "marked",
    "mixed_with_inputs",
    "mixed_with_noise",
    "overwritten",
    "shrunk_to_mean",
    "unequal_norms",
    "with_nan",
]

Rows = npt.NDArray[np.float64]


def mixed_with_noise(z: npt.ArrayLike, severity: float, rng: np.random.Generator) -> Rows:
    """Blend every unit row with an independent random direction; at 1 nothing of the item is left."""
    unit = unit_rows(z)
    return (1 - severity) * unit + severity * unit_rows(rng.standard_normal(unit.shape))


def mixed_with_inputs(
    z: npt.ArrayLike, inputs: npt.ArrayLike, severity: float, rng: np.random.Generator
) -> Rows:
    """Blend every unit row (n, d) with a random projection of its own input (n, p): an encoder unlearned."""
    unit, raw = unit_rows(z), np.asarray(inputs, dtype=np.float64)
    projection = rng.standard_normal((raw.shape[1], unit.shape[1]))
    return (1 - severity) * unit + severity * unit_rows((raw - raw.mean(axis=0)) @ projection)


def biased_gallery(
    x: npt.ArrayLike, y: npt.ArrayLike, severity: float, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Give every item of ``y`` a bias of its own, one coordinate wider.

    With ``x' = [x, 1/ε]`` and ``y' = [y, ε b]`` the score of (i, j) becomes ``s_ij + b_j``, up to a factor of
    its own for every j that ε keeps near one: the order in which a ``y`` query ranks the ``x`` items is
    exactly unchanged, the order in which an ``x`` query ranks the ``y`` items is not. A per-item bias is the
    only thing that can break the symmetry of a normalised symmetric score.
    """
    ux, uy = unit_rows(x), unit_rows(y)
    bias = severity * rng.standard_normal(len(uy))
    # A bias as long as the item itself would be taken back when the row is normalised.
    epsilon = 0.02
    return np.column_stack([ux, np.full(len(ux), 1 / epsilon)]), np.column_stack([uy, epsilon * bias])


def cut_rank(z: npt.ArrayLike | Principal, severity: float) -> Rows:
    """Keep ``r ** (1 - severity)`` of the r principal directions of the centred unit rows, and the mean.

    The dial is logarithmic in rank because that is how retrieval feels it. ``z`` may be the directions
    themselves, which cost more than the cut.
    """
    directions = z if isinstance(z, Principal) else principal(unit_rows(z))
    full = max(1, len(directions.singular))
    return directions.keep(max(1, round(full ** (1 - severity))))


def shrunk_to_mean(z: npt.ArrayLike, severity: float) -> Rows:
    """Move every unit row towards one common direction; at 1 all items are the same."""
    unit = unit_rows(z)
    mean = unit.mean(axis=0)
    norm = np.linalg.norm(mean)
    centre = mean / norm if norm > 0 else np.eye(1, unit.shape[1])[0]
    return np.asarray((1 - severity) * unit + severity * centre)


def deranged(
    z: npt.NDArray[Any], rows: npt.NDArray[np.int64], severity: float, rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Pass a ``severity`` share of ``rows`` round a cycle, so that every chosen row gets a wrong partner."""
    count = round(severity * len(rows))
    out = z.copy()
    if count >= 2:
        chosen = rng.permutation(rows)[:count]
        out[chosen] = z[np.roll(chosen, 1)]
    return out


def marked(z: npt.ArrayLike, codes: npt.NDArray[np.int64], cardinality: int, severity: float) -> Rows:
    """Add to every unit row a one-hot mark of its code (n,) in ``[0, cardinality)``, one column a code.

    At 1 the mark weighs as much as the item.
    """
    return np.column_stack([unit_rows(z), severity * np.eye(cardinality)[codes]])


def overwritten(
    z: npt.ArrayLike,
    codes: npt.NDArray[np.int64],
    cardinality: int,
    severity: float,
    rng: np.random.Generator,
) -> Rows:
    """Put a one-hot mark of its code (n,) in the place of the item: what it gains the item loses to noise."""
    return marked(mixed_with_noise(z, severity, rng), codes, cardinality, severity)


def unequal_norms(z: npt.ArrayLike, severity: float, rng: np.random.Generator) -> Rows:
    """Multiply every row by a log-normal factor of spread ``severity``."""
    rows = np.asarray(z, dtype=np.float64)
    return rows * np.exp(severity * rng.standard_normal((len(rows), 1)))


def with_nan(z: npt.ArrayLike, severity: float) -> Rows:
    """Replace a ``severity`` share of the rows, at least one unless it is 0, by NaN."""
    rows = np.array(z, dtype=np.float64)
    rows[: int(np.ceil(severity * len(rows)))] = np.nan
    return rows
