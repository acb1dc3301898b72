"""From the facts of an audit to the files of its bundle."""

import dataclasses
from collections.abc import Mapping

from mmaudit.errors import BundleError
from mmaudit.evidence.canonical import dumps
from mmaudit.evidence.crosswalk import crosswalk
from mmaudit.evidence.findings import by_condition
from mmaudit.evidence.governance import governance
from mmaudit.evidence.junit import junit
from mmaudit.evidence.prompts import prompt_rows
from mmaudit.evidence.records import RunEvidence, by_check
from mmaudit.evidence.reports import reports
from mmaudit.evidence.risks import risk_log
from mmaudit.evidence.schema import LOG

__all__ = ["documents"]


def documents(
    evidence: RunEvidence, extra: Mapping[str, bytes] | None = None, *, prompt_key: bytes = b""
) -> dict[str, bytes]:
    """Return every file of the bundle but ``run.json``, the manifest and the attestations, as bytes by path.

    ``extra`` files (``plots/*.svg``, ``data/*.npy``, ``weights/*.safetensors``, ``report.html``) are passed
    through. Outcomes, certifications and tests are sorted first, so equal evidence gives equal bytes in
    whatever order it arrived. ``prompt_key`` is the private key of :func:`.prompt_rows`. Raises
    :class:`BundleError` on what JSON cannot hold and on an extra file that would replace a document.
    """
    evidence = dataclasses.replace(
        evidence,
        outcomes=by_check(evidence.outcomes),
        certifications=by_check(evidence.certifications),
        tests=sorted(evidence.tests, key=lambda row: str(row["nodeid"])),
        findings=by_condition(evidence.findings),
    )
    parts = {
        "settings.json": evidence.settings,
        "environment.json": evidence.environment,
        "governance.json": governance(evidence.governance),
        "dataset.json": evidence.dataset,
        "subject.json": evidence.subject,
        "outcomes.json": {"outcomes": evidence.outcomes, "certifications": evidence.certifications},
        "pytest.json": {"tests": evidence.tests, "counts": evidence.counts},
        "risk_log.json": risk_log(evidence),
        **reports(evidence),
    }
    files = {path: _named(path, document) for path, document in parts.items()}
    rows = prompt_rows(evidence.prompts, prompt_key)
    files[LOG] = b"".join(dumps(row) + b"\n" for row in rows)
    files["junit.xml"] = junit(evidence)
    files["crosswalk.md"] = crosswalk().encode()
    for path, data in (extra or {}).items():
        if path in files:
            raise BundleError(f"the extra file {path!r} would replace a document; name it otherwise")
        files[path] = data
    return files


def _named(path: str, document: object) -> bytes:
    try:
        return dumps(document)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
