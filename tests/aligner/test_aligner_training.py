"""Training learns, keeps its best epoch, says what it saw, and gives the same bytes every time."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from mmaudit.aligner import AlignerSpec, History, TrainedAligner, TrainSpec, one_step, to_bytes, train
from mmaudit.aligner.training import batches
from mmaudit.diagnostics import geometry
from mmaudit.diagnostics.retrieval import ranks
from mmaudit.embeddings import Embeddings
from mmaudit.seeds import generator

Fit = Callable[..., TrainedAligner]


def embedded(aligner: TrainedAligner, toy: tuple[np.ndarray, ...]) -> Embeddings:
    return Embeddings(aligner.encode("image", toy[2]), aligner.encode("text", toy[3]))


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture(scope="module")
def wide() -> list[np.ndarray]:
    """Noise so wide that OpenBLAS's kernels and threads leave their mark on float32 products."""
    rng = generator(8, "wide")
    return [rng.standard_normal((n, 777)) for n in (600, 600, 64, 64)]


def test_it_learns_what_the_two_views_share(healthy: TrainedAligner, toy: tuple[np.ndarray, ...]) -> None:
    ranked = ranks(embedded(healthy, toy))
    assert ranked.forward.hits(1).mean() > 0.5
    assert ranked.backward.hits(1).mean() > 0.5
    assert healthy.history.train_loss[-1] < healthy.history.train_loss[0] / 3


def test_it_learns_nothing_from_pairs_that_share_nothing(toy: tuple[np.ndarray, ...]) -> None:
    x_train, y_train, x_val, y_val = toy
    order = generator(1, "derange").permutation(len(y_train))
    training = TrainSpec(epochs=4, batch=64)
    spec = AlignerSpec(embed_dim=16, hidden=32)
    broken = train(x_train, y_train[order], x_val, y_val, aligner=spec, training=training)
    assert broken.history.r1_xy.max() < 0.1


def test_the_history_is_what_an_audit_of_the_kept_encoders_measures(
    healthy: TrainedAligner, toy: tuple[np.ndarray, ...]
) -> None:
    embeddings = embedded(healthy, toy)
    ranked = ranks(embeddings)
    x, y = embeddings.scored
    row = healthy.history.rows()[healthy.best_epoch - 1]
    assert row["epoch"] == healthy.best_epoch
    assert row["r1_xy"] == ranked.forward.hits(1).mean()
    assert row["r1_yx"] == ranked.backward.hits(1).mean()
    assert row["symmetry_gap"] == row["r1_xy"] - row["r1_yx"]
    # The history takes eigenvalues alone, an interval their vectors too.
    assert row["rankme_x"] == pytest.approx(geometry.rankme(x).value, rel=1e-12)
    assert row["effective_rank_y"] == pytest.approx(geometry.effective_rank(y).value, rel=1e-12)
    assert row["mean_cosine_y"] == geometry.mean_cosine(y).value
    assert row["variance_x"] == geometry.variance(x).value
    assert row["spectrum_x"] == geometry.spectrum(x)[:8].tolist()
    assert row["movement_x"] == healthy.x.movement
    assert row["gradient_log_ratio"] == math.log(row["gradient_norm_x"] / row["gradient_norm_y"])


def test_the_best_epoch_is_kept_and_the_last_one_on_demand(fit: Fit, toy: tuple[np.ndarray, ...]) -> None:
    # Strong decay ruins the encoders after a good start, so best and last differ.
    best, last = (fit(weight_decay=40.0, keep=keep) for keep in ("best", "last"))
    means = (best.history.r1_xy + best.history.r1_yx) / 2
    assert best.best_epoch == last.best_epoch == int(np.argmax(means)) + 1 < len(means)
    assert ranks(embedded(best, toy)).mean_hits(1).mean() == pytest.approx(means.max(), rel=1e-12)
    assert ranks(embedded(last, toy)).mean_hits(1).mean() == pytest.approx(means[-1], rel=1e-12)
    assert means[-1] < means.max() - 0.05


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(
    fit: Fit, healthy: TrainedAligner
) -> None:
    assert to_bytes(fit()) == to_bytes(healthy)
    assert to_bytes(fit(seed=12))[0] != to_bytes(healthy)[0]


def test_blas_runs_on_one_thread_while_training_and_as_before_afterwards(toy: tuple[np.ndarray, ...]) -> None:
    seen: list[set[int]] = []
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        train(
            *toy,
            aligner=AlignerSpec(embed_dim=4, hidden=4),
            training=TrainSpec(epochs=1),
            progress=lambda *_: seen.append(blas_threads()),
        )
        assert blas_threads() == before
    assert seen == [{1}]


def test_the_number_of_threads_offered_changes_no_byte(wide: list[np.ndarray]) -> None:
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(to_bytes(train(*wide, training=TrainSpec(epochs=1, batch=256))))
    assert found[0] == found[1]


