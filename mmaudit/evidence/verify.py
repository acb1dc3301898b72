"""Reading a bundle with distrust: nothing is extracted, and no schema, digest or key inside is believed."""

import dataclasses
import hashlib
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmaudit.errors import BundleError
from mmaudit.evidence.archive import Archive, pack
from mmaudit.evidence.arrays import check_npy, check_safetensors
from mmaudit.evidence.canonical import MAX_JSON_BYTES, dumps, loads
from mmaudit.evidence.consistency import contradictions
from mmaudit.evidence.dsse import Envelope, unseal
from mmaudit.evidence.keys import PublicKey
from mmaudit.evidence.manifest import ATTESTATIONS, MANIFEST, build, evidence_digest
from mmaudit.evidence.paths import PARTIAL
from mmaudit.evidence.reports import verdict_counts
from mmaudit.evidence.schema import DOCUMENTS, LOG, schema_of, violation
from mmaudit.evidence.sources import Directory, Source, whole
from mmaudit.evidence.statements import statements

__all__ = ["Verification", "inspect", "verify"]

_MAX_PROMPTS = 10_000
_MAX_PROBLEMS = 20


@dataclasses.dataclass(frozen=True)
class Verification:
    """The verifier's answer.

    ``problems`` say what is wrong, one line each. ``digest`` (evidence) and ``archive_sha256`` (every byte of
    the zip) are ``None`` where the bundle is too broken to have one; ``summary`` counts the outcomes by
    verdict. ``key_id`` is the key that the bundle *claims* to be signed by, ``None`` if it is not signed.
    ``authenticated`` says by what the bundle is known to be the one that was written: ``"signature"``,
    ``"digest"``, or ``None``. Intact alone says nothing about who wrote it: whoever can rewrite a bundle can
    rewrite its digests.
    """

    problems: list[str]
    digest: str | None = None
    archive_sha256: str | None = None
    summary: dict[str, int] = dataclasses.field(default_factory=dict)
    key_id: str | None = None
    authenticated: str | None = None

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong with it, whoever wrote it."""
        return not self.problems

    @property
    def status(self) -> int:
        """The exit status: 0 verified, 1 tampered or invalid, 3 intact but unauthenticated."""
        if self.problems:
            return 1
        return 3 if self.authenticated is None else 0


def verify(path: Path, *, key: PublicKey | None = None, expected: str | None = None) -> Verification:
    """Verify the zip or the run directory at ``path``; memory stays bounded, whatever lies there.

    With ``key``, both attestations of the bundle must be signed by it. ``expected`` (hex) must be the
    evidence digest, which leaves ``run.json`` open, or the archive's SHA-256, which covers every byte.

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
            return _examine(Directory(path), key, expected)
        with Archive(path) as archive:
            return _examine(archive, key, expected)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BundleError(f"cannot read {str(path)!r}: {reason}; give the zip or run directory") from error
    except BundleError as error:
        return Verification([str(error)])


def _examine(source: Archive | Directory, key: PublicKey | None, expected: str | None) -> Verification:
    if isinstance(source, Archive):
        sha256 = source.check()
    else:
        digest = hashlib.sha256()
        for piece in pack(source):
            digest.update(piece)
        sha256 = digest.hexdigest()
    found = dataclasses.replace(inspect(source), archive_sha256=sha256)
    problems = list(found.problems)
    if key is not None:
        problems += _unsigned(source, key)
    if expected is not None and expected not in (found.digest, sha256):
        problems.append(f"neither digest is the expected {expected}")
    by = "signature" if key is not None else "digest" if expected is not None else None
    return dataclasses.replace(
        found, problems=problems[:_MAX_PROBLEMS], authenticated=None if problems else by
    )


def _unsigned(source: Source, key: PublicKey) -> list[str]:
    """Return how the attestations fall short of being signed by ``key``."""
    present = sorted(ATTESTATIONS & source.sizes.keys())
    if not present:
        return ["the bundle is not signed; verify it without a key, or ask for the signed one"]
    faults = {path: _envelope_fault(source, path, key) for path in present}
    return [f"{path}: {fault}" for path, fault in faults.items() if fault is not None]


def _envelope_fault(source: Source, path: str, key: PublicKey) -> str | None:
    try:
        return _envelope(source, path).fault_under(key)
    except BundleError:
        return None  # inspect() has said what is wrong with it


def inspect(source: Source) -> Verification:
    """Check the files of a bundle against the package's schemas, the manifest, and one another.

    Attestations, if any, must be the statements that follow from the bundle; signatures are not checked.
    """
    problems = [f"{path}: missing" for path in sorted(DOCUMENTS.keys() - source.sizes.keys())]
    documents: dict[str, Any] = {}
    envelopes: dict[str, Envelope] = {}
    faults = {path: _fault(source, path, documents, envelopes) for path in source.sizes}
    problems += [f"{path}: {fault}" for path, fault in faults.items() if fault is not None]
    if MANIFEST not in documents:
        return Verification(problems[:_MAX_PROBLEMS])
    problems += _mismatches(documents[MANIFEST], build(source))
    summary = {}
    # Only documents of the right shape can be compared with one another.
    if not problems:
        problems += contradictions(documents)
        problems += _misstatements(documents, envelopes)
        summary = verdict_counts(documents["outcomes.json"]["outcomes"])
    return Verification(
        problems[:_MAX_PROBLEMS],
        evidence_digest(documents[MANIFEST]),
        summary=summary,
        key_id=next((envelope.key_id for envelope in envelopes.values()), None),
    )


def _misstatements(documents: Mapping[str, Any], envelopes: Mapping[str, Envelope]) -> list[str]:
    """Compare the attestations found with the ones that follow from the bundle; all or none are there."""
    if not envelopes:
        return []
    expected = statements(documents)
    problems = [
        f"{path}: missing beside the other attestation" for path in expected.keys() - envelopes.keys()
    ]
    for path, envelope in envelopes.items():
        if envelope.payload != dumps(expected[path]):
            problems.append(f"{path}: it is not the statement that follows from this bundle")
    if len({envelope.key_id for envelope in envelopes.values()}) > 1:
        problems.append("the attestations name different keys")
    return problems


def _envelope(source: Source, path: str) -> Envelope:
    return unseal(whole(source, path, MAX_JSON_BYTES))


def _fault(
    source: Source, path: str, documents: dict[str, Any], envelopes: dict[str, Envelope]
) -> str | None:
    """Return what is wrong with one file for itself; keep what was read of a sound one."""
    try:
        if path in ATTESTATIONS:
            envelopes[path] = _envelope(source, path)
        else:
            _check_file(source, path, documents)
    except BundleError as error:
        return str(error)
    return None


def _check_file(source: Source, path: str, documents: dict[str, Any]) -> None:
    """Check one file; put its content into ``documents`` if it is valid JSON of its schema."""
    extension = path.rpartition(".")[2]
    if path == LOG:
        documents[path] = _log(whole(source, path, MAX_JSON_BYTES))
    elif schema_of(path) is not None:
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
