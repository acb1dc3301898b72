"""A checkpoint is plain safetensors and JSON, and restores an aligner that serves and trains the same."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from safetensors.numpy import load, save

from mmaudit.aligner import TrainedAligner, from_bytes, one_step, to_bytes
from mmaudit.errors import InputError


@pytest.fixture(scope="module")
def aligner(fit: Callable[..., TrainedAligner]) -> TrainedAligner:
    return fit(rank_x=6, stop_gradient="y", pair_losses=True, epochs=2, gain_x=2.0)


def test_a_round_trip_through_json_restores_everything(
    aligner: TrainedAligner, toy: tuple[np.ndarray, ...]
) -> None:
    data, meta = to_bytes(aligner)
    again = from_bytes(data, json.loads(json.dumps(meta, allow_nan=False)))
    assert to_bytes(again) == (data, meta)
    assert (again.spec, again.training, again.seed) == (aligner.spec, aligner.training, aligner.seed)
    assert again.best_epoch == aligner.best_epoch
    np.testing.assert_array_equal(again.history.pair_losses, aligner.history.pair_losses)
    for raw in (False, True):
        served = aligner.encode("image", toy[2], serve_raw=raw)
        np.testing.assert_array_equal(again.encode("image", toy[2], serve_raw=raw), served)
    stepped, expected = (one_step(one, toy[0], toy[1]) for one in (again, aligner))
    np.testing.assert_array_equal(stepped.x.theta, expected.x.theta)


def test_the_file_holds_named_float32_tensors_and_no_metadata(aligner: TrainedAligner) -> None:
    data, _ = to_bytes(aligner)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert "__metadata__" not in header
    assert {entry["dtype"] for entry in header.values()} == {"F32"}
    tensors = load(data)
    for name, tensor in aligner.params.items():
        np.testing.assert_array_equal(tensors[name], tensor)
    for name, tensor in aligner.initial_params.items():
        modality, weight = name.split(".")
        np.testing.assert_array_equal(tensors[f"{modality}.initial.{weight}"], tensor)
    assert tensors["image.directions"].shape == (16, 6)
    assert "text.directions" not in tensors


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda tensors, meta: tensors.pop("text.b2"), "text.b2"),
        (lambda tensors, meta: tensors.pop("image.directions"), "does not fit rank 6"),
        (lambda tensors, meta: tensors.update({"image.b1": np.zeros(3, np.float32)}), "has shapes"),
        (lambda tensors, meta: meta.pop("steps"), "steps"),
        (lambda tensors, meta: meta["aligner"].update(colour="red"), "colour"),
        (lambda tensors, meta: meta["training"].update(lr=-1.0), "lr"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_line(
    aligner: TrainedAligner, damage: Callable[..., object], cause: str
) -> None:
    data, meta = to_bytes(aligner)
    tensors, meta = load(data), json.loads(json.dumps(meta))
    damage(tensors, meta)
    with pytest.raises(InputError, match=cause) as caught:
        from_bytes(save(tensors), meta)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_safetensors_are_refused_in_one_line(aligner: TrainedAligner) -> None:
    with pytest.raises(InputError, match="no checkpoint of the reference aligner") as caught:
        from_bytes(b"not a checkpoint", to_bytes(aligner)[1])
    assert "\n" not in str(caught.value)
