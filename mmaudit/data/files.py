"""Inputs that lie in files: opened when they are asked for, looked at once before."""

import dataclasses
import hashlib
import io
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Files", "Pictures", "Source", "locate", "look"]


@dataclasses.dataclass(frozen=True)
class Source:
    """Where one input's bytes are: at a ``path``, or given by ``read``. ``place`` is its row in words."""

    place: str
    path: Path | None = None
    read: Callable[[], bytes] | None = None
    name: str = ""

    def data(self) -> bytes:
        """Return the bytes."""
        if self.read is not None:
            return self.read()
        assert self.path is not None
        return self.path.read_bytes()


def locate(cell: Any, root: Path, place: str) -> Source | str:
    """Return the source that a cell names: a path, bytes, or a mapping with either; else what is wrong.

    Paths are taken from ``root`` and must stay below it: a table from elsewhere opens no other file.
    """
    name = ""
    if callable(cell):
        fetch = cell
        try:
            found = locate(fetch(), root, place)
        except Exception as error:  # whatever the store behind it raises
            return f"cannot be fetched: {(str(error).splitlines() or [type(error).__name__])[0]}"
        if isinstance(found, str) or found.path is not None:
            return found
        # The bytes are let go again; they are fetched anew when they are needed.
        return dataclasses.replace(found, read=lambda: bytes(fetch()["bytes"]))
    if isinstance(cell, dict):
        name = str(cell.get("path") or "")
        cell = cell.get("bytes") if cell.get("bytes") is not None else cell.get("path")
    if isinstance(cell, (bytes, bytearray)):
        content = bytes(cell)
        return Source(place, read=lambda: content, name=name) if content else "an empty file"
    if not isinstance(cell, str):
        return f"a {type(cell).__name__} where a file name is expected"
    if "\0" in cell:
        return "a file name with a zero byte"
    if "://" in cell:
        return f"{cell[:80]!r} is no file on this machine; download it first"
    path = Path(os.path.normpath(root / cell))
    if not path.is_relative_to(root):
        return f"{cell!r} leads out of the folder of the data; set [tool.mmaudit.data] root"
    try:
        if path.is_dir():
            return f"{cell!r} is a folder"
        if not path.exists():
            return f"no such file: {cell!r}"
    except OSError as error:
        return f"{cell[:80]!r}: {error.strerror or error}"
    return Source(place, path=path, name=path.relative_to(root).as_posix())


class Files(Sequence[Any]):
    """Inputs given as paths, which their encoder opens itself.

    ``content_sha256`` covers the bytes of all of them in their order, and no path.
    """

    def __init__(self, sources: Sequence[Source], digests: Sequence[str]) -> None:
        self.sources = tuple(sources)
        self.digests = tuple(digests)

    def __len__(self) -> int:
        """Return the number of inputs."""
        return len(self.sources)

    def __getitem__(self, index: Any) -> Any:
        """Return one input, or the list of those at a slice."""
        if isinstance(index, slice):
            return [self._open(source) for source in self.sources[index]]
        return self._open(self.sources[index])

    def take(self, rows: Sequence[int]) -> "Files":
        """Return the inputs at ``rows``, as unopened as these."""
        return type(self)([self.sources[row] for row in rows], [self.digests[row] for row in rows])

    def distinct(self) -> tuple["Files", npt.NDArray[np.int64]]:
        """Return the inputs that an encoder can tell apart, and the number (n,) of each input among these."""
        seen: dict[Any, int] = {}
        at = np.array([seen.setdefault(key, len(seen)) for key in self._keys()], dtype=np.int64)
        return self.take(np.unique(at, return_index=True)[1].tolist()), at

    def _keys(self) -> Iterable[Any]:
        """Return what each input is known by: to who is given paths, equal bytes elsewhere are another."""
        return (source.path or digest for source, digest in zip(self.sources, self.digests, strict=True))

    def _open(self, source: Source) -> Any:
        return source.data() if source.path is None else str(source.path)

    @property
    def content_sha256(self) -> str:
        """SHA-256 over the digests of all files."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()


class Pictures(Files):
    """Pictures that are decoded on access, as Pillow images of mode RGB.

    Access raises :class:`InputError` where a file has changed since it was looked at and is no picture now.
    """

    def _keys(self) -> Iterable[Any]:
        return self.digests

    def _open(self, source: Source) -> "Image":
        try:
            return _decoded(source.data())
        except Exception as error:  # Pillow's decoders raise whatever their format provokes.
            raise InputError(f"{source.place}: {_why(error)}") from error


def look(
    sources: Sequence[Source], *, pictures: bool, max_pixels: int, threads: int = 2
) -> list[tuple[str, str]]:
    """Read every source once and return (SHA-256, what is wrong or ``""``) of each.

    Pictures are decoded to the end, since a file cut short shows only there; none above ``max_pixels`` is.
    """

    def one(source: Source) -> tuple[str, str]:
        try:
            data = source.data()
            if not data:
                return "", "an empty file"
            if pictures:
                _decoded(data, max_pixels, fully=False)
        except Exception as error:  # see Pictures
            return "", _why(error)
        return hashlib.sha256(data).hexdigest(), ""

    with warnings.catch_warnings():
        # Pillow warns of what it would decode all the same: large pictures, odd metadata.
        warnings.simplefilter("ignore")
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(one, sources))


def _decoded(data: bytes, max_pixels: int | None = None, *, fully: bool = True) -> "Image":
    from PIL import Image

    image: Image.Image = Image.open(io.BytesIO(data))
    width, height = image.size
    if max_pixels is not None and width * height > max_pixels:
        raise InputError(f"{width} × {height} pixels are more than max_pixels = {max_pixels}")
    if not fully:
        # A JPEG is read to its end at an eighth of its size in a fraction of the time.
        image.draft("RGB", (max(1, width // 8), max(1, height // 8)))
    return image.convert("RGB")


def _why(error: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return "more pixels than Pillow decodes"
    if isinstance(error, UnidentifiedImageError):
        return "no picture that Pillow can read"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"undecodable picture: {(str(error).splitlines() or [type(error).__name__])[0]}"
