"""A claim is decided by the whole interval, and a verifier comes to the same decision by itself."""

import copy
import json

import pytest

from mmaudit.evidence.findings import finding_contradiction
from mmaudit.inference import student, undefined
from mmaudit.report.suites import suite_lines
from mmaudit.suites import Finding, Statement
from mmaudit.suites.finding import judge


@pytest.mark.parametrize(
    ("value", "bounds", "decision"),
    [
        (0.5, (0.4, None), "HOLDS"),
        (0.5, (None, 0.4), "IS FALSE"),
        (0.5, (0.495, None), "UNDECIDED"),
        (0.0, (-0.1, 0.1), "HOLDS"),
        (0.2, (-0.1, 0.1), "IS FALSE"),
        (-0.2, (-0.1, 0.1), "IS FALSE"),
        (0.1, (-0.1, 0.1), "UNDECIDED"),
        (0.0, (-0.1, 0.1, True), "IS FALSE"),
        (0.2, (-0.1, 0.1, True), "HOLDS"),
        (0.1, (-0.1, 0.1, True), "UNDECIDED"),
    ],
)
def test_the_whole_interval_decides(value, bounds, decision):
    m = student("m", value, 0.01 / 1.96, 1e6, 1200)
    assert judge(m, Statement("m", *bounds)) == decision


def test_what_is_undefined_decides_nothing():
    assert judge(undefined("m", "nothing to measure"), Statement("m", low=0.0)) == "UNDECIDED"


@pytest.mark.parametrize(
    ("values", "decision"),
    [
        ({"a": 1.0, "b": 1.0}, "HOLDS"),
        ({"a": 1.0, "b": 0.5}, "UNDECIDED"),
        ({"a": 0.5, "b": 0.0}, "IS FALSE"),
    ],
)
def test_one_false_statement_makes_a_claim_false(make, one, values, decision):
    finding = make(one(("a", 0.5), ("b", 0.5)), **values)
    assert finding.claims[0].decision == decision


def test_a_false_claim_is_no_contradiction_where_a_correction_stands(make, one):
    corrected = one(("a", 0.5), truth="It is not.", shows=(("a", None, 0.5),))
    assert make(corrected, a=0.0).claims[0].decision == "IS FALSE"
    assert make(corrected, a=0.0).contradicted == ()
    (line,) = make(corrected, a=1.0).contradicted
    assert "It is not." in line
    assert "a within ≤ 0.5, measured 1" in line


def test_a_claim_without_correction_is_contradicted_by_its_own_statements(make, one):
    assert make(one(("a", 0.5)), a=0.0).contradicted
    assert make(one(("a", 0.5)), a=0.5).contradicted == ()


def test_another_recipe_differs_and_contradicts_nothing(make, one):
    finding = make(one(("a", 0.5)), a=0.0)
    own, recipes = suite_lines([finding]), suite_lines([finding], "recipes:Mine")
    assert own[1].startswith("contradicted, by_hand: a within")
    assert recipes[0] == "Suites trained by recipes:Mine; the claims were made of the built-in aligner"
    assert recipes[2].startswith("differs, by_hand: a within")
    assert suite_lines([], "recipes:Mine") == []


def test_a_finding_crosses_a_process_as_builtins(make):
    finding = make("conf_high_corr10", recall_lost=0.2, drop_change=-0.1, twin_accuracy=0.8)
    row = json.loads(json.dumps(finding.record(), allow_nan=False))
    assert Finding.from_record(row) == finding
    assert row["changes"]["world"]["confounder"]["strength"] == 2.0


@pytest.fixture
def record(make, one):
    finding = make(one(("a", 0.5), truth="It is not.", shows=(("b", -1.0, 1.0, True),)), a=0.0, b=2.0)
    return json.loads(json.dumps(finding.record()))


def test_the_verifier_agrees_with_what_was_decided(record):
    assert finding_contradiction(record) is None


def _claim(row):
    return row["claims"][0]


@pytest.mark.parametrize(
    ("tamper", "fault"),
    [
        (lambda row: _claim(row).update(decision="HOLDS"), "about a claim against its statements"),
        (lambda row: _claim(row)["says"][0].update(decision="HOLDS"), "about 'a' against its interval"),
        (lambda row: _claim(row)["shows"][0].update(outside=False), "about 'b' against its interval"),
        (lambda row: row["measurements"][0].update(low=0.6, high=0.8), "about 'a' against its interval"),
        (lambda row: row["measurements"].pop(0), "which was not measured"),
        (lambda row: row["measurements"].append(row["measurements"][0]), "twice"),
    ],
)
def test_the_verifier_sees_a_changed_decision_or_number(record, tamper, fault):
    changed = copy.deepcopy(record)
    tamper(changed)
    assert fault in finding_contradiction(changed)
