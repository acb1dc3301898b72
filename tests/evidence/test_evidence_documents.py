import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from mmaudit.evidence import RunEvidence, environment, junit, reports, risk_log
from mmaudit.evidence.consistency import verdict_contradiction
from mmaudit.evidence.schema import DOCUMENTS, violation

FIELDS = {
    "facts_provided",
    "assumptions",
    "open_items",
    "analysis",
    "draft_output",
    "verification_status",
    "questions_to_verify",
}
EMPTY = {
    "outcomes": [],
    "certifications": [],
    "tests": [],
    "counts": dict.fromkeys(["collected", "passed", "failed", "skipped", "errors", "not_run"], 0),
    "history": None,
    "deviations": [],
}


def test_every_report_has_the_strict_fields_and_is_never_verified(evidence: RunEvidence) -> None:
    for source in (evidence, dataclasses.replace(evidence, **EMPTY)):
        found = reports(source)
        assert {p for p in DOCUMENTS if p.startswith("reports/")} == found.keys()
        for path, report in found.items():
            assert report.keys() == FIELDS
            assert report["verification_status"] == "Not verified"
            assert report["questions_to_verify"]
            assert violation(path, report) is None


def test_each_outcome_stands_in_exactly_one_report(evidence: RunEvidence) -> None:
    found = reports(evidence)
    placed = [
        row["check"]
        for path, report in found.items()
        if path != "reports/summary.json"
        for row in report["facts_provided"]["checks"]
    ]
    assert sorted(placed) == sorted(row["check"] for row in evidence.outcomes)
    assert found["reports/baseline.json"]["facts_provided"]["history"] == evidence.history


def test_what_was_not_measured_is_said(evidence: RunEvidence) -> None:
    found = reports(evidence)
    assert found["reports/stress.json"]["open_items"] == [
        "Nothing was measured for stress: no check of this report ran."
    ]
    assert found["reports/stress.json"]["analysis"] == "Nothing was measured, so nothing follows."
    dominance = found["reports/dominance.json"]["open_items"]
    assert dominance == ["movement_ratio: not evidenced. no training seen"]
    shortcut = found["reports/shortcut.json"]["open_items"]
    assert shortcut == ["matched_negative_drop: undecided. About 900 items would decide."]
    assert "rank_share: accepted without a positive control." in found["reports/collapse.json"]["open_items"]


def test_the_analysis_follows_the_facts(evidence: RunEvidence, make_outcome: Callable[..., Any]) -> None:
    before = reports(evidence)["reports/shortcut.json"]["analysis"]
    assert (
        before
        == "2 checks: 1 REJECT, 1 INCONCLUSIVE. Rejected: twin_accuracy. Undecided: matched_negative_drop."
    )
    sound = dataclasses.replace(evidence, outcomes=[make_outcome("twin_accuracy", "shortcut", "ACCEPT")])
    assert reports(sound)["reports/shortcut.json"]["analysis"] == "1 check: 1 ACCEPT."


def test_findings_give_interval_limit_and_control(evidence: RunEvidence) -> None:
    (finding, _) = reports(evidence)["reports/dominance.json"]["draft_output"]["findings"]
    assert "0.02 [-0.01, 0.05] at 0.95 r@1, n = 400, paired difference" in finding
    assert "allowed -0.1 to 0.1 (field: harm)" in finding
    assert "rejects one side noised from severity 0.25" in finding


def test_the_summary_names_the_extremes(evidence: RunEvidence, make_outcome: Callable[..., Any]) -> None:
    more = [
        make_outcome("symmetry_gap_at_5", "dominance", "ACCEPT", value=-0.09, low=-0.1, high=0.0),
        make_outcome("mean_cosine", "collapse", "REJECT", value=0.9, low=0.8, high=1.0, p_value=1e-3),
        make_outcome("counterfactual_drop", "shortcut", "ACCEPT", value=-0.05, low=-0.06, high=0.0),
    ]
    summary = reports(dataclasses.replace(evidence, outcomes=evidence.outcomes + more))[
        "reports/summary.json"
    ]
    extremes = summary["facts_provided"]["extremes"]
    assert extremes["largest_symmetry_gap"]["check"] == "symmetry_gap_at_5"
    assert extremes["largest_shortcut_drop"]["check"] == "matched_negative_drop"
    assert extremes["strongest_collapse_indicator"]["check"] == "mean_cosine"
    sound = [
        make_outcome("a", "collapse", "ACCEPT", value=0.0, low=-0.05, high=0.05),
        make_outcome("b", "collapse", "ACCEPT", value=0.06, low=0.03, high=0.09),
        make_outcome("c", "collapse", "ACCEPT", value=0.09, low=0.09, high=0.09),
    ]
    facts = reports(dataclasses.replace(evidence, outcomes=sound))["reports/summary.json"]["facts_provided"]
    assert facts["extremes"]["strongest_collapse_indicator"]["check"] == "b"
    none = reports(dataclasses.replace(evidence, outcomes=[]))["reports/summary.json"]
    assert set(none["facts_provided"]["extremes"].values()) == {None}


