"""The checks that look at the data itself: what it can be matched by, its slices, its splits."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mmaudit import diagnostics as d
from mmaudit.errors import InputError
from mmaudit.failures import damage as plant
from mmaudit.gates.case import Case
from mmaudit.gates.check import Check, Damage
from mmaudit.gates.outcome import Limit
from mmaudit.inference import at_confidence
from mmaudit.measurement import Measurement
from mmaudit.pairs import IntArray

__all__ = ["DATA_CHECKS"]

Measured = list[Measurement]
_LATER = ("ci", "full")


def _scanned(case: Case, columns: Mapping[str, IntArray], name: str) -> Measured:
    assert case.scan is not None
    if not columns:
        raise InputError("; ".join(case.scan.skipped[:3]) or "no column is left to be scanned")
    e = case.embeddings.take(case.scan.rows)
    groups = None if case.groups is None else case.groups[case.scan.rows]
    found = d.same_value_drops(e, columns, groups, name=name)
    return [_with_simultaneous(m, len(found)) for m in found]


def _with_simultaneous(m: Measurement, columns: int) -> Measurement:
    """Note the interval that holds for all columns at once (Bonferroni): the worst of many is chosen."""
    if m.value is None:
        return m
    wide = at_confidence(m, 1 - (1 - m.confidence) / columns)
    span = (
        f"simultaneous {m.confidence:.0%} interval over {columns} columns [{wide.low:.3g}, {wide.high:.3g}]"
    )
    return dataclasses.replace(m, notes=(*m.notes, span))


def _shortcut_scan(case: Case) -> Measured:
    assert case.scan is not None
    return _scanned(case, case.scan.form, "shortcut_scan")


def _content_scan(case: Case) -> Measured:
    assert case.scan is not None
    return _scanned(case, case.scan.content, "content_scan")


def _slice_discrimination(case: Case) -> Measured:
    return _some(d.slice_discrimination(case.ranks, case.slices))


def _slice_spread(case: Case) -> Measured:
    return _some(d.slice_spread(case.embeddings, case.slices, case.groups))


def _some(found: Measured) -> Measured:
    if not found:
        raise InputError("no slice holds 30 items of different meaning")
    return found


def _split_overlap(case: Case) -> Measured:
    assert case.splits is not None
    if not case.contents:
        raise InputError("the inputs have no content to compare; give pictures, captions, files or arrays")
    return [d.split_overlap(codes, case.splits, of=what) for what, codes in case.contents.items()]


def _near_duplicates(case: Case) -> Measured:
    assert case.splits is not None
    return [
        d.near_duplicates(z, case.splits, case.groups, modality=modality)
        for z, modality in zip(case.embeddings.scored, case.modalities, strict=True)
    ]


def _overwritten_by_scanned(case: Case, severity: float, rng: np.random.Generator) -> Case:
    """Both sides carry the first scanned column in the place of the item."""
    assert case.scan is not None
    column = next(iter(case.scan.form.values()))
    codes = np.zeros(len(case.x), dtype=np.int64)
    codes[case.scan.rows] = column + 1
    cardinality = int(column.max()) + 2
    return case.serving(*(plant.overwritten(z, codes, cardinality, severity, rng) for z in (case.x, case.y)))


def _slice_noised(case: Case, severity: float, rng: np.random.Generator) -> Case:
    rows, y = case.smallest_slice, plant.mixed_with_noise(case.y, 0.0, rng)
    y[rows] = plant.mixed_with_noise(case.y[rows], severity, rng)
    return case.serving(case.x, y)


def _slice_shrunk(case: Case, severity: float, rng: np.random.Generator) -> Case:
    rows, y = case.smallest_slice, plant.shrunk_to_mean(case.y, 0.0)
    y[rows] = plant.shrunk_to_mean(case.y[rows], severity)
    return case.serving(case.x, y)


def _copied(case: Case, severity: float, rng: np.random.Generator) -> Case:
    """A share of the items has the content of an item of another split."""
    assert case.splits is not None
    first = np.flatnonzero(case.splits == case.splits[0])
    others = np.flatnonzero(case.splits != case.splits[0])
    to = rng.permutation(others)[: max(1, round(severity * len(others)))] if severity else others[:0]
    source = rng.choice(first, size=len(to))
    copied = {}
    for what, codes in case.contents.items():
        copied[what] = codes.copy()
        copied[what][to] = codes[source]
    return dataclasses.replace(case, contents=copied)


DATA_CHECKS: tuple[Check, ...] = (
    Check(
        name="shortcut_scan",
        failure="shortcut",
        question="Is retrieval easier where some column, given or derived, tells candidates apart?",
        measure=_shortcut_scan,
        needs=("columns",),
        profiles=_LATER,
        limit=Limit(
            high=0.05,
            kind="field",
            rationale="harm: one query in twenty finds its pair only among candidates of other values; a "
            "column that is part of what items mean belongs under factors, which are not scanned",
        ),
        damage=Damage("share of the item overwritten by a scanned column", _overwritten_by_scanned),
    ),
    Check(
        name="content_scan",
        failure="shortcut",
        question="Is retrieval easier where brightness, file size, first or last words tell items apart?",
        measure=_content_scan,
        needs=("columns",),
        profiles=_LATER,
    ),
    Check(
        name="slice_discrimination",
        failure="alignment",
        question="Does a pair score higher than a random non-pair in every slice of the data?",
        measure=_slice_discrimination,
        needs=("slices",),
        limit=Limit(
            low=0.75,
            kind="field",
            rationale="distinguishability: half-way from chance (0.5) to certainty (1), as for all items",
        ),
        damage=Damage("weight of noise in one slice of one modality", _slice_noised),
    ),
    Check(
        name="slice_spread",
        failure="collapse",
        question="Are the items of every slice still apart from each other?",
        measure=_slice_spread,
        needs=("slices",),
        limit=Limit(
            low=0.05,
            kind="field",
            rationale="distinguishability: items of a slice that are twenty times closer to each other than "
            "items at large are one point; a cone takes the same from both",
        ),
        damage=Damage("pull of one slice of one modality towards one point", _slice_shrunk),
    ),
    Check(
        name="split_overlap",
        failure="integrity",
        question="Is the content of one split also in another?",
        measure=_split_overlap,
        needs=("splits",),
        limit=Limit(
            high=0.01,
            kind="field",
            rationale="harm: an item seen in training may be right for that alone, and models are ranked by "
            "differences of one in a hundred",
        ),
        damage=Damage("share of the items with the content of another split", _copied),
    ),
    Check(
        name="near_duplicates",
        failure="integrity",
        question="How many items have a near duplicate in another split, by embedding?",
        measure=_near_duplicates,
        needs=("splits",),
        profiles=_LATER,
    ),
)
