"""Closed-form errors are derivatives: of the figure by the weight of each item, taken here numerically.

The infinitesimal jackknife (Efron 1982) of a figure θ(w) of n items of weight one is Σ(∂θ/∂w)² n / (n - 1).
Each figure is written out anew with weights, which are n ones in the diagnostic itself.
"""

import math

import numpy as np
import pytest

from mmaudit import diagnostics as d
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.seeds import generator

N = 36


def derivative(figure, n=N, step=1e-5):
    """Return ∂θ/∂w (n,) at weights of one, by central differences."""
    ones, found = np.ones(n), np.empty(n)
    for i in range(n):
        moved = step * (np.arange(n) == i)
        found[i] = (figure(ones + moved) - figure(ones - moved)) / (2 * step)
    return found


def error(figure, n=N):
    slope = derivative(figure, n)
    # Weights of which each is larger by the same share are the same items.
    assert abs(slope.sum()) < 1e-6
    return math.sqrt((slope**2).sum() * n / (n - 1))


def matches(m, figure, n=N):
    assert m.value == pytest.approx(figure(np.ones(n)), rel=1e-9)
    assert m.se == pytest.approx(error(figure, n), rel=1e-6)
    assert m.df == n - 1


def one_side(seed=0, width=5):
    rng = generator(seed, "by weights")
    z = (rng.normal(size=(N, width)) + 0.6) * np.exp(0.4 * rng.normal(size=(N, 1)))
    return z.astype(np.float32)


def pairs(**options):
    x = one_side()
    return Embeddings(x, x + one_side(1) - 0.9, **options)


def over_pairs(kernel):
    """Return the weighted mean of ``kernel`` (n, n) over ordered pairs of different items."""

    def figure(w):
        both = np.outer(w, w) * (1 - np.eye(len(w)))
        return (both * kernel).sum() / both.sum()

    return figure


def test_means_over_pairs_of_items():
    z = one_side()
    u = unit_rows(z)
    matches(d.mean_cosine(z), over_pairs(u @ u.T))
    matches(d.separation(z), over_pairs(1 - u @ u.T))
    for t in (2.0, 0.7):
        potential = over_pairs(np.exp(-2 * t * (1 - u @ u.T)))
        matches(d.uniformity(z, t=t), lambda w, potential=potential: np.log(potential(w)))


def test_an_empty_row_is_at_no_distance_of_any():
    z = one_side()
    z[[3, 8]] = 0
    u = unit_rows(z)
    filled = u.any(axis=1)
    matches(d.separation(z), over_pairs(np.outer(filled, filled) * (1 - u @ u.T)))
    matches(d.mean_cosine(z), over_pairs(u @ u.T))


def test_the_mean_variance_of_a_dimension_is_a_mean_over_items():
    u = unit_rows(one_side())
    per_item = ((u - u.mean(axis=0)) ** 2).sum(axis=1) * N / ((N - 1) * u.shape[1])
    matches(d.variance(one_side()), lambda w: (w * per_item).sum() / w.sum())
    assert d.variance(one_side()).value == pytest.approx(u.var(axis=0, ddof=1).mean())


@pytest.mark.parametrize("alpha", [1, 2, 3])
def test_alignment_is_a_mean_over_pairs(alpha):
    e = pairs()
    apart = np.linalg.norm(unit_rows(e.x) - unit_rows(e.y), axis=1) ** alpha
    matches(d.alignment(e, alpha=alpha), lambda w: (w * apart).sum() / w.sum())


def test_the_gap_between_modalities():
    e = pairs()
    difference = unit_rows(e.x) - unit_rows(e.y)
    matches(d.modality_gap(e), lambda w: np.linalg.norm(w @ difference / w.sum()))


def test_a_leak_of_norms():
    e = pairs()

    def variation(z, w):
        norms = np.linalg.norm(z.astype(np.float64), axis=1)
        centre = (w * norms).sum() / w.sum()
        return math.sqrt((w * (norms - centre) ** 2).sum() / w.sum()) / centre

    matches(d.norm_leak(e), lambda w: variation(e.y, w) - variation(e.x, w))


