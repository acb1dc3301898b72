"""What the installed plugin adds to a pytest that does not audit, and how soon the command line answers.

Usage: python benchmarks/startup.py [ROUNDS]     (default: 15)

Whole processes, run in turn: CPU of the child (user and system) and wall clock, medians and the least.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

COMMANDS = {
    "pytest --version, without the plugin": ["-m", "pytest", "-p", "no:pytest_mmaudit", "--version"],
    "pytest --version": ["-m", "pytest", "--version"],
    "python -c pass": ["-c", "pass"],
    "mmaudit --version": ["-m", "mmaudit", "--version"],
    "mmaudit verify --help": ["-m", "mmaudit", "verify", "--help"],
    "import mmaudit": ["-c", "import mmaudit"],
}


def spent(arguments: list[str], folder: str) -> tuple[float, float]:
    """Run Python once; return its CPU and wall-clock milliseconds."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=folder)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return 1e3 * cpu, 1e3 * wall


def main(rounds: int = 15) -> None:
    """Run every command ``rounds`` times, in turn."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds + 1):
            for name, arguments in COMMANDS.items():
                found = spent(arguments, folder)
                if turn:
                    taken[name].append(found)
    for name, found in taken.items():
        cpu, wall = (sorted(column) for column in zip(*found, strict=True))
        print(
            f"{name:38} CPU {statistics.median(cpu):6.0f} ms (least {cpu[0]:4.0f})   "
            f"wall {statistics.median(wall):6.0f} ms (least {wall[0]:4.0f})"
        )
    added = [
        with_it[1] - without[1]
        for with_it, without in zip(
            taken["pytest --version"], taken["pytest --version, without the plugin"], strict=True
        )
    ]
    print(
        f"the idle plugin adds {statistics.median(added):.1f} ms of wall clock (median of paired differences)"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
