"""A disk that is really full: a small one of its own, filled up around an earlier bundle."""

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmaudit.errors import BundleError
from mmaudit.evidence import RunEvidence, RunInfo, documents, verify, write

Files = dict[str, bytes]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB in memory."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if mount is None or unmount is None:
        pytest.skip("no mount command here")
    path = tmp_path / "disk"
    path.mkdir()
    command = [mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip() or done.returncode}")
    try:
        yield path
    finally:
        subprocess.run([unmount, str(path)], check=True)


def free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


@pytest.mark.parametrize("room", [0.0, 0.1, 0.5, 0.9])
def test_a_full_disk_gives_one_line_and_costs_no_earlier_bundle(
    room: float, disk: Path, evidence: RunEvidence, extra: Files, run_info: RunInfo
) -> None:
    """``room`` is what is left of the disk, as a share of what the earlier bundle takes."""
    files = documents(evidence, extra)
    before = free(disk)
    kept = write(disk / "out", files, dataclasses.replace(run_info, run_id="earlier"))
    filler = disk / "filler"
    filler.write_bytes(b"\0" * (free(disk) - int(room * (before - free(disk)))))
    with pytest.raises(BundleError, match=r"cannot write the bundle into .*: No space left on device; make"):
        write(disk / "out", files, run_info)
    assert set((disk / "out").iterdir()) == {kept.archive, kept.directory}
    assert verify(kept.archive).intact
    assert verify(kept.directory).intact
    filler.unlink()
    assert verify(write(disk / "out", files, run_info).archive).intact
