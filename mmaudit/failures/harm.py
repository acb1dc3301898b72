"""The harm a planted failure did: retrieval lost against the healthy twin of the same seed."""

import dataclasses

from mmaudit.diagnostics import Ranks, counterfactual_drop, ranks
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.failures.recipe import Planted
from mmaudit.measurement import Measurement
from mmaudit.pairs import Pairs
from mmaudit.seeds import derived_seed
from mmaudit.subjects.encode import encode

__all__ = ["clean_ranks", "harm", "removed_ranks"]

REDRAWS = 4


def clean_ranks(planted: Planted) -> Ranks:
    """Rank the test pairs, which are right and were not trained on, nuisance and all."""
    return _ranks(planted, planted.world.pairs("test"))


def removed_ranks(planted: Planted) -> tuple[Ranks, ...]:
    """Rank the test pairs after their nuisance codes were drawn anew, once for each of several draws."""
    renderer = planted.world.pairs("test").renderer
    if renderer is None:
        raise InputError("the test pairs cannot be rendered again; build them from a world")
    seeds = (derived_seed(planted.seed, "harm", draw) for draw in range(REDRAWS))
    return tuple(_ranks(planted, renderer.redrawn(seed)) for seed in seeds)


def harm(planted: Planted, twin: Planted) -> Measurement:
    """Measure the r@1 lost against ``twin``: mean of both directions, paired by test pair.

    Where the codes of the two modalities agree, what they carry is taken away first: a shortcut adds to raw
    retrieval. Raises :class:`~mmaudit.errors.InputError` when the two were not trained under one seed.
    """
    if planted.seed != twin.seed:
        raise InputError(
            f"the planted model has seed {planted.seed}, its twin {twin.seed}; train both under one"
        )
    confounder = planted.world.spec.confounder
    shortcut = confounder is not None and confounder.agreement > 0
    after = removed_ranks(planted) if shortcut else (clean_ranks(planted),)
    lost = counterfactual_drop(clean_ranks(twin), after)
    return dataclasses.replace(lost, name="harm after removal" if shortcut else "harm")


def _ranks(planted: Planted, pairs: Pairs) -> Ranks:
    subject = planted.subject
    x, y = (encode(subject, m, pairs.inputs[m]) for m in subject.modalities)
    return ranks(Embeddings(x, y, subject.modalities, subject.similarity), pairs.groups)
