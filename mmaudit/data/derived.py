"""Columns that nobody gave: what files are called, how pictures are made, how captions are phrased."""

import datetime
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.data.files import Files
from mmaudit.pairs import IntArray, Pairs

__all__ = ["CONTENT", "derivable", "derived_columns", "given_columns", "is_picture", "pixels"]

Column = npt.NDArray[Any]

CONTENT = ("brightness", "file size", "first word", "last word")
"""Ends of the names of derived columns that may well be part of what an item means: how many bytes a picture
takes is how much there is to see."""
_PATCH = 12
"""A corner is a twelfth of the width by a twelfth of the height: watermarks are larger."""
_LEVELS = 5
_CELLS = 3
_EDGE_CELLS = 8
_MOST_PIECES = 6


def derivable(pairs: Pairs) -> bool:
    """Return whether any input is a picture, a caption or a file, so that it has columns of its own."""
    return any(
        isinstance(column, Files)
        or (len(column) > 0 and (isinstance(column[0], str) or is_picture(column[0])))
        for column in pairs.inputs.values()
    )


def is_picture(item: Any) -> bool:
    """Return whether ``item`` is a Pillow image, or uint8 of shape (height, width[, 1, 3 or 4])."""
    if isinstance(item, np.ndarray):
        channels = item.shape[2] if item.ndim == 3 else 1
        return item.dtype == np.uint8 and item.ndim in (2, 3) and channels in (1, 3, 4) and item.size > 0
    return hasattr(item, "convert") and hasattr(item, "size") and hasattr(item, "mode")


def pixels(item: Any) -> npt.NDArray[np.uint8]:
    """Return a picture as uint8 RGB of shape (height, width, 3)."""
    if not isinstance(item, np.ndarray):
        return np.asarray(item.convert("RGB"))
    shaped = item if item.ndim == 3 else item[:, :, None]
    return np.repeat(shaped, 3, axis=2) if shaped.shape[2] == 1 else shaped[:, :, :3]


def given_columns(pairs: Pairs, rows: IntArray) -> dict[str, Column]:
    """Return the metadata at ``rows``; dates, in ISO 8601, as seconds."""
    return {name: _dates(np.asarray(column)[rows]) for name, column in pairs.metadata.items()}


def derived_columns(pairs: Pairs, rows: IntArray) -> dict[str, Column]:
    """Return columns (k,) of numbers or strings derived from the inputs at ``rows`` and from their order."""
    found: dict[str, Column] = {"position in the data": rows.astype(np.float64)}
    for modality, inputs in pairs.inputs.items():
        named: dict[str, Column] = {}
        if isinstance(inputs, Files):
            named |= _of_names([inputs.sources[row].name for row in rows])
            sizes = [_bytes(inputs, int(row)) for row in rows]
            named["file size"] = np.array(sizes, dtype=np.float64)
        first = inputs[int(rows[0])] if len(rows) else None
        if is_picture(first):
            facts = [_of_picture(pixels(inputs[int(row)])) for row in rows]
            named |= {key: np.array([fact[key] for fact in facts]) for key in facts[0]}
        elif isinstance(first, str) and not isinstance(inputs, Files):
            named |= _of_texts([str(inputs[int(row)]) for row in rows])
        found |= {f"{modality} {name}": column for name, column in named.items()}
    return found


def _bytes(files: Files, row: int) -> float:
    path = files.sources[row].path
    try:
        return float(path.stat().st_size) if path is not None else float(len(files.sources[row].data()))
    except OSError:
        return float("nan")


def _of_names(names: Sequence[str]) -> dict[str, Column]:
    """Folder, ending, and the pieces of names that all have as many."""
    paths = [PurePosixPath(name) for name in names]
    found = {
        "folder": np.array([str(path.parent) for path in paths]),
        "file type": np.array([path.suffix.lower() for path in paths]),
    }
    pieces = [re.findall(r"[A-Za-z]+|[0-9]+", path.stem) for path in paths]
    counts = {len(piece) for piece in pieces}
    if len(counts) == 1 and max(counts) <= _MOST_PIECES:
        for at in range(max(counts)):
            part = [piece[at] for piece in pieces]
            whole = all(word.isdigit() and len(word) < 16 for word in part)
            column = np.array([float(word) for word in part]) if whole else np.array(part)
            found[f"file name piece {at + 1}"] = column
    return found


