"""Annotations, badge, Common Test Report Format and model card, against their formats and hostile names."""

import datetime
import json
import xml.etree.ElementTree as ET

import jsonschema
import pytest
import yaml

from mmaudit.gates.outcome import Verdict
from mmaudit.report import annotations, badge, ctrf, model_card
from mmaudit.report.github import _SHOWN

EVIL = "a: b, c%0A::error::x\n::add-mask::y\r#1 \"'{{ - \\ \u202e\U0001f600"


def unescaped(command):
    """Take a workflow command apart as GitHub's runner does."""
    level, rest = command.removeprefix("::").split(" title=", 1)
    title, text = rest.split("::", 1)
    for code, sign in (("%3A", ":"), ("%2C", ","), ("%0A", "\n"), ("%25", "%")):
        title, text = title.replace(code, sign), text.replace(code, sign)
    return level, title, text


def test_annotations_give_rejections_as_errors_and_open_questions_as_warnings(outcomes, certifications):
    error, warning = map(unescaped, annotations(outcomes, certifications))
    assert error[:2] == ("error", "mmaudit: shortcut")
    assert error[2].startswith("twin_accuracy is 0.712 [0.681, 0.743] (95 %, n 400), outside")
    assert warning[:2] == ("warning", "mmaudit: dominance")
    assert "1 collected check" in annotations([], unfinished=1)[0]
    assert annotations([o for o in outcomes if o.verdict is Verdict.ACCEPT]) == []


def test_a_regression_is_an_error_even_where_every_gate_accepts(outcomes):
    accepted = [o for o in outcomes if o.verdict is Verdict.ACCEPT]
    (line,) = annotations(accepted, regressions=["r@1 fell"])
    assert line == "::error title=mmaudit%3A regression::r@1 fell"


def test_annotations_of_hostile_names_stay_one_command_a_line(make):
    (command,) = annotations([make(EVIL, EVIL, Verdict.REJECT, reason=EVIL)])
    assert len(command.splitlines()) == 1
    head = command.removeprefix("::error title=").split("::")[0]
    assert not set(head) & {":", ","}
    assert "%0A" not in command.replace("%250A", "")
    assert (
        unescaped(command)[1] == "mmaudit: a: b, c%0A::error::x ::add-mask::y #1 \"'{{ - \\ \ufffd\U0001f600"
    )


def test_annotations_are_counted_where_github_would_drop_them(make):
    lines = annotations([make(f"check {i}", verdict=Verdict.REJECT) for i in range(30)])
    assert len(lines) == _SHOWN
    assert "21 more" in lines[-1]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_badge_says_the_verdict_in_legible_colours(verdict):
    root = ET.fromstring(badge(verdict))
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["mmaudit", verdict.value.lower()]
    assert root.get("aria-label") == f"mmaudit: {verdict.value.lower()}"
    fills = [node.get("fill") for node in root.iter("{http://www.w3.org/2000/svg}rect") if node.get("fill")]
    assert all(1.05 / (luminance(fill) + 0.05) >= 4.5 for fill in fills)
    assert badge(verdict) == badge(verdict)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


TEXT, WHOLE = {"type": "string", "minLength": 1}, {"type": "integer"}
STATUS = ("passed", "failed", "skipped", "pending", "other")
TEST = {
    "type": "object",
    "required": ["name", "status", "duration"],
    "additionalProperties": False,
    "properties": {
        "testId": TEXT,
        "name": TEXT,
        "status": {"enum": list(STATUS)},
        "duration": WHOLE,
        "suite": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "message": {"type": "string"},
        "rawStatus": {"type": "string"},
        "filePath": {"type": "string"},
        "extra": {"type": "object"},
    },
}
SUMMARY = {
    "type": "object",
    "required": ["tests", *STATUS, "start", "stop"],
    "additionalProperties": False,
    "properties": {**dict.fromkeys(("tests", *STATUS, "start", "stop"), WHOLE), "extra": {"type": "object"}},
}
REPORT = {
    "type": "object",
    "required": ["reportFormat", "specVersion", "results"],
    "properties": {
        "reportFormat": {"const": "CTRF"},
        "specVersion": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"},
        "results": {
            "type": "object",
            "required": ["tool", "summary", "tests"],
            "additionalProperties": False,
            "properties": {
                "tool": {"type": "object", "required": ["name"]},
                "summary": SUMMARY,
                "tests": {"type": "array", "items": TEST},
            },
        },
    },
}
"""What the specification of CTRF 1.0.0 says of the fields that are used here."""


