"""What is signed: in-toto statements (v1) about a bundle, about the audited model, and by a reviewer.

The first two follow from the bundle alone. The verifier therefore derives them again and compares bytes; a
statement that was moved from another bundle, edited or signed over by hand cannot be the one derived.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from mmaudit.evidence.canonical import dumps
from mmaudit.evidence.manifest import ATTESTATIONS, MANIFEST, evidence_digest
from mmaudit.evidence.records import Record
from mmaudit.evidence.reports import NOT_VERIFIED

__all__ = ["PROPERTY", "REVIEW", "review_statement", "statements"]

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
REVIEW = "https://in-toto.io/attestation/svr/v0.1"
BUNDLE = "urn:mmaudit:bundle:1"
PROPERTY = "MMAUDIT_BUNDLE_INTACT"
"""The one property every review vouches for: the reviewer's own verifier found the bundle intact."""

_CONFIGURATION = ("settings.json", "dataset.json", "environment.json")
_BASELINE = "comparison with the baseline"
_SHA256 = re.compile("[0-9a-f]{64}")


def statements(documents: Mapping[str, Any]) -> dict[str, Record]:
    """Return what is stated about the bundle of ``documents`` (parsed, by path), by path of the envelope."""
    bundle, result = sorted(ATTESTATIONS)
    return {bundle: _bundle(documents), result: _result(documents)}


def _bundle(documents: Mapping[str, Any]) -> Record:
    """The whole bundle, through its manifest; ``finished`` is the date that the signature vouches for."""
    manifest = documents[MANIFEST]
    return {
        "_type": STATEMENT,
        "subject": [_resource(MANIFEST, hashlib.sha256(dumps(manifest)).hexdigest())],
        "predicateType": BUNDLE,
        "predicate": {
            "evidence_sha256": evidence_digest(manifest),
            "finished": documents["run.json"]["finished"],
            "verification_status": NOT_VERIFIED,
        },
    }


def _result(documents: Mapping[str, Any]) -> Record:
    """The audited model and how it fared: by its weights, or where they cannot be seen by its identity.

    ``FAILED``: a gate rejected, a null encoder was not caught, the run is worse than its baseline, or a test
    failed, broke or never ran.
    ``WARNED``: else, if a gate is inconclusive or none accepted. What was not evidenced is in no list.
    """
    manifest, subject = documents[MANIFEST], documents["subject.json"]
    digests = {row["path"]: row["sha256"] for row in manifest["files"]}
    weights = subject.get("weights_sha256")
    seen = isinstance(weights, str) and _SHA256.fullmatch(weights) is not None
    model = _resource(str(subject.get("name", "subject")), weights if seen else digests["subject.json"])
    model["annotations"] = {
        "identified_by": "its weights" if seen else "subject.json, because its weights cannot be seen",
        # One audit's result must not stand for another's, even of the same model with equal verdicts.
        "evidence_sha256": evidence_digest(manifest),
    }
    outcomes = documents["outcomes.json"]["outcomes"]
    certifications = documents["outcomes.json"]["certifications"]
    passed, warned, failed = (_named(outcomes, v) for v in ("ACCEPT", "INCONCLUSIVE", "REJECT"))
    failed += sorted(row["check"] for row in certifications if row["verdict"] != "ACCEPT")
    counts = documents["pytest.json"]["counts"]
    if documents.get("comparison.json", {}).get("regressed", False):
        failed.append(_BASELINE)
    if failed or any(counts[key] for key in ("failed", "errors", "not_run")):
        result = "FAILED"
    else:
        result = "PASSED" if passed and not warned else "WARNED"
    return {
        "_type": STATEMENT,
        "subject": [model],
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": result,
            "configuration": [_resource(path, digests[path]) for path in _CONFIGURATION],
            "passedTests": passed,
            "warnedTests": warned,
            "failedTests": failed,
        },
    }


def review_statement(
    *, name: str, archive_sha256: str, key_id: str, by: str, statement: str, time: str
) -> Record:
    """Return a reviewer's statement: an in-toto Simple Verification Result on the archive called ``name``.

    ``by`` and ``statement`` are in extension fields. The key identifies the reviewer, ``by`` is a claim.
    """
    return {
        "_type": STATEMENT,
        "subject": [_resource(name, archive_sha256)],
        "predicateType": REVIEW,
        "predicate": {
            "verifier": {"id": f"urn:mmaudit:key:{key_id}", "mmaudit_name": by},
            "timeCreated": time,
            "properties": [PROPERTY],
            "mmaudit_statement": statement,
        },
    }


def _named(outcomes: list[Record], verdict: str) -> list[str]:
    return sorted(row["check"] for row in outcomes if row["verdict"] == verdict)


def _resource(name: str, sha256: str) -> Record:
    return {"name": name, "digest": {"sha256": sha256}}
