"""Reading a bundle with distrust: nothing is extracted, and no schema or digest inside is believed."""

import dataclasses
import hashlib
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmaudit.errors import BundleError
from mmaudit.evidence.archive import Archive, pack
from mmaudit.evidence.arrays import check_npy, check_safetensors
from mmaudit.evidence.canonical import MAX_JSON_BYTES, loads
from mmaudit.evidence.consistency import contradictions
from mmaudit.evidence.manifest import MANIFEST, build, evidence_digest
from mmaudit.evidence.paths import PARTIAL
from mmaudit.evidence.reports import verdict_counts
from mmaudit.evidence.schema import DOCUMENTS, LOG, violation
from mmaudit.evidence.sources import Directory, Source, whole

__all__ = ["Verification", "inspect", "verify"]

_MAX_PROMPTS = 10_000
_MAX_PROBLEMS = 20


@dataclasses.dataclass(frozen=True)
class Verification:
    """The verifier's answer. ``status`` 0: intact and consistent; 1: not, and ``problems`` says why.

    ``digest`` (evidence) and ``archive_sha256`` (every byte of the zip) are ``None`` where the bundle is too
    broken to have one; ``summary`` counts the outcomes by verdict. Intact says nothing about who wrote it:
    whoever can rewrite a bundle can rewrite its digests, so compare them with a copy kept elsewhere.
    """

    status: int
    problems: list[str]
    digest: str | None = None
    archive_sha256: str | None = None
    summary: dict[str, int] = dataclasses.field(default_factory=dict)


def verify(path: Path) -> Verification:
    """Verify the zip or the run directory at ``path``; memory stays bounded, whatever lies there.

    Raises :class:`BundleError` only if there is nothing to verify: no such path, unreadable, neither a file
    nor a folder. Everything that is wrong inside is a problem of the returned :class:`Verification`.
    """
    try:
        mode = path.stat().st_mode
        place = path.resolve()
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            raise OSError("neither a file nor a folder")
        if place.name.endswith(PARTIAL) or place.parent.name.endswith(PARTIAL):
            raise BundleError("this is the rest of a write that was never finished; remove it")
        if stat.S_ISDIR(mode):
            return _examine(Directory(path))
        with Archive(path) as archive:
            archive.check()
            return _examine(archive)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BundleError(f"cannot read {str(path)!r}: {reason}; give the zip or run directory") from error
    except BundleError as error:
        return Verification(1, [str(error)])


def _examine(source: Source) -> Verification:
    digest = hashlib.sha256()
    for piece in pack(source):
        digest.update(piece)
    return dataclasses.replace(inspect(source), archive_sha256=digest.hexdigest())


def inspect(source: Source) -> Verification:
    """Check the files of a bundle against the package's schemas, the manifest, and one another."""
    problems = [f"{path}: missing" for path in sorted(DOCUMENTS.keys() - source.sizes.keys())]
    documents: dict[str, Any] = {}
    faults = {path: _fault(source, path, documents) for path in source.sizes}
    problems += [f"{path}: {fault}" for path, fault in faults.items() if fault is not None]
    if MANIFEST not in documents:
        return Verification(1, problems[:_MAX_PROBLEMS])
    problems += _mismatches(documents[MANIFEST], build(source))
    summary = {}
    # Only documents of the right shape can be compared with one another.
    if not problems:
        problems += contradictions(documents)
        summary = verdict_counts(documents["outcomes.json"]["outcomes"])
    digest = evidence_digest(documents[MANIFEST])
    return Verification(1 if problems else 0, problems[:_MAX_PROBLEMS], digest, None, summary)


def _fault(source: Source, path: str, documents: dict[str, Any]) -> str | None:
    try:
        _check_file(source, path, documents)
    except BundleError as error:
        return str(error)
    return None


def _check_file(source: Source, path: str, documents: dict[str, Any]) -> None:
    """Check one file for itself; put its content into ``documents`` if it is valid JSON of its schema."""
    extension = path.rpartition(".")[2]
    if path == LOG:
        documents[path] = _log(whole(source, path, MAX_JSON_BYTES))
    elif path in DOCUMENTS:
        document = loads(whole(source, path, MAX_JSON_BYTES))
        fault = violation(path, document)
        if fault is not None:
            raise BundleError(f"breaks its schema at {fault}")
        documents[path] = document
    elif extension in ("json", "jsonl"):
        raise BundleError("no schema is known for it; a bundle holds no other JSON than its documents")
    elif extension == "npy":
        check_npy(source, path)
    elif extension == "safetensors":
        check_safetensors(source, path)


def _log(data: bytes) -> list[Any]:
    lines = data.split(b"\n")
    if lines.pop() != b"" or len(lines) > _MAX_PROMPTS:
        raise BundleError(f"not up to {_MAX_PROMPTS} lines, each ended by a line feed")
    rows = []
    for number, line in enumerate(lines, 1):
        row = loads(line)
        fault = violation(LOG, row)
        if fault is not None:
            raise BundleError(f"line {number} breaks its schema at {fault}")
        rows.append(row)
    return rows


def _mismatches(stored: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    """Compare the manifest found with the one the files call for, in both directions."""
    listed = {row["path"]: row for row in stored["files"] + stored["volatile"]}
    present = {row["path"]: row for row in actual["files"] + actual["volatile"]}
    problems = [f"{path}: in the manifest but missing" for path in sorted(listed.keys() - present.keys())]
    problems += [f"{path}: not in the manifest" for path in sorted(present.keys() - listed.keys())]
    for path in sorted(listed.keys() & present.keys()):
        if listed[path]["sha256"] != present[path]["sha256"]:
            problems.append(f"{path}: its SHA-256 is not the one in the manifest")
        elif listed[path] != present[path]:
            problems.append(f"{path}: its size, media type or schema is not the one in the manifest")
    if not problems and stored != actual:
        problems.append(f"{MANIFEST}: not the manifest of these files (order, section or settings digest)")
    return problems
