"""The gates on embeddings that do not fit the memory allowed for them, read from disk.

Usage: python benchmarks/million.py [--items N] [--width D] [--folder DIR]     (default: 1000000, 512)

Writes two .npy files of N × D float32 (4.1 GB at the default size; removed at the end), audits them in a
process of its own, and prints its wall clock, CPU and peak memory. The encoder is middling: a normal part in
D dimensions that the sides share, and noise of each.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mmaudit.seeds import generator

NOISE = 1.8
CHUNK = 50_000


def write(folder: Path, n: int, d: int) -> None:
    """Write both sides chunk by chunk."""
    sides = [
        np.lib.format.open_memmap(folder / f"{side}.npy", mode="w+", dtype=np.float32, shape=(n, d))
        for side in "xy"
    ]
    rng = generator(7, "a million pairs")
    for start in range(0, n, CHUNK):
        count = min(CHUNK, n - start)
        shared = rng.standard_normal((count, d), np.float32)
        for z in sides:
            own = rng.standard_normal((count, d), np.float32)
            own *= np.float32(NOISE)
            z[start : start + count] = shared + own
    for z in sides:
        z.flush()


def audit(folder: Path) -> None:
    """Audit the two files and print what it took, as one line of JSON at the end."""
    from mmaudit.scale import audit_large

    start = time.perf_counter()

    def progress(what: str, done: int, most: int) -> None:
        print(f"  {time.perf_counter() - start:6.1f} s  {what}: {done} (at most {most})", flush=True)

    found = audit_large(folder / "x.npy", folder / "y.npy", progress=progress)
    print(found)
    print(found.decisions[1].guarantee)
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Not ru_maxrss, which a process takes over from the one that started it.
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    taken = {
        "wall_s": round(time.perf_counter() - start, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(peak / 1024),
        "verdict": found.verdict.value,
    }
    print(json.dumps(taken))


def main() -> None:
    """Write, audit in a process of its own, remove."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--audit", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.audit:
        audit(given.audit)
        return
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        start = time.perf_counter()
        write(folder, given.items, given.width)
        print(f"{given.items} pairs, {given.width} wide, written in {time.perf_counter() - start:.0f} s")
        subprocess.run([sys.executable, __file__, "--audit", str(folder)], check=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
