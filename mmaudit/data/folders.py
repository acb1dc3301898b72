"""Folders of pairs: files of one stem (WebDataset's layout, unpacked), or a saved Hugging Face dataset."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmaudit.data.faults import Fault
from mmaudit.data.tables import Table
from mmaudit.errors import InputError

__all__ = ["KINDS", "read_folder", "read_saved_dataset"]

KINDS = {
    "image": (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"),
    "audio": (".wav", ".flac", ".mp3", ".ogg", ".m4a"),
    "text": (".txt", ".caption"),
}
"""File endings by modality."""
_CAPTION_BYTES = 1_000_000


def read_folder(folder: Path) -> Table:
    """Read files of one stem as one pair: ``0001.jpg``, ``0001.txt`` and, for metadata, ``0001.json``.

    Subfolders count, and belong to the stem. Raises :class:`InputError` on a folder without two modalities.
    """
    ending = {suffix: modality for modality, suffixes in KINDS.items() for suffix in suffixes}
    samples: dict[str, dict[str, list[Path]]] = {}
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(base, name)
            kind = "metadata" if path.suffix.lower() == ".json" else ending.get(path.suffix.lower())
            if kind is not None and not name.startswith("."):
                stem = path.relative_to(folder).with_suffix("").as_posix()
                samples.setdefault(stem, {}).setdefault(kind, []).append(path)
    kinds = [kind for kind in KINDS if any(kind in sample for sample in samples.values())]
    if len(kinds) != 2:
        what = " and ".join(kinds) or "no"
        raise InputError(
            f"the folder {folder.name!r} holds {what} files; expected two modalities of one stem, such as "
            "0001.jpg and 0001.txt"
        )
    stems = sorted(stem for stem, sample in samples.items() if any(kind in sample for kind in kinds))
    rows: list[dict[str, Any] | None] = []
    faults: list[Fault] = []
    for stem in stems:
        row, why = _sample(samples[stem], kinds, folder)
        if why:
            faults.append(Fault(len(rows), f"sample {stem}", why))
        rows.append(row)
    held = dict.fromkeys([*kinds, *(key for row in rows if row is not None for key in row)])
    columns = {name: [None if row is None else row.get(name) for row in rows] for name in held}
    return Table(columns, [f"sample {stem}" for stem in stems], faults)


def _sample(
    files: dict[str, list[Path]], kinds: list[str], folder: Path
) -> tuple[dict[str, Any] | None, str]:
    """Return the row of one stem, or what is wrong with it."""
    for kind in kinds:
        found = files.get(kind, [])
        if len(found) != 1:
            return None, f"no {kind} file" if not found else f"{len(found)} {kind} files of one stem"
    row: dict[str, Any] = {}
    try:
        for path in files.get("metadata", [])[:1]:
            described = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(described, dict):
                return None, f"{path.name} holds no JSON object"
            row |= described
        for kind in kinds:
            (path,) = files[kind]
            if kind != "text":
                row[kind] = path.relative_to(folder).as_posix()
            elif path.stat().st_size > _CAPTION_BYTES:
                return None, f"{path.name} is no caption: more than {_CAPTION_BYTES} bytes"
            else:
                row[kind] = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        return None, f"{path.name} is no UTF-8"
    except (OSError, ValueError) as error:
        return None, f"{path.name}: {str(error).splitlines()[0]}"
    return row, ""


def read_saved_dataset(folder: Path) -> Table:
    """Read a dataset that Hugging Face ``datasets`` saved to disk; of a dictionary of splits, all of them.

    Pictures and sounds stay encoded and are not loaded until a row asks for them.
    """
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f"{folder.name!r} is a saved dataset, which needs datasets; pip install 'mmaudit[datasets]'"
        ) from error
    try:
        found = datasets.load_from_disk(str(folder))
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"cannot read the dataset {folder.name!r}: {why}") from error
    parts = found if isinstance(found, datasets.DatasetDict) else {None: found}
    columns: dict[str, list[Any]] = {}
    places: list[str] = []
    for split, part in parts.items():
        before = len(places)
        places += [f"{split} row {i + 1}" if split else f"row {i + 1}" for i in range(len(part))]
        for name, feature in part.features.items():
            encoded = part
            if isinstance(feature, (datasets.Image, datasets.Audio)):
                encoded = part.cast_column(name, type(feature)(decode=False))
                cells: Sequence[Any] = _Lazy(encoded, name)
            else:
                cells = encoded.with_format(None)[name]
            columns.setdefault(name, [None] * before).extend(cells)
        for column in columns.values():
            column += [None] * (len(places) - len(column))
        if split and "split" not in part.features:
            columns.setdefault("split", [None] * before)[before:] = [split] * len(part)
    return Table(dict(columns), places, [])


class _Lazy(Sequence[Any]):
    """One column of encoded files: each cell is a function that fetches it."""

    def __init__(self, dataset: Any, name: str) -> None:
        self._dataset, self._name = dataset.select_columns([name]), name

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return lambda: self._dataset[int(index)][self._name]
