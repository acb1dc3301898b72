"""Positive controls: each plants one failure in the very case a gate accepted."""

import dataclasses
import functools
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from mmaudit.embeddings import Embeddings
from mmaudit.errors import ControlError
from mmaudit.failures import damage as plant
from mmaudit.gates.case import Case
from mmaudit.gates.check import Damage
from mmaudit.gates.facets import sample
from mmaudit.pairs import IntArray
from mmaudit.subjects import TrainingFault

__all__ = [
    "BIAS",
    "BOTH_SIDES_CUT",
    "HEAVY_START",
    "LEAKED_POSITION",
    "MARKED_TWINS",
    "MARKED_UNTIL_REDRAWN",
    "MARK_CODES",
    "MIXED_WITH_INPUTS",
    "NAN_ROWS",
    "NOISE",
    "NOISY_TWINS",
    "NORMS",
    "ONE_SIDE_CUT",
    "OVERWRITTEN",
    "PASSENGER",
    "SEVERITIES",
    "SHRUNK",
    "SWAPPED",
    "smallest",
    "with_trusted",
]

SEVERITIES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
MARK_CODES = 16
TRUSTED = 400
"""Trusted pairs that stay in the sample that a control is planted in: twice what a 99 % quantile takes."""


def smallest(rejects: Callable[[float], bool]) -> float | None:
    """Return the smallest of :data:`SEVERITIES` found at which ``rejects`` holds, ``None`` if there is none.

    Bisection where the full damage is rejected; otherwise every severity upwards, because a damage that
    leaves nothing of the items leaves nothing to lose either.
    """
    if not rejects(SEVERITIES[-1]):
        return next((severity for severity in SEVERITIES[:-1] if rejects(severity)), None)
    low, high = -1, len(SEVERITIES) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if rejects(SEVERITIES[middle]) else (middle, high)
    return SEVERITIES[high]


def with_trusted(rows: IntArray, trusted: npt.NDArray[np.bool_] | None, seed: int) -> IntArray:
    """Return the sampled ``rows`` (k,) and :data:`TRUSTED` of the pairs that are ``trusted`` (n,), in order.

    Few pairs are trusted of many, and a check that compares with them needs them in the sample too.
    """
    if trusted is None:
        return np.sort(rows)
    known = np.flatnonzero(trusted)
    return np.union1d(rows, known[sample(len(known), seed, TRUSTED)])


def _nan_rows(case: Case, severity: float, rng: np.random.Generator) -> Case:
    return case.serving(case.x, plant.with_nan(case.y, severity))


def _leaked_position(case: Case, severity: float, rng: np.random.Generator) -> Case:
    """The second encoding depends on something other than the item."""
    leaky = plant.mixed_with_noise(case.y, severity, rng)
    return dataclasses.replace(case, again=tuple(dataclasses.replace(a, y=leaky[a.rows]) for a in case.again))


def _noise(case: Case, severity: float, rng: np.random.Generator) -> Case:
    return case.serving(case.x, plant.mixed_with_noise(case.y, severity, rng))


def _bias(case: Case, severity: float, rng: np.random.Generator) -> Case:
    return case.serving(*plant.biased_gallery(case.x, case.y, severity, rng))


def _norms(case: Case, severity: float, rng: np.random.Generator) -> Case:
    return case.serving(case.x, plant.unequal_norms(case.y, severity, rng))


def _one_side_cut(case: Case, severity: float, rng: np.random.Generator) -> Case:
    return case.serving(case.x, plant.cut_rank(case.directions[1], severity))


def _both_sides_cut(case: Case, severity: float, rng: np.random.Generator) -> Case:
    return case.serving(*(plant.cut_rank(directions, severity) for directions in case.directions))


def _shrunk(case: Case, severity: float, rng: np.random.Generator) -> Case:
    return case.serving(plant.shrunk_to_mean(case.x, severity), plant.shrunk_to_mean(case.y, severity))


def _swapped(case: Case, severity: float, rng: np.random.Generator) -> Case:
    claimed = np.arange(len(case.y)) if case.trusted is None else np.flatnonzero(~case.trusted)
    return case.serving(case.x, plant.deranged(case.y, claimed, severity, rng))


def _overwritten_by_column(case: Case, severity: float, rng: np.random.Generator) -> Case:
    """Both sides carry the code of the first nuisance column in the place of the item."""
    values, codes = np.unique(next(iter(case.nuisance.values())), return_inverse=True)
    return case.serving(*(plant.overwritten(z, codes, len(values), severity, rng) for z in (case.x, case.y)))