def _of_picture(picture: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Size, brightness, and what recurs in the corners and along the edges, where marks are put.

    A mark is painted alike on many pictures, and what a picture shows is its own: a coarse thumbnail of a
    corner is a code that a watermark or a flat background shares with others, and a scene does not. A frame
    or a stripe has one colour all along an edge; an edge of several has no code.
    """
    height, width, _ = picture.shape
    tall, wide = max(1, height // _PATCH), max(1, width // _PATCH)
    thin = max(1, min(height, width) // (2 * _PATCH))
    corners = {
        "corner top left": picture[:tall, :wide],
        "corner top right": picture[:tall, -wide:],
        "corner bottom left": picture[-tall:, :wide],
        "corner bottom right": picture[-tall:, -wide:],
    }
    edges = {
        "edge top": picture[:thin],
        "edge bottom": picture[-thin:],
        "edge left": picture[:, :thin],
        "edge right": picture[:, -thin:],
    }
    return {
        "pixels": float(height * width),
        "aspect": round(width / height, 3),
        "brightness": float(picture.mean()),
        **{name: "".join(_levels(region, _CELLS, _CELLS)) for name, region in corners.items()},
        **{name: _uniform(region) for name, region in edges.items()},
    }


def _uniform(edge: npt.NDArray[np.uint8]) -> str:
    """Return the colour of an edge that is the same all along it, else nothing."""
    lying = edge.shape[1] >= edge.shape[0]
    seen = set(_levels(edge, *((1, _EDGE_CELLS) if lying else (_EDGE_CELLS, 1))))
    return seen.pop() if len(seen) == 1 else ""


def _levels(region: npt.NDArray[np.uint8], down: int, across: int) -> list[str]:
    """Return the mean colour of each of ``down`` by ``across`` cells, each channel in five levels."""
    rows, columns = (
        np.array_split(np.arange(size), min(cells, size))
        for size, cells in zip(region.shape[:2], (down, across), strict=True)
    )
    means = np.array([region[np.ix_(r, c)].reshape(-1, 3).mean(axis=0) for r in rows for c in columns])
    return ["".join(map(str, cell)) for cell in (means * _LEVELS / 256).astype(int).tolist()]


def _of_texts(texts: Sequence[str]) -> dict[str, Column]:
    words = [text.split() for text in texts]
    forms: dict[str, Callable[[str], Any]] = {
        "length": lambda text: float(len(text.split())),
        "form": _form,
        "case": _case,
        "ending": lambda text: text.rstrip()[-1:] if not text.rstrip()[-1:].isalnum() else "letter",
    }
    found = {name: np.array([form(text) for text in texts]) for name, form in forms.items()}
    found["first word"] = np.array([word[0].lower() if word else "" for word in words])
    found["last word"] = np.array([word[-1].lower().rstrip(".!?") if word else "" for word in words])
    return found


def _form(text: str) -> str:
    """Return the caption with every word as w and every number as 9: what template it was filled into."""
    return re.sub(r"[^\W\d_]+", "w", re.sub(r"\d+(?:\.\d+)?", "9", text))


def _case(text: str) -> str:
    return (
        "upper" if text.isupper() else "lower" if text.islower() else "title" if text.istitle() else "mixed"
    )


def _dates(column: Column) -> Column:
    if column.dtype.kind != "U":
        return column
    seconds = np.full(len(column), np.nan)
    for i, text in enumerate(column.tolist()):
        if text:
            try:
                # Without a zone a date is taken to be in UTC, so that no machine's zone shows.
                date = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
            except ValueError:
                return column
            zoned = date if date.tzinfo else date.replace(tzinfo=datetime.timezone.utc)
            seconds[i] = zoned.timestamp()
    return seconds if np.isfinite(seconds).any() else column
