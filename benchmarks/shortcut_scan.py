"""Does the scan find a shortcut that nobody told it of, and is it silent where there is none?

Each draw trains a reference aligner on a world of its own seed and audits it on pairs that hold pictures and
sentences, and no word of a confounder: what the scan looks at are the columns it derives itself, and four
columns of metadata drawn at random (a source of 2 and one of 12 values, a number, a date). Clean worlds have
the confounder's marks in both modalities too, agreeing by chance alone; confounded ones agree in all pairs.
The marks: a corner watermark, an edge stripe, a frame for an agency's name, a parity mark, a batch stripe.

Run ``python benchmarks/shortcut_scan.py --clean 100 --confounded 10``; a draw takes a few seconds.
"""

import argparse
import collections
import dataclasses
import sys
from typing import get_args

import numpy as np

from mmaudit.aligner import preset, train
from mmaudit.gates import Auditor
from mmaudit.gates.outcome import Outcome
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator
from mmaudit.world import build
from mmaudit.world import preset as world_preset
from mmaudit.world.spec import ConfounderKind

__all__ = ["main", "scanned"]

STRENGTH = 8.0
"""Of the mark on pixels and tokens: at 1, the world's default, an aligner hardly uses so small a mark."""
KINDS = [kind for kind in get_args(ConfounderKind) if kind != "code_channel"]


def scanned(kind: ConfounderKind, agreement: float, seed: int) -> tuple[Outcome, dict[str, float]]:
    """Train in one world, audit on its pictures and sentences; return the outcome and all drops by column."""
    spec = world_preset("standard")
    assert spec.confounder is not None
    values = 2 if kind == "parity" else 8 if kind == "batch_id" else spec.confounder.cardinality
    confounder = dataclasses.replace(
        spec.confounder, kind=kind, agreement=agreement, cardinality=values, strength=STRENGTH
    )
    world = build(dataclasses.replace(spec, seed=seed, confounder=confounder))
    sides = [world.pairs(split).inputs[m] for split in ("train", "val") for m in ("image", "text")]
    aligner, training = preset("standard")
    trained = train(*sides, aligner=aligner, training=training, seed=seed)
    features, pictures = world.audit_pairs("features"), world.audit_pairs("pictures")
    embedded = {m: trained.encode(m, np.asarray(features.inputs[m])) for m in ("image", "text")}
    rng, n = generator(seed, "metadata that plays no role"), len(pictures)
    metadata = {
        "source": np.array([f"s{v}" for v in rng.integers(0, 2, n)]),
        "author": np.array([f"a{v}" for v in rng.integers(0, 12, n)]),
        "score": rng.standard_normal(n),
        "taken": np.array([f"2020-0{v}-01" for v in rng.integers(1, 10, n)]),
    }
    pairs = Pairs(inputs=pictures.inputs, groups=pictures.groups, metadata=metadata)
    outcome = Auditor(embedded, pairs).run("shortcut_scan", control=False)
    measured = [m for m in (outcome.measurement, *outcome.others) if m is not None and m.value is not None]
    return outcome, {m.name: m.value for m in measured if m.value is not None}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clean", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first clean draw")
    parser.add_argument("--confounded", type=int, default=10, help="worlds of each kind of mark")
    options = parser.parse_args(arguments)
    verdicts: dict[str, collections.Counter[str]] = {}
    worst: list[float] = []
    for draw in range(options.first, options.first + options.clean):
        outcome, drops = scanned(KINDS[draw % len(KINDS)], 0.0, 9_000 + draw)
        assert outcome.verdict is not None
        verdicts.setdefault("clean", collections.Counter())[outcome.verdict.value] += 1
        worst.append(max(drops.values()))
    named: collections.Counter[str] = collections.Counter()
    for kind in KINDS:
        for draw in range(options.confounded):
            outcome, _ = scanned(kind, 1.0, 9_500 + draw)
            assert outcome.verdict is not None
            assert outcome.measurement is not None
            verdicts.setdefault(kind, collections.Counter())[outcome.verdict.value] += 1
            named[f"{kind}: {outcome.measurement.name}"] += 1
    for what, found in verdicts.items():
        print(f"{what}: {dict(found)}")
    if worst:
        print(
            f"largest drop of any column, clean worlds: median {np.median(worst):.3f}, most {max(worst):.3f}"
        )
    for name, count in sorted(named.items()):
        print(f"  named first, {name}: {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
