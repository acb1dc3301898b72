"""What a bundle says: its documents and arrays, read without extracting anything."""

import contextlib
import dataclasses
import hashlib
import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmaudit.errors import BundleError
from mmaudit.evidence.archive import Archive
from mmaudit.evidence.canonical import MAX_JSON_BYTES, loads
from mmaudit.evidence.manifest import MANIFEST, evidence_digest
from mmaudit.evidence.schema import LOG, schema_of, violation
from mmaudit.evidence.sources import MAX_TOTAL, Directory, Source, whole
from mmaudit.evidence.verify import verify

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Contents", "read"]


@dataclasses.dataclass(frozen=True, eq=False)
class Contents:
    """What was read. ``problems`` are the verifier's: where there is one, nothing here can be relied on.

    ``documents`` holds parsed JSON by path, the prompts log left out; ``arrays`` the arrays asked for that
    the bundle has. ``digest`` and ``archive_sha256`` are those of :class:`mmaudit.evidence.Verification`.
    """

    path: Path
    problems: tuple[str, ...]
    digest: str | None
    archive_sha256: str | None
    documents: Mapping[str, Any]
    arrays: Mapping[str, "npt.NDArray[Any]"]


def read(path: Path, arrays: Collection[str] = ()) -> Contents:
    """Verify the zip or run directory at ``path`` and read its documents and the named ``.npy`` files.

    Where it does not verify, the documents are those that still follow their schema, and no array is read.
    Raises :class:`BundleError` if nothing is there, or if the file is no archive at all.
    """
    found = verify(path)
    intact = not found.problems
    opened = contextlib.nullcontext(Directory(path)) if path.is_dir() else Archive(path)
    with opened as source:
        files = {name: data for name in source.sizes if (data := _bytes(source, name, arrays)) is not None}
    if intact:
        _check_unchanged(files, found.digest)
    documents = {}
    for name in files.keys() - set(arrays):
        with contextlib.nullcontext() if intact else contextlib.suppress(BundleError):
            document = loads(files[name])
            if intact or violation(name, document) is None:
                documents[name] = document
    return Contents(
        path=path,
        problems=tuple(found.problems),
        digest=found.digest,
        archive_sha256=found.archive_sha256,
        documents=documents,
        arrays={name: _array(files[name]) for name in arrays if name in files} if intact else {},
    )


def _bytes(source: Source, name: str, arrays: Collection[str]) -> bytes | None:
    if name in arrays:
        return whole(source, name, MAX_TOTAL)
    is_document = schema_of(name) is not None and name != LOG and source.sizes[name] <= MAX_JSON_BYTES
    return whole(source, name, MAX_JSON_BYTES) if is_document else None


def _check_unchanged(files: Mapping[str, bytes], digest: str | None) -> None:
    """Raise unless these are the bytes that were verified: the file was opened once more to read them."""
    manifest = loads(files[MANIFEST])
    listed = {row["path"]: row["sha256"] for row in manifest["files"] + manifest["volatile"]}
    same = all(
        hashlib.sha256(data).hexdigest() == listed.get(n) for n, data in files.items() if n != MANIFEST
    )
    if evidence_digest(manifest) != digest or not same:
        raise BundleError("the bundle changed while it was read; try again")


def _array(data: bytes) -> "npt.NDArray[Any]":
    import numpy as np

    array: npt.NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return array
