import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaudit import inference
from mmaudit.errors import InputError
from mmaudit.gates import CHECKS, Auditor, Limit, Outcome, Verdict, decide, finalize
from mmaudit.inference import at_confidence
from mmaudit.measurement import Measurement
from mmaudit.seeds import generator
from mmaudit.settings import Settings

ACCEPT, REJECT, INCONCLUSIVE = Verdict.ACCEPT, Verdict.REJECT, Verdict.INCONCLUSIVE
GOODNESS = {REJECT: 0, INCONCLUSIVE: 1, ACCEPT: 2}


def limit(low=None, high=None):
    return Limit(low=low, high=high, kind="field", rationale="test")


def around(value, se=0.01, df=400.0, name="m"):
    return inference.student(name, value, se, df, 401)


def judged(measurements, bounds, *, confidence=0.95, alpha=0.05, family=1):
    found = [measurements] if isinstance(measurements, Measurement) else measurements
    return decide(found, bounds, confidence=confidence, alpha=alpha, family=family)


@pytest.mark.parametrize(
    ("value", "bounds", "verdict"),
    [
        (0.5, limit(low=0.4), ACCEPT),
        (0.3, limit(low=0.4), REJECT),
        (0.41, limit(low=0.4), INCONCLUSIVE),
        (0.39, limit(low=0.4), INCONCLUSIVE),
        (0.3, limit(high=0.4), ACCEPT),
        (0.5, limit(high=0.4), REJECT),
        (0.0, limit(-0.1, 0.1), ACCEPT),
        (0.2, limit(-0.1, 0.1), REJECT),
        (-0.2, limit(-0.1, 0.1), REJECT),
        (0.09, limit(-0.1, 0.1), INCONCLUSIVE),
        (-0.11, limit(-0.1, 0.1), INCONCLUSIVE),
    ],
)
def test_the_interval_decides(value, bounds, verdict):
    decision = judged(around(value), bounds)
    assert decision.verdict is verdict
    assert (decision.n_to_decide is not None) == (verdict is INCONCLUSIVE)
    assert decision.reason.startswith(f"m {value:.3g} [")


def test_an_interval_that_only_touches_its_limit_is_inside():
    m = inference.exact("e", 0.4, 10)
    assert judged(m, limit(high=0.4)).verdict is ACCEPT
    assert judged(m, limit(low=0.4)).verdict is ACCEPT
    assert judged(m, limit(high=0.39)).verdict is REJECT


def test_a_wide_interval_over_both_limits_is_inconclusive():
    decision = judged(around(0.0, se=1.0), limit(-0.1, 0.1))
    assert decision.verdict is INCONCLUSIVE
    assert decision.n_to_decide > 401


def test_one_measurement_outside_rejects_whatever_the_others_say():
    inside, outside, near = around(0.0, name="in"), around(0.5, name="out"), around(0.095, name="near")
    void = inference.undefined("void", "nothing to measure")
    for found in ([inside, outside], [outside, near, inside], [void, outside], [outside, void]):
        decision = judged(found, limit(high=0.1))
        assert decision.verdict is REJECT
        assert decision.measurement.name == "out"
        assert sorted(m.name for m in decision.others) == sorted(m.name for m in found if m.name != "out")


def test_all_measurements_must_be_inside():
    assert judged([around(0.0), around(0.01)], limit(high=0.1)).verdict is ACCEPT
    decision = judged([around(0.0), around(0.095, name="near")], limit(high=0.1))
    assert (decision.verdict, decision.measurement.name) == (INCONCLUSIVE, "near")


def test_several_measurements_share_the_error_rate():
    m = around(0.1 + 0.01 * 2.2)
    assert judged(m, limit(high=0.1)).verdict is REJECT
    assert judged([m, m], limit(high=0.1)).verdict is INCONCLUSIVE


