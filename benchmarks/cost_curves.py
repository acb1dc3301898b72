"""How the cost of ranks, audits, sampled queries and trained conditions grows, with its slope.

Usage: python benchmarks/cost_curves.py [--plot FILE.svg] [--rounds R]     (default: no plot, 3)

CPU seconds (the median of R runs), so that other work on the machine shows little, and the peak of memory
beyond the embeddings. The slope is that of log cost on log size over the upper half of the sizes; theory says
2 in the items and 1 in the width for ranks, 1 in the items for one round of sampled queries, and 1 in the
conditions. Processes that train side by side are timed on the wall, up to as many as there are cores: theory
says -1. Their own memory is not counted.
"""

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

import mmaudit
from mmaudit.diagnostics import ranks
from mmaudit.embeddings import Embeddings
from mmaudit.executor import Local
from mmaudit.scale.sampling import query_ranks
from mmaudit.scale.survey import survey
from mmaudit.seeds import generator
from mmaudit.suites import CONDITIONS, Laboratory
from mmaudit.threads import cores

ITEMS = (1000, 2000, 4000, 8000, 16000)
WIDTHS = (64, 128, 256, 512, 1024)
N, D = 4000, 256
QUERIES = 1024
WORKERS = tuple(range(1, cores() + 1))


def pairs(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of a middling encoder, (n, d) float32."""
    rng = generator(7, "cost", n, d)
    shared, x, y = (rng.standard_normal((n, d), np.float32) for _ in range(3))
    return shared + 2 * x, shared + 2 * y


def rank(n: int, d: int) -> Callable[[], object]:
    """Rank both directions."""
    embeddings = Embeddings(*pairs(n, d))
    return lambda: ranks(embeddings)


def audit(n: int, d: int) -> Callable[[], object]:
    """Audit given embeddings, smoke profile."""
    x, y = pairs(n, d)
    settings = mmaudit.Settings(profile="smoke")
    return lambda: mmaudit.audit({"image": x, "text": y}, settings=settings)


def sample(n: int, d: int) -> Callable[[], object]:
    """Rank 1024 sampled queries against everything, after a survey of both sides."""
    x, y = pairs(n, d)
    found = survey(x, y)
    rows = np.arange(min(n, QUERIES))
    return lambda: query_ranks(x, y, rows, found)


def train(conditions: int, workers: int) -> Callable[[], object]:
    """Train so many conditions of one size, none of which was trained before."""
    names = [name for name, c in CONDITIONS.items() if c.suite == "dominance" and c.origin == "chapter"]
    executor = Local(workers, processes=True)
    return lambda: Laboratory(7).prepare(names[:conditions], executor)


CURVES = {
    "ranks, by items": (rank, [(n, 128) for n in ITEMS], 0, 2.0),
    "ranks, by width": (rank, [(N, d) for d in WIDTHS], 1, 1.0),
    "sampled queries, by items": (sample, [(n, D) for n in ITEMS[1:]], 0, 1.0),
    "audit (smoke), by items": (audit, [(n, 64) for n in (500, 1000, 2000, 4000, 8000)], 0, 2.0),
    "conditions": (train, [(k, 1) for k in (1, 2, 4, 8)], 0, 1.0),
    "workers": (train, [(8, w) for w in WORKERS], 1, -1.0),
}
"""Name: what is run, at which two sizes, which of them is meant, and the slope of theory."""


def cost(run: Callable[[], object], rounds: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Return the median seconds of ``run`` by ``clock`` and the peak MB that it allocates."""
    run()
    taken = []
    for _ in range(rounds):
        start = clock()
        run()
        taken.append(clock() - start)
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return statistics.median(taken), peak


def slope(sizes: list[int], costs: list[float]) -> float:
    """Return the slope of log cost on log size over the upper half, two sizes at least."""
    half = min(len(sizes) // 2, len(sizes) - 2)
    return float(np.polyfit(np.log(sizes[half:]), np.log(costs[half:]), 1)[0])


def main() -> None:
    """Measure, print and, if asked, plot all curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found = {}
    for name, (make, sizes, which, theory) in CURVES.items():
        clock = time.perf_counter if name == "workers" else time.process_time
        rows = [(size[which], *cost(make(*size), given.rounds, clock)) for size in sizes]
        found[name] = rows
        at, seconds, memory = (list(column) for column in zip(*rows, strict=True))
        print(f"{name}: slope {slope(at, seconds):.2f} (theory {theory:g}), memory {slope(at, memory):.2f}")
        for size, cpu, peak in rows:
            print(f"  {size:7d}   {cpu:8.3f} s   {peak:7.1f} MB")
    if given.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 4), layout="constrained")
        for axes, column, unit in zip(figure.subplots(1, 2), (1, 2), ("seconds", "MB"), strict=True):
            for name, rows in found.items():
                axes.loglog([r[0] for r in rows], [r[column] for r in rows], marker="o", label=name)
            axes.set(xlabel="items, width, conditions or workers", ylabel=unit)
        axes.legend(fontsize="small")
        figure.savefig(given.plot)


if __name__ == "__main__":
    main()
