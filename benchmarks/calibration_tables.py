"""The tables and plots of the calibration, from what was measured: limits and rules are applied here."""

import collections
import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from calibration_models import BENIGN_DEVELOPMENT, GATES, Model

from mmaudit.gates import Check, Limit, Outcome, Verdict, check_named, decide, finalize
from mmaudit.gates.data_checks import DATA_CHECKS
from mmaudit.gates.diagnosis import ACCESS_LEVELS, diagnose
from mmaudit.gates.edit_checks import EDIT_CHECKS
from mmaudit.measurement import Measurement
from mmaudit.report.figures import svg
from mmaudit.report.tables import Table
from mmaudit.settings import Settings

__all__ = ["Row", "outcomes", "write"]

HARMFUL = 0.05
SETTINGS = Settings()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """A model and what was measured on it."""

    model: Model
    found: dict[str, Any]

    @functools.cached_property
    def harm(self) -> float:
        """The r@1 lost against the healthy twin, after removal where codes agree."""
        return float(self.found["harm"]["value"])

    @functools.cached_property
    def outcomes(self) -> list[Outcome]:
        """The audit under reference limits where there are some, field limits elsewhere."""
        return outcomes(self.found)

    @functools.cached_property
    def _names(self) -> dict[str, tuple[str, ...]]:
        untrusted = outcomes(self.found, trusted=False)
        return {
            level: diagnose(untrusted if level == "embeddings" else self.outcomes, level).failures
            for level in ACCESS_LEVELS
        }

    def named(self, access: str) -> tuple[str, ...]:
        """Return the failures named with that much access."""
        return self._names[access]


def outcomes(
    found: dict[str, Any],
    *,
    reference: bool = True,
    trusted: bool = True,
    gates: Sequence[Check] = GATES,
) -> list[Outcome]:
    """Judge what was measured as an audit does, controls left out, Holm's step included.

    ``reference`` puts reference limits in the place of field limits where there are some. Without ``trusted``
    nothing but the rows and their claimed order is known. ``gates`` are the family.
    """
    limits = {c.name: (c.reference_limit if reference and c.reference_limit else c.limit) for c in gates}
    family = sum(limit is not None for limit in limits.values())
    judged = []
    for check in gates:
        limit = limits[check.name]
        records = found["checks"].get(check.name, [])
        if not trusted:
            records = found["nobody trusted"].get(check.name, records)
        measured = [Measurement.from_record(record) for record in records]
        blank = Outcome(
            check=check.name,
            failure=check.failure,
            question=check.question,
            verdict=None if measured else Verdict.NOT_EVIDENCED,
            measurement=measured[0] if measured else None,
            others=tuple(measured[1:]),
            limit=limit,
            family=family,
            access=check.access,
            reason="" if measured else "not to be had here",
        )
        judged.append(_decided(blank, measured, limit) if measured and limit is not None else blank)
    return finalize(judged, SETTINGS)


def _decided(blank: Outcome, measured: Sequence[Measurement], limit: Limit) -> Outcome:
    made = decide(measured, limit, confidence=SETTINGS.confidence, alpha=SETTINGS.alpha, family=blank.family)
    return dataclasses.replace(
        blank,
        verdict=made.verdict,
        measurement=made.measurement,
        others=made.others,
        p_value=made.p_value,
        n_to_decide=made.n_to_decide,
        reason=made.reason,
    )


def rejecting(row: Row, *, reference: bool = True) -> list[str]:
    """Return the gates that reject."""
    return _with_verdict(row, Verdict.REJECT, reference)


def undecided(row: Row, *, reference: bool = True) -> list[str]:
    """Return the gates that cannot decide."""
    return _with_verdict(row, Verdict.INCONCLUSIVE, reference)


def _with_verdict(row: Row, verdict: Verdict, reference: bool) -> list[str]:
    judged = row.outcomes if reference else outcomes(row.found, reference=False)
    return [o.check for o in judged if o.verdict is verdict]


