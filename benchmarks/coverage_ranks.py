"""Do the 95 % intervals of ranks cover, and would those of 20 groups? Redraws of populations.

Each redraw is n pairs of Gaussian embeddings, the second modality noisier than the first. ``even``: all
directions alike. ``power law``: singular values fall as k^-0.7. ``collapsed``: all but 8 directions lie idle.
``cone``: k^-0.4 about a mean three times as long as a direction. ``clusters``: around 15 centres of unequal
weight. The truth is the mean over an independent, larger set of redraws at the same n: a rank of n items is
not that of infinitely many.

The table gives the truth, the standard deviation of the estimates, the root mean square of the standard
errors of the delete-one jackknife that the diagnostics use, their coefficient of variation, and the share of
redraws whose interval holds the truth; then the same of a delete-a-group jackknife over 20 groups. The number
of redraws is for the fewest items; of 400 there are half as many, of 1200 a fifth.

Run ``python benchmarks/coverage_ranks.py``: about a quarter of an hour on one core.
"""

import argparse
import math
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics import geometry
from mmaudit.diagnostics._spectra import spectra
from mmaudit.embeddings import Embeddings
from mmaudit.measurement import Measurement
from mmaudit.seeds import generator
from mmaudit.threads import one_blas_thread

__all__ = ["main"]

IntArray = npt.NDArray[np.int64]
POPULATIONS = ("even", "power law", "collapsed", "cone", "clusters")
WIDTHS = (64, 512)
ITEMS = {100: 1, 400: 2, 1200: 5}
"""How many items, and by what the redraws are divided."""
QUANTITIES = ("effective rank", "RankMe", "rank asymmetry")


def draw(population: str, rng: np.random.Generator, n: int, width: int) -> Embeddings:
    """Draw n pairs of one population."""
    k = np.arange(1.0, width + 1)
    falls = {"even": 0.0, "power law": 0.7, "cone": 0.4, "clusters": 0.3, "collapsed": 0.0}
    spread = k ** -falls[population]
    if population == "collapsed":
        spread[8:] = 1e-4
    latent = rng.standard_normal((n, width)) * spread
    if population == "clusters":
        centres = 2 * generator(0, "centres", width).standard_normal((15, width)) * spread
        weights = np.arange(15.0, 0, -1)
        latent = 0.7 * latent + centres[rng.choice(15, n, p=weights / weights.sum())]
    mean = 3 * spread.mean() if population == "cone" else 0.0
    x, y = (
        (latent + noise * spread * rng.standard_normal((n, width)) + mean).astype(np.float32)
        for noise in (0.3, 0.8)
    )
    return Embeddings(x, y)


def statistics(e: Embeddings) -> Callable[[IntArray], list[float]]:
    """Return a function from rows (k,) to the quantities of these alone."""
    centred, x, y = spectra(e.scored[0], True), *(spectra(z, False) for z in e.scored)

    def of(rows: IntArray) -> list[float]:
        effective = geometry.exp_entropy(centred(rows), 0.0)
        rank_x, rank_y = (geometry.exp_entropy(np.sqrt(side(rows)), 1e-7) for side in (x, y))
        return [effective, rank_x, math.log(rank_x / rank_y)]

    return of


def by_groups(e: Embeddings) -> list[Measurement]:
    """Return the quantities with the errors of a delete-a-group jackknife."""
    order, of = inference.canonical_order(*e.scored), statistics(e)
    known: dict[bytes, list[float]] = {}

    def column(index: int) -> Callable[[IntArray], float]:
        def statistic(rows: IntArray) -> float:
            if rows.tobytes() not in known:
                known[rows.tobytes()] = of(rows)
            return known[rows.tobytes()][index]

        return statistic

    return [inference.jackknife(name, column(index), order) for index, name in enumerate(QUANTITIES)]


def row(measured: list[Measurement], truth: float) -> str:
    """Return the root mean square of the standard errors, their variation and the coverage."""
    errors = np.array([m.se for m in measured], dtype=np.float64)
    inside = [m.low is not None and m.high is not None and m.low <= truth <= m.high for m in measured]
    rms = float(np.sqrt(np.mean(errors**2)))
    return f"{rms:9.4f} {np.std(errors) / rms:5.2f} {np.mean(inside):9.3f}"


def report(population: str, width: int, n: int, redraws: int, seed: int) -> None:
    """Redraw one population and print its rows."""
    samples = [
        draw(population, generator(seed, population, "judged", width, n, i), n, width) for i in range(redraws)
    ]
    every = np.arange(n)
    truths = np.mean(
        [
            statistics(draw(population, generator(seed, population, "truth", width, n, i), n, width))(every)
            for i in range(3 * redraws)
        ],
        axis=0,
    )
    one = [
        [geometry.effective_rank(e.scored[0]), geometry.rankme(e.scored[0]), geometry.rank_asymmetry(e)]
        for e in samples
    ]
    groups = [by_groups(e) for e in samples]
    for column, (name, truth) in enumerate(zip(QUANTITIES, truths, strict=True)):
        ones, grouped = ([each[column] for each in measured] for measured in (one, groups))
        spread = float(np.std(np.array([m.value for m in ones], dtype=np.float64), ddof=1))
        print(
            f"{population:10} {width:5} {n:5} {name:15} {truth:9.4f} {spread:8.4f}"
            f" {row(ones, truth)} {row(grouped, truth)}",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--redraws", type=int, default=300, help="redraws whose intervals are judged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=POPULATIONS, help="one population instead of all")
    args = parser.parse_args(arguments)
    print(
        f"{'':38} {'':9} {'':8} {'delete-one':>25} {'20 groups':>25}\n"
        f"{'population':10} {'width':>5} {'n':>5} {'quantity':15} {'truth':>9} {'SD':>8}"
        + f" {'error':>9} {'cv':>5} {'coverage':>9}"
        * 2
    )
    for population in (args.only,) if args.only else POPULATIONS:
        for width in WIDTHS:
            for n, fewer in ITEMS.items():
                with one_blas_thread():
                    report(population, width, n, args.redraws // fewer, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
