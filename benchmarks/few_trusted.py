"""How often does the mispairing rate reject right pairs, when few of them are trusted?

Redraws of pairs of a Gaussian encoder whose sides correlate by rho in each of 16 dimensions; of the claimed
pairs a share q is wrong. ``weighted`` lets any number of trusted pairs choose the weights, ``as audited``
only :data:`~mmaudit.diagnostics.corruption.WEIGHED` or more.

The table gives the share of redraws without an estimate, the mean estimate, the share whose 95 % interval
lies above q (nominal 0.025) and the share that the gate rejects at the level of an audit of 28 gates. With q
within its limit of 0.05 nominal is 0.0018 at most. A last part has q = 0.3: what it is worth.

Run ``python benchmarks/few_trusted.py --redraws 1000``: some minutes on one core.
"""

import argparse
import sys

import numpy as np

from mmaudit.diagnostics import corruption
from mmaudit.diagnostics.corruption import mispairing_rate
from mmaudit.diagnostics.retrieval import ranks
from mmaudit.embeddings import Embeddings
from mmaudit.gates.catalogue import check_named
from mmaudit.gates.decide import decide
from mmaudit.seeds import generator
from mmaudit.threads import one_blas_thread

__all__ = ["main"]

CLAIMED, WIDTH, GATES = 400, 16, 28
TRUSTED = (5, 10, 20, 50, 100, 200)
HEAD = "  rho    q trusted weights      undefined   mean  low > q  rejected"


def drawn(trusted: int, rho: float, q: float, rng: np.random.Generator) -> Embeddings:
    """Return ``trusted`` right pairs and then the claimed ones, of which a share ``q`` is wrong."""
    x = rng.normal(size=(trusted + CLAIMED, WIDTH))
    y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=x.shape)
    wrong = trusted + rng.permutation(CLAIMED)[: round(q * CLAIMED)]
    y[wrong] = y[np.roll(wrong, 1)]
    return Embeddings(x.astype(np.float32), y.astype(np.float32))


def report(trusted: int, rho: float, q: float, redraws: int) -> None:
    """Print the two rows of one population."""
    limit = check_named("mispairing_rate").limit
    assert limit is not None
    known = np.arange(trusted + CLAIMED) < trusted
    enough = corruption.WEIGHED
    for weights, fewest in (("weighted", 0), ("as audited", enough)):
        corruption.WEIGHED = fewest
        rng = generator(0, "few trusted", trusted, f"{rho:g} {q:g}")
        values, above, rejected = [], 0, 0
        for _ in range(redraws):
            found = mispairing_rate(ranks(drawn(trusted, rho, q, rng)), known)
            decided = decide([found], limit, confidence=0.95, alpha=0.05, family=GATES).verdict
            rejected += decided is not None and decided.value == "REJECT"
            above += found.low is not None and found.low > q
            values += [] if found.value is None else [found.value]
        corruption.WEIGHED = enough
        print(
            f"{rho:5.1f} {q:4.2f} {trusted:7d} {weights:11} {1 - len(values) / redraws:10.3f} "
            f"{np.mean(values):6.3f} {above / redraws:8.4f} {rejected / redraws:9.4f}",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--redraws", type=int, default=1000, help="redraws of each population, at least 1")
    args = parser.parse_args(arguments)
    if args.redraws < 1:
        parser.error(f"{args.redraws} redraws say nothing; give at least 1")
    print(HEAD)
    with one_blas_thread():
        for q, strengths in ((0.0, (0.3, 0.5)), (0.05, (0.3, 0.5)), (0.3, (0.5,))):
            for rho in strengths:
                for trusted in TRUSTED:
                    report(trusted, rho, q, args.redraws)
    return 0


if __name__ == "__main__":
    sys.exit(main())
