import dataclasses
import errno
import hashlib
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mmaudit.errors import BundleError
from mmaudit.evidence import Bundle, RunEvidence, RunInfo, documents, verify, write

Files = dict[str, bytes]


def test_zip_and_directory_both_verify_and_agree(bundle: Bundle) -> None:
    for path in (bundle.archive, bundle.directory):
        found = verify(path)
        assert (found.status, found.problems) == (3, [])
        assert (found.digest, found.archive_sha256) == (bundle.digest, bundle.archive_sha256)
        assert found.summary == {
            "ACCEPT": 3,
            "REJECT": 1,
            "INCONCLUSIVE": 1,
            "NOT EVIDENCED": 1,
            "notice": 1,
        }
    assert hashlib.sha256(bundle.archive.read_bytes()).hexdigest() == bundle.archive_sha256


def test_names_and_contents(bundle: Bundle, files: Files, run_info: RunInfo) -> None:
    assert bundle.directory.name == run_info.run_id
    assert bundle.archive.name == f"mmaudit-{run_info.run_id}.zip"
    assert sorted(os.listdir(bundle.archive.parent)) == sorted([bundle.directory.name, bundle.archive.name])
    with zipfile.ZipFile(bundle.archive) as z:
        assert z.testzip() is None
        assert {name: z.read(name) for name in z.namelist()} == files
        assert z.namelist() == sorted(files)
    manifest = json.loads(files["manifest.json"])
    listed = {row["path"]: row for row in manifest["files"] + manifest["volatile"]}
    assert listed.keys() == files.keys() - {"manifest.json"}
    for path, row in listed.items():
        assert row["sha256"] == hashlib.sha256(files[path]).hexdigest()
        assert row["bytes"] == len(files[path])
    assert manifest["settings_sha256"] == listed["settings.json"]["sha256"]


def test_equal_evidence_gives_an_equal_digest_whatever_the_run_and_the_order(
    evidence: RunEvidence, extra: Files, bundle: Bundle, run_info: RunInfo, tmp_path: Path
) -> None:
    shuffled = dataclasses.replace(
        evidence,
        outcomes=evidence.outcomes[::-1],
        certifications=evidence.certifications[::-1],
        tests=evidence.tests[::-1],
    )
    other = dataclasses.replace(run_info, run_id="later", started="2027-01-01T00:00:00+00:00", workers=0)
    again = write(tmp_path, documents(shuffled, dict(reversed(extra.items()))), other)
    assert again.digest == bundle.digest
    assert again.archive_sha256 != bundle.archive_sha256
    for path in bundle.directory.rglob("*"):
        name = path.relative_to(bundle.directory)
        if path.is_file() and name.as_posix() not in ("run.json", "manifest.json"):
            assert (again.directory / name).read_bytes() == path.read_bytes()


def test_the_same_run_gives_the_same_archive(
    evidence: RunEvidence, extra: Files, bundle: Bundle, run_info: RunInfo, tmp_path: Path
) -> None:
    assert write(tmp_path, documents(evidence, extra), run_info).archive_sha256 == bundle.archive_sha256


def test_other_evidence_gives_another_digest(
    evidence: RunEvidence, bundle: Bundle, run_info: RunInfo, tmp_path: Path
) -> None:
    other = dataclasses.replace(evidence, deviations=[])
    assert write(tmp_path, documents(other), run_info).digest != bundle.digest


def test_an_existing_run_is_never_overwritten(
    evidence: RunEvidence, bundle: Bundle, run_info: RunInfo, tmp_path: Path
) -> None:
    files = documents(evidence)
    with pytest.raises(BundleError, match="already exists and evidence is never overwritten"):
        write(bundle.directory.parent, files, run_info)
    assert verify(bundle.archive).intact
    (tmp_path / f"mmaudit-{run_info.run_id}.zip").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="already exists"):
        write(tmp_path, files, run_info)


def test_two_runs_into_one_folder_at_once_both_survive(
    evidence: RunEvidence, run_info: RunInfo, tmp_path: Path
) -> None:
    files = documents(evidence)
    runs = [dataclasses.replace(run_info, run_id=f"run-{i}") for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda run: write(tmp_path, files, run), runs))
    assert all(verify(b.archive).intact for b in written)
    assert len({b.digest for b in written}) == 1


