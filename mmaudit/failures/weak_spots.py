"""Weak spots: encoders that work but in one corner of the world, for a search to find."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.pairs import IntArray
from mmaudit.seeds import generator
from mmaudit.subjects import Identity, Subject
from mmaudit.world.captions import FIRST_TOKEN, LINES, PARAPHRASES, SHAPES
from mmaudit.world.factors import factor_values
from mmaudit.world.images import GRAY_LEVELS, coordinates, render
from mmaudit.world.spec import COMBINATIONS, FACTORS

__all__ = [
    "WeakSpot",
    "factors_of_pixels",
    "factors_of_tokens",
    "few_of_a_kind",
    "one_template",
    "reader",
    "tilted_and_noisy",
    "two_factors",
]

Rows = npt.NDArray[Any]
Affected = Callable[[Rows], npt.NDArray[np.bool_]]

SIDE = 16
WIDTH = 32
_X, _Y = (np.abs(axis) for axis in coordinates(SIDE))
_BACKGROUND = (np.maximum(_X, _Y) > 0.75) & (_X + _Y > 1.05) & (_X > 0.45)
"""Pixels of a picture that no shape reaches: without noise they have one value."""
_READ = (coordinates(SIDE)[1] < 0.875).ravel()
"""Pixels that a reader looks at: the others are where a code is stamped."""


@dataclasses.dataclass(frozen=True)
class WeakSpot:
    """A corner of the world in which an encoder answers with noise.

    ``dials`` are the world's dials that make the corner, ``levels`` where a dial with an order begins to.
    """

    name: str
    dials: frozenset[str]
    levels: Mapping[str, float]
    modality: str
    affected: Affected

    def planted_in(self, subject: Subject) -> Subject:
        """Return ``subject`` with this weak spot in the encoder of one modality.

        It is a function of the inputs given together, so it answers alike however often it is asked.
        """
        sound = subject.encoders[self.modality]

        def encode(inputs: Sequence[Any]) -> Rows:
            rows = np.array(sound(inputs), dtype=np.float64)
            wrong = self.affected(np.asarray(inputs) if subject.view == "features" else inputs)  # type: ignore[arg-type]
            spread = np.linalg.norm(rows, axis=1, keepdims=True)
            mixing = generator(0, "weak spot", self.name).standard_normal((rows.shape[1], rows.shape[1]))
            noise = np.sin(1e4 * rows @ mixing)
            noise *= spread / np.linalg.norm(noise, axis=1, keepdims=True)
            return np.where(wrong[:, None], noise, rows)

        identity = dataclasses.replace(subject.identity, name=f"{subject.identity.name}, weak: {self.name}")
        encoders = {**subject.encoders, self.modality: encode}
        return dataclasses.replace(subject, encoders=encoders, identity=identity, training=None, retrain=None)


def tilted_and_noisy(orientation: int, noise: float) -> WeakSpot:
    """Return the weak spot of pictures at one ``orientation`` whose noise is above ``noise``. Features."""

    def affected(pixels: Rows) -> npt.NDArray[np.bool_]:
        seen = pixels[:, : SIDE * SIDE]
        spread = float(np.sqrt(seen[:, _BACKGROUND.ravel()].var(axis=1, ddof=1).mean()))
        return np.asarray((factors_of_pixels(seen)[:, 1] == orientation) & (spread > noise))

    dials = frozenset({"orientation", "noise_image"})
    return WeakSpot(
        f"orientation {orientation} above noise {noise:g}", dials, {"noise_image": noise}, "image", affected
    )


def two_factors(first: tuple[str, int], second: tuple[str, int]) -> WeakSpot:
    """Return the weak spot of texts in which two factors have these levels together. Features."""

    def affected(features: Rows) -> npt.NDArray[np.bool_]:
        table = factors_of_tokens(features)
        held = [table[:, list(FACTORS).index(factor)] == level for factor, level in (first, second)]
        return np.asarray(held[0] & held[1])

    name = f"{first[0]} {first[1]} with {second[0]} {second[1]}"
    return WeakSpot(name, frozenset({first[0], second[0]}), {}, "text", affected)


def few_of_a_kind(fewest: int) -> WeakSpot:
    """Return the weak spot of texts of which fewer than ``fewest`` in a batch mean the same. Features."""

    def affected(features: Rows) -> npt.NDArray[np.bool_]:
        table = factors_of_tokens(features)
        _, place, counts = np.unique(table, axis=0, return_inverse=True, return_counts=True)
        return np.asarray(counts[place.ravel()] < fewest)

    name = f"fewer than {fewest} of a kind"
    return WeakSpot(name, frozenset({"copies"}), {"copies": fewest - 1}, "text", affected)


def one_template(paraphrase: int) -> WeakSpot:
    """Return the weak spot of sentences in one ``paraphrase``. Pictures and sentences."""
    start = PARAPHRASES[paraphrase].split("{")[0]

    def affected(sentences: Rows) -> npt.NDArray[np.bool_]:
        return np.array([str(text).startswith(start) for text in sentences])

    return WeakSpot(f"template {paraphrase}", frozenset({"paraphrase"}), {}, "text", affected)


def reader() -> Subject:
    """Return an encoder that reads pictures and sentences of the world without an error.

    Both modalities give the sum of one fixed random vector for each factor's level, (n, 32) float64.
    """
    vectors = [
        generator(0, "reader", name).standard_normal((levels, WIDTH)) for name, levels in FACTORS.items()
    ]

    def embedded(table: IntArray) -> Rows:
        return np.asarray(sum(vectors[i][table[:, i]] for i in range(len(FACTORS))))

    def image(pictures: Sequence[Any]) -> Rows:
        gray = np.stack([np.asarray(picture)[:, :, 0] for picture in pictures])
        pixels = _pooled((gray - 127.5) / GRAY_LEVELS)
        return embedded(factors_of_pixels(pixels, gray.shape[1]))

    def text(sentences: Sequence[Any]) -> Rows:
        return embedded(np.array([_read(str(s)) for s in sentences], dtype=np.int64))

    return Subject(
        encoders={"image": image, "text": text},
        identity=Identity(name="reader", adapter="built in"),
        batch_size=4096,
    )


def factors_of_tokens(features: Rows) -> IntArray:
    """Return the (n, 5) factor levels that text features state: the token of each factor that occurs most."""
    columns = [
        np.argmax(features[:, FIRST_TOKEN[name] : FIRST_TOKEN[name] + levels], axis=1)
        for name, levels in FACTORS.items()
    ]
    return np.stack(columns, axis=1).astype(np.int64)


@functools.cache
def _clean(side: int) -> Rows:
    """Return the noise-free pictures of all combinations, unit rows of what a reader looks at."""
    blocks = np.array_split(factor_values(np.arange(COMBINATIONS, dtype=np.int64)), 36)
    clean = np.concatenate(
        [_pooled(render(levels, side, "half").reshape(-1, side, side)) for levels in blocks]
    )
    seen = clean[:, _READ]
    return np.asarray(seen / np.linalg.norm(seen, axis=1, keepdims=True), dtype=np.float32)


def factors_of_pixels(pixels: Rows, side: int = SIDE) -> IntArray:
    """Return the (n, 5) factor levels of the clean pictures of ``side`` nearest to ``pixels`` (n, 256)."""
    nearest = (pixels[:, _READ].astype(np.float32) @ _clean(side).T).argmax(axis=1)
    return factor_values(nearest.astype(np.int64))


def _pooled(pictures: Rows) -> Rows:
    """Return (n, 256) pixels of square pictures (n, side, side), means of square parts."""
    n, side, _ = pictures.shape
    part = side // SIDE
    return np.asarray(pictures.reshape(n, SIDE, part, SIDE, part).mean(axis=(2, 4)).reshape(n, -1))


def _read(sentence: str) -> tuple[int, ...]:
    """Return the factor levels that an English caption states."""
    found = {key: pattern.findall(sentence)[0] for key, pattern in _STATED.items()}
    return (
        SHAPES.index(found["shape"]),
        round(float(found["tilt"]) / 22.5 - 0.5),
        round(float(found["cycles"]) - 1.5),
        round(float(found["phase"]) / 45),
        LINES.index(found["line"]),
    )


_STATED = {
    "shape": re.compile(f"({'|'.join(SHAPES)})"),
    "tilt": re.compile(r"(?:tilted|urned by) ([0-9.]+) degrees"),
    "cycles": re.compile(r"([0-9.]+) cycles"),
    "phase": re.compile(r"phase (?:of )?([0-9]+)"),
    "line": re.compile(f"({'|'.join(LINES)})"),
}
