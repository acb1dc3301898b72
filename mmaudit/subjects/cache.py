"""Embeddings kept from run to run, so that an interrupted encoding goes on where it stopped.

What is kept is found by digests alone: of the subject's fingerprint (weights, code, settings, libraries), of
the modality and of the contents of a batch. A name is no part of it. The audit's check ``consistency``
encodes items anew and never reads from here: embeddings that the subject no longer gives are rejected.
"""

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError

__all__ = ["EmbeddingCache", "item_sha256"]

Rows = npt.NDArray[Any]

_DIGEST = 32


def item_sha256(item: Any) -> bytes | None:
    """Return the SHA-256 of one input by its content, ``None`` where that cannot be seen.

    Seen are arrays, texts, bytes, numbers, Pillow images, and mappings and lists of these. Of a path, or a
    text that is one, the file behind it counts as well.
    """
    h = hashlib.sha256(type(item).__name__.encode() + b"|")
    if isinstance(item, (np.ndarray, np.generic)):
        if item.dtype.hasobject:
            return None
        h.update(f"{item.dtype}{item.shape}".encode())
        h.update(np.ascontiguousarray(item).tobytes())
    elif isinstance(item, (str, bytes, int, float, Path)):
        h.update(item if isinstance(item, bytes) else str(item).encode("utf-8", "surrogatepass"))
        if isinstance(item, (str, Path)) and _is_file(item):
            h.update(hashlib.sha256(Path(item).read_bytes()).digest())
    elif hasattr(item, "tobytes") and hasattr(item, "getbands"):
        h.update(f"{item.mode}{item.size}".encode() + item.tobytes())
    elif isinstance(item, (dict, list, tuple)):
        parts = item.items() if isinstance(item, dict) else enumerate(item)
        for key, value in parts:
            digest = item_sha256(value)
            if digest is None:
                return None
            h.update(f"{key!r}".encode() + digest)
    else:
        return None
    return h.digest()


def _is_file(name: str | Path) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


class EmbeddingCache:
    """A folder of encoded batches, each with the digest of its own bytes.

    A file that is broken, or whose rows are not as many as were asked for, is computed again. Where one
    cannot be written, no more are: an audit does not fail for it, and ``state`` says so. Raises
    :class:`InputError` where the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found = self._computed = self._broken = self._unseen = 0
        self._full = ""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot keep embeddings in {folder.name!r}: {_why(error)}") from error

    def rows(
        self, fingerprint: str | None, modality: str, batch: Sequence[Any], compute: Callable[[], Rows]
    ) -> Rows:
        """Return the embeddings of ``batch``: those kept, else those of ``compute``, which are kept then.

        Without a fingerprint, or with an input whose content cannot be seen, nothing is kept.
        """
        digests = [] if fingerprint is None or self._full else [item_sha256(item) for item in batch]
        if not digests or None in digests:
            self._unseen += 1
            return compute()
        h = hashlib.sha256(f"{fingerprint}|{len(modality)}|{modality}|".encode())
        for digest in digests:
            h.update(digest or b"")
        path = self._folder / h.hexdigest()[:2] / f"{h.hexdigest()}.rows"
        kept = self._read(path, len(batch))
        if kept is not None:
            self._found += 1
            return kept
        rows = compute()
        self._computed += 1
        self._write(path, rows)
        return rows

    def _read(self, path: Path, count: int) -> Rows | None:
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, payload = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(payload).digest() == digest:
            rows: Rows = np.lib.format.read_array(io.BytesIO(payload), allow_pickle=False)
            if len(rows) == count:
                return rows
        self._broken += 1
        return None

    def _write(self, path: Path, rows: Rows) -> None:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, rows, allow_pickle=False)
        payload = buffer.getvalue()
        part = None
        try:
            path.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
                part = Path(file.name)
                file.write(hashlib.sha256(payload).digest() + payload)
            os.replace(part, path)
        except OSError as error:
            if part is not None:
                part.unlink(missing_ok=True)
            self._full = _why(error)

    @property
    def state(self) -> str:
        """What came of it, in one line."""
        said = f"{self._found} batches read, {self._computed} computed"
        if self._broken:
            said += f" ({self._broken} broken ones anew)"
        if self._full:
            said += f"; no more are kept: {self._full}"
        elif self._unseen:
            said += f", {self._unseen} not kept: the subject's weights or the inputs cannot be digested"
        return said


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