def test_undefined_is_never_accepted_and_says_why():
    void = inference.undefined("void", "no item to measure")
    for found in ([void], [void, around(0.0)], [around(0.0), void]):
        decision = judged(found, limit(high=0.1))
        assert decision.verdict is INCONCLUSIVE
        assert decision.reason == "void is undefined: no item to measure"
        assert decision.p_value is None


def test_a_limit_without_sides_is_refused():
    with pytest.raises(InputError, match="give one of them or both"):
        judged(around(0.0), limit())


def test_a_value_on_its_limit_has_no_n_that_decides():
    decision = judged(around(0.1), limit(high=0.1))
    assert decision.verdict is INCONCLUSIVE
    assert decision.n_to_decide is None
    assert "no n would decide" in decision.reason


finite = st.floats(-1, 1)


@given(finite, st.floats(1e-4, 1), finite, finite, st.floats(0, 1), st.floats(0, 1), st.integers(1, 30))
@settings(deadline=None, max_examples=200, derandomize=True, database=None)
def test_a_wider_limit_never_makes_the_verdict_worse(value, se, low, high, wider_low, wider_high, family):
    low, high = min(low, high), max(low, high)
    for m in (around(value, se), inference.exact("e", value, 5)):
        for narrow, wide in (
            (limit(low, high), limit(low - wider_low, high + wider_high)),
            (limit(low, high), limit(low=low)),
            (limit(low=low), limit(low=low - wider_low)),
            (limit(high=high), limit(high=high + wider_high)),
        ):
            worse = judged(m, narrow, family=family).verdict
            better = judged(m, wide, family=family).verdict
            assert GOODNESS[better] >= GOODNESS[worse]


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.01, 0.99), st.floats(0, 0.5), st.integers(1, 30))
@settings(deadline=None, max_examples=200, derandomize=True, database=None)
def test_a_lower_bar_never_makes_a_proportion_worse(hits, misses, bar, lower, family):
    m = inference.proportion("p", [1.0] * hits + [0.0] * misses)
    worse = judged(m, limit(low=bar), family=family).verdict
    better = judged(m, limit(low=max(0.0, bar - lower)), family=family).verdict
    assert GOODNESS[better] >= GOODNESS[worse]


@given(finite, st.floats(1e-3, 1), finite, st.integers(1, 40))
@settings(deadline=None, max_examples=100, derandomize=True, database=None)
def test_rejection_is_the_interval_widened_for_the_family(value, se, bar, family):
    m = around(value, se)
    wide = at_confidence(m, 1 - 0.05 / family)
    decision = judged(m, limit(high=bar), family=family)
    if abs(wide.low - bar) > 1e-9:
        assert (decision.verdict is REJECT) == (wide.low > bar)


def test_n_to_decide_decides():
    """Draws of the n it names decide far more often than those it was named at."""
    bounds, decided, before = limit(low=0.3), 0, 0
    for draw in range(40):
        rng = generator(11, "n to decide", draw)
        small = inference.mean("m", rng.normal(0.36, 0.5, size=100))
        pilot = dataclasses.replace(small, value=0.36)
        named = judged(pilot, bounds).n_to_decide
        before += judged(small, bounds).verdict is ACCEPT
        decided += (
            judged(inference.mean("m", rng.normal(0.36, 0.5, size=2 * named)), bounds).verdict is ACCEPT
        )
    assert before < 20
    assert decided >= 30


@pytest.mark.parametrize("family", [1, 28])
@pytest.mark.parametrize("value", [0.25, 0.36])
def test_n_to_decide_is_the_least_that_decides_at_this_value(value, family):
    bounds = limit(low=0.3)
    others = [around(0.5, name="other")]

    def judged_at(n):
        m = inference.student("m", value, 0.05 * math.sqrt(100 / n), 99.0, n)
        return judged([m, *others], bounds, family=family)

    named = judged_at(100).n_to_decide

    def verdict_at(n):
        return judged_at(n).verdict

    assert verdict_at(named) is (ACCEPT if value > 0.3 else REJECT)
    assert verdict_at(named - 1) is INCONCLUSIVE


