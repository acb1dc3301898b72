"""The checks that show real inputs again, edited: what is lost, and to which edit."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from mmaudit import diagnostics as d
from mmaudit.embeddings import Embeddings
from mmaudit.failures import damage as plant
from mmaudit.gates.case import Case
from mmaudit.gates.check import Check, Damage
from mmaudit.gates.controls import MARK_CODES
from mmaudit.gates.outcome import Limit
from mmaudit.measurement import Measurement

__all__ = ["EDIT_CHECKS"]

Measured = list[Measurement]

MARGINS = {"corners": ("inner patches", "corners"), "border": ("inner frame", "border")}
OWN, OTHERS = "overlay, own words", "overlay, words of others 1"
PLAIN = ("jpeg", "blur", "grey", "template", "prefix", "case", "marker")


def _dropped(case: Case, name: str, pairs_of: Mapping[str, tuple[str, str]]) -> Measured:
    """Measure r@1 under the first edit less r@1 under the second, by label; only of those that were made."""
    assert case.edits is not None
    made = {label: pair for label, pair in pairs_of.items() if set(pair) <= set(case.edits.views)}
    wanted = {view for pair in made.values() for view in pair}
    ranked = {view: d.ranks(case.edits.views[view], case.edits.groups) for view in wanted}
    return [
        dataclasses.replace(d.counterfactual_drop(ranked[a], ranked[b]), name=f"{name} ({label})")
        for label, (a, b) in made.items()
    ]


def _margin_drop(case: Case) -> Measured:
    return _dropped(case, "margin_drop", MARGINS)


def _typographic_effect(case: Case) -> Measured:
    return _dropped(case, "typographic_effect", {"overlay": (OWN, OTHERS)})


def _edit_drops(case: Case) -> Measured:
    return _dropped(case, "edit_drop", {name: ("present", name) for name in PLAIN})


def _edit_placebos(case: Case) -> Measured:
    """What each comparison reads where nothing is to be read, and what the edited place alone would reach."""
    assert case.edits is not None
    placebos = {"corners": ("present", "inner patches"), "border": ("present", "inner frame")}
    placebos |= {"overlay": (OTHERS, "overlay, words of others 2")}
    blind = [
        dataclasses.replace(d.blind_baseline(codes, case.edits.groups), name=f"blind_baseline ({place})")
        for place, codes in case.edits.blind.items()
    ]
    return [*_dropped(case, "placebo_drop", placebos), *blind]


def _degradation(case: Case) -> Measured:
    """The r@1 left at each level of noise in one modality, the other being as it was."""
    assert case.edits is not None
    modalities = case.edits.views["present"].modalities
    levels = tuple(f"{modality} {what} " for modality in modalities for what in ("noise", "words"))
    names = ["present", *(name for name in case.edits.views if name.startswith(levels))]
    return [
        dataclasses.replace(
            d.mean_recall(d.ranks(case.edits.views[name], case.edits.groups), 1), name=f"degradation ({name})"
        )
        for name in names
    ]


def _marked_views(views: tuple[str, ...]) -> Callable[[Case, float, np.random.Generator], Case]:
    """Return a damage: all views carry a code that both sides of a pair share, but for those named."""

    def damaged(case: Case, severity: float, rng: np.random.Generator) -> Case:
        assert case.edits is not None
        n = len(case.edits.views["present"])
        shared, lone = rng.integers(0, MARK_CODES, size=n), rng.integers(0, MARK_CODES, size=n)
        marked = {}
        for name, e in case.edits.views.items():
            first = plant.marked(e.x, lone if name in views else shared, MARK_CODES, severity)
            second = plant.marked(e.y, shared, MARK_CODES, severity)
            x, y = first.astype(np.float32), second.astype(np.float32)
            marked[name] = Embeddings(x, y, e.modalities, e.similarity)
        return dataclasses.replace(case, edits=dataclasses.replace(case.edits, views=marked))

    return damaged


_HIDDEN = _marked_views(("corners", "border"))
_MISLED = _marked_views((OTHERS, "overlay, words of others 2"))

EDIT_CHECKS: tuple[Check, ...] = (
    Check(
        name="margin_drop",
        failure="shortcut",
        question="Is more lost with the corners or the border of pictures than with as much of their middle?",
        measure=_margin_drop,
        needs=("pictures",),
        profiles=("full",),
        limit=Limit(
            high=0.05,
            kind="field",
            rationale="harm: one query in twenty is answered by the margin of a picture, where marks are put",
        ),
        damage=Damage("weight of a code shared within pairs until the margin is covered", _HIDDEN),
    ),
    Check(
        name="typographic_effect",
        failure="shortcut",
        question="Is a picture matched by the words that are written on it?",
        measure=_typographic_effect,
        needs=("pictures", "captions"),
        profiles=("full",),
        limit=Limit(
            high=0.05,
            kind="field",
            rationale="harm: one query in twenty goes to whatever is written on the picture",
        ),
        damage=Damage("weight of a code shared within pairs until the words are others'", _MISLED),
    ),
    Check(
        name="edit_drops",
        failure="shortcut",
        question="How much retrieval is lost to edits that leave the meaning?",
        measure=_edit_drops,
        needs=("captions",),
        profiles=("full",),
    ),
    Check(
        name="edit_placebos",
        failure="shortcut",
        question="What do edits read where nothing is to be read, and what does that place reach alone?",
        measure=_edit_placebos,
        needs=("pictures",),
        profiles=("full",),
    ),
    Check(
        name="degradation",
        failure="dominance",
        question="How fast does retrieval fall with noise in one modality alone?",
        measure=_degradation,
        needs=("captions",),
        profiles=("full",),
    ),
)
