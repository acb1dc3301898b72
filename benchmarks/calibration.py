"""How well does the audit find and name what is planted? The whole table, on seeds no limit was chosen on.

Trains planted, healthy and benign models in fresh worlds, audits each without its controls (these belong to
a single audit), and prints for every mechanism and severity the harm done, the AUC of the check that is there
to see it, the power of the gates and how the failure was named; then the false alarms with a 95 % upper
bound, the attribution by access level, and the error of the mispairing rate. Every figure carries its n.

    python benchmarks/calibration.py --out results        # a quarter of an hour on two cores
    python benchmarks/calibration.py --stage development  # the seeds that limits and rules were chosen on
    python benchmarks/calibration.py --quick              # a look, a few minutes
    python benchmarks/calibration.py --executor dask://scheduler:8786    # on the workers of a cluster
    python benchmarks/calibration.py --only "confounder by agreement" --severity 0.25 --seeds 100

Measurements are kept in ``.mmaudit/calibration`` by the digest of their settings and of the measuring code:
a run that was stopped goes on where it was, and another limit or rule trains nothing again.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from calibration_models import (
    BENIGN,
    BENIGN_DEVELOPMENT,
    DEVELOPMENT,
    EVALUATION,
    Model,
    Plan,
    keep,
    kept,
    measured,
    models,
)
from calibration_tables import Row, write

from mmaudit.executor import Executor, Local, open_executor
from mmaudit.failures import mechanism_named

__all__ = ["main"]

CACHE = Path(__file__).parent.parent / ".mmaudit" / "calibration"
TOGETHER = 8
"""Models that make a job, and that a run which is stopped may have to measure again."""
SEVERITIES = (0.25, 0.5, 0.75, 1.0)
COMPOUND_SEVERITIES = (0.5, 1.0)
"""Where every part does harm of its own; a failure that does none has nothing to be named for."""


def plan(
    stage: str,
    seeds: int,
    healthy: int,
    benign_seeds: int,
    compound_seeds: int,
    *,
    first: int | None = None,
    severities: tuple[float, ...] = SEVERITIES,
) -> Plan:
    """Return the plan of a stage: development sees no benign type and no seed of the evaluation."""
    development = stage == "development"
    return Plan(
        first=first if first is not None else DEVELOPMENT if development else EVALUATION,
        seeds=seeds,
        severities=severities,
        compound_severities=COMPOUND_SEVERITIES,
        healthy=healthy,
        benign=tuple(BENIGN_DEVELOPMENT if development else BENIGN),
        benign_seeds=benign_seeds,
        compound_seeds=compound_seeds,
    )


def gather(wanted: list[Model], executor: Executor, cache: Path = CACHE) -> list[Row]:
    """Measure every model that the cache does not hold, and show how far it is."""
    cache.mkdir(parents=True, exist_ok=True)
    found = {model.digest: row for model in wanted if (row := kept(model, cache)) is not None}
    lacking = {model.digest: model for model in wanted if model.digest not in found}
    # Models of one seed share their healthy twin, so they are kept together.
    by_seed = sorted(lacking.values(), key=lambda model: model.seed)
    jobs = [tuple(by_seed[start : start + TOGETHER]) for start in range(0, len(by_seed), TOGETHER)]
    started = time.monotonic()
    done = 0
    for job, rows in zip(jobs, executor.map(measured, jobs), strict=True):
        for model, row in zip(job, rows, strict=True):
            keep(model, row, cache)
            found[model.digest] = row
        done += len(job)
        _progress(done, len(by_seed), time.monotonic() - started)
    return [Row(model=model, found=found[model.digest]) for model in wanted]


def _progress(done: int, total: int, seconds: float) -> None:
    if not sys.stderr.isatty() and done % (6 * TOGETHER) and done < total:
        return
    filled = 30 * done // total
    left = seconds * (total - done) / done
    end = "\r" if sys.stderr.isatty() and done < total else "\n"
    bar = "█" * filled + "·" * (30 - filled)
    print(
        f"{bar} {done}/{total} models, {seconds:.0f} s, {left:.0f} s left",
        end=end,
        file=sys.stderr,
        flush=True,
    )


def alone(wanted: list[Model], mechanism: str, severities: list[float] | None) -> list[Model]:
    """Return the models of one mechanism, of all severities or of some, and their healthy twins."""
    planted = [m for m in wanted if m.label == mechanism and (not severities or m.severity in severities)]
    twins = [m.recipe.twin() for m in planted]
    return [*planted, *(m for m in wanted if not m.families and m.recipe in twins)]


def main(arguments: list[str] | None = None) -> int:
    """Run the calibration and print its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=("development", "evaluation"), default="evaluation")
    parser.add_argument("--seeds", type=int, default=8, help="seeds of each mechanism and severity")
    parser.add_argument("--healthy", type=int, default=220, help="healthy models")
    parser.add_argument("--benign", type=int, default=8, help="seeds of each benign variant")
    parser.add_argument("--compounds", type=int, default=4, help="seeds of each compound and severity")
    parser.add_argument(
        "--quick", action="store_true", help="3 seeds, 12 healthy models, 1 of each benign variant"
    )
    parser.add_argument("--first", type=int, help="the first seed, other than the stage's")
    parser.add_argument("--only", metavar="MECHANISM", help="this mechanism alone, and its healthy twins")
    parser.add_argument("--severity", type=float, action="append", help="instead of those of the plan")
    parser.add_argument("--jobs", type=int, default=2, help="processes of a local run")
    parser.add_argument("--executor", default="local", help="local, or dask://host:port")
    parser.add_argument("--out", type=Path, help="folder for calibration.json and the plots")
    args = parser.parse_args(arguments)
    counts: dict[str, Any] = {"seeds": 3, "healthy": 12, "benign_seeds": 1, "compound_seeds": 1}
    if not args.quick:
        counts = {
            "seeds": args.seeds,
            "healthy": args.healthy,
            "benign_seeds": args.benign,
            "compound_seeds": args.compounds,
        }
    severities = tuple(args.severity or SEVERITIES)
    wanted = list(models(plan(args.stage, **counts, first=args.first, severities=severities)))
    if args.only is not None:
        wanted = alone(wanted, mechanism_named(args.only).name, args.severity)
        if not wanted:
            parser.error(f"{args.only} has no such severity in the plan; leave out --severity")
    code = [Path(__file__).parent / "calibration_models.py"]
    local = Local(args.jobs, processes=True)
    with contextlib.closing(open_executor(args.executor, local=local, code=code)) as executor:
        rows = gather(wanted, executor)
    print(f"stage: {args.stage}")
    print(write(rows, args.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
