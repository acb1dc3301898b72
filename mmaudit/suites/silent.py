"""The silent suite: knobs that do not do what folklore says, and benign variants, in the standard world.

No gate may fire on them. Reference limits belong to the reference aligner's width and learning rate: variants
that change neither, nor the batches by much, are held to them as well. A stopped gradient is here because
folklore calls it a collapse; it does harm, and must not be silent.
"""

from typing import Any

from mmaudit.suites.condition import Claim, Condition, Statement
from mmaudit.suites.firing import FIELD, REFERENCE
from mmaudit.suites.margins import lost

__all__ = ["SILENT"]

UNCHANGED = "unchanged"
QUIET = (Statement(FIELD, 0.0, 0.0), Statement(REFERENCE, 0.0, 0.0))
FIRES = (Statement(REFERENCE, low=1.0),)
FIELD_QUIET, FIELD_FIRES = QUIET[:1], (Statement(FIELD, low=1.0),)


def _silent(name: str, claim: Claim, **dials: Any) -> Condition:
    return Condition(
        name=name,
        suite="silent",
        origin="added",
        reference=UNCHANGED,
        preset="standard",
        claims=(claim,),
        **dials,
    )


def _folklore(name: str, belief: str, truth: str, *, field_only: bool = False, **dials: Any) -> Condition:
    """Return a knob of which folklore believes that it breaks the space."""
    fires, quiet = (FIELD_FIRES, FIELD_QUIET) if field_only else (FIRES, QUIET)
    return _silent(name, Claim(belief, fires, truth, quiet), **dials)


def _benign(name: str, what: str, *, field_only: bool = False, **dials: Any) -> Condition:
    return _silent(name, Claim(f"{what}: no gate fires.", FIELD_QUIET if field_only else QUIET), **dials)


def _harmful(name: str, side: str, **dials: Any) -> Condition:
    claim = Claim(
        f"A stopped gradient on the {side} side goes unnoticed.",
        QUIET,
        "It is a passenger encoder: r@1 falls by more than 0.2, and the gates that see training fire.",
        (*FIRES, lost(0.2)),
    )
    return _silent(name, claim, **dials)


SILENT = (
    Condition(
        name=UNCHANGED,
        suite="silent",
        origin="added",
        preset="standard",
        claims=(Claim("The reference aligner as it is: no gate fires.", QUIET),),
    ),
    _folklore(
        "gain_before_norm",
        "A gain before normalisation makes a modality dominate.",
        "It is cancelled.",
        aligner={"gain_x": 2.5},
    ),
    _folklore(
        "decay_1e-2",
        "A weight decay of 0.01 collapses the space.",
        "A step shrinks weights by 0.00005: nothing happens.",
        training={"weight_decay": 1e-2},
    ),
    _folklore(
        "one_way_image_to_text",
        "A loss in one direction only makes retrieval asymmetric.",
        "A normalised symmetric score stays symmetric.",
        training={"direction": "x_to_y"},
    ),
    _folklore(
        "one_way_text_to_image",
        "A loss in one direction only makes retrieval asymmetric.",
        "A normalised symmetric score stays symmetric.",
        training={"direction": "y_to_x"},
    ),
    _folklore(
        "batch_16",
        "Small batches collapse a contrastive space.",
        "Fewer negatives cost r@1 and a few dimensions, short of a collapse.",
        field_only=True,
        training={"batch": 16},
    ),
    _folklore(
        "lr_x30",
        "A learning rate 30 times as high collapses the space.",
        "It takes a third of the dimensions and, on some seeds, r@1: short of a collapse.",
        field_only=True,
        training={"lr": 0.15},
    ),
    _harmful("stop_gradient_text", "text", training={"stop_gradient": "y"}),
    _harmful("stop_gradient_image", "image", training={"stop_gradient": "x"}),
    _benign("lr_x6", "A learning rate 6 times as high", field_only=True, training={"lr": 0.03}),
    _benign("batch_32", "Batches of 32", training={"batch": 32}),
    _benign("batch_400", "Batches of 400", training={"batch": 400}),
    _benign("epochs_30", "Twice the epochs", training={"epochs": 30}),
    _benign("embed_24", "A space of 24 dimensions", field_only=True, aligner={"embed_dim": 24}),
    _benign("embed_64", "A space of 64 dimensions", field_only=True, aligner={"embed_dim": 64}),
    _benign("hidden_256", "Twice the hidden width", aligner={"hidden": 256}),
    _benign("wide_image", "A wider image encoder", aligner={"hidden_mult_x": 1.6}),
    _benign("wide_text", "A wider text encoder", aligner={"hidden_mult_y": 1.6}),
    _benign("noise_image_x2", "Twice the image noise", world={"noise_image": 0.12}),
    _benign("noise_text_x2", "Twice the text noise", world={"noise_text": 0.01}),
    _benign("noise_text_low", "Cleaner text", world={"noise_text": 0.002}),
    _benign(
        "temperature_010", "A temperature of 0.10, which improves retrieval", aligner={"temperature": 0.1}
    ),
    _benign(
        "temperature_014", "A temperature of 0.14, which improves retrieval", aligner={"temperature": 0.14}
    ),
    _benign("leak_02", "A leakier activation", aligner={"leak": 0.2}),
)
