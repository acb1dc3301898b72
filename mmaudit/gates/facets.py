"""What the audited pairs show beside their embeddings: columns to scan, slices, contents, splits."""

import dataclasses
import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.data.derived import CONTENT, derived_columns, given_columns
from mmaudit.data.files import Files
from mmaudit.data.grouping import codes
from mmaudit.diagnostics.scan import LEAST, UNKNOWN, categories, known_values
from mmaudit.pairs import IntArray, Pairs
from mmaudit.seeds import generator

__all__ = ["SAMPLE", "Scan", "contents_of", "sample", "scan_of", "slices_of"]

BoolArray = npt.NDArray[np.bool_]

SAMPLE = 2000
"""Pairs that what costs n² is done on where there are more; the n is stated with every figure."""
_MOST_SLICES = 100
_NAME = 40
_DIGITS = range(6, 18)
"""Significant digits of a number in a name: seventeen tell any two float64 apart."""


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
    """Return the slices (n,) that labels and metadata cut, by name: the largest, where there are many.

    A slice is a value of a column. Factors and nuisance are codes, however many; of metadata, numbers of many
    values are cut into bins.
    """
    found: dict[str, BoolArray] = {}
    for name, column in pairs.metadata.items():
        _add(found, name, _cut(np.asarray(column)))
    for name, column in (*pairs.nuisance.items(), *pairs.factors.items()):
        _add(found, name, _cut(np.asarray(column), pairs.code_names.get(name), nominal=True))
    by_size = sorted(found, key=lambda name: (-int(found[name].sum()), name))
    return {name: found[name] for name in sorted(by_size[:_MOST_SLICES])}


def _add(found: dict[str, BoolArray], column: str, cut: Iterable[tuple[str, BoolArray]]) -> None:
    """Add the slices of a column, each under a name that no other one has."""
    for label, rows in cut:
        name, times = f"{column} = {label}", 1
        while name in found:
            times += 1
            name = f"{column} = {label} ({times})"
        found[name] = rows


def _cut(
    column: npt.NDArray[Any], names: Sequence[str] | None = None, *, nominal: bool = False
) -> list[tuple[str, BoolArray]]:
    """Return the commonest values of a column, as they are shown, and the items (n,) that have them."""
    values, known = known_values(column, nominal=nominal)
    _, found, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    at = np.full(len(column), UNKNOWN)
    at[known] = found.ravel()
    common = np.sort(np.argsort(-counts, kind="stable")[:_MOST_SLICES])
    # What all items have cuts nothing.
    common = common[(counts[common] >= LEAST) & (counts[common] < len(column))]
    slices = [at == code for code in common]
    spans = [(min(held), max(held)) for held in (column[rows].tolist() for rows in slices)]
    if column.dtype.kind == "f":
        labels = _rounded(spans)
    elif names is not None:
        labels = _shortened([names[value] or "(empty)" for value, _ in spans])
    else:
        labels = _shortened([_span(*map(str, span)) for span in spans])
    return list(zip(labels, slices, strict=True))


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _rounded(spans: Sequence[tuple[float, float]]) -> list[str]:
    """Return the spans with as few digits as tell them apart."""
    labels: list[str] = []
    for digits in _DIGITS:
        labels = [_span(f"{low:.{digits}g}", f"{high:.{digits}g}") for low, high in spans]
        if len(set(labels)) == len(labels):
            break
    return labels


def _shortened(texts: Sequence[str]) -> list[str]:
    """Return the texts cut at a length; of those alike up to there, also what comes where they differ."""
    alike: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts):
        alike.setdefault(text[:_NAME], []).append(text)
    shown: dict[str, str] = {}
    for start, several in alike.items():
        if len(several) == 1:
            shown[several[0]] = start
        else:
            # What the first and the last in order share, all share.
            first, last = min(several), max(several)
            differ = (at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
            shared = next(differ, len(first))
            rests = _shortened([text[shared:] for text in several])
            shown |= {text: f"{start}…{rest}" for text, rest in zip(several, rests, strict=True)}
    return [shown[text] for text in texts]


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
