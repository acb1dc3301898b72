"""Columns of labels as people have them, lists and strings too, made arrays once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError

__all__ = ["coded", "column_of", "groups_of", "marks_of"]

Column = npt.NDArray[Any]


def column_of(label: str, given: Any, n: int) -> Column:
    """Return a column as an array (n,) of numbers, of truth values or of strings.

    An array of these comes back as it is. Raises :class:`InputError` that names the column ``label`` and its
    first bad row where the column has another length, a value is missing, NaN or none of these, or where
    strings are mixed with others.
    """
    try:
        column = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        # Rows of several lengths, or a tensor that lies on an accelerator.
        raise InputError(f"{label} cannot be made an array; give ({n},), one value a pair") from None
    if column.shape != (n,):
        raise InputError(f"{label} has shape {column.shape}; expected ({n},), one value a pair")
    if column.dtype.kind == "S":
        return np.char.decode(column, "utf-8", "backslashreplace")
    if column.dtype.kind in "bui" or (column.dtype.kind == "U" and isinstance(given, np.ndarray)):
        return column
    if column.dtype.kind == "f":
        _refuse(label, column, np.flatnonzero(~np.isfinite(column)), "a finite number")
        return column
    # NumPy makes strings of numbers beside strings, and objects of what it does not know.
    cells = column.tolist() if isinstance(given, np.ndarray) else list(given)
    kinds = [_kind(cell) for cell in cells]
    expected = f"a {kinds[0]}, as in row 0" if kinds[0] else "a number or a string"
    _refuse(label, cells, [i for i, kind in enumerate(kinds) if kind != kinds[0] or not kind], expected)
    return np.array(cells)


def groups_of(label: str, given: Any, n: int) -> Column:
    """Return a column of numbers (n,), strings as codes in their order. Raises as :func:`column_of` does."""
    column = column_of(label, given, n)
    if column.dtype.kind != "U":
        return column
    return np.unique(column, return_inverse=True)[1].reshape(n).astype(np.int64)


def marks_of(label: str, given: Any, n: int) -> npt.NDArray[np.bool_]:
    """Return a column of truth values, or of 0 and 1, as (n,) bool. Raises as :func:`column_of` does."""
    column = column_of(label, given, n)
    if column.dtype.kind == "b":
        return column
    strange = np.arange(n) if column.dtype.kind == "U" else np.flatnonzero((column != 0) & (column != 1))
    _refuse(label, column, strange, "True or False")
    return np.equal(column, 1)


def coded(
    columns: Mapping[str, Column], names: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Column], dict[str, Sequence[str]]]:
    """Return the columns with codes in the place of strings, and what the codes are called.

    Code k is ``names[column][k]``; strings that have no code there get the next ones, by first appearance.
    Columns of numbers come back as they are.
    """
    found, called = {}, dict(names)
    for name, column in columns.items():
        if column.dtype.kind == "U":
            code: dict[str, int] = {}
            for k, text in enumerate(names.get(name, ())):
                code.setdefault(text, k)
            new = [text for text in dict.fromkeys(column.tolist()) if text not in code]
            called[name] = [*names.get(name, ()), *new]
            code |= {text: k for k, text in enumerate(new, len(names.get(name, ())))}
            column = np.array([code[text] for text in column.tolist()], dtype=np.int64)
        found[name] = column
    return found, called


def _kind(cell: Any) -> str:
    """Return what a cell is, nothing where it is no usable label."""
    if isinstance(cell, str):
        return "string"
    number = isinstance(cell, (int, float, np.integer, np.floating, np.bool_))
    try:
        return "number" if number and np.isfinite(cell) else ""
    except TypeError:  # a whole number of more bits than NumPy has
        return ""


def _refuse(label: str, cells: Sequence[Any] | Column, rows: Iterable[Any], expected: str) -> None:
    for row in rows:
        value = cells[row]
        shown = repr(value.item() if isinstance(value, np.generic) else value)[:40]
        raise InputError(f"{label} has {shown} in row {row}, counted from 0; expected {expected}")
