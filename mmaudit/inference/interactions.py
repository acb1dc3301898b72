"""The variance that items share when each is also part of the others' test, as in one gallery."""

import math

import numpy as np
import numpy.typing as npt

from mmaudit.inference.intervals import cluster_totals

__all__ = ["shared_variance"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def shared_variance(
    values: FloatArray, first: IntArray, second: IntArray, effect: FloatArray, clusters: IntArray
) -> float:
    """Return the variance of ``mean(values)`` beyond that of (n,) values drawn independently.

    Items interact in pairs, given sparsely by three (m,) columns: without item ``second`` the value of item
    ``first`` would be larger by ``effect``. An item that spoils many others, a hub of the gallery, makes
    their values rise and fall together, which no variance over items sees. The jackknife deletes an item
    with all it does to others; it counts what is peculiar to a pair twice, which is taken off once
    (Efron & Stein 1981). Where that leaves no more than the variance over ``clusters`` (n,), the answer is 0.
    """
    names, item_cluster, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    units, n = len(names), len(values)
    if units < 2 or len(effect) == 0:
        return 0.0
    spoilers, spoiler = np.unique(item_cluster.ravel()[second], return_inverse=True)
    spoiled = np.zeros(units)
    spoiled[spoilers] = cluster_totals(effect, spoiler.ravel())
    own = cluster_totals(values - math.fsum(values) / n, item_cluster.ravel())
    whole = own - (spoiled - sizes * math.fsum(effect) / n)
    ends = np.sort(np.stack([item_cluster.ravel()[first], item_cluster.ravel()[second]]), axis=0)
    peculiar = cluster_totals(effect, ends[0] * units + ends[1])
    excess = units / (units - 1) * (math.fsum(whole**2) - math.fsum(own**2)) - math.fsum(peculiar**2)
    return max(0.0, excess) / n**2
