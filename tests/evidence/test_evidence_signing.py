import base64
import dataclasses
import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope as OracleEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from mmaudit.errors import BundleError
from mmaudit.evidence import (
    Bundle,
    PrivateKey,
    RunEvidence,
    RunInfo,
    documents,
    dumps,
    generate,
    load_private,
    load_public,
    verify,
    write,
)
from mmaudit.evidence.dsse import PAYLOAD_TYPE, pae, seal, unseal

Files = dict[str, bytes]
Pack = Callable[[Files], Path]
BUNDLE, RESULT = "attestations/bundle.intoto.json", "attestations/test-result.intoto.json"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pairs of keys, ``mine`` and ``other``."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "other"):
        generate(folder / name)
    return folder


@pytest.fixture(scope="module")
def mine(keys: Path) -> PrivateKey:
    return load_private(keys / "mine")


@pytest.fixture(scope="module")
def other(keys: Path) -> PrivateKey:
    return load_private(keys / "other")


@pytest.fixture(scope="module")
def signed(
    evidence: RunEvidence,
    extra: Files,
    run_info: RunInfo,
    mine: PrivateKey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Bundle:
    return write(tmp_path_factory.mktemp("out"), documents(evidence, extra), run_info, key=mine)


@pytest.fixture(scope="module")
def parts(signed: Bundle) -> Files:
    root = signed.directory
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def statement(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(data)["payload"]))
    return found


def test_a_signed_bundle_is_verified_by_its_key_alone(signed: Bundle, mine: PrivateKey) -> None:
    for path in (signed.archive, signed.directory):
        found = verify(path, key=mine.public)
        assert (found.status, found.problems, found.authenticated) == (0, [], "signature")
        assert found.archive_sha256 == signed.archive_sha256
        unchecked = verify(path)
        assert (unchecked.status, unchecked.authenticated) == (3, None)
        assert unchecked.key_id == mine.public.key_id


def test_who_signs_leaves_no_trace_in_the_evidence_digest(signed: Bundle, bundle: Bundle) -> None:
    assert signed.digest == bundle.digest
    assert signed.archive_sha256 != bundle.archive_sha256
    assert (signed.directory / "manifest.json").read_bytes() == (
        bundle.directory / "manifest.json"
    ).read_bytes()


def test_without_a_key_there_is_no_statement_at_all(files: Files) -> None:
    assert not [name for name in files if name.startswith("attestations/")]


def test_a_signature_is_the_same_each_time(
    signed: Bundle,
    evidence: RunEvidence,
    extra: Files,
    run_info: RunInfo,
    mine: PrivateKey,
    tmp_path: Path,
) -> None:
    again = write(tmp_path, documents(evidence, extra), run_info, key=mine)
    assert again.archive_sha256 == signed.archive_sha256


def test_the_bundle_statement_names_the_manifest(parts: Files, signed: Bundle, run_info: RunInfo) -> None:
    found = statement(parts[BUNDLE])
    sha256 = hashlib.sha256(parts["manifest.json"]).hexdigest()
    assert found["subject"] == [{"name": "manifest.json", "digest": {"sha256": sha256}}]
    assert found["predicate"]["evidence_sha256"] == signed.digest
    assert found["predicate"]["finished"] == run_info.finished


def test_the_test_result_says_how_the_model_is_identified(
    parts: Files, evidence: RunEvidence, run_info: RunInfo, mine: PrivateKey, tmp_path: Path
) -> None:
    found = statement(parts[RESULT])
    assert found["predicate"]["result"] == "FAILED"
    assert found["predicate"]["failedTests"] == ["twin_accuracy"]
    assert found["predicate"]["warnedTests"] == ["matched_negative_drop"]
    assert found["predicate"]["passedTests"] == ["finite", "rank_share", "symmetry_gap"]
    (subject,) = found["subject"]
    assert subject["digest"]["sha256"] == hashlib.sha256(parts["subject.json"]).hexdigest()
    assert "cannot be seen" in subject["annotations"]["identified_by"]

    weights = "ab" * 32
    seen = dataclasses.replace(evidence, subject={"name": "m", "weights_sha256": weights})
    made = write(tmp_path, documents(seen), run_info, key=mine)
    (subject,) = statement((made.directory / RESULT).read_bytes())["subject"]
    assert subject["digest"] == {"sha256": weights}
    assert subject["annotations"]["identified_by"] == "its weights"


