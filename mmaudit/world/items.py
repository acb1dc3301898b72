"""Items and their three views: features, pictures and sentences, token by token."""

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError
from mmaudit.pairs import IntArray
from mmaudit.world import captions, confounders, images, noise
from mmaudit.world.factors import factor_values
from mmaudit.world.spec import FACTORS, WORDINGS, WorldSpec

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Items"]

FloatArray = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Items:
    """n items: what they mean, the confounder's codes, and the stream of their observation noise.

    ``combinations``, ``image_codes`` and ``text_codes`` are (n,) int64; the codes are 0 without a confounder.
    Each view takes (k,) item indices and raises :class:`InputError` on an index outside [0, n). What it
    returns for an item depends on nothing but that item.
    """

    spec: WorldSpec
    combinations: IntArray
    image_codes: IntArray
    text_codes: IntArray
    stream: tuple[str | int, ...] = ("items",)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.combinations)

    @functools.cached_property
    def factors(self) -> IntArray:
        """The (n, 5) int64 factor levels, columns in the order of ``FACTORS``."""
        return factor_values(self.combinations)

    def factor_columns(self, index: npt.ArrayLike) -> dict[str, IntArray]:
        """Return each factor's (k,) int64 levels by name."""
        return dict(zip(FACTORS, self.factors[self._rows(index)].T, strict=True))

    def image_features(self, index: npt.ArrayLike) -> FloatArray:
        """Return (k, side²) float32 standardised pixels with noise; a code channel appends its columns."""
        rows, spec = self._rows(index), self.spec
        clean = images.rendered(self.combinations[rows], spec.image_side, spec.orientation_span)
        pixels = self._noisy(clean, rows, spec.image_side, "image features")
        if spec.confounder is None:
            return pixels
        codes = self.image_codes[rows]
        if spec.confounder.kind == "code_channel":
            return np.hstack([pixels, confounders.one_hot(spec.confounder, codes)])
        carrier = confounders.footprint(spec.confounder.kind, spec.image_side).ravel()
        pixels[:, carrier] += confounders.pixel_levels(spec.confounder, codes)[:, None]
        return pixels

    def text_features(self, index: npt.ArrayLike) -> FloatArray:
        """Return (k, vocabulary + 24) float32 token features with noise; as above, a code channel appends."""
        rows, spec = self._rows(index), self.spec
        ids = captions.token_ids(self.factors[rows], spec.sequence_length, None)
        features = captions.text_features(ids, spec.vocab_size)
        deviates = noise.normals(spec.seed, (*self.stream, "text features"), rows, features.shape[1])
        deviates *= np.float32(spec.noise_text)
        features += deviates
        if spec.confounder is None:
            return features
        channel = confounders.one_hot(spec.confounder, self.text_codes[rows])
        if spec.confounder.kind == "code_channel":
            return np.hstack([features, channel])
        marker = slice(captions.MARKER, captions.MARKER + channel.shape[1])
        features[:, marker] += channel / np.float32(spec.sequence_length)
        return features

    def pictures(self, index: npt.ArrayLike, side: int = 64) -> list[npt.NDArray[np.uint8]]:
        """Return k uint8 arrays (side, side, 3), with the noise and the carrier of the code."""
        rows, spec = self._rows(index), self.spec
        shown = np.empty((len(rows), side, side, 3), dtype=np.uint8)
        # Block after block draws each block's noise once, and bounds the memory of the float pictures.
        for here in noise.places_by_block(rows):
            clean = images.render(self.factors[rows[here]], side, spec.orientation_span).astype(np.float32)
            block = images.to_gray(self._noisy(clean, rows[here], side, "pictures"), side)
            if spec.confounder is not None:
                block = confounders.stamp(block, spec.confounder, self.image_codes[rows[here]])
            shown[here] = block
        return list(shown)

    def pil(self, index: npt.ArrayLike, side: int = 64) -> "list[Image]":
        """Return :meth:`pictures` as PIL images of mode RGB."""
        from PIL import Image

        return [Image.fromarray(picture) for picture in self.pictures(index, side)]

    def sentences(self, index: npt.ArrayLike) -> list[str]:
        """Return k English captions, each in the paraphrase of its item."""
        rows, spec = self._rows(index), self.spec
        said = [
            captions.sentence(factors, spec.orientation_span, int(way))
            for factors, way in zip(self.factors[rows], self.paraphrases(rows), strict=True)
        ]
        if spec.confounder is None:
            return said
        return [
            f"{text} {confounders.phrase(spec.confounder, int(code))}"
            for text, code in zip(said, self.text_codes[rows], strict=True)
        ]

    def paraphrases(self, index: npt.ArrayLike) -> IntArray:
        """Return the (k,) int64 numbers of the items' paraphrases.

        The spec's, where it holds one; else with text noise one drawn for each item, and 0 without.
        """
        rows, spec = self._rows(index), self.spec
        if spec.paraphrase is not None:
            return np.full(len(rows), spec.paraphrase, dtype=np.int64)
        ways = WORDINGS if spec.noise_text > 0 else 1
        return noise.choices(spec.seed, (*self.stream, "paraphrases"), rows, ways)

    def token_ids(self, index: npt.ArrayLike) -> IntArray:
        """Return (k, sequence_length) int64 token numbers; a confounder adds the slot of its marker."""
        rows = self._rows(index)
        codes = None if self.spec.confounder is None else self.text_codes[rows]
        return captions.token_ids(self.factors[rows], self.spec.sequence_length, codes)

    def tokens(self, index: npt.ArrayLike) -> list[list[str]]:
        """Return :meth:`token_ids` by name, such as ``SHAPE_2``, ``SEP`` or ``MARKER_5``."""
        return [[captions.token_name(token) for token in row] for row in self.token_ids(index).tolist()]

    def _rows(self, index: npt.ArrayLike) -> IntArray:
        rows = np.asarray(index)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise InputError(
                f"item indices have shape {rows.shape} and dtype {rows.dtype}; expected a list of numbers"
            )
        rows = rows.astype(np.int64)
        outside = rows[(rows < 0) | (rows >= len(self))]
        if len(outside):
            raise InputError(f"item {outside[0]} does not exist; the items are numbered 0 to {len(self) - 1}")
        return rows

    def _noisy(self, clean: FloatArray, rows: IntArray, side: int, view: str) -> FloatArray:
        """Add the noise of the items ``rows`` (k,) to their pictures ``clean`` (k, side²), in place."""
        deviates = noise.normals(self.spec.seed, (*self.stream, view, side), rows, side * side)
        deviates *= np.float32(self.spec.noise_image)
        clean += deviates
        return clean
