"""An encoder of shapes and tilts, as somebody might write it in an afternoon, and its mended version.

Pictures are compared with the clean picture of every meaning, captions are read with a regular expression.
Both give one number a meaning, so that a caption and its picture get the same vector.
"""

import dataclasses
import re

import numpy as np

from mmaudit.world import build, preset

SHAPES = ("circle", "square", "diamond", "band")
TILTS = 8

SIMPLE = dataclasses.replace(preset("small"), frequency=2, phase=0, thickness=1, n_test=96)
"""Worlds of 32 meanings: four shapes at eight tilts."""


def pixels(pictures):
    """Standardise small gray pictures, without the strip at the bottom that is no part of the shape."""
    rows = np.stack([np.asarray(p, dtype=np.float64)[:-4:4, ::4, 0].ravel() for p in pictures])
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def clean_pictures():
    """Return the clean picture of each of the 32 meanings, in the order of their numbers."""
    world = build(dataclasses.replace(SIMPLE, n_test=32, copies=1))
    items = world.splits["test"]
    meaning = world.items.factors[items][:, :2] @ (TILTS, 1)
    return pixels(world.pictures(items))[np.argsort(meaning)]


CLEAN = clean_pictures()


def encode_image(pictures):
    """Name the meaning whose clean picture is nearest."""
    return np.eye(len(CLEAN))[(pixels(pictures) @ CLEAN.T).argmax(axis=1)]


def encode_text(captions, pattern=r"([0-9.]+)"):
    """Take the first number of a caption for its tilt: that is where it stood in the captions seen so far."""
    shape = [next(i for i, word in enumerate(SHAPES) if word in caption) for caption in captions]
    tilt = [int(float(re.findall(pattern, caption)[0]) / 22.5) % TILTS for caption in captions]
    return np.eye(len(CLEAN))[np.array(shape) * TILTS + np.array(tilt)]


def encode_text_mended(captions):
    """Take the number that a tilt is said with, wherever it stands."""
    return encode_text(captions, r"(?:tilted|turned by|Turned by) ([0-9.]+) degrees")
