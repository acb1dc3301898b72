"""The canonical zip: for one set of files there is exactly one archive, byte for byte.

Stored without compression, names sorted, time 1980-01-01, mode 0644, no extra field, comment, data descriptor
or zip64 record (PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16). A reader that packs again what it
read and compares therefore shuts out every trick that lives in the freedoms of the format.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmaudit.errors import BundleError
from mmaudit.evidence.sources import MAX_FILES, MAX_TOTAL, Source, blocks, check_sizes

__all__ = ["Archive", "pack"]

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20
_UNIX = 3
_DATE = 1 << 5 | 1  # MS-DOS date: years since 1980 | month | day
_MODE = 0o100644 << 16


def pack(source: Source) -> Iterator[bytes]:
    """Yield the canonical zip of ``source`` in pieces of at most a MiB."""
    checksums = []
    for name, size in source.sizes.items():
        crc = 0
        for block in blocks(source, name, 0, size):
            crc = zlib.crc32(block, crc)
        checksums.append(crc)
        yield _local(name, size, crc)
        yield from blocks(source, name, 0, size)
    yield _directory(source.sizes, checksums)


def _local(name: str, size: int, crc: int) -> bytes:
    """Return what stands before a file: APPNOTE section 4.3.7."""
    label = name.encode("ascii")
    return _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, 0, _DATE, crc, size, size, len(label), 0) + label


def _directory(sizes: Mapping[str, int], checksums: list[int]) -> bytes:
    """Return what stands behind all files: APPNOTE sections 4.3.12 and 4.3.16."""
    rows = []
    offset = 0
    made_by = _UNIX << 8 | _VERSION
    for (name, size), crc in zip(sizes.items(), checksums, strict=True):
        label = name.encode("ascii")
        fixed = (b"PK\1\2", made_by, _VERSION, 0, 0, 0, _DATE, crc, size, size, len(label), 0, 0, 0, 0)
        rows.append(_CENTRAL.pack(*fixed, _MODE, offset) + label)
        offset += _LOCAL.size + len(label) + size
    directory = b"".join(rows)
    return directory + _END.pack(b"PK\5\6", 0, 0, len(rows), len(rows), len(directory), offset, 0)


class Archive:
    """A canonical zip opened for reading; nothing is ever extracted.

    Only names and sizes are taken from the central directory; where each file lies follows from them, because
    the form is canonical. Raises :class:`BundleError` on every archive :func:`pack` would not have written
    (all but the contents are compared by :meth:`check`).
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self.sizes: Mapping[str, int] = self._names()
        except BaseException:
            self._file.close()
            raise
        self._starts: dict[str, int] = {}
        offset = 0
        for name, size in self.sizes.items():
            self._starts[name] = offset + _LOCAL.size + len(name)
            offset = self._starts[name] + size

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _names(self) -> Mapping[str, int]:
        total = self._file.seek(0, 2)
        if not _END.size <= total <= MAX_TOTAL + MAX_FILES * 1024:
            raise BundleError(f"{total} bytes are no bundle")
        mark, _, _, _, count, length, offset, _ = _END.unpack(self._bytes(total - _END.size, total))
        if mark != b"PK\5\6" or offset + length + _END.size != total or length > MAX_FILES * 256:
            raise BundleError("not a canonical zip: it does not end with its directory")
        directory = self._bytes(offset, offset + length)
        sizes: dict[str, int] = {}
        at = 0
        while at + _CENTRAL.size <= length:
            fields = _CENTRAL.unpack_from(directory, at)
            size, width = fields[9], fields[10]
            label = directory[at + _CENTRAL.size : at + _CENTRAL.size + width]
            name = label.decode("ascii", errors="backslashreplace")
            if name in sizes:
                raise BundleError(f"the archive names {name[:120]!r} twice")
            sizes[name] = size
            at += _CENTRAL.size + width
        if at != length or len(sizes) != count:
            raise BundleError("not a canonical zip: its directory is malformed")
        expected = sum(_LOCAL.size + len(name) + size for name, size in sizes.items())
        if expected != offset:
            raise BundleError("not a canonical zip: bytes before, between or behind its files")
        return check_sizes(sizes)

    def _bytes(self, start: int, stop: int) -> bytes:
        self._file.seek(start)
        data = self._file.read(stop - start)
        if len(data) != stop - start:
            raise BundleError("the archive changed while it was read")
        return data

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Return the bytes ``start:stop`` of ``name``."""
        return self._bytes(self._starts[name] + start, self._starts[name] + stop)

    def check(self) -> str:
        """Return the SHA-256 (hex) of the archive; raises :class:`BundleError` unless :func:`pack` made it.

        Each byte is read once: what :func:`pack` would write around the contents is compared, and they
        themselves are what they are.
        """
        digest = hashlib.sha256()
        checksums = []
        at = 0
        for name, size in self.sizes.items():
            found = self._bytes(at, self._starts[name])
            digest.update(found)
            crc = 0
            for block in blocks(self, name, 0, size):
                crc = zlib.crc32(block, crc)
                digest.update(block)
            if found != _local(name, size, crc):
                raise BundleError(f"not a canonical zip: it differs from its re-packed form near byte {at}")
            checksums.append(crc)
            at = self._starts[name] + size
        directory = _directory(self.sizes, checksums)
        if self._bytes(at, at + len(directory)) != directory:
            raise BundleError(f"not a canonical zip: it differs from its re-packed form behind byte {at}")
        digest.update(directory)
        return digest.hexdigest()
