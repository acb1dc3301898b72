"""Signed statements: in-toto statements in DSSE envelopes (secure-systems-lab/dsse, protocol 1.0.0).

DSSE leaves freedoms that a canonical bundle does not need, so the reader takes one form only: canonical JSON,
standard base64, one signature, and the key id of the key that made it.
"""

import base64
import binascii
import dataclasses
import re

from mmaudit.errors import BundleError
from mmaudit.evidence.canonical import dumps, loads
from mmaudit.evidence.keys import PrivateKey, PublicKey
from mmaudit.evidence.records import Record

__all__ = ["PAYLOAD_TYPE", "Envelope", "pae", "seal", "unseal"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"

_KEY_ID = re.compile("[0-9a-f]{64}")
_SIGNATURE_BYTES = 64


@dataclasses.dataclass(frozen=True)
class Envelope:
    """One opened envelope. ``key_id`` is a claim until :meth:`fault_under` has found none."""

    payload: bytes
    key_id: str
    signature: bytes

    def fault_under(self, key: PublicKey) -> str | None:
        """Return why this is not signed by ``key``, or ``None`` if it is."""
        if self.key_id != key.key_id:
            return f"names the key {self.key_id[:16]}…, not the given {key.key_id[:16]}…"
        if not key.verifies(pae(self.payload), self.signature):
            return "its signature was not made by the given key over this statement"
        return None


def pae(payload: bytes) -> bytes:
    """Return the bytes that are signed: the pre-authentication encoding of ``payload`` and its type."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def seal(statement: Record, key: PrivateKey) -> bytes:
    """Return ``statement`` as canonical JSON in a canonical envelope signed by ``key``."""
    payload = dumps(statement)
    signature = {"keyid": key.public.key_id, "sig": _encode(key.sign(pae(payload)))}
    return dumps({"payload": _encode(payload), "payloadType": PAYLOAD_TYPE, "signatures": [signature]})


def unseal(data: bytes) -> Envelope:
    """Read an envelope; its signature is not checked. Raises :class:`BundleError` on any other form."""
    document = loads(data)
    if not isinstance(document, dict) or document.keys() != {"payload", "payloadType", "signatures"}:
        raise BundleError("no DSSE envelope: its fields are not payload, payloadType and signatures")
    if document["payloadType"] != PAYLOAD_TYPE:
        raise BundleError(f"its payload type is not {PAYLOAD_TYPE!r}")
    signatures = document["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise BundleError("it does not have exactly one signature")
    row = signatures[0]
    if not isinstance(row, dict) or row.keys() != {"keyid", "sig"}:
        raise BundleError("the fields of its signature are not keyid and sig")
    key_id, signature = row["keyid"], _decode(row["sig"])
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise BundleError("its key id is no SHA-256")
    if len(signature) != _SIGNATURE_BYTES:
        raise BundleError("its signature is not of Ed25519")
    return Envelope(_decode(document["payload"]), key_id, signature)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: object) -> bytes:
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        data = b""
    # Spare bits behind the last byte let several texts mean the same bytes.
    if not data or _encode(data) != text:
        raise BundleError("it holds what is not standard base64")
    return data
