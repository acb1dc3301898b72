"""What an aggregate hides: a part of the items that is not matched, or has collapsed to one point."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import RESOLUTION, FloatArray, as_matrix
from mmaudit.diagnostics.retrieval import Ranks, group_codes
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.measurement import Measurement

__all__ = ["measured_slices", "slice_discrimination", "slice_spread"]

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

LEAST = 30
"""Items, each of another meaning, that a slice needs: with fewer its interval says next to nothing."""


def measured_slices(
    slices: Mapping[str, BoolArray], groups: npt.ArrayLike | None = None
) -> dict[str, BoolArray]:
    """Return those of ``slices`` (n,) that hold items of :data:`LEAST` groups (n,) or more."""
    found = {}
    for name, rows in slices.items():
        count = np.count_nonzero(rows) if groups is None else len(np.unique(np.asarray(groups)[rows]))
        if count >= LEAST:
            found[name] = rows
    return found


def slice_discrimination(
    ranks: Ranks, slices: Mapping[str, BoolArray], confidence: float = 0.95
) -> list[Measurement]:
    """Measure in each slice (n,) how often a pair beats a random wrong one, both directions averaged.

    The queries are the slice's, the candidates all items, so 0.5 is chance as it is for
    :func:`~mmaudit.diagnostics.retrieval.pair_discrimination`. The gallery is taken as given. Slices of fewer
    than :data:`LEAST` groups are left out.
    """
    won = 1 - ranks.mean_percentile
    return [
        inference.mean_share(
            f"slice_discrimination ({name})",
            won[rows],
            clusters=ranks.groups[rows],
            confidence=confidence,
            unit="probability",
            direction="higher is better",
            null=0.5,
        )
        for name, rows in measured_slices(slices, ranks.groups).items()
        if ranks.too_few(1) is None
    ]


def slice_spread(
    embeddings: Embeddings,
    slices: Mapping[str, BoolArray],
    groups: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> list[Measurement]:
    """Measure how far apart the items of each slice are, over how far apart all items are, each modality.

    Distances are mean cosine distances between items of different groups, each group counted once, by the
    mean of those of its items that are looked at: a cone takes the same from both, and a slice whose items
    all mean the same has no spread to have. 0: collapsed. Items without a direction, all zero, are one point.
    The interval is the infinitesimal jackknife, over groups, of the ratio, whose two sides share the slice's.
    Slices of fewer than :data:`LEAST` groups are left out. Undefined where a slice holds every item.
    """
    group = inference.by_appearance(group_codes(groups, len(embeddings)))
    found = []
    for z, modality in zip(embeddings.scored, embeddings.modalities, strict=True):
        points = _points(z)
        whole, u_whole = _spread(_group_means(points, group))
        for name, rows in measured_slices(slices, group).items():
            label = f"slice_spread_{modality} ({name})"
            inside = np.unique(group[rows])
            reason = None
            if whole <= RESOLUTION:
                reason = "no two items of this modality are apart"
            elif rows.all():
                reason = "the slice holds every item, so there is nothing to compare it with"
            if reason is not None:
                found.append(inference.undefined(label, reason, len(inside), confidence=confidence))
                continue
            part, u_part = _spread(_group_means(points[rows], group[rows]))
            influence = -part / whole * u_whole
            influence[inside] += u_part * len(influence) / len(inside)
            ratio = inference.linearized(
                label,
                part / whole,
                influence / whole,
                confidence=confidence,
                unit="of the spread of all",
                direction="higher is better",
                null=1.0,
                method="ratio of mean cosine distances, infinitesimal jackknife",
            )
            found.append(ratio)
    return found


def _points(z: npt.ArrayLike) -> FloatArray:
    """Return the unit rows of ``z`` (n, d); of rows without a direction one point, as far from all as can be.

    Cosine distances to them are not defined. They are 1 here, as to what is at right angles, and 0 between
    two of them: served alike, they cannot be told apart.
    """
    units = unit_rows(as_matrix(z))
    lost = ~units.any(axis=1)
    return np.column_stack([units, lost]) if lost.any() else units


def _group_means(points: FloatArray, group: IntArray) -> FloatArray:
    """Return the mean point of each group, (groups, d), in the order of ``group`` (n,).

    The mean distance between the items of two groups is 1 less the product of their means.
    """
    order = np.argsort(group, kind="stable")
    _, starts, sizes = np.unique(group[order], return_index=True, return_counts=True)
    means: FloatArray = np.add.reduceat(points[order], starts, axis=0) / sizes[:, None]
    return means


def _spread(means: FloatArray) -> tuple[float, FloatArray]:
    """Return the mean cosine distance between different groups, and its influence values (groups,)."""
    n = len(means)
    to_others = (n - 1 - means @ means.sum(axis=0) + (means**2).sum(axis=1)) / (n - 1)
    value = max(0.0, float(to_others.mean()))
    return value, 2 * (to_others - value)
