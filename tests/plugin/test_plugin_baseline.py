"""A run held to an earlier one: found before it starts, compared at its end, saved under the next number."""

import numpy as np
import pytest

from mmaudit.auditing import audit
from mmaudit.comparison import ARRAYS, compare, side_of
from mmaudit.evidence import verify
from mmaudit.evidence.reading import read
from mmaudit.settings import Settings

QUICK = ("--mmaudit-profile=smoke", "-p", "no:cacheprovider")
FEW = (*QUICK, "-k", "contract or pair_discrimination or separation")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Return the bytes of an audit of the embeddings that every project of these tests has."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((120, 16))
    x, y = (z + 0.3 * rng.standard_normal(z.shape) for _ in range(2))
    audited = audit((x, y), settings=Settings(profile="smoke"))
    return audited.write(tmp_path_factory.mktemp("baseline")).archive.read_bytes()


@pytest.fixture
def main(project, archive):
    """The baseline ``0001_main`` of the project."""
    path = project.path / ".mmaudit" / "0001_main.zip"
    path.parent.mkdir()
    path.write_bytes(archive)
    return path


@pytest.fixture
def worse(project):
    given = np.load(project.path / "good.npz")
    rng = np.random.default_rng(4)
    noisy = {name: given[name] + 1.2 * rng.standard_normal(given[name].shape) for name in given.files}
    np.savez(project.path / "worse.npz", **noisy)
    return "worse.npz"


def baselines(project):
    return sorted(path.name for path in (project.path / ".mmaudit").glob("*.zip"))


def test_a_run_is_saved_under_the_next_number_and_its_digest(project, main):
    assert project.audit(*FEW, "--mmaudit-save").ret == pytest.ExitCode.OK
    _, saved = sorted(main.parent.glob("*.zip"))
    assert saved.name == f"0002_{read(saved).digest[:12]}.zip"
    assert verify(saved).problems == []


def test_the_same_model_passes_and_the_bundles_lines_stay_the_last(project, main):
    result = project.audit(*FEW, "--mmaudit-baseline=latest")
    assert result.ret == pytest.ExitCode.OK
    lines = result.outlines
    end = lines.index("no regression")
    assert [line.split(":")[0] for line in lines[end + 1 : end + 5]] == [
        "evidence",
        "archive",
        "digest",
        "verify",
    ]
    changes = project.document("comparison.json")["changes"]
    assert {row["change"]["value"] for row in changes} == {0}


def test_a_regression_fails_the_run_and_is_in_the_evidence_whoever_measured(project, main, worse):
    options = (*FEW, "--mmaudit-baseline=1", "--mmaudit-save=next")
    results = [
        project.audit(*options, subject=worse),
        project.audit_apart(*options, "-n", "2", subject=worse),
    ]
    for result in results:
        result.assert_outcomes(passed=3)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(
            ["*pair_discrimination * WORSE", "items whose ranks rose most*", "* regressions:",
             "not saved: this run is worse than its baseline", "evidence: *"],
        )  # fmt: skip
    assert baselines(project) == ["0001_main.zip"]
    first, second = project.bundles
    assert (first / "comparison.json").read_bytes() == (second / "comparison.json").read_bytes()
    assert verify(second).problems == []
    assert "Worse than its baseline" in (second / "report.html").read_text(encoding="utf-8")
    now = read(second, ARRAYS)
    recorded = now.documents["comparison.json"]
    assert compare(side_of(read(main, ARRAYS)), side_of(now)).record() == recorded
    assert now.documents["run.json"]["exit_status"] == pytest.ExitCode.TESTS_FAILED


def test_a_tolerance_of_the_project_is_kept_to(project, main, worse):
    checks = ("pair_discrimination", "recall_at_1", "recall_at_5", "recall_at_10", "symmetry_gap")
    table = "\n".join(f"{check} = 1.0" for check in (*checks, "separation"))
    project.write("pyproject.toml", f"[tool.mmaudit.tolerance]\n{table}\n")
    result = project.audit(*FEW, "--mmaudit-baseline=latest", subject=worse)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["no regression"])


def test_a_run_that_did_not_finish_is_no_baseline(project):
    project.write("pyproject.toml", "[tool.mmaudit.limits]\npair_discrimination = {low = 2.0}\n")
    result = project.audit(*FEW, "-x", "-p", "no:randomly", "--mmaudit-save=main")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["not saved: * of the collected tests did not finish"])
    assert baselines(project) == []


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (
            ["--mmaudit-baseline=latest"],
            "--mmaudit-baseline: no bundle or baseline 'latest'; none is stored *",
        ),
        (["--mmaudit-baseline=broken.zip"], "--mmaudit-baseline: not a canonical zip*"),
        (["--mmaudit-save=a/b"], "--mmaudit-save: 'a/b' cannot name a baseline; *"),
    ],
)
def test_a_baseline_that_is_none_ends_the_run_before_it_starts(project, said, args, complaint):
    project.write("broken.zip", "this is no zip at all, whatever its name may say")
    result = project.audit(*FEW, *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len(said(result)) == 1
    result.stderr.fnmatch_lines([f"ERROR: {complaint}"])
    assert project.bundles == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--mmaudit-seed=8"], "not comparable: the setting 'seed' was 7 and is 8; *"),
        (
            ["--mmaudit-subject=fewer.npz"],
            "not comparable: the number of pairs differs (it was 120 and is 119); *",
        ),
    ],
)
def test_other_data_and_other_settings_are_refused_before_the_run(project, main, said, change, complaint):
    given = np.load(project.path / "good.npz")
    np.savez(project.path / "fewer.npz", **{name: given[name][1:] for name in given.files})
    result = project.audit(*FEW, "--mmaudit-baseline=latest", *change)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len(said(result)) == 1
    result.stderr.fnmatch_lines([f"ERROR: --mmaudit-baseline: {complaint}"])


def test_both_can_be_ini_keys_and_the_command_line_wins(project, main):
    project.write("pytest.ini", "[pytest]\nmmaudit_baseline = latest\nmmaudit_save = next\n")
    assert project.audit(*FEW, "--mmaudit-baseline=nowhere").ret == pytest.ExitCode.USAGE_ERROR
    project.audit(*FEW).stdout.fnmatch_lines(["no regression", "saved: *0002_next.zip"])


def test_without_the_audit_both_are_refused(project, said):
    for option in ("--mmaudit-baseline=1", "--mmaudit-save"):
        result = project.run(option)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert len(said(result)) == 1


def test_tests_after_the_option_are_not_taken_for_its_name(project, said):
    project.write("tests/test_own.py", "def test_own():\n    pass\n")
    result = project.audit("--mmaudit-save", "tests")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = said(result)
    assert line.startswith("ERROR: --mmaudit-save takes 'tests' for the name to save under; write --mmaudit-")
    assert project.audit(*FEW, "tests", "--mmaudit-save").ret == pytest.ExitCode.OK
    assert project.audit(*FEW, "--mmaudit-save", "next").ret == pytest.ExitCode.OK
    assert project.audit(*FEW, "--mmaudit-save=tests").ret == pytest.ExitCode.OK
    assert [name.split("_")[0] for name in baselines(project)] == ["0001", "0002", "0003"]
    assert baselines(project)[1:] == ["0002_next.zip", "0003_tests.zip"]
