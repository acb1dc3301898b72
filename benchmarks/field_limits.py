"""Do the field limits accept healthy embeddings in a cone, and reject the same embeddings collapsed?

Public CLIP models are healthy in narrow cones with a wide gap between the modalities. Each draw makes healthy
paired embeddings of its own n (200 to 5000), width (64 to 1024), spectrum (eigenvalues that fall as k^-a, a
from 0 to 1.5) and difficulty, and moves them into cones: a constant of its own is put beside each modality's
items, in two dimensions that they do not use, turned into the whole space afterwards. Mean cosines are drawn
from 0.3 to 0.7 for each modality, the gap from 0.4 to 1.0. All similarities across modalities change by one
factor and one constant, so every rank stays as it was; the script asserts that r@1 does.

Each draw is audited three times:

- ``cone``: moved into its cones, every field gate with its planted control. It must be accepted.
- ``rank cut``: both modalities of ``cone`` keep their first k directions, k being the largest at which r@1
  has fallen by 0.05 or more. ``repulsion lost``: both are pulled towards one point until the mean cosine is
  0.99. Both must be rejected.

Run ``python benchmarks/field_limits.py --draws 100``. ``--first`` starts at another draw and ``--rows``
appends what each gave to a file, so that the draws can be made in pieces.
"""

import argparse
import collections
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics import ranks
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.failures.damage import shrunk_to_mean
from mmaudit.gates import Auditor, Verdict, finalize
from mmaudit.seeds import generator
from mmaudit.settings import Settings
from mmaudit.threads import one_blas_thread

__all__ = ["main"]

FloatArray = npt.NDArray[np.float64]
Sides = tuple[FloatArray, FloatArray]
WIDTHS = (64, 128, 256, 512, 768, 1024)
HARM = 0.05
COLLAPSED = 0.99
WANTED = {"cone": "ACCEPT", "rank cut": "REJECT", "repulsion lost": "REJECT"}


@dataclasses.dataclass(frozen=True)
class Draw:
    """What one draw is made of."""

    number: int
    n: int
    width: int
    decay: float
    noise: float
    cosines: tuple[float, float]
    gap: float


def drawn(number: int) -> Draw:
    rng = generator(20_261, "field limits", number)
    width = int(rng.choice(WIDTHS))
    decay = float(rng.uniform(0, 1.5))
    # The noise that makes r@1 neither 0 nor 1 grows with the number of directions that carry the item.
    weights = np.arange(1, width - 1) ** -decay
    directions = weights.sum() ** 2 / (weights**2).sum()
    cosines = tuple(rng.uniform(0.3, 0.7, size=2).tolist())
    return Draw(
        number=number,
        n=round(math.exp(rng.uniform(math.log(200), math.log(5000)))),
        width=width,
        decay=decay,
        noise=float(rng.uniform(0.1, 0.25)) * math.sqrt(directions) ** 0.75,
        cosines=(cosines[0], cosines[1]),
        gap=float(rng.uniform(0.4, 1.0)),
    )


def made(draw: Draw) -> Sides:
    """Return healthy sides (n, width - 2) of unit rows: one item seen twice through noise of its spectrum."""
    rng = generator(20_261, "field limits", draw.number, "items")
    shape = (draw.n, draw.width - 2)
    scale = np.arange(1, draw.width - 1) ** (-draw.decay / 2)
    item = rng.standard_normal(shape) * scale
    first, second = (item + draw.noise * rng.standard_normal(shape) * scale for _ in range(2))
    return unit_rows(first), unit_rows(second)


def moved(draw: Draw, sides: Sides) -> Sides:
    """Return the sides (n, width) in cones of the drawn mean cosines, their centres the drawn gap apart."""
    rng = generator(20_261, "field limits", draw.number, "turn")
    turn = np.linalg.qr(rng.standard_normal((draw.width, draw.width)))[0]
    cx, cy = draw.cosines
    angle = math.acos(max(-1.0, min(1.0, (cx + cy - draw.gap**2) / (2 * math.sqrt(cx * cy)))))
    placed = []
    for z, cosine, at in zip(sides, draw.cosines, (0.0, angle), strict=True):
        centre = math.sqrt(cosine) * np.array([math.cos(at), math.sin(at)])
        placed.append(np.hstack([math.sqrt(1 - cosine) * z, np.tile(centre, (len(z), 1))]) @ turn)
    return placed[0], placed[1]