@pytest.mark.parametrize(
    ("verdicts", "caught", "counts", "result"),
    [
        (["ACCEPT", "NOT EVIDENCED", None], "ACCEPT", {}, "PASSED"),
        (["ACCEPT", "INCONCLUSIVE"], "ACCEPT", {}, "WARNED"),
        (["NOT EVIDENCED"], "ACCEPT", {}, "WARNED"),
        (["ACCEPT", "REJECT"], "ACCEPT", {}, "FAILED"),
        (["ACCEPT"], "REJECT", {}, "FAILED"),
        (["ACCEPT"], "ACCEPT", {"failed": 1}, "FAILED"),
        (["ACCEPT"], "ACCEPT", {"errors": 1}, "FAILED"),
        (["ACCEPT"], "ACCEPT", {"not_run": 1}, "FAILED"),
    ],
)
def test_only_a_whole_and_sound_audit_passes(
    verdicts: list[str | None],
    caught: str,
    counts: dict[str, int],
    result: str,
    evidence: RunEvidence,
    make_outcome: Callable[..., Any],
    run_info: RunInfo,
    mine: PrivateKey,
    tmp_path: Path,
) -> None:
    breach = {"value": 0.4, "low": 0.3, "high": 0.5, "p_adjusted": 1e-8}
    special: dict[str | None, dict[str, Any]] = {
        "REJECT": breach,
        "NOT EVIDENCED": {"measurement": None, "reason": "none seen"},
        None: {"limit": None},
    }
    rows = [make_outcome(f"c{i}", "x", v, **special.get(v, {})) for i, v in enumerate(verdicts)]
    null = make_outcome("null:zero", "certification", caught, measurement=None, limit=None, reason="so")
    full = dict.fromkeys(["passed", "failed", "skipped", "errors", "not_run"], 0) | counts
    changed = dataclasses.replace(
        evidence,
        outcomes=rows,
        certifications=[null],
        tests=[],
        counts=full | {"collected": sum(full.values())},
        diagnosis=None,
    )
    made = write(tmp_path, documents(changed), run_info, key=mine)
    assert statement((made.directory / RESULT).read_bytes())["predicate"]["result"] == result


@pytest.mark.parametrize(("regressed", "result"), [(True, "FAILED"), (False, "PASSED")])
def test_an_audit_that_is_worse_than_its_baseline_does_not_pass(
    regressed: bool,
    result: str,
    evidence: RunEvidence,
    make_outcome: Callable[..., Any],
    make_comparison: Callable[..., Any],
    run_info: RunInfo,
    mine: PrivateKey,
    tmp_path: Path,
) -> None:
    counts = dict.fromkeys(["passed", "failed", "skipped", "errors", "not_run", "collected"], 0)
    sound = dataclasses.replace(
        evidence,
        outcomes=[make_outcome("c", "x", "ACCEPT")],
        certifications=[],
        tests=[],
        counts=counts,
        diagnosis=None,
    )
    own = {} if regressed else {"p_value": 0.5, "p_adjusted": 0.5, "regression": False}
    held = make_comparison(**own, regressed=regressed)
    made = write(tmp_path, documents(sound, {"comparison.json": dumps(held)}), run_info, key=mine)
    found = statement((made.directory / RESULT).read_bytes())["predicate"]
    assert found["result"] == result
    assert ("comparison with the baseline" in found["failedTests"]) is regressed
    assert verify(made.archive, key=mine.public).status == 0


