"""An object with ``encode_image`` and ``encode_text``, or ``encode_audio``."""

from typing import Any

from mmaudit.subjects.callables import detached
from mmaudit.subjects.fingerprint import fingerprint
from mmaudit.subjects.options import Options
from mmaudit.subjects.subject import Identity, Subject
from mmaudit.subjects.tensors import is_module, modules_of, moved, weights_sha256

__all__ = ["declared", "encoding_methods", "from_encode_methods"]


def encoding_methods(obj: Any) -> tuple[str, ...]:
    """Return the modalities that ``obj`` has an ``encode_<modality>`` for, the first and the last if more."""
    held = [m for m in ("image", "audio", "text") if callable(getattr(obj, f"encode_{m}", None))]
    return (held[0], held[-1]) if len(held) >= 2 else ()


def declared(obj: Any) -> dict[str, Any]:
    """Return what the object says of itself: how it is compared, what it reads, how much at once."""
    return {
        k: getattr(obj, k)
        for k in ("similarity", "view", "batch_size")
        if isinstance(getattr(obj, k, None), (str, int))
    }


def from_encode_methods(obj: Any, options: Options) -> Subject | None:
    """Adapt an object with two encoding methods, each of which takes m inputs as the pairs hold them.

    A PyTorch module, or an object that holds modules, is run in evaluation; a module is given arrays of
    numbers as tensors on its device, and anything else as it is.
    """
    methods = encoding_methods(obj)
    if not methods:
        return None
    modules = modules_of(obj)
    moved(modules, options)
    if not modules and hasattr(obj, "eval") and hasattr(obj, "parameters"):
        obj.eval()
    digest = weights_sha256(modules) if modules else None

    return Subject(
        encoders={m: detached(getattr(obj, f"encode_{m}"), modules, options) for m in methods},
        identity=Identity(
            name=options.name or type(obj).__name__,
            adapter="encode_" + "/".join(methods),
            weights_sha256=digest,
        ),
        fingerprint=fingerprint(digest, options, obj) if is_module(obj) else None,
        **declared(obj),
    )
