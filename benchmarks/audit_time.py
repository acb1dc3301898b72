"""How long an audit takes: 400 given embeddings after imports, and `pytest --mmaudit` as a whole process.

Usage: python benchmarks/audit_time.py [ROUNDS]     (default: 5)

CPU seconds beside wall clock, since other work on the machine shows in the second alone; medians.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import mmaudit
from mmaudit.seeds import generator


def given(rounds: int) -> None:
    """Audit 400 given pairs, 64 and 512 wide, in this process."""
    for width in (64, 512):
        taken = []
        for turn in range(rounds + 1):
            # Others in every turn, as what was found of the same embeddings is not worked out again.
            rng = generator(7, f"benchmark of an audit {width}", turn)
            shared, x, y = (rng.standard_normal((400, width), np.float32) for _ in range(3))
            subject = {"image": shared + x / 2, "text": shared + y / 2}
            cpu, start = time.process_time(), time.perf_counter()
            mmaudit.audit(subject)
            if turn:
                taken.append((time.process_time() - cpu, time.perf_counter() - start))
        show(f"audit of 400 given pairs, {width} wide", taken)


def whole(rounds: int) -> None:
    """Run `pytest --mmaudit` in an empty folder, bytecode cached as it is after a first run."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    taken = []
    for turn in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            before, start = os.times(), time.perf_counter()
            command = [sys.executable, "-m", "pytest", "--mmaudit", "-q", "-p", "no:xdist"]
            subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
            wall, after = time.perf_counter() - start, os.times()
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            if turn:
                taken.append((cpu, wall))
    show("pytest --mmaudit, whole process", taken)


def show(name: str, taken: list[tuple[float, float]]) -> None:
    """Print the medians of CPU and wall clock."""
    cpu, wall = (statistics.median(column) for column in zip(*taken, strict=True))
    print(f"{name:40} CPU {cpu:6.2f} s   wall {wall:6.2f} s   ({len(taken)} runs)")


if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    given(runs)
    whole(runs)
