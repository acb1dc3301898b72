import dataclasses
import math

import pytest

from mmaudit.gates.diagnosis import Diagnosis, Evidence
from mmaudit.gates.outcome import Control, Limit, Verdict
from mmaudit.report import words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "undefined"),
        (math.nan, "undefined"),
        (math.inf, "undefined"),
        (0.0, "0.000"),
        (-0.0, "0.000"),
        (0.0456, "0.046"),
        (-0.0456, "-0.046"),
        (1e-7, "1.00e-07"),
        (27.44, "27.4"),
        (1234.5, "1234"),
        (1.5e30, "1.50e+30"),
    ],
)
def test_number(value, expected):
    assert words.number(value) == expected


def test_an_interval_is_written_with_one_number_of_digits():
    assert words.interval(0.046, 0.004, 0.088) == "0.046 [0.004, 0.088]"
    assert words.interval(10.2, 9.7, 10.7) == "10.2 [9.7, 10.7]"
    assert words.interval(0.0004, -0.0001, 0.01) == "0.000 [0.000, 0.010]"
    assert words.interval(0.25, 0.25, 0.25) == "0.250"
    assert words.interval(3.0, 3.0, 3.0) == "3"
    assert words.interval(None, None, None) == "undefined"
    assert words.effect(None) == "undefined"


def test_allowed():
    assert words.allowed(None) == "no limit"
    assert words.allowed(Limit(kind="user", rationale="")) == "no limit"
    assert words.allowed(Limit(low=-0.1, high=0.1, kind="user", rationale="")) == "±0.1"


def test_caught():
    assert words.caught(None) == ""
    control = Control(damage="share of pairs swapped", severity=0.1, value=None, harm=None)
    assert words.caught(control) == "share of pairs swapped ≥ 0.1"


@pytest.mark.parametrize("hostile", ["a\x1b[31mb", "a\x00b", "a\u202eb", "a\u2066b", "a\ud800b"])
def test_plain_leaves_no_control_or_direction_character(hostile):
    shown = words.plain(hostile)
    assert shown.isprintable()
    assert shown.startswith("a\ufffd")


def test_plain_is_one_line():
    assert words.plain(" a\r\n\tb\u2028c ") == "a b c"


def test_sentence_of_a_rejection_gives_effect_limit_and_p(make):
    gate = make(
        verdict=Verdict.REJECT,
        measurement=(0.2, 0.15, 0.25),
        p_adjusted=2e-5,
        family=14,
        reason="retrain it.",
    )
    assert words.sentence(gate) == (
        "symmetry_gap is 0.200 [0.150, 0.250] (95 %, n 400), outside the allowed ±0.1; "
        "p = 2e-05 after Holm over 14 gates; retrain it."
    )


def test_sentence_of_an_open_question_says_what_would_settle_it(make):
    reason = "symmetry_gap 0.09 [0.04, 0.14] is not clear of ±0.1; about n = 9100 would decide (n = 400)"
    gate = make(verdict=Verdict.INCONCLUSIVE, measurement=(0.09, 0.04, 0.14), reason=reason)
    assert words.sentence(gate).endswith("of the allowed ±0.1; about n = 9100 would decide (n = 400).")


def test_sentence_of_a_gate_that_could_not_have_rejected_says_so(make):
    reason = "symmetry_gap 0.01 [-0.02, 0.04] lies within ±0.1; this gate cannot reject here"
    gate = make(verdict=Verdict.INCONCLUSIVE, measurement=(0.01, -0.02, 0.04), reason=reason)
    assert words.sentence(gate).endswith("inside the allowed ±0.1; this gate cannot reject here.")


def test_sentence_does_not_say_the_numbers_twice(make):
    gate = make(reason="symmetry_gap 0.01 [-0.02, 0.04] lies within ±0.1")
    assert (
        words.sentence(gate)
        == "symmetry_gap is 0.010 [-0.020, 0.040] (95 %, n 400), inside the allowed ±0.1."
    )
    assert words.advice(gate) == ""


