"""The stress checks under pytest: collected, run, in the bundle, replayed, whatever Hypothesis is told."""

import json
import re
from pathlib import Path

import pytest

import mmaudit.world
from mmaudit.cli import main
from mmaudit.stress import CHECKS

FOLDER = Path(mmaudit.__file__).parents[1]
WORLDS = "mmaudit_checks/test_stress.py::test_stress[generated_worlds]"
PROJECT = """
import dataclasses
import numpy as np
from mmaudit.failures.weak_spots import factors_of_tokens, two_factors
from mmaudit.subjects import Identity, Subject

CODES = np.random.default_rng(0).standard_normal((5, 8, 24))


def embedded(table):
    return sum(CODES[i][table[:, i]] for i in range(5))


def read(features):
    from mmaudit.failures.weak_spots import factors_of_pixels
    return embedded(factors_of_pixels(np.asarray(features)[:, :256]))


def sound():
    return Subject(
        encoders={"image": read, "text": lambda f: embedded(factors_of_tokens(np.asarray(f)))},
        identity=Identity(name="sound", adapter="test", weights_sha256="0" * 64),
        view="features",
        batch_size=4096,
    )


def weak():
    return two_factors(("shape", 1), ("phase", 5)).planted_in(sound())
"""


@pytest.fixture
def encoders(project):
    project.write("encoders.py", PROJECT)
    project.write("pyproject.toml", "[tool.mmaudit.stress]\nworlds = 40\n")
    return project


def run(project, *args, subject="weak"):
    return project.audit("-p", "no:randomly", "-p", "no:xdist", *args, subject=f"encoders:{subject}")


def names(result):
    return [line for line in result.outlines if line.startswith("mmaudit_checks/test_stress.py")]


def test_every_stress_check_once_and_no_replay(project):
    result = project.audit("--collect-only", "-q", "-p", "no:randomly", subject=None)
    assert names(result) == [f"mmaudit_checks/test_stress.py::test_stress[{name}]" for name in CHECKS]


def test_none_of_them_in_profile_smoke(project):
    assert names(project.audit("--collect-only", "-q", "--mmaudit-profile=smoke", subject=None)) == []


def test_a_weak_spot_fails_with_its_world_and_is_replayed(encoders, said, capsys):
    result = run(encoders, WORLDS)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*the smallest is a world with squares only and a phase of 225 degrees only (phase 5)*",
            "*promise less of it before the run: [[]tool.mmaudit.stress[]]",
            "stress: 40 worlds tried in * s, * rejected; *% of all pairs of values of two",
            "*breaks in a world with squares only and a phase of 225 degrees only*",
            "*run it alone: pytest --mmaudit --mmaudit-replay=mmaudit-out/*/counterexamples/1.json",
        ]
    )
    (bundle,) = encoders.bundles
    facts = encoders.document("reports/stress.json")["facts_provided"]["search"]
    assert facts["counterexamples"][0]["dials"] == {"shape": 1, "phase": 5}
    assert (bundle / "plots" / "stress_shape_phase.svg").exists()
    page = (bundle / "report.html").read_text(encoding="utf-8")
    assert "squares only" in page
    assert "The hardest picture of this world" in page
    capsys.readouterr()
    assert main(["verify", str(bundle)]) == 3
    assert main(["show", str(bundle)]) == 0
    shown = capsys.readouterr().out
    (snippet,) = re.findall(r"@example\((.*)\)", shown)
    scope = {}
    exec("from dataclasses import replace\nfrom mmaudit.world import Confounder, preset", scope)
    spec = eval(snippet, scope)
    assert (spec.shape, spec.phase) == (1, 5)
    file = bundle / "counterexamples" / "1.json"
    assert mmaudit.world.WorldSpec.from_dict(json.loads(file.read_text())["world"]) == spec

    again = run(encoders, f"--mmaudit-replay={file}", "-rA")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(
        ["*bit for bit as recorded*", "FAILED mmaudit_checks/test_stress.py::test_replay*"]
    )
    mended = run(encoders, f"--mmaudit-replay={file}", subject="sound")
    mended.assert_outcomes(passed=1)


def test_a_sound_subject_passes_whatever_the_users_hypothesis_profile(encoders):
    profile = (
        "import hypothesis\n"
        "hypothesis.settings.register_profile('mine', max_examples=1, deadline=1, derandomize=False)\n"
        "hypothesis.settings.load_profile('mine')\n"
    )
    search = []
    for conftest in ("", profile):
        encoders.write("conftest.py", conftest)
        run(encoders, WORLDS, subject="sound").assert_outcomes(passed=1)
        search.append((encoders.bundles[-1] / "reports" / "stress.json").read_bytes())
    assert search[0] == search[1]


@pytest.mark.parametrize("option", ["--mmaudit-replay=none.json", "--mmaudit-replay=encoders.py"])
def test_what_cannot_be_replayed_is_one_line(encoders, said, option):
    result = run(encoders, option)
    assert said(result) == [
        "ERROR: --mmaudit-replay: cannot read none.json: No such file or directory"
        if "none" in option
        else "ERROR: --mmaudit-replay: cannot read encoders.py: no JSON"
    ]
    assert encoders.bundles == []


def test_a_wrong_promise_is_one_line(encoders, said):
    encoders.write("pyproject.toml", "[tool.mmaudit.stress]\nworldz = 40\n")
    result = run(encoders)
    assert said(result) == ["ERROR: unknown mmaudit setting 'stress.worldz'; did you mean 'worlds'?"]


def test_the_seed_of_hypothesis_is_refused_for_the_audit_and_left_to_the_users_tests(encoders, said):
    result = run(encoders, "--hypothesis-seed=3", "-p", "hypothesispytest")
    assert said(result) == [
        "ERROR: --hypothesis-seed does not reach the audit, whose streams follow its own seed; "
        "give --mmaudit-seed N instead"
    ]
    encoders.write("test_mine.py", "def test_mine():\n    pass\n")
    beside = run(encoders, "--hypothesis-seed=3", "-p", "hypothesispytest", "-k", "mine", "test_mine.py")
    beside.assert_outcomes(passed=1)


def test_given_embeddings_are_not_evidenced(project):
    result = project.audit("-p", "no:randomly", "-p", "no:xdist", "-rs", WORLDS)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*NOT EVIDENCED: needs an encoder to run on generated worlds*"])


def test_workers_find_the_same(encoders):
    pytest.importorskip("xdist")
    for workers in ("0", "2"):
        result = encoders.audit_apart(
            "-p", "no:randomly", "-n", workers, "-k", "generated_worlds or scaling", subject="encoders:weak"
        )
        result.assert_outcomes(failed=1, passed=1)
    first, second = ((bundle / "reports" / "stress.json").read_bytes() for bundle in encoders.bundles)
    assert first == second
