"""Rows that are read when they are needed, from anything that can be sliced."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError

__all__ = ["NpyRows", "Rows", "open_rows"]


class Rows(Protocol):
    """A matrix (n, d) that gives slices of rows, and rows by number: an array, a memory map, a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""

    def __getitem__(self, rows: Any, /) -> Any:
        """Return rows as an array: ``rows`` is a slice, or (k,) row numbers in increasing order."""


class NpyRows:
    """The rows of a two-dimensional ``.npy`` file, read by offset.

    Not a memory map: pages that were mapped and read count as this process's memory until the system wants
    them back. It pickles as its path, under which another process must see the same file. Raises
    :class:`~mmaudit.errors.InputError` on a file that is no such array of real numbers.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        try:
            mapped = np.lib.format.open_memmap(self.path, mode="r")
        except (OSError, ValueError, EOFError) as error:
            why = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise InputError(f"cannot read {self.path.name}: {why}") from error
        if mapped.ndim != 2 or mapped.dtype.kind not in "fiu" or not mapped.flags.c_contiguous:
            raise InputError(
                f"{self.path.name} holds {mapped.dtype} of shape {mapped.shape}; expected real numbers "
                "(items, width), row after row"
            )
        self.shape: tuple[int, ...] = mapped.shape
        self.dtype = mapped.dtype
        self._offset = int(mapped.offset)

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
    """Return ``source`` as rows: a path to an ``.npy`` file, or anything with a ``shape`` that can be sliced.

    Raises :class:`~mmaudit.errors.InputError` on anything else.
    """
    if isinstance(source, (str, Path)):
        return NpyRows(source)
    shape = getattr(source, "shape", None)
    if shape is None or len(shape) != 2 or not hasattr(source, "__getitem__"):
        raise InputError(
            f"cannot read rows from {type(source).__name__}; give an .npy file or a matrix (items, width)"
        )
    rows: Rows = source
    return rows
