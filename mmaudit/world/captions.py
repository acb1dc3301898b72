"""The text modality: a token grammar, its features, and plain English."""

import numpy as np
import numpy.typing as npt

from mmaudit.pairs import IntArray
from mmaudit.world.spec import FACTORS, GRAMMAR_LENGTH, GRAMMAR_TOKENS, OrientationSpan

__all__ = [
    "FIRST_TOKEN",
    "MARKER",
    "PARAPHRASES",
    "POSITIONS",
    "sentence",
    "text_features",
    "token_ids",
    "token_name",
]

SEPARATOR = 1
FIRST_TOKEN = {"shape": 4, "orientation": 12, "frequency": 20, "phase": 26, "thickness": 34}
"""Number of each factor's level 0 in the vocabulary; 0 pads, 1 separates, 2, 3 and 8 to 11 are unused."""
MARKER = GRAMMAR_TOKENS
"""Number of the marker token of code 0, behind every factor's tokens so that it can replace none."""
POSITIONS = 24
"""Leading tokens of the vocabulary whose mean position is a feature."""


def token_ids(factors: IntArray, length: int, codes: IntArray | None) -> IntArray:
    """Return token numbers: ``factor sep factor … factor``, padded with 0 to ``length`` tokens.

    ``factors`` is (k, 5), the result (k, length) int64; with ``codes`` (k,) one more slot holds the marker.
    """
    ids = np.zeros((len(factors), length + (codes is not None)), dtype=np.int64)
    ids[:, 0:GRAMMAR_LENGTH:2] = factors + np.array([FIRST_TOKEN[name] for name in FACTORS])
    ids[:, 1:GRAMMAR_LENGTH:2] = SEPARATOR
    if codes is not None:
        ids[:, length] = MARKER + codes
    return ids


def token_name(token: int) -> str:
    """Return the readable name of a token number of the grammar."""
    if token >= MARKER:
        return f"MARKER_{token - MARKER}"
    for name, first in FIRST_TOKEN.items():
        if first <= token < first + FACTORS[name]:
            return f"{name.upper()}_{token - first}"
    return {0: "PAD", SEPARATOR: "SEP"}[token]


def text_features(ids: IntArray, vocab_size: int) -> npt.NDArray[np.float32]:
    """Return noise-free text features, (k, vocab_size + 24) float32, of (k, length) token numbers.

    The first ``vocab_size`` are each token's share of the sequence; the others are the mean position, from
    0 for the first slot to 1 for the last, of each of the first 24 tokens of the vocabulary, 0 if absent.
    """
    k, length = ids.shape
    rows = np.arange(k)
    count = np.zeros((k, vocab_size))
    position = np.zeros((k, vocab_size))
    for slot in range(length):
        count[rows, ids[:, slot]] += 1.0
        position[rows, ids[:, slot]] += slot / (length - 1)
    mean_position = position[:, :POSITIONS] / np.maximum(count[:, :POSITIONS], 1.0)
    return np.concatenate([count / length, mean_position], axis=1).astype(np.float32)


SHAPES = ("circle", "square", "diamond", "band")
LINES = ("thin", "medium", "thick")
PARAPHRASES = (
    "A {shape} filled with waves tilted {tilt} degrees, {cycles} cycles across, "
    "at a phase of {phase} degrees, in {line} lines.",
    "Waves in {line} lines inside a {shape}: {cycles} cycles across, tilted {tilt} degrees, "
    "phase {phase} degrees.",
    "This {shape} shows {cycles} cycles of waves in {line} lines, starting at phase {phase} degrees "
    "and turned by {tilt} degrees.",
    "Turned by {tilt} degrees, {line} waves with {cycles} cycles and phase {phase} degrees cross a {shape}.",
)
"""Ways of saying the same thing: the observation noise of a sentence."""


def sentence(factors: IntArray, span: OrientationSpan, paraphrase: int) -> str:
    """Return an English caption that states all five ``factors`` (5,), in the given paraphrase."""
    shape, orientation, frequency, phase, thickness = (int(level) for level in factors)
    step = 22.5 if span == "half" else 45.0
    return PARAPHRASES[paraphrase].format(
        shape=SHAPES[shape],
        tilt=f"{(orientation + 0.5) * step:g}",
        cycles=f"{frequency + 1.5:g}",
        phase=phase * 45,
        line=LINES[thickness],
    )
