"""Your own pictures: a folder of files and a table of captions, audited with no glue code.

The example makes such a folder, of pictures of waves and sentences about them. Every picture has a mark of
one of eight colours in a corner and every sentence one of eight numbers, as watermarks of agencies and
credits would be; in one version they go together. Encoders are trained on half of the pairs and audited on
the rest. The audit is told nothing about marks. From the root of the repository::

    python examples/captioned_pictures.py
"""

import collections
import csv
import dataclasses
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import mmaudit
from mmaudit.aligner import preset, train
from mmaudit.world import build
from mmaudit.world import preset as world_preset

__all__ = ["LESSONS", "main", "make_folder", "show", "subject"]

FloatArray = npt.NDArray[np.float32]

SIDE = 16
"""Pixels a side: small, so that a small network sees all of them."""
AUDITED, VALIDATED = 1000, 200


def make_folder(folder: Path, *, marked: bool) -> None:
    """Write ``train.csv``, ``validation.csv`` and ``audit.csv``, and the pictures that they name."""
    standard = world_preset("standard")
    assert standard.confounder is not None
    agreement = 1.0 if marked else 0.0
    mark = dataclasses.replace(
        standard.confounder, kind="corner_watermark", cardinality=8, agreement=agreement
    )
    world = build(dataclasses.replace(standard, seed=11, confounder=mark))
    pictures = [pair for split in ("train", "val", "test") for pair in _pairs(world, split)]
    (folder / "pictures").mkdir()
    bounds = {
        "audit": (0, AUDITED),
        "validation": (AUDITED, AUDITED + VALIDATED),
        "train": (AUDITED + VALIDATED, len(pictures)),
    }
    for name, (start, stop) in bounds.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("image", "caption"))
            for i in range(start, stop):
                image, caption = pictures[i]
                image.save(folder / "pictures" / f"{i:05}.png")
                table.writerow((f"pictures/{i:05}.png", caption))


def _pairs(world: Any, split: str) -> list[tuple[Any, str]]:
    rows = world.splits[split]
    return list(zip(world.items.pil(rows, SIDE), world.items.sentences(rows), strict=True))


def pixels(pictures: Sequence[Any]) -> FloatArray:
    """Return pictures as rows of standardised pixels, (m, 3 · side²)."""
    return (np.array([np.asarray(p, dtype=np.float32).ravel() for p in pictures]) - 127.5) / 40


class Words:
    """Counts of the words and numbers of a caption, (m, vocabulary), over the vocabulary of ``captions``."""

    def __init__(self, captions: Sequence[str]) -> None:
        counts = collections.Counter(word for caption in captions for word in _words(caption))
        self._column = {word: i for i, word in enumerate(sorted(counts))}

    def __call__(self, captions: Sequence[str]) -> FloatArray:
        rows = np.zeros((len(captions), len(self._column)), dtype=np.float32)
        for row, caption in zip(rows, captions, strict=True):
            for word in _words(caption):
                row[self._column[word]] += 1 if word in self._column else 0
        return rows


def _words(caption: str) -> list[str]:
    """Return the words, each number with the word before it: 45 degrees of tilt are none of phase."""
    words = re.findall(r"[a-z]+|[0-9.]*[0-9]", caption.lower())
    return [f"{words[i - 1]} {word}" if word[0].isdigit() and i else word for i, word in enumerate(words)]


def subject(folder: Path) -> mmaudit.Subject:
    """Train two small encoders on the pairs of the folder's training table."""
    tables = {name: mmaudit.load_pairs(folder / f"{name}.csv") for name in ("train", "validation")}
    words = Words([c for pairs in tables.values() for c in pairs.inputs["text"]] + _captions(folder))
    sides = [f(tables[t].inputs[m]) for t in tables for m, f in (("image", pixels), ("text", words))]
    aligner, training = preset("standard")
    trained = train(*sides, aligner=aligner, training=training, seed=1)
    encoders = {
        "image": lambda pictures: trained.encode("image", pixels(pictures)),
        "text": lambda captions: trained.encode("text", words(captions)),
    }
    return mmaudit.as_subject(encoders, name="small encoders")


def _captions(folder: Path) -> list[str]:
    with (folder / "audit.csv").open(encoding="utf-8") as file:
        return [row["caption"] for row in csv.DictReader(file)]


LESSONS = (
    (
        "Without a mark that goes with the words",
        False,
        "Every gate accepts. The scan went over the position in the table, the pieces of the file names, the "
        "corners and edges of the pictures, and the length, form and case of the captions.",
    ),
    (
        "With a mark in a corner",
        True,
        "r@1 is higher, and a score alone would call it progress. The scan was told of no mark, and names "
        "the corner that it is in: among candidates whose corner looks the same, retrieval is lost again.",
    ),
)


def show(title: str, marked: bool, lesson: str) -> mmaudit.Audit:
    """Make a folder, train, audit, print what came of it and what to notice, and return the audit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder, marked=marked)
        result = mmaudit.audit(subject(folder), mmaudit.load_pairs(folder / "audit.csv"))
    recall, scan = result["recall_at_1"].measurement, result["shortcut_scan"]
    assert recall is not None
    print(f"## {title}: r@1 {recall.value:.2f}\n\n{result}\n\n{scan.reason}\n\nNotice: {lesson}\n")
    return result


def main() -> int:
    """Audit encoders of clean pictures and of marked ones."""
    for lesson in LESSONS:
        show(*lesson)
    return 0


if __name__ == "__main__":
    sys.exit(main())
