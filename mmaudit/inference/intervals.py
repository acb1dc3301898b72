"""Constructors of :class:`~mmaudit.measurement.Measurement`: a value never leaves without its interval.

Every constructor takes the keywords of :class:`Labels`. Sums are exactly rounded (``math.fsum``), so a
result does not depend on the order of the items, and swapping the two sides of a difference gives exactly
its negative. Whatever is not finite comes out as :func:`undefined`, with the reason as its first note.

``clusters`` is an (n,) integer column: items of one value are not independent of each other (members of a
relevance group, twins of one item), clusters are. Variances are then taken between cluster totals.
``shared`` is variance of the estimate that comes on top, from what all items have in common (see
:func:`mmaudit.inference.shared_variance`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError
from mmaudit.measurement import Direction, IntervalKind, Measurement
from mmaudit.seeds import generator

if TYPE_CHECKING:
    # ``typing.Unpack`` came with Python 3.11; only the type checker reads it.
    from typing_extensions import Unpack

__all__ = [
    "Labels",
    "at_confidence",
    "bounded_mean",
    "by_appearance",
    "canonical_order",
    "cluster_totals",
    "delete_one",
    "drawn_order",
    "exact",
    "jackknife",
    "linearized",
    "mean",
    "paired_difference",
    "propagated",
    "proportion",
    "student",
    "undefined",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Labels(TypedDict, total=False):
    """The keywords every constructor takes. Defaults: 0.95, no unit, ``descriptive``, no null, no notes;
    ``method`` replaces the constructor's own description of itself.
    """

    confidence: float
    unit: str
    direction: Direction
    null: float | None
    notes: tuple[str, ...]
    method: str | None


def undefined(name: str, reason: str, n: int = 0, **labels: Unpack[Labels]) -> Measurement:
    """Return a measurement without a value; ``reason`` becomes its first note."""
    labels["notes"] = (reason, *labels.get("notes", ()))
    return _build(name, None, n, "none", "undefined", labels)


def exact(name: str, value: float, n: int, **labels: Unpack[Labels]) -> Measurement:
    """Return a value counted or computed without sampling error, over ``n`` items."""
    if not math.isfinite(value):
        return undefined(name, f"the value is {value}, not a finite number", n, **labels)
    return _build(name, float(value), n, "exact", "exact", labels)


def student(name: str, value: float, se: float, df: float, n: int, **labels: Unpack[Labels]) -> Measurement:
    """Return ``value ± t(df) · se``, for an estimate whose standard error is already known."""
    if not (math.isfinite(value) and math.isfinite(se) and math.isfinite(df)):
        return undefined(name, "the estimate or its standard error is not a finite number", n, **labels)
    if df <= 0:
        return undefined(name, "one independent item has no standard error; give at least two", n, **labels)
    if se == 0:
        note = "nothing varies that the error is taken from, so the interval has no width"
        labels["notes"] = (*labels.get("notes", ()), note)
    return _build(name, float(value), n, "student", "Student t interval", labels, se=float(se), df=float(df))


def propagated(
    name: str,
    value: float,
    parts: Sequence[tuple[float, Measurement]],
    n: int,
    **labels: Unpack[Labels],
) -> Measurement:
    """Return ``value``, a function of independent estimates, with the error they propagate to it.

    ``parts`` are (derivative, measurement) of each, the measurements of the ``student`` kind. se² = Σ(w·se)²
    by the delta method; the degrees of freedom are Welch's (1947).
    """
    errors, freedom = [], []
    for weight, part in parts:
        if part.se is None or part.df is None:
            reason = f"{part.name} has no standard error: {'; '.join(part.notes) or part.interval}"
            return undefined(name, reason, n, **labels)
        errors.append(abs(weight) * part.se)
        freedom.append(part.df)
    se = math.hypot(*errors)
    shares = [(error / se) ** 4 / nu for error, nu in zip(errors, freedom, strict=True)] if se else []
    df = 1 / math.fsum(shares) if shares else float(n - 1)
    labels["method"] = labels.get("method") or "delta method, Welch t"
    return student(name, value, se, df, n, **labels)


def linearized(
    name: str,
    value: float,
    influence: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike | None = None,
    **labels: Unpack[Labels],
) -> Measurement:
    """Return ``value`` with the infinitesimal-jackknife standard error of its ``influence`` values (n,).

    se² = Σ(u − ū)² / (n(n − 1)), df = n − 1 (Efron 1982, ch. 6); with G clusters, se² = G/(G − 1) · ΣT²/n²
    over the totals T of u − ū within each cluster, df = G − 1.
    """
    u = _column(influence)
    if len(u) == 0:
        return undefined(name, "no item to measure", 0, **labels)
    if (gone := _not_finite(u)) is not None:
        return undefined(name, gone, len(u), **labels)
    totals = cluster_totals(u - _average(u), clusters)
    units = len(totals)
    se = math.sqrt(units / (units - 1) * _sum(totals**2)) / len(u) if units > 1 else 0.0
    labels["method"] = labels.get("method") or "infinitesimal jackknife, Student t"
    return student(name, value, se, units - 1, len(u), **labels)


def mean(
    name: str, values: npt.ArrayLike, *, clusters: npt.ArrayLike | None = None, **labels: Unpack[Labels]
) -> Measurement:
    """Return the mean of ``values`` (n,) with a Student interval, cluster-robust given ``clusters``."""
    v = _column(values)
    labels["method"] = labels.get("method") or (
        "mean, Student t" if clusters is None else "mean, cluster-robust Student t"
    )
    return linearized(name, _average(v), v, clusters=clusters, **labels)


def bounded_mean(
    name: str,
    values: npt.ArrayLike,
    bounds: tuple[float, float],
    *,
    clusters: npt.ArrayLike | None = None,
    shared: float = 0.0,
    **labels: Unpack[Labels],
) -> Measurement:
    """Return the mean of ``values`` (n,) that cannot leave ``bounds``, with an interval that never closes.

    The standard error is taken after one pseudo-item has been added at each bound, the value is not moved:
    se² = SS/(n + 2)², SS being the sum of squares of the n + 2 about their mean; df = n + 1. For bounds
    (−1, 1) this is the adjusted Wald standard error of Bonett & Price (2012). With clusters, n counts them
    and SS is taken over cluster totals scaled to a mean size of one.
    """
    v = _column(values)
    if len(v) == 0:
        return undefined(name, "no item to measure", 0, **labels)
    if (gone := _not_finite(v)) is not None:
        return undefined(name, gone, len(v), **labels)
    low, high = bounds
    if v.min() < low or v.max() > high:
        raise InputError(f"{name}: values lie in [{v.min():g}, {v.max():g}], outside [{low:g}, {high:g}]")
    value = _average(v)
    units, _, variance = _with_pseudo_items(v, value, bounds, clusters)
    labels["method"] = labels.get("method") or "mean, adjusted Wald (two pseudo-items), Student t"
    return student(name, value, math.sqrt(variance + shared), units + 1, len(v), **labels)


def _with_pseudo_items(
    v: FloatArray, value: float, bounds: tuple[float, float], clusters: npt.ArrayLike | None
) -> tuple[int, float, float]:
    """Return the number of clusters of ``v``, the mean and its variance after one more at each bound."""
    low, high = bounds
    totals = cluster_totals(v - value, clusters)
    units = len(totals)
    shifted = (units * value + (low + high)) / (units + 2)
    pseudo = (units * (value - shifted) ** 2, (low - shifted) ** 2, (high - shifted) ** 2)
    squares = math.fsum((*((totals * units / len(v)) ** 2).tolist(), *pseudo))
    return units, shifted, squares / (units + 2) ** 2


def mean_share(
    name: str,
    shares: npt.ArrayLike,
    *,
    influences: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
    **labels: Unpack[Labels],
) -> Measurement:
    """Return the mean of ``shares`` (n,) in [0, 1] with a score interval, which does not leave [0, 1].

    Wilson's (1927) over as many trials as have the variance that :func:`bounded_mean` estimates; ``df`` holds
    their number. It is n where every share is 0 or 1, as for :func:`proportion`, and more where shares differ
    by less, such as percentiles of good ranks. The variance is that of ``influences`` (n,), of any mean,
    where the mean hangs on an item by more than its own share, as a U-statistic does.
    """
    v = _column(shares)
    if len(v) == 0:
        return undefined(name, "no item to measure", 0, **labels)
    if (gone := _not_finite(v)) is not None:
        return undefined(name, gone, len(v), **labels)
    if v.min() < 0 or v.max() > 1:
        raise InputError(f"{name}: shares lie in [{v.min():g}, {v.max():g}], outside [0, 1]")
    value = _average(v)
    if influences is not None:
        v = _column(influences)
        v = v - _average(v) + value
    _, shifted, variance = _with_pseudo_items(v, value, (0.0, 1.0), clusters)
    # The pseudo-items are trials too, and the score interval counts without them.
    trials = max(1.0, shifted * (1 - shifted) / variance - 2)
    method = f"Wilson score interval, {trials:.4g} effective trials"
    return _build(name, value, len(v), "wilson", method, labels, df=trials)


def paired_difference(
    name: str,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike | None = None,
    shared: float = 0.0,
    **labels: Unpack[Labels],
) -> Measurement:
    """Return the mean of ``first − second``, two (n,) columns in [0, 1] over the same items.

    se² = (Σd² + 2 − (Σd)²/(n + 2)) / (n + 2)², after Bonett & Price (2012), so that items which never
    disagree do not give an interval of no width. Exactly antisymmetric in its two columns.
    """
    a, b = _column(first), _column(second)
    if len(a) != len(b):
        raise InputError(f"{name}: {len(a)} values against {len(b)}; give both columns over the same items")
    labels["method"] = labels.get("method") or "paired difference, Bonett-Price adjusted Wald"
    return bounded_mean(name, a - b, (-1.0, 1.0), clusters=clusters, shared=shared, **labels)


def proportion(
    name: str,
    hits: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike | None = None,
    shared: float = 0.0,
    **labels: Unpack[Labels],
) -> Measurement:
    """Return the mean of ``hits`` (n,) in [0, 1] with the score interval of Wilson (1927).

    ``n`` counts the hits and ``df`` holds the number of independent trials they are worth: n over the design
    effect (Kish 1965), never above n. When no two hits differ the design effect cannot be estimated and each
    cluster counts as one trial.
    """
    h = _column(hits)
    if len(h) == 0:
        return undefined(name, "no item to measure", 0, **labels)
    if (gone := _not_finite(h)) is not None:
        return undefined(name, gone, len(h), **labels)
    if h.min() < 0 or h.max() > 1:
        raise InputError(f"{name}: hits lie in [{h.min():g}, {h.max():g}], outside [0, 1]")
    p = _average(h)
    totals = cluster_totals(h - p, clusters)
    units = len(totals)
    trials = float(units)
    if units > 1 and 0 < p < 1:
        variance = shared + units / (units - 1) * _sum(totals**2) / len(h) ** 2
        independent = p * (1 - p) / (len(h) - 1)
        trials = len(h) * min(1.0, independent / variance if variance else 1.0)
    # Independent hits are worth as many trials but for rounding.
    fewer = trials < len(h) * (1 - 1e-9)
    method = "Wilson score interval" + (f", {trials:.4g} effective trials" if fewer else "")
    return _build(name, p, len(h), "wilson", method, labels, df=trials)


def jackknife(
    name: str,
    statistic: Callable[[IntArray], float],
    order: npt.ArrayLike,
    groups: int = 20,
    *,
    clusters: npt.ArrayLike | None = None,
    **labels: Unpack[Labels],
) -> Measurement:
    """Return ``statistic(rows)`` over all rows with its delete-a-group jackknife standard error.

    ``order`` (n,) int64 comes from :func:`canonical_order`, so that which rows form a group is a matter of
    their content and not of where they stand; groups are drawn at random from it, by a fixed stream. se² =
    (g − 1)/g · Σ(θ₍₋ₖ₎ − θ̄)², df = g − 1 (Kott 2001); g is lowered to n where there are fewer rows. The rows
    of a cluster, ``clusters`` (n,) being their labels, are drawn as one.
    """
    rows = np.asarray(order, dtype=np.int64)
    unit = np.arange(len(rows)) if clusters is None else by_appearance(np.asarray(clusters)[rows])
    units = int(unit.max(initial=-1)) + 1
    g = min(groups, units)
    if g < 2:
        return undefined(
            name, "one independent item has no standard error; give at least two", len(rows), **labels
        )
    part = np.empty(units, dtype=np.int64)
    part[generator(0, "jackknife").permutation(units)] = np.arange(units) % g
    value = float(statistic(rows))
    without = np.array([statistic(rows[part[unit] != k]) for k in range(g)], dtype=np.float64)
    if (gone := _not_finite(np.append(without, value))) is not None:
        return undefined(
            name, f"the statistic is undefined on a part of the items: {gone}", len(rows), **labels
        )
    se = math.sqrt((g - 1) / g * _sum((without - _average(without)) ** 2))
    labels["method"] = labels.get("method") or f"delete-a-group jackknife ({g} groups), Student t"
    return student(name, value, se, g - 1, len(rows), **labels)


def by_appearance(labels: npt.NDArray[Any]) -> IntArray:
    """Return ``labels`` (n,) as dense codes (n,) int64, numbered by where each is first met.

    Labels that all differ so keep their order.
    """
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[codes.reshape(len(labels))]


def delete_one(
    name: str,
    value: float,
    without: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike | None = None,
    **labels: Unpack[Labels],
) -> Measurement:
    """Return ``value`` with the delete-one jackknife standard error, given it ``without`` each item, (n,).

    se² = (n − 1)/n · Σ(θ₍₋ᵢ₎ − θ̄)², df = n − 1 (Tukey 1958). For what can be had without each item at less
    than n times the cost; else :func:`jackknife`. The changes that the items of a cluster make are added up,
    as those of :func:`linearized`: without all of them at once, the value would change by about as much.
    """
    parts = _column(without)
    n = len(parts)
    if n < 2:
        return undefined(name, "one independent item has no standard error; give at least two", n, **labels)
    if (gone := _not_finite(np.append(parts, value))) is not None:
        return undefined(name, f"the statistic is undefined on a part of the items: {gone}", n, **labels)
    totals = cluster_totals(parts - _average(parts), clusters)
    units = len(totals)
    if units < 2:
        return student(name, value, 0.0, 0, n, **labels)
    # For clusters of one this is (n − 1)/n.
    factor = (n - 1) / n if units == n else units / (units - 1) * ((n - 1) / n) ** 2
    se = math.sqrt(factor * _sum(totals**2))
    labels["method"] = labels.get("method") or "delete-one jackknife, Student t"
    return student(name, value, se, units - 1, n, **labels)


def canonical_order(*matrices: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> IntArray:
    """Return the (n,) int64 row order that sorts the items by content, the same for any order they come in.

    ``matrices`` are numeric, (n,) or (n, d), of one n; rows are compared as the bytes of all of them side by
    side. The order has no other meaning. With ``groups`` (n,), a label a row, members of a group stand next
    to each other; groups are compared by the least and the largest number in each column, and by size.
    """
    if groups is not None:
        return _order_of_groups(matrices, np.asarray(groups))
    columns = [np.asarray(m, dtype=np.float64) for m in matrices]
    # Not -1 for the width: of no rows NumPy cannot tell how wide they are.
    columns = [c.reshape(len(c), math.prod(c.shape[1:])) for c in columns]
    # Adding zero turns -0.0 into 0.0: equal numbers must have equal bytes, on any machine's byte order.
    content = np.ascontiguousarray(np.hstack(columns) + 0.0, dtype=">f8")
    if content.shape[1] == 0:
        return np.arange(len(content), dtype=np.int64)
    keys = content.view(np.dtype((np.void, content.dtype.itemsize * content.shape[1])))[:, 0]
    return np.argsort(keys, kind="stable").astype(np.int64)


def _order_of_groups(matrices: tuple[npt.ArrayLike, ...], groups: npt.NDArray[Any]) -> IntArray:
    order = canonical_order(*matrices)
    if groups.shape != order.shape:
        raise InputError(f"groups have shape {groups.shape}; expected {order.shape}, one label an item")
    codes = np.unique(groups, return_inverse=True)[1].reshape(len(order))
    sizes = np.bincount(codes)
    if len(sizes) == len(order):
        return order
    members = order[np.argsort(codes[order], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    columns = [np.asarray(m, dtype=np.float64)[members] for m in matrices]
    ends = [end.reduceat(c, starts) for c in columns for end in (np.minimum, np.maximum)]
    place = np.argsort(canonical_order(*ends, sizes))
    return members[np.argsort(place[codes[members]], kind="stable")]


def drawn_order(
    name: str, *matrices: npt.ArrayLike, seed: int = 0, groups: npt.ArrayLike | None = None
) -> IntArray:
    """Return the (n,) int64 rows of ``matrices`` in random order, the same items in any order they come in.

    The first k are a random sample of k items. ``name`` tells one such order from another of one ``seed``.
    With ``groups`` (n,), a label a row, whole groups are drawn and their members stand next to each other.
    """
    order = canonical_order(*matrices, groups=groups)
    if groups is None:
        return order[generator(seed, name).permutation(len(order))]
    labels = np.asarray(groups)[order]
    runs = np.cumsum(labels[1:] != labels[:-1], dtype=np.int64)
    runs = np.concatenate([np.zeros(min(1, len(order)), dtype=np.int64), runs])
    place = np.argsort(generator(seed, name).permutation(int(runs.max(initial=-1)) + 1))
    return order[np.argsort(place[runs], kind="stable")]


def at_confidence(m: Measurement, confidence: float) -> Measurement:
    """Return ``m`` with ``low`` and ``high`` restated at ``confidence``; everything else stays."""
    low, high = _bounds(m.interval, m.value, m.se, float(m.n) if m.df is None else m.df, confidence)
    return dataclasses.replace(m, low=low, high=high, confidence=confidence)


def _build(
    name: str,
    value: float | None,
    n: int,
    interval: IntervalKind,
    method: str,
    labels: Labels,
    *,
    se: float | None = None,
    df: float | None = None,
) -> Measurement:
    confidence = labels.get("confidence", 0.95)
    low, high = _bounds(interval, value, se, df, confidence)
    null = labels.get("null")
    return Measurement(
        name=name,
        value=value,
        low=low,
        high=high,
        confidence=confidence,
        n=int(n),
        method=labels.get("method") or method,
        interval=interval,
        unit=labels.get("unit", ""),
        direction=labels.get("direction", "descriptive"),
        se=se,
        df=df,
        null=None if null is None else float(null),
        notes=labels.get("notes", ()),
    )


def _bounds(
    interval: IntervalKind, value: float | None, se: float | None, df: float | None, confidence: float
) -> tuple[float | None, float | None]:
    """Return the limits of an interval of any kind. The import waits until a quantile is asked for."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence:g}; give a share between 0 and 1, such as 0.95")
    if value is None or interval == "none":
        return None, None
    if interval == "exact" or df is None:
        return value, value
    from scipy.special import ndtri, stdtrit

    upper = (1 + confidence) / 2
    if interval == "student":
        half = float(stdtrit(df, upper)) * (se or 0.0)
        return value - half, value + half
    z2 = float(ndtri(upper)) ** 2
    centre = (value + z2 / (2 * df)) / (1 + z2 / df)
    half = math.sqrt(z2 * (value * (1 - value) / df + z2 / (4 * df * df))) / (1 + z2 / df)
    # At 0 and 1 the score interval touches its end exactly; rounding would leave it a hair off.
    return (max(0.0, centre - half) if value > 0 else 0.0), (min(1.0, centre + half) if value < 1 else 1.0)