def test_a_null_encoder_that_slipped_through_is_an_open_item(
    evidence: RunEvidence, make_outcome: Callable[..., Any]
) -> None:
    slipped = make_outcome(
        "null:zero", "certification", "REJECT", measurement=None, reason="all gates accepted"
    )
    found = reports(dataclasses.replace(evidence, certifications=[slipped]))["reports/summary.json"]
    assert found["facts_provided"]["self_certification"] == {"caught": [], "missed": ["null:zero"]}
    assert "null:zero: this null encoder was not caught. all gates accepted" in found["open_items"]


def test_the_risk_log_follows_the_verdicts(evidence: RunEvidence) -> None:
    log = risk_log(evidence)
    assert violation("risk_log.json", log) is None
    assert log["verification_status"] == "Not verified"
    status = {row["risk"]: row["status"] for row in log["risks"]}
    assert status == {
        "confounding": "detected",
        "dominance": "not detected",
        "collapse": "not detected",
        "leakage": "not detected",
        "metric gaming": "not detected",
        "corruption": "not evidenced",
        "hubness": "measured, not judged",
    }
    rows = {row["risk"]: row for row in log["risks"]}
    assert rows["dominance"]["controls"] == ["symmetry_gap rejects one side noised from severity 0.25"]
    assert [row["check"] for row in rows["leakage"]["checks"]] == ["null:index_leak"]


HOSTILE = "<&\"'>]]>\x00\x1b[31m\ud800\ufffe\U0001f600\n\t"


