"""Two models of the same items, and bundles of small audits of them."""

import numpy as np
import pytest

from mmaudit.auditing import audit
from mmaudit.embeddings import Embeddings
from mmaudit.settings import Settings


def with_noise(amount, seed, base=None, n=200):
    """Return embeddings of the items of ``base`` (default: of one model) with noise of that size added."""
    if base is None:
        z = np.random.default_rng(1).standard_normal((n, 12))
        base = Embeddings(z, z)
    rng = np.random.default_rng(seed)
    return Embeddings(*(side + amount * rng.standard_normal(side.shape) for side in (base.x, base.y)))


@pytest.fixture(scope="session")
def noisy():
    return with_noise


@pytest.fixture(scope="session")
def model():
    return with_noise(0.6, 2)


@pytest.fixture(scope="session")
def worse(model):
    return with_noise(0.6, 3, model)


@pytest.fixture(scope="session")
def bundles(model, worse, tmp_path_factory):
    """Written bundles: a model, the same again, and the model with noise."""
    settings = Settings(profile="smoke")
    served = {"good": model, "again": model, "worse": worse}
    return {
        name: audit((e.x, e.y), settings=settings).write(tmp_path_factory.mktemp(name))
        for name, e in served.items()
    }
