"""Writing a bundle: whole or not at all, and never over another one."""

import dataclasses
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from mmaudit.errors import BundleError
from mmaudit.evidence.archive import pack
from mmaudit.evidence.canonical import dumps, loads
from mmaudit.evidence.dsse import seal
from mmaudit.evidence.keys import PrivateKey
from mmaudit.evidence.manifest import ATTESTATIONS, MANIFEST, build, evidence_digest
from mmaudit.evidence.paths import PARTIAL, check_run_id
from mmaudit.evidence.records import RunInfo
from mmaudit.evidence.schema import DOCUMENTS, LOG, OPTIONAL
from mmaudit.evidence.sources import Memory, Source
from mmaudit.evidence.statements import statements
from mmaudit.evidence.verify import inspect

__all__ = ["Bundle", "write"]


@dataclasses.dataclass(frozen=True)
class Bundle:
    """Where a bundle lies and what identifies it.

    ``digest`` covers every file but ``run.json`` and the attestations and is equal for equal evidence;
    ``archive_sha256`` covers every byte of the zip, these included.
    """

    directory: Path
    archive: Path
    digest: str
    archive_sha256: str


def write(out: Path, files: Mapping[str, bytes], run: RunInfo, *, key: PrivateKey | None = None) -> Bundle:
    """Write ``<out>/<run_id>/`` and ``<out>/mmaudit-<run_id>.zip`` from ``files`` (bytes by path).

    ``run.json`` and ``manifest.json`` are added here, and with a ``key`` the two attestations, signed by it;
    without one there are none. The files pass the same inspection as in
    :func:`mmaudit.evidence.verify`, are written into a hidden sibling folder, flushed to the disk, and appear
    under their names by renaming: first the directory, which also claims the run id, then the archive. A run
    killed before the first rename leaves only the hidden folder, which never verifies.

    Raises :class:`BundleError` if the files are no valid bundle, the run id is taken or unusable, or the disk
    refuses; whatever was begun is removed then.
    """
    check_run_id(run.run_id)
    taken = ({MANIFEST, "run.json"} | ATTESTATIONS) & files.keys()
    if taken:
        raise BundleError(f"{sorted(taken)[0]!r} is written by the bundle itself; name the file otherwise")
    contents = dict(files) | {"run.json": dumps(run.record())}
    manifest = build(Memory(contents))
    contents[MANIFEST] = dumps(manifest)
    problems = inspect(Memory(contents)).problems
    if problems:
        raise BundleError(f"these files are no valid bundle: {problems[0]}")
    if key is not None:
        known = (DOCUMENTS | OPTIONAL).keys() & contents.keys() - {LOG}
        documents = {path: loads(contents[path]) for path in known}
        contents |= {path: seal(found, key) for path, found in statements(documents).items()}
    source = Memory(contents)

    directory, archive = out / run.run_id, out / f"mmaudit-{run.run_id}.zip"
    for path in (directory, archive):
        if os.path.lexists(path):
            raise _taken(path)
    partial = None
    try:
        out.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{run.run_id}-", suffix=PARTIAL, dir=out))
        sha256 = _fill(partial, source)
        _publish(partial, directory, archive)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BundleError(
            f"cannot write the bundle into {str(out)!r}: {reason}; make room there or choose another folder"
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return Bundle(directory, archive, evidence_digest(manifest), sha256)


def _fill(partial: Path, source: Source) -> str:
    """Write the run directory and the archive below ``partial``; return the archive's SHA-256."""
    root = partial / "run"
    folders = {root}
    for name, size in source.sizes.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        folders |= {path.parent, *(p for p in path.parent.parents if root in p.parents)}
        _store(path, [source.read(name, 0, size)])
    digest = _store(partial / "archive", pack(source))
    for folder in folders | {partial}:
        _flush(folder)
    return digest


def _store(path: Path, pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _publish(partial: Path, directory: Path, archive: Path) -> None:
    """Give both parts their names; a second writer of the same run id fails at the first of them."""
    try:
        os.rename(partial / "run", directory)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise _taken(directory) from error
        raise
    try:
        os.rename(partial / "archive", archive)
    except OSError:
        os.rename(directory, partial / "run")
        raise
    _flush(directory.parent)


def _flush(folder: Path) -> None:
    # A rename survives a power cut only once its folder is flushed; Windows cannot open folders and need not.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _taken(path: Path) -> BundleError:
    return BundleError(f"{str(path)!r} already exists and evidence is never overwritten; use another folder")
