"""Where the limits of the reference aligner come from: what healthy aligners measure.

Trains healthy reference aligners on development seeds and prints, for every figure that has a limit, the
mean, the standard deviation and the range over seeds, beside the limit in force and its distance from the
mean in standard deviations. ``--evaluate`` uses seeds that no limit was chosen on.

    python benchmarks/healthy_ranges.py --seeds 60
"""

import argparse

import numpy as np

from mmaudit.gates import CHECKS, Auditor
from mmaudit.settings import Settings

DEVELOPMENT, EVALUATION = 1_000, 2_000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--evaluate", action="store_true")
    arguments = parser.parse_args()
    first = EVALUATION if arguments.evaluate else DEVELOPMENT
    values: dict[str, list[float]] = {}
    limits = {}
    for seed in range(first, first + arguments.seeds):
        auditor = Auditor(settings=Settings(seed=seed))
        for check in CHECKS:
            if check.limit is None and check.reference_limit is None:
                continue
            if auditor.material.lacks(check.needs) is not None:
                continue
            for m in check.measure(auditor.material.case(check.needs)):
                if m.value is not None:
                    values.setdefault(m.name, []).append(m.value)
                    limits[m.name] = auditor.limit(check)
    print(f"{arguments.seeds} healthy reference aligners, seeds {first} to {first + arguments.seeds - 1}")
    print(f"{'measurement':58s} {'mean':>8s} {'SD':>8s} {'min':>8s} {'max':>8s}  limit (SDs away)")
    for name, column in values.items():
        v, limit = np.array(column), limits[name]
        room = min(abs(v.mean() - side) for side in (limit.low, limit.high) if side is not None)
        away = f"{room / v.std(ddof=1):.1f}" if v.std(ddof=1) > 0 else "exact"
        print(
            f"{name:58s} {v.mean():8.4f} {v.std(ddof=1):8.4f} {v.min():8.4f} {v.max():8.4f}  "
            f"{limit} ({away}, {limit.kind})"
        )


if __name__ == "__main__":
    main()
