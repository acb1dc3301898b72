"""Encoders that know nothing. An evaluator that accepts one of them is broken; several well-known ones do.

Each name in :data:`NULL_ENCODERS` is a factory: with no argument it returns a subject for the built-in
world, so that ``--mmaudit-subject mmaudit.failures.nulls:constant`` runs; with modality names it returns one
for other data.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.seeds import generator
from mmaudit.subjects.reference import reference_subject
from mmaudit.subjects.subject import Encoder, Identity, Subject

__all__ = [
    "NULL_ENCODERS",
    "constant",
    "index_leak",
    "nan",
    "null_encoder",
    "permuted_pairs",
    "random",
    "zero",
]

WIDTH = 32
Modalities = tuple[str, str]
DEFAULT: Modalities = ("image", "text")


def _subject(name: str, encoders: Sequence[Encoder], modalities: Modalities) -> Subject:
    return Subject(
        encoders=dict(zip(modalities, encoders, strict=True)),
        identity=Identity(name=f"null encoder: {name}", adapter="null encoder"),
    )


def _filled(value: float) -> Encoder:
    def encoder(inputs: Sequence[Any]) -> npt.ArrayLike:
        return np.full((len(inputs), WIDTH), value, dtype=np.float32)

    return encoder


def constant(modalities: Modalities = DEFAULT) -> Subject:
    """Every item gets the same vector: all similarities tie."""
    return _subject("constant", [_filled(1.0)] * 2, modalities)


def nan(modalities: Modalities = DEFAULT) -> Subject:
    """Every number is NaN: no comparison is true, so counting better candidates finds none."""
    return _subject("nan", [_filled(float("nan"))] * 2, modalities)


def zero(modalities: Modalities = DEFAULT) -> Subject:
    """Every vector is zero: it has no direction."""
    return _subject("zero", [_filled(0.0)] * 2, modalities)


def random(modalities: Modalities = DEFAULT) -> Subject:
    """Independent Gaussian vectors, drawn anew at every call: reproducible in no sense of the word."""

    def noise(modality: str) -> Encoder:
        rng = generator(0, "null encoder", "random", modality)

        def encoder(inputs: Sequence[Any]) -> npt.ArrayLike:
            return rng.standard_normal((len(inputs), WIDTH), dtype=np.float32)

        return encoder

    return _subject("random", [noise(m) for m in modalities], modalities)


def index_leak(modalities: Modalities = DEFAULT) -> Subject:
    """The vector is a code of the item's position in the call: perfect retrieval without looking."""

    def encoder(inputs: Sequence[Any]) -> npt.ArrayLike:
        return generator(0, "null encoder", "index leak").standard_normal(
            (len(inputs), WIDTH), dtype=np.float32
        )

    return _subject("index_leak", [encoder] * 2, modalities)


def permuted_pairs(modalities: Modalities = DEFAULT, base: Subject | None = None) -> Subject:
    """Good vectors handed to the wrong items: the second side of ``base`` rolled by one in every call.

    ``base=None`` is the reference aligner.
    """
    good = base or reference_subject()
    first, second = (good.encoders[m] for m in good.modalities)

    def rolled(inputs: Sequence[Any]) -> npt.ArrayLike:
        return np.roll(np.asarray(second(inputs)), 1, axis=0)

    permuted = _subject("permuted_pairs", [first, rolled], good.modalities if base else modalities)
    return dataclasses.replace(permuted, view=good.view, similarity=good.similarity)


_FACTORIES: dict[str, Callable[[Modalities], Subject]] = {
    "constant": constant,
    "nan": nan,
    "zero": zero,
    "random": random,
    "permuted_pairs": permuted_pairs,
    "index_leak": index_leak,
}
NULL_ENCODERS: tuple[str, ...] = tuple(_FACTORIES)


def null_encoder(name: str, base: Subject) -> Subject:
    """Return the null encoder called ``name`` with the modalities of ``base`` (which it may permute)."""
    if name == "permuted_pairs":
        return permuted_pairs(base=base)
    return _FACTORIES[name](base.modalities)
