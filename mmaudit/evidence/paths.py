"""Which names a file in a bundle may have: the same file on every platform, or none."""

import re
from collections.abc import Iterable

from mmaudit.errors import BundleError

__all__ = ["MAX_LEVELS", "MEDIA_TYPES", "PARTIAL", "check_paths", "check_run_id", "media_type"]

MAX_LEVELS = 8

MEDIA_TYPES = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "npy": "application/x-npy",
    "safetensors": "application/x-safetensors",
    "svg": "image/svg+xml",
    "xml": "application/xml",
}
"""Media type by file extension. What has no entry here does not belong into a bundle."""

PARTIAL = ".partial"
"""Suffix of the folder a bundle is written into; what lies there was never finished and never verifies."""

_SEGMENT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9_-])?\Z")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)


def media_type(path: str) -> str:
    """Return the media type of ``path``; raises :class:`BundleError` for an unknown extension."""
    extension = path.rpartition(".")[2]
    if extension not in MEDIA_TYPES:
        raise BundleError(f"{path!r} is of no known kind; a bundle holds .{', .'.join(sorted(MEDIA_TYPES))}")
    return MEDIA_TYPES[extension]


def check_paths(paths: Iterable[str]) -> None:
    """Raise :class:`BundleError` unless every path is relative, portable ASCII and unlike every other.

    Segments are letters, digits, ``_``, and inside also ``.`` and ``-``; at most 80 characters each, eight
    levels, no name that Windows reserves. Two paths that differ only in case are refused, and so is a file
    that another path uses as a folder.
    """
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        segments = path.split("/")
        if len(segments) > MAX_LEVELS or not all(
            _SEGMENT.match(s) and not _DEVICES.match(s) for s in segments
        ):
            raise BundleError(f"the path {path[:120]!r} is not relative portable ASCII; rename the file")
        media_type(path)
        folded = path.lower()
        if folded in seen:
            raise BundleError(f"the paths {seen[folded]!r} and {path!r} differ only in case or not at all")
        seen[folded] = path
        for i in range(1, len(segments)):
            folder = "/".join(segments[:i])
            if folders.setdefault(folder.lower(), folder) != folder:
                raise BundleError(
                    f"the folders {folders[folder.lower()]!r} and {folder!r} differ only in case"
                )
    for folded in seen.keys() & folders.keys():
        raise BundleError(f"{seen[folded]!r} is a file and a folder at once")


def check_run_id(run_id: str) -> None:
    """Raise :class:`BundleError` unless ``run_id`` can name a folder and a file on every platform."""
    if not _SEGMENT.match(run_id) or _DEVICES.match(run_id) or run_id.endswith(PARTIAL):
        raise BundleError(
            f"run id {run_id[:120]!r} cannot name a folder; use letters, digits, '.', '_' and '-', at most 80"
        )
