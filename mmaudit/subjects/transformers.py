"""Dual encoders of transformers: ``get_image_features``, ``get_text_features`` and a processor."""

import inspect
from collections.abc import Collection, Sequence
from typing import Any

from mmaudit.errors import SubjectError
from mmaudit.subjects.fingerprint import fingerprint
from mmaudit.subjects.options import Options
from mmaudit.subjects.pictures import pictures
from mmaudit.subjects.sounds import sounds
from mmaudit.subjects.subject import Identity, Subject
from mmaudit.subjects.tensors import TorchEncoder, device_of, is_module, moved, weights_sha256

__all__ = ["feature_methods", "from_transformers"]

_PADDED = ("siglip", "siglip2")
"""Model types that pool the last token and were trained on texts padded to their full length."""


def feature_methods(obj: Any) -> tuple[str, ...]:
    """Return the two modalities that ``obj`` has a ``get_<modality>_features`` for, or none."""
    held = [m for m in ("image", "audio", "text") if callable(getattr(obj, f"get_{m}_features", None))]
    return (held[0], held[-1]) if len(held) >= 2 else ()


def from_transformers(obj: Any, options: Options) -> Subject | None:
    """Adapt ``(model, processor)``.

    The features are those that the model's loss compares. ``get_*_features`` return them as a tensor up to
    transformers 4, and as ``pooler_output`` of an output from 5 on, where they are projected already.
    """
    parts = tuple(obj) if isinstance(obj, (tuple, list)) else (obj,)
    if not parts or not (modalities := feature_methods(parts[0])):
        return None
    model = parts[0]
    if len(parts) != 2 or not callable(parts[1]):
        raise SubjectError(
            f"{type(model).__name__} needs its processor to read inputs; give (model, processor), both from "
            "from_pretrained"
        )
    processor = parts[1]
    modules = {"": model} if is_module(model) else {}
    if not modules:
        raise SubjectError(f"the model is a {type(model).__name__}; expected a PyTorch module")
    moved(modules, options)
    digest = weights_sha256(modules)
    settings = _text_settings(model)

    def features(modality: str) -> Any:
        method = getattr(model, f"get_{modality}_features")
        taken = tuple(inspect.signature(method).parameters.values())

        def run(inputs: Sequence[Any]) -> Any:
            if modality == "image":
                batch = processor(images=pictures(inputs), return_tensors="pt")
            elif modality == "audio":
                rate = processor.feature_extractor.sampling_rate
                batch = processor(audio=sounds(inputs, rate), sampling_rate=rate, return_tensors="pt")
            else:
                batch = processor(text=[str(text) for text in inputs], return_tensors="pt", **settings)
            return _pooled(method(**_on(batch, model, taken)))

        return run

    return Subject(
        encoders={m: TorchEncoder(modules, features(m), options.precision) for m in modalities},
        identity=Identity(
            name=options.name or type(model).__name__,
            adapter="transformers get_" + "/".join(modalities) + "_features",
            weights_sha256=digest,
        ),
        fingerprint=fingerprint(digest, options, model, processor),
    )


def _text_settings(model: Any) -> dict[str, Any]:
    """Return how texts are padded. A model that attends to its padding needs that of its training."""
    config = getattr(model, "config", None)
    text = getattr(config, "text_config", config)
    longest = getattr(text, "max_position_embeddings", None)
    padded = getattr(config, "model_type", "") in _PADDED
    settings: dict[str, Any] = {"padding": "max_length" if padded else True, "truncation": True}
    return settings | ({"max_length": longest} if longest else {})


def _on(batch: Any, model: Any, taken: Collection[inspect.Parameter]) -> dict[str, Any]:
    """Return the tensors of ``batch`` that are ``taken``, on the model's device and in its precision."""
    device = device_of(model)
    # A tokenizer that is not the model's own may return more, such as token_type_ids.
    names = {p.name for p in taken if p.kind is not inspect.Parameter.VAR_KEYWORD}
    everything = len(names) < len(taken)
    kind = next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), None)
    return {
        name: tensor.to(device, kind) if tensor.is_floating_point() else tensor.to(device)
        for name, tensor in batch.items()
        if everything or name in names
    }


def _pooled(found: Any) -> Any:
    if hasattr(found, "detach"):
        return found
    pooled = getattr(found, "pooler_output", None)
    if pooled is None:
        raise SubjectError(f"the model returned a {type(found).__name__} without pooler_output")
    return pooled
