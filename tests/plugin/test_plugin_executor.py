"""Where independent jobs run: refused in one line before anything is measured, and unseen in the evidence."""

import pytest

from mmaudit.cluster import Dask

GAIN = "mmaudit_checks/test_lab_dominance.py::test_condition[img_gain_dominant]"
LAB = ("-p", "no:randomly", "-p", "no:xdist", "--mmaudit-profile=full", GAIN)


def test_what_names_no_executor_is_refused_by_option_ini_key_and_table(project, said):
    (line,) = said(project.audit("--mmaudit-executor=ray://head:10001"))
    assert "executor is 'ray://head:10001'; expected local or dask://HOST:PORT" in line
    project.write("pyproject.toml", "[tool.mmaudit]\nexecutor = 'dask://'\n")
    (line,) = said(project.audit())
    assert "executor is 'dask://'" in line
    project.write("pytest.ini", "[pytest]\nmmaudit_executor = dusk\n")
    (line,) = said(project.audit())
    assert "executor is 'dusk'" in line
    assert project.bundles == []


def test_no_scheduler_ends_the_run_before_it_begins(project, said, monkeypatch):
    pytest.importorskip("distributed", reason="needs the extra mmaudit[distributed]")
    monkeypatch.setattr("mmaudit.cluster.CONNECT_SECONDS", 1)
    (line,) = said(project.audit("--mmaudit-executor=dask://127.0.0.1:9"))
    assert "executor dask://127.0.0.1:9: no scheduler answers" in line
    assert project.bundles == []


def test_the_evidence_is_the_same_to_the_digest(project, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="needs the extra mmaudit[distributed]")
    sent = []
    real = Dask.map
    monkeypatch.setattr(
        Dask, "map", lambda self, f, jobs, told: sent.extend(jobs) or real(self, f, jobs, told)
    )

    def digest(*options):
        result = project.audit(*LAB, *options, subject=None)
        result.assert_outcomes(passed=1)
        (line,) = [line for line in result.outlines if line.startswith("digest:")]
        return line, result

    here, _ = digest("--mmaudit-out=here")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:
        address = cluster.scheduler_address.replace("tcp://", "dask://")
        there, result = digest("--mmaudit-out=there", f"--mmaudit-executor={address}")
    result.stdout.fnmatch_lines([f"mmaudit: executor {address}, workers: 1, threads: 2"])
    assert there == here
    assert sent == ["img_gain_dominant", "balanced"]
    runs = {name: next((project.path / name).glob("*/run.json")).read_text() for name in ("here", "there")}
    assert '"executor":"local"' in runs["here"]
    assert '"executor":"dask"' in runs["there"]
    for path in next((project.path / "there").glob("*/manifest.json")).parent.rglob("*.json"):
        assert address.removeprefix("dask://") not in path.read_text(), path.name
