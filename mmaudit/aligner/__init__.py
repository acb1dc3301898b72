"""The reference aligner: two small encoders in NumPy, trained on pairs with symmetric InfoNCE.

It is the encoder that the failure lab breaks on purpose and that an audit falls back on when no subject is
given. Inputs are plain matrices; nothing here knows where they came from.
"""

from mmaudit.aligner.checkpoint import from_bytes, to_bytes
from mmaudit.aligner.history import History
from mmaudit.aligner.spec import PRESETS, AlignerSpec, TrainSpec, preset
from mmaudit.aligner.trained import MODALITIES, TrainedAligner
from mmaudit.aligner.training import Progress, one_step, train

__all__ = [
    "MODALITIES",
    "PRESETS",
    "AlignerSpec",
    "History",
    "Progress",
    "TrainSpec",
    "TrainedAligner",
    "from_bytes",
    "one_step",
    "preset",
    "to_bytes",
    "train",
]
