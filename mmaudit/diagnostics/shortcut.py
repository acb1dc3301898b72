"""Does the encoder match its pairs by what they mean, or by something they merely share?"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics._arrays import RESOLUTION, FloatArray
from mmaudit.diagnostics._screen import compare
from mmaudit.diagnostics.retrieval import Ranks, check_depth, group_codes, nested_ranks
from mmaudit.embeddings import Embeddings, Similarity
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement

__all__ = [
    "blind_baseline",
    "counterfactual_drop",
    "matched_negative_drop",
    "twin_accuracy",
    "twin_agreement",
]

IntArray = npt.NDArray[np.int64]


def twin_accuracy(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    size: int,
    similarity: Similarity = "cosine",
    confidence: float = 0.95,
) -> Measurement:
    """Measure how often an item picks its own partner among ``size`` twins, items of identical meaning.

    ``x`` and ``y`` are (groups · size, d), the twins of one group in consecutive rows. Twins differ only in
    noise and nuisance, so without a shortcut the partner is found at chance, exactly 1/size, whatever the
    shortcut would have been. Both directions, ties in expectation, Student over groups. Raises
    :class:`~mmaudit.errors.InputError` where the rows do not divide into groups.
    """
    a, b = _twins(x, y, size, similarity)
    hits = (_own_group_hits(a, b) + _own_group_hits(b, a)) / 2
    return inference.mean(
        "twin_accuracy",
        hits,
        confidence=confidence,
        unit="share",
        direction="lower is better",
        null=1 / size,
        method=f"mean over groups of {size} twins, Student t",
    )


def twin_agreement(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    size: int,
    similarity: Similarity = "cosine",
    confidence: float = 0.95,
) -> Measurement:
    """Measure how far the similarities among twins follow who belongs to whom, as a correlation.

    Takes what :func:`twin_accuracy` takes. In each group it is that of the (size, size) similarities, rows
    and columns centred, with the identity, centred likewise (Mantel 1967): 0 on average without a shortcut,
    as then each twin may as well belong to any other, and 1 where partners are alike and all others are not.
    It uses by how much a partner is nearer, not only whether it is the nearest, and so sees faint shortcuts
    that the share of hits does not. Student over groups; one whose similarities are all level counts 0.
    Raises :class:`~mmaudit.errors.InputError` where the rows do not divide into groups.
    """
    a, b = _twins(x, y, size, similarity)
    similarities = np.einsum("gid,gjd->gij", a, b)
    peak = np.abs(similarities).max(axis=(1, 2), initial=0.0)
    for axis in (1, 2):
        similarities -= similarities.mean(axis=axis, keepdims=True)
    spread = np.sqrt((similarities**2).sum(axis=(1, 2)))
    own = np.einsum("gii->g", similarities) / math.sqrt(size - 1)
    return inference.mean(
        "twin_agreement",
        np.divide(own, spread, out=np.zeros(len(own)), where=spread > RESOLUTION * peak),
        confidence=confidence,
        unit="correlation",
        direction="lower is better",
        null=0.0,
        method=f"mean correlation over groups of {size} twins, Student t",
    )


def _twins(
    x: npt.ArrayLike, y: npt.ArrayLike, size: int, similarity: Similarity
) -> tuple[FloatArray, FloatArray]:
    """Return both sides by groups, (groups, size, d) float64 as scored; refuse rows that are no groups."""
    pairs = Embeddings(np.asarray(x), np.asarray(y), similarity=similarity)
    if size < 2 or len(pairs) % size:
        raise InputError(f"{len(pairs)} rows do not make groups of {size} twins; give two or more in each")
    a, b = (z.reshape(-1, size, pairs.width) for z in pairs.scored)
    return a, b


def counterfactual_drop(
    present: Ranks, removed: Ranks | Sequence[Ranks], k: int = 1, confidence: float = 0.95
) -> Measurement:
    """Measure the r@k lost when a nuisance is removed or redrawn: mean of both directions, paired by item.

    ``present`` and ``removed`` rank the same items in the same order; of several redraws each item's mean is
    taken. Positive: retrieval leaned on the nuisance. Raises :class:`~mmaudit.errors.InputError` on unequal
    counts and without any redraw.
    """
    redraws = (removed,) if isinstance(removed, Ranks) else tuple(removed)
    if not redraws or any(len(drawn) != len(present) for drawn in redraws):
        counts = ", ".join(str(len(drawn)) for drawn in redraws) or "none"
        raise InputError(f"{len(present)} items with the nuisance, {counts} without; give the same items")
    name = "counterfactual_drop" if k == 1 else f"counterfactual_drop_at_{k}"
    if (reason := next(filter(None, (r.too_few(k) for r in (present, *redraws))), None)) is not None:
        return inference.undefined(name, reason, len(present), confidence=confidence, unit="share")
    without = np.mean([drawn.mean_hits(k) for drawn in redraws], axis=0)
    weight = 0.5 / len(redraws)
    interactions = [present.rivalry(k, 0.5, 0.5), *(drawn.rivalry(k, -weight, -weight) for drawn in redraws)]
    query, candidate, effect = (np.concatenate(column) for column in zip(*interactions, strict=True))
    return inference.paired_difference(
        name,
        present.mean_hits(k),
        without,
        clusters=present.groups,
        shared=inference.shared_variance(
            present.mean_hits(k) - without, query, candidate, effect, present.groups
        ),
        confidence=confidence,
        unit="share",
        direction="lower is better",
        null=0.0,
    )


def blind_baseline(
    nuisance: npt.ArrayLike, groups: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Measurement:
    """Return the r@1 of somebody who sees nothing of an item but its nuisance value.

    ``nuisance`` (n,) holds any codes, taken to be shared by the two sides of every pair: the candidates of
    the query's value all tie, so the expected hit is one over their number. It is what a perfect shortcut
    reaches alone, counted and not estimated.
    """
    values = np.asarray(nuisance)
    if values.ndim != 1:
        raise InputError(f"nuisance has shape {values.shape}; expected (n,), one value a pair")
    n = len(values)
    if n == 0:
        return inference.undefined("blind_baseline", "no item to measure", confidence=confidence)
    value = np.unique(values, return_inverse=True)[1].reshape(n)
    group = np.unique(group_codes(groups, n), return_inverse=True)[1].reshape(n)
    alike = np.unique(np.stack([value, group]), axis=1, return_inverse=True, return_counts=True)
    same_group = alike[2][alike[1].reshape(n)]
    tied = np.bincount(value)[value] - same_group
    return inference.exact(
        "blind_baseline",
        math.fsum(1 / (1 + tied)) / n,
        n,
        confidence=confidence,
        unit="share",
        method="expected r@1 among the candidates of the query's nuisance value",
    )


def matched_negative_drop(
    embeddings: Embeddings,
    nuisance: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    k: int = 1,
    confidence: float = 0.95,
    block: int = 1024,
) -> Measurement:
    """Measure the r@k lost when every wrong candidate shares the query's nuisance value.

    ``nuisance`` (n,) holds any codes (source, template, watermark). Per query: r@k among as many random
    candidates as there are matched ones, less r@k among the matched ones; mean of both directions. Positive:
    the nuisance had been ruling candidates out. The random side is the exact expectation over all such
    subsets (hypergeometric), so nothing is sampled, and under a nuisance that plays no role the matched
    candidates are one such subset. Queries with fewer than k matched candidates are left out, and a note
    says how many. For data whose inputs cannot be rendered again.
    """
    check_depth(k)
    name = "matched_negative_drop" if k == 1 else f"matched_negative_drop_at_{k}"
    n = len(embeddings)
    codes, values = group_codes(groups, n), np.asarray(nuisance)
    if values.shape != (n,):
        raise InputError(f"nuisance has shape {values.shape}; expected ({n},), one value a pair")
    within = np.unique(values, return_inverse=True)[1].reshape(n).astype(np.int64)
    drop, interactions = np.zeros(n), []
    matched_count = np.zeros(n, dtype=np.int64)
    both = nested_ranks(embeddings, codes, [within], block)
    for everyone, matched in zip(*((r.forward, r.backward) for r in both), strict=True):
        matched_count = matched.candidates
        candidates = everyone.candidates
        random_hits = _subset_hits(everyone.better, everyone.ties, candidates, matched_count, k)
        drop += (random_hits - matched.hits(k)) / 2
        rows, tied = everyone.rivals[:, 0], everyone.tied
        better, ties = everyone.better[rows] - ~tied, everyone.ties[rows] - tied
        without = _subset_hits(better, ties, candidates[rows], matched_count[rows], k)
        interactions.append((everyone.rivals, (without - random_hits[rows]) / 2))
        interactions.append((matched.rivals, -matched.spoiling(k) / 2))
    kept = matched_count >= k
    if not kept.any():
        reason = f"no query has {k} candidates of its own nuisance value; the column is unique to each item"
        return inference.undefined(name, reason, n, confidence=confidence, unit="share")
    count = int(kept.sum())
    rivals, effect = (np.concatenate(column) for column in zip(*interactions, strict=True))
    felt = kept[rivals[:, 0]] & (effect != 0)
    # Queries left out stay in the gallery: they spoil others, and add nothing of their own.
    values = np.where(kept, drop, math.fsum(drop[kept]) / count)
    shared = inference.shared_variance(values, rivals[felt, 0], rivals[felt, 1], effect[felt], codes)
    notes = (f"{n - count} of {n} queries left out: too few candidates of their value",) if count < n else ()
    return inference.bounded_mean(
        name,
        drop[kept],
        (-1.0, 1.0),
        clusters=codes[kept],
        shared=shared * (n / count) ** 2,
        confidence=confidence,
        unit="share",
        direction="lower is better",
        null=0.0,
        notes=notes,
        method="paired difference, Bonett-Price adjusted Wald",
    )


def _own_group_hits(queries: FloatArray, gallery: FloatArray) -> FloatArray:
    """Return the (groups,) mean hit of queries (groups, size, d) on their own row of the gallery."""
    similarity = queries @ np.swapaxes(gallery, 1, 2)
    own = np.einsum("gij,gij->gi", queries, gallery)[:, :, None]
    norms = np.linalg.norm(gallery, axis=2)
    larger = np.maximum(norms[:, :, None], norms[:, None, :])
    above, level = compare(similarity, own, np.linalg.norm(queries, axis=2)[:, :, None] * larger)
    # The partner itself is level with itself, and so counts as the one more that a tie is shared with.
    hits = np.where(above.any(axis=2), 0.0, 1 / level.sum(axis=2))
    return np.asarray(hits.mean(axis=1), dtype=np.float64)


def _subset_hits(
    better: IntArray, ties: IntArray, candidates: IntArray, drawn: IntArray, k: int
) -> FloatArray:
    """Return the (n,) expected hit at ``k`` among ``drawn`` of the candidates, drawn without replacement.

    With ties broken at random, better + j candidates are ahead for j uniform on 0 .. ties, and the partner is
    a hit when fewer than k of them are drawn.
    """
    hits = np.zeros(len(better))
    sizes, which = np.unique(np.stack([candidates, drawn], axis=1), axis=0, return_inverse=True)
    for row, (total, subset) in enumerate(sizes):
        members = np.flatnonzero(which.ravel() == row)
        ahead = _fewer_than(k, int(total), int(subset))
        cumulative = np.concatenate([[0.0], np.cumsum(ahead)])
        first = better[members]
        last = first + ties[members] + 1
        hits[members] = (cumulative[last] - cumulative[first]) / (last - first)
    return np.clip(hits, 0.0, 1.0)


def _fewer_than(k: int, total: int, drawn: int) -> FloatArray:
    """Return (total + 1,): the probability that fewer than ``k`` of a items are drawn, for a = 0 .. total.

    Hypergeometric, m drawn of t: P(j) = C(a, j) Π_{i<j} (m − i)/(t − i) Π_{i<a−j} (t − m − i)/(t − j − i).
    No factor is negative, so nothing cancels.
    """
    chance = np.zeros(total + 1)
    among = np.ones(total + 1)  # C(a, j) Π_{i<j} (m − i)/(t − i), by a
    items = np.arange(total + 1)
    for j in range(min(k, drawn + 1)):
        left_out = np.arange(total - j)
        spared = np.cumprod(np.maximum(total - drawn - left_out, 0) / (total - j - left_out))
        chance[j:] += among[j:] * np.concatenate([[1.0], spared])
        among = among * (items - j) / (j + 1) * ((drawn - j) / max(1, total - j))
    return np.minimum(chance, 1.0)
