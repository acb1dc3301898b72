"""What it costs to send jobs away, on this machine alone: no cluster is measured.

Usage: python benchmarks/executors.py [--rounds R] [--conditions N]      (default: 5 rounds of 6 conditions)

Trains the first conditions of the suites in a plain loop, in two processes, and on a Dask scheduler of this
machine with two workers of one thread, in turn, a new laboratory each time; the findings must be the same.
Then two hundred empty jobs, for what one costs. Medians; the first round, in which everything is imported, is
left out. Processes start anew for every call, and Dask's workers do not: that is how each is used. Dask's
workers hand memory back at every turn unless told otherwise, which costs training more than its arithmetic:
here they are told, as docs/performance.md says.
"""

import argparse
import contextlib
import statistics
import time

from mmaudit.executor import Executor, Local, open_executor
from mmaudit.suites import CONDITIONS, Laboratory

WORKERS = 2
EMPTY = 200


def trained(names: list[str], executor: Executor) -> tuple[float, list[object]]:
    """Return the seconds that the conditions ``names`` take on ``executor``, and their findings."""
    start = time.perf_counter()
    laboratory = Laboratory(7)
    laboratory.prepare(names, executor)
    found: list[object] = [laboratory.run(name).record() for name in names]
    return time.perf_counter() - start, found


def emptied(executor: Executor) -> float:
    """Return the seconds that one job takes which does nothing."""
    start = time.perf_counter()
    assert list(executor.map(abs, range(EMPTY))) == list(range(EMPTY))
    return (time.perf_counter() - start) / EMPTY


def main() -> None:
    """Run all three in turn."""
    import dask
    import distributed

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--conditions", type=int, default=6)
    given = parser.parse_args()
    names = list(CONDITIONS)[: given.conditions]
    # To set the one alone would fix the other at 128 kB.
    kept = {
        f"distributed.nanny.pre-spawn-environ.MALLOC_{name}_THRESHOLD_": 1 << 25 for name in ("TRIM", "MMAP")
    }
    with contextlib.ExitStack() as held:
        held.enter_context(dask.config.set(kept))
        cluster = held.enter_context(
            distributed.LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0")
        )
        address = cluster.scheduler_address.replace("tcp://", "dask://")
        start = time.perf_counter()
        remote = held.enter_context(contextlib.closing(open_executor(address)))
        print(f"{remote.description}: connected in {time.perf_counter() - start:.2f} s")
        executors: dict[str, Executor] = {
            "a plain loop": Local(),
            f"{WORKERS} processes": Local(WORKERS, processes=True),
            f"Dask, {WORKERS} workers": remote,
        }
        seconds: dict[str, list[float]] = {name: [] for name in executors}
        empty: dict[str, list[float]] = {name: [] for name in executors}
        for turn in range(given.rounds + 1):
            findings = []
            for name, executor in executors.items():
                took, found = trained(names, executor)
                findings.append(found)
                if turn:
                    seconds[name].append(took)
                    empty[name].append(emptied(executor))
            assert all(found == findings[0] for found in findings), "the findings differ"
        print(f"{len(names)} conditions, {given.rounds} rounds; the same findings everywhere")
        for name in executors:
            row = statistics.median(seconds[name]), 1e3 * statistics.median(empty[name])
            ratio = row[0] / statistics.median(seconds["a plain loop"])
            print(f"{name:16} {row[0]:6.2f} s ({ratio:.2f} of the loop), an empty job {row[1]:.3f} ms")


if __name__ == "__main__":
    main()
