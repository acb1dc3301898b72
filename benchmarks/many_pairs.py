"""How long `pytest --mmaudit` takes for tens of thousands of pairs from a file of embeddings, in what memory.

Usage: python benchmarks/many_pairs.py [--pairs N] [--width D] [--profile P] [--workers W]

Writes an .npz of both modalities and a table with captions, a source, a split, a group and trusted pairs, so
that every check that needs no encoder has its material, and runs the audit as a process of its own. Memory is
the largest sum of what all its processes held, looked at five times a second.
"""

import argparse
import contextlib
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mmaudit.seeds import generator

SETTINGS = """\
[tool.mmaudit.data]
file = "pairs.csv"
columns = {query = "query", passage = "passage"}
nuisance = ["source"]
"""


def write(folder: Path, n: int, width: int) -> None:
    """Write healthy embeddings of ``n`` pairs, and what is known of them."""
    rng = generator(7, f"benchmark of many pairs {n} {width}")
    shared, first, second = (rng.standard_normal((n, width), np.float32) for _ in range(3))
    np.savez(folder / "pairs.npz", query=shared + 1.6 * first, passage=shared + 1.6 * second)
    words = rng.choice([f"word{i}" for i in range(2000)], size=(n, 12))
    with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["query", "passage", "source", "split", "trusted"])
        for row in range(n):
            said = f"{row} {' '.join(words[row, :5])}", f"{row} {' '.join(words[row, 5:])}"
            source = f"site {rng.integers(12)}"
            table.writerow([*said, source, ("train", "test")[row % 2], "yes" if row % 50 == 0 else "no"])
    (folder / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")


def held(session: int) -> int:
    """Return how many bytes the processes of ``session`` hold."""
    pages = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(entry.name)) == session:
                    pages += int((entry / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--profile", default="full")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.pairs, options.width)
        spread = ["-n", str(options.workers)] if options.workers > 1 else ["-p", "no:xdist"]
        command = [sys.executable, "-m", "pytest", "--mmaudit", "--mmaudit-subject", "pairs.npz"]
        command += ["--mmaudit-profile", options.profile, *spread, "-q", "-rs", "--durations=12"]
        start, peak = time.perf_counter(), 0
        with (folder / "out").open("w") as out:
            process = subprocess.Popen(command, cwd=folder, stdout=out, start_new_session=True)
            while process.poll() is None:
                peak = max(peak, held(process.pid))
                time.sleep(0.2)
        wall = time.perf_counter() - start
        print((folder / "out").read_text())
        size = sum(f.stat().st_size for f in (folder / "mmaudit-out").rglob("*") if f.is_file())
        cpu = os.times().children_user + os.times().children_system
        print(f"{options.pairs} pairs, {options.width} wide, {options.profile}, {options.workers} workers:")
        print(
            f"{wall:.0f} s, CPU {cpu:.0f} s, peak {peak / 2**30:.1f} GiB, {size / 2**20:.0f} MiB of evidence"
        )
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
