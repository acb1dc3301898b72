import dataclasses
import json

import numpy as np
import pytest

from mmaudit import inference
from mmaudit.comparison import Conditions, Side, compare
from mmaudit.diagnostics import pair_discrimination, ranks, symmetry_gap
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.evidence import dumps
from mmaudit.evidence.schema import violation
from mmaudit.gates.outcome import Limit, Outcome, Verdict
from mmaudit.inference import exact, proportion, student, undefined

SETTINGS = {"alpha": 0.05, "confidence": 0.95, "seed": 7, "subject": "a", "tolerance": {}}
SHARED = Conditions(SETTINGS, {"pairs": 200, "inputs_sha256": {"image": "a" * 64}}, None)


PAIRED = {
    "pair_discrimination",
    "recall_at_1",
    "recall_at_10",
    "recall_at_1_image_to_text",
    "recall_at_1_text_to_image",
    "recall_at_5",
    "symmetry_gap",
}


def gate(check, value=0.5, se=0.01, verdict=Verdict.ACCEPT, low=0.1, high=None, others=(), **fields):
    measured = fields.pop("measurement", None) or student(
        check, value, se, 199, 200, direction=fields.pop("direction", "higher is better")
    )
    limit = None if low is None and high is None else Limit(low=low, high=high, kind="field", rationale="r")
    return Outcome(
        check=check,
        failure="collapse",
        question="?",
        verdict=verdict,
        measurement=measured,
        limit=limit,
        others=tuple(others),
        **fields,
    )


def side(embeddings=None, outcomes=(), shared=SHARED, **fields):
    return Side(
        subject=fields.pop("subject", "a"),
        version="0.1.0",
        conditions=shared,
        outcomes=tuple(outcomes),
        embeddings=embeddings,
        **fields,
    )


def under(**changes):
    """Return the shared conditions with another setting, dataset fact or groups."""
    settings = {k: v for k, v in changes.items() if k in SETTINGS}
    facts = {k: v for k, v in changes.items() if k not in SETTINGS and k != "groups"}
    return dataclasses.replace(
        SHARED,
        settings=SETTINGS | settings,
        dataset=SHARED.dataset | facts,
        groups=changes.get("groups"),
    )


def by_name(comparison):
    return {change.change.name: change for change in comparison.changes}


def test_a_model_compared_with_itself_changes_by_exactly_nothing(model):
    outcomes = [gate("separation"), gate("twin_accuracy", low=None, high=0.9)]
    found = compare(side(model, outcomes), side(model, outcomes))
    assert {change.change.value for change in found.changes} == {0.0}
    assert {change.p_adjusted for change in found.changes} == {1.0}
    assert set(by_name(found)) == PAIRED | {"separation", "twin_accuracy"}
    assert not found.regressed
    assert found.moved == found.turned == found.not_compared == found.notes == ()


def test_noise_is_a_regression_and_its_absence_is_none(model, worse):
    found = compare(side(model), side(worse))
    lost = {name for name, change in by_name(found).items() if change.regression}
    assert {"recall_at_1", "pair_discrimination", "recall_at_1_image_to_text"} <= lost
    assert "symmetry_gap" not in lost
    assert found.regressed
    assert not compare(side(worse), side(model)).regressed


def test_a_regression_is_an_interval_wholly_on_the_worse_side(model, worse):
    found = by_name(compare(side(model), side(worse)))
    for name in PAIRED - {"symmetry_gap"}:
        m = found[name].change
        assert found[name].now - found[name].before == pytest.approx(m.value, abs=1e-12)
        if found[name].regression:
            assert m.high < 0


def test_the_paired_interval_is_that_of_a_paired_difference_with_what_items_share(model, worse):
    old, new = ranks(model), ranks(worse)
    hits = [r.forward.hits(1) for r in (new, old)]
    felt = [new.rivalry(1, 1.0, 0.0), old.rivalry(1, -1.0, 0.0)]
    first, second, effect = (np.concatenate(columns) for columns in zip(*felt, strict=True))
    shared = inference.shared_variance(hits[0] - hits[1], first, second, effect, new.groups)
    expected = inference.paired_difference("r", *hits, clusters=new.groups, shared=shared)
    m = by_name(compare(side(model), side(worse)))["recall_at_1_image_to_text"].change
    assert (m.value, m.se, m.low, m.high) == (expected.value, expected.se, expected.low, expected.high)
    assert shared > 0


def test_pairing_narrows_the_interval(model, noisy):
    slightly = noisy(0.05, 9, model)
    paired = by_name(compare(side(model), side(slightly)))["pair_discrimination"].change
    single = [pair_discrimination(ranks(e)) for e in (model, slightly)]
    assert paired.high - paired.low < min(m.high - m.low for m in single) / 2


def test_equally_good_models_are_no_regression_more_often_than_alpha(noisy):
    alarms = 0
    for seed in range(150):
        z = np.random.default_rng(seed).standard_normal((60, 8))
        items = Embeddings(z, z)
        shared = under(pairs=60)
        old, new = (side(noisy(0.7, 1000 + 2 * seed + model, items), [], shared) for model in (0, 1))
        alarms += compare(old, new).regressed
    assert alarms <= 0.05 * 150


