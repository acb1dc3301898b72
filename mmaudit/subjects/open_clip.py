"""A model of open_clip alone: it knows its own preprocessing."""

import sys
from typing import Any

from mmaudit.errors import SubjectError
from mmaudit.subjects.options import Options
from mmaudit.subjects.subject import Subject
from mmaudit.subjects.tensors import is_module
from mmaudit.subjects.triple import of_parts

__all__ = ["from_open_clip"]


def from_open_clip(obj: Any, options: Options) -> Subject | None:
    """Adapt an instance of ``open_clip.CLIP``, ``CustomTextCLIP`` or ``CoCa``.

    The transform is made from the preprocessing that the model records, the tokenizer is open_clip's own.
    Raises :class:`SubjectError` where the model was trained with another tokenizer.
    """
    library = sys.modules.get("open_clip")
    if library is None or not is_module(obj) or not type(obj).__module__.startswith("open_clip."):
        return None
    words, length = getattr(obj, "vocab_size", None), getattr(obj, "context_length", None)
    tokenizer = library.SimpleTokenizer(context_length=length or 77)
    if words != tokenizer.vocab_size:
        raise SubjectError(
            f"{type(obj).__name__} has a vocabulary of {words}, open_clip's own tokenizer one of "
            f"{tokenizer.vocab_size}; give (model, transform, tokenizer)"
        )
    recorded = library.get_model_preprocess_cfg(obj)
    if "size" not in recorded:
        recorded = {**recorded, "size": obj.visual.image_size}
    transform = library.transform.image_transform_v2(
        library.transform.PreprocessCfg(**recorded), is_train=False
    )
    return of_parts(obj, transform, tokenizer, options, adapter="open_clip")
