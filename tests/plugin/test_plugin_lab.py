"""The teaching suites: collected in profile full for the built-in aligner; findings reach the bundle."""

import pytest

from mmaudit.suites import CONDITIONS
from pytest_mmaudit.lab import FILES

GAIN = "mmaudit_checks/test_lab_dominance.py::test_condition[img_gain_dominant]"
FULL = "--mmaudit-profile=full"


def lab_ids(result):
    return [line for line in result.outlines if line.startswith(f"mmaudit_checks/{FILES}")]


def test_every_condition_once_at_a_stable_id(project):
    result = project.audit("--collect-only", "-q", "-p", "no:randomly", "-m", "lab", FULL, subject=None)
    expected = [
        f"mmaudit_checks/test_lab_{c.suite}.py::test_condition[{c.name}]" for c in CONDITIONS.values()
    ]
    assert sorted(lab_ids(result)) == sorted(expected)
    assert GAIN in expected


@pytest.mark.parametrize(
    ("options", "subject"), [((), None), (("--mmaudit-profile=ci",), None), ((FULL,), "good.npz")]
)
def test_not_in_another_profile_and_not_for_another_subject(project, options, subject):
    result = project.audit("--collect-only", "-q", *options, subject=subject)
    assert lab_ids(result) == []


def test_not_for_a_subject_that_the_hook_gives(project):
    project.write("conftest.py", "def pytest_mmaudit_subject(config):\n    return 'good.npz'\n")
    assert lab_ids(project.audit("--collect-only", "-q", FULL, subject=None)) == []


def test_a_finding_reaches_the_bundle_and_the_terminal(project):
    result = project.audit("-p", "no:randomly", "-p", "no:xdist", FULL, GAIN, subject=None)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["Suite A*: 1 conditions; claims: 1 false"])
    (row,) = project.document("reports/dominance.json")["facts_provided"]["suite"]
    assert (row["condition"], row["claims"][0]["decision"]) == ("img_gain_dominant", "IS FALSE")
    summary = project.document("reports/summary.json")["facts_provided"]["suites"]
    assert summary["extremes"]["worst_symmetry_gap"]["condition"] == "img_gain_dominant"
    assert (project.bundles[0] / "plots" / "expA_symmetry_gap.svg").exists()


def test_a_contradicted_statement_fails_with_its_numbers(project):
    project.write(
        "conftest.py",
        "import mmaudit.suites.laboratory as l\n"
        "real = l.compared\n"
        "def twisted(*args):\n"
        "    import dataclasses\n"
        "    lie = {'value': 1.0, 'low': 1.0, 'high': 1.0}\n"
        "    found = real(*args)\n"
        "    return [dataclasses.replace(m, **lie) if m.name == 'recall_lost' else m for m in found]\n"
        "l.compared = twisted\n",
    )
    result = project.audit_apart("-p", "no:randomly", "-p", "no:xdist", FULL, GAIN, subject=None)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*img_gain_dominant contradicts what its suite states",
            "*recall_lost within ±0.01, measured 1 *",
        ]
    )
    assert project.document("reports/dominance.json")["facts_provided"]["suite"]


RECIPE = """
import numpy as np

class Recipe:
    def fit(self, pairs, callbacks):
        rng = np.random.default_rng(3)
        shapes = {m: np.asarray(pairs.inputs[m]).shape[1] for m in ("image", "text")}
        weights = {m: rng.standard_normal((d, 32)) for m, d in shapes.items()}
        model = {m: lambda rows, w=w: np.asarray(rows) @ w for m, w in weights.items()}
        callbacks[0](1, model)
        return model

class Untrainable:
    pass
"""
CLEAN = "mmaudit_checks/test_lab_dominance.py::test_condition[balanced]"


def test_a_recipe_is_trained_in_the_place_of_the_aligner(project):
    project.write("recipes.py", RECIPE)
    named = "--mmaudit-recipe=recipes:Recipe"
    result = project.audit("-p", "no:randomly", "-p", "no:xdist", FULL, named, CLEAN, GAIN, "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "Suites trained by recipes:Recipe; the claims were made of the built-in aligner",
            "*NOT EVIDENCED: img_gain_dominant turns *, which this recipe's fit does not take*",
        ]
    )
    (row,) = project.document("reports/dominance.json")["facts_provided"]["suite"]
    assert {m["name"]: m["value"] for m in row["measurements"]}["recall_at_1"] < 0.1
    assert project.document("settings.json")["recipe"] == "recipes:Recipe"
    assert "recipes:Recipe" in (project.bundles[0] / "report.html").read_text(encoding="utf-8")


def test_a_recipe_that_cannot_be_trained_is_refused(project):
    project.write("recipes.py", RECIPE)
    result = project.audit(FULL, "--mmaudit-recipe=recipes:Untrainable", CLEAN)
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*recipes:Untrainable*without fit(pairs, callbacks)*"])
