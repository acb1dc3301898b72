"""The teaching chapter's lab, run by its own notebook and by our suites, as whole processes side by side.

Usage: python benchmarks/lab.py DOCUMENT [--rounds R]     (DOCUMENT: the chapter's text; default 5 rounds)

The notebook's cells are taken from the document when this runs, and nothing of them is kept. Its one plotting
crash is patched in memory. Ours is `pytest --mmaudit --mmaudit-profile full -n WORKERS` on the same twenty
conditions at the settings of the chapter, tested on 1200 items and not 360, with intervals throughout. In
turn; medians of wall clock and CPU, and the bytes that each leaves on disk. Last comes a floor: the matrix
products of our training steps and nothing else, on one thread.
"""

import argparse
import ast
import collections
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mmaudit.subjects.reference import claimed
from mmaudit.suites import CONDITIONS
from mmaudit.suites.catalogue import condition_named
from mmaudit.suites.condition import specs
from mmaudit.threads import one_blas_thread
from mmaudit.world import build

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


def products(names: list[str]) -> float:
    """Return the seconds of the matrix products of all training steps of the conditions ``names``."""
    rng = np.random.default_rng(7)

    def room(*shape: int) -> npt.NDArray[np.float32]:
        return rng.standard_normal(shape, np.float32)

    shapes: collections.Counter[tuple[int, ...]] = collections.Counter()
    for world_spec, aligner, training in {
        repr(s): s for s in (specs(condition_named(n), 7) for n in names)
    }.values():
        x, y = (len(inputs[0]) for inputs in claimed(build(world_spec), "train"))
        steps = math.ceil(world_spec.n_train / training.batch)
        shape = (
            world_spec.n_train // steps,
            x,
            aligner.side("x").hidden,
            y,
            aligner.side("y").hidden,
            aligner.embed_dim,
        )
        shapes[shape] += steps * training.epochs
    total = 0.0
    with one_blas_thread():
        for (n, x, hidden_x, y, hidden_y, d), count in shapes.items():
            pairs = []
            for width, hidden in ((x, hidden_x), (y, hidden_y)):
                inputs, inner, out = room(n, width), room(n, hidden), room(n, d)
                first, second = room(width, hidden), room(hidden, d)
                # Forwards, the two gradients of weights, and the gradient on its way down.
                pairs += [
                    (inputs, first),
                    (inner, second),
                    (inner.T, out),
                    (out, second.T),
                    (inputs.T, inner),
                ]
            a, b, similarity = room(n, d), room(n, d), room(n, n)
            pairs += [(a, b.T), (similarity, b), (similarity.T, a)]
            rooms = [np.empty((len(first), second.shape[1]), np.float32) for first, second in pairs]
            start = time.perf_counter()
            for _ in range(count):
                for (first, second), out in zip(pairs, rooms, strict=True):
                    np.matmul(first, second, out=out)
            total += time.perf_counter() - start
    return total


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
    print(f"the matrix products of the training steps alone: {products(names):.1f} s on one thread")
    print("the notebook over mmaudit: wall {:.2f}, CPU {:.2f}, bytes {:.1f}".format(*ratios))


if __name__ == "__main__":
    main()
