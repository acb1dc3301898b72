"""A comparison in a bundle is optional, and held to its own numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmaudit.evidence import dumps, verify

Files = dict[str, bytes]


def comparison(**changes: Any) -> dict[str, Any]:
    """Return a comparison of one figure that got worse; ``changes`` of the figure's row come by name."""
    measured = {
        "name": "recall_at_1",
        "value": -0.2,
        "low": -0.25,
        "high": -0.15,
        "confidence": 0.95,
        "n": 20,
        "method": "paired by item",
        "interval": "student",
        "unit": "share",
        "direction": "higher is better",
        "se": 0.02,
        "df": 19,
        "null": 0,
        "notes": [],
    }
    row = {
        "check": "recall_at_1",
        "before": 0.8,
        "now": 0.6,
        "change": measured,
        "tolerance": 0,
        "p_value": 1e-6,
        "p_adjusted": 1e-6,
        "regression": True,
    }
    own = {key: changes.pop(key) for key in tuple(changes) if key in row}
    whole = {
        "baseline": "old",
        "baseline_digest": "c" * 64,
        "subject": "new",
        "alpha": 0.05,
        "pairs": 20,
        "regressed": True,
        "changes": [row | own],
        "turned": [],
        "moved": [],
        "not_compared": [],
        "notes": [],
    }
    return whole | changes


def problems(
    document: dict[str, Any], files: Files, rehash: Callable[[Files], Files], as_zip: Callable[[Files], Path]
) -> list[str]:
    return verify(as_zip(rehash(files | {"comparison.json": dumps(document)}))).problems


def test_a_bundle_may_hold_a_comparison(
    files: Files, rehash: Callable[[Files], Files], as_zip: Callable[[Files], Path]
) -> None:
    assert problems(comparison(), files, rehash, as_zip) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"regression": False}, "against its p-value"),
        ({"p_adjusted": 0.2}, "against its p-value"),
        ({"regressed": False}, "its conclusion is not that of its rows"),
        ({"regressed": True, "regression": False, "p_adjusted": 0.5}, "its conclusion is not that"),
        ({"alpha": 0.5}, "its alpha is not that of settings.json"),
        ({"p_adjusted": None, "regression": False}, "a p-value without sampling error"),
        ({"pairs": -1}, "breaks its schema"),
        ({"extra": 1}, "breaks its schema"),
    ],
)
def test_a_comparison_that_contradicts_itself_does_not_verify(
    changes: dict[str, Any],
    fault: str,
    files: Files,
    rehash: Callable[[Files], Files],
    as_zip: Callable[[Files], Path],
) -> None:
    found = problems(comparison(**changes), files, rehash, as_zip)
    assert any(line.startswith("comparison.json: ") and fault in line for line in found)
