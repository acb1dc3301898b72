"""The declaration of one check: a question, how it is measured, its limit, and the damage it must catch."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from mmaudit.gates.case import Case
from mmaudit.gates.outcome import Limit
from mmaudit.measurement import Measurement

__all__ = ["ACCESS", "Check", "Damage"]

ACCESS = {
    "inner product": (
        "embeddings",
        "a subject compared by inner product; this one is compared by cosine, which ignores norms",
    ),
    "encoder": ("inputs", "an encoder to run again; this subject is a table of given embeddings"),
    "numeric inputs": ("inputs", "inputs that are arrays of numbers; text is not compared as it stands"),
    "renderer": ("inputs", "items that can be rendered again; give the pairs a renderer"),
    "nuisance": ("metadata", "a nuisance column (watermark, source, template …); name one in the pairs"),
    "columns": (
        "metadata",
        "columns to scan: metadata, or inputs that are pictures, captions or files",
    ),
    "pictures": ("inputs", "an encoder to run again, on inputs that are pictures"),
    "captions": ("inputs", "an encoder to run again, on inputs that are captions"),
    "slices": ("metadata", "a column that cuts the items into slices of 30 or more; name one in the pairs"),
    "splits": ("splits", "two or more splits of the data; name each pair's in the pairs"),
    "claimed": (
        "claimed pairs",
        "pairs merely claimed, and every pair is trusted; leave those untrusted that are to be audited",
    ),
    "trusted": (
        "trusted pairs",
        "both pairs known to be right and pairs merely claimed; mark some as trusted",
    ),
    "factors": ("labels", "labels of what the items mean; name factor columns in the pairs"),
    "gradients": (
        "gradients",
        "gradients by modality: a PyTorch model given as such, or its training history; of the embeddings "
        "alone embedding_gradient_ratio sees the pull, and neither depth nor frozen weights",
    ),
    "movements": (
        "gradients",
        "the weights before training: a PyTorch model and --mmaudit-checkpoint-before, or its training "
        "history",
    ),
    "training": ("gradients", "the training history by modality, which only the trainer of a model has"),
}
"""What a check may need beyond embeddings and claimed pairs: its access level, and what is lacking."""


@dataclasses.dataclass(frozen=True)
class Damage:
    """A positive control: ``plant(case, severity, rng)`` returns the case with the damage done."""

    name: str
    plant: Callable[[Case, float, np.random.Generator], Case]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """One row of the catalogue.

    ``measure`` returns one measurement, or several that must all keep to the limit. ``limit`` is the field
    limit, ``None`` for a notice; ``reference_limit`` replaces it for the reference aligner in the standard
    world. A check with a limit has a ``damage`` that makes it reject.
    """

    name: str
    failure: str
    question: str
    measure: Callable[[Case], Sequence[Measurement]]
    needs: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ("smoke", "ci", "full")
    limit: Limit | None = None
    reference_limit: Limit | None = None
    damage: Damage | None = None

    @property
    def access(self) -> tuple[str, ...]:
        """The access levels the check needs."""
        levels = (ACCESS[need][0] for need in self.needs)
        return tuple(dict.fromkeys(("embeddings", "claimed pairs", *levels)))
