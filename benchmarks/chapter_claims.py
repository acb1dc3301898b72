"""What becomes of every claim of the teaching chapter, over several seeds.

Runs all conditions of the suites (`mmaudit.suites`) under each seed and prints, a suite at a time and in
Markdown, how often each claim holds, is false or stays undecided (by the interval of that one run), and what
its measures read: the mean over seeds, and the range. The tables of docs/teaching.md are this output. The
claims and their margins were written with seeds 7, 101 and 102 in view; the default seeds are others.

    python benchmarks/chapter_claims.py --seeds 5 --workers 2
"""

import argparse
import contextlib
import os
import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmaudit.suites import Finding

FIRST = 2001
MARKS = {"HOLDS": "holds", "IS FALSE": "false", "UNDECIDED": "open"}


def counted(decisions: list[str]) -> str:
    """Return how often each decision was made, such as ``4 false, 1 open``."""
    return ", ".join(f"{decisions.count(key)} {word}" for key, word in MARKS.items() if decisions.count(key))


def spread(values: list[float]) -> str:
    """Return the mean and the range of ``values``."""
    if not values:
        return "undefined"
    if len(set(values)) == 1:
        return f"{values[0]:.3g}"
    return f"{statistics.fmean(values):.3g} ({min(values):.3g} … {max(values):.3g})"


def rows(findings: "list[Finding]") -> Iterator[str]:
    """Yield one line of the table for each claim of one condition, over its findings under all seeds."""
    first = findings[0]
    name = first.condition if first.origin == "chapter" else f"{first.condition} (added)"
    for i, claim in enumerate(first.claims):
        judged = [finding.claims[i] for finding in findings]
        decided = counted([each.decision for each in judged])
        statements = counted([row.decision for each in judged for row in each.shows or each.says])
        measures = dict.fromkeys(row.statement.measure for row in (*claim.says, *claim.shows))
        if "recall_lost" in first:
            measures["recall_lost"] = None
        read = "; ".join(
            f"{measure} {spread([v for f in findings if (v := f[measure].value) is not None])}"
            for measure in measures
        )
        yield f"| {name} | {claim.claim} | {decided} | {claim.truth} | {statements} | {read} |"


def main() -> None:
    from mmaudit.executor import Local, open_executor
    from mmaudit.suites import CONDITIONS, SUITES, Laboratory
    from mmaudit.suites.firing import REFERENCE

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="of a local run")
    parser.add_argument("--executor", default="local", help="local, or dask://host:port")
    parser.add_argument("--only", nargs="+", choices=list(CONDITIONS), metavar="CONDITION")
    arguments = parser.parse_args()
    names = arguments.only or list(CONDITIONS)
    seeds = range(FIRST, FIRST + arguments.seeds)
    started = time.perf_counter()
    runs = []
    local = Local(arguments.workers, processes=True)
    with contextlib.closing(open_executor(arguments.executor, local=local)) as executor:
        for seed in seeds:
            laboratory = Laboratory(seed)
            laboratory.prepare(names, executor)
            runs.append([laboratory.run(name) for name in names])
    by_name = {name: [run[i] for run in runs] for i, name in enumerate(names)}
    print(f"Seeds {seeds[0]} to {seeds[-1]}, {time.perf_counter() - started:.0f} s.")
    for suite, title in SUITES.items():
        chosen = [findings for findings in by_name.values() if findings[0].suite == suite]
        if chosen:
            print(
                f"\n### {title}\n\n| condition | claim | decided | what is true | its statements | measured |"
            )
            print("|---|---|---|---|---|---|")
        for findings in chosen:
            for line in rows(findings):
                print(line)
    contradicted = [(f.condition, line) for run in runs for f in run for line in f.contradicted]
    print(f"\n{len(contradicted)} statements of the suites contradicted.")
    for condition, line in contradicted:
        print(f"- {condition}: {line}")
    fired = (f for run in runs for f in run if f.suite == "silent")
    for finding in sorted(fired, key=lambda f: f.condition):
        notes = finding[REFERENCE].notes
        if notes:
            print(f"- by reference limits fire on {finding.condition}: {'; '.join(notes)}")


if __name__ == "__main__":
    main()
