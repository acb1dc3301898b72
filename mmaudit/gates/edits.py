"""Real inputs shown again, edited: what the encoders make of them, one view an edit."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.data.derived import pixels
from mmaudit.data.grouping import codes
from mmaudit.embeddings import Embeddings, Similarity
from mmaudit.interventions import (
    CAPTION_EDITS,
    COVERS,
    PICTURE_EDITS,
    cover_border,
    cover_corners,
    drop_words,
    modality_of,
    overlay,
    repainted,
    with_noise,
)
from mmaudit.interventions.pictures import Pixels
from mmaudit.pairs import IntArray, Made, Pairs
from mmaudit.seeds import generator

__all__ = ["EDITED", "NOISE", "WORDS", "Edits", "edited_views"]

EDITED = 500
"""Pairs that are edited: every view of them is encoded, and there are two dozen."""
NOISE = (16, 48, 96)
"""Standard deviations of the noise on pictures, in grey levels of 255."""
WORDS = (0.2, 0.4, 0.6)
"""Shares of words left out of captions."""

Repaint = Callable[[int, Pixels], Pixels]
"""Takes the number of an item and its picture."""
Encode = Callable[[str, Sequence[Any]], npt.NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Edits:
    """A sample of the pairs as it is (``present``) and edited in one modality, by name of the edit.

    ``groups`` (k,) are the relevance groups of the sample. ``blind`` (k,) codes by name: what somebody reads
    who sees nothing but the edited place.
    """

    views: Mapping[str, Embeddings]
    groups: IntArray | None
    blind: Mapping[str, IntArray]


def edited_views(pairs: Pairs, rows: IntArray, encode: Encode, similarity: Similarity, seed: int) -> Edits:
    """Encode the pairs at ``rows`` as they are and under every edit that their modalities allow.

    Pictures are opened and edited batch by batch, so that no more of them are held than the encoder takes.
    """
    shown: dict[str, Sequence[Any]] = {
        modality: Made(len(rows), functools.partial(_row, column, rows))
        for modality, column in pairs.inputs.items()
    }
    groups = None if pairs.groups is None else pairs.groups[rows]
    changed: dict[str, tuple[str, Sequence[Any]]] = {}
    blind: dict[str, IntArray] = {}
    picture, caption = modality_of(pairs, "picture"), modality_of(pairs, "caption")
    texts = [] if caption is None else [str(text) for text in shown[caption]]
    if caption is not None:
        changed |= {name: (caption, found) for name, found in _captions(texts, caption, seed).items()}
    if picture is not None:
        repaints = _pictures(picture, seed)
        if caption is not None:
            repaints |= _overlays(texts, codes(texts) if groups is None else groups, seed)
            blind["overlay"] = codes(texts)
        originals = shown[picture]
        for name, repaint in repaints.items():
            changed[name] = picture, Made(len(rows), functools.partial(_repainted, originals, repaint))
        seen = (pixels(original) for original in originals)
        hidden = [(_hidden(p, cover_corners(p)), _hidden(p, cover_border(p))) for p in seen]
        blind["corners"], blind["border"] = (codes(place) for place in zip(*hidden, strict=True))
    first, second = pairs.modalities
    present = {modality: encode(modality, inputs) for modality, inputs in shown.items()}
    views = {"present": Embeddings(present[first], present[second], pairs.modalities, similarity)}
    for name, (modality, inputs) in changed.items():
        sides = present | {modality: encode(modality, inputs)}
        views[name] = Embeddings(sides[first], sides[second], pairs.modalities, similarity)
    return Edits(views, groups, blind)


def _row(column: Any, rows: IntArray, i: int) -> Any:
    return column[int(rows[i])]


def _repainted(originals: Sequence[Any], repaint: Repaint, i: int) -> Any:
    return repainted(originals[i], functools.partial(repaint, i))


def _captions(texts: list[str], modality: str, seed: int) -> dict[str, list[str]]:
    found = {name: [reword(text) for text in texts] for name, reword in CAPTION_EDITS.items()}
    for share in WORDS:
        rng = generator(seed, "words left out", f"{share:g}")
        found[f"{modality} words {share:g}"] = [drop_words(text, share, rng) for text in texts]
    return found


def _pictures(modality: str, seed: int) -> dict[str, Repaint]:
    edits = {**COVERS, **PICTURE_EDITS}
    found: dict[str, Repaint] = {name: functools.partial(_alike, edit) for name, edit in edits.items()}
    noised = {f"{modality} noise {spread}": functools.partial(_noised, spread, seed) for spread in NOISE}
    return found | noised


def _alike(edit: Callable[[Pixels], Pixels], _: int, picture: Pixels) -> Pixels:
    return edit(picture)


def _noised(spread: int, seed: int, i: int, picture: Pixels) -> Pixels:
    return with_noise(picture, spread, generator(seed, "noise on pictures", spread, i))


def _overlays(texts: list[str], groups: IntArray, seed: int) -> dict[str, Repaint]:
    whose = {"overlay, own words": np.arange(len(texts))}
    for draw in (1, 2):
        rng = generator(seed, "words of others", draw)
        whose[f"overlay, words of others {draw}"] = _others(groups, rng)
    return {name: functools.partial(_written, [texts[at] for at in rows]) for name, rows in whose.items()}


def _written(words: list[str], i: int, picture: Pixels) -> Pixels:
    return overlay(picture, words[i])


def _hidden(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> bytes:
    """Return what a cover hides, coarsely enough that the same mark on two pictures is the same."""
    changed = np.any(before != after, axis=2)
    return (before[changed] // 52).tobytes()


def _others(groups: IntArray, rng: np.random.Generator) -> IntArray:
    """Return for each item (k,) one of another group, drawn at random; itself where there is none."""
    n = len(groups)
    other = rng.integers(0, n, size=n)
    for _ in range(100):
        same = groups[other] == groups
        if not same.any():
            break
        other[same] = rng.integers(0, n, size=int(same.sum()))
    return np.where(groups[other] == groups, np.arange(n), other)
