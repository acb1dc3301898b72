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

    Distances are mean cosine distances between items of different groups, one item of each group: a cone
    takes the same from both, and a slice whose items all mean the same has no spread to have. 0: collapsed.
    The interval is the infinitesimal jackknife of the ratio, whose two sides share the slice's items.
    """
    group = group_codes(groups, len(embeddings))
    first = np.zeros(len(embeddings), dtype=np.bool_)
    first[np.unique(group, return_index=True)[1]] = True
    found = []
    for z, modality in zip(embeddings.scored, embeddings.modalities, strict=True):
        units = unit_rows(as_matrix(z))
        whole, u_whole = _spread(units[first])
        for name, rows in slices.items():
            inside = rows[first]
            count = int(inside.sum())
            if count < LEAST:
                continue
            label = f"slice_spread_{modality} ({name})"
            if whole <= RESOLUTION:
                reason = "no two items of this modality are apart"
                found.append(inference.undefined(label, reason, count, confidence=confidence))
                continue
            part, u_part = _spread(units[first][inside])
            influence = -part / whole * u_whole
            influence[inside] += u_part * len(inside) / count
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


def _spread(units: FloatArray) -> tuple[float, FloatArray]:
    """Return the mean cosine distance between different rows, and its influence values (n,)."""
    n = len(units)
    to_others = (n - 1 - units @ units.sum(axis=0) + (units**2).sum(axis=1)) / (n - 1)
    value = max(0.0, float(to_others.mean()))
    return value, 2 * (to_others - value)
