"""The comparison of two audits: every gate's change with its interval, and which of them are regressions."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmaudit.comparison.changes import (
    discrimination_change,
    estimates_change,
    recall_change,
    symmetry_change,
)
from mmaudit.comparison.sides import Side, check_comparable
from mmaudit.diagnostics import Ranks, mean_recall, pair_discrimination, ranks, recall, symmetry_gap
from mmaudit.diagnostics.retrieval import Side as Way
from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.inference import holm, tail_probability
from mmaudit.measurement import Measurement

__all__ = ["Change", "Comparison", "Moved", "Turned", "compare"]

_SIDES: dict[Way, tuple[float, float]] = {"forward": (1.0, 0.0), "backward": (0.0, 1.0)}
_DEPTHS = (1, 5, 10)
MOST_ITEMS = 20
"""Items shown whose rank rose most: enough to see what they have in common."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One figure of one check, before and now.

    ``change`` is ``now − before`` (of distances from zero where that is what counts) and says in which
    direction it is better. ``p_value`` is two-sided and asks whether it is worse by more than ``tolerance``;
    ``p_adjusted`` is Holm's over all figures compared. Both are ``None`` where the figure has no sampling
    error: then its verdict alone decides.
    """

    check: str
    before: float
    now: float
    change: Measurement
    tolerance: float
    p_value: float | None
    p_adjusted: float | None = None
    regression: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turned:
    """A check that accepted before and does not now. ``reason`` is the check's own."""

    check: str
    now: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moved:
    """An item (its row, from 0) whose partner is harder to find now: expected ranks, 1 is best.

    ``forward`` and ``backward`` are (before, now) of the two directions.
    """

    item: int
    forward: tuple[float, float]
    backward: tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """What :func:`compare` found. ``not_compared`` has (check, why); ``notes`` limit what is claimed."""

    baseline: str
    baseline_digest: str | None
    subject: str
    alpha: float
    pairs: int
    changes: tuple[Change, ...]
    turned: tuple[Turned, ...]
    moved: tuple[Moved, ...]
    not_compared: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def regressed(self) -> bool:
        """Whether a figure got worse beyond its tolerance, or a check stopped accepting."""
        return bool(self.turned) or any(change.regression for change in self.changes)

    def record(self) -> dict[str, Any]:
        """Return the comparison as exact builtin types, as ``comparison.json`` holds it."""
        row = dataclasses.asdict(self) | {"regressed": self.regressed}
        row["changes"] = [dataclasses.asdict(c) | {"change": c.change.record()} for c in self.changes]
        for key in ("turned", "notes"):
            row[key] = list(row[key])
        row["not_compared"] = [{"check": check, "reason": why} for check, why in self.not_compared]
        row["moved"] = [
            {"item": m.item, "forward": list(m.forward), "backward": list(m.backward)} for m in self.moved
        ]
        return row


def compare(before: Side, now: Side, tolerance: Mapping[str, float] | None = None) -> Comparison:
    """Compare two audits of the same items under the same settings.

    ``tolerance`` maps a check to how much worse its figures may get, in their own unit (default: the
    settings' of ``now``, and zero). A regression is a figure whose change lies wholly beyond it, at the
    settings' ``alpha`` after Holm (1979) over all figures compared, or a check that no longer accepts.
    Raises :class:`InputError` on other items or other settings, naming the difference.
    """
    check_comparable(before.conditions, now.conditions)
    confidence = float(now.conditions.settings["confidence"])
    alpha = float(now.conditions.settings["alpha"])
    was, is_now = _by_check(before.outcomes), _by_check(now.outcomes)
    notes = _notes(before, now)
    rows: list[_Row] = []
    moved: tuple[Moved, ...] = ()
    if before.embeddings is not None and now.embeddings is not None:
        mirrored = before.embeddings.modalities != now.embeddings.modalities
        served = before.embeddings.swapped() if mirrored else before.embeddings
        old, new = (ranks(each, now.conditions.groups) for each in (served, now.embeddings))
        rows = _paired(old, new, confidence)
        moved = _moved(old, new)
    paired = {row.check for row in rows}
    skipped = {check: why for check, why in _apart(was, is_now).items() if check not in paired}
    shared = sorted((was.keys() & is_now.keys()) - skipped.keys())
    for check in shared:
        if check not in paired and is_now[check].limit is not None:
            rows += _estimated(was[check], is_now[check], confidence)
    skipped |= {row.check: row.change.notes[0] for row in rows if row.change.value is None}
    return Comparison(
        baseline=before.subject,
        baseline_digest=before.digest,
        subject=now.subject,
        alpha=alpha,
        pairs=int(now.conditions.dataset["pairs"]),
        changes=_judged(rows, now.tolerance if tolerance is None else tolerance, alpha),
        turned=tuple(_turned(is_now[check]) for check in shared if _lost(was[check], is_now[check])),
        moved=moved,
        not_compared=tuple(sorted(skipped.items())),
        notes=tuple(notes),
    )


@dataclasses.dataclass(frozen=True)
class _Row:
    """One figure as measured before and now, and its change, which may be undefined."""

    check: str
    before: Measurement
    now: Measurement
    change: Measurement


