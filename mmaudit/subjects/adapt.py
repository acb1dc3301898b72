"""Turn what a user has into a :class:`Subject`, by its shape alone: no library is imported to look."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmaudit.errors import SubjectError
from mmaudit.subjects.arrays import FILES, from_arrays, from_file
from mmaudit.subjects.callables import from_callables
from mmaudit.subjects.encode_methods import from_encode_methods
from mmaudit.subjects.http import from_endpoint
from mmaudit.subjects.mteb import from_mteb
from mmaudit.subjects.onnx import from_onnx
from mmaudit.subjects.open_clip import from_open_clip
from mmaudit.subjects.options import Options, Precision
from mmaudit.subjects.sentence_transformers import from_sentence_transformers
from mmaudit.subjects.subject import Encoder, Subject
from mmaudit.subjects.tensors import TorchEncoder
from mmaudit.subjects.transformers import feature_methods, from_transformers
from mmaudit.subjects.triple import from_triple

__all__ = ["ADAPTERS", "as_subject"]

ACCEPTED = (
    "an object with encode_image and encode_text (or encode_audio), a (model, processor) of transformers, a "
    "(model, transform, tokenizer), a model with one encode, a mapping of two modality names to callables, "
    "arrays or .onnx files, a pair of (n, d) arrays, an array of shape (2, n, d), Embeddings, an Endpoint, "
    f"or a file of embeddings ({', '.join(FILES)})"
)

Adapter = Callable[[Any, Options], Subject | None]


def _from_pair(obj: Any, options: Options) -> Subject | None:
    """Take a pair whose first is a model of transformers before it is taken for two callables."""
    first = obj[0] if isinstance(obj, (tuple, list)) and obj else obj
    return from_transformers(obj, options) if feature_methods(first) else None


def _from_path(obj: Any, options: Options) -> Subject | None:
    if not isinstance(obj, (str, Path)) or str(obj).startswith(("http://", "https://")):
        return None
    path = Path(obj)
    if path.is_dir() and path.suffix not in FILES:
        return from_onnx(path, options)
    if path.suffix not in FILES:
        known = f"{', '.join(list(FILES)[:-1])} or {list(FILES)[-1]}"
        raise SubjectError(f"cannot read {path.name}: embeddings come as {known}")
    return from_file(path, options)


ADAPTERS: tuple[Adapter, ...] = (
    _from_path,
    from_onnx,
    from_arrays,
    _from_pair,
    from_callables,
    from_triple,
    from_open_clip,
    from_encode_methods,
    from_mteb,
    from_sentence_transformers,
    from_endpoint,
)
"""In the order in which they are asked; the first that knows the object takes it."""


def as_subject(
    obj: Any,
    *,
    name: str | None = None,
    modalities: tuple[str, str] | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    precision: Precision = "float32",
    prompts: Mapping[str, str] | None = None,
) -> Subject:
    """Return ``obj`` as a :class:`Subject`. Raises :class:`SubjectError` on anything it cannot read.

    Tried in this order: a subject; a path to a file of embeddings or a folder of two ``.onnx`` files; two
    ``.onnx`` files; :class:`~mmaudit.embeddings.Embeddings`; an array (2, n, d), or two arrays (n, d) by name
    or as a pair; ``(model, processor)`` with ``get_<modality>_features``; two callables by name or as a pair;
    ``(model, transform, tokenizer)``; a model of open_clip; methods ``encode_<modality>``; MTEB's ``encode``;
    sentence-transformers' ``encode``; an :class:`~mmaudit.subjects.http.Endpoint` or its address.
    ``identity.adapter`` says which it was.

    The options are those of :class:`~mmaudit.subjects.options.Options`; a subject given as one keeps its own.
    A PyTorch model is run in evaluation and without gradients, and is put back as it was after each batch.
    """
    if isinstance(obj, Subject):
        return obj
    options = Options(
        name=name,
        modalities=modalities,
        device=device,
        batch_size=batch_size,
        precision=precision,
        prompts=dict(prompts or {}),
    )
    for adapter in ADAPTERS:
        found = adapter(obj, options)
        if found is not None:
            return _chosen(found, options)
    raise SubjectError(f"cannot audit a {type(obj).__name__}; give {ACCEPTED}")


def _chosen(subject: Subject, options: Options) -> Subject:
    """Return ``subject`` with what the user chose for any adapter: prompts and batch size."""
    if options.batch_size is not None:
        subject = dataclasses.replace(subject, batch_size=options.batch_size)
    if not options.prompts:
        return subject
    for modality in options.prompts:
        if modality not in subject.encoders:
            raise SubjectError(
                f"a prompt is given for {modality}, the subject encodes {' and '.join(subject.encoders)}"
            )
    if subject.items is not None:
        raise SubjectError("prompts are given for embeddings that exist already; leave them out")
    encoders = {
        modality: _prompted(encode, options.prompts[modality]) if modality in options.prompts else encode
        for modality, encode in subject.encoders.items()
    }
    templates = (*subject.identity.prompts, *dict.fromkeys(options.prompts.values()))
    fingerprint = subject.fingerprint
    if fingerprint is not None:
        said = repr(sorted(options.prompts.items()))
        fingerprint = hashlib.sha256(f"{fingerprint} {said}".encode()).hexdigest()
    return dataclasses.replace(
        subject,
        encoders=encoders,
        identity=dataclasses.replace(subject.identity, prompts=templates),
        fingerprint=fingerprint,
    )


def _prompted(encode: Encoder, template: str) -> Encoder:
    def worded(inputs: Sequence[Any]) -> list[str]:
        for one in inputs:
            if not isinstance(one, str):
                raise SubjectError(f"a prompt goes around texts and is given a {type(one).__name__}")
        return [template.replace("{}", text) for text in inputs]

    if isinstance(encode, TorchEncoder):
        forward = encode.forward
        return dataclasses.replace(encode, forward=lambda inputs: forward(worded(inputs)))
    return lambda inputs: encode(worded(inputs))