@pytest.mark.parametrize("way", [1, -1])
def test_a_gap_that_grows_is_worse_on_whichever_side_it_grows(model, way):
    # A bias that a few gallery items have for every query hurts one direction alone.
    biased = model.y + np.where(np.arange(len(model)) < 10, 3.0, 0.0)[:, None] * model.x.mean(axis=0)
    y = biased + 0.9 * np.random.default_rng(5).standard_normal(model.y.shape)
    one_way = Embeddings(model.x, y, similarity="dot")
    lean = one_way if way == 1 else one_way.swapped()
    gap = symmetry_gap(ranks(lean)).value
    even = Embeddings(model.x, model.x, lean.modalities, "dot")
    change = by_name(compare(side(even), side(lean)))["symmetry_gap"].change
    assert change.value == pytest.approx(abs(gap)) != 0
    assert change.direction == "lower is better"


def test_a_gap_that_changes_sides_has_not_grown(model, noisy):
    lean = Embeddings(model.x, noisy(0.8, 5, model).y, similarity="dot")
    mirrored = dataclasses.replace(lean.swapped(), modalities=lean.modalities)
    gap = symmetry_gap(ranks(lean)).value
    found = by_name(compare(side(lean), side(mirrored)))["symmetry_gap"]
    assert gap != 0
    assert (found.before, found.now) == (gap, -gap)
    assert found.change.value == 0.0
    assert not found.regression


def test_it_does_not_matter_which_modality_an_encoder_names_first(model, worse):
    straight = compare(side(model), side(worse))
    mirrored = compare(side(model.swapped()), side(worse))
    assert mirrored == straight


def test_groups_are_left_out_of_the_wrong_candidates(model, worse):
    groups = np.arange(200) // 20
    found = by_name(compare(side(model, (), under(groups=groups)), side(worse, (), under(groups=groups))))
    assert found["recall_at_1"].before > by_name(compare(side(model), side(worse)))["recall_at_1"].before


def test_what_is_not_paired_has_at_most_the_errors_of_both():
    before, now = gate("separation", 0.9, 0.02), gate("separation", 0.7, 0.03)
    change = by_name(compare(side(None, [before]), side(None, [now])))["separation"]
    assert change.change.value == pytest.approx(-0.2)
    assert change.change.se == pytest.approx(0.05)
    assert change.regression
    assert "sum of theirs" in change.change.method


def test_an_interval_without_a_standard_error_gives_its_longer_arm():
    hits = np.arange(100) < 3
    before = gate("t", measurement=proportion("t", hits, direction="lower is better"), low=None, high=0.5)
    m = before.measurement
    change = by_name(compare(side(None, [before]), side(None, [before])))["t"].change
    assert change.se == pytest.approx(2 * (m.high - m.value) / 1.959964, rel=1e-6)


@pytest.mark.parametrize(
    ("fields", "before", "now", "value", "worse"),
    [
        ({"low": 0.1, "high": None, "direction": "descriptive"}, 0.9, 0.5, -0.4, True),
        ({"low": None, "high": 2, "direction": "descriptive"}, 0.9, 0.5, -0.4, False),
        ({"low": 0.0, "high": 1.0, "direction": "descriptive"}, 0.5, 0.9, 0.4, True),
        ({"low": 0.0, "high": 1.0, "direction": "descriptive"}, 0.9, 0.1, 0.0, False),
        ({"low": -1, "high": 1, "direction": "closer to zero is better"}, 0.1, -0.6, 0.5, True),
        ({"low": -1, "high": 1, "direction": "lower is better"}, 0.1, 0.6, 0.5, True),
    ],
)
def test_which_way_is_worse(fields, before, now, value, worse):
    found = compare(
        side(None, [gate("g", before, 0.01, **fields)]), side(None, [gate("g", now, 0.01, **fields)])
    )
    (change,) = found.changes
    assert change.change.value == pytest.approx(value)
    assert change.regression is worse


def test_a_tolerance_allows_what_is_within_it(model, worse):
    change = by_name(compare(side(model), side(worse)))["recall_at_1"].change
    for tolerance, regression in ((-change.low, False), (-change.high / 4, True)):
        found = compare(side(model), side(worse), {"recall_at_1": tolerance})
        assert by_name(found)["recall_at_1"].regression is regression
    settings = under(tolerance={"recall_at_1": 1.0})
    assert not by_name(compare(side(model), side(worse, (), settings)))["recall_at_1"].regression


def test_holm_is_taken_over_all_figures_compared():
    gates = [gate(f"g{i}", 0.5, 0.01) for i in range(20)]
    slight = [gate("g0", 0.455, 0.01), *gates[1:]]
    alone = compare(side(None, gates[:1]), side(None, slight[:1]))
    among = compare(side(None, gates), side(None, slight))
    assert alone.changes[0].regression
    assert not among.changes[0].regression
    assert among.changes[0].p_adjusted == pytest.approx(20 * among.changes[0].p_value)


