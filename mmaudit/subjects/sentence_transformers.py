"""Models with one ``encode`` for everything, as sentence-transformers have it."""

import inspect
from collections.abc import Sequence
from typing import Any

from mmaudit.errors import SubjectError
from mmaudit.subjects.fingerprint import fingerprint
from mmaudit.subjects.options import Options
from mmaudit.subjects.pictures import is_picture, picture
from mmaudit.subjects.subject import Identity, Subject
from mmaudit.subjects.tensors import TorchEncoder, modules_of, moved, weights_sha256

__all__ = ["from_sentence_transformers", "parameters_of", "two_modalities"]

_OWN_METHOD = {"query": "encode_query", "document": "encode_document", "passage": "encode_document"}


def parameters_of(obj: Any, method: str) -> frozenset[str]:
    """Return the names of the parameters of ``obj.method``, none where it has no such method."""
    try:
        return frozenset(inspect.signature(getattr(obj, method)).parameters)
    except (AttributeError, TypeError, ValueError):
        return frozenset()


def two_modalities(obj: Any, options: Options) -> tuple[str, str]:
    """Return the names that an encoder of everything is audited under: the pairs' own, if known."""
    reads = getattr(obj, "modalities", None)
    if options.modalities is None and isinstance(reads, (list, tuple)) and list(reads) == ["text"]:
        raise SubjectError(
            f"{type(obj).__name__} reads texts alone; give pairs of texts (--mmaudit-data), whose two "
            "modalities it takes over"
        )
    return options.modalities or ("image", "text")


def from_sentence_transformers(obj: Any, options: Options) -> Subject | None:
    """Adapt an object with ``encode(inputs, batch_size=..., convert_to_numpy=True)``.

    It encodes both modalities, which are named as the pairs name them. A modality called ``query``,
    ``document`` or ``passage`` goes through ``encode_query`` or ``encode_document`` where the model has them.
    """
    if "convert_to_numpy" not in parameters_of(obj, "encode"):
        return None
    modules = modules_of(obj)
    moved(modules, options)
    digest = weights_sha256(modules) if modules else None
    names = two_modalities(obj, options)

    def through(modality: str) -> Any:
        encode = getattr(obj, _OWN_METHOD.get(modality, "encode"), obj.encode)

        def run(inputs: Sequence[Any]) -> Any:
            batch = [picture(one) if is_picture(one) else one for one in inputs]
            return encode(batch, batch_size=len(batch), show_progress_bar=False, convert_to_numpy=True)

        return TorchEncoder(modules, run, options.precision, trainable=False)

    prompts = dict.fromkeys(p for m in names if (p := _prompt(obj, m)))
    return Subject(
        encoders={modality: through(modality) for modality in names},
        identity=Identity(
            name=options.name or type(obj).__name__,
            adapter="sentence-transformers encode",
            weights_sha256=digest,
            prompts=tuple(prompts),
        ),
        fingerprint=fingerprint(digest, options, *modules.values()),
    )


def _prompt(obj: Any, modality: str) -> str:
    """Return the template that the model itself puts before the texts of ``modality``."""
    prompts = getattr(obj, "prompts", None) or {}
    own = {"encode_query": ("query",), "encode_document": ("document", "passage", "corpus")}
    names = own.get(_OWN_METHOD.get(modality, "encode"), ())
    default = getattr(obj, "default_prompt_name", None)
    found = next((prompts[name] for name in (*names, default) if prompts.get(name)), "")
    return f"{found}{{}}" if found else ""
