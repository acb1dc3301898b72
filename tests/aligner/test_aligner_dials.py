"""Every dial does what it says, and the gain before normalisation does nothing at all."""

from collections.abc import Callable

import numpy as np
import pytest

from mmaudit.aligner import TrainedAligner

Fit = Callable[..., TrainedAligner]


def best_r1(aligner: TrainedAligner) -> float:
    history = aligner.history
    return float((history.r1_xy + history.r1_yx)[aligner.best_epoch - 1] / 2)


@pytest.mark.parametrize("gains", [{"gain_x": 4.0}, {"gain_y": 0.25}, {"gain_x": 1024.0, "gain_y": 2.0}])
def test_a_gain_by_a_power_of_two_is_undone_by_normalisation_bit_for_bit(
    fit: Fit, healthy: TrainedAligner, toy: tuple[np.ndarray, ...], gains: dict[str, float]
) -> None:
    scaled = fit(**gains)
    np.testing.assert_array_equal(scaled.x.theta, healthy.x.theta)
    np.testing.assert_array_equal(scaled.y.theta, healthy.y.theta)
    assert scaled.history.rows() == healthy.history.rows()
    np.testing.assert_array_equal(scaled.encode("image", toy[2]), healthy.encode("image", toy[2]))
    raw = healthy.encode("image", toy[2], serve_raw=True)
    np.testing.assert_array_equal(
        scaled.encode("image", toy[2], serve_raw=True), gains.get("gain_x", 1.0) * raw
    )


def test_any_other_gain_is_undone_to_rounding(
    fit: Fit, healthy: TrainedAligner, toy: tuple[np.ndarray, ...]
) -> None:
    scaled = fit(gain_x=3.0)
    cosine = np.sum(scaled.encode("image", toy[2]) * healthy.encode("image", toy[2]), axis=1)
    assert cosine.min() > 0.9999


@pytest.mark.parametrize("side", ["x", "y"])
def test_a_stopped_gradient_and_a_zero_rate_leave_one_side_where_it_was(fit: Fit, side: str) -> None:
    other = "y" if side == "x" else "x"
    stopped = fit(stop_gradient=side, weight_decay=1.0)
    frozen = fit(**{f"lr_mult_{side}": 0.0}, weight_decay=1.0)
    for aligner in (stopped, frozen):
        state = getattr(aligner, side)
        np.testing.assert_array_equal(state.theta, state.initial)
        assert not getattr(aligner.history, f"movement_{side}").any()
        assert getattr(aligner.history, f"movement_{other}")[-1] > 0.1
    # A detached side reports no gradient; a frozen one is only slow and still has one.
    assert not getattr(stopped.history, f"gradient_norm_{side}").any()
    assert getattr(frozen.history, f"gradient_norm_{side}").all()
    np.testing.assert_array_equal(getattr(stopped, other).theta, getattr(frozen, other).theta)


def test_a_slower_side_moves_less(fit: Fit, healthy: TrainedAligner) -> None:
    slow = fit(lr_mult_y=0.1)
    assert slow.history.movement_y[-1] < healthy.history.movement_y[-1] / 2
    assert slow.history.movement_x[-1] > healthy.history.movement_x[-1] / 2


def test_one_direction_trains_both_encoders(fit: Fit, healthy: TrainedAligner) -> None:
    forth, back = fit(direction="x_to_y"), fit(direction="y_to_x")
    for aligner in (forth, back):
        assert best_r1(aligner) > best_r1(healthy) - 0.15
        assert aligner.history.movement_x[-1] > 0.1
        assert aligner.history.movement_y[-1] > 0.1
    assert np.abs(forth.x.theta - back.x.theta).max() > 1e-3


def test_less_repulsion_draws_everything_together(fit: Fit) -> None:
    cosines = [fit(repulsion=weight, keep="last").history.mean_cosine_x[-1] for weight in (1.0, 0.2, 0.0)]
    assert cosines[0] < 0.1
    assert cosines == sorted(cosines)
    assert cosines[-1] > 0.8


def test_heavy_decay_shrinks_the_rank_and_the_retrieval(fit: Fit, healthy: TrainedAligner) -> None:
    heavy = fit(weight_decay=60.0, keep="last").history
    assert heavy.rankme_x[-1] < healthy.history.rankme_x[-1] / 2
    assert heavy.r1_xy[-1] < healthy.history.r1_xy[-1] / 2


def test_a_shared_bottleneck_caps_the_rank_of_both_sides_in_one_subspace(
    fit: Fit, toy: tuple[np.ndarray, ...]
) -> None:
    narrow = fit(rank_x=5, rank_y=3)
    assert 2 < narrow.history.rankme_x[-1] <= 5 + 1e-3
    assert 2 < narrow.history.rankme_y[-1] <= 3 + 1e-3
    stacked = np.concatenate([narrow.encode("image", toy[2]), narrow.encode("text", toy[3])])
    assert np.linalg.matrix_rank(stacked, tol=1e-3) == 5


def test_larger_initial_weights_have_smaller_gradients(fit: Fit, healthy: TrainedAligner) -> None:
    large = fit(init_gain_x=16.0)
    np.testing.assert_allclose(large.x.initial, 16 * healthy.x.initial, rtol=1e-6)
    np.testing.assert_array_equal(large.y.initial, healthy.y.initial)
    assert large.history.gradient_log_ratio[0] < healthy.history.gradient_log_ratio[0] - 1
    assert best_r1(large) < best_r1(healthy)


def test_hidden_widths_are_set_side_by_side(fit: Fit) -> None:
    uneven = fit(hidden_mult_x=0.25, hidden_mult_y=2.0, epochs=1)
    assert uneven.params["image.w1"].shape == (24, 8)
    assert uneven.params["text.w1"].shape == (18, 64)
    assert uneven.params["text.w2"].shape == (64, 16)


def test_clipping_bounds_the_step_and_not_the_reported_norm(fit: Fit) -> None:
    # A limit far below AdamW's ε freezes training, although the gradient itself is as large as ever.
    clipped = fit(clip=1e-12, epochs=1)
    assert clipped.history.gradient_norm_x[0] > 0.1
    assert clipped.history.movement_x[0] < 1e-4