def test_a_figure_without_sampling_error_is_judged_by_its_verdict_alone():
    def consistent(value, verdict):
        found = exact("c", value, 200, direction="lower is better")
        return gate("c", measurement=found, verdict=verdict, low=None, high=0.01)

    before = side(None, [consistent(0.0, Verdict.ACCEPT)])
    for value, verdict, regressed in ((1e-8, Verdict.ACCEPT, False), (0.5, Verdict.REJECT, True)):
        found = compare(before, side(None, [consistent(value, verdict)]))
        assert found.changes[0].p_value is None
        assert not found.changes[0].regression
        assert found.regressed is regressed


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.INCONCLUSIVE, Verdict.NOT_EVIDENCED])
def test_a_gate_that_accepts_no_more_is_a_regression(verdict):
    before = gate("separation")
    now = gate("separation", verdict=verdict, reason="why")
    found = compare(side(None, [before]), side(None, [now]))
    assert [(t.check, t.now, t.reason) for t in found.turned] == [("separation", verdict.value, "why")]
    assert found.regressed
    assert not compare(side(None, [now]), side(None, [before])).regressed


def test_what_has_no_like_on_the_other_side_is_said_and_not_judged():
    gone, fresh, moved = gate("gone"), gate("fresh"), gate("moved")
    unmeasured = gate("lost", measurement=undefined("lost", "no item"), verdict=Verdict.INCONCLUSIVE)
    found = compare(
        side(None, [gone, moved, unmeasured, gate("notice", low=None, verdict=None)]),
        side(None, [fresh, gate("moved", low=0.2), unmeasured]),
    )
    assert dict(found.not_compared) == {
        "gone": "it was not run now",
        "fresh": "it was not run before",
        "moved": "its limit is another one; the two were audited by different versions",
        "lost": "it is undefined before",
    }
    assert not found.regressed


def test_the_items_that_lost_most_come_first(model):
    y = model.y.copy()
    y[[17, 40]] = -y[[17, 40]]
    found = compare(side(model), side(Embeddings(model.x, y)))
    assert {moved.item for moved in found.moved[:2]} == {17, 40}
    rises = [m.forward[1] - m.forward[0] + m.backward[1] - m.backward[0] for m in found.moved]
    assert rises == sorted(rises, reverse=True)
    assert min(rises) > 0
    assert len(found.moved) <= 20


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 8}, "the setting 'seed' was 7 and is 8"),
        ({"alpha": 0.01}, "the setting 'alpha'"),
        ({"pairs": 199}, "number of pairs differs (it was 200 and is 199)"),
        ({"inputs_sha256": {"image": "b" * 64}}, "digest of the inputs differs"),
        ({"world": {"seed": 1}}, "built-in world differs"),
        ({"groups": np.arange(200)}, "relevance groups differ"),
    ],
)
def test_other_data_and_other_settings_are_refused_by_name(model, changes, named):
    with pytest.raises(InputError, match="not comparable: ") as caught:
        compare(side(model), side(model, (), under(**changes)))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_limit_whose_reason_alone_was_reworded_is_the_same_limit(model):
    def under(limit):
        conditions = side(model).conditions
        settings = {**conditions.settings, "limits": {"separation": limit}}
        return dataclasses.replace(side(model), conditions=dataclasses.replace(conditions, settings=settings))

    before, now = under({"low": 0.1, "high": None, "rationale": "x"}), under({"low": 0.1, "high": None})
    assert not compare(before, now).regressed
    with pytest.raises(InputError, match="the setting 'limits' was"):
        compare(before, under({"low": 0.2, "high": None, "rationale": "x"}))


def test_another_subject_is_what_a_comparison_is_for(model):
    other = under(subject="b", tolerance={"recall_at_1": 0.1})
    assert not compare(side(model), side(model, (), other)).regressed


def test_what_limits_the_claim_is_noted(model):
    bare = under(inputs_sha256={"image": None})
    notes = compare(side(None, (), bare), dataclasses.replace(side(model, (), bare), version="9")).notes
    assert [note.split(",")[0] for note in notes] == [
        "the baseline was audited by mmaudit 0.1.0",
        "some inputs have no digest: that they are the same items was not checked",
        "the baseline holds no embeddings",
    ]


def test_too_few_items_are_said(model):
    few = model.take(np.arange(1))
    shared = under(pairs=1)
    found = compare(side(few, (), shared), side(few, (), shared))
    assert found.changes == ()
    assert {check for check, _ in found.not_compared} == PAIRED - {
        "recall_at_1_image_to_text",
        "recall_at_1_text_to_image",
    }


def test_the_record_is_a_document_of_the_bundle(model, worse):
    found = compare(
        side(model, [gate("separation"), gate("gone")], digest="c" * 64),
        side(worse, [gate("separation", verdict=Verdict.REJECT)]),
    )
    record = json.loads(dumps(found.record()))
    assert violation("comparison.json", record) is None
    assert record["regressed"] is True
    assert violation("comparison.json", record | {"regressed": "no"}) is not None
    assert SHARED.dataset["pairs"] == record["pairs"]
