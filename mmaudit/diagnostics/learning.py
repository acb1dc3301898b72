"""Did an encoder learn? What training lets go of, noise and nuisance, an encoder that did not learn keeps."""

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import FloatArray, as_matrix, named
from mmaudit.diagnostics.correlation import debiased_cka
from mmaudit.embeddings import unit_rows
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement

__all__ = ["input_similarity", "twin_variance"]


def twin_variance(
    z: npt.ArrayLike, size: int, *, modality: str = "", confidence: float = 0.95
) -> Measurement:
    """Measure the share of a modality's variance that lies within items of identical meaning.

    ``z`` is (groups · size, d), the twins of one group in consecutive rows; unit rows are compared. The value
    is 1 − ICC(1), the intraclass correlation of a one-way random-effects analysis of variance (Shrout &
    Fleiss 1979), with squared distances for squared differences: MS_w / (MS_b/size + (1 − 1/size) MS_w).
    0: only meaning is encoded; 1: only noise and nuisance are. The interval is the infinitesimal jackknife
    over groups. Undefined below 2 groups and where no row differs. Raises
    :class:`~mmaudit.errors.InputError` where the rows do not divide into groups.
    """
    name = named("twin_variance", modality)
    unit = unit_rows(as_matrix(z))
    if size < 2 or len(unit) % size:
        raise InputError(f"{len(unit)} rows do not make groups of {size} twins; give two or more in each")
    count = len(unit) // size
    if count < 2:
        reason = f"2 groups of twins are needed, got {count}"
        return inference.undefined(name, reason, count, confidence=confidence, unit="share")
    groups = unit.reshape(count, size, -1)
    centres = groups.mean(axis=1)
    within = ((groups - centres[:, None]) ** 2).sum(axis=(1, 2)) / (size - 1)
    between = ((centres - centres.mean(axis=0)) ** 2).sum(axis=1) * count / (count - 1)
    whole = between + (1 - 1 / size) * within
    if not whole.sum() > 0:
        reason = "no embedding differs from another"
        return inference.undefined(name, reason, count, confidence=confidence, unit="share")
    value = float(within.sum() / whole.sum())
    return inference.linearized(
        name,
        value,
        (within - value * whole) / whole.mean(),
        confidence=confidence,
        unit="share",
        direction="lower is better",
        method=f"1 − ICC(1) over groups of {size} twins, infinitesimal jackknife",
    )


def input_similarity(
    inputs: npt.ArrayLike,
    z: npt.ArrayLike,
    *,
    modality: str = "",
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Measurement:
    """Measure how much of the similarity structure of its raw inputs a modality's embeddings keep.

    Debiased linear CKA (:func:`~mmaudit.diagnostics.correlation.linear_cka`) of ``inputs`` (n, p) and the
    unit rows of ``z`` (n, d). Random features keep the kernel of their inputs, and an encoder that trains
    lazily (Chizat et al. 2019) stays near it; one that learns what the other modality shares leaves it.
    What is healthy depends on the inputs: compare it between models on one set of inputs. Items that share a
    label of ``clusters`` (n,) are one in the interval.
    """
    name = named("input_similarity", modality)
    x: FloatArray = as_matrix(inputs)
    y = unit_rows(as_matrix(z))
    if len(x) != len(y):
        raise InputError(f"{len(x)} inputs for {len(y)} embeddings; give one row an item")
    if x.shape[1] > len(x):
        # The linear kernel of n items is that of n columns, however many the inputs have.
        _, triangle = np.linalg.qr(x.T)
        x = triangle.T
    sides = ("the inputs", "the embeddings")
    return debiased_cka(
        name, x, y, sides, direction="lower is better", clusters=clusters, confidence=confidence
    )
