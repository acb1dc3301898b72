from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from mmaudit.evidence import loads
from mmaudit.evidence.schema import DOCUMENTS, OPTIONAL, schema_of, violation
from mmaudit.gates.outcome import Control, Limit, Outcome, Verdict
from mmaudit.measurement import Measurement

SCHEMAS = {
    entry.name: loads(entry.read_bytes(), canonical=False)
    for entry in (files("mmaudit.evidence") / "schemas").iterdir()
}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_schema_is_valid_and_closed(name: str) -> None:
    from jsonschema import Draft202012Validator

    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:mmaudit:{name.removesuffix('.json')}:1"
    assert all(
        node.get("additionalProperties") is False for node in nodes(schema) if node.get("type") == "object"
    )


def test_there_is_a_schema_for_each_document_and_no_other() -> None:
    assert {f"{kind}.json" for kind in (DOCUMENTS | OPTIONAL).values()} | {"common.json"} == SCHEMAS.keys()
    assert schema_of("run.json") == "urn:mmaudit:run:1"
    assert schema_of("plots/x.svg") is None


def test_what_a_gate_records_follows_the_schema() -> None:
    measurement = Measurement(
        name="gap",
        value=0.02,
        low=-0.01,
        high=0.05,
        confidence=0.95,
        n=400,
        method="paired",
        interval="student",
        unit="r@1",
        direction="closer to zero is better",
    )
    full = Outcome(
        check="gap",
        failure="dominance",
        question="Symmetric?",
        verdict=Verdict.ACCEPT,
        measurement=measurement,
        limit=Limit(low=-0.1, high=0.1, kind="field", rationale="harm"),
        p_value=1.0,
        control=Control(damage="noise", severity=0.5, value=None, harm=None),
        access=("embeddings",),
    )
    bare = Outcome(check="x", failure="x", question="", verdict=None, measurement=None, limit=None)
    rows = [full.record(), bare.record()]
    assert violation("outcomes.json", {"outcomes": rows, "certifications": rows}) is None
