"""Information that embeddings hold about a known factor: a binned proxy beside its null, and a probe."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import RESOLUTION, FloatArray, as_matrix, named
from mmaudit.diagnostics._probe import Probe
from mmaudit.diagnostics._whole import equal_blocks, exchanged, group_order
from mmaudit.diagnostics.retrieval import group_codes
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement
from mmaudit.seeds import generator

__all__ = ["mi_proxy", "v_information"]

IntArray = npt.NDArray[np.int64]


def _codes(values: npt.NDArray[Any], axis: int | None = None) -> tuple[IntArray, int]:
    """Return each value's (or row's) number among the distinct ones, and how many there are."""
    distinct, inverse = np.unique(values, axis=axis, return_inverse=True)
    return inverse.ravel().astype(np.int64), len(distinct)


def _factor(factor: npt.ArrayLike, n: int) -> tuple[IntArray, int]:
    column = np.asarray(factor)
    if column.shape != (n,):
        raise InputError(f"factor has shape {column.shape}; expected ({n},), one value an item")
    return _codes(column)


def _pointwise(codes: IntArray, labels: IntArray, of_code: IntArray, of_label: IntArray) -> FloatArray:
    """Return log p(code, label) / (p(code) p(label)) of every item (n,), from counts by code and by label."""
    cells = codes * len(of_label) + labels
    ratio = np.bincount(cells)[cells] * len(codes) / (of_code[codes] * of_label[labels])
    pointwise: FloatArray = np.log(ratio)
    return pointwise


def mi_proxy(
    z: npt.ArrayLike,
    factor: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    bins: int = 4,
    dims: int = 8,
    draws: int = 200,
    seed: int = 0,
    modality: str = "",
    factor_name: str = "",
    confidence: float = 0.95,
) -> tuple[Measurement, Measurement]:
    """Return ``mi_proxy`` and ``mi_excess``: binned mutual information, and what is left of it past chance.

    The first ``dims`` columns of ``z`` (n, d) are cut at their quantiles into ``bins`` bins, the bins of an
    item form one code, and the plug-in mutual information of code and ``factor`` (n,) is taken in nats.

    ``bins ** dims`` codes outnumber the items, nearly every item has a code of its own, and the proxy then
    comes close to the entropy of *any* factor, random labels included. So it carries as ``null`` its mean
    over ``draws`` permutations of the labels and the permutation p-value (Phipson & Smyth 2010), and
    ``mi_excess`` is the difference of the two, averaged item by item: 0 when there is nothing to find.
    Intervals are over items, with the bins as they are. Permutations are drawn over items in the order of
    their content. With ``groups`` (n,), such as the captions of a picture, whole groups exchange their labels
    with others of their size, and intervals are cluster-robust. Undefined below 2 items or groups, in 0
    dimensions, or for a factor of one value. Raises :class:`InputError` on a factor or groups of another
    shape, or bins < 2, dims < 1, draws < 1.
    """
    if bins < 2 or dims < 1 or draws < 1:
        raise InputError(f"bins is {bins}, dims {dims}, draws {draws}; give at least 2, 1 and 1")
    matrix = as_matrix(z)
    n = len(matrix)
    labels, classes = _factor(factor, n)
    clusters = group_codes(groups, n)
    names = (named("mi_proxy", modality, factor_name), named("mi_excess", modality, factor_name))
    if not clusters.any() or classes < 2 or matrix.shape[1] == 0:
        reason = f"2 items of 1 dimension and 2 factor values are needed, got {n} items, {classes} values"
        first, second = (inference.undefined(name, reason, n, confidence=confidence) for name in names)
        return first, second
    kept = matrix[:, :dims]
    cuts = np.quantile(kept, np.arange(1, bins) / bins, axis=0)
    codes, distinct = _codes((kept >= cuts[:, None, :]).sum(axis=0), axis=0)
    order = inference.canonical_order(matrix, labels, groups=clusters)
    codes, labels, clusters = codes[order], labels[order], clusters[order]
    blocks = equal_blocks(clusters)

    counts = np.bincount(codes), np.bincount(labels)
    observed = _pointwise(codes, labels, *counts)
    rng = generator(seed, "mi null")
    chance, null = np.zeros(n), np.empty(draws)
    for draw in range(draws):
        permuted = _pointwise(codes, labels[exchanged(blocks, rng)], *counts)
        chance += permuted / draws
        null[draw] = permuted.mean()
    value, expected = float(observed.mean()), float(null.mean())
    p_value = (1 + int((null >= value).sum())) / (1 + draws)
    entropy = -float(np.log(np.bincount(labels) / n)[labels].mean())
    method = f"plug-in over {bins} bins of {kept.shape[1]} dimensions"
    notes = (
        f"permutation p = {p_value:.3g} ({draws} draws)",
        f"{distinct} codes among {n} items; permuted labels reach {expected / entropy:.0%} of H(F)",
    )
    proxy, excess = (
        inference.mean(
            name,
            per_item,
            clusters=clusters,
            confidence=confidence,
            unit="nats",
            direction="higher is better",
            null=null_value,
            method=described,
            notes=notes,
        )
        for name, per_item, null_value, described in (
            (names[0], observed, expected, method),
            (names[1], observed - chance, 0.0, f"{method}, less the mean over permuted labels"),
        )
    )
    return proxy, excess


_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse regularisation strengths of the probe that compete; the first all but ignores the input."""


