"""Do the 95 % intervals cover? Redraws of populations whose truth is known.

Each redraw is n pairs of embeddings of one population: a latent code seen through unequal noise by the two
modalities, a nuisance code that both share, a share of wrong pairs among those not trusted. ``even`` compares
by cosine; ``hubs`` serves one side with norms that differ between items, so that a few candidates spoil many
queries and queries are far from independent. The truth of each quantity is its mean over an independent,
larger set of redraws at the same n (r@1 depends on the size of its gallery); of the mispaired share it is
the share planted.

The table gives the truth, the mean estimate, the standard deviation of the estimates, the half width of the
intervals over 1.96, and the share of redraws whose interval holds the truth. For contrast: intervals that
take queries for independent, and the bootstrap of pairs into one gallery, where duplicates are each other's
candidates. Cross-fitted ranks take 480 trusted pairs here, so ``--n 1200``; with fewer they are the others.

Run ``python benchmarks/interval_coverage.py --redraws 500``: about four minutes on one core.
"""

import argparse
import dataclasses
import math
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mmaudit import inference
from mmaudit.diagnostics.corruption import mispairing_rate
from mmaudit.diagnostics.pointwise import cross_fitted_ranks
from mmaudit.diagnostics.retrieval import Ranks, mean_recall, mrr, pair_discrimination, ranks, recall
from mmaudit.diagnostics.shortcut import matched_negative_drop
from mmaudit.diagnostics.symmetry import symmetry_gap
from mmaudit.embeddings import Embeddings
from mmaudit.measurement import Measurement
from mmaudit.seeds import generator

__all__ = ["main"]


@dataclasses.dataclass(frozen=True)
class Sample:
    """One redraw: embeddings of n pairs, which of them are trusted, and their nuisance codes."""

    embeddings: Embeddings
    trusted: npt.NDArray[np.bool_]
    nuisance: npt.NDArray[np.int64]


QUANTITIES: dict[str, Callable[[Sample, Ranks], Measurement]] = {
    "r@1 image→text": lambda _, r: recall(r, direction="forward"),
    "  queries as independent": lambda _, r: inference.proportion("r@1", r.forward.hits(1)),
    "r@1 text→image": lambda _, r: recall(r, direction="backward"),
    "  queries as independent ": lambda _, r: inference.proportion("r@1", r.backward.hits(1)),
    "r@5 text→image": lambda _, r: recall(r, k=5, direction="backward"),
    "r@1 mean": lambda _, r: mean_recall(r),
    "mean reciprocal rank": lambda _, r: mrr(r),
    "symmetry gap": lambda _, r: symmetry_gap(r),
    "symmetry gap, mirrored": lambda s, _: symmetry_gap(ranks(s.embeddings.swapped())),
    "pair discrimination": lambda _, r: pair_discrimination(r),
    "π₀, none trusted": lambda _, r: mispairing_rate(r),
    "mispaired share": lambda s, r: mispairing_rate(r, s.trusted),
    "  cross-fitted": lambda s, _: mispairing_rate(cross_fitted_ranks(s.embeddings, s.trusted), s.trusted),
    "matched-negative drop": lambda s, _: matched_negative_drop(s.embeddings, s.nuisance),
}


def draw(rng: np.random.Generator, n: int, wrong: float, hubs: bool) -> Sample:
    """Draw n pairs of which about half are trusted, and ``wrong`` of the others mispaired."""
    width, values = 24, 8
    nuisance = rng.integers(0, values, n)
    marker = np.zeros((n, width))
    marker[np.arange(n), nuisance] = 1.5
    latent = rng.normal(size=(n, width)) + marker
    spread = rng.gamma(2.0, 0.5, size=(n, 1)) if hubs else 1.0
    x = latent + (0.75 if hubs else 1.1) * spread * rng.normal(size=(n, width))
    y = latent + 0.45 * rng.normal(size=(n, width))
    if hubs:
        y *= np.exp(0.15 * rng.normal(size=(n, 1)))
    trusted = rng.random(n) < 0.5
    moved = np.flatnonzero(~trusted & (rng.random(n) < wrong))
    y[moved] = y[np.roll(moved, 1)]
    embeddings = Embeddings(
        x.astype(np.float32), y.astype(np.float32), similarity="dot" if hubs else "cosine"
    )
    return Sample(embeddings, trusted, nuisance)


