"""A toy world of linear views that a small aligner learns in a few hundredths of a second."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from mmaudit.aligner import AlignerSpec, TrainedAligner, TrainSpec, train
from mmaudit.seeds import generator

FloatArray = npt.NDArray[np.float64]

SMALL = AlignerSpec(embed_dim=16, hidden=32)
BRIEF = TrainSpec(epochs=8, batch=32, lr=0.01)


class Toy(NamedTuple):
    x_train: FloatArray
    y_train: FloatArray
    x_val: FloatArray
    y_val: FloatArray


@pytest.fixture(scope="session")
def toy() -> Toy:
    """6 shared factors seen through two linear maps, with noise: 320 pairs to train, 96 to validate."""
    rng = generator(5, "toy")
    factors = rng.standard_normal((416, 6))
    x = factors @ rng.standard_normal((6, 24)) + 0.8 * rng.standard_normal((416, 24))
    y = factors @ rng.standard_normal((6, 18)) + 0.8 * rng.standard_normal((416, 18))
    return Toy(x[:320], y[:320], x[320:], y[320:])


@pytest.fixture(scope="session")
def fit(toy: Toy) -> Callable[..., TrainedAligner]:
    """Train on the toy world with some settings changed; settings are routed by their names."""
    spec_names = {field.name for field in dataclasses.fields(AlignerSpec)}

    def fit_toy(*, seed: int = 11, **changes: object) -> TrainedAligner:
        spec = {name: value for name, value in changes.items() if name in spec_names}
        training = {name: value for name, value in changes.items() if name not in spec_names}
        return train(
            *toy,
            aligner=dataclasses.replace(SMALL, **spec),  # type: ignore[arg-type]
            training=dataclasses.replace(BRIEF, **training),  # type: ignore[arg-type]
            seed=seed,
        )

    return fit_toy


@pytest.fixture(scope="session")
def healthy(fit: Callable[..., TrainedAligner]) -> TrainedAligner:
    return fit()
