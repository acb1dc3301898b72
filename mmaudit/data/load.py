"""The one way from a file or folder to pairs: read, look at every row, refuse or account for the bad ones."""

import dataclasses
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.data.faults import Fault, refuse
from mmaudit.data.files import Files, Pictures, Source, locate, look
from mmaudit.data.folders import read_folder, read_saved_dataset
from mmaudit.data.grouping import codes, relevance_groups
from mmaudit.data.options import Options
from mmaudit.data.tables import Table, missing, read_table
from mmaudit.errors import InputError
from mmaudit.pairs import Pairs

__all__ = ["SUFFIXES", "is_table", "load_pairs"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")
_SHOWN = 8
"""Values of a column that are named where none of those asked for is among them."""
_TRUE, _FALSE = ("1", "true", "yes", "y"), ("0", "false", "no", "n", "")


def is_table(spec: str) -> bool:
    """Return whether ``spec`` is named like a table of pairs, rather than like ``module:factory``."""
    return spec.lower().endswith(SUFFIXES)


def load_pairs(source: str | Path, options: Options | None = None, *, report: Path | None = None) -> Pairs:
    """Read the pairs of a table (CSV, TSV, JSON lines, Parquet) or a folder.

    A folder holds files of one stem, or is a dataset saved by Hugging Face ``datasets``. A row is bad if a
    modality is missing or its file cannot be read to the end, or if a label is none. More bad rows than
    ``options.tolerate`` raise :class:`InputError` that names the first, and list all in the CSV file
    ``report``; those tolerated are in ``Pairs.left_out``. Pairs of one picture, or one caption, or one value
    of the group column, are right answers to each other. Rows that ``options.only`` leaves out are not looked
    at; values that no row has are refused.
    """
    path, options = Path(source), options or Options()
    if path.is_dir():
        saved = any((path / name).exists() for name in _SAVED)
        table = read_saved_dataset(path) if saved else read_folder(path)
        root = path
    elif path.suffix.lower() not in SUFFIXES:
        raise InputError(f"cannot read pairs from {path.name!r}; expected {', '.join(SUFFIXES)} or a folder")
    else:
        table, root = read_table(path), path.parent
    root = Path(options.root) if options.root is not None else root
    if not root.is_dir():
        raise InputError(f"mmaudit setting 'data.root' is {str(root)!r}, which is no folder")
    if not len(table):
        raise InputError(f"{path.name}: no rows; give one a pair")
    # Paths are held to the root as they are written, so it may have no "..": behind a link to a folder only
    # the system knows where that leads. Without one, links stay as they are.
    root = root.resolve() if ".." in root.parts else root.absolute()
    return _pairs(table, path.name, root, options, report)


def _pairs(table: Table, name: str, root: Path, options: Options, report: Path | None) -> Pairs:
    held = list(table.columns)
    if not held:
        refuse(table.faults, source=name, rows=len(table), tolerate=0, report=report)
    try:
        columns = options.modalities(held)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    whole, required = len(table), options.required(held)
    table = _only(table, required, name)
    table, columns = _spread(table, columns)
    ledger = _Ledger(table)
    inputs: dict[str, Files | list[str]] = {}
    same: list[list[Hashable]] = []
    for modality, column in columns.items():
        if _kind(modality) == "text":
            texts = _texts(table.columns[column], modality, ledger)
            inputs[modality] = texts
            same.append([*texts])
        else:
            files = _files(table.columns[column], modality, root, options.max_pixels, ledger)
            inputs[modality] = files
            same.append([*files.digests])
    roles = {role: options.role(role, held) for role in ("group", "split", "trusted")}
    labels = {role: table.columns[column] for role, column in roles.items() if column is not None}
    trusted = [_truth(cell) for cell in labels.get("trusted", [])]
    for role, cells in labels.items():
        for row, cell in enumerate(cells):
            if missing(cell) or (role == "trusted" and trusted[row] is None):
                ledger.fault(row, f"the {role} is {'empty' if missing(cell) else repr(cell)[:40]}")
    faults = [ledger.bad[row] for row in sorted(ledger.bad)]
    refuse(faults, source=name, rows=len(table), tolerate=options.tolerate, report=report)
    kept = [row for row in range(len(table)) if row not in ledger.bad]
    if len(kept) < 2:
        raise InputError(f"{name}: {len(kept)} usable rows; an audit needs two pairs at the very least")

    def taken(cells: Sequence[Any]) -> list[Any]:
        return [cells[row] for row in kept]

    declared = {what: options.listed(what, held) for what in ("nuisance", "factors")}
    values = {
        key: np.array(_values(taken(table.columns[key]))) for cited in declared.values() for key in cited
    }
    known = {*columns.values(), *filter(None, roles.values()), *options.listed("ignore", held)}
    known |= {*declared["nuisance"], *declared["factors"]}
    groups = codes([str(cell) for cell in taken(labels["group"])]) if "group" in labels else None
    metadata = {key: _metadata(taken(table.columns[key])) for key in held if key not in known}
    return Pairs(
        inputs={modality: _taken_inputs(column, kept) for modality, column in inputs.items()},
        groups=relevance_groups(*map(taken, same)) if groups is None else groups,
        factors={key: values[key] for key in declared["factors"]},
        nuisance={key: values[key] for key in declared["nuisance"]},
        trusted=np.array(taken(trusted), dtype=np.bool_) if trusted else None,
        metadata={key: column for key, column in metadata.items() if column is not None},
        splits=np.array([str(s) for s in taken(labels["split"])]) if "split" in labels else None,
        places=taken(table.places),
        left_out=tuple(str(f) for f in faults),
        name=name,
        description=f"{len(kept)} pairs of {name}"
        + (f", of {whole} rows those of {_said(required)}" if required else "")
        + (f", {len(faults)} rows left out" if faults else ""),
    )


def _only(table: Table, required: Mapping[str, Sequence[str]], name: str) -> Table:
    """Return the rows with one of the values ``required`` in each column, and those nobody could read."""
    for column, values in required.items():
        cells = [_label(cell) for cell in table.columns[column]]
        bad = {fault.row for fault in table.faults}
        kept = [row for row, cell in enumerate(cells) if cell in values or row in bad]
        if len(kept) == len(bad):
            there = ", ".join(map(repr, list(dict.fromkeys(filter(None, cells)))[:_SHOWN])) or "nothing"
            raise InputError(
                f"{name}: no row has {_said({column: values})}, which [tool.mmaudit.data] only asks for; "
                f"the column holds {there}"
            )
        number = {row: i for i, row in enumerate(kept)}
        table = Table(
            {key: [whole[row] for row in kept] for key, whole in table.columns.items()},
            [table.places[row] for row in kept],
            [dataclasses.replace(fault, row=number[fault.row]) for fault in table.faults],
        )
    return table


def _label(cell: Any) -> str:
    return "" if missing(cell) else str(cell).strip()


def _said(required: Mapping[str, Sequence[str]]) -> str:
    return " and ".join(f"{column} = {' or '.join(values)}" for column, values in required.items())


def _kind(modality: str) -> str:
    if modality.startswith(("image", "picture")):
        return "picture"
    return "file" if modality.startswith("audio") else "text"


def _spread(table: Table, columns: dict[str, str]) -> tuple[Table, dict[str, str]]:
    """Return the table with a row for each caption where a cell holds a list of them."""
    texts = [column for modality, column in columns.items() if _kind(modality) == "text"]
    lists = [c for c in texts if any(isinstance(cell, (list, tuple)) for cell in table.columns[c])]
    if not lists:
        return table, columns
    (column, *more) = lists
    if more:
        raise InputError(f"the columns {column!r} and {more[0]!r} both hold lists; give one pair a row")
    cells = table.columns[column]
    counts = [max(1, len(cell)) if isinstance(cell, (list, tuple)) else 1 for cell in cells]
    rows = np.repeat(np.arange(len(table)), counts).tolist()
    said = [
        one
        for cell in cells
        for one in ((list(cell) or [None]) if isinstance(cell, (list, tuple)) else [cell])
    ]
    first = np.cumsum([0, *counts])
    spread = {key: [values[row] for row in rows] for key, values in table.columns.items()}
    spread[column] = said
    faults = [dataclasses.replace(f, row=int(first[f.row])) for f in table.faults]
    return Table(spread, [table.places[row] for row in rows], faults), columns


class _Ledger:
    """The bad rows of a table: the first thing wrong with each."""

    def __init__(self, table: Table) -> None:
        self.places = table.places
        self.bad = {fault.row: fault for fault in table.faults}

    def fault(self, row: int, why: str) -> None:
        self.bad.setdefault(row, Fault(row, self.places[row], why))


def _texts(cells: Sequence[Any], modality: str, ledger: _Ledger) -> list[str]:
    for row, cell in enumerate(cells):
        if missing(cell):
            ledger.fault(row, f"the {modality} is {'NaN' if isinstance(cell, float) else 'empty'}")
        elif not isinstance(cell, str):
            ledger.fault(row, f"the {modality} is a {type(cell).__name__}, not a text")
    return [cell if isinstance(cell, str) else "" for cell in cells]


def _files(cells: Sequence[Any], modality: str, root: Path, max_pixels: int, ledger: _Ledger) -> Files:
    places = ledger.places
    sources = [Source(place) for place in places]
    # A file that many rows name is looked at once.
    rows_of: dict[Hashable, list[int]] = {}
    for row, cell in enumerate(cells):
        if row in ledger.bad:
            continue
        found = f"the {modality} is empty" if missing(cell) else locate(cell, root, places[row])
        if isinstance(found, str):
            ledger.fault(row, found)
        else:
            sources[row] = found
            rows_of.setdefault(row if found.path is None else found.path, []).append(row)
    pictures = _kind(modality) == "picture"
    looked = look([sources[rows[0]] for rows in rows_of.values()], pictures=pictures, max_pixels=max_pixels)
    digests = [""] * len(sources)
    for rows, (digest, why) in zip(rows_of.values(), looked, strict=True):
        for row in rows:
            digests[row] = digest
            if why:
                ledger.fault(row, why)
    return (Pictures if pictures else Files)(sources, digests)


def _taken_inputs(column: Any, kept: Iterable[int]) -> Any:
    return column.take(list(kept)) if isinstance(column, Files) else [column[row] for row in kept]


def _truth(cell: Any) -> bool | None:
    word = str(cell).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _values(cells: Sequence[Any]) -> list[str]:
    return ["" if missing(cell) else str(cell) for cell in cells]


def _metadata(cells: Sequence[Any]) -> npt.NDArray[Any] | None:
    """Return a column as numbers where all its cells are, else as strings; ``None`` where it is neither."""
    if any(isinstance(cell, (list, dict, bytes, tuple)) or callable(cell) for cell in cells):
        return None
    try:
        numbers = [float("nan") if missing(cell) else float(cell) for cell in cells]
        column = np.array(numbers, dtype=np.float64)
        return np.where(np.isfinite(column), column, np.nan)
    except (TypeError, ValueError, OverflowError):
        return np.array(["" if missing(cell) else str(cell) for cell in cells], dtype=np.str_)
