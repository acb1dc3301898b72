"""The models of the calibration, and what an audit measures on each of them.

A model is a recipe under a seed. What is kept of it is what the checks of the catalogue measured, never a
verdict: limits and rules are applied when the tables are made, so that changing them trains nothing again.
"""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmaudit
from mmaudit.errors import InputError
from mmaudit.failures import (
    HEALTHY,
    MECHANISMS,
    Mechanism,
    Planted,
    Recipe,
    clean_ranks,
    compound,
    early_separation,
    harm,
    mechanism_named,
    train,
)
from mmaudit.gates import CHECKS, Auditor, Case, Check, check_named
from mmaudit.gates.diagnosis import READ
from mmaudit.settings import Settings
from mmaudit.threads import one_blas_thread

__all__ = ["BENIGN", "COMPOUNDS", "Model", "Plan", "keep", "kept", "measured", "models"]

DEVELOPMENT, EVALUATION = 10_000, 110_000
"""Where the seeds of the two stages begin: limits and rules were chosen on the first alone. Earlier
evaluations have looked at those between."""
EARLY_EPOCH = 4
STATED = {"random mismatches": (1 / 9,), "hard mismatches": (2 / 9,), "confounder by agreement": (0.1,)}
"""Severities besides the plan's: 5 % random and 10 % hard mismatches, and an agreement of 0.1."""
STEPS = {"confounder by cardinality": (1 / 3, 2 / 3, 1.0), "cone": (1 / 3, 2 / 3, 1.0)}
"""Severities in place of the plan's: two, three and four codes, and a cone that has little harm to add."""
TIMES = {"confounder by cardinality": 3, "random mismatches": 12, "cone": 12}
"""Times as many seeds where what is asked for is small beside what differs between seeds."""
FAINT = {("confounder by agreement", 0.1): 12}
"""The same of one severity alone."""
MORE_CLAIMS = 1600
"""As many claimed pairs as are trained on: what a rate's error is measured on besides the standard audit."""
MEASURING = (
    *(f"{part}/*.py" for part in ("aligner", "diagnostics", "failures", "inference", "subjects", "world")),
    *(f"gates/{part}.py" for part in ("case", "catalogue", "material")),
)
"""The sources, below the package, whose change makes what was measured out of date."""
GATES = tuple(c for c in CHECKS if c.limit is not None or c.reference_limit is not None or c.name in READ)
"""The checks that can reject or that a rule reads; no table shows the others."""

BENIGN_DEVELOPMENT: dict[str, Recipe] = {
    "wider hidden layer": HEALTHY.with_aligner(hidden=192),
    "narrower image encoder": HEALTHY.with_aligner(hidden_mult_x=0.75),
    "batches of 96": HEALTHY.trained_with(batch=96),
    "noisier images": HEALTHY.in_world(noise_image=0.08),
    "20 epochs": HEALTHY.trained_with(epochs=20),
    "no confounder": HEALTHY.in_world(confounder=None),
}
"""Healthy variants that the reference limits were allowed to know."""

BENIGN_EVALUATION: dict[str, Recipe] = {
    "gain 16 before normalisation, text": HEALTHY.with_aligner(gain_y=16.0),
    "gain 16 before normalisation, image": HEALTHY.with_aligner(gain_x=16.0),
    "weight decay 0.01": HEALTHY.trained_with(weight_decay=0.01),
    "one-way loss, image to text": HEALTHY.trained_with(direction="x_to_y"),
    "one-way loss, text to image": HEALTHY.trained_with(direction="y_to_x"),
    "batches of 64": HEALTHY.trained_with(batch=64),
    "embedding of 48": HEALTHY.with_aligner(embed_dim=48),
    "narrower text encoder": HEALTHY.with_aligner(hidden_mult_y=0.5),
    "wider image encoder": HEALTHY.with_aligner(hidden_mult_x=1.5),
    "leakier activation": HEALTHY.with_aligner(leak=0.1),
    "temperature 0.08": HEALTHY.with_aligner(temperature=0.08),
    "temperature 0.1": HEALTHY.with_aligner(temperature=0.1),
    "30 epochs": HEALTHY.trained_with(epochs=30),
    "learning rate 3e-3": HEALTHY.trained_with(lr=3e-3),
    "cleaner images": HEALTHY.in_world(noise_image=0.03),
    "noisier text": HEALTHY.in_world(noise_text=0.01),
    "fainter confounder": HEALTHY.confounded(strength=0.25),
    "corner watermark": HEALTHY.confounded(kind="corner_watermark"),
    "four codes": HEALTHY.confounded(cardinality=4),
    "served by inner product": dataclasses.replace(HEALTHY, norm_powers=(0.0, 0.0)),
}
"""Healthy variants that no limit and no rule was chosen on."""

BENIGN = {**BENIGN_DEVELOPMENT, **BENIGN_EVALUATION}

MISMATCHES = (
    dataclasses.replace(
        mechanism_named("random mismatches"),
        plant=lambda recipe, severity: (
            mechanism_named("random mismatches").apply(severity, recipe).in_world(n_claims=MORE_CLAIMS)
        ),
    ),
)
"""Random mismatches in a world that has more claimed pairs to audit."""

