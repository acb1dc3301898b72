"""The catalogue: every check is declared here, once. The plugin, :func:`mmaudit.audit` and the docs read it.

A limit is a *field* limit unless a *reference* limit stands beside it. Field limits hold for any encoder:
they rest on an invariant, on distinguishability or on harm, never on what one family of models looks like.
A check without a limit is a notice, until the user sets one.
"""

import dataclasses
import difflib
import math
from collections.abc import Callable

import numpy as np

from mmaudit import diagnostics as d
from mmaudit.diagnostics.idle import ITEMS
from mmaudit.diagnostics.principal import Principal
from mmaudit.errors import InputError, SettingsError
from mmaudit.gates import controls, reference_limits
from mmaudit.gates.case import Case
from mmaudit.gates.check import Check
from mmaudit.gates.data_checks import DATA_CHECKS
from mmaudit.gates.edit_checks import EDIT_CHECKS
from mmaudit.gates.outcome import Limit
from mmaudit.gates.per_bit import per_bit
from mmaudit.inference import exact
from mmaudit.measurement import Measurement
from mmaudit.pairs import IntArray
from mmaudit.subjects.encode import largest_change, violations

__all__ = ["CHECKS", "check_named"]

ENOUGH_TO_LOSE = 0.3
"""Recall below which a gap of 0.1 between the directions could hardly show; a deeper one is compared then."""

Measured = list[Measurement]

TAIL_TRUSTED = 200
"""Trusted pairs, each of another relevance group, that place their own 99 % quantile: a healthy subject's
share beyond it exceeds 5 % once in 2500 times (the share is Beta(2, 199) distributed), and with 99 of them
once in 160."""


def _contract(case: Case) -> Measured:
    found = violations(case.x, case.y, case.modalities, case.similarity)
    return [
        exact(
            "contract violations",
            float(len(found)),
            len(case.x),
            method="count over all served rows: finite, not zero, of one width",
            unit="violations",
            direction="lower is better",
            notes=tuple(found),
        )
    ]


def _consistency(case: Case) -> Measured:
    return [
        exact(
            f"largest relative change of an embedding {again.how}",
            max(largest_change(case.x[again.rows], again.x), largest_change(case.y[again.rows], again.y)),
            len(again.rows),
            method="items encoded a second time, both modalities",
            unit="of the larger norm",
            direction="lower is better",
        )
        for again in case.again
    ]


def _per_side(diagnostic: Callable[..., Measurement]) -> Callable[[Case], Measured]:
    return lambda case: list(d.per_side(diagnostic, case.embeddings, clusters=case.groups))


def _rank_per_bit(case: Case) -> Measured:
    groups = len(case.x) if case.groups is None else len(np.unique(case.groups))
    return [per_bit(m, groups) for m in _per_side(d.effective_rank)(case)]


def _symmetry_gap(case: Case) -> Measured:
    """The gap at the least depth at which retrieval succeeds often enough to have something to lose."""
    depths = (1, 5, 10)
    k = next(
        (k for k in depths if float(case.ranks.mean_hits(k).sum()) >= ENOUGH_TO_LOSE * len(case.x)),
        depths[-1],
    )
    return [d.symmetry_gap(case.ranks, k)]


def _directions(case: Case) -> tuple[Principal, Principal] | None:
    """The directions that several checks ask for; those of many items would fill the memory for as long."""
    return case.directions if 0 < len(case.x) <= ITEMS else None


def _idle(case: Case) -> Measured:
    return [d.idle_dimensions(case.embeddings, case.groups, directions=_directions(case))]


def _ridge_cca(case: Case) -> Measured:
    return [d.ridge_cca(case.embeddings, case.groups, directions=_directions(case))]


def _twins(case: Case) -> Measured:
    assert case.twins is not None
    return [d.twin_accuracy(case.twins.x, case.twins.y, case.twin_size, case.similarity)]


def _twin_agreement(case: Case) -> Measured:
    assert case.twins is not None
    return [d.twin_agreement(case.twins.x, case.twins.y, case.twin_size, case.similarity)]


def _twin_variance(case: Case) -> Measured:
    twins = case.twins
    assert twins is not None
    return [
        d.twin_variance(z, case.twin_size, modality=m)
        for m, z in zip(case.modalities, twins.scored, strict=True)
    ]