def outcome(check, p, verdict=INCONCLUSIVE, family=20):
    return Outcome(
        check=check,
        failure="dominance",
        question="",
        verdict=verdict,
        measurement=around(0.2),
        limit=limit(high=0.1),
        p_value=p,
        family=family,
        n_to_decide=500,
        reason=f"{check} 0.2 [0.1, 0.3] is not clear of ≤ 0.1; about n = 500 would decide (n = 401)",
    )


def test_the_step_down_rejects_what_the_first_rejections_allow():
    rows = [
        outcome("a", 1e-6, REJECT),
        outcome("b", 0.05 / 19.5),
        outcome("c", 0.04),
        outcome("d", 1.0, ACCEPT),
    ]
    final = finalize(rows, Settings())
    assert [o.verdict for o in final] == [REJECT, REJECT, INCONCLUSIVE, ACCEPT]
    assert final[1].n_to_decide is None
    assert final[1].reason == "b 0.2 [0.1, 0.3] lies outside ≤ 0.1 (Holm over 20 gates)"
    assert final[1].p_adjusted == pytest.approx(19 * 0.05 / 19.5)


def test_alone_it_is_adjusted_for_the_whole_catalogue():
    (alone,) = finalize([outcome("b", 0.05 / 19.5)], Settings())
    assert alone.verdict is INCONCLUSIVE
    assert alone.p_adjusted == pytest.approx(20 * 0.05 / 19.5)


p_values = st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=20)


