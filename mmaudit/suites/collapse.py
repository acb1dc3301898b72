"""The collapse suite: the chapter's triggers, and triggers that do collapse, told apart."""

import math
from typing import Any

from mmaudit.suites.condition import Claim, Condition, Statement
from mmaudit.suites.margins import RANK_LOST, gained, lost, unharmed

__all__ = ["COLLAPSE"]

REFERENCE = "normal_ref"
CROWDED = Statement("mean_cosine_image", low=0.05)
SHRUNK = Statement("effective_rank_image_change", high=RANK_LOST)
RANK_KEPT = Statement("effective_rank_image_change", low=RANK_LOST)


def _trigger(name: str, trigger: str, truth: str, *shows: Statement, **fields: Any) -> Condition:
    """Return one of the chapter's triggers: each claims crowding, a loss of rank and a loss of r@1."""
    claim = f"{trigger} collapses the space: the mean cosine rises, the effective rank shrinks, r@1 falls."
    return Condition(
        name=name,
        suite="collapse",
        reference=REFERENCE,
        claims=(Claim(claim, (CROWDED, SHRUNK, lost()), truth, shows),),
        **fields,
    )


def _added(name: str, claim: str, *says: Statement, **fields: Any) -> Condition:
    return Condition(
        name=name,
        suite="collapse",
        origin="added",
        reference=REFERENCE,
        claims=(Claim(claim, says),),
        **fields,
    )


COLLAPSE = (
    Condition(
        name="normal_ref",
        suite="collapse",
        claims=(
            Claim(
                "Trained normally, items of one modality are spread out.",
                (
                    Statement("mean_cosine_image", -0.03, 0.03),
                    Statement("mean_cosine_text", -0.03, 0.03),
                    Statement("effective_rank_image", low=15.0),
                ),
            ),
        ),
    ),
    _trigger(
        "low_temp",
        "A temperature of 0.015",
        "It makes a cone: the mean cosine rises and r@1 falls, while the effective rank stays.",
        CROWDED,
        RANK_KEPT,
        lost(),
        aligner={"temperature": 0.015},
    ),
    _trigger(
        "high_lr",
        "A learning rate of 0.012",
        "It takes dimensions away, crowds nothing, and raises r@1.",
        Statement("mean_cosine_image", high=0.05),
        Statement("effective_rank_image_change", high=-0.1),
        gained(0.0),
        training={"lr": 1.2e-2},
    ),
    _trigger(
        "heavy_wd",
        "A weight decay of 0.008",
        "It changes nothing: decoupled decay acts through its product with the learning rate, "
        "0.000016 a step.",
        unharmed(0.1),
        Statement("mean_cosine_image", high=0.05),
        Statement("effective_rank_image_change", -0.1, 0.1),
        training={"weight_decay": 8e-3},
    ),
    _trigger(
        "stop_grad_txt",
        "A stopped gradient on the text side",
        "The trained side keeps its rank and does not crowd; the frozen one stays in the cone it "
        "began in, moves "
        "not at all, and r@1 halves. It is dominance, not collapse.",
        Statement("mean_cosine_image", high=0.05),
        RANK_KEPT,
        Statement("mean_cosine_text", low=0.3),
        Statement("movement_ratio", low=0.6),
        lost(0.1),
        training={"stop_gradient": "y"},
    ),
    _added(
        "cone",
        "At a temperature of 0.004 all items crowd into a cone and r@1 falls; the centred effective "
        "rank stays.",
        Statement("mean_cosine_image", low=0.5),
        RANK_KEPT,
        lost(),
        aligner={"temperature": 0.004},
    ),
    _added(
        "complete_collapse",
        "With a twentieth of the repulsion all items collapse to one point; what is left after "
        "centring still has "
        "its rank, so the centred rank alone misses it.",
        Statement("mean_cosine_image", low=0.9),
        RANK_KEPT,
        Statement("rankme_image", high=15.0),
        lost(0.15),
        training={"repulsion": 0.05, "keep": "last"},
    ),
    _added(
        "decay_collapse",
        "A weight decay of 30 (0.06 a step) collapses dimensions: more than half of the effective "
        "rank is lost.",
        Statement("effective_rank_image_change", high=-math.log(2)),
        lost(0.15),
        training={"weight_decay": 30.0, "keep": "last"},
    ),
    _added(
        "dimensional_collapse",
        "Both sides confined to 5 dimensions: the effective rank shows it, the mean cosine does not.",
        Statement("effective_rank_image", high=6.0),
        Statement("mean_cosine_image", high=0.05),
        lost(0.1),
        aligner={"rank_x": 5, "rank_y": 5},
    ),
)
