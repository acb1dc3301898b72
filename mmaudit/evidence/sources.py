"""Where the verifier reads from: memory or a run directory (the zip is in :mod:`.archive`)."""

import hashlib
import itertools
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from mmaudit.errors import BundleError
from mmaudit.evidence.paths import MAX_LEVELS, check_paths

__all__ = [
    "MAX_FILES",
    "MAX_TOTAL",
    "Directory",
    "Memory",
    "Source",
    "blocks",
    "check_sizes",
    "sha256",
    "whole",
]

MAX_FILES = 4096
MAX_TOTAL = 2 * 2**30
_BLOCK = 2**20


class Source(Protocol):
    """A set of named files that can be read in pieces, so that memory stays bounded."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes by path, sorted by path; every path has passed :func:`check_paths`."""

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Return exactly the bytes ``start:stop`` of ``name``; raises :class:`BundleError` if it cannot."""


def check_sizes(sizes: Mapping[str, int]) -> dict[str, int]:
    """Return ``sizes`` sorted; raises :class:`BundleError` on a bad path, too many or too large files."""
    if len(sizes) > MAX_FILES:
        raise BundleError(f"{len(sizes)} files are over the limit of {MAX_FILES}")
    if sum(sizes.values()) > MAX_TOTAL:
        raise BundleError(
            f"{sum(sizes.values())} bytes are over the limit of {MAX_TOTAL}; store fewer arrays"
        )
    check_paths(sorted(sizes))
    return dict(sorted(sizes.items()))


class Memory:
    """Files held as bytes; ``sizes`` and ``read`` as in :class:`Source`."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)
        self.sizes: Mapping[str, int] = check_sizes({name: len(data) for name, data in files.items()})

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Return the bytes ``start:stop`` of ``name``."""
        return self._files[name][start:stop]


class Directory:
    """The files below a folder; links, devices, pipes and empty folders are refused, never opened."""

    def __init__(self, root: Path) -> None:
        self._root = root
        sizes: dict[str, int] = {}
        folders = [""]
        # The list grows while it is walked, and every turn adds to one of the two counts that end it.
        for folder in folders:
            with os.scandir(root / folder) as listing:
                entries = list(itertools.islice(listing, MAX_FILES + 1))
            if len(folders) + len(sizes) + len(entries) > MAX_FILES or folder.count("/") > MAX_LEVELS:
                raise BundleError("more files or folders than a bundle has; this is no run directory")
            if folder and not entries:
                raise BundleError(f"{folder!r} is an empty folder; a bundle holds plain files only")
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    folders.append(f"{folder}{entry.name}/")
                elif stat.S_ISREG(status.st_mode):
                    sizes[folder + entry.name] = status.st_size
                else:
                    raise BundleError(f"{folder + entry.name!r} is no plain file; links do not belong here")
        self.sizes: Mapping[str, int] = check_sizes(sizes)

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Return the bytes ``start:stop`` of ``name``."""
        with open(os.open(self._root / name, _OPEN), "rb") as file:
            file.seek(start)
            data = file.read(stop - start)
        if len(data) != stop - start:
            raise BundleError(f"{name!r} changed while it was read")
        return data


_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def blocks(source: Source, name: str, start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes ``start:stop`` of ``name``, a MiB at a time."""
    for at in range(start, stop, _BLOCK):
        yield source.read(name, at, min(at + _BLOCK, stop))


def whole(source: Source, name: str, limit: int) -> bytes:
    """Return all of ``name``; raises :class:`BundleError` if it is larger than ``limit`` bytes."""
    size = source.sizes[name]
    if size > limit:
        raise BundleError(f"{size} bytes are over the limit of {limit} for this kind of file")
    return source.read(name, 0, size)


def sha256(source: Source, name: str) -> str:
    """Return the SHA-256 of ``name`` in hexadecimal."""
    digest = hashlib.sha256()
    for block in blocks(source, name, 0, source.sizes[name]):
        digest.update(block)
    return digest.hexdigest()
