"""Counterfactual edits of real inputs: what changes in a picture or a caption while its meaning stays."""

from mmaudit.interventions.captions import CAPTION_EDITS, drop_words
from mmaudit.interventions.inputs import EDITS, Edit, edited, modality_of, repainted
from mmaudit.interventions.pictures import (
    COVERS,
    PICTURE_EDITS,
    cover_border,
    cover_corners,
    cover_inner_frame,
    cover_inner_patches,
    overlay,
    with_noise,
)

__all__ = [
    "CAPTION_EDITS",
    "COVERS",
    "EDITS",
    "PICTURE_EDITS",
    "Edit",
    "cover_border",
    "cover_corners",
    "cover_inner_frame",
    "cover_inner_patches",
    "drop_words",
    "edited",
    "modality_of",
    "overlay",
    "repainted",
    "with_noise",
]
