"""By what the embeddings of a model may be kept: its weights, its code and its settings, never its name."""

import hashlib
import importlib.metadata
import inspect
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmaudit.subjects.options import Options
from mmaudit.subjects.tensors import is_module

__all__ = ["fingerprint"]

_LIBRARIES = ("torch", "transformers", "open_clip_torch", "sentence-transformers", "onnxruntime", "pillow")


def fingerprint(weights: str | None, options: Options, *parts: Any) -> str | None:
    """Return a SHA-256 over ``weights``, all that ``parts`` are made of, their code, and the libraries.

    ``parts`` are models, processors, transforms, tokenizers, plain values. ``None`` where the weights cannot
    be digested or a part can neither be printed in full nor pickled: two that differ could then look alike.
    Code is that of the files in which the classes of ``parts`` are written; what these files import from
    others is not seen.
    """
    described = [_description(part) for part in parts]
    if weights is None or None in described:
        return None
    h = hashlib.sha256()
    for text in (weights, options.precision, str(options.device), *map(str, described)):
        h.update(f"{len(text)}:{text}".encode())
    for path in sorted({path for part in parts for path in _sources(part)}):
        h.update(hashlib.sha256(path.read_bytes()).digest())
    h.update(" ".join(map(_version, _LIBRARIES)).encode())
    return h.hexdigest()


def _version(library: str) -> str:
    try:
        return f"{library} {importlib.metadata.version(library)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {library}"


def _description(part: Any) -> str | None:
    kind = f"{type(part).__module__}.{type(part).__qualname__}"
    if not is_module(part):
        state = _state(part)
        return None if state is None else f"{kind} {state}"
    # The weights are digested elsewhere; what else a module was given are its plain attributes.
    plain = {
        name: _state(value)
        for name, value in sorted(vars(part).items())
        if not name.startswith("_") and name != "training" and not is_module(value)
    }
    return None if None in plain.values() else f"{kind} {part!r} {plain}"


def _state(value: Any) -> str | None:
    if isinstance(value, (str, int, float, bool, type(None))):
        return repr(value)
    try:
        return hashlib.sha256(pickle.dumps(value, protocol=4)).hexdigest()
    except Exception:  # whatever an object's own pickling raises
        return None


def _sources(part: Any) -> Iterable[Path]:
    kinds = {type(inner) for inner in part.modules()} if is_module(part) else {type(part)}
    return filter(None, map(_source, kinds))


def _source(kind: type) -> Path | None:
    try:
        path = Path(inspect.getfile(kind))
    except (TypeError, OSError):
        return None
    return path if path.is_file() else None