def recall(sides: Sides) -> float:
    return float(ranks(embeddings(sides)).mean_hits(1).mean())


def embeddings(sides: Sides) -> Embeddings:
    return Embeddings(sides[0].astype(np.float32), sides[1].astype(np.float32))


def cut(sides: Sides) -> tuple[Sides, int]:
    """Return the sides on their first k directions, k being the largest that costs :data:`HARM` of r@1."""
    spectra = []
    for z in sides:
        mean = z.mean(axis=0)
        u, s, vt = np.linalg.svd(z - mean, full_matrices=False)
        spectra.append((mean, u * s, vt))

    def kept(k: int) -> Sides:
        first, second = (mean + us[:, :k] @ vt[:k] for mean, us, vt in spectra)
        return first, second

    goal = recall(sides) - HARM
    low, high = 1, min(sides[0].shape)
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (middle, high) if recall(kept(middle)) <= goal else (low, middle)
    return kept(low), low


def shrunk(sides: Sides) -> Sides:
    """Return the sides pulled towards one point each, until the mean cosine is :data:`COLLAPSED`."""
    found = []
    for z in sides:
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = (low + high) / 2
            n, total = len(z), unit_rows(shrunk_to_mean(z, middle)).sum(axis=0)
            low, high = (low, middle) if (total @ total - n) / (n * (n - 1)) >= COLLAPSED else (middle, high)
        found.append(shrunk_to_mean(z, high))
    return found[0], found[1]


def judged(sides: Sides, *, control: bool) -> tuple[str, list[str]]:
    """Return the overall verdict of all field gates, and the gates behind it if it is none of acceptance."""
    auditor = Auditor((embeddings(sides).x, embeddings(sides).y), settings=Settings(profile="ci"))
    gates = [c for c in auditor.checks if auditor.limit(c) and not auditor.material.lacks(c.needs)]
    outcomes = finalize([auditor.run(c.name, control=control) for c in gates], auditor.settings)
    for verdict in (Verdict.REJECT, Verdict.INCONCLUSIVE):
        if names := [o.check for o in outcomes if o.verdict is verdict]:
            return verdict.value, names
    return Verdict.ACCEPT.value, []


def row(number: int) -> dict[str, Any]:
    draw = drawn(number)
    healthy = made(draw)
    cone = moved(draw, healthy)
    before, after = recall(healthy), recall(cone)
    assert abs(before - after) < 2 / draw.n, (draw, before, after)
    narrow, k = cut(cone)
    cases = {
        "cone": judged(cone, control=True),
        "rank cut": judged(narrow, control=False),
        "repulsion lost": judged(shrunk(cone), control=False),
    }
    return {
        **dataclasses.asdict(draw),
        "r@1": round(before, 3),
        "rank": k,
        "r@1 cut": round(recall(narrow), 3),
        "cases": cases,
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [f"{len(rows)} draws; r@1 {min(r['r@1'] for r in rows)} to {max(r['r@1'] for r in rows)}"]
    for case, wanted in WANTED.items():
        right = [r for r in rows if r["cases"][case][0] == wanted]
        by = collections.Counter(gate for r in rows for gate in r["cases"][case][1])
        lines.append(f"{case}: {wanted} {len(right)} of {len(rows)}; by gate: {dict(by) or 'none'}")
        for r in rows:
            if r not in right:
                what = {
                    key: r[key] for key in ("number", "n", "width", "decay", "r@1", "rank", "cosines", "gap")
                }
                lines.append(f"  not so: {what} {r['cases'][case]}")
    return lines


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument(
        "--rows", type=Path, help="append a JSON line a draw here, and report on all of the file"
    )
    options = parser.parse_args(arguments)
    rows = []
    with one_blas_thread():
        for number in range(options.first, options.first + options.draws):
            rows.append(row(number))
            if options.rows is not None:
                with options.rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    if options.rows is not None:
        rows = [json.loads(line) for line in options.rows.read_text(encoding="utf-8").splitlines()]
    print("\n".join(table(rows)))
    return int(any(r["cases"][case][0] != wanted for r in rows for case, wanted in WANTED.items()))


if __name__ == "__main__":
    sys.exit(main())
