"""Suite B: a confounder on a channel of its own, real pair corruption, and what removal shows."""

from typing import Any

from mmaudit.suites.condition import Claim, Condition, Statement
from mmaudit.suites.margins import HARM, gained, lost
from mmaudit.world import Confounder

__all__ = ["CORRUPTION", "SHORTCUT"]

CLEAN = "balanced"
REMOVAL = Claim(
    "Removing the confounder at test time makes retrieval collapse.",
    (Statement("counterfactual_drop", low=0.15), Statement("twin_accuracy", low=0.27)),
)
SHIFT = Claim(
    "The mutual-information proxy shifts to the confounder.",
    (Statement("mi_excess_shift", low=0.05),),
    "The binned proxy does not see it. A cross-fitted probe does: information on the shape is lost.",
    (
        Statement("mi_excess_shift", high=0.1),
        Statement("v_information_image_shape_change", high=-HARM),
    ),
)
NO_SHORTCUT = Statement("twin_accuracy", high=0.27)


def _marked(strength: float, agreement: float = 1.0) -> dict[str, Any]:
    return {"confounder": Confounder("code_channel", strength=strength, agreement=agreement)}


def _agreeing(percent: int, text: str, *says: Statement) -> Condition:
    return Condition(
        name=f"conf_high_agree{percent}",
        suite="shortcut",
        origin="added",
        reference=CLEAN,
        world=_marked(2.0, percent / 100),
        claims=(Claim(f"A marker that agrees in {percent} % of the pairs (and by chance) {text}", says),),
    )


SHORTCUT = (
    Condition(
        name="conf_low_corr0",
        suite="shortcut",
        reference=CLEAN,
        world=_marked(0.5),
        claims=(
            Claim(
                "With the confounder, r@1 is high.",
                (gained(0.1),),
                "At strength 0.5 r@1 is about that of the clean world: the marker replaces meaning.",
                (Statement("recall_lost", -0.15, 0.1),),
            ),
            REMOVAL,
            SHIFT,
        ),
    ),
    Condition(
        name="conf_med_corr0",
        suite="shortcut",
        reference=CLEAN,
        world=_marked(1.0),
        claims=(Claim("With the confounder, r@1 is high.", (gained(0.05),)), REMOVAL, SHIFT),
    ),
    Condition(
        name="conf_high_corr0",
        suite="shortcut",
        reference=CLEAN,
        world=_marked(2.0),
        claims=(Claim("With the confounder, r@1 is high.", (gained(0.1),)), REMOVAL, SHIFT),
    ),
    Condition(
        name="conf_high_agree0",
        suite="shortcut",
        origin="added",
        reference=CLEAN,
        world=_marked(2.0, 0.0),
        claims=(
            Claim(
                "A marker that says nothing about the pair is ignored.",
                (Statement("recall_lost", high=HARM),),
                "It is no shortcut, and drawing it anew costs nothing (the placebo), but a loud "
                "channel of noise "
                "costs the clean world's r@1.",
                (Statement("counterfactual_drop", -HARM, HARM), NO_SHORTCUT, lost(0.15)),
            ),
        ),
    ),
    _agreeing(
        25,
        "is a shortcut already, at an r@1 far below the clean one: retrieval does not show it, twins do.",
        Statement("twin_accuracy", low=0.27),
        Statement("counterfactual_drop", low=0.0),
        lost(),
    ),
    _agreeing(
        50,
        "answers most of what is answered, at an r@1 still below the clean one.",
        Statement("twin_accuracy", low=0.27),
        Statement("counterfactual_drop", low=HARM),
        lost(),
    ),
    _agreeing(
        75,
        "gives about the r@1 of the clean world, for the wrong reason.",
        Statement("twin_accuracy", low=0.27),
        Statement("counterfactual_drop", low=0.15),
        Statement("recall_lost", -0.15, 0.15),
    ),
)


def _corrupted(percent: int, least: float) -> Condition:
    """Return a condition of the chapter: a strong confounder, and so many pairs wrong."""
    return Condition(
        name=f"conf_high_corr{percent}",
        suite="corruption",
        reference="conf_high_corr0",
        world={**_marked(2.0), "corruption_rate": percent / 100},
        claims=(
            Claim(f"{percent} % of wrong pairs degrade alignment.", (lost(least),)),
            Claim(
                "Corruption amplifies the reliance on the shortcut.",
                (Statement("drop_change", low=0.0),),
                "The drop falls with r@1; what is left of retrieval still is the shortcut.",
                (Statement("drop_change", high=0.0), Statement("twin_accuracy", low=0.27)),
            ),
        ),
    )


def _corrupted_alone(percent: int) -> Condition:
    return Condition(
        name=f"clean_corr{percent}",
        suite="corruption",
        origin="added",
        reference=CLEAN,
        world={"corruption_rate": percent / 100},
        claims=(
            Claim(
                f"{percent} % of wrong pairs alone cost r@1 and leave no shortcut behind.",
                (lost(), NO_SHORTCUT),
            ),
            Claim(
                "Corruption makes retrieval sensitive to a single perturbed batch.",
                (Statement("one_step_influence_absolute", low=0.1),),
                "One batch moves the corrupted aligner no more than it moves the clean one: the "
                "probe says nothing.",
                (Statement("one_step_influence_absolute", high=0.1),),
            ),
        ),
    )


CORRUPTION = (_corrupted(10, 0.05), _corrupted(25, 0.15), _corrupted_alone(10), _corrupted_alone(25))
