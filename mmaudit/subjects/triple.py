"""A (model, transform, tokenizer) triple, as open_clip, CLIP_benchmark and all_clip hand them out."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmaudit.errors import SubjectError
from mmaudit.subjects.encode_methods import declared, encoding_methods
from mmaudit.subjects.fingerprint import fingerprint
from mmaudit.subjects.options import Options
from mmaudit.subjects.pictures import pictures
from mmaudit.subjects.subject import Identity, Subject
from mmaudit.subjects.tensors import TorchEncoder, device_of, modules_of, moved, weights_sha256

__all__ = ["from_triple", "of_parts"]


def from_triple(obj: Any, options: Options) -> Subject | None:
    """Adapt ``(model, transform, tokenizer)``: the model has ``encode_image`` and ``encode_text``.

    ``transform`` takes one Pillow image and returns a tensor, ``tokenizer`` takes a list of texts and returns
    a tensor (m, tokens) or a mapping of tensors.
    """
    if not isinstance(obj, (tuple, list)) or len(obj) != 3 or encoding_methods(obj[0]) != ("image", "text"):
        return None
    model, transform, tokenizer = obj
    if not (callable(transform) and callable(tokenizer)):
        raise SubjectError("a triple is (model, transform, tokenizer), the last two callable")
    return of_parts(model, transform, tokenizer, options, adapter="(model, transform, tokenizer)")


def of_parts(model: Any, transform: Any, tokenizer: Any, options: Options, *, adapter: str) -> Subject:
    """Return the subject of a model with its preprocessing."""
    if "img" in _first_parameter(tokenizer):
        raise SubjectError(
            "the third of the triple is a transform of pictures (open_clip.create_model_and_transforms "
            "returns two); give (model, preprocess, open_clip.get_tokenizer(name))"
        )
    modules = modules_of(model)
    if not modules:
        raise SubjectError(f"the model of the triple is a {type(model).__name__}; expected a PyTorch module")
    moved(modules, options)
    digest = weights_sha256(modules)
    first = next(iter(modules.values()))

    def images(inputs: Sequence[Any]) -> Any:
        import torch

        pixels = torch.stack([torch.as_tensor(transform(one)) for one in pictures(inputs)])
        return model.encode_image(pixels.to(device_of(first), _dtype(first)))

    def texts(inputs: Sequence[Any]) -> Any:
        return model.encode_text(_on(_tokens(tokenizer, [str(text) for text in inputs]), device_of(first)))

    forwards: Mapping[str, Callable[[Sequence[Any]], Any]] = {"image": images, "text": texts}
    return Subject(
        encoders={m: TorchEncoder(modules, run, options.precision) for m, run in forwards.items()},
        identity=Identity(name=options.name or type(model).__name__, adapter=adapter, weights_sha256=digest),
        fingerprint=fingerprint(digest, options, model, transform, tokenizer),
        **declared(model),
    )


def _first_parameter(function: Any) -> str:
    try:
        return next(iter(inspect.signature(function).parameters), "")
    except (TypeError, ValueError):
        return ""


def _tokens(tokenizer: Any, texts: list[str]) -> Any:
    # A tokenizer of transformers returns ragged lists unless it is told otherwise.
    if hasattr(tokenizer, "padding_side"):
        return tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    return tokenizer(texts)


def _on(tokens: Any, device: Any) -> Any:
    if isinstance(tokens, Mapping) or hasattr(tokens, "keys"):
        return {name: tensor.to(device) for name, tensor in tokens.items()}
    return tokens.to(device)


def _dtype(module: Any) -> Any:
    import torch

    kinds = (p.dtype for p in module.parameters() if p.dtype.is_floating_point)
    return next(kinds, torch.float32)
