"""How many of the claimed pairs are wrong, and which are they?"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import FloatArray
from mmaudit.diagnostics._softmax import log_normalisers
from mmaudit.diagnostics._sweep import Mask
from mmaudit.diagnostics.pointwise import PER_DIMENSION, pointwise_information
from mmaudit.diagnostics.retrieval import Counts, Ranks, group_codes
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement

__all__ = [
    "early_loss_separation",
    "exchangeability",
    "mismatch_scores",
    "mispairing_rate",
    "pair_losses",
    "suspects",
    "tail_excess",
]

EDGES = np.array([0.0, *np.geomspace(0.01, 1.0, 10)])
"""Where the places of a gallery are cut into bins. The first holds what a good encoder finds."""
WEIGHED = 200
"""Groups of trusted pairs that may choose the weights which they are averaged with. With 20 beside
400 claimed pairs, of which one in twenty is wrong, a weak encoder was rejected by 5.2 % of audits, with 100
by 1.4 % and with 200 by 0.3 %, where 0.18 % are meant to be (``benchmarks/few_trusted.py``)."""
ROUNDS = 3
"""Rounds between the share of wrong pairs and the weights that are best for it."""
SHARES = (0.02, 0.9)
"""Shares that weights are made for: at 0 or 1 the pairs of one kind would decide alone."""

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def mispairing_rate(
    ranks: Ranks, trusted: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """Estimate the share of wrong pairs among the claimed ones from how many rank far behind.

    The rank of a wrong partner is uniform among the candidates whatever the encoder, so a share 1 − λ of the
    wrong pairs ranks behind λ of the gallery: π₀ = #{p > λ} / ((1 − λ) n) (Storey 2002), p being the
    percentile, in expectation over ties and as the mean of both directions. Averaging what the two
    directions count keeps this exact for any geometry; counting the averaged percentile does not, where the
    embeddings share a cone. Without trusted pairs λ = ½.

    A weak encoder puts right pairs there too. With ``trusted`` (n,) bool, pairs known to be right, that part
    is taken off: q̂ = (π₀ − π₀ᵗ) / (1 − π₀ᵗ), over the pairs not trusted, with the delta method's standard
    error of two independent samples and Welch's degrees of freedom. A place then counts not as behind λ or
    not, but by w(p) = 1 / (q + (1 − q) f(p)), over its mean: the efficient score for the share of a known
    component in a mixture (Lindsay 1995, ch. 2), where 1 is the density of a wrong partner's percentile and
    f that of a trusted one's, decreasing (Grenander 1956) in ten bins. q is found in a few rounds. Any
    weights give a consistent estimate, these the one of least variance. Trusted pairs of fewer than
    :data:`WEIGHED` groups make weights that suit themselves: then λ = ½, and π₀ᵗ is not taken to be known
    better than as many claimed pairs would tell π₀, since few pairs that happen to rank well look alike, too.
    Undefined where π₀ᵗ cannot be told from 1: a denominator that may be zero bounds nothing (Fieller 1954).
    The value is clipped to [0, 1] and the interval, centred on it, is not. Without trusted pairs there is no
    ``null``.

    An encoder that was trained on the claimed pairs has memorised the wrong ones as well: audit pairs that it
    was not trained on (``benchmarks/mispairing.py``).
    """
    name, n = "mispairing_rate", len(ranks)
    claimed = ~_trusted_mask(trusted, n)
    if (reason := ranks.too_few(1)) is not None:
        return inference.undefined(name, reason, n, confidence=confidence, unit="share")
    if not claimed.any():
        reason = "every pair is trusted, so none is left to audit; leave some claimed pairs untrusted"
        return inference.undefined(name, reason, n, confidence=confidence, unit="share")
    few = len(np.unique(ranks.groups[~claimed])) < WEIGHED
    edges, heights = STOREY if few else _best_weights(ranks, ~claimed)
    counted = _counted(ranks, edges, heights)

    def null_share(rows: BoolArray) -> tuple[float, Measurement]:
        bounds = (0.0, float(heights.max()))
        clusters = ranks.groups[rows]
        share = inference.bounded_mean("π₀", counted[rows], bounds, clusters=clusters, confidence=confidence)
        return math.fsum(counted[rows]) / share.n, share

    pi, claimed_share = null_share(claimed)
    value, parts = pi, [(1.0, claimed_share)]
    notes = ["no trusted pairs: a weak encoder raises this share as wrong pairs do"]
    method = "Storey's π₀ at 0.5, adjusted Wald"
    if not claimed.all():
        base, trusted_share = null_share(~claimed)
        if trusted_share.high is None or trusted_share.high >= 1:
            reason = (
                f"the encoder ranks the {trusted_share.n} trusted pairs no better than chance, so ranks "
                "cannot tell wrong pairs from right ones; mend the encoder or trust more pairs"
            )
            return inference.undefined(name, reason, claimed_share.n, confidence=confidence, unit="share")
        if few:
            trusted_share = _at_least_as_wide(trusted_share, claimed_share)
        kept = 1 - base
        value = (pi - base) / kept
        parts = [(1 / kept, claimed_share), ((pi - 1) / kept**2, trusted_share)]
        notes = [f"{trusted_share.n} trusted pairs have π₀ = {base:.4f}"]
        kind = "Storey's π₀ at 0.5" if few else "weighted π₀"
        method = f"{kind} against trusted pairs, delta method, Welch t"
    if not 0 <= value <= 1:
        notes.append(f"the raw estimate is {value:.4f}; a share cannot leave [0, 1]")
    return inference.propagated(
        name,
        min(1.0, max(0.0, value)),
        parts,
        claimed_share.n,
        confidence=confidence,
        unit="share",
        direction="lower is better",
        null=None if claimed.all() else 0.0,
        notes=tuple(notes),
        method=method,
    )


def pair_losses(
    embeddings: Embeddings,
    groups: npt.ArrayLike | None = None,
    temperature: float = 0.07,
    block: int = 256,
) -> FloatArray:
    """Return each pair's symmetric InfoNCE loss over the audited gallery, (n,) float64 in nats.

    ℓᵢ = ½ Σ over both directions of log Σⱼ exp((sᵢⱼ − sᵢᵢ)/τ) (van den Oord et al. 2018; Radford et al.
    2021), j running over the pair itself and the candidates outside its group. Memory is O(n · block).
    Raises :class:`~mmaudit.errors.InputError` on a temperature that is not positive.
    """
    if not temperature > 0:
        raise InputError(f"temperature is {temperature:g}; give a positive number, such as 0.07")
    mask = Mask(group_codes(groups, len(embeddings)))
    x, y = embeddings.scored
    own = np.einsum("ij,ij->i", x, y) / temperature
    forward, backward = log_normalisers(x, y, temperature, block, mask)
    losses: FloatArray = (forward + backward) / 2 - own
    # The pair itself is in both sums, so no loss is negative but by rounding.
    return np.maximum(losses, 0.0)


def mismatch_scores(embeddings: Embeddings, groups: npt.ArrayLike | None = None) -> FloatArray:
    """Return how little the sides of each pair look like one item, (n,) float64 in nats.

    Where there are :data:`PER_DIMENSION` pairs for each dimension of both modalities, the negative of
    :func:`~mmaudit.diagnostics.pointwise_information`, which tells *hard* mismatches from right pairs far
    better than a loss does; :func:`pair_losses` where there are fewer. All pairs are treated alike, so
    exchangeable pairs have exchangeable scores. Raises :class:`~mmaudit.errors.InputError` on groups of
    another length.
    """
    if len(embeddings) >= PER_DIMENSION * (embeddings.x.shape[1] + embeddings.y.shape[1]):
        return -pointwise_information(embeddings)
    return pair_losses(embeddings, groups)


def tail_excess(
    losses: npt.ArrayLike,
    trusted: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Measurement:
    """Measure the share of claimed pairs whose loss exceeds the trusted pairs' 99 % quantile.

    ``losses`` and ``trusted`` are (n,). The threshold is the order statistic of rank ⌈0.99 (t + 1)⌉ of the
    t trusted losses (the largest, below t = 99), so that ``null``, the share expected of pairs as good as the
    trusted ones, is exact. It sees *hard* mismatches, whose partner is wrong and close, where ranks do not.

    Pairs of one of ``groups`` (n,), such as the captions of a picture, have like losses, and a few hard
    pictures would decide where their quantile lies. So t counts groups that have trusted pairs, whose losses
    share the weight of one (hierarchical conformal prediction: Lee et al. 2023): ``null`` is then what the
    share is expected to be at most, if groups of any size are alike. The interval takes groups of claimed
    pairs for clusters. Raises :class:`~mmaudit.errors.InputError` on groups of another length.
    """
    name = "tail_excess"
    loss, known, reason = _two_kinds(losses, trusted)
    codes = group_codes(groups, len(loss))
    if reason is not None:
        return inference.undefined(name, reason, len(loss), confidence=confidence, unit="share")
    threshold, null, t = _tail_threshold(loss[known], codes[known])
    kind = "trusted pairs" if t == int(known.sum()) else "groups of trusted pairs"
    return inference.proportion(
        name,
        loss[~known] > threshold,
        clusters=codes[~known],
        confidence=confidence,
        unit="share",
        direction="lower is better",
        null=null,
        notes=(f"threshold {threshold:.4g} nats from {t} {kind}",),
    )


def exchangeability(
    scores: npt.ArrayLike,
    trusted: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Measurement:
    """Return the probability of so heavy a tail, or a heavier, if claimed pairs were like the trusted.

    ``scores`` (n,) are :func:`mismatch_scores` or losses, larger for worse pairs. The tail is cut where that
    of :func:`tail_excess` is. When all scores are exchangeable, the number of the m claimed ones beyond the
    j-th of t trusted ones is beta-binomial with parameters (m, t + 1 − j, j), whatever their distribution
    (Wilks 1942): the probability is exact, and small for *hard* mismatches long before their share is known
    well. It presumes that the trusted pairs were drawn as the claimed ones were.

    Pairs of one of ``groups`` (n,), such as the captions of a picture, are not exchangeable with others;
    whole groups are. So m and t count groups: each stands with its worst pair, which is as often a trusted
    one as any pair of the group where trust says nothing of the scores. Raises
    :class:`~mmaudit.errors.InputError` on groups of another length.
    """
    name = "exchangeability"
    score, known, reason = _two_kinds(scores, trusted)
    codes = group_codes(groups, len(score))
    if reason is None:
        worst = _worst_of_groups(score, known, codes)
        score, known, reason = _two_kinds(score[worst], known[worst])
    if reason is not None:
        return inference.undefined(name, reason, len(score), confidence=confidence, unit="probability")
    threshold, null, t = _tail_threshold(score[known], np.flatnonzero(known))
    count = int(np.count_nonzero(score[~known] > threshold))
    beyond = round(null * (t + 1))
    # Summed from the far end: one less the rest would lose a small probability.
    tail = np.arange(count, len(score) - t + 1)
    return inference.exact(
        name,
        min(1.0, math.fsum(_beta_binomial(tail, len(score) - t, beyond, t + 1 - beyond))),
        len(score) - t,
        confidence=confidence,
        unit="probability",
        direction="higher is better",
        method="exact beta-binomial tail (Wilks 1942)",
        notes=(f"{count} of {len(score) - t} claimed pairs are beyond the threshold of {t} trusted ones",),
    )


def early_loss_separation(
    losses: npt.ArrayLike, corrupted: npt.ArrayLike, confidence: float = 0.95
) -> Measurement:
    """Measure how well losses early in training tell wrong pairs from right ones: the area under the ROC.

    ``losses`` (n,) are per pair at one epoch, ``corrupted`` (n,) bool marks the wrong pairs. The standard
    error is that of DeLong et al. (1988), from the placements of each kind among the other, with Welch's
    degrees of freedom. Late in training the wrong pairs are memorised and the area falls back to one half.
    """
    name, loss = "early_loss_separation", np.asarray(losses, dtype=np.float64)
    wrong = _mask(corrupted, len(loss), "corrupted")
    low, high = np.sort(loss[~wrong]), np.sort(loss[wrong])
    if min(len(low), len(high)) < 2:
        reason = f"{len(high)} wrong and {len(low)} right pairs; the area needs two of each kind"
        return inference.undefined(name, reason, len(loss), confidence=confidence, unit="area")
    if not np.isfinite(loss).all():
        reason = f"{int(np.count_nonzero(~np.isfinite(loss)))} of {len(loss)} losses are not finite numbers"
        return inference.undefined(name, reason, len(loss), confidence=confidence, unit="area")
    placed = _placement(high, low)
    above = inference.mean("wrong among right", placed)
    below = inference.mean("right among wrong", 1 - _placement(low, high))
    return inference.propagated(
        name,
        math.fsum(placed) / len(placed),
        ((1.0, above), (1.0, below)),
        len(loss),
        confidence=confidence,
        unit="area",
        null=0.5,
        method="ROC area, DeLong, Welch t",
    )


def suspects(ranks: Ranks, k: int = 20) -> IntArray:
    """Return the rows of the ``k`` pairs ranked worst, most suspicious first, (min(k, n),) int64.

    Ordered by the mean percentile of both directions; equal ones by row.
    """
    counts = 2 * (ranks.forward.better + ranks.backward.better) + ranks.forward.ties + ranks.backward.ties
    worst = -counts / np.maximum(ranks.forward.candidates, 1)
    return np.argsort(worst, kind="stable")[:k].astype(np.int64)


def _two_kinds(losses: npt.ArrayLike, trusted: npt.ArrayLike) -> tuple[FloatArray, BoolArray, str | None]:
    """Return losses (n,), which are trusted (n,), and why the two kinds cannot be compared, if so."""
    loss = np.asarray(losses, dtype=np.float64)
    known = _trusted_mask(trusted, len(loss))
    count = int(known.sum())
    if count in (0, len(loss)):
        return loss, known, f"{count} of {len(loss)} pairs are trusted; give some of both kinds"
    if not np.isfinite(loss).all():
        bad = int(np.count_nonzero(~np.isfinite(loss)))
        return loss, known, f"{bad} of {len(loss)} losses are not finite numbers"
    return loss, known, None


def _worst_of_groups(scores: FloatArray, known: BoolArray, codes: IntArray) -> IntArray:
    """Return the row of the largest score of each group of ``codes`` (n,), of equal ones a trusted one."""
    order = np.lexsort((known, scores, codes))
    return order[np.flatnonzero(np.diff(codes[order], append=-1))]


def _beta_binomial(count: IntArray, trials: int, a: float, b: float) -> FloatArray:
    """Return the probabilities of ``count`` (k,) successes, the chance of one being beta(a, b)."""
    from scipy.special import betaln

    log_choose = -np.log1p(trials) - betaln(trials - count + 1, count + 1)
    mass: FloatArray = np.exp(log_choose + betaln(count + a, trials - count + b) - betaln(a, b))
    return mass


def _tail_threshold(trusted: FloatArray, codes: IntArray) -> tuple[float, float, int]:
    """Return the order statistic of rank ⌈0.99 (t + 1)⌉ of ``trusted`` losses (k,), of t groups ``codes``.

    Also the share expected beyond it, and t. A group counts as one, its members in equal parts.
    """
    _, group, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    t = len(sizes)
    position = min(t, int(np.ceil(0.99 * (t + 1))))
    order = np.argsort(trusted)
    # Members' parts of one sum to a hair less.
    reached = np.cumsum(1 / sizes[group.reshape(-1)[order]]) > position - 1e-9
    return float(trusted[order][np.argmax(reached)]), (t + 1 - position) / (t + 1), t


STOREY = (np.array([0.0, 0.5, 1.0]), np.array([0.0, 2.0]))
"""What ranks behind one half of the gallery counts twice."""


def _at_least_as_wide(few: Measurement, many: Measurement) -> Measurement:
    """Return ``few`` with no smaller an error than the items of ``many`` would have, were they as few."""
    error, scaled = few.se or 0.0, (many.se or 0.0) * math.sqrt((many.df or 0.0) / (few.df or 1.0))
    return dataclasses.replace(few, se=max(error, scaled))


def _best_weights(ranks: Ranks, trusted: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return edges (b + 1,) of bins of percentiles, and weights (b,) of mean 1 that know the share best."""
    from scipy.optimize import isotonic_regression

    widths, known = np.diff(EDGES), 2 * int(np.count_nonzero(trusted))
    places = np.hstack([_before(side, EDGES)[:, trusted] for side in (ranks.forward, ranks.backward)])
    mass = np.diff(places.sum(axis=1))
    # One place drawn blindly is added: a bin that no trusted pair has reached is not one that none can reach.
    density = (mass / widths + 1) / (known + 1)
    density = isotonic_regression(density, weights=widths, increasing=False).x
    share = SHARES[0]
    for _ in range(ROUNDS):
        heights = 1 / (share + (1 - share) * density)
        heights /= float(heights @ widths)
        counted = _counted(ranks, EDGES, heights)
        base = float(counted[trusted].mean())
        found = (float(counted[~trusted].mean()) - base) / (1 - base) if base < 1 else SHARES[1]
        share = float(np.clip(found, *SHARES))
    return EDGES, heights


