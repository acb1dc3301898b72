"""What a run leaves for CI: files by option, the job's summary and annotations, other plugins' reports."""

import json
import pathlib
import xml.etree.ElementTree as ET

import pytest
import yaml

import pytest_mmaudit
from mmaudit.evidence import verify

FEW = ("-p", "no:randomly", "-k", "contract or symmetry_gap")
REJECTED = "[tool.mmaudit.limits]\nsymmetry_gap = {low = 0.9}\n"
FILES = ("--mmaudit-ctrf=ci/r.json", "--mmaudit-badge=ci/b.svg", "--mmaudit-model-card=ci/card.md")


def read(project, name):
    return (project.path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("workers", [0, 2])
def test_files_by_option_with_and_without_workers(project, workers):
    project.write("pyproject.toml", REJECTED)
    run = project.audit_apart if workers else project.audit
    result = run(*FEW, "-n", str(workers), *FILES)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "mmaudit: reject" in read(project, "ci/b.svg")
    report = json.loads(read(project, "ci/r.json"))["results"]
    assert report["summary"]["extra"] == {"verdict": "REJECT"}
    rows = {row["testId"]: row for row in report["tests"]}
    assert len(rows) == project.document("pytest.json")["counts"]["collected"]
    failed = rows["mmaudit_checks/test_dominance.py::test_dominance[symmetry_gap]"]
    assert failed["status"] == "failed"
    assert failed["extra"]["mmaudit"][0]["verdict"] == "REJECT"
    text = read(project, "ci/card.md")
    (line,) = [line for line in result.outlines if line.startswith("digest:")]
    assert line.split()[-1] in text
    metrics = yaml.safe_load(text.removesuffix("---\n"))["model-index"][0]["results"][0]["metrics"]
    assert "symmetry_gap" in {metric["type"] for metric in metrics}
    # Where a run leaves its files is no setting of the audit, and does not show in the evidence.
    assert not {"ctrf", "badge", "model_card"} & project.document("settings.json").keys()
    assert sorted(path.name for path in (project.path / "ci").iterdir()) == ["b.svg", "card.md", "r.json"]


def test_ini_keys_name_the_files_as_well(project):
    project.write("pytest.ini", "[pytest]\nmmaudit_badge = status.svg\n")
    project.audit(*FEW)
    assert "mmaudit: accept" in read(project, "status.svg")


def test_what_cannot_be_written_is_one_line_and_costs_nothing_else(project):
    project.write("taken", "a file where a folder should be")
    project.write("README.md", "---\nlicense: mit\n---\n# My model\n")
    result = project.audit(
        *FEW, "--mmaudit-ctrf=taken/r.json", "--mmaudit-model-card=README.md", "--mmaudit-badge=b.svg"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["--mmaudit-ctrf: cannot write '*r.json': *; choose another path"])
    result.stdout.fnmatch_lines(["--mmaudit-model-card: cannot write '*README.md': *never replaced*"])
    assert read(project, "README.md").startswith("---\nlicense: mit\n")
    assert "mmaudit: accept" in read(project, "b.svg")
    (folder,) = project.bundles
    assert verify(folder).problems == []


def test_its_own_model_card_is_replaced(project):
    project.write("card.md", "---\n# written by mmaudit: REJECT, evidence old\n---\n")
    project.audit(*FEW, "--mmaudit-model-card=card.md").assert_outcomes(passed=2)
    assert "evidence old" not in read(project, "card.md")
    assert read(project, "card.md").count("model-index:") == 1


def test_a_job_gets_a_summary_beside_what_is_there(project, monkeypatch):
    project.write("summary.md", "before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    result = project.audit(*FEW)
    assert read(project, "summary.md").startswith("before\n### mmaudit: ✅ ACCEPT\n")
    result.stdout.no_fnmatch_line("::*")


def test_a_github_job_gets_annotations(project, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.write("pyproject.toml", REJECTED)
    result = project.audit(*FEW)
    (line,) = [line for line in result.outlines if line.startswith("::")]
    assert line.startswith("::error title=mmaudit%3A dominance::symmetry_gap is ")


def test_reports_of_other_plugins_carry_the_verdicts(project):
    few = ("-k", "contract or symmetry_gap or tail_excess")
    result = project.audit(*few, "--junit-xml=j.xml", "--json-report", "--json-report-file=r.json")
    assert result.ret == pytest.ExitCode.OK
    found = {p.get("name"): p.get("value") for p in ET.parse(project.path / "j.xml").iter("property")}
    assert found["mmaudit.symmetry_gap"].startswith("ACCEPT ")
    assert found["mmaudit.tail_excess"] == "NOT EVIDENCED"
    tests = json.loads(read(project, "r.json"))["tests"]
    told = {row["nodeid"]: row["metadata"]["mmaudit"]["outcomes"] for row in tests if "metadata" in row}
    assert told["mmaudit_checks/test_integrity.py::test_integrity[contract]"][0]["verdict"] == "ACCEPT"


def test_the_example_workflow_uses_options_that_exist():
    path = pathlib.Path(__file__).parents[2] / "examples" / "github-actions.yml"
    steps = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["audit"]["steps"]
    (command,) = [step["run"] for step in steps if step.get("run", "").startswith("pytest")]
    used = {
        word.removeprefix("--mmaudit-").split("=")[0].replace("-", "_")
        for word in command.split()
        if word.startswith("--mmaudit-")
    }
    assert {"subject", "ctrf", "badge"} <= used <= set(pytest_mmaudit._OPTIONS)


def test_a_broken_fixture_bars_an_accept_everywhere(project):
    project.write(
        "test_mine.py",
        "import pytest\n\n@pytest.fixture\ndef broken():\n    raise ValueError('so')\n\n"
        "def test_mine(broken):\n    pass\n",
    )
    result = project.audit(*FEW[:2], "-k", "contract or mine", "--mmaudit-badge=b.svg", "test_mine.py")
    assert "mmaudit: inconclusive" in read(project, "b.svg")
    result.stdout.fnmatch_lines(["overall: INCONCLUSIVE"])