@given(p_values, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100, derandomize=True, database=None)
def test_finalize_only_ever_turns_inconclusive_into_reject(ps, shuffler):
    rows = [outcome(f"g{i}", p, INCONCLUSIVE if p is None or p < 1 else ACCEPT) for i, p in enumerate(ps)]
    final = {o.check: o for o in finalize(rows, Settings())}
    mixed = list(rows)
    shuffler.shuffle(mixed)
    assert {o.check: o for o in finalize(mixed, Settings())} == final
    for row in rows:
        after = final[row.check]
        if after.verdict is not row.verdict:
            assert (row.verdict, after.verdict) == (INCONCLUSIVE, REJECT)
            assert after.p_adjusted <= 0.05
        if row.p_value is not None:
            assert row.p_value <= after.p_adjusted <= min(1.0, 20 * row.p_value)
    part = {o.check: o for o in finalize(rows[: len(rows) // 2], Settings())}
    assert all(GOODNESS[o.verdict] >= GOODNESS[final[name].verdict] for name, o in part.items())


def test_a_gate_that_ran_twice_counts_once():
    rows = [outcome("a", 0.0025), outcome("a", 0.0025)]
    assert [o.p_adjusted for o in finalize(rows, Settings())] == [pytest.approx(0.05)] * 2


def test_notices_and_what_was_not_measured_stay_as_they_are():
    notice = dataclasses.replace(outcome("n", None, None), limit=None)
    missing = dataclasses.replace(outcome("m", None, Verdict.NOT_EVIDENCED), measurement=None)
    assert finalize([notice, missing], Settings()) == [notice, missing]
    assert finalize([], Settings()) == []


def test_a_users_own_check_is_a_family_of_one():
    auditor = Auditor({"image": np.eye(4), "text": np.eye(4)})
    m = inference.student("own", 0.1 + 0.01 * 2.2, 0.01, 400.0, 401)
    own = auditor.judge(m, limit(high=0.1), failure="project")
    assert (own.verdict, own.family) == (REJECT, 1)
    assert own.question == "Does own keep to ≤ 0.1?"
    same_name = dataclasses.replace(outcome("own", 0.9), family=20)
    final = finalize([own, same_name, outcome("a", 1e-9, REJECT)], Settings())
    assert final[0].p_adjusted == own.p_value
    assert final[1].p_adjusted == 1.0


def test_the_family_is_the_catalogue_and_not_the_selection():
    table = {"image": np.eye(4), "text": np.eye(4)}
    gates = [c for c in CHECKS if c.limit is not None and "ci" in c.profiles]
    auditor = Auditor(table)
    assert auditor.family == len(gates)
    assert {auditor.run(c.name).family for c in gates[:3]} == {len(gates)}
    limited = Auditor(table, settings=Settings(limits={"recall_at_1": (0.5, None)}))
    assert limited.family == len(gates) + 1


def test_a_limit_reads_as_a_reader_writes_it():
    assert str(limit(-0.1, 0.1)) == "±0.1"
    assert str(limit(0.1, 0.2)) == "0.1 to 0.2"
    assert str(limit(-0.1, 0.2)) == "-0.1 to 0.2"
    assert str(limit(0.1, 0.1)) == "0.1 to 0.1"
    assert str(limit(low=0.75)) == "≥ 0.75"
    assert str(limit(high=0.0)) == "≤ 0"


def test_neither_a_projects_own_check_nor_a_notice_takes_part_in_holm():
    """Of the three p-values only the gate's is one of a family of twenty."""
    gate = outcome("gate", 0.004)
    own = dataclasses.replace(outcome("own", 0.001), family=1)
    notice = dataclasses.replace(outcome("notice", 0.001), limit=None)
    final = finalize([own, notice, gate], Settings())
    assert final[2].p_adjusted == pytest.approx(20 * 0.004)
    assert final[0].p_adjusted == 0.001
    assert finalize([], Settings()) == []


def test_the_worst_measurement_decides_and_the_others_are_kept():
    near, far = around(0.42, name="near"), around(0.5, name="far")
    decision = judged([far, near], limit(high=0.4))
    assert (decision.measurement.name, [m.name for m in decision.others]) == ("far", ["near"])
    inside = judged([around(0.1, name="a"), around(0.3, name="b"), around(-0.3, name="c")], limit(-0.5, 0.4))
    assert inside.measurement.name == "b"
    gone = inference.undefined("gone", "why")
    assert judged([around(0.1), gone], limit(high=0.4)).reason == "gone is undefined: why"
    more = inference.undefined("gone", "why", notes=("mine", "too"))
    assert judged([more], limit(high=0.4)).reason == "gone is undefined: why"
    unsaid = dataclasses.replace(gone, notes=())
    assert judged([unsaid], limit(high=0.4)).reason == "gone is undefined: no reason was given"


def test_p_is_counted_for_every_measurement_and_never_above_one():
    alone, many = judged(around(0.43), limit(high=0.4)), judged([around(0.43)] * 5, limit(high=0.4))
    assert many.p_value == pytest.approx(5 * alone.p_value)
    assert judged([around(0.41)] * 50, limit(high=0.4)).p_value == 1.0


def test_rejection_is_at_alpha_itself():
    m = around(0.43)
    p = judged(m, limit(high=0.4)).p_value
    assert judged(m, limit(high=0.4), alpha=7 * p, family=7).verdict is REJECT
    assert judged(m, limit(high=0.4), alpha=7 * p * 0.999, family=7).verdict is not REJECT
    (at,) = finalize([outcome("a", 0.05 / 20)], Settings())
    assert at.verdict is REJECT


def test_the_nearer_end_of_the_limit_tells_which_is_worst():
    a, b, c = (around(v, name=n) for v, n in ((0.1, "a"), (0.3, "b"), (-0.3, "c")))
    for low, high, found, worst in (
        (-0.5, 0.4, [a, b, c], "b"),
        (-0.5, 0.4, [a, c], "c"),
        (-0.4, 0.5, [a, b, c], "c"),
        (-0.4, 0.5, [a, b], "b"),
        (-0.9, None, [a, b, c], "c"),
        (None, 0.9, [c, a, b], "b"),
    ):
        for order in (found, found[::-1]):
            decision = judged(order, limit(low, high))
            assert (decision.verdict, decision.measurement.name) == (ACCEPT, worst)
