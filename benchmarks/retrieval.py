"""Full ranks of both directions beside one bare matrix product and beside what else is at hand.

Usage: python benchmarks/retrieval.py [--items N ...] [--width D] [--rounds R]

All are run in R rounds after a warm-up, in another order each, and the medians of wall clock and of CPU
seconds are printed with their ratios to the product. Ours is run with its passes in NumPy and, where the
extra ``fast`` (numba) is installed, compiled: warm, since the warm-up imports numba and compiles or loads
them, and what that took is printed first. Rivals that are not installed are left out: faiss (faiss-cpu),
torch (torch==2.13.0 was measured). The notebook's argsort and torch's whole matrix are run up to 10 000
items, since both need several matrices of n² entries. After each measurement there is a rest, for the
threads of a BLAS look out for more work for a tenth of a second.

The kernels that OpenBLAS takes are printed: the faster they are, the more our passes weigh beside the
product. Memory is the peak of a process of its own less what it held with the embeddings loaded and numba's
passes, if any, at hand; what those hold is printed too.
"""

import argparse
import importlib.util
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from mmaudit.diagnostics import _compiled, _sweep, mean_recall, ranks
from mmaudit.embeddings import Embeddings
from mmaudit.seeds import generator

WHOLE = 10_000
"""The most items that rivals of several whole matrices are run with."""

REST = 0.15
"""Seconds between two measurements."""

NOISE = {"good": 1.6, "middling": 2.4, "chance": 30.0}
"""Standard deviation of each side's own part beside the shared one."""


def pairs(n: int, d: int, noise: float) -> Embeddings:
    """Return pairs that share a normal part in d dimensions, float32."""
    rng = generator(7, f"benchmark of retrieval {n} {d}")
    shared, x, y = (rng.standard_normal((n, d), np.float32) for _ in range(3))
    for own in (x, y):
        own *= np.float32(noise)
        own += shared
    return Embeddings(x, y)


def units(embeddings: Embeddings) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides normalised in float32, which is not timed."""
    return tuple(z / np.linalg.norm(z, axis=1, keepdims=True) for z in (embeddings.x, embeddings.y))


def counted(embeddings: Embeddings, passes: str) -> None:
    """Take the ranks with the passes over blocks in NumPy, or compiled."""
    _sweep._MANY = 0 if passes == "compiled" else sys.maxsize
    ranks(embeddings)


def compiled() -> float | None:
    """Return the seconds in which the compiled passes came to hand; ``None`` without numba."""
    start = time.perf_counter()
    return None if _compiled.kernels() is None else time.perf_counter() - start


def rivals(embeddings: Embeddings) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name."""
    n = len(embeddings)
    x, y = units(embeddings)
    product = np.empty((n, n), np.float32)
    measured: dict[str, Callable[[], object]] = {
        "one float32 product": lambda: np.matmul(x, y.T, out=product),
        "mmaudit, full ranks both ways, NumPy": lambda: counted(embeddings, "numpy"),
    }
    if importlib.util.find_spec("numba"):
        measured["mmaudit, full ranks both ways, compiled"] = lambda: counted(embeddings, "compiled")
    if importlib.util.find_spec("faiss"):
        import faiss

        def search() -> None:
            for gallery, queries in ((x, y), (y, x)):
                index = faiss.IndexFlatIP(gallery.shape[1])
                index.add(gallery)
                index.search(queries, 10)

        measured["faiss flat, top 10 both ways"] = search
    if n <= WHOLE:

        def argsort() -> None:
            for a, b in ((x, y), (y, x)):
                order = np.argsort(-(a @ b.T), axis=1)
                (order == np.arange(n)[:, None]).argmax(axis=1)

        measured["the notebook's argsort both ways"] = argsort
    if n <= WHOLE and importlib.util.find_spec("torch"):
        import torch

        first, second = torch.from_numpy(x), torch.from_numpy(y)

        def topk() -> None:
            similarity = first @ second.T
            for matrix in (similarity, similarity.T):
                matrix.topk(10, dim=1)

        measured["torch, whole matrix, top 10 both ways"] = topk
    return measured


def compare(n: int, d: int, kind: str, rounds: int) -> None:
    """Print medians and ratios for one number of items."""
    embeddings = pairs(n, d, NOISE[kind])
    measured = rivals(embeddings)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in measured}
    names = list(measured)
    for turn in range(rounds + 1):
        # In another order each time: what ran before leaves its mark on memory and on the cores.
        for name in generator(7, "order of a round", n, kind, turn).permutation(names).tolist():
            time.sleep(REST)
            start, cpu = time.perf_counter(), time.process_time()
            measured[name]()
            if turn:
                taken[name].append((time.perf_counter() - start, time.process_time() - cpu))
    print(f"\n{n} items, {d} wide, {kind} encoder: r@1 = {mean_recall(ranks(embeddings)).value:.3f}")
    middle = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in taken.items()
    }
    wall, work = middle["one float32 product"]
    for name, (seconds, cpu) in middle.items():
        ratios = f"x {seconds / wall:6.2f}   CPU x {cpu / work:6.2f}"
        print(f"  {name:42} {seconds:8.3f} s   {ratios}   (best {min(taken[name])[0]:.3f} s)")


def resident() -> float:
    """Return the MB this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def memory(n: int, d: int, kind: str, passes: str) -> None:
    """Print the peak of :func:`mmaudit.diagnostics.ranks` beyond the embeddings, in MB."""
    embeddings = pairs(n, d, NOISE[kind])
    bare = resident()
    if passes == "compiled":
        compiled()
    held = resident() - bare
    counted(embeddings.take(np.arange(min(n, 2048))), passes)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident()
    counted(embeddings, passes)
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    given = 2 * n * d * 4 / 2**20
    aside = f", and {held:.0f} MB of numba" if passes == "compiled" else ""
    print(
        f"  memory, {kind} encoder, {passes}: {peak - before:.0f} MB beyond the {given:.0f} MB given{aside}"
    )


def main() -> None:
    """Compare at each number of items."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 30_000])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    way = ["numpy"]
    if not given.memory:
        took = compiled()
        kernels = {pool["architecture"] for pool in threadpool_info() if "architecture" in pool}
        print(f"BLAS kernels: {', '.join(sorted(kernels))} (OPENBLAS_CORETYPE overrides them)")
        print("no numba: NumPy only" if took is None else f"numba and its passes at hand in {took:.2f} s")
        way += [] if took is None else ["compiled"]
    for n in given.items:
        if given.memory:
            memory(n, given.width, *given.memory)
            continue
        for kind in NOISE:
            compare(n, given.width, kind, given.rounds)
            size = ["--items", str(n), "--width", str(given.width)]
            for passes in way:
                subprocess.run([sys.executable, __file__, *size, "--memory", kind, passes], check=True)


if __name__ == "__main__":
    main()