def v_information(
    z: npt.ArrayLike,
    factor: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
    modality: str = "",
    factor_name: str = "",
    confidence: float = 0.95,
) -> Measurement:
    """Predictive V-information of ``z`` (n, d) about ``factor`` (n,), V the linear softmax probes; in nats.

    H_V(F) − H_V(F | Z) of Xu et al. 2020, eq. 3, cross-fitted: mean over items of log q(f | z) − log q(f),
    both predicted by models that have not seen the item. With nothing to find it is 0 or a little less.

    The probe is a logistic regression on features scaled to unit mean variance. In every one of ``folds``
    folds its L2 strength is chosen on the next fold (inverse strengths 0.0001, which all but ignores z, to 1)
    and it is fitted again on all the others. Probe and marginal are smoothed by one pseudo-item a value
    (Laplace), so that a value absent from the training part stays finite.

    Folds are stratified and drawn by content, not by the order of the items. Items of one of ``groups`` (n,),
    such as the captions of a picture, are in one fold: a probe that has seen some of them would know any
    value that they share by heart. The interval is Student's over items, with groups cluster-robust, given
    the folds. Undefined below 4·folds groups, which items are without ``groups``, in 0 dimensions, or for a
    factor of one value. Raises :class:`InputError` on a factor or groups of another shape or folds < 3.
    """
    if folds < 3:
        raise InputError(f"folds is {folds}; give at least 3: to fit, to choose and to score")
    name = named("v_information", modality, factor_name)
    matrix = as_matrix(z)
    n = len(matrix)
    labels, classes = _factor(factor, n)
    codes = group_codes(groups, n)
    units = int(codes.max(initial=-1)) + 1
    if units < 4 * folds or classes < 2 or matrix.shape[1] == 0:
        kind = "items" if units == n else "groups of items"
        return inference.undefined(
            name,
            f"{4 * folds} {kind} of 1 dimension, 2 factor values are needed, "
            f"got {units} {kind}, {classes} values",
            n,
            confidence=confidence,
        )
    lowest = np.full(units, classes)
    np.minimum.at(lowest, codes, labels)
    drawn = group_order(inference.drawn_order("probe folds", matrix, labels, seed=seed, groups=codes), codes)
    fold_of = np.empty(units, dtype=np.int64)
    fold_of[drawn[np.argsort(lowest[drawn], kind="stable")]] = np.arange(units) % folds
    part = fold_of[codes]
    gain = np.empty(n)
    for fold in range(folds):
        scored, chosen_on = part == fold, part == (fold + 1) % folds
        trials = _gains(matrix, labels, classes, ~scored & ~chosen_on, chosen_on, _STRENGTHS)
        strength = _STRENGTHS[int(np.argmax(trials.mean(axis=1)))]
        (gain[scored],) = _gains(matrix, labels, classes, ~scored, scored, (strength,))
    entropy = -float(np.log(np.bincount(labels) / n)[labels].mean())
    return inference.mean(
        name,
        gain,
        clusters=codes,
        confidence=confidence,
        unit="nats",
        direction="higher is better",
        null=0.0,
        method=f"{folds}-fold cross-fitted logistic probe (Xu 2020)",
        notes=(f"H(F) = {entropy:.3f} nats",),
    )


def _gains(
    z: FloatArray,
    labels: IntArray,
    classes: int,
    fit: npt.NDArray[np.bool_],
    score: npt.NDArray[np.bool_],
    strengths: tuple[float, ...],
) -> FloatArray:
    """Return log q(f | z) − log q(f), (strengths, items of ``score``), of probes fitted on ``fit``.

    0 where the items to fit on cannot teach a probe: one label, or equal rows.
    """
    targets = labels[score]
    gains = np.zeros((len(strengths), len(targets)))
    fit_features, score_features = z[fit], z[score]
    centre, peak = fit_features.mean(axis=0), np.abs(fit_features).max()
    if peak > 0:
        fit_features, score_features = ((rows - centre) / peak for rows in (fit_features, score_features))
    spread = np.sqrt((fit_features**2).mean())
    present, known = np.unique(labels[fit], return_inverse=True)
    if spread <= RESOLUTION or len(present) < 2:
        return gains
    fit_features, score_features = fit_features / spread, score_features / spread
    count = int(fit.sum())
    marginal = (np.bincount(labels[fit], minlength=classes) + 1) / (count + classes)
    probe = Probe(z.shape[1], len(present))
    for gain, strength in zip(gains, strengths, strict=True):
        probe.fit(fit_features, known, strength)
        predicted = np.zeros((classes, len(targets)))
        predicted[present] = probe.probabilities(score_features)
        smoothed = (predicted[targets, np.arange(len(targets))] * count + 1) / (count + classes)
        gain[:] = np.log(smoothed / marginal[targets])
    return gains