def distance(row: Row, check: str) -> float | None:
    """Return how far beyond its limit the worst measurement of ``check`` lies, negative inside."""
    limit = check_named(check).reference_limit or check_named(check).limit
    records = row.found["checks"].get(check)
    if limit is None or records is None:
        return None
    return max(_beyond(record["value"], limit) for record in records)


def _beyond(value: float | None, limit: Limit) -> float:
    if value is None:
        return math.inf
    sides = [limit.low - value] if limit.low is not None else []
    sides += [value - limit.high] if limit.high is not None else []
    return max(sides)


def auc(positive: Sequence[float], negative: Sequence[float]) -> float | None:
    """Return the area under the ROC: how often a planted model lies farther out than a healthy one."""
    if not len(positive) or not len(negative):
        return None
    a, b = np.array(positive)[:, None], np.array(negative)[None]
    return float(np.mean(a > b) + np.mean(a == b) / 2)


def upper_bound(events: int, n: int) -> float:
    """Return the one-sided 95 % bound of a share (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    return 1.0 if events >= n else float(beta.ppf(0.95, events + 1, n - events))


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Spearman's ρ."""
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)


def conditions(rows: Iterable[Row], *kinds: str) -> dict[tuple[str, float], list[Row]]:
    """Return the rows of some kinds by label and severity, in the order of the plan."""
    groups: dict[tuple[str, float], list[Row]] = collections.defaultdict(list)
    for row in rows:
        if row.model.kind in kinds:
            groups[row.model.label, row.model.severity].append(row)
    return groups


def twins_of(rows: Iterable[Row], model: Model) -> list[Row]:
    """Return the healthy rows of the recipe that ``model`` is compared with."""
    twin = model.recipe.twin()
    return [row for row in rows if row.model.recipe == twin and not row.model.families]


def is_right(row: Row, access: str) -> bool:
    """Whether exactly the failures planted are named."""
    return set(row.named(access)) == set(row.model.families)


def share(hits: Sequence[bool]) -> str:
    return f"{np.mean(hits):.2f}" if hits else "-"


def by_access(group: Sequence[Row]) -> str:
    """Return the share of models whose exact set is named, one cell an access level."""
    return " ".join(f"{share([is_right(row, level) for row in group]):>10}" for level in ACCESS_LEVELS)


ACCESS_HEAD = " ".join(f"{level:>10}" for level in ACCESS_LEVELS)