@pytest.mark.parametrize("size", [1, 3, 16])
def test_embeddings_do_not_depend_on_how_the_inputs_are_cut(wide: list[np.ndarray], size: int) -> None:
    aligner = train(*wide, training=TrainSpec(epochs=1, batch=256))
    whole = aligner.encode("image", wide[0])
    assert whole.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-6)
    parts = [aligner.encode("image", wide[0][start : start + size]) for start in range(0, len(whole), size)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_raw_embeddings_have_the_same_directions_and_their_own_lengths(
    healthy: TrainedAligner, toy: tuple[np.ndarray, ...]
) -> None:
    raw = healthy.encode("text", toy[3], serve_raw=True)
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.std(lengths) > 0.01
    np.testing.assert_allclose(raw / lengths, healthy.encode("text", toy[3]), atol=1e-6)


@pytest.mark.parametrize(("n", "largest"), [(320, 64), (1600, 128), (9, 4), (129, 128)])
def test_batches_are_an_even_partition(n: int, largest: int) -> None:
    parts = batches(n, largest, generator(1, "batches"))
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    sizes = [len(part) for part in parts]
    assert len(sizes) == math.ceil(n / largest)
    assert max(sizes) <= largest
    assert max(sizes) - min(sizes) <= 1


def test_every_epoch_has_batches_of_its_own(fit: Fit) -> None:
    # At a rate this small nothing moves, so only another set of negatives can change a pair's loss.
    losses = fit(lr=1e-30, epochs=2, pair_losses=True).history.pair_losses
    assert losses is not None
    assert (losses[0] != losses[1]).mean() > 0.9


def test_every_pair_has_a_loss_in_every_epoch(fit: Fit, healthy: TrainedAligner) -> None:
    recorded = fit(pair_losses=True).history
    assert recorded.pair_losses is not None
    assert recorded.pair_losses.shape == (8, 320)
    np.testing.assert_allclose(recorded.pair_losses.mean(axis=1), recorded.train_loss, rtol=1e-12)
    np.testing.assert_array_equal(recorded.train_loss, healthy.history.train_loss)
    assert healthy.history.pair_losses is None


def test_pair_losses_find_a_wrong_pair_early(toy: tuple[np.ndarray, ...]) -> None:
    x_train, y_train, x_val, y_val = toy
    wrong = np.arange(0, 320, 10)
    mixed = y_train.copy()
    mixed[wrong] = y_train[np.roll(wrong, 1)]
    training = TrainSpec(epochs=4, batch=64, pair_losses=True)
    spec = AlignerSpec(embed_dim=16, hidden=32)
    losses = train(x_train, mixed, x_val, y_val, aligner=spec, training=training).history.pair_losses
    assert losses is not None
    right = np.delete(losses[-1], wrong)
    assert np.median(losses[-1][wrong]) > np.quantile(right, 0.95)


def test_progress_is_told_epoch_by_epoch(toy: tuple[np.ndarray, ...]) -> None:
    told: list[tuple[str, int, int]] = []
    train(
        *toy,
        aligner=AlignerSpec(embed_dim=4, hidden=4),
        training=TrainSpec(epochs=3),
        progress=lambda *report: told.append(report),
    )
    assert told == [("training the reference aligner", epoch, 3) for epoch in (1, 2, 3)]


def test_one_step_goes_on_from_the_stored_moments(toy: tuple[np.ndarray, ...]) -> None:
    # One batch an epoch makes the order of its pairs the only difference to a longer training.
    spec = AlignerSpec(embed_dim=8, hidden=8)
    short, long = (
        train(*toy, aligner=spec, training=TrainSpec(epochs=epochs, batch=320, keep="last"))
        for epochs in (2, 3)
    )
    before = short.x.theta.copy()
    stepped = one_step(short, toy[0], toy[1])
    np.testing.assert_array_equal(short.x.theta, before)
    assert stepped.x.moments.steps == stepped.y.moments.steps == 3
    for after, expected in ((stepped.x, long.x), (stepped.y, long.y)):
        np.testing.assert_allclose(after.theta, expected.theta, atol=1e-4)
        assert np.abs(after.theta - after.initial).max() > 1e-3
    cold = dataclasses.replace(short.x, moments=long.x.moments)
    fresh = one_step(dataclasses.replace(short, x=cold), toy[0], toy[1])
    assert np.abs(fresh.x.theta - long.x.theta).max() > 1e-4, "the moments make no difference"


def test_history_rows_are_builtin_and_complete(fit: Fit) -> None:
    history = fit(stop_gradient="x", epochs=2).history
    rows = history.rows()
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[0]["gradient_log_ratio"] is None
    assert math.isnan(history.gradient_log_ratio[0])
    assert all(type(value) in (int, float, list, type(None)) for row in rows for value in row.values())
    names = {field.name for field in dataclasses.fields(History)} - {"pair_losses"}
    assert set(rows[0]) == names | {"epoch"}
    again = History.from_rows(rows)
    for name in names:
        np.testing.assert_array_equal(getattr(again, name), getattr(history, name))
        assert getattr(again, name).dtype == np.float64