def _counted(ranks: Ranks, edges: FloatArray, heights: FloatArray) -> FloatArray:
    """Return what each pair (n,) counts, in expectation over ties and as the mean of both directions.

    ``heights`` (b,) are the weights of the bins between ``edges`` (b + 1,). A place that an edge divides
    counts in part, so that a uniform place counts exactly the mean weight.
    """
    forward, backward = (
        np.diff(_before(side, edges), axis=0).T @ heights for side in (ranks.forward, ranks.backward)
    )
    # A place in the heaviest bin is split by rounding into parts that sum to a hair more.
    counted: FloatArray = np.minimum((forward + backward) / 2, heights.max())
    return counted


def _before(counts: Counts, edges: FloatArray) -> FloatArray:
    """Return the (edges, n) probability, over random tie-breaking, that a partner ranks before each edge.

    The partner's place r runs over better .. better + ties out of 0 .. candidates and fills [r, r + 1).
    """
    places = edges[:, None] * (counts.candidates + 1)
    before: FloatArray = np.clip((places - counts.better) / (counts.ties + 1), 0.0, 1.0)
    return before


def _placement(values: FloatArray, reference: FloatArray) -> FloatArray:
    """Return the share of the sorted ``reference`` below each of ``values``, equal ones counting one half."""
    below = np.searchsorted(reference, values, side="left")
    not_above = np.searchsorted(reference, values, side="right")
    share: FloatArray = (below + not_above) / (2 * len(reference))
    return share


def _trusted_mask(trusted: npt.ArrayLike | None, n: int) -> BoolArray:
    return np.zeros(n, dtype=np.bool_) if trusted is None else _mask(trusted, n, "trusted")


def _mask(column: npt.ArrayLike, n: int, label: str) -> BoolArray:
    mask = np.asarray(column)
    if mask.shape != (n,) or mask.dtype != np.bool_:
        raise InputError(
            f"{label} has shape {mask.shape} and dtype {mask.dtype}; expected ({n},) bool, one mark a pair"
        )
    return mask
