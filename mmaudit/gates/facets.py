"""What the audited pairs show beside their embeddings: columns to scan, slices, contents, splits."""

import dataclasses
import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.data.derived import CONTENT, derived_columns, given_columns
from mmaudit.data.files import Files
from mmaudit.data.grouping import codes
from mmaudit.diagnostics.scan import categories
from mmaudit.pairs import IntArray, Pairs
from mmaudit.seeds import generator

__all__ = ["SAMPLE", "Scan", "contents_of", "sample", "scan_of", "slices_of"]

BoolArray = npt.NDArray[np.bool_]

SAMPLE = 2000
"""Pairs that what costs n² is done on where there are more; the n is stated with every figure."""
_MOST_SLICES = 100
_NAME = 40


def sample(n: int, seed: int, size: int = SAMPLE) -> IntArray:
    """Return the rows of ``size`` of ``n`` pairs, in order; all of them where there are no more."""
    if n <= size:
        return np.arange(n)
    return np.sort(generator(seed, "control items").permutation(n)[:size])


@dataclasses.dataclass(frozen=True)
class Scan:
    """The columns that are scanned, at ``rows`` (k,) of the audited pairs; each (k,) int64 codes.

    ``form`` should not matter, ``content`` may be part of the meaning. ``skipped`` are columns that cannot be
    scanned, with the reason.
    """

    rows: IntArray
    form: Mapping[str, IntArray]
    content: Mapping[str, IntArray]
    skipped: tuple[str, ...]

    def take(self, rows: IntArray, n: int) -> "Scan":
        """Return the scan of the pairs at ``rows`` of all ``n`` alone, under their new numbers."""
        moved = np.full(n, -1)
        moved[rows] = np.arange(len(rows))
        kept = moved[self.rows] >= 0
        form, content = (
            {name: column[kept] for name, column in columns.items()} for columns in (self.form, self.content)
        )
        return Scan(moved[self.rows][kept], form, content, self.skipped)


def scan_of(pairs: Pairs, seed: int) -> Scan:
    """Return every column that can be scanned, of a sample of the pairs."""
    rows = sample(len(pairs), seed)
    form: dict[str, IntArray] = {}
    content: dict[str, IntArray] = {}
    skipped = []
    columns = given_columns(pairs, rows) | derived_columns(pairs, rows)
    for name, column in columns.items():
        found = categories(column)
        if isinstance(found, str):
            skipped.append(f"{name} was not scanned: {found}")
        else:
            (content if name.endswith(CONTENT) and name not in pairs.metadata else form)[name] = found
    return Scan(rows, form, content, tuple(skipped))


def slices_of(pairs: Pairs) -> dict[str, BoolArray]:
    """Return the slices (n,) that labels and metadata cut, by name: the largest, where there are many."""
    columns = {name: np.asarray(column) for name, column in pairs.metadata.items()}
    columns |= {
        name: np.asarray(column) for name, column in (*pairs.nuisance.items(), *pairs.factors.items())
    }
    found: dict[str, BoolArray] = {}
    for name, column in columns.items():
        cut = categories(column)
        if isinstance(cut, str):
            continue
        for code in range(int(cut.max()) + 1):
            rows = cut == code
            found[f"{name} = {_values(column[rows])}"] = rows
    by_size = sorted(found, key=lambda name: (-int(found[name].sum()), name))
    return {name: found[name] for name in sorted(by_size[:_MOST_SLICES])}


def _values(column: npt.NDArray[Any]) -> str:
    values = column.tolist()
    low, high = (f"{v:.6g}" if isinstance(v, float) else str(v)[:_NAME] for v in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def contents_of(pairs: Pairs) -> dict[str, IntArray]:
    """Return equal contents as equal codes (n,): of each modality that is no text, and of whole pairs.

    A short caption says the same of many pictures, so a caption that recurs is no item that recurs. Inputs
    that are numbers of rows, or objects without bytes, have no content that could be compared.
    """
    columns = {modality: _contents(column, len(pairs)) for modality, column in pairs.inputs.items()}
    found = {m: codes(c) for m, c in columns.items() if c is not None and not _is_text(pairs.inputs[m])}
    first, second = columns.values()
    if first is not None and second is not None:
        found["whole pair"] = codes(list(zip(first, second, strict=True)))
    return found


def _is_text(column: Any) -> bool:
    return not isinstance(column, Files) and isinstance(column[0], str)


def _contents(column: Any, n: int) -> Sequence[Hashable] | None:
    if isinstance(column, Files):
        return column.digests
    values: list[Hashable] = []
    for row in range(n):
        item = column[row]
        if isinstance(item, str):
            values.append(" ".join(item.casefold().split()))
        elif hasattr(item, "tobytes") and np.ndim(item) > 0:
            values.append(hashlib.sha256(item.tobytes()).hexdigest())
        else:
            return None
    return values