def _input_similarity(side: int) -> Callable[[Case], Measured]:
    def measure(case: Case) -> Measured:
        assert case.inputs is not None
        modality, z = case.modalities[side], case.embeddings.scored[side]
        if modality not in case.inputs.columns:
            raise InputError(f"the {modality} inputs are no arrays of numbers")
        rows, column = case.inputs.rows, case.inputs.columns[modality]
        clusters = None if case.groups is None else case.groups[rows]
        return [d.input_similarity(column, z[rows], modality=modality, clusters=clusters)]

    return measure


def _counterfactual(case: Case) -> Measured:
    return [d.counterfactual_drop(case.ranks, [d.ranks(drawn, case.groups) for drawn in case.redrawn])]


def _placebo(case: Case) -> Measured:
    """The drop from one redraw to the others: the nuisance was independent before and is so after."""
    first, *others = (d.ranks(drawn, case.groups) for drawn in case.redrawn)
    if not others:
        raise InputError("one redraw has no other to be compared with")
    return [dataclasses.replace(d.counterfactual_drop(first, others), name="placebo_drop")]


def _blind(case: Case) -> Measured:
    return [
        dataclasses.replace(m, name=f"{m.name} ({column})")
        for column, codes in case.nuisance.items()
        for m in [d.blind_baseline(codes, case.groups)]
    ]


def _matched_negatives(case: Case) -> Measured:
    return [
        dataclasses.replace(m, name=f"{m.name} ({column})")
        for column, codes in case.nuisance.items()
        for m in [d.matched_negative_drop(case.embeddings, codes, case.groups)]
    ]


def _tail(case: Case) -> Measured:
    assert case.trusted is not None
    known, kind = int(case.trusted.sum()), "trusted pairs"
    if case.groups is not None and (groups := len(np.unique(case.groups[case.trusted]))) < known:
        known, kind = groups, "relevance groups of trusted pairs"
    if known < TAIL_TRUSTED:
        raise InputError(f"{known} {kind} cannot place a 99 % quantile; trust {TAIL_TRUSTED} or more")
    return [d.tail_excess(case.pair_losses, case.trusted, case.groups)]


def _exchangeability(case: Case) -> Measured:
    assert case.trusted is not None
    return [d.exchangeability(case.mismatch_scores, case.trusted, case.groups)]


def _gradients(case: Case) -> Measured:
    assert case.training is not None
    norms, observed = case.training.gradient_norms, case.training.observed
    return [d.gradient_ratio(*norms) if observed is None else d.batch_gradient_ratio(*norms, observed)]


def _movement(case: Case) -> Measured:
    assert case.training is not None
    if case.training.movements is None:
        raise InputError("the weights before training are not known")
    measured = d.movement_ratio(*case.training.movements)
    if case.training.observed is not None:
        method = "log ratio of relative movements between two checkpoints"
        measured = dataclasses.replace(measured, method=method, notes=(case.training.observed,))
    return [measured]


def _influence(case: Case) -> Measured:
    assert case.training is not None
    if case.training.influence is None:
        raise InputError("the training holds no retrieval hits around a single step")
    return list(d.one_step_influence(*case.training.influence))


def _labels(case: Case) -> dict[str, IntArray]:
    return {**case.factors, **case.nuisance}


def _factor_information(case: Case) -> Measured:
    x, _ = case.embeddings.scored
    modality = case.modalities[0]
    return [
        d.v_information(x, codes, case.groups, modality=modality, factor_name=name)
        for name, codes in _labels(case).items()
    ]


def _binned_information(case: Case) -> Measured:
    x, _ = case.embeddings.scored
    modality = case.modalities[0]
    return [
        m
        for name, codes in _labels(case).items()
        for m in d.mi_proxy(x, codes, case.groups, modality=modality, factor_name=name)
    ]


def _field(rationale: str, low: float | None = None, high: float | None = None) -> Limit:
    return Limit(low=low, high=high, kind="field", rationale=rationale)


_LATER = ("ci", "full")

