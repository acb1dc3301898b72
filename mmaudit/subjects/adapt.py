"""Turn what a user has into a :class:`Subject`, by its shape alone: no library is imported to look."""

import functools
import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.errors import SubjectError
from mmaudit.subjects.subject import Encoder, Identity, Subject

__all__ = ["as_subject", "to_numpy"]

ACCEPTED = (
    "an object with encode_image and encode_text (or encode_audio), a mapping of two modality names to "
    "callables or arrays, a pair of (n, d) arrays, an array of shape (2, n, d), or an .npy/.npz file of these"
)


def to_numpy(value: Any) -> npt.NDArray[Any]:
    """Return ``value`` as a NumPy array; torch-like tensors are detached and brought to the CPU first."""
    for method in ("detach", "cpu"):
        if hasattr(value, method):
            value = getattr(value, method)()
    return np.asarray(value)


def as_subject(obj: Any, *, name: str | None = None) -> Subject:
    """Return ``obj`` as a :class:`Subject`. Raises :class:`SubjectError` on anything it cannot read.

    Tried in this order: a subject; a path to an ``.npy`` or ``.npz`` file; a mapping of two modality names;
    an array (2, n, d) or a pair of arrays (n, d); methods ``encode_<modality>``.
    """
    if isinstance(obj, Subject):
        return obj
    if isinstance(obj, (str, Path)):
        return _from_file(Path(obj), name)
    if isinstance(obj, Mapping):
        return _from_mapping(obj, name or "mapping")
    if isinstance(obj, np.ndarray) or (isinstance(obj, (tuple, list)) and len(obj) == 2):
        if isinstance(obj, np.ndarray) and (obj.ndim != 3 or len(obj) != 2):
            raise SubjectError(f"an array of shape {obj.shape} is no pair of embeddings; expected (2, n, d)")
        return _from_mapping({"image": obj[0], "text": obj[1]}, name or "arrays")
    methods = [m for m in ("image", "audio", "text") if callable(getattr(obj, f"encode_{m}", None))]
    if len(methods) >= 2:
        if hasattr(obj, "eval") and hasattr(obj, "parameters"):
            obj.eval()
        encoders = {m: _detached(getattr(obj, f"encode_{m}")) for m in (methods[0], methods[-1])}
        identity = Identity(name=name or type(obj).__name__, adapter="encode_" + "/".join(encoders))
        return Subject(encoders=encoders, identity=identity, **_declared(obj))
    raise SubjectError(f"cannot audit a {type(obj).__name__}; give {ACCEPTED}")


def _declared(obj: Any) -> dict[str, Any]:
    """Return what the object says of itself: how it is compared, what it reads, how much at once."""
    return {
        k: getattr(obj, k)
        for k in ("similarity", "view", "batch_size")
        if isinstance(getattr(obj, k, None), (str, int))
    }


def _detached(encode: Any) -> Encoder:
    def encoder(inputs: Sequence[Any]) -> npt.ArrayLike:
        return to_numpy(encode(inputs))

    return encoder


def _from_file(path: Path, name: str | None) -> Subject:
    try:
        if path.suffix == ".npy":
            # Not np.load, which guesses by content what a file is.
            loaded: Any = np.lib.format.open_memmap(path, mode="r")
        elif path.suffix == ".npz":
            loaded = _archived(path)
        else:
            raise SubjectError(f"cannot read {path.name}: embeddings come as .npy or .npz")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise SubjectError(f"cannot read {path.name}: {why}") from error
    if isinstance(loaded, dict) and len(loaded) != 2:
        raise SubjectError(f"{path.name} holds arrays {sorted(loaded)}; expected exactly two, one a modality")
    return as_subject(loaded, name=name or path.stem)


def _archived(path: Path) -> dict[str, npt.NDArray[Any]]:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("not a whole zip archive of arrays, which .npz is")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}


def _from_mapping(columns: Mapping[str, Any], name: str) -> Subject:
    if all(callable(column) for column in columns.values()):
        encoders = {modality: _detached(encode) for modality, encode in columns.items()}
        return Subject(encoders=encoders, identity=Identity(name=name, adapter="callables"))
    if any(callable(column) for column in columns.values()):
        raise SubjectError("one modality is a callable, the other an array; give two of a kind")
    tables = {modality: to_numpy(column) for modality, column in columns.items()}
    for modality, table in tables.items():
        if table.ndim != 2:
            raise SubjectError(f"{modality} embeddings have shape {table.shape}; expected (items, width)")
    counts = {modality: len(table) for modality, table in tables.items()}
    if len(set(counts.values())) != 1:
        raise SubjectError(
            f"unequal counts: {counts}; give one row a pair in each modality, in the same order"
        )
    digest = hashlib.sha256()
    for table in tables.values():
        digest.update(np.ascontiguousarray(table).tobytes())
    lookups = {modality: functools.partial(_rows, table) for modality, table in tables.items()}
    identity = Identity(name=name, adapter="given embeddings", weights_sha256=digest.hexdigest())
    return Subject(encoders=lookups, identity=identity, items=max(counts.values()))


def _rows(table: npt.NDArray[Any], inputs: Sequence[Any]) -> npt.ArrayLike:
    """Look rows up by number, which is what given embeddings take for inputs."""
    return table[np.asarray(inputs, dtype=np.int64)]
