"""Audit a model of open_clip, as the bare model and as the triple that open_clip's loaders hand out.

The model is open_clip's own class with small random weights, because nothing is downloaded here. It cannot
tell pictures from pictures, and the audit says so; with ``open_clip.create_model_and_transforms(name,
pretrained=...)`` and ``open_clip.get_tokenizer(name)`` the same lines audit a trained one. Run ``python
examples/open_clip_model.py``.
"""

from typing import Any

import open_clip
import torch

import mmaudit
from mmaudit.gates import Auditor

__all__ = ["main", "model", "triple"]


def model(seed: int = 7) -> Any:
    """Return open_clip's CLIP for pictures of 32 pixels, with random weights."""
    torch.manual_seed(seed)
    vision = {"image_size": 32, "patch_size": 8, "layers": 2, "width": 64, "head_width": 16}
    text = {"context_length": 48, "vocab_size": 49408, "layers": 2, "width": 64, "heads": 4}
    return open_clip.CLIP(48, vision, text)


def triple() -> tuple[Any, Any, Any]:
    """Return (model, transform, tokenizer), as they come from open_clip's factory functions."""
    settings = open_clip.transform.PreprocessCfg(size=32)
    transform = open_clip.transform.image_transform_v2(settings, is_train=False)
    return model(), transform, open_clip.SimpleTokenizer(context_length=48)


def main() -> None:
    """Audit the model, then look at what the triple serves."""
    result = mmaudit.audit(model())
    print(f"## open_clip.CLIP, untrained: {result.verdict.value}\n\n{result}\n")
    alone, parts = result.auditor, Auditor(triple())
    same = alone.embeddings.digest == parts.embeddings.digest
    print(f"read as {alone.subject.identity.adapter}: weights {alone.subject.identity.weights_sha256[:16]}…")
    print(f"read as {parts.subject.identity.adapter}: the same embeddings, {same}\n")
    print(
        "Notice: random weights are rejected for alignment, and integrity is accepted all the same: the "
        "glue is right, the model is not. The bare model gives what the triple gives, because open_clip "
        "records its preprocessing."
    )


if __name__ == "__main__":
    main()