def _by_check(outcomes: tuple[Outcome, ...]) -> dict[str, Outcome]:
    """Return the outcomes by check; none of a check recorded twice, for nothing tells the two apart."""
    counts = Counter(outcome.check for outcome in outcomes)
    return {outcome.check: outcome for outcome in outcomes if counts[outcome.check] == 1}


def _apart(was: Mapping[str, Outcome], is_now: Mapping[str, Outcome]) -> dict[str, str]:
    """Return why a gate has no like on the other side, by check."""
    why = {check: "it was not run now" for check in was.keys() - is_now.keys() if was[check].limit}
    why |= {check: "it was not run before" for check in is_now.keys() - was.keys() if is_now[check].limit}
    for check in was.keys() & is_now.keys():
        ends = [
            None if each.limit is None else (each.limit.low, each.limit.high)
            for each in (was[check], is_now[check])
        ]
        if ends[0] != ends[1]:
            why[check] = "its limit is another one; the two were audited by different versions"
    return why


def _paired(old: Ranks, new: Ranks, confidence: float) -> list[_Row]:
    """Return the changes of what is known for every item: hits at k, both ways, and discrimination."""
    rows = [
        _Row(
            "recall_at_1",
            recall(old, 1, side, confidence),
            measured,
            recall_change(measured.name, old, new, 1, *weights, confidence),
        )
        for side, weights in _SIDES.items()
        for measured in [recall(new, 1, side, confidence)]
    ]
    rows += [
        _Row(
            measured.name,
            mean_recall(old, k, confidence),
            measured,
            recall_change(measured.name, old, new, k, 0.5, 0.5, confidence),
        )
        for k in _DEPTHS
        for measured in [mean_recall(new, k, confidence)]
    ]
    for measure, change in ((symmetry_gap, symmetry_change), (pair_discrimination, discrimination_change)):
        before, now = measure(old, confidence=confidence), measure(new, confidence=confidence)
        rows.append(_Row(now.name, before, now, change(now.name, old, new, confidence)))
    return rows


def _estimated(was: Outcome, is_now: Outcome, confidence: float) -> list[_Row]:
    """Return the changes of a gate's figures, matched by name, from the two estimates alone."""
    assert is_now.limit is not None
    before = {m.name: m for m in (was.measurement, *was.others) if m is not None}
    return [
        _Row(is_now.check, before[m.name], m, estimates_change(before[m.name], m, is_now.limit, confidence))
        for m in (is_now.measurement, *is_now.others)
        if m is not None and m.name in before
    ]


def _judged(rows: list[_Row], tolerance: Mapping[str, float], alpha: float) -> tuple[Change, ...]:
    changes = [
        Change(
            check=row.check,
            before=row.before.value,
            now=row.now.value,
            change=row.change,
            tolerance=float(tolerance.get(row.check, 0.0)),
            p_value=_p_value(row.change, float(tolerance.get(row.check, 0.0))),
        )
        for row in sorted(rows, key=lambda row: (row.check, row.now.name))
        if row.before.value is not None and row.now.value is not None and row.change.value is not None
    ]
    adjusted = holm([change.p_value for change in changes])
    return tuple(
        dataclasses.replace(change, p_adjusted=p, regression=p is not None and p <= alpha)
        for change, p in zip(changes, adjusted, strict=True)
    )


def _p_value(change: Measurement, tolerance: float) -> float | None:
    """Return the two-sided p-value that the change is worse by more than ``tolerance``.

    A figure without sampling error has none: any two encoders differ in it, if only by rounding.
    """
    if change.interval == "exact":
        return None
    higher = change.direction == "higher is better"
    return tail_probability(change, -tolerance if higher else None, None if higher else tolerance)


def _lost(was: Outcome, is_now: Outcome) -> bool:
    return was.verdict is Verdict.ACCEPT and is_now.verdict is not Verdict.ACCEPT


def _turned(outcome: Outcome) -> Turned:
    verdict = "NOTICE" if outcome.verdict is None else outcome.verdict.value
    return Turned(check=outcome.check, now=verdict, reason=outcome.reason)


def _moved(old: Ranks, new: Ranks) -> tuple[Moved, ...]:
    """Return the items whose expected ranks rose most, both directions together."""
    forward, backward = (
        [1 + ranked.side(side).better + ranked.side(side).ties / 2 for ranked in (old, new)]
        for side in _SIDES
    )
    rise = forward[1] - forward[0] + backward[1] - backward[0]
    worst = np.argsort(-rise, kind="stable")[:MOST_ITEMS]
    return tuple(
        Moved(
            item=int(i),
            forward=(float(forward[0][i]), float(forward[1][i])),
            backward=(float(backward[0][i]), float(backward[1][i])),
        )
        for i in worst
        if rise[i] > 0
    )


def _notes(before: Side, now: Side) -> list[str]:
    """Return what limits the claim that only the model has changed."""
    notes = []
    if before.version != now.version:
        notes.append(f"the baseline was audited by mmaudit {before.version}, this one by {now.version}")
    if None in now.conditions.digests:
        notes.append("some inputs have no digest: that they are the same items was not checked")
    if before.embeddings is None or now.embeddings is None:
        which = "the baseline" if before.embeddings is None else "this audit"
        notes.append(f"{which} holds no embeddings, so nothing could be paired by item")
    return notes
