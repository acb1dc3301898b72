"""What is audited: two encoders, how their outputs are compared, and who they are."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from mmaudit.embeddings import Similarity
from mmaudit.errors import SubjectError

__all__ = ["Encoder", "Identity", "Subject", "Training", "TrainingFault", "View"]

FloatArray = npt.NDArray[np.float64]

Encoder = Callable[[Sequence[Any]], npt.ArrayLike]
"""Takes m inputs of one modality, returns (m, d) real numbers, row i for input i."""

View = Literal["pictures", "features"]

TrainingFault = Literal["passenger", "heavy start"]
"""``passenger``: a ``severity`` share of the learning rate is taken away. ``heavy start``: the initial
weights are ``16 ** severity`` times as large."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the subject is, for the evidence. ``adapter`` is the path :func:`as_subject` took.

    ``weights_sha256`` is ``None`` where the weights cannot be seen; ``prompts`` are the templates put around
    an input before it is encoded.
    """

    name: str
    adapter: str
    weights_sha256: str | None = None
    prompts: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the identity as exact builtin types; prompts go to the prompts log, not here."""
        return {"name": self.name, "adapter": self.adapter, "weights_sha256": self.weights_sha256}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """What only the trainer of a model knows. Pairs of arrays (epochs,) are for the first, second modality.

    ``gradient_norms``: mean L2 norm of each encoder's gradient; ``movements``: relative distance of its
    weights from where they began. ``history`` has one row of builtin values an epoch. ``influence``:
    expected r@1 hits (n,) on the validation pairs before a step, after a clean step, and after a step on
    mispaired items. ``observed`` says how a finished model was observed instead, with no training: then the
    norms are of independent batches (batches,), and the movements (1,) since a checkpoint, if there was one.
    """

    gradient_norms: tuple[FloatArray, FloatArray]
    temperature: float
    movements: tuple[FloatArray, FloatArray] | None = None
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    weights: Mapping[str, npt.NDArray[np.float32]] = dataclasses.field(default_factory=dict)
    influence: tuple[FloatArray, FloatArray, FloatArray] | None = None
    observed: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """Two encoders into one space.

    ``encoders`` maps each of two modality names to an :data:`Encoder`. ``view`` is the view of the built-in
    world the encoders read: ``pictures`` (uint8 RGB arrays (side, side, 3) and English sentences) or
    ``features`` (float32 rows). ``items`` is the number of rows where the embeddings were given, not
    computed: row i is pair i whatever the pairs' inputs, nothing can be encoded again, and whatever needs
    that is not evidenced. ``fingerprint`` identifies all that an embedding depends on but its input, so that
    embeddings may be kept from run to run; ``None`` where it cannot be told. ``retrain(fault, severity)``
    trains the subject again with a :data:`TrainingFault` in its second encoder, severity in [0, 1]. Raises
    :class:`SubjectError` on other than two modalities and on a comparison, view or batch size that does not
    exist.
    """

    encoders: Mapping[str, Encoder]
    identity: Identity
    similarity: Similarity = "cosine"
    view: View = "pictures"
    items: int | None = None
    batch_size: int = 256
    fingerprint: str | None = None
    training: Training | None = None
    retrain: Callable[[TrainingFault, float], "Subject"] | None = None

    def __post_init__(self) -> None:
        """Refuse what could only fail later, in the middle of an audit."""
        if len(self.encoders) != 2:
            raise SubjectError(f"a subject has exactly two modalities, got {sorted(self.encoders) or 'none'}")
        for label, value, known in (
            ("similarity", self.similarity, get_args(Similarity)),
            ("view", self.view, get_args(View)),
        ):
            if value not in known:
                raise SubjectError(f"the subject's {label} is {value!r}; expected {' or '.join(known)}")
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise SubjectError(
                f"the subject's batch size is {self.batch_size!r}; expected a whole number above 0"
            )

    @property
    def modalities(self) -> tuple[str, str]:
        """The two modality names, in order."""
        first, second = self.encoders
        return first, second
