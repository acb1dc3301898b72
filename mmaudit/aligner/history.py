"""The training record: one value an epoch for everything that is watched."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["History"]

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """E epochs of training, as float64 arrays of shape (E,) unless said otherwise.

    Validation figures (``r1_*``, ``symmetry_gap``, ``variance_*``, ``mean_cosine_*``, ``effective_rank_*``,
    ``rankme_*``, ``spectrum_*``) belong to the end of the epoch and are the diagnostics of those names. NaN
    marks what is undefined, as a ratio to a side without gradient is.
    """

    train_loss: FloatArray
    """Mean InfoNCE over the training pairs, in nats, each in its batch before that batch's step."""
    r1_xy: FloatArray
    r1_yx: FloatArray
    symmetry_gap: FloatArray
    """``r1_xy − r1_yx``."""
    variance_x: FloatArray
    variance_y: FloatArray
    mean_cosine_x: FloatArray
    mean_cosine_y: FloatArray
    effective_rank_x: FloatArray
    effective_rank_y: FloatArray
    rankme_x: FloatArray
    rankme_y: FloatArray
    spectrum_x: FloatArray
    """(E, at most 8) leading eigenvalues of the covariance."""
    spectrum_y: FloatArray
    gradient_norm_x: FloatArray
    """Mean over the epoch's steps of the encoder's global gradient norm, before clipping."""
    gradient_norm_y: FloatArray
    gradient_log_ratio: FloatArray
    """log(``gradient_norm_x``/``gradient_norm_y``)."""
    movement_x: FloatArray
    """‖θ − θ₀‖/‖θ₀‖ over all parameters of the encoder."""
    movement_y: FloatArray
    pair_losses: FloatArray | None = None
    """(E, n) InfoNCE of every training pair in its batch, in the order of the training data, if recorded."""

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.train_loss)

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary of builtin values an epoch, ``None`` for NaN, without the pair losses."""
        return [
            {"epoch": epoch + 1} | {name: _builtin(getattr(self, name)[epoch].tolist()) for name in _COLUMNS}
            for epoch in range(len(self))
        ]

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]], pair_losses: FloatArray | None = None) -> "History":
        """Rebuild a history from :meth:`rows`."""
        # As float64, None becomes NaN.
        columns = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in _COLUMNS}
        return cls(**columns, pair_losses=pair_losses)


_COLUMNS = tuple(field.name for field in dataclasses.fields(History) if field.name != "pair_losses")


def _builtin(value: Any) -> Any:
    if isinstance(value, list):
        return [_builtin(part) for part in value]
    return value if math.isfinite(value) else None
