"""Tables of pairs as columns: CSV, TSV, JSON lines and Parquet."""

import csv
import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmaudit.data.faults import Fault
from mmaudit.errors import InputError

__all__ = ["Table", "missing", "read_table"]

_CELL = 10_000_000


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of somebody's data: ``columns`` of n cells each, and the ``places`` (n,) they were read at.

    ``faults`` are the rows that could not even be read; their cells are ``None``.
    """

    columns: Mapping[str, Sequence[Any]]
    places: list[str]
    faults: list[Fault]

    def __len__(self) -> int:
        """Return the number of rows, bad ones included."""
        return len(self.places)


def read_table(path: Path) -> Table:
    """Read a ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file. Raises :class:`InputError`, one line."""
    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            return _delimited(path, "," if suffix == ".csv" else "\t")
        if suffix == ".jsonl":
            return _json_lines(path)
        return _parquet(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: byte {error.start} is no UTF-8; save the table as UTF-8") from error
    except OSError as error:
        raise InputError(f"cannot read {path.name}: {error.strerror or error}") from error


def _delimited(path: Path, delimiter: str) -> Table:
    previous = csv.field_size_limit(_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _delimited_rows(csv.reader(file, delimiter=delimiter, strict=True), path.name)
    finally:
        csv.field_size_limit(previous)


def _delimited_rows(reader: Any, name: str) -> Table:
    rows: list[list[str] | None] = []
    places: list[str] = []
    faults: list[Fault] = []
    try:
        header = [column.strip() for column in next(reader, [])]
        line = reader.line_num
        _check_header(header, name)
        for row in reader:
            # A cell may hold line breaks: a row begins behind where the last one ended.
            line, place = reader.line_num, f"line {line + 1}"
            if not row:
                continue
            if len(row) != len(header):
                why = f"{len(row)} cells where the header has {len(header)}"
                faults.append(Fault(len(rows), place, why))
                rows.append(None)
            else:
                rows.append(row)
            places.append(place)
    except csv.Error as error:
        raise InputError(f"{name}: line {reader.line_num}: {error}; mend the quoting there") from error
    columns = {column: [None if row is None else row[i] for row in rows] for i, column in enumerate(header)}
    return Table(columns, places, faults)


def _check_header(header: Sequence[str], name: str) -> None:
    if not any(header):
        raise InputError(f"{name}: the first line names no column; give one of them for each modality")
    for i, column in enumerate(header):
        if not column:
            raise InputError(f"{name}: column {i + 1} has no name; name it in the first line")
        if column in header[:i]:
            raise InputError(f"{name}: two columns are called {column!r}; rename one")


def _json_lines(path: Path) -> Table:
    rows: list[dict[str, Any] | None] = []
    places: list[str] = []
    faults: list[Fault] = []
    for place, text in _lines(path):
        why, row = "no JSON object", None
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            why = f"no JSON ({str(error).splitlines()[0]})"
        if not isinstance(row, dict):
            faults.append(Fault(len(rows), place, why))
            row = None
        rows.append(row)
        places.append(place)
    names = dict.fromkeys(key for row in rows if row is not None for key in row)
    columns = {name: [None if row is None else row.get(name) for row in rows] for name in names}
    return Table(columns, places, faults)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"line {number}", line


def _parquet(path: Path) -> Table:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(f"{path.name}: Parquet needs pyarrow; pip install 'mmaudit[parquet]'") from error
    try:
        table = parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise InputError(f"cannot read {path.name}: {str(error).splitlines()[0]}") from error
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    return Table(columns, [f"row {i + 1}" for i in range(table.num_rows)], [])


def missing(value: Any) -> bool:
    """Return whether a cell holds nothing: ``None``, NaN, or blanks alone."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())
