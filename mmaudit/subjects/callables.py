"""Two functions, one a modality."""

from collections.abc import Mapping
from typing import Any

from mmaudit.errors import SubjectError
from mmaudit.subjects.options import Options
from mmaudit.subjects.subject import Encoder, Identity, Subject
from mmaudit.subjects.tensors import TorchEncoder, as_tensor, modules_of, moved, to_numpy, weights_sha256

__all__ = ["detached", "from_callables"]


def from_callables(obj: Any, options: Options) -> Subject | None:
    """Adapt a mapping of two modality names to callables, or a pair of callables.

    A PyTorch module among them, or one that a callable is a method of, is run in evaluation.
    """
    if isinstance(obj, (tuple, list)) and len(obj) == 2 and all(map(callable, obj)):
        obj = dict(zip(options.pair, obj, strict=True))
    if not isinstance(obj, Mapping) or not any(callable(side) for side in obj.values()):
        return None
    if not all(callable(side) for side in obj.values()):
        raise SubjectError("one modality is a callable, the other an array; give two of a kind")
    found = {
        f"{modality}.{name}": module
        for modality, encode in obj.items()
        for name, module in modules_of(encode).items()
    }
    moved(found, options)
    # No fingerprint: what a function does besides running its modules cannot be seen.
    return Subject(
        encoders={modality: detached(encode, found, options) for modality, encode in obj.items()},
        identity=Identity(
            name=options.name or "mapping",
            adapter="callables",
            weights_sha256=weights_sha256(found) if found else None,
        ),
    )


def detached(encode: Any, modules: Mapping[str, Any], options: Options) -> Encoder:
    """Return ``encode`` with its modules in evaluation and its result a NumPy array.

    A module, or a method of one, is given arrays of numbers as tensors on its device.
    """
    if not modules:
        return lambda inputs: to_numpy(encode(inputs))
    owner = modules_of(encode).get("")
    if owner is None:
        return TorchEncoder(modules, encode, options.precision)
    return TorchEncoder(modules, lambda inputs: encode(as_tensor(inputs, owner)), options.precision)
