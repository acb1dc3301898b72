"""What an auditor makes of measurements and damage made by hand: the reason, the control, the harm."""

import dataclasses

import numpy as np
import pytest

from mmaudit import inference
from mmaudit.errors import ControlError, InputError
from mmaudit.failures.damage import mixed_with_noise
from mmaudit.gates import Auditor, Limit, Verdict, check_named
from mmaudit.gates.auditor import CERTIFICATION_ITEMS
from mmaudit.gates.case import Case
from mmaudit.gates.check import Check, Damage
from mmaudit.gates.decide import decide
from mmaudit.gates.facets import sample
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator
from mmaudit.settings import Settings
from mmaudit.subjects import Identity, Subject

BELOW_ONE = Limit(high=1.0, kind="field", rationale="test")


def table(n=60, noise=0.3, seed=0):
    rng = generator(seed, "by hand")
    x = rng.standard_normal((n, 8)).astype(np.float32)
    return x, (x + noise * rng.standard_normal(x.shape)).astype(np.float32)


AUDITOR = Auditor(table())


def judged(found, limit, family=1):
    return decide(found, limit, confidence=0.95, alpha=0.05, family=family)


def gate(measure=lambda case: [], damage=None):
    return Check(name="mine", failure="alignment", question="?", measure=measure, damage=damage)


@pytest.mark.parametrize("notes", [(), ("first", "second")])
@pytest.mark.parametrize(
    ("m", "verdict", "told"),
    [
        (inference.exact("m", 2.0, 9), Verdict.REJECT, True),
        (inference.exact("m", 0.5, 9), Verdict.ACCEPT, False),
        (inference.student("m", 2.0, 0.01, 50, 51), Verdict.REJECT, False),
        (inference.student("m", 1.001, 0.01, 50, 51), Verdict.INCONCLUSIVE, False),
    ],
)
def test_what_was_counted_and_rejected_is_told_in_the_reason(m, verdict, told, notes):
    found = AUDITOR._judged(gate(), None, [dataclasses.replace(m, notes=notes)], BELOW_ONE, True)
    plain = judged([m], BELOW_ONE, AUDITOR.family)
    unproven = "; no damage is planted for this figure, so that it can reject was not shown"
    assert found.verdict is verdict
    assert found.reason == plain.reason + ("; first; second" if notes and told else "") + (
        unproven if verdict is Verdict.ACCEPT else ""
    )
    assert found.control is None
    assert (found.check, found.failure, found.question, found.limit) == ("mine", "alignment", "?", BELOW_ONE)
    assert (found.family, found.n_to_decide is None) == (AUDITOR.family, verdict is not Verdict.INCONCLUSIVE)


def share_of_negative(case):
    return [inference.proportion("negative", (case.x[:, 0] < -5).astype(float))]


def pushed(case, severity, rng):
    """So many of the rows are far on the negative side."""
    x = case.x.copy()
    x[: round(severity * len(x)), 0] = -9
    return case.serving(x, case.y)


PUSHED = Damage("share pushed", pushed)


def test_a_control_lists_all_that_was_tried_and_the_least_that_was_rejected():
    limit = Limit(high=0.25, kind="field", rationale="test")
    case = Case(x=table()[0], y=table()[1])
    check = gate(share_of_negative, PUSHED)
    control = AUDITOR._control(check, PUSHED, case, lambda found: judged(found, limit))
    severities = [dose.severity for dose in control.doses]
    assert severities == sorted(severities)
    assert len(severities) > 2
    for dose in control.doses:
        (m,) = share_of_negative(pushed(case, dose.severity, None))
        assert (dose.value, dose.low, dose.high) == (m.value, m.low, m.high)
        assert dose.rejected == (judged([m], limit).verdict is Verdict.REJECT)
    least = min(dose.severity for dose in control.doses if dose.rejected)
    assert (control.severity, control.damage) == (least, "share pushed")
    assert control.value == pytest.approx(round(least * 60) / 60)
    hits = [c.ranks.mean_hits(1).mean() for c in (case, pushed(case, least, None))]
    assert control.harm == pytest.approx(hits[0] - hits[1], abs=1e-15)
    assert control.harm > 0


def test_a_damage_that_is_never_rejected_is_no_control():
    case = Case(x=table()[0], y=table()[1])
    check = gate(share_of_negative, PUSHED)
    with pytest.raises(ControlError, match=r"this gate cannot reject here: .* \(share pushed\)"):
        AUDITOR._control(check, PUSHED, case, lambda found: judged(found, BELOW_ONE))
    found = AUDITOR._judged(check, case, share_of_negative(case), BELOW_ONE, True)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason.endswith("no severity of its damage (share pushed) is rejected")
    unasked = AUDITOR._judged(check, case, share_of_negative(case), BELOW_ONE, False)
    assert (unasked.verdict, unasked.control) == (Verdict.ACCEPT, None)


