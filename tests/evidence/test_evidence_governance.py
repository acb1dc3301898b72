import dataclasses
import importlib.metadata
import json
import re
from collections.abc import Callable
from pathlib import Path

from mmaudit.evidence import RunEvidence, crosswalk, documents, dumps, environment, governance, verify
from mmaudit.evidence.crosswalk import ROWS
from mmaudit.evidence.governance import STATEMENTS
from mmaudit.evidence.manifest import ATTESTATIONS, MANIFEST
from mmaudit.evidence.schema import schema_of, violation
from mmaudit.settings import GOVERNANCE

Files = dict[str, bytes]


def test_the_settings_and_the_document_know_the_same_statements() -> None:
    assert GOVERNANCE == STATEMENTS
    schema = json.loads(
        (Path(governance.__code__.co_filename).parent / "schemas/governance.json").read_bytes()
    )
    assert tuple(schema["properties"]["statements"]["properties"]) == STATEMENTS


def test_what_nobody_stated_is_said(evidence: RunEvidence) -> None:
    stated = {"intended_use": "search in a picture archive", "residual_risks": ("hubs", "drift")}
    found = json.loads(documents(dataclasses.replace(evidence, governance=stated))["governance.json"])
    assert found["statements"]["residual_risks"] == ["hubs", "drift"]
    assert found["statements"]["licence"] == "not stated"
    assert set(found["not_stated"]) == set(STATEMENTS) - stated.keys()
    assert found["verification_status"] == "Not verified"
    assert violation("governance.json", found) is None
    assert governance({})["not_stated"] == list(STATEMENTS)


def test_a_gap_in_the_statements_cannot_be_hidden(
    files: Files, as_zip: Callable[[Files], Path], rehash: Callable[[Files], Files]
) -> None:
    document = json.loads(files["governance.json"])
    document["not_stated"] = []
    found = verify(as_zip(rehash(files | {"governance.json": dumps(document)})))
    assert found.problems == ["governance.json: its list of what is not stated is not that of its statements"]
    document["statements"]["approved_by"] = "the board"
    found = verify(as_zip(rehash(files | {"governance.json": dumps(document)})))
    assert "governance.json: breaks its schema" in found.problems[0]


def test_the_crosswalk_points_at_files_that_every_bundle_has(files: Files) -> None:
    named = {path for row in ROWS for path in row.files}
    assert named - ATTESTATIONS <= files.keys()
    # What is in no row, a reader who comes from a framework would not find.
    documents_of_a_bundle = {path for path in files if schema_of(path) is not None}
    assert documents_of_a_bundle - named <= {"logs/prompts.jsonl"}
    assert MANIFEST in named
    assert files["crosswalk.md"] == crosswalk().encode()


def test_the_crosswalk_claims_nothing_and_cites_in_one_form() -> None:
    assert "no compliance is claimed" in crosswalk()
    for row in ROWS:
        assert re.fullmatch(r"—|[1-9](\([a-h]\))?(, [1-9](\([a-h]\))?)*", row.ai_act), row.subject
        assert re.fullmatch(r"—|(GOVERN|MAP|MEASURE|MANAGE) [0-9.]+(, [A-Z]+ [0-9.]+)*", row.nist), (
            row.subject
        )
        assert re.fullmatch(r"—|(A\.)?[0-9.]+(, (A\.)?[0-9.]+)*", row.iso), row.subject


def test_the_page_in_the_documentation_has_the_same_rows() -> None:
    page = (Path(__file__).parents[2] / "docs" / "crosswalk.md").read_text(encoding="utf-8")
    for line in crosswalk().splitlines():
        if line.startswith("|"):
            assert line in page


def test_third_party_components_are_those_required_here_and_by_them() -> None:
    packages = environment()["packages"]
    required = importlib.metadata.requires("mmaudit") or []
    direct = {re.split(r"[^A-Za-z0-9._-]", row)[0] for row in required if "extra" not in row}
    installed = {d.name.lower().replace("_", "-") for d in importlib.metadata.distributions()}
    assert {name for name in direct if name in installed} <= packages.keys()
    # attrs is required by jsonschema alone, ruff by no release of any of them.
    assert "attrs" in packages
    assert "ruff" not in packages
    assert packages["numpy"]["version"] == importlib.metadata.version("numpy")
    # An SPDX expression, a classifier, free text: the three ways in which licences are declared.
    assert packages["pytest"]["licence"] == "MIT"
    assert packages["safetensors"]["licence"] == "Apache Software License"
    assert all(row["licence"] is None or "\n" not in row["licence"] for row in packages.values())