def mechanism_table(rows: Sequence[Row]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the table of mechanisms as lines, and as records for the plot."""
    lines = [
        "Mechanisms. harm: r@1 lost to the healthy twin, mean and SD over seeds. AUC: planted against",
        "twins, of the check that is there to see it. power: a gate of the right family rejects. passed:",
        "every gate accepts. Then the share whose exact set of failures is named, by access.",
        f"{'mechanism':28} {'dial':>5} {'n':>3} {'harm':>6} {'SD':>5}  {'check':16} {'AUC':>5} {'power':>5} "
        f"{'passed':>6} {ACCESS_HEAD}",
    ]
    records = []
    for (label, severity), group in conditions(rows, "mechanism").items():
        check = group[0].model.seen_by
        negative = [d for row in twins_of(rows, group[0].model) if (d := distance(row, check)) is not None]
        positive = [d for row in group if (d := distance(row, check)) is not None]
        area = auc(positive, negative)
        harms = [row.harm for row in group]
        record = {
            "mechanism": label,
            "families": list(group[0].model.families),
            "severity": severity,
            "n": len(group),
            "twins": len(negative),
            "harm": float(np.mean(harms)),
            "harm_sd": float(np.std(harms, ddof=1)) if len(harms) > 1 else 0.0,
            "check": check,
            "auc": area,
            "power": float(np.mean([_found(row) for row in group])),
            "passed": float(np.mean([_passed(row) for row in group])),
            "exact": {
                level: float(np.mean([is_right(row, level) for row in group])) for level in ACCESS_LEVELS
            },
        }
        records.append(record)
        lines.append(
            f"{label:28} {severity:5.2f} {len(group):3d} {record['harm']:6.3f} {record['harm_sd']:5.3f}  "
            f"{check:16.16} {'-' if area is None else f'{area:.3f}':>5} {record['power']:5.2f} "
            f"{record['passed']:6.2f} {by_access(group)}"
        )
    return lines, records


def _found(row: Row) -> bool:
    """Whether a gate of a planted family rejects."""
    return _rejected(row.outcomes, row.model.families)


def _rejected(judged: Iterable[Outcome], families: Sequence[str]) -> bool:
    return any(o.verdict is Verdict.REJECT and o.failure in families for o in judged)


def _passed(row: Row) -> bool:
    """Whether every gate that had something to measure accepts."""
    return all(o.verdict in (None, Verdict.ACCEPT, Verdict.NOT_EVIDENCED) for o in row.outcomes)


def dose_table(records: Sequence[dict[str, Any]]) -> list[str]:
    """Return the rank correlation of dial and mean harm for each mechanism, severity 0 (no harm) included."""
    lines = ["Dial and harm: Spearman of the severity and the mean harm, with 0 at severity 0"]
    doses: dict[str, list[tuple[float, float]]] = collections.defaultdict(lambda: [(0.0, 0.0)])
    for record in records:
        doses[record["mechanism"]].append((record["severity"], record["harm"]))
    for label, points in doses.items():
        dial, harm = zip(*points, strict=True)
        lines.append(f"{label:28} {rank_correlation(dial, harm):6.3f}  (n = {len(points)} severities)")
    return lines


def alarm_table(rows: Sequence[Row]) -> list[str]:
    """Return how often the audit of a healthy or benign model rejects, or cannot accept."""
    lines = ["False alarms of the whole audit: a model counts once, whatever number of gates rejects it"]
    silent = [row for row in rows if not row.model.families]
    # A variant that loses retrieval is not benign, whatever it was meant to be; it is listed apart.
    variants = conditions(rows, "benign")
    costly = {label for (label, _), group in variants.items() if np.mean([r.harm for r in group]) >= HARMFUL}
    kept = [row for row in silent if row.model.label not in costly]
    groups = {
        "healthy": [r for r in kept if r.model.kind == "healthy"],
        "healthy twins, other worlds": [r for r in kept if r.model.kind == "twin"],
        "benign, known to the limits": [r for r in kept if r.model.label in BENIGN_DEVELOPMENT],
        "benign, unknown to the limits": [
            r for r in kept if r.model.kind == "benign" and r.model.label not in BENIGN_DEVELOPMENT
        ],
        "all": kept,
    }
    for reference in (True, False):
        lines.append("reference limits" if reference else "field limits alone")
        for name, group in groups.items():
            alarms = [row for row in group if rejecting(row, reference=reference)]
            open_ = [checks for row in group if (checks := undecided(row, reference=reference))]
            lines.append(
                f"  {name:30} n = {len(group):4d}  rejected {len(alarms):3d}, 95 % bound "
                f"{upper_bound(len(alarms), len(group)):.4f}  inconclusive {len(open_):3d}"
            )
        lines += [
            f"    rejected: {row.model.label}, seed {row.model.seed}: "
            f"{', '.join(rejecting(row, reference=reference))}"
            for row in alarms
        ]
        counts = collections.Counter(check for checks in open_ for check in checks)
        if counts:
            lines.append(f"    inconclusive: {', '.join(f'{c} × {k}' for c, k in counts.most_common())}")
    for label in sorted(costly):
        group = [row for row in silent if row.model.label == label]
        lines.append(
            f"  not benign: {label}, harm {np.mean([r.harm for r in group]):.3f}, n = {len(group)}, "
            f"rejected {sum(bool(rejecting(r)) for r in group)}"
        )
    named = [row for row in kept if row.named("gradients")]
    lines.append(
        f"  a failure named by the diagnosis, all access: {len(named)} of {len(kept)}, 95 % bound "
        f"{upper_bound(len(named), len(kept)):.4f}"
    )
    lines += [f"    {r.model.label}, seed {r.model.seed}: {', '.join(r.named('gradients'))}" for r in named]
    return lines


def family_table(rows: Sequence[Row]) -> list[str]:
    """Return what the gates on data and edits cost by being counted in the correction of all the others."""
    fewer = [gate for gate in GATES if gate not in (*DATA_CHECKS, *EDIT_CHECKS)]
    families = {o.failure for row in rows for o in row.outcomes}
    changed: collections.Counter[str] = collections.Counter()
    for row in rows:
        alone = outcomes(row.found, gates=fewer)
        names = {o.check for o in alone}
        together = [o for o in row.outcomes if o.check in names]
        planted = row.model.families
        changed["found"] += bool(planted) and _rejected(alone, planted) != _found(row)
        changed["alarms"] += not planted and _rejected(alone, tuple(families)) != bool(rejecting(row))
        changed["named"] += diagnose(alone).failures != row.named("gradients")
        changed["gates"] += sum(a.verdict is not b.verdict for a, b in zip(alone, together, strict=True))
    return [
        f"Family: judged by {len(fewer)} of the {len(GATES)} checks, those on data and edits left out",
        f"  planted failures found or missed otherwise: {changed['found']} of "
        f"{sum(bool(row.model.families) for row in rows)}",
        f"  healthy and benign models rejected otherwise: {changed['alarms']} of "
        f"{sum(not row.model.families for row in rows)}",
        f"  sets of failures named otherwise, all access: {changed['named']} of {len(rows)}",
        f"  verdicts of the {len(fewer)} checks that differ: {changed['gates']} of {len(fewer) * len(rows)}",
    ]


def attribution_table(rows: Sequence[Row]) -> list[str]:
    """Return how often the exact set is named, by access, and what was named instead.

    As many models of each mechanism and severity, though some were trained more often.
    """
    single, pairs = conditions(rows, "mechanism"), conditions(rows, "compound")
    fewest = min(map(len, single.values()), default=0)
    single = {condition: group[:fewest] for condition, group in single.items()}
    harmful = [
        row for group in single.values() if np.mean([r.harm for r in group]) >= HARMFUL for row in group
    ]
    both = [row for group in pairs.values() for row in group]
    groups = {
        "single failures, all severities": [row for group in single.values() for row in group],
        f"single failures, mean harm ≥ {HARMFUL}": harmful,
        "pairs of failures": both,
        "healthy and benign": [row for row in rows if row.model.kind in ("healthy", "benign")],
    }
    lines = [
        "Attribution: share of models whose exact set of failures is named",
        f"{'':50} {'dial':>4} {'n':>4} {'harm':>5} {ACCESS_HEAD}",
    ]
    for name, group in groups.items():
        lines.append(f"{name:50} {'':4} {len(group):4d} {'':5} {by_access(group)}")
    for (label, severity), group in pairs.items():
        harm = np.mean([row.harm for row in group])
        lines.append(f"  {label:48.48} {severity:4.2f} {len(group):4d} {harm:5.2f} {by_access(group)}")
    for level in ("gradients", "inputs"):
        lines.append(
            f"Confusion with access {level}, harmful single failures and pairs (planted: named × count)"
        )
        confusion: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        for row in [*harmful, *both]:
            planted = " + ".join(sorted(row.model.families))
            confusion[planted][" + ".join(sorted(row.named(level))) or "none"] += 1
        for planted, named in sorted(confusion.items()):
            found = ", ".join(f"{name} × {count}" for name, count in named.most_common())
            lines.append(f"  {planted:24}: {found}")
    return lines


def corruption_table(rows: Sequence[Row]) -> list[str]:
    """Return the error of the mispairing rate, and how well early losses find the wrong pairs."""
    lines = [
        "Mispairing rate of so many claimed pairs: estimate less the share q of them that is wrong. early:",
        "ROC area of the losses at epoch 4",
    ]
    judged = [*conditions(rows, "mechanism").items(), *conditions(rows, "more claims").items()]
    for (label, _), group in judged:
        if "corruption" not in group[0].model.families:
            continue
        errors = np.array(
            [row.found["checks"]["mispairing_rate"][0]["value"] - row.found["wrong"] for row in group]
        )
        size, near = np.abs(errors).mean(), np.mean(np.abs(errors) <= 0.02)
        early = np.mean([row.found["early"]["value"] for row in group])
        lines.append(
            f"{label:18} of {group[0].model.recipe.world.n_claims:4d}  q = {group[0].found['wrong']:.3f}  "
            f"n = {len(group):3d}  "
            f"mean error {errors.mean():+.4f}, mean |error| {size:.4f}, within 0.02 {near:.2f}  "
            f"early {early:.3f}"
        )
    return lines


def signature_table(rows: Sequence[Row]) -> list[str]:
    """Return r@1 with the shortcut beside that of the twins, and what is lost once it is removed."""
    lines = ["The signature of a shortcut: r@1 with it, r@1 of the healthy twins, r@1 lost after its removal"]
    for (label, severity), group in conditions(rows, "mechanism").items():
        if "shortcut" not in group[0].model.families:
            continue
        raw, twin = (
            np.mean([row.found["recall"] for row in g]) for g in (group, twins_of(rows, group[0].model))
        )
        twin_test = np.mean(
            [
                any(o.check == "twin_accuracy" and o.verdict is Verdict.REJECT for o in row.outcomes)
                for row in group
            ]
        )
        lines.append(
            f"{label:28} {severity:.2f}  n = {len(group):3d}  r@1 {raw:.3f}  twins {twin:.3f}  lost "
            f"{np.mean([row.harm for row in group]):.3f}  rejected by the twin test {twin_test:.2f}"
        )
    return lines


def dose_plot(records: Sequence[dict[str, Any]]) -> bytes:
    """Return harm and power against the dial as SVG, one panel a mechanism, 95 % intervals over seeds."""
    from scipy.stats import t

    points: list[tuple[str | float | None, ...]] = []
    for record in records:
        at, n = float(record["severity"]), record["n"]
        half = float(t.ppf(0.975, n - 1)) * record["harm_sd"] / math.sqrt(n) if n > 1 else 0.0
        harm, power = record["harm"], round(record["power"] * n)
        points.append((record["mechanism"], "harm", at, harm, harm - half, harm + half))
        bounds = 1 - upper_bound(n - power, n), upper_bound(power, n)
        points.append((record["mechanism"], "power", at, power / n, *bounds))
    table = Table(
        kind="doses",
        title="Dose and response",
        alt="Harm done and power of the gates against the severity planted, for each mechanism.",
        columns=("mechanism", "series", "severity", "value", "low", "high"),
        rows=tuple(points),
    )
    return svg(table)


def write(rows: Sequence[Row], out: Path | None) -> str:
    """Return all tables as text; with ``out``, write them, the records and the plot into that folder."""
    lines, records = mechanism_table(rows)
    parts = (
        lines,
        dose_table(records),
        alarm_table(rows),
        family_table(rows),
        attribution_table(rows),
        corruption_table(rows),
        signature_table(rows),
    )
    text = "\n\n".join("\n".join(part) for part in parts)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "calibration.txt").write_text(text + "\n")
        (out / "calibration.json").write_text(json.dumps(records, indent=1, allow_nan=False) + "\n")
        (out / "calibration.svg").write_bytes(dose_plot(records))
    return text
