"""The index of a bundle, and the two digests: of the evidence, and of the archive."""

import hashlib
from typing import Any

from mmaudit.evidence.canonical import dumps
from mmaudit.evidence.paths import media_type
from mmaudit.evidence.schema import schema_of
from mmaudit.evidence.sources import Source, sha256

__all__ = ["ATTESTATIONS", "MANIFEST", "VERSION", "VOLATILE", "build", "evidence_digest"]

MANIFEST = "manifest.json"
VERSION = 1
VOLATILE = frozenset({"run.json"})
"""Files that differ between two runs of equal evidence."""
ATTESTATIONS = frozenset({"attestations/bundle.intoto.json", "attestations/test-result.intoto.json"})
"""Signed statements about the manifest, which cannot list them; the verifier derives them instead."""


def build(source: Source) -> dict[str, Any]:
    """Return the manifest of ``source``: every file but itself and the statements about it, sorted by path.

    A row has ``path``, ``sha256``, ``bytes``, ``media_type`` and ``schema`` (``None`` for what is no JSON).
    The rows of :data:`VOLATILE` stand apart under ``volatile``. ``settings_sha256`` repeats the digest of
    ``settings.json``, so that two bundles can be compared for equal conditions at a glance.
    """
    rows = [
        {
            "path": path,
            "sha256": sha256(source, path),
            "bytes": size,
            "media_type": media_type(path),
            "schema": schema_of(path),
        }
        for path, size in source.sizes.items()
        if path != MANIFEST and path not in ATTESTATIONS
    ]
    settings = next((row["sha256"] for row in rows if row["path"] == "settings.json"), None)
    return {
        "format": "mmaudit-bundle",
        "version": VERSION,
        "settings_sha256": settings,
        "files": [row for row in rows if row["path"] not in VOLATILE],
        "volatile": [row for row in rows if row["path"] in VOLATILE],
        "verification_status": "Not verified",
    }


def evidence_digest(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of the canonical manifest without its ``volatile`` rows, in hexadecimal.

    It covers every byte of every file but ``run.json`` and the attestations: equal evidence has equal
    digests, whenever and with however many workers it was gathered, and whoever signed it. The archive's own
    SHA-256 covers these as well.
    """
    return hashlib.sha256(dumps({k: v for k, v in manifest.items() if k != "volatile"})).hexdigest()
