"""Rows that cannot be used: each is named with its place and the reason, none is dropped in silence."""

import csv
import dataclasses
import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mmaudit.errors import InputError

__all__ = ["Fault", "csv_text", "refuse", "safe_cell"]

_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Fault:
    """One bad row: the ``row`` it is in the table (from 0), its ``place`` in words, and ``why``."""

    row: int
    place: str
    why: str

    def __str__(self) -> str:
        """Return the fault as a clause."""
        return f"{self.place}: {self.why}"


def refuse(faults: Sequence[Fault], *, source: str, rows: int, tolerate: int, report: Path | None) -> None:
    """Raise :class:`InputError` where more than ``tolerate`` rows of ``source`` are bad.

    The message names the first of them; all are written to ``report`` (a CSV file), where one is given.
    """
    if len(faults) <= tolerate:
        return
    first = "; ".join(str(fault) for fault in faults[:_NAMED])
    more = f" and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    listed = ""
    if report is not None and len(faults) > _NAMED:
        listed = f"; all are listed in {_write(report, faults)}"
    allowed = f", {tolerate} tolerated" if tolerate else ""
    raise InputError(
        f"{source}: {len(faults)} of {rows} rows cannot be used{allowed} ({first}{more}){listed}; mend them, "
        "or allow so many with [tool.mmaudit.data] tolerate"
    )


def safe_cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    text = str(value)
    # What a spreadsheet evaluates starts so, also behind blanks; an apostrophe makes it text.
    return f"'{text}" if text.lstrip(" \t\r\n")[:1] in ("=", "+", "-", "@") and not _is_number(text) else text


def csv_text(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a CSV table whose cells are all safe to open."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _write(path: Path, faults: Sequence[Fault]) -> str:
    """Write all faults, whole or not at all; return where, or why not."""
    text = csv_text(("row", "place", "why"), [(f.row + 1, f.place, f.why) for f in faults])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, path)
    except OSError as error:
        return f"no file, since none can be written: {error.strerror or error}"
    return str(path)