@pytest.mark.parametrize("k", [1, 4])
def test_the_skewness_of_neighbour_counts(k):
    e = pairs()

    def skewness(counts, w):
        centre = (w * counts).sum() / w.sum()
        second, third = ((w * (counts - centre) ** p).sum() / w.sum() for p in (2, 3))
        return third / second**1.5

    for m, counts in zip(d.hubness(e, k=k), d.neighbour_counts(e, k=k), strict=True):
        matches(m, lambda w, counts=counts: skewness(counts, w))


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_variance_within_twins(size):
    z = unit_rows(one_side())
    groups = z.reshape(N // size, size, -1)
    count = len(groups)

    def figure(w):
        within = ((groups - groups.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2)) / (size - 1)
        centres = groups.mean(axis=1)
        centre = w @ centres / w.sum()
        between = ((centres - centre) ** 2).sum(axis=1) * count / (count - 1)
        within, between = (w * within).sum() / w.sum(), (w * between).sum() / w.sum()
        # MS_w / (MS_b / size + (1 - 1 / size) MS_w), MS_b being size times the variance of the centres.
        return within / (between + (1 - 1 / size) * within)

    matches(d.twin_variance(z, size), figure, count)


def test_the_spread_of_a_slice():
    e = Embeddings(*(np.vstack([one_side(s), one_side(s + 2)]) for s in (0, 1)))
    inside = np.arange(2 * N) % 9 < 4
    assert inside.sum() == 32
    for m, z in zip(d.slice_spread(e, {"s": inside}), (e.x, e.y), strict=True):
        u = unit_rows(z)
        spread = over_pairs(1 - u @ u.T)
        matches(m, lambda w, spread=spread: spread(w * inside) / spread(w), 2 * N)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_the_pull_of_the_loss(similarity, temperature):
    """Each pair weighs as an anchor, and as a candidate in the softmax of every other one."""
    e = pairs(similarity=similarity)

    def pull(x, y, w):
        weight = np.exp(x @ y.T / temperature)
        by_row = weight / (weight @ w)[:, None]
        by_column = weight / (w @ weight)
        turned = 0.5 * (by_row + by_column) @ (w[:, None] * y) - y
        axis = unit_rows(x)
        turned -= (turned * axis).sum(axis=1, keepdims=True) * axis
        return (w * (turned**2).sum(axis=1)).sum()

    def figure(w):
        x, y = e.scored
        return 0.5 * math.log(pull(x, y, w) / pull(y, x, w))

    slope = derivative(figure)
    slope -= slope.mean()
    m = d.embedding_gradient_ratio(e, temperature=temperature, block=10)
    assert m.value == pytest.approx(figure(np.ones(N)), rel=1e-9)
    assert m.se == pytest.approx(math.sqrt((slope**2).sum() * N / (N - 1)), rel=1e-6)


def test_an_item_takes_part_in_the_discrimination_of_pairs_as_query_and_as_candidate():
    e = pairs()
    x, y = e.scored
    own = np.einsum("ij,ij->i", x, y)
    # won[i, j]: query i prefers its own partner to item j.
    sides = [(queries @ gallery.T < own[:, None]).astype(float) for queries, gallery in ((x, y), (y, x))]
    won = sum(sides) / 2 * (1 - np.eye(N))
    value = won.sum() / (N * (N - 1))
    influence = (won.sum(axis=1) + won.sum(axis=0)) / (N - 1)
    m = d.pair_discrimination(d.ranks(e))
    assert m.value == pytest.approx(value, rel=1e-12)
    # Of a mean of 0 and 1, those are two items more.
    more = np.concatenate([influence - influence.mean() + value, [0.0, 1.0]])
    assert m.df == pytest.approx(more.mean() * (1 - more.mean()) / (more.var() / len(more)) - 2, rel=1e-9)


COPIED = {
    "rankme": lambda e, c: d.rankme(e.x, clusters=c),
    "centred_rankme": lambda e, c: d.centred_rankme(e.x, clusters=c),
    "effective_rank": lambda e, c: d.effective_rank(e.x, clusters=c),
    "rank_share": lambda e, c: d.rank_share(e.x, clusters=c),
    "alpha_req": lambda e, c: d.alpha_req(e.x, clusters=c),
    "rank_asymmetry": lambda e, c: d.rank_asymmetry(e, clusters=c),
    "mean_cosine": lambda e, c: d.mean_cosine(e.x, clusters=c),
    "separation": lambda e, c: d.separation(e.x, clusters=c),
    "variance": lambda e, c: d.variance(e.x, clusters=c),
    "uniformity": lambda e, c: d.uniformity(e.x, clusters=c),
    "alignment": lambda e, c: d.alignment(e, clusters=c),
    "modality_gap": lambda e, c: d.modality_gap(e, clusters=c),
    "norm_leak": lambda e, c: d.norm_leak(e, clusters=c),
    "linear_cka": lambda e, c: d.linear_cka(e, clusters=c),
    "input_similarity": lambda e, c: d.input_similarity(e.x, e.y, clusters=c),
}


@pytest.mark.parametrize("figure", COPIED.values(), ids=COPIED)
def test_copies_of_an_item_are_one_where_they_are_told_to_be(figure):
    rng = generator(1, "copies")
    z = rng.normal(size=(300, 8)) * np.geomspace(1, 0.2, 8) + 0.3
    items = Embeddings(z, z + rng.normal(size=z.shape))
    of_each = np.repeat(np.arange(300), 4)
    copies = items.take(of_each)
    once, alone, together = figure(items, None), figure(copies, None), figure(copies, of_each)
    assert together.value == alone.value
    assert together.se == pytest.approx(once.se, rel=0.15)
    assert together.df == once.df
    assert figure(items, np.arange(300)[::-1]) == once