CHECKS: tuple[Check, ...] = (
    Check(
        name="contract",
        failure="integrity",
        question="Is every served row an embedding: finite, not zero, one row an item, one width?",
        measure=_contract,
        limit=_field("invariant: no similarity is defined on NaN, infinity, zero or unequal widths", high=0),
        damage=controls.NAN_ROWS,
    ),
    Check(
        name="consistency",
        failure="integrity",
        question="Does an item get the same embedding again, in another order and in another batch size?",
        measure=_consistency,
        needs=("encoder",),
        limit=_field(
            "invariant: an embedding is a function of its item; 1 % leaves room for half-precision "
            "arithmetic, whose rounding is 0.4 % (bfloat16), none for an item's position or its neighbours",
            high=0.01,
        ),
        damage=controls.LEAKED_POSITION,
    ),
    Check(
        name="pair_discrimination",
        failure="alignment",
        question="Does a pair score higher than a random non-pair?",
        measure=lambda case: [d.pair_discrimination(case.ranks)],
        limit=_field("distinguishability: half-way from chance (0.5) to certainty (1)", low=0.75),
        damage=controls.NOISE,
    ),
    Check(
        name="recall_at_1",
        failure="alignment",
        question="How often is the pair the first answer (mean of both directions)?",
        measure=lambda case: [d.mean_recall(case.ranks, 1)],
        damage=controls.NOISE,
    ),
    Check(
        name="recall_at_5",
        failure="alignment",
        question="How often is the pair among the first five (mean of both directions)?",
        measure=lambda case: [d.mean_recall(case.ranks, 5)],
        damage=controls.NOISE,
    ),
    Check(
        name="recall_at_10",
        failure="alignment",
        question="How often is the pair among the first ten (mean of both directions)?",
        measure=lambda case: [d.mean_recall(case.ranks, 10)],
        damage=controls.NOISE,
    ),
    Check(
        name="mean_reciprocal_rank",
        failure="alignment",
        question="What is the mean reciprocal rank of the pair, each direction?",
        measure=lambda case: [d.mrr(case.ranks, "forward"), d.mrr(case.ranks, "backward")],
        damage=controls.NOISE,
    ),
    Check(
        name="median_rank",
        failure="alignment",
        question="What is the median rank of the pair, each direction?",
        measure=lambda case: [d.median_rank(case.ranks, "forward"), d.median_rank(case.ranks, "backward")],
        damage=controls.NOISE,
    ),
    Check(
        name="canonical_correlations",
        failure="alignment",
        question="How strongly are the two modalities correlated on held-out pairs?",
        measure=lambda case: [d.canonical_correlations(case.embeddings, case.groups)],
        profiles=_LATER,
        damage=controls.NOISE,
    ),
    Check(
        name="ridge_cca",
        failure="alignment",
        question="What does the chapter's in-sample correlation proxy read, beside its permutation null?",
        measure=_ridge_cca,
        profiles=_LATER,
        damage=controls.NOISE,
    ),
    Check(
        name="linear_cka",
        failure="alignment",
        question="How similar are the two modalities' similarity structures (debiased linear CKA)?",
        measure=lambda case: [d.linear_cka(case.embeddings, clusters=case.groups)],
        profiles=_LATER,
        damage=controls.NOISE,
    ),
    Check(
        name="factor_information",
        failure="alignment",
        question="How much usable information about each label does the first modality's embedding hold?",
        measure=_factor_information,
        needs=("factors",),
        profiles=_LATER,
    ),
    Check(
        name="binned_information",
        failure="alignment",
        question="What does the chapter's mutual-information proxy read, beside its permutation null?",
        measure=_binned_information,
        needs=("factors",),
        profiles=_LATER,
    ),
    Check(
        name="one_step_influence",
        failure="alignment",
        question="How much retrieval does one training step on mispaired items cost?",
        measure=_influence,
        needs=("training",),
        profiles=_LATER,
    ),
    Check(
        name="symmetry_gap",
        failure="dominance",
        question="Does retrieval work as well in one direction as in the other?",
        measure=_symmetry_gap,
        limit=_field("harm: one query in ten succeeds in one direction only", low=-0.1, high=0.1),
        damage=controls.BIAS,
    ),
    Check(
        name="norm_leak",
        failure="dominance",
        question="Do the norms of one modality vary more than the other's, where norms count?",
        measure=lambda case: [d.norm_leak(case.embeddings, clusters=case.groups)],
        needs=("inner product",),
        limit=_field("invariant: a normalised side has no spread of norms at all", low=-0.02, high=0.02),
        damage=controls.NORMS,
    ),
    Check(
        name="rank_asymmetry",
        failure="dominance",
        question="Do both modalities use as many effective dimensions?",
        measure=lambda case: [d.rank_asymmetry(case.embeddings, clusters=case.groups)],
        limit=_field(
            "distinguishability: one modality may use at most twice the effective dimensions of the other "
            "(log 2)",
            low=-math.log(2),
            high=math.log(2),
        ),
        reference_limit=reference_limits.RANK_ASYMMETRY,
        damage=controls.ONE_SIDE_CUT,
    ),
    Check(
        name="twin_variance",
        failure="dominance",
        question="How much of each modality's variance is noise and nuisance rather than meaning?",
        measure=_twin_variance,
        needs=("renderer",),
        profiles=_LATER,
        reference_limit=reference_limits.TWIN_VARIANCE,
        damage=controls.NOISY_TWINS,
    ),
    *(
        Check(
            name=f"{ordinal}_input_similarity",
            failure="dominance",
            question=f"Is the {ordinal} modality's space still that of its raw inputs, as before learning?",
            measure=_input_similarity(side),
            needs=("numeric inputs",),
            profiles=_LATER,
            reference_limit=limit,
            damage=controls.MIXED_WITH_INPUTS[side],
        )
        for side, (ordinal, limit) in enumerate(
            (
                ("first", reference_limits.IMAGE_INPUT_SIMILARITY),
                ("second", reference_limits.TEXT_INPUT_SIMILARITY),
            )
        )
    ),
    Check(
        name="embedding_gradient_ratio",
        failure="dominance",
        question="Which modality does the loss pull harder, in embedding space?",
        measure=lambda case: [d.embedding_gradient_ratio(case.some_embeddings)],
        profiles=_LATER,
    ),
    Check(
        name="gradient_ratio",
        failure="dominance",
        question="Do both encoders receive gradients of like size in training?",
        measure=_gradients,
        needs=("gradients",),
        profiles=_LATER,
        reference_limit=reference_limits.GRADIENT_RATIO,
        damage=controls.HEAVY_START,
    ),
    Check(
        name="movement_ratio",
        failure="dominance",
        question="Did both encoders learn, or did one ride as a passenger?",
        measure=_movement,
        needs=("movements",),
        profiles=_LATER,
        reference_limit=reference_limits.MOVEMENT_RATIO,
        damage=controls.PASSENGER,
    ),
    Check(
        name="twin_accuracy",
        failure="shortcut",
        question="Among items that mean the same, is the partner found by something else than meaning?",
        measure=_twins,
        needs=("renderer",),
        profiles=_LATER,
        limit=_field(
            "invariant: items of identical meaning are told apart at chance, exactly 1/4; harm: two in a "
            "hundred more are matched on something else",
            high=0.27,
        ),
        damage=controls.MARKED_TWINS,
    ),
    Check(
        name="twin_agreement",
        failure="shortcut",
        question="How far do the similarities of items that mean the same follow who belongs to whom?",
        measure=_twin_agreement,
        needs=("renderer",),
        profiles=_LATER,
    ),
    Check(
        name="counterfactual_drop",
        failure="shortcut",
        question="How much retrieval is lost when the known nuisance is drawn anew?",
        measure=_counterfactual,
        needs=("renderer", "nuisance"),
        profiles=_LATER,
        limit=_field("harm: one query in twenty is answered by the nuisance", high=0.05),
        damage=controls.MARKED_UNTIL_REDRAWN,
    ),
    Check(
        name="placebo_drop",
        failure="shortcut",
        question="What does the counterfactual read when an independent nuisance is drawn anew?",
        measure=_placebo,
        needs=("renderer", "nuisance"),
        profiles=_LATER,
    ),
    Check(
        name="blind_baseline",
        failure="shortcut",
        question="How much retrieval would the known nuisance reach alone?",
        measure=_blind,
        needs=("nuisance",),
    ),
    Check(
        name="matched_negative_drop",
        failure="shortcut",
        question="How much harder is retrieval among candidates that share the nuisance value?",
        measure=_matched_negatives,
        needs=("nuisance",),
        limit=_field("harm: one query in twenty is answered by ruling out other nuisance values", high=0.05),
        damage=controls.OVERWRITTEN,
    ),
    Check(
        name="mispairing_rate",
        failure="corruption",
        question="What share of the claimed pairs belongs to somebody else?",
        measure=lambda case: [d.mispairing_rate(case.cross_fitted_ranks, case.trusted)],
        needs=("claimed",),
        limit=_field("harm: one claimed pair in twenty is wrong", high=0.05),
        damage=controls.SWAPPED,
    ),
    Check(
        name="tail_excess",
        failure="corruption",
        question="Do claimed pairs have worse losses than pairs known to be right?",
        measure=_tail,
        needs=("trusted",),
        limit=_field(
            "harm: one claimed pair in twenty is worse than 99 % of the trusted ones, where one in a hundred "
            "is expected",
            high=0.05,
        ),
        damage=controls.SWAPPED,
    ),
    Check(
        name="exchangeability",
        failure="corruption",
        question="How probable are so many odd pairs if the claimed ones are like the trusted ones?",
        measure=_exchangeability,
        needs=("trusted",),
        reference_limit=reference_limits.EXCHANGEABILITY,
        damage=controls.SWAPPED,
    ),
    Check(
        name="separation",
        failure="collapse",
        question="Are different items of one modality still apart?",
        measure=_per_side(d.separation),
        limit=_field(
            "distinguishability: a mean cosine above 0.95 between different items leaves one twentieth of "
            "the scale to tell them apart; cones of 0.5 to 0.9, common in healthy models, pass",
            low=0.05,
        ),
        damage=controls.SHRUNK,
    ),
    Check(
        name="effective_rank",
        failure="collapse",
        question="Does each modality span enough dimensions to tell its meanings apart?",
        measure=_rank_per_bit,
        limit=_field(
            "distinguishability: n meanings need log2 n bits; below half a dimension a bit, every direction "
            "would have to carry a four-level code",
            low=0.5,
        ),
        damage=controls.BOTH_SIDES_CUT,
    ),
    Check(
        name="idle_dimensions",
        failure="collapse",
        question="Where directions lie idle, is retrieval short of dimensions?",
        measure=_idle,
        limit=_field(
            "harm: one query in a hundred would be answered if the directions that lie idle were used",
            high=0.01,
        ),
        damage=controls.BOTH_SIDES_CUT,
    ),
    Check(
        name="rankme",
        failure="collapse",
        question="How many dimensions does each modality use (RankMe, uncentred)?",
        measure=_per_side(d.rankme),
        reference_limit=reference_limits.RANKME,
        damage=controls.BOTH_SIDES_CUT,
    ),
    Check(
        name="mean_cosine",
        failure="collapse",
        question="Do the items of each modality crowd into a cone?",
        measure=_per_side(d.mean_cosine),
        reference_limit=reference_limits.MEAN_COSINE,
        damage=controls.SHRUNK,
    ),
    Check(
        name="modality_gap",
        failure="collapse",
        question="How far apart are the centres of the two modalities?",
        measure=lambda case: [d.modality_gap(case.embeddings, clusters=case.groups)],
    ),
    Check(
        name="alpha_req",
        failure="collapse",
        question="How fast does the spectrum of each modality decay?",
        measure=_per_side(d.alpha_req),
    ),
    Check(
        name="uniformity",
        failure="collapse",
        question="How uniformly does each modality fill the sphere?",
        measure=lambda case: list(d.per_side(d.uniformity, case.some_embeddings)),
    ),
    Check(
        name="alignment",
        failure="collapse",
        question="How far apart are the two sides of a pair?",
        measure=lambda case: [d.alignment(case.embeddings, clusters=case.groups)],
        damage=controls.NOISE,
    ),
    Check(
        name="hubness",
        failure="collapse",
        question="Do a few items of one modality answer most queries?",
        measure=lambda case: list(d.hubness(case.embeddings, counts=case.neighbours)),
    ),
    *DATA_CHECKS,
    *EDIT_CHECKS,
)

_BY_NAME = {check.name: check for check in CHECKS}


def check_named(name: str) -> Check:
    """Return the check called ``name``; raises :class:`SettingsError` with the nearest name."""
    if name not in _BY_NAME:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        raise SettingsError(f"no check is called {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return _BY_NAME[name]
