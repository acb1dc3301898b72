"""Embeddings that exist already: arrays, or files of them."""

import dataclasses
import functools
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.embeddings import Embeddings
from mmaudit.errors import SubjectError
from mmaudit.subjects.options import Options
from mmaudit.subjects.subject import Identity, Subject
from mmaudit.subjects.tensors import to_numpy

__all__ = ["FILES", "column_of_lists", "from_arrays", "from_file", "list_columns"]

Table = npt.NDArray[Any]

_BLOCK = 1 << 24
"""Bytes that are hashed at a time: a mapped file is never in memory as a whole."""


def from_arrays(obj: Any, options: Options) -> Subject | None:
    """Adapt a mapping of two names to (n, d) arrays, a pair of them, an array (2, n, d), or embeddings.

    One side may be the path of an ``.npy`` file that holds it. Lists are taken for arrays.
    """
    if isinstance(obj, Embeddings):
        sides = dict(zip(obj.modalities, (obj.x, obj.y), strict=True))
        given = _given(sides, options.name or "embeddings")
        return dataclasses.replace(given, similarity=obj.similarity)
    if isinstance(obj, np.ndarray) and (obj.ndim != 3 or len(obj) != 2):
        raise SubjectError(f"an array of shape {obj.shape} is no pair of embeddings; expected (2, n, d)")
    if not isinstance(obj, Mapping):
        tensor = getattr(obj, "ndim", None) == 3
        if not (tensor or isinstance(obj, (tuple, list))) or len(obj) != 2 or not all(map(_is_table, obj)):
            return None
        return _given(dict(zip(options.pair, obj, strict=True)), options.name or "arrays")
    if any(callable(side) and not _is_table(side) for side in obj.values()):
        return None
    return _given(obj, options.name or "mapping") if all(map(_is_table, obj.values())) else None


def _is_table(side: Any) -> bool:
    if isinstance(side, (str, Path)):
        return str(side).endswith(".npy")
    return isinstance(side, (np.ndarray, list, tuple)) or hasattr(side, "__array__")


def _given(sides: Mapping[str, Any], name: str) -> Subject:
    tables = {modality: _table(modality, side) for modality, side in sides.items()}
    for modality, table in tables.items():
        if table.ndim != 2 or table.shape[1] == 0:
            raise SubjectError(f"{modality} embeddings have shape {table.shape}; expected (items, width)")
        if table.dtype.kind not in "fiu":
            raise SubjectError(f"{modality} embeddings have dtype {table.dtype}; expected real numbers")
    counts = {modality: len(table) for modality, table in tables.items()}
    if len(set(counts.values())) > 1:
        raise SubjectError(
            f"unequal counts: {counts}; give one row a pair in each modality, in the same order"
        )
    digest = hashlib.sha256()
    for table in tables.values():
        step = max(1, _BLOCK // max(1, table.shape[1] * table.itemsize))
        for start in range(0, len(table), step):
            digest.update(np.ascontiguousarray(table[start : start + step]).tobytes())
    return Subject(
        encoders={modality: functools.partial(_rows, table) for modality, table in tables.items()},
        identity=Identity(name=name, adapter="given embeddings", weights_sha256=digest.hexdigest()),
        items=max(counts.values(), default=0),
    )


def _table(modality: str, side: Any) -> Table:
    try:
        return _npy(Path(side)) if isinstance(side, (str, Path)) else to_numpy(side)
    except ValueError as error:
        raise SubjectError(f"{modality} embeddings are no matrix: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise SubjectError(f"cannot read {Path(side).name}: {error.strerror or error}") from error


def _rows(table: Table, inputs: Sequence[Any]) -> npt.ArrayLike:
    """Look rows up by number, which is what given embeddings take for inputs."""
    return table[np.asarray(inputs, dtype=np.int64)]


def from_file(path: Path, options: Options) -> Subject:
    """Adapt a file of embeddings, by its suffix: see :data:`FILES`.

    ``.npy`` holds one array (2, n, d), the others one array or column a modality, under its name. Raises
    :class:`SubjectError` on a file that is broken or holds anything else.
    """
    if not path.exists():
        raise SubjectError(f"cannot read {path.name}: No such file")
    try:
        loaded = FILES[path.suffix](path)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        why = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise SubjectError(f"cannot read {path.name}: {why.replace(str(path), path.name)}") from error
    if isinstance(loaded, dict) and len(loaded) != 2:
        raise SubjectError(f"{path.name} holds arrays {sorted(loaded)}; expected exactly two, one a modality")
    name = options.name or path.stem
    if isinstance(loaded, dict):
        return _given(loaded, name)
    if loaded.ndim != 3 or len(loaded) != 2:
        raise SubjectError(f"{path.name}: an array of shape {loaded.shape} is no pair; expected (2, n, d)")
    return _given(dict(zip(options.pair, loaded, strict=True)), name)


def _npy(path: Path) -> Table:
    # Not np.load, which guesses by content what a file is.
    mapped: Table = np.lib.format.open_memmap(path, mode="r")
    return mapped


def _npz(path: Path) -> dict[str, Table]:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("not a whole zip archive of arrays, which .npz is")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}


def _safetensors(path: Path) -> dict[str, Table]:
    from safetensors import SafetensorError, safe_open

    try:
        # The file is mapped; each tensor is copied out of it once.
        with safe_open(str(path), framework="np") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, TypeError, AttributeError) as error:
        raise ValueError(f"no safetensors file of arrays that NumPy has: {error}") from error


def _parquet(path: Path) -> dict[str, Table]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise SubjectError(
            f"cannot read {path.name} without pyarrow; pip install 'mmaudit[parquet]'"
        ) from error
    try:
        table = pq.read_table(path, memory_map=True)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    return {n: column_of_lists(n, table[n].combine_chunks()) for n in list_columns(table.schema)}


def list_columns(schema: Any) -> list[str]:
    """Return the columns of a pyarrow schema that hold lists, which embeddings are."""
    import pyarrow as pa

    return [field.name for field in schema if _is_list(pa, field.type)]


def _is_list(pa: Any, kind: Any) -> bool:
    types = pa.types
    return any(is_kind(kind) for is_kind in (types.is_list, types.is_large_list, types.is_fixed_size_list))


def column_of_lists(name: str, column: Any) -> Table:
    """Return a pyarrow array of lists as (n, d); the values are not copied where they are one block.

    Raises ``ValueError`` on missing values and on rows of different widths.
    """
    if column.null_count or column.flatten().null_count:
        raise ValueError(f"column {name!r} has missing values")
    widths = np.unique(column.value_lengths().to_numpy(zero_copy_only=False))
    if len(widths) != 1:
        raise ValueError(
            f"column {name!r} holds rows of different widths ({widths.min()} to {widths.max()})"
            if len(widths)
            else f"column {name!r} is empty"
        )
    values: Table = column.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), int(widths[0]))


FILES: Mapping[str, Callable[[Path], Any]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".parquet": _parquet,
    ".safetensors": _safetensors,
}
"""Suffix to the reader of such a file."""
