"""Edits of captions that leave their meaning: another template, a prefix, another case, a marker."""

from collections.abc import Callable, Mapping

import numpy as np

__all__ = ["CAPTION_EDITS", "MARKER", "drop_words"]

MARKER = "qzx"
"""A token that means nothing in any language, so that whatever it does is a matter of form."""


def _template(text: str) -> str:
    inner = text.strip().rstrip(".")
    return f"An image that can be described as: {inner}."


def _prefix(text: str) -> str:
    return f"Note: {text}"


def _case(text: str) -> str:
    """The whole in the other case than most of it is in."""
    upper = sum(letter.isupper() for letter in text)
    return text.lower() if 2 * upper > sum(letter.isalpha() for letter in text) else text.upper()


def _marker(text: str) -> str:
    return f"{text} {MARKER}"


CAPTION_EDITS: Mapping[str, Callable[[str], str]] = {
    "case": _case,
    "prefix": _prefix,
    "marker": _marker,
    "template": _template,
}
"""Edits that leave every word, the mildest first."""


def drop_words(text: str, share: float, rng: np.random.Generator) -> str:
    """Leave out each word with probability ``share``; one always stays."""
    words = text.split()
    if not words:
        return text
    kept = rng.random(len(words)) >= share
    kept[int(rng.integers(len(words)))] |= not kept.any()
    return " ".join(word for word, keep in zip(words, kept, strict=True) if keep)
