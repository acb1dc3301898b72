"""Failures planted where they arise, in the world or in training, and odd variants that do no harm."""

import dataclasses
import functools

import pytest

from mmaudit.aligner import preset, train
from mmaudit.failures import HEALTHY
from mmaudit.failures import train as plant
from mmaudit.gates import CHECKS, Auditor, Verdict, check_named
from mmaudit.settings import Settings
from mmaudit.subjects.reference import subject_of
from mmaudit.world import build
from mmaudit.world import preset as world_preset

STANDARD = world_preset("standard")
LACKING = {"inner product", "columns", "splits", "pictures", "captions"}
GATES = [c.name for c in CHECKS if c.limit is not None and not LACKING & set(c.needs)]


@functools.cache
def audited(mechanism):
    dials = MECHANISMS.get(mechanism) or BENIGN[mechanism]
    world = build(dataclasses.replace(STANDARD, seed=21, **dials.get("world", {})))
    aligner, training = preset("standard")
    aligner = dataclasses.replace(aligner, **dials.get("aligner", {}))
    training = dataclasses.replace(training, **dials.get("training", {}))
    sides = [world.pairs(split).inputs[m] for split in ("train", "val") for m in ("image", "text")]
    trained = train(*sides, aligner=aligner, training=training, seed=21)
    return Auditor(subject_of(trained, world), world.audit_pairs("features"))


def confounded(agreement):
    return {"world": {"confounder": dataclasses.replace(STANDARD.confounder, agreement=agreement)}}


MECHANISMS = {
    "wrong pairs": {"world": {"corruption_rate": 0.3}},
    "shortcut": confounded(1.0),
    "one side of few dimensions": {"aligner": {"rank_y": 6}},
    "both sides of few dimensions": {"aligner": {"rank_x": 3, "rank_y": 3}},
    "frozen side": {"training": {"lr_mult_y": 0.0}},
}
BENIGN = {
    "gain before normalisation": {"aligner": {"gain_y": 16.0}},
    "strong weight decay": {"training": {"weight_decay": 0.01}},
    "small batches": {"training": {"batch": 64}},
    "narrow encoder": {"aligner": {"hidden_mult_y": 0.5}},
}


@pytest.mark.parametrize(
    ("mechanism", "gate"),
    [
        ("wrong pairs", "mispairing_rate"),
        ("wrong pairs", "tail_excess"),
        ("shortcut", "twin_accuracy"),
        ("shortcut", "counterfactual_drop"),
        ("one side of few dimensions", "rank_asymmetry"),
        ("both sides of few dimensions", "effective_rank"),
    ],
)
def test_the_gate_of_a_failure_rejects_it(judge, mechanism, gate):
    assert judge(audited(mechanism), gate) is Verdict.REJECT


@pytest.mark.parametrize("mechanism", BENIGN)
def test_no_gate_rejects_what_does_no_harm(judge, mechanism):
    auditor = audited(mechanism)
    assert [g for g in GATES if judge(auditor, g) is Verdict.REJECT] == []


def test_a_frozen_side_moves_nothing():
    auditor = audited("frozen side")
    assert auditor.subject.training.movements[1][-1] == 0
    assert auditor.run("movement_ratio").verdict is None


@pytest.mark.parametrize(
    ("side", "check", "least"),
    [
        ("x", "first_input_similarity", 0.19),
        ("y", "second_input_similarity", 0.5),
        ("y", "twin_variance", 0.23),
    ],
)
def test_an_encoder_with_a_quarter_of_its_rate_is_seen_without_its_training(side, check, least):
    """What the rationales of these three reference limits state, and a healthy encoder beside it."""
    limit = check_named(check).reference_limit
    recipe = HEALTHY.trained_with(**{f"lr_mult_{side}": 0.25})
    for planted, verdict in ((recipe, Verdict.REJECT), (HEALTHY, Verdict.ACCEPT)):
        made = plant(planted, 21)
        auditor = Auditor(made.subject, made.pairs, Settings(seed=21, limits={check: (None, limit.high)}))
        found = auditor.run(check, control=False)
        assert found.verdict is verdict
        assert (found.measurement.value > least) == (verdict is Verdict.REJECT)
