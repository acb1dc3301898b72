"""The bundle of a run: the same whatever ran it, honest about what did not run, and never half there."""

import os
import signal
import subprocess
import sys

import pytest

from mmaudit.evidence import verify

VOLATILE = {"run.json", "manifest.json"}
CONTRACT = "mmaudit_checks/test_integrity.py::test_integrity[contract]"
FEW = ("-k", "contract or consistency or symmetry_gap or mispairing_rate or constant")


def facts(folder) -> dict[str, bytes]:
    """Return the bytes of every file of a bundle that two equal runs must share."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    return {name: content for name, content in files.items() if name not in VOLATILE}


def digest(result: pytest.RunResult) -> str:
    (line,) = [line for line in result.outlines if line.startswith("digest:")]
    return line.split()[-1]


def test_workers_and_order_leave_no_trace(project):
    runs = [
        project.audit_apart("-p", "no:xdist", "-p", "no:randomly"),
        project.audit_apart("-n", "0"),
        project.audit_apart("-n", "2"),
    ]
    assert {result.ret for result in runs} == {pytest.ExitCode.OK}
    assert len({digest(result) for result in runs}) == 1
    first, *others = [facts(folder) for folder in project.bundles]
    assert "report.html" in first
    assert all(other == first for other in others)
    assert len(others) == 2
    for archive in (project.path / "mmaudit-out").glob("*.zip"):
        assert verify(archive).problems == []


def test_the_digest_of_the_settings_is_the_one_resolved_before_the_run(project):
    from mmaudit.gates import CHECKS
    from mmaudit.settings import load

    project.audit(*FEW, "--mmaudit-seed=5").assert_outcomes(passed=4, skipped=1)
    expected = load({}, {"seed": 5, "subject": "good.npz"}, checks=[check.name for check in CHECKS])
    settings = project.document("settings.json")
    assert settings == expected.as_dict() | {"digest": expected.digest()}


def test_collect_only_and_no_tests_write_nothing(project):
    before = project.files()
    project.audit("--collect-only", "-p", "no:cacheprovider")
    result = project.audit("-k", "nothing_is_called_so", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert project.files() == before


def test_the_settings_are_told_before_anything_is_measured_and_stand_in_the_evidence(project):
    result = project.audit("-k", "contract")
    digest = project.document("settings.json")["digest"]
    (header,) = [i for i, line in enumerate(result.outlines) if line.startswith("mmaudit: ")]
    assert result.outlines[header].endswith(f", profile ci, settings sha256 {digest}")
    assert header < next(i for i, line in enumerate(result.outlines) if line.startswith("collected"))


def test_a_stopped_run_says_what_did_not_run(project):
    project.write("pyproject.toml", "[tool.mmaudit.limits]\npair_discrimination = {low = 2.0}\n")
    result = project.audit("-x", "-p", "no:randomly", "mmaudit_checks/test_alignment.py")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    counts = project.document("pytest.json")["counts"]
    assert counts["failed"] == 1
    assert (
        counts["not_run"] == counts["collected"] - counts["passed"] - counts["failed"] - counts["skipped"] > 0
    )


def test_a_crashed_worker_cannot_be_accepted(project):
    project.write("test_mine.py", "import os\n\ndef test_mine():\n    os._exit(3)\n")
    result = project.audit_apart(
        "-n", "1", "--max-worker-restart=0", "-k", "contract or mine", "test_mine.py"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    rows = {row["nodeid"]: row for row in project.document("pytest.json")["tests"]}
    assert rows["test_mine.py::test_mine"]["message"] == "the process that ran it crashed"
    assert project.document("reports/summary.json")["facts_provided"]["deviations"]
    (folder,) = project.bundles
    assert b"inconclusive" in (folder / "badge.svg").read_bytes()
    assert b"<title>mmaudit: INCONCLUSIVE</title>" in (folder / "report.html").read_bytes()


def test_an_interrupted_run_is_whole_and_says_so(project):
    # A shell starts what it puts into the background with interrupts ignored, and children inherit that.
    project.write(
        "test_mine.py",
        "import signal\n\ndef test_mine():\n    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    print('waiting', flush=True)\n    while True:\n        pass\n",
    )
    args = ["-s", "-p", "no:randomly", "-k", "contract or mine", "test_mine.py"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "pytest_mmaudit",
        "--mmaudit",
        "--mmaudit-subject=good.npz",
    ]
    with subprocess.Popen([*command, *args], cwd=project.path, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            if "waiting" in line:
                run.send_signal(signal.SIGINT)
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert [row["nodeid"] for row in project.document("pytest.json")["tests"]] == [CONTRACT]
    assert project.document("pytest.json")["counts"]["not_run"] == 1
    (folder,) = project.bundles
    assert verify(folder).problems == []


def test_a_bundle_that_cannot_be_written_is_one_line_and_a_failure(project):
    project.write("taken", "a file where the folder should be")
    result = project.audit(*FEW, "--mmaudit-out=taken")
    result.assert_outcomes(passed=4, skipped=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["no evidence was written: cannot write the bundle into *"])


def test_no_machine_is_named_in_the_evidence(project):
    project.audit(*FEW, f"--mmaudit-out={project.path / 'out'}", subject=str(project.path / "good.npz"))
    (folder,) = [path for path in (project.path / "out").iterdir() if path.is_dir()]
    secret = [str(project.path), os.uname().nodename, os.path.expanduser("~")]
    for name, content in facts(folder).items():
        assert [s for s in secret if len(s) > 2 and s.encode() in content] == [], name
