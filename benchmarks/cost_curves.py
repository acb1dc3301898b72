"""How the cost of ranks, the audit of given embeddings and sampled queries grows, with its slope.

Usage: python benchmarks/cost_curves.py [--plot FILE.svg] [--rounds R]     (default: no plot, 3)

CPU seconds (the median of R runs), so that other work on the machine shows little, and the peak of memory
beyond the embeddings. The slope is that of log cost on log size over the upper half of the sizes; theory says
2 in the items and 1 in the width for ranks, and 1 in the items for one round of sampled queries.
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
from mmaudit.scale.sampling import query_ranks
from mmaudit.scale.survey import survey
from mmaudit.seeds import generator

ITEMS = (1000, 2000, 4000, 8000, 16000)
WIDTHS = (64, 128, 256, 512, 1024)
N, D = 4000, 256
QUERIES = 1024


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


CURVES = {
    "ranks, by items": (rank, [(n, 128) for n in ITEMS], 0, 2.0),
    "ranks, by width": (rank, [(N, d) for d in WIDTHS], 1, 1.0),
    "sampled queries, by items": (sample, [(n, D) for n in ITEMS[1:]], 0, 1.0),
    "audit (smoke), by items": (audit, [(n, 64) for n in (500, 1000, 2000, 4000, 8000)], 0, 2.0),
}
"""Name: what is run, at which (items, width), which of the two is the size, and the slope of theory."""


def cost(run: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the median CPU seconds of ``run`` and the peak MB that it allocates."""
    run()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return statistics.median(taken), peak


def slope(sizes: list[int], costs: list[float]) -> float:
    """Return the slope of log cost on log size over the upper half."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(costs[half:]), 1)[0])


def main() -> None:
    """Measure, print and, if asked, plot all curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found = {}
    for name, (make, sizes, which, theory) in CURVES.items():
        rows = [(size[which], *cost(make(*size), given.rounds)) for size in sizes]
        found[name] = rows
        at, seconds, memory = (list(column) for column in zip(*rows, strict=True))
        print(f"{name}: slope {slope(at, seconds):.2f} (theory {theory:g}), memory {slope(at, memory):.2f}")
        for size, cpu, peak in rows:
            print(f"  {size:7d}   {cpu:8.3f} s CPU   {peak:7.1f} MB")
    if given.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 4), layout="constrained")
        for axes, column, unit in zip(figure.subplots(1, 2), (1, 2), ("CPU seconds", "MB"), strict=True):
            for name, rows in found.items():
                axes.loglog([r[0] for r in rows], [r[column] for r in rows], marker="o", label=name)
            axes.set(xlabel="items, or width", ylabel=unit)
        axes.legend(fontsize="small")
        figure.savefig(given.plot)


if __name__ == "__main__":
    main()
