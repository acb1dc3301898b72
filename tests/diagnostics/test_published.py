"""What every figure says beside its value: its null, unit, direction, and on how many items it rests.

The nulls are what an encoder scores that has nothing to say, worked out here and not read off the code.
"""

import dataclasses
import importlib
import inspect
import math

import numpy as np
import pytest

from mmaudit import diagnostics as d
from mmaudit.embeddings import Embeddings
from mmaudit.measurement import Measurement
from mmaudit.seeds import generator

N, WIDTH, KNOWN = 40, 6, 20


def pairs():
    rng = generator(3, "published")
    x = rng.normal(size=(N, WIDTH))
    return Embeddings(x.astype(np.float32), (x + 1.5 * rng.normal(size=x.shape)).astype(np.float32))


E, CODES = pairs(), np.arange(N) % 3
RANKS = d.ranks(E)
HARMONIC = sum(1 / rank for rank in range(1, N + 1)) / N
DIMENSIONS = (None, "dimensions", "higher is better", N, N - 1)
SIDE = {
    "rankme": (d.rankme, DIMENSIONS),
    "centred_rankme": (d.centred_rankme, DIMENSIONS),
    "effective_rank": (d.effective_rank, DIMENSIONS),
    "rank_share": (d.rank_share, (None, "share", "higher is better", N, N - 1)),
    "alpha_req": (d.alpha_req, (None, "exponent", "descriptive", N, 9)),
    "mean_cosine": (d.mean_cosine, (None, "cosine", "lower is better", N, N - 1)),
    "separation": (d.separation, (0.0, "cosine distance", "higher is better", N, N - 1)),
    "distinct_share": (d.distinct_share, (None, "share", "higher is better", N, N)),
    "variance": (d.variance, (None, "variance", "higher is better", N, N - 1)),
    "uniformity": (d.uniformity, (None, "nats", "lower is better", N, N - 1)),
}
ZERO = "closer to zero is better"
PAIRED = {
    "rank_asymmetry": (d.rank_asymmetry, (0.0, "log ratio", ZERO, N, N - 1)),
    "alignment": (d.alignment, (None, "distance^2", "lower is better", N, N - 1)),
    "modality_gap": (d.modality_gap, (None, "distance", "descriptive", N, N - 1)),
    "norm_leak": (d.norm_leak, (0.0, "coefficient of variation", ZERO, N, N - 1)),
    "embedding_gradient_ratio": (d.embedding_gradient_ratio, (0.0, "log ratio", ZERO, N, N - 1)),
    "canonical_correlations": (
        d.canonical_correlations,
        (0.0, "correlation", "higher is better", N, N - 1),
    ),
    "linear_cka": (d.linear_cka, (0.0, "similarity", "higher is better", N, N - 1)),
}
RANKED = {
    "pair_discrimination": (d.pair_discrimination, (0.5, "probability", "higher is better", N, None)),
    "recall_at_1_image_to_text": (d.recall, (1 / N, "share", "higher is better", N, None)),
    "recall_at_1": (d.mean_recall, (1 / N, "share", "higher is better", N, None)),
    "mean_reciprocal_rank_image_to_text": (d.mrr, (HARMONIC, "", "higher is better", N, N + 1)),
    "median_rank_image_to_text": (d.median_rank, ((N + 1) / 2, "rank", "lower is better", N, N - 1)),
    "symmetry_gap": (d.symmetry_gap, (0.0, "share", ZERO, N, N + 1)),
}
LEAST_LOSS = d.pair_losses(E)
OTHER = {
    "matched_negative_drop": (
        lambda **k: d.matched_negative_drop(E, CODES, **k),
        (0.0, "share", "lower is better", N, N + 1),
    ),
    "counterfactual_drop": (
        lambda **k: d.counterfactual_drop(RANKS, RANKS, **k),
        (0.0, "share", "lower is better", N, N + 1),
    ),
    "twin_accuracy": (
        lambda **k: d.twin_accuracy(E.x, E.y, 4, **k),
        (1 / 4, "share", "lower is better", N // 4, N // 4 - 1),
    ),
    "mispairing_rate": (
        lambda **k: d.mispairing_rate(RANKS, np.arange(N) < KNOWN, **k),
        (0.0, "share", "lower is better", KNOWN, None),
    ),
    # The largest of 20 trusted losses is exceeded by a further one with probability 1/21.
    "tail_excess": (
        lambda **k: d.tail_excess(LEAST_LOSS, np.arange(N) < KNOWN, **k),
        (1 / (KNOWN + 1), "share", "lower is better", N - KNOWN, N - KNOWN),
    ),
    "early_loss_separation": (
        lambda **k: d.early_loss_separation(LEAST_LOSS, np.arange(N) < KNOWN, **k),
        (0.5, "area", "descriptive", N, None),
    ),
    "twin_variance_image": (
        lambda **k: d.twin_variance(E.x, 4, modality="image", **k),
        (None, "share", "lower is better", N // 4, N // 4 - 1),
    ),
    "input_similarity_image": (
        lambda **k: d.input_similarity(E.y, E.x, modality="image", **k),
        (0.0, "similarity", "lower is better", N, N - 1),
    ),
    "v_information_image_f": (
        lambda **k: d.v_information(E.x, CODES, modality="image", factor_name="f", **k),
        (0.0, "nats", "higher is better", N, N - 1),
    ),
}
EVERY = {
    **{
        f"{name}_image": (lambda f=f, **k: f(E.x, modality="image", **k), says)
        for name, (f, says) in SIDE.items()
    },
    **{name: (lambda f=f, **k: f(E, **k), says) for name, (f, says) in PAIRED.items()},
    **{name: (lambda f=f, **k: f(RANKS, **k), says) for name, (f, says) in RANKED.items()},
    **OTHER,
}


@pytest.mark.parametrize("name", EVERY)
def test_a_figure_says_what_it_is(name):
    measure, (null, unit, direction, n, df) = EVERY[name]
    m = measure()
    assert isinstance(m, Measurement)
    assert (m.name, m.unit, m.direction, m.n) == (name, unit, direction, n)
    assert m.null == (None if null is None else pytest.approx(null, rel=1e-12))
    assert df is None or m.df == pytest.approx(df)
    assert m.confidence == 0.95
    assert m.low <= m.value <= m.high


@pytest.mark.parametrize("name", EVERY)
def test_another_confidence_changes_the_interval_and_nothing_else(name):
    measure, _ = EVERY[name]
    usual, narrow = measure(), measure(confidence=0.5)
    assert (narrow.value, narrow.se, narrow.confidence) == (usual.value, usual.se, 0.5)
    assert narrow.high - narrow.low < usual.high - usual.low


@pytest.mark.parametrize("name", [n for n in d.__all__ if inspect.isfunction(getattr(d, n, None))])
def test_every_diagnostic_that_has_a_confidence_has_the_same(name):
    given = inspect.signature(getattr(d, name)).parameters.get("confidence")
    assert given is None or given.default == 0.95


def test_a_rank_at_depth_five_is_named_and_has_its_null():
    assert (d.mean_recall(RANKS, 5).name, d.mean_recall(RANKS, 5).null) == ("recall_at_5", 5 / N)
    assert d.recall(RANKS, 5, "backward").name == "recall_at_5_text_to_image"
    assert d.symmetry_gap(RANKS, 5).name == "symmetry_gap_at_5"
    assert d.counterfactual_drop(RANKS, RANKS, 5).name == "counterfactual_drop_at_5"
    assert d.matched_negative_drop(E, CODES, k=5).name == "matched_negative_drop_at_5"
    grouped = d.ranks(E, np.arange(N) // 2)
    assert d.mean_recall(grouped).null == pytest.approx(1 / (N - 1))
    assert d.median_rank(grouped).null == N / 2
    assert math.isclose(d.mrr(grouped).null, sum(1 / r for r in range(1, N)) / (N - 1))


LEAST = {
    "mean_cosine": (2, lambda e: d.mean_cosine(e.x)),
    "separation": (2, lambda e: d.separation(e.x)),
    "uniformity": (2, lambda e: d.uniformity(e.x)),
    "variance": (2, lambda e: d.variance(e.x)),
    "distinct_share": (2, lambda e: d.distinct_share(e.x)),
    "alignment": (2, d.alignment),
    "modality_gap": (2, d.modality_gap),
    "norm_leak": (2, d.norm_leak),
    "ridge_cca": (2, d.ridge_cca),
    "linear_cka": (4, d.linear_cka),
    "canonical_correlations": (8, d.canonical_correlations),
    "hubness": (11, lambda e: d.hubness(e)[0]),
    "hubness of five": (6, lambda e: d.hubness(e, k=5)[0]),
    "v_information": (20, lambda e: d.v_information(e.x, np.arange(len(e)) % 2)),
    "v_information in three folds": (12, lambda e: d.v_information(e.x, np.arange(len(e)) % 2, folds=3)),
    "mrr": (2, lambda e: d.mrr(d.ranks(e))),
    "recall at 3": (4, lambda e: d.recall(d.ranks(e), 3)),
    "mean_recall at 3": (4, lambda e: d.mean_recall(d.ranks(e), 3)),
    "median_rank": (2, lambda e: d.median_rank(d.ranks(e))),
    "pair_discrimination": (2, lambda e: d.pair_discrimination(d.ranks(e))),
    "symmetry_gap at 3": (4, lambda e: d.symmetry_gap(d.ranks(e), 3)),
    "counterfactual_drop at 3": (4, lambda e: d.counterfactual_drop(d.ranks(e), d.ranks(e), 3)),
    "mispairing_rate": (2, lambda e: d.mispairing_rate(d.ranks(e))),
    "embedding_gradient_ratio": (2, d.embedding_gradient_ratio),
    "rankme": (2, lambda e: d.rankme(e.x)),
    "effective_rank": (2, lambda e: d.effective_rank(e.x)),
    "rank_asymmetry": (2, d.rank_asymmetry),
    "mi_proxy": (2, lambda e: d.mi_proxy(e.x, np.arange(len(e)), draws=1)[0]),
    "idle_dimensions": (1, d.idle_dimensions),
}


def test_records_of_arrays_are_equal_to_themselves_alone():
    """Whether two arrays are equal has no single answer, so such records are compared and kept as objects."""
    for name in ("retrieval", "principal", "_screen"):
        module = importlib.import_module(f"mmaudit.diagnostics.{name}")
        for thing in vars(module).values():
            if dataclasses.is_dataclass(thing) and thing.__module__ == module.__name__:
                assert thing.__dataclass_params__.frozen, thing
                assert not thing.__dataclass_params__.eq, thing


DEFAULTS = {
    "recall": (d.recall, {"k": 1, "direction": "forward"}),
    "mean_recall": (d.mean_recall, {"k": 1}),
    "mrr": (d.mrr, {"direction": "forward"}),
    "median_rank": (d.median_rank, {"direction": "forward"}),
    "symmetry_gap": (d.symmetry_gap, {"k": 1}),
    "counterfactual_drop": (lambda r, **k: d.counterfactual_drop(r, r, **k), {"k": 1}),
    "matched_negative_drop": (lambda r, **k: d.matched_negative_drop(E, CODES, **k), {"k": 1}),
    "suspects": (lambda r, **k: d.suspects(r, **k).tolist(), {"k": 20}),
    "pair_losses": (lambda r, **k: d.pair_losses(E, **k).tolist(), {"temperature": 0.07}),
    "distinct_share": (lambda r, **k: d.distinct_share(E.x, **k), {"resolution": 1e-3}),
    "uniformity": (lambda r, **k: d.uniformity(E.x, **k), {"t": 2.0}),
    "alignment": (lambda r, **k: d.alignment(E, **k), {"alpha": 2.0}),
    "rank_asymmetry": (lambda r, **k: d.rank_asymmetry(E, **k), {"kind": "rankme"}),
    "spectrum": (lambda r, **k: d.spectrum(E.x, **k).tolist(), {"centred": True}),
    "hubness": (lambda r, **k: d.hubness(E, **k), {"k": 10}),
    "neighbour_counts": (lambda r, **k: d.neighbour_counts(E, **k)[0].tolist(), {"k": 10}),
    "canonical_correlations": (
        lambda r, **k: d.canonical_correlations(E, **k),
        {"top": 8, "ridge": 0.1, "seed": 0},
    ),
    "ridge_cca": (lambda r, **k: d.ridge_cca(E, **k), {"ridge": 1e-3, "top": 8, "draws": 20, "seed": 0}),
    "mi_proxy": (
        lambda r, **k: d.mi_proxy(E.x, CODES, **k),
        {"bins": 4, "dims": 8, "draws": 200, "seed": 0},
    ),
    "v_information": (lambda r, **k: d.v_information(E.x, CODES % 2, **k), {"folds": 5, "seed": 0}),
    "embedding_gradient_ratio": (lambda r, **k: d.embedding_gradient_ratio(E, **k), {"temperature": 0.07}),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_is_not_said_is_as_documented(name):
    measure, options = DEFAULTS[name]
    assert measure(RANKS) == measure(RANKS, **options)


@pytest.mark.parametrize("name", LEAST)
def test_the_least_number_of_items_is_enough_and_one_less_says_how_many(name):
    least, measure = LEAST[name]
    enough, few = measure(E.take(np.arange(least))), measure(E.take(np.arange(least - 1)))
    assert enough.value is not None
    assert enough.n == least
    assert few.value is None
    assert few.n == least - 1
    assert few.notes[0]
