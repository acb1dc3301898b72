"""Do the parts of a data set share items, so that what was learnt on one is asked again on another?"""

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import RESOLUTION, as_matrix, blocks, named
from mmaudit.diagnostics.retrieval import group_codes
from mmaudit.embeddings import unit_rows
from mmaudit.measurement import Measurement

__all__ = ["CLOSER", "near_duplicates", "split_overlap"]

IntArray = npt.NDArray[np.int64]

CLOSER = 0.1
"""Share of the median distance to the nearest item of the own split below which two items are one."""
QUERIES = 2000


def split_overlap(contents: npt.ArrayLike, splits: npt.ArrayLike, *, of: str = "") -> Measurement:
    """Return the share of items whose content is also in another split, counted and not estimated.

    ``contents`` and ``splits`` are (n,) codes: equal numbers are the same content, the same split.
    """
    content = np.unique(np.asarray(contents), return_inverse=True)[1].ravel()
    split = np.unique(np.asarray(splits), return_inverse=True)[1].ravel()
    name = f"split_overlap ({of})" if of else "split_overlap"
    held = np.unique(np.stack([content, split]), axis=1)
    in_splits = np.bincount(held[0])
    repeated = int(np.count_nonzero(in_splits[content] > 1))
    if len(content) == 0:
        return inference.undefined(name, "no item to measure")
    return inference.exact(
        name,
        repeated / len(content),
        len(content),
        unit="share",
        direction="lower is better",
        method="equal content across splits",
        notes=(f"{repeated} of {len(content)} items are in more than one split",),
    )


def near_duplicates(
    z: npt.ArrayLike,
    splits: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    modality: str = "",
    confidence: float = 0.95,
    block: int = 512,
) -> Measurement:
    """Measure the share of items that have a near duplicate in another split, by embedding.

    Two items are near duplicates where their cosine distance is below :data:`CLOSER` times the median
    distance of an item to the nearest one of its own split, relevance group aside. That yardstick belongs to
    the encoder: a cone, in which all are close, moves both. ``null`` is the share of items with so near a
    neighbour in their own split. ``z`` is (n, d); at most :data:`QUERIES` items, drawn at random, are looked
    up among all. Wilson over those.
    """
    name = named("near_duplicates", modality)
    units = unit_rows(as_matrix(z))
    n = len(units)
    split = np.unique(np.asarray(splits), return_inverse=True)[1].ravel()
    group = group_codes(groups, n)
    if len(np.unique(split)) < 2:
        return inference.undefined(name, "all items are in one split", n, confidence=confidence)
    looked_up = np.sort(inference.drawn_order("near duplicates", units)[:QUERIES])
    own, other = np.zeros(len(looked_up)), np.zeros(len(looked_up))
    for rows in blocks(len(looked_up), block):
        query = looked_up[rows]
        distance = 1 - units[query] @ units.T
        elsewhere = split[query, None] != split
        other[rows] = np.where(elsewhere, distance, np.inf).min(axis=1)
        own[rows] = np.where(elsewhere | (group[query, None] == group), np.inf, distance).min(axis=1)
    threshold = CLOSER * float(np.median(own))
    if not RESOLUTION < threshold < np.inf:
        reason = "the items of a split are not apart, or a split holds one item alone"
        return inference.undefined(name, reason, len(looked_up), confidence=confidence)
    return inference.proportion(
        name,
        (other < threshold).astype(np.float64),
        confidence=confidence,
        unit="share",
        direction="lower is better",
        null=float(np.mean(own < threshold)),
        notes=(f"nearer than a cosine distance of {threshold:.3g}, {CLOSER:g} of the median within a split",),
    )
