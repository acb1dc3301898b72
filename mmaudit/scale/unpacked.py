"""Columns of a Parquet file as rows that can be read anywhere: unpacked once, batch by batch, to the disk."""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError, SubjectError
from mmaudit.scale.rows import FileRows
from mmaudit.subjects.arrays import column_of_lists, list_columns

__all__ = ["UnpackedRows", "unpacked"]

BATCH = 1 << 14
"""Rows that are decoded at a time."""


class _Folder:
    """A temporary folder that is there as long as this object, or this process."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="mmaudit-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class UnpackedRows(FileRows):
    """Rows in a temporary file of this process, which is removed with them."""

    def __init__(self, folder: "_Folder", path: Path, shape: tuple[int, int]) -> None:
        super().__init__(path, np.float32, shape, 0)
        self._folder = folder


def unpacked(path: Path) -> dict[str, FileRows]:
    """Return the columns of lists of the Parquet file at ``path`` by name, as float32.

    They lie in the folder for temporary files, as large as they are. Raises
    :class:`~mmaudit.errors.InputError` where there is no room for them, ``ValueError`` on a file that is no
    such table, and :class:`~mmaudit.errors.SubjectError` without pyarrow.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise SubjectError(
            f"cannot read {path.name} without pyarrow; pip install 'mmaudit[parquet]'"
        ) from error
    folder = _Folder()
    try:
        # Read and not mapped, all row groups passed so far would stay in memory.
        with pq.ParquetFile(path, memory_map=True) as table:
            names = list_columns(table.schema_arrow)
            places = {name: folder.path / f"{i}.f4" for i, name in enumerate(names)}
            widths: dict[str, int] = {}
            for batch in table.iter_batches(BATCH, columns=names):
                for name in names:
                    rows = column_of_lists(name, batch.column(name))
                    if widths.setdefault(name, rows.shape[1]) != rows.shape[1]:
                        raise ValueError(f"column {name!r} holds rows of different widths")
                    _append(places[name], rows)
            count = table.metadata.num_rows
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    return {name: UnpackedRows(folder, places[name], (count, widths.get(name, 0))) for name in names}


def _append(place: Path, rows: npt.NDArray[Any]) -> None:
    if rows.dtype.kind not in "fiu":
        raise ValueError(f"it holds lists of {rows.dtype}; expected real numbers")
    try:
        with place.open("ab") as file:
            file.write(np.ascontiguousarray(rows, dtype=np.float32).data)
    except OSError as error:
        raise InputError(
            f"cannot unpack rows below {tempfile.gettempdir()}: {error.strerror or error}; set TMPDIR to a "
            "folder with room"
        ) from error