@pytest.mark.parametrize("path", [BUNDLE, RESULT])
def test_independent_tools_agree(path: str, parts: Files, keys: Path) -> None:
    pem = (keys / "mine.pub").read_bytes()
    public = serialization.load_pem_public_key(pem)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    key_id = hashlib.sha256(der).hexdigest()
    assert load_public(keys / "mine.pub").key_id == key_id

    envelope = OracleEnvelope.from_dict(json.loads(parts[path]))
    assert envelope.payload_type == PAYLOAD_TYPE
    assert envelope.pae() == pae(envelope.payload)
    assert list(envelope.verify([SSlibKey.from_crypto(public, keyid=key_id)], 1)) == [key_id]
    wrong = serialization.load_pem_public_key((keys / "other.pub").read_bytes())
    with pytest.raises(VerificationError):
        envelope.verify([SSlibKey.from_crypto(wrong, keyid=key_id)], 1)

    found = json_format.Parse(envelope.payload, Statement([], "", {}).pb)
    Statement.copy_from_pb(found).validate()
    if path == RESULT:
        predicate = json.dumps(statement(parts[path])["predicate"])
        parsed = json_format.Parse(predicate, test_result_pb2.TestResult())
        assert parsed.result == "FAILED"
        assert [row.name for row in parsed.configuration] == [
            "settings.json",
            "dataset.json",
            "environment.json",
        ]


def refused(path: Path, key: PrivateKey, why: str) -> None:
    found = verify(path, key=key.public)
    assert found.status == 1
    assert found.authenticated is None
    assert any(why in problem for problem in found.problems), found.problems
    assert all("\n" not in problem for problem in found.problems)


def resealed(data: bytes, change: Callable[[dict[str, Any]], None], key: PrivateKey) -> bytes:
    found = statement(data)
    change(found)
    return seal(found, key)


def edited(data: bytes, **fields: Any) -> bytes:
    return dumps(json.loads(data) | fields)


def test_no_signature_where_one_is_asked_for(
    bundle: Bundle, parts: Files, as_zip: Pack, mine: PrivateKey
) -> None:
    refused(bundle.archive, mine, "the bundle is not signed")
    stripped = {name: data for name, data in parts.items() if not name.startswith("attestations/")}
    refused(as_zip(stripped), mine, "the bundle is not signed")
    for path in (BUNDLE, RESULT):
        half = {name: data for name, data in parts.items() if name != path}
        refused(as_zip(half), mine, f"{path}: missing beside the other")
        assert verify(as_zip(half)).status == 1


def test_another_key_is_refused(signed: Bundle, other: PrivateKey) -> None:
    refused(signed.archive, other, "names the key")


def test_signatures_moved_from_another_bundle_are_refused(
    parts: Files, evidence: RunEvidence, run_info: RunInfo, mine: PrivateKey, as_zip: Pack, tmp_path: Path
) -> None:
    kinder = dataclasses.replace(evidence, deviations=[])
    later = dataclasses.replace(run_info, run_id="later")
    for source, run in ((kinder, dataclasses.replace(run_info, run_id="kinder")), (evidence, later)):
        donor = write(tmp_path, documents(source), run, key=mine)
        moved = {path: (donor.directory / path).read_bytes() for path in (BUNDLE, RESULT)}
        refused(as_zip(parts | moved), mine, "not the statement that follows from this bundle")
    swapped = parts | {BUNDLE: parts[RESULT], RESULT: parts[BUNDLE]}
    refused(as_zip(swapped), mine, f"{BUNDLE}: it is not the statement")


def test_evidence_edited_under_an_old_signature_is_refused(
    parts: Files, as_zip: Pack, rehash: Callable[[Files], Files], mine: PrivateKey
) -> None:
    kept = {path: parts[path] for path in (BUNDLE, RESULT)}
    plain = {name: data for name, data in parts.items() if name not in kept}
    changed = rehash(plain | {"report.html": b"<p>all is well"})
    refused(as_zip(changed | kept), mine, f"{BUNDLE}: it is not the statement")
    rerun = json.loads(parts["run.json"]) | {"exit_status": 0}
    refused(as_zip(rehash(plain | {"run.json": dumps(rerun)}) | kept), mine, f"{BUNDLE}: it is not")


