"""How long and with how much memory a large bundle is verified, beside hashing the same bytes once.

Usage: python benchmarks/verify_large.py [MEGABYTES ...]     (default: 10 100)
"""

import hashlib
import io
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mmaudit.evidence import RunEvidence, RunInfo, documents, environment, verify, write
from mmaudit.seeds import generator

_COUNTS = ("collected", "passed", "failed", "skipped", "errors", "not_run")


def make(folder: Path, megabytes: int) -> None:
    """Write a bundle of about ``megabytes`` MB, nearly all of it two float32 arrays."""
    rows = generator(7, "a large bundle").standard_normal((megabytes * 10**6 // 8 // 512, 512), np.float32)
    buffer = io.BytesIO()
    np.save(buffer, rows)
    evidence = RunEvidence(
        outcomes=[],
        certifications=[],
        settings={},
        environment=environment(),
        dataset={},
        subject={},
        prompts=[],
        tests=[],
        counts=dict.fromkeys(_COUNTS, 0),
        history=None,
        deviations=[],
    )
    run = RunInfo(
        run_id=f"large-{megabytes}",
        started="2026-01-01T00:00:00Z",
        finished="2026-01-01T00:00:00Z",
        durations={},
        exit_status=0,
        workers=0,
    )
    arrays = dict.fromkeys(("data/embeddings_x.npy", "data/embeddings_y.npy"), buffer.getvalue())
    write(folder, documents(evidence, arrays), run)


def measure(archive: Path) -> None:
    """Print seconds, MB/s and this process's peak memory for one verification, and for one SHA-256."""
    size = archive.stat().st_size / 1e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    with archive.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    hashing = time.perf_counter() - start
    start = time.perf_counter()
    found = verify(archive)
    seconds = time.perf_counter() - start
    if not found.intact:
        raise SystemExit(found.problems[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{size:8.1f} MB  verified in {seconds:6.3f} s ({size / seconds:6.0f} MB/s), "
        f"hashed once in {hashing:6.3f} s ({size / hashing:6.0f} MB/s), "
        f"ratio {seconds / hashing:4.1f}, peak memory {peak:5.0f} MiB ({before:.0f} before)"
    )


def main() -> None:
    """Make and measure each size in processes of their own: a child inherits its parent's peak of memory."""
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]), int(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]))
        return
    for size in sys.argv[1:] or ["10", "100"]:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, __file__, "--make", folder, size], check=True)
            (archive,) = Path(folder).glob("*.zip")
            subprocess.run([sys.executable, __file__, "--measure", str(archive)], check=True)


if __name__ == "__main__":
    main()