@pytest.mark.parametrize("side", ["x", "y"])
def test_harm_of_one_side_is_harm(side):
    case = Case(x=table()[0], y=table()[1])

    def spoil(case, severity, rng):
        noisy = mixed_with_noise(getattr(case, side), severity, rng)
        return case.serving(noisy, case.y) if side == "x" else case.serving(case.x, noisy)

    control = AUDITOR._control(
        gate(lambda c: [inference.exact("hits", float(c.ranks.mean_hits(1).mean()), 60)]),
        Damage("noise", spoil),
        case,
        lambda found: judged(found, Limit(low=0.5, kind="field", rationale="test")),
    )
    assert control.harm == pytest.approx(case.ranks.mean_hits(1).mean() - control.value)


def test_damage_that_leaves_no_embeddings_has_no_harm_that_could_be_told():
    case = Case(x=table()[0], y=table()[1])

    def blind(case, severity, rng):
        return case.serving(case.x * np.float32(np.nan), case.y)

    counted = gate(lambda c: [inference.exact("nan", float(np.isnan(c.x).any()), 60)])
    control = AUDITOR._control(
        counted,
        Damage("nan", blind),
        case,
        lambda found: judged(found, dataclasses.replace(BELOW_ONE, high=0.5)),
    )
    assert (control.harm, control.severity) == (None, 0.02)