def test_a_statement_on_another_digest_is_refused_even_when_well_signed(
    parts: Files, as_zip: Pack, mine: PrivateKey
) -> None:
    def redirect(found: dict[str, Any]) -> None:
        found["subject"][0]["digest"]["sha256"] = "0" * 64

    def promote(found: dict[str, Any]) -> None:
        found["predicate"]["result"] = "PASSED"

    def reviewed(found: dict[str, Any]) -> None:
        found["predicate"]["verification_status"] = "Verified"

    for path, change in ((BUNDLE, redirect), (RESULT, redirect), (RESULT, promote), (BUNDLE, reviewed)):
        forged = parts | {path: resealed(parts[path], change, mine)}
        refused(as_zip(forged), mine, f"{path}: it is not the statement")


def test_a_key_id_that_lies_is_refused(
    parts: Files, as_zip: Pack, mine: PrivateKey, other: PrivateKey
) -> None:
    theirs = {path: seal(statement(parts[path]), other) for path in (BUNDLE, RESULT)}
    refused(as_zip(parts | theirs), mine, "names the key")
    posing = {
        path: edited(data, signatures=[json.loads(data)["signatures"][0] | {"keyid": mine.public.key_id}])
        for path, data in theirs.items()
    }
    refused(as_zip(parts | posing), mine, "was not made by the given key")
    refused(as_zip(parts | posing), other, "names the key")
    mixed = parts | {RESULT: theirs[RESULT]}
    refused(as_zip(mixed), mine, "the attestations name different keys")


@pytest.mark.parametrize("path", [BUNDLE, RESULT])
def test_an_envelope_of_any_other_form_is_refused(
    path: str, parts: Files, as_zip: Pack, mine: PrivateKey, other: PrivateKey
) -> None:
    data = parts[path]
    document = json.loads(data)
    (row,) = document["signatures"]
    second = json.loads(seal(statement(data), other))["signatures"][0]
    spaced = base64.b64encode(json.dumps(statement(data), indent=1).encode()).decode()
    loose = document["payload"].rstrip("=") + "\n"
    flipped = base64.b64encode(bytes([base64.b64decode(row["sig"])[0] ^ 1]) + b"\0" * 63).decode()
    broken = {
        "extra signature": (edited(data, signatures=[row, second]), "exactly one signature"),
        "same signature twice": (edited(data, signatures=[row, row]), "exactly one signature"),
        "no signature": (edited(data, signatures=[]), "exactly one signature"),
        "signature is no list": (edited(data, signatures=row), "exactly one signature"),
        "payload type": (edited(data, payloadType="text/plain"), "payload type"),
        "no payload": (edited(data, payload=""), "standard base64"),
        "payload is no text": (edited(data, payload=7), "standard base64"),
        "loose base64": (edited(data, payload=loose), "standard base64"),
        "payload not canonical": (edited(data, payload=spaced), "it is not the statement"),
        "more fields": (edited(data, note="x"), "its fields are not"),
        "certificate": (edited(data, signatures=[row | {"cert": "x"}]), "fields of its signature"),
        "signature is text": (edited(data, signatures=["x"]), "fields of its signature"),
        "short signature": (edited(data, signatures=[row | {"sig": "AAAA"}]), "not of Ed25519"),
        "other signature": (edited(data, signatures=[row | {"sig": flipped}]), "was not made by"),
        "key id": (edited(data, signatures=[row | {"keyid": "me"}]), "key id is no SHA-256"),
        "key id is no text": (edited(data, signatures=[row | {"keyid": None}]), "key id is no SHA-256"),
        "not canonical": (json.dumps(document).encode(), "canonical form"),
        "not an object": (b"[]", "no DSSE envelope"),
        "empty": (b"", "not JSON"),
        "bare statement": (dumps(statement(data)), "its fields are not"),
    }
    for form, why in broken.values():
        refused(as_zip(parts | {path: form}), mine, why)