def _column(values: npt.ArrayLike) -> FloatArray:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise InputError(f"values have shape {column.shape}; expected one value an item, (n,)")
    return column


def _not_finite(values: FloatArray) -> str | None:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    return f"{bad} of {len(values)} values are not finite numbers" if bad else None


def _average(values: FloatArray) -> float:
    if len(values) == 0 or not np.isfinite(values).all():
        return math.nan
    return _sum(values) / len(values)


def _sum(values: FloatArray) -> float:
    """Return the exactly rounded sum of ``values`` (n,). Of a list it takes two thirds of the time."""
    return math.fsum(values.tolist())


def cluster_totals(values: FloatArray, clusters: npt.ArrayLike | None) -> FloatArray:
    """Return the exactly rounded total of ``values`` (n,) in each cluster, in the order of the labels.

    Without clusters every item is its own.
    """
    if clusters is None:
        return values
    labels = np.asarray(clusters)
    if labels.shape != values.shape:
        raise InputError(f"clusters have shape {labels.shape}; expected {values.shape}, one label an item")
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    if len(starts) + 1 == len(values):
        return values[order]
    sorted_, cuts = values[order], np.concatenate([[0], starts, [len(values)]])
    # One addition is exactly rounded; adding zero makes -0.0 what it is as a sum.
    totals: FloatArray = np.add.reduceat(sorted_, cuts[:-1]) + 0.0
    more = np.flatnonzero(np.diff(cuts) > 2)
    # Of a list, as slices of an array cost more than their sums.
    flat = sorted_.tolist()
    for i, first, last in zip(more.tolist(), cuts[more].tolist(), cuts[more + 1].tolist(), strict=True):
        totals[i] = math.fsum(flat[first:last])
    return totals