def pair_bootstrap(embeddings: Embeddings, rng: np.random.Generator, resamples: int = 50) -> list[float]:
    """Return r@1 over galleries resampled with replacement: what not to do."""
    x, y = embeddings.scored
    similarity = x @ y.T
    values = []
    for _ in range(resamples):
        rows = rng.integers(0, len(x), len(x))
        gallery = similarity[np.ix_(rows, rows)]
        own = np.diag(gallery)[:, None]
        better, level = (gallery > own).sum(axis=1), (gallery == own).sum(axis=1)
        values.append(float(np.mean(np.where(better == 0, 1 / level, 0.0))))
    return values


def half_width(m: Measurement) -> float:
    return math.nan if m.low is None or m.high is None else (m.high - m.low) / 2


def holds(m: Measurement, truth: float) -> bool:
    return m.low is not None and m.high is not None and m.low <= truth <= m.high


def report(population: str, redraws: int, n: int, wrong: float, seed: int) -> None:
    """Redraw one population and print its table."""

    def estimates(stream: str, count: int) -> list[dict[str, Measurement]]:
        table = []
        for i in range(count):
            sample = draw(generator(seed, population, stream, i), n, wrong, population == "hubs")
            ranked = ranks(sample.embeddings)
            table.append({label: measure(sample, ranked) for label, measure in QUANTITIES.items()})
        return table

    reference, judged = estimates("truth", 3 * redraws), estimates("judged", redraws)
    print(f"\n{population}: {redraws} redraws of n = {n}, {wrong:.0%} of the pairs not trusted are wrong")
    print(f"{'quantity':26} {'truth':>8} {'mean':>8} {'SD':>7} {'half/1.96':>9} {'coverage':>9}")
    for label in QUANTITIES:
        truth = float(np.mean([row[label].value for row in reference]))
        if label in ("mispaired share", "  cross-fitted"):
            truth = wrong
        rows = [row[label] for row in judged]
        values = [math.nan if m.value is None else m.value for m in rows]
        width = float(np.mean([half_width(m) for m in rows])) / 1.96
        covered = float(np.mean([holds(m, truth) for m in rows]))
        print(
            f"{label:26} {truth:8.4f} {np.mean(values):8.4f} {np.std(values, ddof=1):7.4f} {width:9.4f} "
            f"{covered:9.3f}"
        )
    truth = float(np.mean([row["r@1 image→text"].value for row in reference]))
    centres, inside = [], []
    for i in range(min(redraws, 100)):
        sample = draw(generator(seed, population, "judged", i), n, wrong, population == "hubs")
        resampled = pair_bootstrap(sample.embeddings, generator(seed, population, "bootstrap", i))
        centres.append(float(np.mean(resampled)))
        low, high = np.quantile(resampled, [0.025, 0.975])
        inside.append(bool(low <= truth <= high))
    print(
        f"{'  bootstrap of pairs':26} {truth:8.4f} {np.mean(centres):8.4f} {np.std(centres, ddof=1):7.4f} "
        f"{'':9} {np.mean(inside):9.3f}"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--redraws", type=int, default=500, help="redraws whose intervals are judged")
    parser.add_argument("--n", type=int, default=400, help="pairs a redraw")
    parser.add_argument("--wrong", type=float, default=0.1, help="mispaired share of the pairs not trusted")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    for population in ("even", "hubs"):
        report(population, args.redraws, args.n, args.wrong, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
