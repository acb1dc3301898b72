"""The teaching chapter's lab, run by its own notebook and by our suites, as whole processes side by side.

Usage: python benchmarks/lab.py DOCUMENT [--rounds R]     (DOCUMENT: the chapter's text; default 5 rounds)

The notebook's cells are taken from the document when this runs, and nothing of them is kept. Its one plotting
crash is patched in memory. Ours is `pytest --mmaudit --mmaudit-profile full -n WORKERS` on the same twenty
conditions at the settings of the chapter, tested on 1200 items and not 360, with intervals throughout. In
turn; medians of wall clock and CPU, and the bytes that each leaves on disk.
"""

import argparse
import ast
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mmaudit.suites import CONDITIONS
from mmaudit.suites.catalogue import condition_named
from mmaudit.suites.condition import specs

WORKERS = 2


def cells(document: str) -> list[str]:
    """Return the code of every cell: from its prompt to the longest part that is Python."""
    found = []
    for part in re.split(r"^In \[(?:\d+|None)\]:\n", document, flags=re.MULTILINE)[1:]:
        part = re.split(r"^##", part, flags=re.MULTILINE)[0] if not _is_python(part) else part
        lines = part.splitlines()
        ends = [i for i, line in enumerate(lines) if not line.strip()] + [len(lines)]
        for end in reversed(ends):
            code = "\n".join(lines[:end])
            if _is_python(code):
                found.append(code)
                break
        else:
            raise SystemExit(f"a cell of the document is no Python: {lines[:2]}")
    return found


def _is_python(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True


def patched(code: str) -> str:
    """Return the notebook's code without the crash of its plots: a histogram of norms that are all one."""
    return re.sub(r"(plt\.hist\(np\.linalg\.norm\(\w+, axis=1\), bins=30)\)", r"\1, range=(0, 2))", code)


def run(command: list[str], folder: str, environment: dict[str, str]) -> tuple[float, float, int]:
    """Return the wall clock, the CPU seconds and the bytes left below ``folder`` of one process."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return wall, cpu, size


def main() -> None:
    """Run both in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("document", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    script = "\n\n".join(patched(cell) for cell in cells(given.document.read_text(encoding="utf-8")))
    # The baseline as the chapter published it is a second one, beside that with identifiable factors.
    names = [
        c.name
        for c in CONDITIONS.values()
        if c.origin == "chapter" and c.suite != "silent" and c.name != "baseline_as_published"
    ]
    steps = [specs(condition_named(name), 7)[2].epochs for name in names]
    print(f"{len(names)} conditions, {sum(steps)} epochs")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["MPLBACKEND"] = "Agg"
    with tempfile.TemporaryDirectory() as folder:
        notebook = Path(folder) / "notebook.py"
        notebook.write_text(script, encoding="utf-8")
        python = [sys.executable]
        ours = [*python, "-m", "pytest", "--mmaudit", "--mmaudit-profile=full", "-q", "-p", "no:randomly"]
        selected = [*ours, "-n", str(WORKERS), "-m", "lab", "-k", " or ".join(f"[{name}]" for name in names)]
        commands = {"the notebook": [*python, str(notebook)], "mmaudit": selected}
        taken: dict[str, list[tuple[float, float, int]]] = {name: [] for name in commands}
        with tempfile.TemporaryDirectory() as place:
            # Our package is compiled when it is installed; here it may not have been.
            run([*ours, "--collect-only"], place, environment)
        for _ in range(given.rounds):
            for name, command in commands.items():
                with tempfile.TemporaryDirectory() as place:
                    taken[name].append(run(command, place, environment))
    middle = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in taken.items()
    }
    for name, (wall, cpu, size) in middle.items():
        print(f"{name:14} wall {wall:7.1f} s   CPU {cpu:7.1f} s   {size / 2**20:7.1f} MB on disk")
    ratios = [a / b for a, b in zip(middle["the notebook"], middle["mmaudit"], strict=True)]
    print("the notebook over mmaudit: wall {:.2f}, CPU {:.2f}, bytes {:.1f}".format(*ratios))


if __name__ == "__main__":
    main()
