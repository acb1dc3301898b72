"""From a failing world to the smallest one, and to where its dials begin to fail."""

import math
from typing import Any

from mmaudit.inference import exact, student
from mmaudit.measurement import Measurement
from mmaudit.seeds import derived_seed
from mmaudit.stress.domain import Domain, changed_dials, level_of, with_dials
from mmaudit.stress.trial import Bench
from mmaudit.world import WorldSpec

__all__ = ["boundary", "smallest"]

DRAWS = 4
"""Draws of items that a boundary is found in."""
STEPS = 7
"""Halvings of a range: 1/128 of it is left."""


def smallest(bench: Bench, failing: WorldSpec) -> WorldSpec:
    """Return the world nearest to the default that still fails, starting from the ``failing`` one.

    One dial after the other is put back, until none can be; then those that remain are turned back as far as
    the world still fails. Dials are put back by count and not by clock, which is why Hypothesis' own
    shrinking, which ends after five minutes, is not used: the result is the same on every machine.
    """
    spec, before = failing, None
    while spec != before:
        before = spec
        for name in changed_dials(spec, bench.domain):
            put_back = _turned(bench.domain, spec, name, bench.domain[name].default)
            if bench(put_back).rejected:
                spec = put_back
    for name in changed_dials(spec, bench.domain):
        spec = _turned(bench.domain, spec, name, _nearest(bench, spec, name))
    return spec


def boundary(bench: Bench, failing: WorldSpec, name: str) -> Measurement | None:
    """Return where the dial ``name`` of the ``failing`` world begins to fail; ``None`` where it has no order.

    A number is bisected between its default and the end of its range, in several draws of the items, to
    1/128 of the range; the interval is Student's over the draws, with the variance of what bisection leaves.
    Copies are counted: the value is the first count that fails, on the way from the default.
    """
    dial = bench.domain[name]
    if name == "copies":
        first = level_of(failing, name)
        return exact(f"{name} where it fails", first, 1, method="counted from the default", unit="items")
    if dial.high is None:
        return None
    found, width = [], dial.high / 2**STEPS
    for draw in range(DRAWS):
        seed = failing.seed if draw == 0 else derived_seed(bench.domain.base.seed, "boundary", draw)
        held = with_dials(failing, {"seed": seed}, bench.domain.base.n_test)
        if bench(_turned(bench.domain, held, name, dial.high)).rejected:
            found.append(_bisected(bench, held, name, 0.0, dial.high, STEPS))
    middle = [fails - width / 2 for fails in found]
    n = len(middle)
    mean = math.fsum(middle) / n if n else math.nan
    variance = math.fsum((m - mean) ** 2 for m in middle) / (n * (n - 1)) if n > 1 else 0.0
    return student(
        f"{name} where it begins to fail",
        mean,
        math.sqrt(variance + width**2 / 12),
        n - 1,
        n,
        method=f"bisection to 1/{2**STEPS} of the range in {DRAWS} draws of items, Student t",
        direction="higher is better",
    )


def _nearest(bench: Bench, spec: WorldSpec, name: str) -> Any:
    """Return the value of ``name`` nearest to its default at which ``spec`` still fails."""
    dial, value = bench.domain[name], level_of(spec, name)
    if dial.high is not None:
        return _bisected(bench, spec, name, float(dial.default or 0.0), value, STEPS)
    if name == "copies" and dial.default is not None:
        step = 1 if value < dial.default else -1
        for nearer in range(int(dial.default) - step, int(value), -step):
            if bench(_turned(bench.domain, spec, name, nearer)).rejected:
                return nearer
    return value


def _bisected(bench: Bench, spec: WorldSpec, name: str, holds: float, fails: float, steps: int) -> float:
    """Return the smallest value seen to fail between one that holds and one that fails."""
    for _ in range(steps):
        middle = (holds + fails) / 2
        if bench(_turned(bench.domain, spec, name, middle)).rejected:
            fails = middle
        else:
            holds = middle
    return fails


def _turned(domain: Domain, spec: WorldSpec, name: str, value: Any) -> WorldSpec:
    return with_dials(spec, {name: value}, domain.base.n_test)
