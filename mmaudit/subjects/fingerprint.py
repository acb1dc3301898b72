"""By what the embeddings of a model may be kept: its weights, its code and its settings, never its name."""

import copyreg
import hashlib
import importlib.metadata
import inspect
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmaudit.subjects.options import Options
from mmaudit.subjects.tensors import is_module

__all__ = ["fingerprint"]

_LIBRARIES = ("torch", "transformers", "open_clip_torch", "sentence-transformers", "onnxruntime", "pillow")

_NO_SETTING = frozenset({"training", "model_card_data"})
"""Attributes of modules that no embedding depends on: the mode, which is set, and the model's own papers."""


def fingerprint(weights: str | None, options: Options, *parts: Any) -> str | None:
    """Return a SHA-256 over ``weights``, all that ``parts`` are made of, their code, and the libraries.

    ``parts`` are models, processors, transforms, tokenizers, plain values. ``None`` where the weights cannot
    be digested or a part cannot be told in full (a lambda, an open file): two that differ could look alike.
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
        if not name.startswith("_") and name not in _NO_SETTING and not is_module(value)
    }
    return None if None in plain.values() else f"{kind} {part!r} {plain}"


def _state(value: Any) -> str | None:
    """Return a digest of all that ``value`` is made of, ``None`` where some of it cannot be told.

    Not a pickle's: which equal parts are one object, and how a set is ordered, differs between processes.
    """
    try:
        said = _told(value, frozenset())
    except Exception:  # whatever an object's own reduction raises
        return None
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _told(value: Any, above: frozenset[int]) -> str:
    """Return ``value`` in words; ``above`` are the objects that it is a part of."""
    if value is None or isinstance(value, (str, bytes, int, float, complex)):
        return f"{type(value).__name__} {value!r}"
    if id(value) in above:
        return "a part of itself"
    inner = above | {id(value)}
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        if "<" in value.__qualname__:
            raise ValueError("a function without a name of its own says nothing of what it does")
        return f"{value.__module__}.{value.__qualname__}"
    if type(value) in (set, frozenset):
        return f"{kind} {sorted(_told(one, inner) for one in value)}"
    if type(value) in (list, tuple):
        return f"{kind} [{', '.join(_told(one, inner) for one in value)}]"
    if type(value) is dict:
        pairs = (f"{_told(key, inner)}: {_told(one, inner)}" for key, one in value.items())
        return f"{kind} {{{', '.join(pairs)}}}"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"{value.dtype}{value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(getattr(value, "pattern", None), str) and isinstance(getattr(value, "flags", None), int):
        # What a pattern is compiled to may depend on the order of sets.
        return f"{kind} {value.pattern!r} {int(value.flags)} {getattr(value, 'named_lists', None)!r}"
    registered = copyreg.dispatch_table.get(type(value))
    reduced = value.__reduce_ex__(4) if registered is None else registered(value)
    if isinstance(reduced, str):
        return f"{kind} {reduced}"
    make, given, *rest = reduced
    parts = [make, given, *(list(one) if isinstance(one, Iterator) else one for one in rest)]
    return f"{kind} ({', '.join(_told(part, inner) for part in parts)})"


def _sources(part: Any) -> Iterable[Path]:
    kinds = {type(inner) for inner in part.modules()} if is_module(part) else {type(part)}
    return filter(None, map(_source, kinds))


def _source(kind: type) -> Path | None:
    try:
        path = Path(inspect.getfile(kind))
    except (TypeError, OSError):
        return None
    return path if path.is_file() else None
