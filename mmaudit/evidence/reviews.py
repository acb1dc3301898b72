"""A reviewer's signed statement beside a bundle. The bundle itself is never touched."""

import dataclasses
import hashlib
import os
import stat
from pathlib import Path

from mmaudit.errors import BundleError
from mmaudit.evidence.canonical import loads
from mmaudit.evidence.dsse import seal, unseal
from mmaudit.evidence.keys import PrivateKey, PublicKey
from mmaudit.evidence.runs import now, timestamp
from mmaudit.evidence.statements import review_statement
from mmaudit.evidence.verify import verify

__all__ = ["Review", "attest", "reviews"]

_MAX_NAME = 200
_MAX_STATEMENT = 10_000
_MAX_BYTES = 2**20
_MAX_FILES = 1000


@dataclasses.dataclass(frozen=True)
class Review:
    """One statement found beside a bundle. Where ``fault`` says why it does not count, the rest is empty."""

    path: Path
    fault: str | None = None
    by: str = ""
    statement: str = ""
    time: str = ""


def attest(path: Path, key: PrivateKey, *, by: str, statement: str) -> Path:
    """Sign ``statement`` by the reviewer ``by`` on the bundle at ``path``, beside it; return where it lies.

    The subject is the archive with every byte. Raises :class:`BundleError` if the bundle is not intact, a
    text is empty, too long or has control characters, or the file exists or cannot be written.
    """
    _check_text("the reviewer's name", by, _MAX_NAME)
    _check_text("the statement", statement, _MAX_STATEMENT)
    found = verify(path)
    if found.archive_sha256 is None or not found.intact:
        raise BundleError(f"the bundle is not intact, so nothing is signed: {found.problems[0]}")
    data = seal(
        review_statement(
            name=f"{_stem(path)}.zip",
            archive_sha256=found.archive_sha256,
            key_id=key.public.key_id,
            by=by,
            statement=statement,
            time=timestamp(now()),
        ),
        key,
    )
    mark = hashlib.sha256(data).hexdigest()[:12]
    target = path.resolve().parent / f"{_stem(path)}.review-{mark}.intoto.json"
    _store(target, data)
    return target


def reviews(path: Path, archive_sha256: str, key: PublicKey) -> list[Review]:
    """Return the statements beside the bundle at ``path``; those that do not count say why.

    ``archive_sha256`` is the one that :func:`mmaudit.evidence.verify` found; a statement on any other archive
    does not count. At most 1000 files are looked at, in the order of their names.
    """
    beside = sorted(path.resolve().parent.glob(f"{_stem(path)}.review-*.intoto.json"))
    return [_read(file, archive_sha256, key) for file in beside[:_MAX_FILES]]


def _read(path: Path, archive_sha256: str, key: PublicKey) -> Review:
    try:
        return _review(path, archive_sha256, key)
    except (BundleError, OSError) as error:
        return Review(path, fault=str(error))


def _review(path: Path, archive_sha256: str, key: PublicKey) -> Review:
    if not stat.S_ISREG(path.lstat().st_mode) or path.lstat().st_size > _MAX_BYTES:
        raise BundleError("no plain file of the size of a statement")
    envelope = unseal(path.read_bytes())
    fault = envelope.fault_under(key)
    if fault is not None:
        return Review(path, fault)
    # The key may have signed other things as well, with other tools, so the form is checked too.
    document = loads(envelope.payload)
    match document:
        case {
            "subject": [{"name": str(name), "digest": {"sha256": str(digest)}}],
            "predicate": {
                "verifier": {"mmaudit_name": str(by)},
                "timeCreated": str(time),
                "mmaudit_statement": str(statement),
            },
        } if document == review_statement(
            name=name, archive_sha256=digest, key_id=key.key_id, by=by, statement=statement, time=time
        ):
            if digest != archive_sha256:
                return Review(path, "it is about another bundle")
            return Review(path, None, by, statement, time)
    return Review(path, "it is signed, but no review")


def _stem(path: Path) -> str:
    """Return the name of the bundle's archive without its extension, from archive or directory."""
    place = path.resolve()
    return f"mmaudit-{place.name}" if place.is_dir() else place.name.removesuffix(".zip")


def _check_text(what: str, text: str, most: int) -> None:
    if not text.strip() or len(text) > most or not all(c.isprintable() or c == "\n" for c in text):
        raise BundleError(f"{what} must be 1 to {most} printable characters; shorten or reword it")


def _store(path: Path, data: bytes) -> None:
    try:
        with path.open("xb") as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                path.unlink()
                raise
    except FileExistsError as error:
        raise BundleError(f"{str(path)!r} says so already") from error
    except OSError as error:
        raise BundleError(f"cannot write the statement {str(path)!r}: {error.strerror or error}") from error