def test_other_files_beside_the_attestations_are_refused(
    parts: Files, as_zip: Pack, mine: PrivateKey
) -> None:
    more = "attestations/more.intoto.json"
    refused(as_zip(parts | {more: parts[BUNDLE]}), mine, f"{more}: no schema is known")


def test_attestations_are_not_written_by_hand(
    evidence: RunEvidence, run_info: RunInfo, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="written by the bundle itself"):
        write(tmp_path, documents(evidence) | {BUNDLE: b"{}"}, run_info)


def test_a_matching_digest_authenticates_and_any_other_refuses(signed: Bundle, mine: PrivateKey) -> None:
    for digest in (signed.digest, signed.archive_sha256):
        found = verify(signed.archive, expected=digest)
        assert (found.status, found.authenticated) == (0, "digest")
    assert verify(signed.archive, expected="0" * 64).status == 1
    assert verify(signed.archive, key=mine.public, expected="0" * 64).status == 1


def test_sealing_and_opening_are_inverse(mine: PrivateKey, other: PrivateKey) -> None:
    envelope = unseal(seal({"a": ["ü", 1]}, mine))
    assert envelope.payload == dumps({"a": ["ü", 1]})
    assert envelope.fault_under(mine.public) is None
    assert envelope.fault_under(other.public) is not None
    assert pae(b"ab") == b"DSSEv1 28 application/vnd.in-toto+json 2 ab"


def test_keys_are_private_and_never_overwritten(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        public, path = generate(tmp_path / "key")
    finally:
        os.umask(old)
    assert path == tmp_path / "key.pub"
    assert load_public(path) == public == load_private(tmp_path / "key").public
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    before = (tmp_path / "key").read_bytes()
    with pytest.raises(BundleError, match="no key is overwritten"):
        generate(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == before
    (tmp_path / "key").unlink()
    with pytest.raises(BundleError, match="no key is overwritten"):
        generate(tmp_path / "key")
    assert not (tmp_path / "key").exists()
    with pytest.raises(BundleError, match="cannot write the key"):
        generate(tmp_path / "none" / "key")


def test_a_secret_is_shown_nowhere(mine: PrivateKey) -> None:
    assert repr(mine) == f"PrivateKey(public={mine.public!r})"


def test_what_is_no_key_gets_one_line(tmp_path: Path, keys: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    private, pkcs8 = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    locked = serialization.BestAvailableEncryption(b"secret")
    secret = serialization.load_pem_private_key((keys / "mine").read_bytes(), None)
    material = {
        "curve": curve.private_bytes(pkcs8, private, serialization.NoEncryption()),
        "curve.pub": curve.public_key().public_bytes(pkcs8, serialization.PublicFormat.SubjectPublicKeyInfo),
        "locked": secret.private_bytes(pkcs8, private, locked),
        "noise": b"\0" * 100,
        "empty": b"",
    }
    for name, data in material.items():
        (tmp_path / name).write_bytes(data)
        for read in (load_private, load_public):
            with pytest.raises(BundleError) as caught:
                read(tmp_path / name)
            assert "\n" not in str(caught.value)
    with pytest.raises(BundleError, match="has a passphrase"):
        load_private(tmp_path / "locked")
    with pytest.raises(BundleError, match="no Ed25519 public key"):
        load_public(keys / "mine")
    with pytest.raises(BundleError, match="no Ed25519 private key"):
        load_private(keys / "mine.pub")
    with pytest.raises(BundleError, match="cannot read the key"):
        load_private(tmp_path)


WITHOUT = """
import sys
sys.modules["cryptography"] = None
from pathlib import Path
from mmaudit.errors import BundleError
from mmaudit.evidence import load_public, verify
print(verify(Path(sys.argv[1])).status)
try:
    load_public(Path(sys.argv[2]))
except BundleError as error:
    print(error)
"""


def test_without_the_extra_only_signatures_are_out_of_reach(signed: Bundle, keys: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, str(signed.archive), str(keys / "mine.pub")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "3\nsignatures need the extra: pip install 'mmaudit[sign]'\n"
