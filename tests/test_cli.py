import subprocess
import sys
from pathlib import Path

import pytest

import mmaudit
from mmaudit.cli import main
from mmaudit.evidence import Bundle, RunEvidence, RunInfo, documents, write

COUNTS = {"collected": 0, "passed": 0, "failed": 0, "skipped": 0, "errors": 0, "not_run": 0}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    evidence = RunEvidence(
        outcomes=[],
        certifications=[],
        settings={},
        environment={
            "python": {"version": "3.11.9", "implementation": "CPython"},
            "platform": {"system": "Linux", "machine": "x86_64", "byte_order": "little"},
            "packages": {},
            "blas": [],
        },
        dataset={},
        subject={},
        prompts=[],
        tests=[],
        counts=COUNTS,
        history=None,
        deviations=[],
    )
    run = RunInfo(
        run_id="r1",
        started="2026-01-31T12:00:00Z",
        finished="2026-01-31T12:00:01Z",
        durations={},
        exit_status=0,
        workers=0,
    )
    return write(tmp_path_factory.mktemp("out"), documents(evidence), run)


def test_verify_prints_both_digests_and_what_was_not_checked(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (bundle.archive, bundle.directory):
        assert main(["verify", str(path)]) == 0
        out = capsys.readouterr().out
        assert out.startswith("verified: ")
        assert bundle.digest in out
        assert bundle.archive_sha256 in out
        assert "0 ACCEPT, 0 REJECT, 0 INCONCLUSIVE, 0 NOT EVIDENCED, 0 notice" in out
        assert "Integrity was checked, not authorship" in out


def test_either_digest_can_be_expected(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(bundle.archive)
    assert main(["verify", path, "--expect-sha256", bundle.digest]) == 0
    assert main(["verify", path, "--expect-sha256", f"sha256:{bundle.archive_sha256.upper()}"]) == 0
    capsys.readouterr()
    assert main(["verify", path, "--expect-sha256", "0" * 64]) == 1
    out = capsys.readouterr().out
    assert out.startswith("NOT VERIFIED: ")
    assert "neither digest is the expected 0000" in out
    assert "Integrity was checked" not in out


def test_a_tampered_bundle_is_1(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(bundle.archive.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "x.zip").write_bytes(data)
    assert main(["verify", str(tmp_path / "x.zip")]) == 1
    assert capsys.readouterr().out.startswith("NOT VERIFIED: ")


def test_a_hostile_name_never_reaches_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "run"
    root.mkdir()
    (root / "\x1b[31m\nverified.svg").write_bytes(b"")
    assert main(["verify", str(root)]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\nverified" not in out


def test_nothing_to_verify_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "none.zip")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "cannot read" in captured.err


@pytest.mark.parametrize("argv", [[], ["verify"], ["unknown"], ["verify", "x", "--expect-sha256", "xyz"]])
def test_wrong_usage_is_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: mmaudit" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"mmaudit {mmaudit.__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom mmaudit.cli import main\n"
        "try:\n    main(['verify', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'numpy', 'jsonschema', 'rfc8785', 'zlib_ng'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--expect-sha256" in done.stdout


def test_python_m_mmaudit_is_the_command(bundle: Bundle) -> None:
    command = [sys.executable, "-m", "mmaudit", "verify", str(bundle.archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert bundle.digest in done.stdout