COMPOUNDS: tuple[Mechanism, ...] = tuple(
    compound(mechanism_named(a), mechanism_named(b))
    for a, b in (
        ("norm leak, text", "confounder by agreement"),
        ("passenger, text", "random mismatches"),
        ("bandwidth, text", "confounder by agreement"),
        ("passenger, image", "confounder by agreement"),
        ("norm leak, image", "random mismatches"),
        ("confounder by agreement", "random mismatches"),
        ("confounder by agreement", "dimensional collapse"),
        ("random mismatches", "dimensional collapse"),
        ("collapse by repulsion", "confounder by agreement"),
        ("norm leak, text", "dimensional collapse"),
    )
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """One row of the plan: ``label`` and ``severity`` name the recipe, ``families`` the failures in it."""

    label: str
    kind: str
    severity: float
    seed: int
    families: tuple[str, ...]
    seen_by: str | None
    recipe: Recipe

    @functools.cached_property
    def digest(self) -> str:
        """What the cache knows the model by: its recipe and seed, and the code that measures it."""
        facts = [self.recipe.record(), self.seed, _code()]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How many of each: ``first`` is where the seeds begin."""

    first: int
    seeds: int
    severities: tuple[float, ...]
    compound_severities: tuple[float, ...]
    healthy: int
    benign: tuple[str, ...]
    benign_seeds: int
    compound_seeds: int


@functools.cache
def _code() -> str:
    """Return a digest of the sources that a measurement depends on; limits and rules are not among them."""
    package = Path(mmaudit.__file__).parent
    sources = sorted(p for part in MEASURING for p in package.glob(part))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def models(plan: Plan) -> Iterator[Model]:
    """Yield every model of the plan, and each healthy twin that is none of them already, once."""
    seen: set[str] = set()

    def once(model: Model) -> Iterator[Model]:
        if model.digest not in seen:
            seen.add(model.digest)
            yield model

    def row(
        label: str,
        kind: str,
        seed: int,
        recipe: Recipe,
        severity: float = 0.0,
        families: tuple[str, ...] = (),
        seen_by: str | None = None,
    ) -> Model:
        return Model(
            label=label,
            kind=kind,
            severity=severity,
            seed=seed,
            families=families,
            seen_by=seen_by,
            recipe=recipe,
        )

    for seed in range(plan.first, plan.first + plan.healthy):
        yield from once(row("healthy", "healthy", seed, HEALTHY))
    for name in plan.benign:
        for seed in range(plan.first, plan.first + plan.benign_seeds):
            yield from once(row(name, "benign", seed, BENIGN[name]))
    for kind, group, severities, count in (
        ("mechanism", MECHANISMS, plan.severities, plan.seeds),
        ("more claims", MISMATCHES, plan.severities, plan.seeds),
        ("compound", COMPOUNDS, plan.compound_severities, plan.compound_seeds),
    ):
        for mechanism in group:
            steps = STEPS.get(mechanism.name) if kind == "mechanism" else None
            for severity in steps or sorted({*severities, *STATED.get(mechanism.name, ())}):
                recipe = mechanism.apply(severity)
                times = FAINT.get((mechanism.name, severity), TIMES.get(mechanism.name, 1))
                for seed in range(plan.first, plan.first + count * times):
                    planted = row(
                        mechanism.name, kind, seed, recipe, severity, mechanism.families, mechanism.seen_by
                    )
                    yield planted
                    if kind == "mechanism":
                        yield from once(row("twin", "twin", seed, recipe.twin()))


def kept(model: Model, cache: Path) -> dict[str, Any] | None:
    """Return what was measured on ``model`` before, ``None`` where nothing was."""
    path = cache / f"{model.digest}.json"
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def keep(model: Model, row: dict[str, Any], cache: Path) -> None:
    """Write what was measured on ``model``, so that it is there as a whole or not at all."""
    path = cache / f"{model.digest}.json"
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(row, allow_nan=False))
    part.replace(path)


@functools.lru_cache(maxsize=8)
def _trained(recipe: Recipe, seed: int) -> Planted:
    return train(recipe, seed)


def measured(models: tuple[Model, ...]) -> list[dict[str, Any]]:
    """Return what the audit measures on each of ``models``; those of one seed train their twin once."""
    return [_measure(model) for model in models]


def _measure(model: Model) -> dict[str, Any]:
    recipe = model.recipe
    corrupted = recipe.world.corruption_rate > 0
    with one_blas_thread():
        planted = _trained(recipe.trained_with(pair_losses=True) if corrupted else recipe, model.seed)
        auditor = Auditor(planted.subject, planted.pairs, Settings(seed=model.seed))
        nobody_trusted = dataclasses.replace(auditor.material.case(()), trusted=None)
        checks = {check.name: _records(auditor, check, None) for check in GATES}
        blind = {name: _records(auditor, check_named(name), nobody_trusted) for name in ("mispairing_rate",)}
        return {
            "checks": {name: found for name, found in checks.items() if found},
            "nobody trusted": blind,
            "harm": harm(planted, _trained(recipe.twin(), model.seed)).record(),
            "recall": float(clean_ranks(planted).mean_hits(1).mean()),
            "wrong": float(planted.world.corrupted("claims").mean()),
            "early": early_separation(planted, EARLY_EPOCH).record() if corrupted else None,
        }


def _records(auditor: Auditor, check: Check, case: Case | None) -> list[dict[str, Any]]:
    """Return what ``check`` measures, as records; nothing where it cannot be measured."""
    if auditor.material.lacks(check.needs) is not None:
        return []
    try:
        return [m.record() for m in check.measure(case or auditor.material.case(check.needs))]
    except InputError:
        return []