def test_one_run_id_written_twice_at_once_is_claimed_once(
    evidence: RunEvidence, run_info: RunInfo, tmp_path: Path
) -> None:
    files = documents(evidence)

    def attempt(_: int) -> Bundle | BundleError:
        try:
            return write(tmp_path, files, run_info)
        except BundleError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(attempt, range(4)))
    won = [r for r in results if isinstance(r, Bundle)]
    assert len(won) == 1
    assert verify(won[0].archive).intact
    assert verify(won[0].directory).intact
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize(
    "run_id", ["", "..", "a/b", "/x", "a\\b", "CON", "nul.x", "ü", "a" * 81, "x.", "-x", "x.partial"]
)
def test_a_run_id_that_cannot_name_a_folder_is_refused(
    run_id: str, evidence: RunEvidence, run_info: RunInfo, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="cannot name a folder"):
        write(tmp_path, documents(evidence), dataclasses.replace(run_info, run_id=run_id))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../x.svg", "not relative"),
        ("/x.svg", "not relative"),
        ("C:/x.svg", "not relative"),
        ("a\\x.svg", "not relative"),
        ("./x.svg", "not relative"),
        ("a//x.svg", "not relative"),
        ("aux.svg", "not relative"),
        ("plots/bild-ü.svg", "not relative"),
        ("x.exe", "of no known kind"),
        ("x", "of no known kind"),
        ("REPORT.html", "differ only in case"),
        ("Reports/x.svg", "only in case"),
        ("junit.xml/x.svg", "a file and a folder"),
        ("notes.json", "no schema is known"),
        ("manifest.json", "written by the bundle itself"),
        ("run.json", "written by the bundle itself"),
    ],
)
def test_a_file_that_no_bundle_may_hold_is_refused(
    path: str, why: str, evidence: RunEvidence, run_info: RunInfo, tmp_path: Path
) -> None:
    files = documents(evidence, {"report.html": b""}) | {path: b"{}"}
    with pytest.raises(BundleError, match=why) as caught:
        write(tmp_path, files, run_info)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_what_the_verifier_would_refuse_is_not_written(
    evidence: RunEvidence, make_outcome: Callable[..., Any], run_info: RunInfo, tmp_path: Path
) -> None:
    broken = dataclasses.replace(evidence, outcomes=[make_outcome("gap", "dominance", "ACCEPT", high=0.5)])
    with pytest.raises(BundleError, match="'gap' is an ACCEPT whose interval does not lie within its limit"):
        write(tmp_path, documents(broken), run_info)
    assert os.listdir(tmp_path) == []


def test_an_extra_file_cannot_replace_a_document(evidence: RunEvidence) -> None:
    with pytest.raises(BundleError, match="would replace a document"):
        documents(evidence, {"junit.xml": b""})


def test_nan_in_the_evidence_is_named_with_its_file(evidence: RunEvidence) -> None:
    broken = dataclasses.replace(evidence, dataset={"noise": float("nan")})
    with pytest.raises(BundleError, match=r"dataset\.json: \$\.noise is nan"):
        documents(broken)


@pytest.mark.parametrize(
    ("call", "turn"),
    [("mkdir", 0), ("mkdir", 1), ("mkdir", 2), ("fsync", 0), ("fsync", 5), ("rename", 0), ("rename", 1)],
)
def test_a_refusing_disk_gives_one_line_and_leaves_nothing(
    call: str,
    turn: int,
    evidence: RunEvidence,
    run_info: RunInfo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = getattr(os, call)
    turns = iter(range(10_000))

    def failing(*args: Any, **kwargs: Any) -> Any:
        if next(turns) == turn:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **kwargs)

    monkeypatch.setattr(os, call, failing)
    out = tmp_path / "out"
    with pytest.raises(BundleError, match=r"cannot write the bundle into .*: No space left") as caught:
        write(out, documents(evidence), run_info)
    monkeypatch.undo()
    assert "\n" not in str(caught.value)
    assert not out.exists() or os.listdir(out) == []


def test_an_output_folder_that_is_a_file_gives_one_line(
    evidence: RunEvidence, run_info: RunInfo, tmp_path: Path
) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(BundleError, match="cannot write the bundle"):
        write(tmp_path / "out", documents(evidence), run_info)


KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from mmaudit.evidence import write
out, calls, turn = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
files, run = pickle.loads(Path(sys.argv[4]).read_bytes())
real, count = getattr(os, calls), [0]
def fatal(*args):
    if count[0] == turn:
        os.kill(os.getpid(), signal.SIGKILL)
    count[0] += 1
    return real(*args)
setattr(os, calls, fatal)
write(out, files, run)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize(
    ("call", "turn"), [("mkdir", 2), ("fsync", 0), ("fsync", 12), ("fsync", 22), ("rename", 0)]
)
def test_a_killed_write_leaves_nothing_that_verifies(
    call: str, turn: int, evidence: RunEvidence, extra: Files, run_info: RunInfo, tmp_path: Path
) -> None:
    (tmp_path / "files").write_bytes(pickle.dumps((documents(evidence, extra), run_info)))
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(out), call, str(turn), str(tmp_path / "files")]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [p for p in out.rglob("*") if p.is_dir() or p.name == "archive"]
    assert all(verify(path).status == 1 for path in [out, *left])
    assert not (out / run_info.run_id).exists()
    assert write(out, documents(evidence, extra), run_info).directory.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_write_killed_between_its_two_names_leaves_a_whole_run_directory(
    evidence: RunEvidence, run_info: RunInfo, tmp_path: Path
) -> None:
    (tmp_path / "files").write_bytes(pickle.dumps((documents(evidence), run_info)))
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(out), "rename", "1", str(tmp_path / "files")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert verify(out / run_info.run_id).intact
    assert not list(out.glob("*.zip"))


KILLED_ANYWHERE = """
import os, pickle, signal, sys
from pathlib import Path
import rfc8785, jsonschema, referencing
from mmaudit.evidence import write
out, turn = Path(sys.argv[1]), int(sys.argv[2])
files, run = pickle.loads(Path(sys.argv[3]).read_bytes())
count = 0
def tick(frame, event, argument):
    global count
    count += 1
    if count == turn:
        os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(tick)
write(out, files, run)
sys.setprofile(None)
print(count)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_write_killed_at_any_moment_loses_nothing_and_leaves_nothing_half(
    evidence: RunEvidence, extra: Files, run_info: RunInfo, tmp_path: Path
) -> None:
    """A moment is one call or return within the write. MMAUDIT_KILLS sets how many are tried."""
    earlier = dataclasses.replace(run_info, run_id="earlier")
    files = documents(evidence, extra)
    (tmp_path / "files").write_bytes(pickle.dumps((files, run_info)))

    def attempt(out: Path, turn: int) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", KILLED_ANYWHERE, str(out), str(turn), str(tmp_path / "files")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    moments = int(attempt(tmp_path / "whole", 0).stdout)
    rng = random.Random(20260131)
    for i in range(int(os.environ.get("MMAUDIT_KILLS", "3"))):
        out = tmp_path / f"out-{i}"
        kept = write(out, files, earlier)
        done = attempt(out, rng.randrange(1, moments))
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert verify(kept.archive).intact
        assert verify(kept.directory).intact
        for path in set(out.iterdir()) - {kept.archive, kept.directory}:
            # What has a bundle's name is whole; what was being written never verifies.
            assert verify(path).intact == (not path.name.endswith(".partial"))
        assert write(out, files, dataclasses.replace(run_info, run_id="next")).directory.exists()


FULL = """
import pickle, resource, sys
from pathlib import Path
from mmaudit.errors import BundleError
from mmaudit.evidence import write
files, run = pickle.loads(Path(sys.argv[2]).read_bytes())
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    write(Path(sys.argv[1]), files, run)
except BundleError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("room", [0, 500, 20_000])
def test_a_disk_without_room_gives_one_line_and_leaves_nothing(
    room: int, evidence: RunEvidence, extra: Files, run_info: RunInfo, tmp_path: Path
) -> None:
    files = documents(evidence, extra)
    (tmp_path / "files").write_bytes(pickle.dumps((files, run_info)))
    kept = write(tmp_path / "out", files, dataclasses.replace(run_info, run_id="earlier"))
    command = [sys.executable, "-c", FULL, str(tmp_path / "out"), str(tmp_path / "files"), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot write the bundle into ")
    assert done.stdout.count("\n") == 1
    assert set((tmp_path / "out").iterdir()) == {kept.archive, kept.directory}
    assert verify(kept.archive).intact