@pytest.mark.parametrize("known", [None, 900])
def test_a_control_in_many_pairs_is_planted_in_two_thousand_and_keeps_trusted_ones(known):
    x, y = table(2500)
    trusted = None if known is None else np.arange(2500) % (2500 // known) == 0
    seen = []

    def plant(case, severity, rng):
        seen.append(case)
        return pushed(case, severity, rng)

    check, limit = gate(share_of_negative), Limit(high=0.25, kind="field", rationale="test")
    case = Case(x=x, y=y, trusted=trusted)
    AUDITOR._control(check, Damage("spy", plant), case, lambda found: judged(found, limit))
    rows = sample(2500, 7, 2000)
    if known is not None:
        at = np.flatnonzero(trusted)
        rows = np.union1d(rows, at[sample(len(at), 7, 400)])
    assert all(np.array_equal(case.x, x[rows]) for case in seen)
    assert len(rows) > 2000 or known is None
    seen.clear()
    AUDITOR._control(check, Damage("spy", plant), case.take(np.arange(2000)), lambda f: judged(f, limit))
    assert {len(case.x) for case in seen} == {2000}


def test_a_check_that_could_not_be_run_to_the_end_is_a_violation():
    found = AUDITOR._broken(check_named("contract"), BELOW_ONE, "it broke")
    m = found.measurement
    assert (found.verdict, found.reason, found.p_value) == (Verdict.REJECT, "it broke", 0.0)
    assert (m.name, m.value, m.n, m.unit, m.notes) == (
        "contract violations",
        1.0,
        60,
        "violations",
        ("it broke",),
    )


def test_a_limit_of_ones_own_on_what_no_damage_is_known_for_needs_no_control():
    found = Auditor(table(), settings=Settings(limits={"modality_gap": (None, 1.9)})).run("modality_gap")
    assert (found.verdict, found.control) == (Verdict.ACCEPT, None)
    notice = AUDITOR.run("mean_reciprocal_rank")
    assert (notice.verdict, notice.limit, len(notice.others)) == (None, None, 1)
    assert [m.name.split("rank_")[1] for m in (notice.measurement, *notice.others)] == [
        "image_to_text",
        "text_to_image",
    ]


def test_ones_own_measurement_is_judged_with_its_question():
    m = inference.student("own", 1.001, 0.01, 50, 51)
    found = AUDITOR.judge(m, BELOW_ONE, failure="mine", question="Is it?")
    decision = judged([m], BELOW_ONE)
    assert (found.question, found.failure, found.check) == ("Is it?", "mine", "own")
    assert (found.p_value, found.n_to_decide) == (decision.p_value, decision.n_to_decide)
    assert found.n_to_decide is not None


@pytest.mark.parametrize(("n", "audited"), [(60, 60), (400, 250)])
def test_a_null_encoder_is_audited_on_as_many_pairs_as_tell_chance_from_a_limit(n, audited):
    found = Auditor(table(n)).certify("permuted_pairs")
    assert CERTIFICATION_ITEMS == 250
    assert (found.verdict, found.measurement.n, found.p_value) == (Verdict.ACCEPT, audited, 1.0)
    rejecting = found.reason.removeprefix("rejected by ").split(", ")
    assert found.measurement.value == len(rejecting)
    assert "pair_discrimination" in rejecting
    assert (found.limit.low, found.limit.high, found.check) == (1, None, "null:permuted_pairs")
    assert found.question == "Is the permuted pairs encoder rejected?"


def recording(calls):
    x, y = table(100)

    def encoder(z):
        def encode(rows):
            calls.append(len(rows))
            return z[np.asarray(rows)]

        return encode

    identity = Identity(name="recording", adapter="test")
    return Subject(encoders={"image": encoder(x), "text": encoder(y)}, identity=identity, batch_size=32)


def test_items_are_encoded_again_as_before_and_in_batches_of_another_size():
    calls = []
    rows = np.arange(100)
    auditor = Auditor(recording(calls), Pairs(inputs={"image": rows, "text": rows}))
    first, second = auditor.material.case(("encoder",)).again
    # 100 items by 32, then the first batch once more, then all by a third and one.
    assert calls == [32, 32, 32, 4] * 2 + [32] * 2 + [34, 34, 32] * 2
    assert first.rows.tolist() == list(range(32))
    assert sorted(second.rows) == list(range(100))
    assert second.rows.tolist() != sorted(second.rows)
    x, y = table(100)
    for again in (first, second):
        assert np.array_equal(again.x, x[again.rows])
        assert np.array_equal(again.y, y[again.rows])


NUMBERS = np.arange(120.0).reshape(60, 2)
WORDS = [f"item {k}" for k in range(60)]


def numeric(first, second):
    x, y = table()
    by_length = {"image": lambda items: x[: len(items)], "text": lambda items: y[: len(items)]}
    return Auditor(by_length, Pairs(inputs={"image": first, "text": second})).material


@pytest.mark.parametrize(
    ("column", "there"),
    [
        (NUMBERS, True),
        (NUMBERS.astype(np.uint8), True),
        (list(NUMBERS), True),
        (np.arange(60.0), False),  # numbers, and no arrays of them
        ([np.array(1.0)] * 60, False),  # arrays without a dimension
        (NUMBERS.astype(str), False),
        (NUMBERS > 3, False),
        (NUMBERS * 1j, False),
        (WORDS, False),
        (NUMBERS.tolist(), False),
    ],
)
def test_inputs_are_compared_that_are_arrays_of_numbers_in_one_modality_or_both(column, there):
    for first, second, modality in ((column, WORDS, "image"), (WORDS, column, "text")):
        material = numeric(first, second)
        assert (material.lacks(("numeric inputs",)) is None) == there
        if there:
            seen = material.case(("numeric inputs",)).inputs
            assert list(seen.columns) == [modality]
            assert np.array_equal(seen.columns[modality], np.asarray(column, dtype=float))
            assert seen.rows.tolist() == list(range(60))
    if there:
        both = numeric(column, NUMBERS.reshape(60, 2, 1)).case(("numeric inputs",)).inputs
        assert [z.shape for z in both.columns.values()] == [(60, 2), (60, 2)]


def test_inputs_of_unlike_shapes_are_not_compared():
    ragged = [np.arange(1.0 + k % 2) for k in range(60)]
    with pytest.raises(InputError, match="the image inputs have 2 shapes"):
        numeric(ragged, WORDS).case(("numeric inputs",))


def test_the_reference_is_seen_through_four_redraws_and_a_thousand_groups_of_twins(reference):
    case = reference.material.case(("renderer", "nuisance"))
    assert len(case.redrawn) == 4
    assert len({e.digest for e in (*case.redrawn, case.embeddings)}) == 5
    assert (len(case.twins), case.twin_size) == (4000, 4)
    assert reference.material.case(("renderer",)).embeddings.digest == case.embeddings.digest


def test_parts_are_there_where_a_check_needs_them_and_not_otherwise(reference):
    bare = reference.material.case(())
    assert (bare.scan, bare.edits, bare.splits, bare.inputs, bare.twins, bare.training) == (None,) * 6
    assert (bare.again, bare.redrawn, bare.retrain) == ((), (), None)
    assert (dict(bare.slices), dict(bare.contents)) == ({}, {})
    assert len(reference.material.case(("encoder",)).again) == 2
    assert len(reference.material.case(("numeric inputs",)).inputs.columns) == 2
    for need in ("training", "gradients", "movements"):
        trained = reference.material.case((need,))
        assert trained.training is not None
        assert trained.retrain is not None
    assert reference.material.case(()) is bare
    untrained = Auditor(table()).material
    assert untrained.case(()).twins is None
    splits = np.array(["b", "a"] * 30)
    rows = np.arange(60)
    pairs = Pairs(inputs={"image": rows, "text": rows}, splits=splits)
    assert Auditor(table(), pairs).material.case(("splits",)).splits.tolist() == [1, 0] * 30


@pytest.mark.parametrize(("names", "there"), [(["a"] * 60, False), (["a", "b"] * 30, True)])
def test_one_split_is_none(names, there):
    rows = np.arange(60)
    pairs = Pairs(inputs={"image": rows, "text": rows}, splits=np.array(names))
    assert (Auditor(table(), pairs).material.lacks(("splits",)) is None) == there


def test_what_is_encoded_is_kept_and_what_is_given_is_not(tmp_path):
    calls = []
    rows = np.arange(100)
    pairs = Pairs(inputs={"image": rows, "text": rows})
    settings = Settings(cache=str(tmp_path))
    known = dataclasses.replace(recording(calls), fingerprint="weights and code")
    first = Auditor(known, pairs, settings).material.served()
    assert len(calls) == 8
    second = Auditor(known, pairs, settings).material.served()
    assert len(calls) == 8
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    (empty := tmp_path / "given").mkdir()
    Auditor(table(), settings=Settings(cache=str(empty))).material.served()
    assert [path for path in empty.rglob("*") if path.is_file()] == []
