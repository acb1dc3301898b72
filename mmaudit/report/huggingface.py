"""The evaluation block of a Hugging Face model card: what was measured, as ``model-index`` metadata."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.gates.policy import by_failure
from mmaudit.report.words import allowed, plain, verdict_word

__all__ = ["MARK", "model_card"]

MARK = "# written by mmaudit"
"""How the block's second line begins; a file without it was written by someone else."""


def model_card(
    outcomes: Sequence[Outcome],
    *,
    model: str,
    dataset: str,
    modalities: Sequence[str],
    verdict: Verdict,
    digest: str,
) -> str:
    """Return the block with its two ``---``, to be put at the head of the model's README.md.

    Every measured outcome is one metric: its value, with interval, confidence, n and verdict as ``args``
    (numbers are stated, never rounded). ``verified`` is false, as no one but this program has looked.
    ``digest`` names the evidence bundle the values are from. Strings are double-quoted, so that no name of a
    model or data set can be read as anything but a string.
    """
    metrics = [
        {
            "type": outcome.check,
            "name": f"{outcome.check} ({verdict_word(outcome.verdict)}, {allowed(outcome.limit)})",
            "value": m.value,
            "args": {
                "low": m.low,
                "high": m.high,
                "confidence": m.confidence,
                "n": m.n,
                "verdict": verdict_word(outcome.verdict),
            },
            "verified": False,
        }
        for group in by_failure(outcomes).values()
        for outcome in group
        if (m := outcome.measurement) is not None and m.value is not None
    ]
    result = {
        "task": {
            "type": "feature-extraction",
            "name": f"Cross-modal retrieval ({' and '.join(modalities)})",
        },
        "dataset": {"type": _slug(dataset), "name": dataset},
        "metrics": metrics,
    }
    index = {"model-index": [{"name": model, "results": [result] if metrics else []}]}
    lines = ["---", f"{MARK}: {verdict.value}, evidence {plain(digest)}", *_yaml(index), "---"]
    return "\n".join(lines) + "\n"


def _slug(name: str) -> str:
    """Return ``name`` as an identifier, which the card's format asks for beside the name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "data"


def _yaml(tree: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield ``tree`` as block-style YAML whose every scalar is also JSON, which YAML reads alike."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _yaml(value, f"{indent}  ")
        elif isinstance(value, list) and value:
            yield f"{indent}{key}:"
            for entry in value:
                first, *rest = _yaml(entry, f"{indent}  ")
                yield f"{indent}- {first.lstrip()}"
                yield from rest
        else:
            yield f"{indent}{key}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        # YAML 1.1 takes a number with an exponent for a string unless it has a point and a signed exponent.
        text = repr(value)
        mantissa, e, exponent = text.partition("e")
        return text if not e else f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+03d}"
    return json.dumps(plain(value) if isinstance(value, str) else value, ensure_ascii=False)
