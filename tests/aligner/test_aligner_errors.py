"""Bad settings and bad inputs are refused in one line that names the cause."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mmaudit.aligner import (
    PRESETS,
    AlignerSpec,
    TrainedAligner,
    TrainSpec,
    one_step,
    preset,
    train,
)
from mmaudit.errors import InputError, SettingsError

BRIEF = TrainSpec(epochs=1, batch=64)


def with_value(matrix: np.ndarray, value: float) -> np.ndarray:
    spoiled = matrix.copy()
    spoiled[3, 1] = value
    return spoiled


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (AlignerSpec, {"embed_dim": 1}),
        (AlignerSpec, {"embed_dim": 32.0}),
        (AlignerSpec, {"hidden": True}),
        (AlignerSpec, {"leak": 1.0}),
        (AlignerSpec, {"leak": -0.1}),
        (AlignerSpec, {"temperature": 0.0}),
        (AlignerSpec, {"temperature": float("nan")}),
        (AlignerSpec, {"gain_x": 0.0}),
        (AlignerSpec, {"hidden_mult_y": float("inf")}),
        (AlignerSpec, {"init_gain_y": -1.0}),
        (AlignerSpec, {"rank_x": 0}),
        (AlignerSpec, {"rank_y": 33}),
        (TrainSpec, {"epochs": 0}),
        (TrainSpec, {"batch": 3}),
        (TrainSpec, {"lr": "fast"}),
        (TrainSpec, {"lr_mult_x": -1.0}),
        (TrainSpec, {"betas": (0.9, 1.0)}),
        (TrainSpec, {"betas": 0.9}),
        (TrainSpec, {"betas": ("a", "b")}),
        (TrainSpec, {"eps": 0.0}),
        (TrainSpec, {"clip": 0.0}),
        (TrainSpec, {"repulsion": 1.5}),
        (TrainSpec, {"stop_gradient": "image"}),
        (TrainSpec, {"direction": "sideways"}),
        (TrainSpec, {"keep": "worst"}),
        (TrainSpec, {"pair_losses": "yes"}),
        (TrainSpec, {"weight_decay": 400.0}),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(
    kind: Callable[..., object], setting: dict[str, Any]
) -> None:
    (name,) = setting
    with pytest.raises(SettingsError, match=name) as caught:
        kind(**setting)
    assert "\n" not in str(caught.value)


def test_presets_are_the_documented_ones() -> None:
    assert preset("standard") == (AlignerSpec(), TrainSpec())
    aligner, training = preset("chapter")
    assert (aligner.embed_dim, aligner.hidden, aligner.temperature) == (48, 256, 0.07)
    assert (training.epochs, training.batch, training.lr, training.weight_decay) == (45, 160, 2e-3, 8e-5)
    with pytest.raises(SettingsError, match="'chaptre'; give one of standard, chapter"):
        preset("chaptre")
    assert set(PRESETS) == {"standard", "chapter"}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda t: (with_value(t[0], np.nan), *t[1:]), "training image inputs hold NaN .* row 3"),
        (lambda t: (*t[:3], with_value(t[3], np.inf)), "validation text inputs hold NaN or infinity"),
        (lambda t: (with_value(t[0], 1e300), *t[1:]), "training image inputs hold NaN or infinity"),
        (lambda t: (t[0][:300], *t[1:]), "300 training images but 320 training texts"),
        (lambda t: (t[0][:50], t[1][:50], *t[2:]), "50 training pairs do not fill a batch of 64"),
        (lambda t: (*t[:2], t[2][:1], t[3][:1]), "1 validation pair has nothing to be told apart from"),
        (
            lambda t: (t[0], t[1], t[2][:, :5], t[3]),
            "validation image inputs are 5 wide; the encoder takes 24",
        ),
        (lambda t: (t[0][:, 0], *t[1:]), "training image inputs have shape"),
        (lambda t: (t[0], [["a", "b"]] * 320, *t[2:]), "training text inputs have shape .* dtype <U1"),
        (lambda t: (t[0], [[1.0], [1.0, 2.0]], *t[2:]), "training text inputs are no matrix"),
        (lambda t: (t[0][:0], t[1][:0], *t[2:]), "at least one row"),
    ],
)
def test_unusable_data_are_refused_with_their_cause(
    toy: tuple[np.ndarray, ...], change: Callable[..., Any], cause: str
) -> None:
    with pytest.raises(InputError, match=cause) as caught:
        train(*change(toy), training=BRIEF)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", [-1, 0.5])
def test_a_seed_that_is_no_natural_number_is_refused(toy: tuple[np.ndarray, ...], seed: Any) -> None:
    with pytest.raises(SettingsError, match="the seed is"):
        train(*toy, training=BRIEF, seed=seed)


def test_a_diverging_training_is_reported_once_and_without_warnings(toy: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(SettingsError, match=r"diverged in epoch 1: .* lower TrainSpec.lr \(now 1e\+38\)"):
        train(*toy, training=TrainSpec(epochs=2, batch=64, lr=1e38, weight_decay=0.0))


def test_encoding_refuses_an_unknown_modality_and_another_width(
    healthy: TrainedAligner, toy: tuple[np.ndarray, ...]
) -> None:
    with pytest.raises(InputError, match="no modality is called 'audio'; give one of image, text"):
        healthy.encode("audio", toy[2])
    with pytest.raises(InputError, match="text inputs are 24 wide; the encoder takes 18"):
        healthy.encode("text", toy[2])


def test_one_step_refuses_a_batch_that_cannot_be_contrasted(
    healthy: TrainedAligner, toy: tuple[np.ndarray, ...]
) -> None:
    with pytest.raises(InputError, match="1 batch pair has nothing to be told apart from"):
        one_step(healthy, toy[0][:1], toy[1][:1])
    with pytest.raises(InputError, match="4 batch images but 5 batch texts"):
        one_step(healthy, toy[0][:4], toy[1][:5])
