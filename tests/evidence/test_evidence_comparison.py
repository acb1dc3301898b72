"""A comparison in a bundle is optional, and held to its own numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmaudit.evidence import dumps, verify

Files = dict[str, bytes]


def problems(
    document: dict[str, Any], files: Files, rehash: Callable[[Files], Files], as_zip: Callable[[Files], Path]
) -> list[str]:
    return verify(as_zip(rehash(files | {"comparison.json": dumps(document)}))).problems


def test_a_bundle_may_hold_a_comparison(
    make_comparison: Callable[..., dict[str, Any]],
    files: Files,
    rehash: Callable[[Files], Files],
    as_zip: Callable[[Files], Path],
) -> None:
    assert problems(make_comparison(), files, rehash, as_zip) == []


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
    make_comparison: Callable[..., dict[str, Any]],
    files: Files,
    rehash: Callable[[Files], Files],
    as_zip: Callable[[Files], Path],
) -> None:
    found = problems(make_comparison(**changes), files, rehash, as_zip)
    assert any(line.startswith("comparison.json: ") and fault in line for line in found)
