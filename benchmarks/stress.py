"""How often the stress search finds a planted weak spot, what it leaves of its world, and where it begins.

    python benchmarks/stress.py                     # 100 seeds of four weak spots, and a healthy subject
    python benchmarks/stress.py --seeds 0 25        # a part of them
    python benchmarks/stress.py --out FILE          # keeps what was done in FILE and goes on from there

Each seed plants each weak spot at a place drawn for it (which orientation, above which noise, which factors,
which template but the default world's) and searches under the budget of profile ``ci``. Found: a gate
rejected. Guilty alone: the dials of the smallest world are those of the weak spot, none more and none less,
and there is no second counterexample. Boundary: the level at which the weak spot was planted against the one
that the search gives.
"""

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmaudit.evidence import dumps
from mmaudit.failures.weak_spots import (
    WeakSpot,
    few_of_a_kind,
    one_template,
    reader,
    tilted_and_noisy,
    two_factors,
)
from mmaudit.inference import proportion
from mmaudit.seeds import generator
from mmaudit.settings import Settings
from mmaudit.stress import domain_of, search
from mmaudit.stress.records import search_record
from mmaudit.subjects import Subject
from mmaudit.subjects.reference import reference_subject
from mmaudit.world.spec import FACTORS, WORDINGS

Draw = Callable[[np.random.Generator], WeakSpot]


def main() -> None:
    """Run what the command line asks for and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 100), metavar=("FROM", "TO"))
    parser.add_argument("--healthy", type=int, default=1000, metavar="WORLDS")
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    done: dict[str, Any] = {}
    if arguments.out is not None and arguments.out.exists():
        done = json.loads(arguments.out.read_text())
    aligner = dataclasses.replace(reference_subject(), training=None, retrain=None)
    subjects = {"features": aligner, "pictures": reader()}
    for seed in range(*arguments.seeds):
        for name, (view, draw) in WEAK_SPOTS.items():
            key = f"{name} {seed}"
            if key not in done:
                spot = draw(generator(seed, "benchmark", name))
                done[key] = sought(spot, subjects[view], seed)
                keep(done, arguments.out)
    if arguments.healthy and "healthy" not in done:
        done["healthy"] = healthy(aligner, arguments.healthy)
        keep(done, arguments.out)
    report(done)


def keep(done: dict[str, Any], out: Path | None) -> None:
    if out is not None:
        part = out.with_suffix(".part")
        part.write_text(json.dumps(done))
        part.replace(out)


def sought(spot: WeakSpot, subject: Subject, seed: int) -> dict[str, Any]:
    """Return what the search of one seed made of one weak spot."""
    settings = Settings(seed=seed)
    found = search(spot.planted_in(subject), domain_of(settings, subject.view), settings)
    guilty = [c for c in found.counterexamples if set(c.dials) == spot.dials]
    errors = [
        float(guilty[0].boundaries[dial].value or 0.0) / level - 1.0
        for dial, level in spot.levels.items()
        if guilty
    ]
    return {
        "spot": spot.name,
        "found": found.failing > 0,
        "alone": len(guilty) == len(found.counterexamples) == 1,
        "errors": errors,
        "worlds": len(found.trials),
        "shrinking": found.shrinking,
        "left": [c.words for c in found.counterexamples],
    }


def healthy(subject: Subject, worlds: int) -> dict[str, Any]:
    """Return what the search of so many worlds makes of the reference aligner, twice."""
    settings = Settings(stress={"worlds": worlds})
    records = []
    for _ in range(2):
        found = search(subject, domain_of(settings, subject.view), settings)
        records.append(hashlib.sha256(dumps(search_record(found))).hexdigest())
    return {"worlds": len(found.trials), "failing": found.failing, "same": records[0] == records[1]}


def report(done: dict[str, Any]) -> None:
    print("| weak spot | seeds | found | guilty dials alone | boundary error: median, largest | to shrink |")
    print("|---|---|---|---|---|---|")
    for name in WEAK_SPOTS:
        rows = [row for key, row in done.items() if key.startswith(f"{name} ")]
        if not rows:
            continue
        errors = np.abs([e for row in rows for e in row["errors"]])
        boundary = f"{np.median(errors):.1%}, {errors.max():.1%}" if len(errors) else "none to find"
        shrinking = int(np.median([row["shrinking"] for row in rows]))
        shares = (share([row[key] for row in rows]) for key in ("found", "alone"))
        print(f"| {name} | {len(rows)} | {' | '.join(shares)} | {boundary} | {shrinking} |")
        for row in rows:
            if not row["alone"] or any(abs(e) > 0.05 for e in row["errors"]):
                print(f"  not as planted: {row['spot']}: {row['left']}, errors {row['errors']}")
    if "healthy" in done:
        print(f"healthy reference aligner: {done['healthy']}")


def share(hits: list[bool]) -> str:
    m = proportion("share", np.array(hits, dtype=np.float64))
    return f"{m.value:.0%} [{m.low:.1%}, {m.high:.1%}]"


def _two(rng: np.random.Generator) -> WeakSpot:
    first, second = sorted(rng.permutation(len(FACTORS))[:2])
    names = list(FACTORS)
    levels = [(names[i], int(rng.integers(FACTORS[names[i]]))) for i in (first, second)]
    return two_factors(levels[0], levels[1])


WEAK_SPOTS: dict[str, tuple[str, Draw]] = {
    "one orientation, noise above a level": (
        "features",
        lambda rng: tilted_and_noisy(int(rng.integers(8)), float(rng.uniform(0.01, 0.05))),
    ),
    "captions of one template": ("pictures", lambda rng: one_template(int(rng.integers(1, WORDINGS)))),
    "two factors together": ("features", _two),
    "fewer than 3 of a kind": ("features", lambda rng: few_of_a_kind(3)),
}

if __name__ == "__main__":
    main()
