"""How a table of pairs is to be read: ``[tool.mmaudit.data]`` as a record."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from mmaudit.errors import InputError
from mmaudit.settings import did_you_mean

__all__ = ["MAX_PIXELS", "USUAL", "Options"]

MAX_PIXELS = 50_000_000
"""Pixels of one picture: 150 MB when decoded. Larger ones are refused before they are."""

USUAL: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "image_path", "img", "picture", "jpg", "png", "filepath", "file_name", "filename"),
    "audio": ("audio", "audio_path", "wav", "flac", "mp3"),
    "text": ("text", "caption", "captions", "sentence", "txt", "title", "description"),
}
"""Column names by which a modality is found, the first that a table has; exactly two must be there."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """How the rows of a table become pairs.

    ``columns`` maps two modality names to their columns; empty: found by :data:`USUAL` names. A modality
    called ``image…`` or ``picture…`` holds files of pictures, one called ``audio…`` files of sound, any
    other one text. ``root`` is the folder below which all files lie (default: the table's own); a path that
    leads out of it is refused. ``group``, ``split`` and ``trusted`` name columns; by default the columns of
    these names. ``nuisance`` and ``factors`` are columns that say what items must not be matched by, and
    what they mean; every other column is metadata, but those listed under ``ignore``. ``tolerate`` is
    how many bad rows may be left out, ``max_pixels`` the largest picture.
    """

    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    root: str | None = None
    group: str | None = None
    split: str | None = None
    trusted: str | None = None
    nuisance: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    only: Mapping[str, str | Sequence[str]] = dataclasses.field(default_factory=dict)
    tolerate: int = 0
    max_pixels: int = MAX_PIXELS

    def modalities(self, held: Collection[str]) -> dict[str, str]:
        """Return the column of each of two modalities among those ``held``, or raise :class:`InputError`."""
        if self.columns:
            for column in self.columns.values():
                self._check("columns", column, held)
            return dict(self.columns)
        folded = {column.lower(): column for column in held}
        found = {
            modality: next(folded[name] for name in names if name in folded)
            for modality, names in USUAL.items()
            if any(name in folded for name in names)
        }
        if len(found) != 2:
            what = " and ".join(found.values()) or "none"
            raise InputError(
                f"the columns {', '.join(held) or '(none)'} name {what} for a modality, two are needed; say "
                "which in pyproject.toml: [tool.mmaudit.data] columns = {image = 'file', text = 'caption'}"
            )
        return found

    def role(self, name: str, held: Collection[str]) -> str | None:
        """Return the column that plays the role ``name`` (group, split or trusted), if there is one."""
        given: str | None = getattr(self, name)
        if given is not None:
            self._check(name, given, held)
            return given
        return name if name in held else None

    def listed(self, name: str, held: Collection[str]) -> tuple[str, ...]:
        """Return the columns listed under ``name`` (nuisance, factors or ignore)."""
        listed: tuple[str, ...] = tuple(getattr(self, name))
        for column in listed:
            self._check(name, column, held)
        return listed

    def required(self, held: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the values that a row may have in each column of ``only``."""
        for column in self.only:
            self._check("only", column, held)
        return {key: (to,) if isinstance(to, str) else tuple(to) for key, to in self.only.items()}

    def _check(self, what: str, column: str, held: Collection[str]) -> None:
        if column not in held:
            raise InputError(
                f"mmaudit setting 'data.{what}' names the column {column!r}, which the data lack; "
                f"{did_you_mean(column, held)}"
            )