def test_sentence_names_the_measurement_that_decided(make):
    gate = make("rankme")
    gate = dataclasses.replace(gate, measurement=dataclasses.replace(gate.measurement, name="rankme_text"))
    assert words.sentence(gate).startswith("rankme (rankme_text) is 0.010")


def test_sentences_without_numbers(make):
    missing = make(verdict=Verdict.NOT_EVIDENCED, measurement=None, limit=None, reason="needs gradients")
    assert words.sentence(missing) == "symmetry_gap is not evidenced; needs gradients."
    assert words.sentence(make(verdict=Verdict.REJECT, measurement=None)) == "symmetry_gap was not measured."
    undefined = make(verdict=Verdict.INCONCLUSIVE, measurement=(None, None, None))
    assert words.sentence(undefined) == "symmetry_gap is undefined (no reason was given)."
    why = "there is no such item; give one"
    said = dataclasses.replace(
        undefined,
        measurement=dataclasses.replace(undefined.measurement, notes=(why,)),
        reason=f"symmetry_gap is undefined: {why}",
    )
    assert words.sentence(said) == f"symmetry_gap is undefined ({why})."
    assert words.sentence(make(verdict=None, limit=None)).endswith("(95 %, n 400), no limit set.")


def test_why_puts_the_failures_first(outcomes, certifications, make):
    spoilt = make("null:zero", "certification", Verdict.REJECT, measurement=None, limit=None)
    reasons = words.why(outcomes, [*certifications, spoilt], unfinished=2)
    assert [r.split()[0] for r in reasons] == ["twin_accuracy", "The", "symmetry_gap", "2"]
    assert "null:zero" in reasons[1]
    assert reasons == words.why(outcomes[::-1], [spoilt, *certifications], unfinished=2)


def test_why_of_an_accept_counts_what_it_rests_on(outcomes):
    kept = [o for o in outcomes if o.verdict not in (Verdict.REJECT, Verdict.INCONCLUSIVE)]
    assert words.why(kept) == [
        "2 gates accepted, 2 of them shown to reject planted damage; 1 check not evidenced."
    ]


def test_why_of_nothing():
    assert words.why([]) == ["No gate was among what ran."]


def test_diagnosis_line():
    found = [Evidence(failure="shortcut", check=c, finding="0.7", null="chance") for c in ("twins", "drop")]
    named = Diagnosis(failures=("shortcut",), evidence=tuple(found), access=(), unknown=("a", "b"))
    assert words.diagnosis_line(named) == "shortcut (by twins, drop); 2 signs could not be looked for"
    nothing = Diagnosis(failures=(), evidence=(), access=(), unknown=())
    assert words.diagnosis_line(nothing) == "none of dominance, shortcut, corruption and collapse"


def test_certification_line(certifications, make):
    assert words.certification_line([]) == "no null encoder was tried"
    assert words.certification_line(certifications) == "2 of 2 null encoders rejected, as they must be"
    failed = make("null:zero", "certification", Verdict.INCONCLUSIVE, measurement=None)
    line = words.certification_line([*certifications, failed])
    assert line == "2 of 3 null encoders rejected, and all must be: zero got through"
    untried = make("null:permuted_pairs", "certification", Verdict.NOT_EVIDENCED, measurement=None)
    line = words.certification_line([failed, *certifications, untried])
    but = "zero got through; permuted_pairs could not be tried"
    assert line == f"2 of 4 null encoders rejected, and all must be: {but}"


def test_a_measurement_called_like_its_check_does_not_say_it_twice(outcomes):
    found = next(o for o in outcomes if o.measurement is not None and o.measurement.value is not None)
    measured = dataclasses.replace(found.measurement, name=f"{found.check} (source)")
    said = words.sentence(dataclasses.replace(found, measurement=measured))
    assert said.startswith(f"{found.check} (source) is ")
