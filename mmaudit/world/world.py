"""The synthetic world: paired modalities from known causes, with every failure on a dial."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError
from mmaudit.pairs import IntArray, Pairs
from mmaudit.seeds import generator
from mmaudit.world.claims import Claims, View
from mmaudit.world.confounders import draw_codes, ordered_codes
from mmaudit.world.factors import draw_combinations
from mmaudit.world.items import Items
from mmaudit.world.pairing import corrupt
from mmaudit.world.spec import WorldSpec
from mmaudit.world.splits import check_hygiene, deal

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["World", "build"]

FloatArray = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class World:
    """Items, the splits they are dealt to, and who is claimed to belong to whom.

    ``splits`` maps train, val, claims and test to int64 item indices; ``partners`` maps them to the items
    whose text is claimed for each. Built by :func:`build`.
    """

    spec: WorldSpec
    items: Items
    splits: Mapping[str, IntArray]
    partners: Mapping[str, IntArray]

    def partner(self, split: str) -> IntArray:
        """Return the (n,) int64 items whose text is claimed for each image of ``split``."""
        return self.partners[self._known(split)]

    def corrupted(self, split: str) -> npt.NDArray[np.bool_]:
        """Return (n,) bool: which pairs of ``split`` are wrong."""
        return np.not_equal(self.partner(split), self.splits[split])

    def features(self, index: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the image and the text features of items, as :class:`Items` gives them."""
        return self.items.image_features(index), self.items.text_features(index)

    def pictures(self, index: npt.ArrayLike, side: int = 64) -> list[npt.NDArray[np.uint8]]:
        """Return the items' pictures, uint8 arrays of shape (side, side, 3)."""
        return self.items.pictures(index, side)

    def pil(self, index: npt.ArrayLike, side: int = 64) -> "list[Image]":
        """Return the items' pictures as PIL images of mode RGB."""
        return self.items.pil(index, side)

    def sentences(self, index: npt.ArrayLike) -> list[str]:
        """Return the items' English captions."""
        return self.items.sentences(index)

    def tokens(self, index: npt.ArrayLike) -> list[list[str]]:
        """Return the items' captions in the token grammar."""
        return self.items.tokens(index)

    def token_ids(self, index: npt.ArrayLike) -> IntArray:
        """Return the items' captions as token numbers, (k, slots) int64."""
        return self.items.token_ids(index)

    def pairs(self, split: str, view: View = "features", side: int = 64) -> Pairs:
        """Return the claimed pairs of ``split``, modalities ``image`` and ``text``.

        Pairs of val and test are trusted; those of train and claims are not. ``view`` ``features`` gives
        matrices, ``pictures`` gives arrays of ``side`` pixels a side and sentences.
        """
        return self._pairs((self._known(split),), view, side)

    def audit_pairs(self, view: View = "features", side: int = 64) -> Pairs:
        """Return the pairs of test (trusted), followed by those of claims (not trusted)."""
        return self._pairs(("test", "claims"), view, side)

    def _pairs(self, splits: tuple[str, ...], view: View, side: int) -> Pairs:
        trusted = [np.full(len(self.splits[s]), s in ("val", "test")) for s in splits]
        return Claims(
            items=self.items,
            image_rows=np.concatenate([self.splits[s] for s in splits]),
            text_rows=np.concatenate([self.partners[s] for s in splits]),
            trusted=np.concatenate(trusted),
            view=view,
            side=side,
            name=" and ".join(splits),
        ).pairs()

    def _known(self, split: str) -> str:
        if split not in self.splits:
            raise InputError(f"split {split!r} is unknown; the splits are {', '.join(self.splits)}")
        return split


def build(spec: WorldSpec) -> World:
    """Build the world of ``spec``. Raises :class:`InputError` where no text would make a pair wrong."""
    splits = deal(spec)
    combinations = draw_combinations(spec, splits)
    check_hygiene(splits, combinations, by_group=spec.split_by == "group")
    image = text = np.zeros(spec.n_items, dtype=np.int64)
    if spec.confounder is not None:
        given = ordered_codes(spec.confounder, spec.n_items)
        image, text = draw_codes(spec.confounder, spec.n_items, spec.seed, ("items",), given)
    partners = {
        split: index[_partner_rows(spec, split, combinations[index])] for split, index in splits.items()
    }
    return World(spec, Items(spec, combinations, image, text), splits, partners)


def _partner_rows(spec: WorldSpec, split: str, combinations: IntArray) -> IntArray:
    """Return which row's text each row of a split gets; only what resembles training is corrupted."""
    rate = spec.corruption_rate if split in ("train", "claims") else 0.0
    return corrupt(combinations, rate, spec.corruption_kind, generator(spec.seed, "corruption", split))