def _mark(e: Embeddings, severity: float, codes: Iterable[npt.NDArray[np.int64]]) -> Embeddings:
    x, y = (plant.marked(z, code, MARK_CODES, severity) for z, code in zip((e.x, e.y), codes, strict=True))
    return Embeddings(x.astype(np.float32), y.astype(np.float32), e.modalities, e.similarity)


def _marked_twins(case: Case, severity: float, rng: np.random.Generator) -> Case:
    """Every pair of twins carries a code of its own on both sides."""
    assert case.twins is not None
    code = rng.integers(0, MARK_CODES, size=len(case.twins))
    return dataclasses.replace(case, twins=_mark(case.twins, severity, (code, code)))


def _noisy_twins(case: Case, severity: float, rng: np.random.Generator) -> Case:
    """One modality encodes the noise of its items, no two of which have the same."""
    assert case.twins is not None
    noisy = plant.mixed_with_noise(case.twins.y, severity, rng).astype(np.float32)
    return dataclasses.replace(case, twins=dataclasses.replace(case.twins, y=noisy))


def _mixed_with_inputs(case: Case, severity: float, rng: np.random.Generator, *, side: int) -> Case:
    """One modality is encoded, to some part, by a random projection of its inputs."""
    assert case.inputs is not None
    rows, column = case.inputs.rows, case.inputs.columns[case.modalities[side]]
    served = [np.array(z, dtype=np.float64) for z in (case.x, case.y)]
    served[side][rows] = plant.mixed_with_inputs(served[side][rows], column, severity, rng)
    return case.serving(*served)


def _marked_until_redrawn(case: Case, severity: float, rng: np.random.Generator) -> Case:
    """Both sides carry one code as audited, and two independent codes once the nuisance is redrawn."""
    n = len(case.x)
    shared = rng.integers(0, MARK_CODES, size=n)
    present = _mark(case.embeddings, severity, (shared, shared))
    removed = tuple(_mark(e, severity, rng.integers(0, MARK_CODES, size=(2, n))) for e in case.redrawn)
    return dataclasses.replace(case.serving(present.x, present.y), redrawn=removed)


def _retrained(case: Case, severity: float, fault: TrainingFault) -> Case:
    if case.retrain is None:
        raise ControlError("this gate cannot be shown to reject: the subject cannot be trained again")
    return dataclasses.replace(case, training=case.retrain(fault, severity))


def _passenger(case: Case, severity: float, rng: np.random.Generator) -> Case:
    seen = case.training
    if seen is None or seen.observed is None or seen.movements is None:
        return _retrained(case, severity, "passenger")
    x, y = seen.movements
    return dataclasses.replace(case, training=dataclasses.replace(seen, movements=(x, y * (1.0 - severity))))


def _heavy_start(case: Case, severity: float, rng: np.random.Generator) -> Case:
    seen = case.training
    if seen is None or seen.observed is None:
        return _retrained(case, severity, "heavy start")
    x, y = seen.gradient_norms
    return dataclasses.replace(
        case, training=dataclasses.replace(seen, gradient_norms=(x, y * 16.0**-severity))
    )


NAN_ROWS = Damage("share of rows turned to NaN", _nan_rows)
LEAKED_POSITION = Damage("weight of something other than the item in its vector", _leaked_position)
NOISE = Damage("weight of noise in one modality", _noise)
BIAS = Damage("spread of a per-item bias in one modality", _bias)
NORMS = Damage("spread of the norms served by one modality", _norms)
ONE_SIDE_CUT = Damage("log-rank taken from one modality", _one_side_cut)
BOTH_SIDES_CUT = Damage("log-rank taken from both modalities", _both_sides_cut)
SHRUNK = Damage("pull of all items towards one point", _shrunk)
SWAPPED = Damage("share of claimed pairs swapped", _swapped)
OVERWRITTEN = Damage(
    "share of the item overwritten by its nuisance in both modalities", _overwritten_by_column
)
MARKED_TWINS = Damage("weight of a code shared within pairs", _marked_twins)
MARKED_UNTIL_REDRAWN = Damage("weight of a removable code shared within pairs", _marked_until_redrawn)
NOISY_TWINS = Damage("weight of noise in one modality's twins", _noisy_twins)
MIXED_WITH_INPUTS = tuple(
    Damage("weight of a random projection of its inputs", functools.partial(_mixed_with_inputs, side=side))
    for side in (0, 1)
)
"""One for the first and one for the second modality."""
PASSENGER = Damage("share of one encoder's learning rate, or observed movement, taken away", _passenger)
HEAVY_START = Damage(
    "log16 of the gain on one encoder's initial weights, or off its observed gradients", _heavy_start
)
