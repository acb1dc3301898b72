"""What a large audit tells beside its gates: copies among all rows, hubs in a random gallery."""

import dataclasses

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics import hubness
from mmaudit.diagnostics._arrays import named
from mmaudit.embeddings import Embeddings, Similarity
from mmaudit.measurement import Measurement
from mmaudit.scale.rows import Rows
from mmaudit.scale.survey import Side, Survey

__all__ = ["HUB_ITEMS", "copied_share", "hubs_within"]

HUB_ITEMS = 10_000
"""Pairs of the gallery that hubs are looked for in: all neighbours of all queries cost its square."""


def copied_share(side: Side, modality: str) -> Measurement:
    """Return the share of rows that another row of the side equals, to the last bit served, counted.

    Rows are compared by a key of 64 bits: among a million different ones two share a key with probability
    3e-8.
    """
    _, copies = np.unique(side.keys, return_counts=True)
    return inference.exact(
        named("copied_share", modality),
        float(copies[copies > 1].sum() / len(side.keys)),
        len(side.keys),
        unit="share",
        direction="lower is better",
        method="equal rows, counted over all",
    )


def hubs_within(
    sides: tuple[Rows, Rows],
    rows: npt.NDArray[np.int64],
    found: Survey,
    similarity: Similarity,
    modalities: tuple[str, str],
    confidence: float,
) -> tuple[Measurement, ...]:
    """Return the hubness of both modalities in the gallery of the pairs ``rows`` (k,), drawn at random."""
    names = [named("hubness", modality) for modality in modalities]
    if found.violations():
        reason = "rows without a similarity; mend the encoder or drop these items"
        return tuple(inference.undefined(name, reason, found.n, confidence=confidence) for name in names)
    x, y = (np.asarray(z[np.sort(rows)], dtype=np.float32) for z in sides)
    measured = hubness(Embeddings(x, y, modalities, similarity), confidence=confidence)
    within = f", within {len(rows)} of {found.n} pairs"
    return tuple(dataclasses.replace(m, method=m.method + within) for m in measured)
