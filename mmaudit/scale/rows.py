"""Rows that are read when they are needed, from anything that can be sliced."""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError, SubjectError
from mmaudit.gates.material import BUILT_IN
from mmaudit.subjects.arrays import FILES

__all__ = ["FileRows", "Rows", "open_pair", "open_rows"]

_SAFETENSORS = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
"""NumPy's names of the types that embeddings have in such a file."""


class Rows(Protocol):
    """A matrix (n, d) that gives slices of rows, and rows by number: an array, a memory map, a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""

    def __getitem__(self, rows: Any, /) -> Any:
        """Return rows as an array: ``rows`` is a slice, or (k,) row numbers in increasing order."""


class FileRows:
    """The rows of a matrix ``shape`` (n, d) that lies in a file from ``offset`` on, row after row.

    They are read by offset. Not a memory map: pages that were mapped and read count as this process's memory
    until the system wants them back. It pickles as its path, under which another process must see the same
    file. Raises :class:`~mmaudit.errors.InputError` on a matrix that is none of real numbers.
    """

    def __init__(self, path: str | Path, dtype: npt.DTypeLike, shape: tuple[int, ...], offset: int) -> None:
        self.path = Path(path).absolute()
        self.dtype = np.dtype(dtype)
        self.shape = shape
        self._offset = offset
        if len(shape) != 2 or self.dtype.kind not in "fiu":
            raise InputError(
                f"{self.path.name} holds {self.dtype} of shape {shape}; expected real numbers (items, width)"
            )

    def __getitem__(self, rows: slice | npt.NDArray[np.int64], /) -> npt.NDArray[Any]:
        """Read rows from the file."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self.shape[0])
            if step != 1:
                raise InputError("a file of rows is read one after another; give a slice without a step")
            return self._read(start, max(0, stop - start))
        picked = [self._read(int(row), 1) for row in rows]
        return np.concatenate(picked) if picked else np.empty((0, self.shape[1]), self.dtype)

    def _read(self, start: int, count: int) -> npt.NDArray[Any]:
        width = self.shape[1]
        at = self._offset + start * width * self.dtype.itemsize
        try:
            flat = np.fromfile(self.path, self.dtype, count * width, offset=at)
        except OSError as error:
            raise InputError(
                f"cannot read {self.path.name}: {error.strerror or error}; it must lie at the same path "
                "wherever it is read"
            ) from error
        if len(flat) != count * width:
            raise InputError(f"{self.path.name} ends before row {start + count}; it was cut short")
        return flat.reshape(count, width)


def open_rows(source: Any) -> Rows:
    """Return ``source`` as rows: a file of one matrix, or anything with a ``shape`` that can be sliced.

    An ``.npy`` or ``.safetensors`` file is read by and by, a ``.parquet`` file is unpacked to the disk first
    (:mod:`mmaudit.scale.unpacked`), and an ``.npz`` is loaded. Raises :class:`~mmaudit.errors.InputError` on
    anything else.
    """
    if isinstance(source, (str, Path)):
        matrices = _matrices(Path(source))
        if len(matrices) != 1:
            raise InputError(
                f"{Path(source).name} holds {sorted(matrices)}; expected one matrix, or give the file alone"
            )
        return next(iter(matrices.values()))
    shape = getattr(source, "shape", None)
    if shape is None or len(shape) != 2 or not hasattr(source, "__getitem__"):
        raise InputError(
            f"cannot read rows from {type(source).__name__}; give a file of embeddings or a matrix "
            "(items, width)"
        )
    rows: Rows = source
    return rows


def open_pair(path: str | Path) -> dict[str, Rows]:
    """Return both sides of a file that holds them, by modality: an ``.npy`` (2, n, d), or two named matrices.

    Raises :class:`~mmaudit.errors.InputError` on anything else.
    """
    matrices = _matrices(Path(path))
    if len(matrices) != 2:
        raise InputError(
            f"{Path(path).name} holds {sorted(matrices)}; expected one a modality, or give two files"
        )
    return matrices


def _matrices(path: Path) -> dict[str, Rows]:
    """Return the matrices of the file at ``path`` by name; those of an ``.npy`` have the usual ones."""
    try:
        if path.suffix == ".npy":
            return _npy(path)
        if path.suffix == ".safetensors":
            return _safetensors(path)
        if path.suffix == ".parquet":
            from mmaudit.scale.unpacked import unpacked

            return {**unpacked(path)}
        if path.suffix not in FILES:
            raise ValueError(f"expected {', '.join(FILES)}")
        return {name: open_rows(matrix) for name, matrix in FILES[path.suffix](path).items()}
    except (SubjectError, InputError) as error:
        raise InputError(str(error)) from error
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        why = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"cannot read {path.name}: {why}") from error


def _npy(path: Path) -> dict[str, Rows]:
    mapped = np.lib.format.open_memmap(path, mode="r")
    if not mapped.flags.c_contiguous:
        raise ValueError("it is stored column after column; expected row after row")
    if mapped.ndim != 3 or len(mapped) != 2:
        return {path.stem: FileRows(path, mapped.dtype, mapped.shape, mapped.offset)}
    side = mapped.nbytes // 2
    return {
        modality: FileRows(path, mapped.dtype, mapped.shape[1:], mapped.offset + i * side)
        for i, modality in enumerate(BUILT_IN)
    }


def _safetensors(path: Path) -> dict[str, Rows]:
    from safetensors import SafetensorError, safe_open

    try:
        # The library has looked whether the header is sound and the file whole.
        with safe_open(str(path), framework="np"):
            pass
    except SafetensorError as error:
        raise ValueError(f"no whole safetensors file: {error}") from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    kinds = {row["dtype"] for row in header.values()} - set(_SAFETENSORS)
    if kinds:
        raise ValueError(f"it holds {', '.join(sorted(kinds))}; expected {', '.join(_SAFETENSORS)}")
    return {
        name: FileRows(
            path, _SAFETENSORS[row["dtype"]], tuple(row["shape"]), 8 + length + row["data_offsets"][0]
        )
        for name, row in sorted(header.items())
    }
