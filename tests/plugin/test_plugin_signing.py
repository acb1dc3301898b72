"""Signed runs, runs under a fixed date, and what people state about the audited system."""

# pytester forgets what a test was the first to import, and this library cannot be imported twice.
import cryptography.hazmat.primitives.asymmetric.ed25519
import cryptography.hazmat.primitives.serialization  # noqa: F401
import pytest

from mmaudit.evidence import generate, load_public, verify

FEW = ("-k", "contract or symmetry_gap or constant")


def archives(project, folder="mmaudit-out") -> list:
    return sorted((project.path / folder).glob("*.zip"))


def test_a_run_with_a_key_is_signed(project):
    generate(project.path / "key")
    project.audit(*FEW, "--mmaudit-sign-key=key").assert_outcomes(passed=3)
    (archive,) = archives(project)
    assert verify(archive, key=load_public(project.path / "key.pub")).status == 0
    settings = project.document("settings.json")
    assert "sign_key" not in settings
    (folder,) = project.bundles
    secret = (project.path / "key").read_bytes().splitlines()[1]
    assert not [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


def test_the_key_of_an_ini_file_is_found_from_the_rootdir(project):
    (project.path / "keys").mkdir()
    generate(project.path / "keys" / "key")
    project.write("pytest.ini", "[pytest]\nmmaudit_sign_key = keys/key\n")
    project.audit(*FEW).assert_outcomes(passed=3)
    (archive,) = archives(project)
    assert verify(archive, key=load_public(project.path / "keys" / "key.pub")).status == 0


def test_a_key_that_cannot_sign_ends_the_run_before_anything_is_measured(project):
    project.write("key", "no key")
    for spec, why in (("key", "is no Ed25519 private key in PEM"), ("none", "cannot read the key")):
        result = project.audit(*FEW, f"--mmaudit-sign-key={spec}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: mmaudit sign_key: *{why}*"])
    assert archives(project) == []


def test_under_a_fixed_date_the_whole_zip_is_the_same_with_and_without_workers(project, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    generate(project.path / "key")
    for workers in ("0", "2"):
        run = ("-n", workers, f"--mmaudit-out=out-{workers}", "--mmaudit-sign-key=key", "--mmaudit-seed=3")
        project.audit_apart(*FEW, *run).assert_outcomes(passed=3)
    (first,), (second,) = (archives(project, f"out-{workers}") for workers in ("0", "2"))
    assert first.name == second.name
    assert first.name.startswith("mmaudit-20260101-000000-")
    assert first.read_bytes() == second.read_bytes()
    assert verify(first, key=load_public(project.path / "key.pub")).status == 0


def test_a_date_that_is_none_ends_the_run_with_one_line(project, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    result = project.audit(*FEW)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: SOURCE_DATE_EPOCH is 'yesterday'; expected whole seconds*"])


def test_what_people_state_is_in_the_evidence_and_not_in_the_settings(project):
    project.write(
        "pyproject.toml",
        "[tool.mmaudit.governance]\nintended_use = 'search'\nresidual_risks = ['one', 'two']\n",
    )
    project.audit(*FEW).assert_outcomes(passed=3)
    found = project.document("governance.json")
    assert found["statements"]["intended_use"] == "search"
    assert found["statements"]["residual_risks"] == ["one", "two"]
    assert "responsible_person" in found["not_stated"]
    assert "governance" not in project.document("settings.json")
    assert len(project.document("dataset.json")["split_sha256"]) == 64


def test_a_misspelt_statement_is_refused(project):
    project.write("pyproject.toml", "[tool.mmaudit.governance]\nintended_usage = 'search'\n")
    result = project.audit(*FEW)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *'governance.intended_usage'; did you mean 'intended_use'?"])
