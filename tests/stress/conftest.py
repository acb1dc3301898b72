"""A subject that never errs, cheap to ask, and budgets that a test can afford."""

import functools

import numpy as np
import pytest

from mmaudit.failures.weak_spots import factors_of_pixels, factors_of_tokens
from mmaudit.seeds import generator
from mmaudit.settings import Settings
from mmaudit.subjects import Identity, Subject
from mmaudit.world.spec import FACTORS

WIDTH = 32


@functools.cache
def codes():
    return [generator(1, "codes", name).standard_normal((levels, WIDTH)) for name, levels in FACTORS.items()]


def embedded(table):
    return sum(codes()[i][table[:, i]] for i in range(len(FACTORS)))


@pytest.fixture(scope="session")
def sound() -> Subject:
    """Reads the features of the world without an error."""
    return Subject(
        encoders={
            "image": lambda features: embedded(factors_of_pixels(np.asarray(features)[:, :256])),
            "text": lambda features: embedded(factors_of_tokens(np.asarray(features))),
        },
        identity=Identity(name="sound", adapter="test"),
        view="features",
        batch_size=4096,
    )


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(stress={"worlds": 40})
