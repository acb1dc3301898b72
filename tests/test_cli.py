import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mmaudit
from mmaudit.cli import main
from mmaudit.evidence import (
    Bundle,
    RunEvidence,
    RunInfo,
    documents,
    load_private,
    load_public,
    write,
)

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
            "hardware": {
                "processor": "8-bit",
                "logical_processors": 2,
                "memory_mib": None,
                "accelerators": [],
            },
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
        assert main(["verify", str(path)]) == 3
        out = capsys.readouterr().out
        assert out.startswith("intact, but by whom is not verified: ")
        assert bundle.digest in out
        assert bundle.archive_sha256 in out
        assert "0 ACCEPT, 0 REJECT, 0 INCONCLUSIVE, 0 NOT EVIDENCED, 0 notice" in out
        assert "Integrity was checked, not authorship" in out


def test_either_digest_can_be_expected(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(bundle.archive)
    assert main(["verify", path, "--expect-sha256", bundle.digest]) == 0
    out = capsys.readouterr().out
    assert out.startswith("verified: ")
    assert "Integrity was checked" not in out
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


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "other"):
        assert main(["keygen", str(folder / name)]) == 0
    return folder


@pytest.fixture
def signed(bundle: Bundle, keys: Path, tmp_path: Path) -> Bundle:
    files = {
        path.relative_to(bundle.directory).as_posix(): path.read_bytes()
        for path in bundle.directory.rglob("*")
        if path.is_file() and path.name not in ("run.json", "manifest.json")
    }
    run = RunInfo(**json.loads((bundle.directory / "run.json").read_bytes()))
    return write(tmp_path / "out", files, run, key=load_private(keys / "mine"))


def test_keygen_says_where_the_keys_are_and_overwrites_nothing(
    keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keygen", str(tmp_path / "key")]) == 0
    out = capsys.readouterr().out
    assert load_public(tmp_path / "key.pub").key_id in out
    assert "keep it as a secret" in out
    assert main(["keygen", str(tmp_path / "key")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("mmaudit keygen: ")
    assert captured.err.count("\n") == 1


def test_verify_with_a_key_answers_for_the_signer(
    signed: Bundle, bundle: Bundle, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, mine, other = str(signed.archive), str(keys / "mine.pub"), str(keys / "other.pub")
    key_id = load_public(keys / "mine.pub").key_id
    capsys.readouterr()
    assert main(["verify", path, "--key", mine]) == 0
    out = capsys.readouterr().out
    assert out.startswith("verified: ")
    assert f"signed by key    {key_id}  (verified)" in out
    assert main(["verify", path]) == 3
    out = capsys.readouterr().out
    assert f"signed by key    {key_id}  (not checked: give its --key)" in out
    assert main(["verify", path, "--key", other]) == 1
    out = capsys.readouterr().out
    assert out.startswith("NOT VERIFIED: ")
    assert f"signed by key    {key_id}  (see the problems)" in out
    assert main(["verify", str(bundle.archive), "--key", mine]) == 1
    assert "the bundle is not signed" in capsys.readouterr().out
    assert main(["verify", path, "--key", str(keys / "mine")]) == 2
    assert "no Ed25519 public key" in capsys.readouterr().err


def test_attest_and_verify_show_what_a_reviewer_states(
    signed: Bundle, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, mine, other = str(signed.archive), str(keys / "mine.pub"), str(keys / "other.pub")
    attest = ["attest", path, "--key", str(keys / "other"), "--by", "R. Viewer"]
    assert main(["verify", path, "--reviewer-key", other]) == 1
    assert "no statement on this bundle is signed by the given" in capsys.readouterr().out
    assert main([*attest, "--statement", "Read it,\nfound it sound."]) == 0
    assert main([*attest, "--statement", "\x1b[2J"]) == 2
    assert "printable characters" in capsys.readouterr().err
    assert main(["verify", path, "--key", mine, "--reviewer-key", other]) == 0
    out = capsys.readouterr().out
    assert re.search(r"review           [0-9TZ:-]+ R\. Viewer: Read it, found it sound\.", out)
    assert main(["verify", path, "--reviewer-key", other]) == 3
    assert main(["verify", path, "--reviewer-key", mine]) == 1
    assert "does not count: names the key" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["verify"],
        ["unknown"],
        ["verify", "x", "--expect-sha256", "xyz"],
        ["keygen"],
        ["attest", "x", "--by", "A", "--statement", "B"],
    ],
)
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
        "assert not {'numpy', 'jsonschema', 'rfc8785', 'cryptography'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--expect-sha256" in done.stdout


def test_python_m_mmaudit_is_the_command(bundle: Bundle) -> None:
    command = [sys.executable, "-m", "mmaudit", "verify", str(bundle.archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert bundle.digest in done.stdout
