"""JSON Schemas (2020-12) of every document. They come from this package, never from a bundle."""

import functools
import json
from typing import Any

__all__ = ["DOCUMENTS", "LOG", "OPTIONAL", "schema_of", "violation"]

LOG = "logs/prompts.jsonl"

DOCUMENTS = {
    "dataset.json": "dataset",
    "environment.json": "environment",
    "governance.json": "governance",
    LOG: "prompt",
    "manifest.json": "manifest",
    "outcomes.json": "outcomes",
    "pytest.json": "pytest",
    "reports/baseline.json": "report",
    "reports/collapse.json": "report",
    "reports/corruption.json": "report",
    "reports/dominance.json": "report",
    "reports/shortcut.json": "report",
    "reports/stress.json": "report",
    "reports/summary.json": "summary",
    "risk_log.json": "risks",
    "run.json": "run",
    "settings.json": "settings",
    "subject.json": "subject",
}
"""Schema by path of the documents that are in every bundle."""

OPTIONAL = {
    "comparison.json": "comparison",
    **{f"counterexamples/{number}.json": "counterexample" for number in (1, 2, 3)},
}
"""Schema by path of the documents that only some audits have. No other JSON is in a bundle."""

_KINDS = DOCUMENTS | OPTIONAL


def schema_of(path: str) -> str | None:
    """Return the identifier of the schema that the file at ``path`` follows, ``None`` if it has none."""
    return f"urn:mmaudit:{_KINDS[path]}:1" if path in _KINDS else None


def violation(path: str, document: Any) -> str | None:
    """Return the first way in which ``document`` breaks the schema of ``path``, on one line, or ``None``."""
    error = next(_validator(_KINDS[path]).iter_errors(document), None)
    if error is None:
        return None
    return f"{error.json_path[:80]}: {' '.join(error.message.split())[:160]}"


@functools.cache
def _registry() -> Any:
    from importlib.resources import files

    from referencing import Registry, Resource

    folder = files("mmaudit.evidence") / "schemas"
    schemas = [
        json.loads(entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".json")
    ]
    return Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in schemas)


@functools.cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    registry = _registry()
    return Draft202012Validator(registry.contents(f"urn:mmaudit:{name}:1"), registry=registry)