def test_ctrf_follows_its_specification(outcomes):
    tests = [
        {"nodeid": f"a/test_b.py::test_{how}", "outcome": how, "message": "" if how == "passed" else EVIL}
        for how in ("skipped", "passed", "failed", "error")
    ]
    start = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)
    data = ctrf(
        tests,
        found={"a/test_b.py::test_failed": outcomes},
        not_run={"a/test_b.py::test_late"},
        durations={"a/test_b.py::test_passed": 1.2345},
        started=start,
        finished=start + datetime.timedelta(seconds=2.5),
        verdict=Verdict.REJECT,
        version="1.2",
    )
    report = json.loads(data)
    jsonschema.validate(report, REPORT)
    summary = report["results"]["summary"]
    assert [summary[s] for s in ("tests", *STATUS)] == [5, 1, 2, 1, 1, 0]
    assert (summary["stop"] - summary["start"], summary["start"]) == (2500, 1769860800000)
    rows = {row["name"]: row for row in report["results"]["tests"]}
    assert list(rows) == sorted(rows)
    assert rows["test_passed"]["duration"] == 1234
    assert rows["test_error"]["rawStatus"] == "error"
    assert rows["test_late"]["status"] == "pending"
    assert rows["test_failed"]["message"] == EVIL
    told = {row["check"]: row for row in rows["test_failed"]["extra"]["mmaudit"]}
    assert told["twin_accuracy"]["verdict"] == "REJECT"
    assert told["twin_accuracy"]["limit"] == {"low": None, "high": 0.27}
    assert told["tail_excess"]["value"] is None


def card(outcomes, **more):
    facts = {"model": "m", "dataset": "d", "modalities": ("image", "text"), "digest": "sha256 ab"}
    text = model_card(outcomes, verdict=Verdict.ACCEPT, **(facts | more))
    assert text.startswith("---\n# written by mmaudit: ACCEPT, evidence ")
    assert text.endswith("\n---\n")
    (entry,) = yaml.safe_load(text.removesuffix("---\n"))["model-index"]
    return entry


def test_model_card_has_every_measured_outcome_unrounded(outcomes):
    entry = card(outcomes)
    (result,) = entry["results"]
    assert entry["name"] == "m"
    assert result["task"]["type"] == "feature-extraction"
    assert result["dataset"] == {"type": "d", "name": "d"}
    metrics = {metric["type"]: metric for metric in result["metrics"]}
    assert set(metrics) == {o.check for o in outcomes if o.measurement and o.measurement.value is not None}
    assert metrics["twin_accuracy"]["value"] == 0.712
    assert metrics["twin_accuracy"]["args"] == {
        "low": 0.681,
        "high": 0.743,
        "confidence": 0.95,
        "n": 400,
        "verdict": "REJECT",
    }
    assert {metric["verified"] for metric in metrics.values()} == {False}


@pytest.mark.parametrize("value", [0.0, -0.5, 1e-9, 1.5e-7, 1e22, -2e300, 5e-324, 123456789.125])
def test_model_card_numbers_stay_numbers(make, value):
    (metric,) = card([make(measurement=(value, None, None))])["results"][0]["metrics"]
    assert isinstance(metric["value"], float)
    assert metric["value"] == value


@pytest.mark.parametrize("name", [EVIL, "no", "3.5", "- x", "a: b", "---\nx", "", "\ud800", "null"])
def test_model_card_names_stay_strings(make, name):
    entry = card([make(name or "x", name)], model=name, dataset=name, modalities=(name, "y"), digest=name)
    assert isinstance(entry["name"], str)
    assert entry["name"] == "".join(c if c.isprintable() else "\ufffd" for c in " ".join(name.split()))
    assert entry["results"][0]["dataset"]["type"].replace("-", "").isalnum()


def test_model_card_without_any_measurement():
    assert card([])["results"] == []