def test_junit_is_valid_xml_for_hostile_strings_and_has_no_times(
    evidence: RunEvidence, make_outcome: Callable[..., Any]
) -> None:
    tests = [
        {"nodeid": f"a/b.py::T::t[{HOSTILE}]", "outcome": "failed", "message": HOSTILE},
        {"nodeid": "a/b.py::e", "outcome": "error", "message": ""},
        {"nodeid": "a/b.py::s", "outcome": "skipped", "message": "why"},
        {"nodeid": "a/b.py::p", "outcome": "passed", "message": ""},
    ]
    hostile = dataclasses.replace(evidence, tests=tests, outcomes=[make_outcome(HOSTILE, "x", "ACCEPT")])
    data = junit(hostile)
    suite = ElementTree.fromstring(data)[0]
    assert {k: suite.attrib[k] for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    assert [case.get("name") for case in suite.iter("testcase")][2:] == ["p", "s"]
    failure = suite.find(".//failure")
    assert failure is not None
    assert failure.get("message") == "<&\"'>]]>[31m\U0001f600\n\t"
    assert {case.get("classname") for case in suite.iter("testcase")} == {"a.b"}
    assert not re.search(rb'(?:time|timestamp|hostname)="', data)
    values = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert values["null:constant"] == "ACCEPT"
    assert "ACCEPT 0.02 [-0.01, 0.05]" in values.values()


def test_the_environment_follows_its_schema_and_tells_nothing_of_the_host(tmp_path: Any) -> None:
    found = environment()
    assert violation("environment.json", found) is None
    assert found["packages"].keys() >= {"numpy", "scipy", "pytest"}
    text = json.dumps(found)
    assert not re.search(r"/(?:home|tmp|usr|root|opt)/|pid|site-packages", text)


def test_the_environment_does_not_depend_on_what_was_imported_before() -> None:
    script = "{}\nimport json\nfrom mmaudit.evidence import environment\nprint(json.dumps(environment()))"
    first, second = (
        subprocess.run([sys.executable, "-c", script.format(head)], capture_output=True, check=True).stdout
        for head in ("", "import scipy.stats")
    )
    assert first == second


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = (
        "import sys, mmaudit.evidence, mmaudit.cli\n"
        "heavy = {'numpy', 'scipy', 'jsonschema', 'rfc8785', 'sklearn', 'matplotlib', 'pytest'}\n"
        "sys.exit(str(heavy & sys.modules.keys()) if heavy & sys.modules.keys() else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


INSIDE = {"value": 0.0, "low": -0.05, "high": 0.05}
OUTSIDE = {"value": 0.4, "low": 0.3, "high": 0.5}
STRADDLES = {"value": 0.12, "low": 0.05, "high": 0.2}


@pytest.mark.parametrize(
    ("verdict", "changes", "sound"),
    [
        ("ACCEPT", INSIDE, True),
        ("ACCEPT", {"value": 0.0, "low": -0.1, "high": 0.1}, True),
        ("ACCEPT", STRADDLES, False),
        ("ACCEPT", OUTSIDE, False),
        ("ACCEPT", INSIDE | {"limit": None}, False),
        ("ACCEPT", {"measurement": None}, False),
        ("ACCEPT", {"value": 0.0, "low": None, "high": None}, False),
        ("REJECT", OUTSIDE | {"p_adjusted": 0.01}, True),
        ("REJECT", OUTSIDE | {"p_adjusted": 0.5}, False),
        ("REJECT", OUTSIDE | {"p_adjusted": None}, True),
        ("REJECT", INSIDE | {"p_adjusted": 0.01}, False),
        ("REJECT", {"measurement": None, "reason": "the encoder raised"}, True),
        ("REJECT", {"measurement": None}, False),
        ("REJECT", OUTSIDE | {"limit": None}, False),
        ("INCONCLUSIVE", STRADDLES, True),
        ("INCONCLUSIVE", OUTSIDE | {"p_adjusted": 0.2}, True),
        ("INCONCLUSIVE", OUTSIDE | {"p_adjusted": 0.01}, False),
        ("NOT EVIDENCED", {"measurement": None, "reason": "no training seen"}, True),
        ("NOT EVIDENCED", {"measurement": None}, False),
        ("NOT EVIDENCED", OUTSIDE | {"reason": "trust me"}, False),
        (None, OUTSIDE | {"limit": None}, True),
        (None, OUTSIDE, False),
        ("INCONCLUSIVE", {"value": 0.0, "low": 0.1, "high": 0.2}, False),
        ("INCONCLUSIVE", {"value": 0.0, "low": 0.0, "high": None}, False),
        ("INCONCLUSIVE", {"value": None, "low": None, "high": None}, False),
        ("INCONCLUSIVE", {"limit": {"low": None, "high": None, "kind": "user", "rationale": ""}}, False),
        ("ACCEPT", OUTSIDE | {"limit": {"low": 0.2, "high": None, "kind": "user", "rationale": ""}}, True),
        ("ACCEPT", OUTSIDE | {"limit": {"low": None, "high": 0.4, "kind": "user", "rationale": ""}}, False),
    ],
)
def test_a_verdict_must_follow_from_its_numbers(
    verdict: str | None, changes: dict[str, Any], sound: bool, make_outcome: Callable[..., Any]
) -> None:
    assert (verdict_contradiction(make_outcome("c", "f", verdict, **changes), 0.05) is None) == sound


def test_an_accept_needs_every_interval_within_the_limit(make_outcome: Callable[..., Any]) -> None:
    worse = make_outcome("c", "f", "ACCEPT", **STRADDLES)["measurement"]
    row = make_outcome("c", "f", "ACCEPT", others=[worse])
    assert verdict_contradiction(row, 0.05) == "is an ACCEPT whose interval does not lie within its limit"


def test_junit_of_an_audit_without_tests_has_a_case_a_check(evidence: RunEvidence) -> None:
    root = ElementTree.fromstring(junit(dataclasses.replace(evidence, tests=[])))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("9", "2", "1")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["twin_accuracy"].get("classname") == "mmaudit.shortcut"
    failure = cases["twin_accuracy"].find("failure")
    assert failure is not None
    assert failure.text == failure.get("message") == "REJECT 0.4 [0.3, 0.5]"
    assert len(cases["null:constant"]) == 0
