"""Gives the audited subject; ``np.load`` or a model of your own would stand here."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest

from mmaudit.seeds import generator


def pytest_mmaudit_subject(config: pytest.Config) -> Mapping[str, npt.NDArray[np.float64]]:
    """Return 400 embeddings a modality: a shared meaning, and noise of each modality's own."""
    rng = generator(7, "own check")
    meaning = rng.standard_normal((400, 32))
    return {modality: meaning + 0.4 * rng.standard_normal((400, 32)) for modality in ("audio", "text")}
