"""Suite A: what makes one modality carry the space, and what shows it."""

import math
from collections.abc import Mapping
from typing import Any

from mmaudit.suites.condition import Claim, Condition, Statement
from mmaudit.suites.margins import NO_GAP, SOME_GAP, gained, lost, unharmed

__all__ = ["DOMINANCE"]

REFERENCE = "balanced"
SAME = (unharmed(0.01), NO_GAP)
CANCELLED = "Normalisation cancels a gain that stands before it: what is left is float32 rounding."


def _chapter(
    name: str,
    claim: str,
    truth: str,
    *shows: Statement,
    world: Mapping[str, Any] | None = None,
    aligner: Mapping[str, Any] | None = None,
) -> Condition:
    """Return one of the chapter's dominance conditions: each claims a symmetry gap."""
    return Condition(
        name=name,
        suite="dominance",
        reference=REFERENCE,
        claims=(Claim(f"{claim}: a symmetry gap appears.", (SOME_GAP,), truth, shows),),
        world=world or {},
        aligner=aligner or {},
    )


def _added(name: str, claim: str, *says: Statement, **fields: Any) -> Condition:
    """Return a mechanism that does what the chapter wanted to show."""
    return Condition(
        name=name,
        suite="dominance",
        reference=REFERENCE,
        origin="added",
        claims=(Claim(claim, says),),
        **fields,
    )


DOMINANCE = (
    Condition(
        name="balanced",
        suite="dominance",
        claims=(Claim("Balanced modalities give no symmetry gap.", (NO_GAP,)),),
    ),
    _chapter(
        "img_gain_dominant",
        "Dominance by a gain of 2.5 on the image side",
        CANCELLED,
        *SAME,
        aligner={"gain_x": 2.5},
    ),
    _chapter(
        "txt_gain_dominant",
        "Dominance by a gain of 2.5 on the text side",
        CANCELLED,
        *SAME,
        aligner={"gain_y": 2.5},
    ),
    _chapter(
        "img_low_noise",
        "Cleaner images",
        "No gap: image noise of 0.06 was not what limited retrieval.",
        NO_GAP,
        Statement("recall_lost", -0.1, 0.05),
        world={"noise_image": 0.01},
    ),
    _chapter(
        "txt_low_noise",
        "Cleaner text",
        "No gap: r@1 rises in both directions alike.",
        NO_GAP,
        gained(),
        world={"noise_text": 0.002},
    ),
    _chapter(
        "img_capacity_dominant",
        "1.6 times the capacity on the image side",
        "No gap, and no harm.",
        NO_GAP,
        Statement("recall_lost", high=0.05),
        aligner={"hidden_mult_x": 1.6},
    ),
    _chapter(
        "txt_capacity_dominant",
        "1.6 times the capacity on the text side",
        "No gap, and no harm.",
        NO_GAP,
        Statement("recall_lost", high=0.05),
        aligner={"hidden_mult_y": 1.6},
    ),
    _chapter(
        "asym_noise_img_high",
        "Noisy images",
        "No gap: more than twice the image noise costs both directions a little.",
        NO_GAP,
        Statement("recall_lost", high=0.1),
        world={"noise_image": 0.14},
    ),
    _chapter(
        "asym_noise_txt_high",
        "Noisy text",
        "No gap: noise on one side destroys retrieval in both directions alike.",
        NO_GAP,
        lost(0.3),
        world={"noise_text": 0.12},
    ),
    _added(
        "gain_power_of_two",
        "Gains of 4 and 2, which float32 multiplies by without rounding, leave every embedding as it was, "
        "digit for digit.",
        Statement("embedding_change", 0.0, 0.0),
        *SAME,
        aligner={"gain_x": 4.0, "gain_y": 2.0},
    ),
    _added(
        "img_heavy_start",
        "Initial image weights 16 times as large make images learn slowly: gradients and movement "
        "show it, and "
        "r@1 falls, without a gap.",
        Statement("gradient_ratio", high=-0.75),
        Statement("movement_ratio", high=-0.6),
        lost(),
        NO_GAP,
        aligner={"init_gain_x": 16.0},
    ),
    _added(
        "txt_heavy_start",
        "Initial text weights 16 times as large make texts learn slowly: gradients and movement show it, and "
        "r@1 falls, without a gap.",
        Statement("gradient_ratio", low=0.75),
        Statement("movement_ratio", low=0.6),
        lost(),
        NO_GAP,
        aligner={"init_gain_y": 16.0},
    ),
    _added(
        "txt_passenger",
        "A text encoder at a twentieth of the learning rate rides along: movement shows it, and r@1 falls, "
        "without a gap.",
        Statement("movement_ratio", low=0.6),
        lost(),
        NO_GAP,
        training={"lr_mult_y": 0.05},
    ),
    _added(
        "txt_bandwidth",
        "Texts confined to 8 of 48 dimensions hold the images back: the rank asymmetry shows it, and "
        "r@1 falls, "
        "without a gap.",
        Statement("rank_asymmetry", low=math.log(2)),
        lost(),
        NO_GAP,
        aligner={"rank_y": 8},
    ),
    _added(
        "txt_norm_leak",
        "Texts served with the norms their encoder gave them, compared by inner product, do give a "
        "symmetry gap: "
        "a bias of single items is what breaks the symmetry of a symmetric score.",
        Statement("symmetry_gap", high=-0.05),
        Statement("norm_leak", -0.02, 0.02, outside=True),
        served_raw=("text",),
    ),
)
