"""Claimed pairs of items, rendered on demand: what gives :class:`mmaudit.pairs.Pairs` its renderer."""

import dataclasses
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError
from mmaudit.pairs import IntArray, Pairs
from mmaudit.seeds import generator
from mmaudit.world.confounders import draw_codes
from mmaudit.world.items import Items

__all__ = ["Claims", "View"]

View = Literal["features", "pictures"]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Claims:
    """The image of item ``image_rows[i]`` is claimed to match the text of item ``text_rows[i]``.

    ``image_rows`` and ``text_rows`` are (k,) int64 rows of ``items``, ``trusted`` is (k,) bool. ``view``
    ``features`` gives two float32 matrices; ``pictures`` gives uint8 arrays of ``side`` pixels a side, and
    English sentences. Implements :class:`mmaudit.pairs.Renderer`.
    """

    items: Items
    image_rows: IntArray
    text_rows: IntArray
    trusted: npt.NDArray[np.bool_]
    view: View
    side: int
    name: str

    def pairs(self) -> Pairs:
        """Render the pairs. Groups, factors and nuisance codes are those of the image's item."""
        items, rows = self.items, self.image_rows
        nuisance = {} if items.spec.confounder is None else {"confounder": items.image_codes[rows]}
        return Pairs(
            inputs=self._inputs(),
            groups=items.combinations[rows],
            factors=items.factor_columns(rows),
            nuisance=nuisance,
            trusted=self.trusted,
            renderer=self,
            name=self.name,
            description=f"{len(rows)} pairs of the synthetic world, {self.trusted.sum()} known to be right",
        )

    def redrawn(self, seed: int) -> Pairs:
        """Return the same pairs with both codes drawn anew and independently; noise and meaning stay.

        The same pairs come back unchanged in a world without a confounder.
        """
        items, confounder = self.items, self.items.spec.confounder
        if confounder is not None:
            independent = dataclasses.replace(confounder, agreement=0.0)
            spec = dataclasses.replace(items.spec, confounder=independent)
            path = (*items.stream, "redrawn", seed)
            image, text = draw_codes(independent, len(items), spec.seed, path)
            items = dataclasses.replace(items, spec=spec, image_codes=image, text_codes=text)
        return dataclasses.replace(self, items=items, name=f"{self.name}, redrawn").pairs()

    def twins(self, groups: int, size: int, seed: int) -> Pairs:
        """Return ``groups * size`` right pairs: runs of ``size`` items of one combination.

        Combinations are drawn from those of the images, each at most once while they last. Noise and codes
        are new and independent between twins; within a pair the codes agree as often as the spec says.
        """
        if groups < 1 or size < 2:
            raise InputError(f"{groups} groups of {size} twins cannot be drawn; ask for 1 group of 2 or more")
        spec, stream = self.items.spec, ("twins", self.name, seed)
        meanings = np.unique(self.items.combinations[self.image_rows])
        rng = generator(spec.seed, *stream, "combinations")
        drawn = rng.choice(meanings, size=groups, replace=groups > len(meanings))
        n = groups * size
        image = text = np.zeros(n, dtype=np.int64)
        if spec.confounder is not None:
            image, text = draw_codes(spec.confounder, n, spec.seed, stream)
        rows = np.arange(n, dtype=np.int64)
        return dataclasses.replace(
            self,
            items=Items(spec, np.repeat(drawn, size), image, text, stream),
            image_rows=rows,
            text_rows=rows,
            trusted=np.ones(n, dtype=np.bool_),
            name=f"{self.name}, twins",
        ).pairs()

    def _inputs(self) -> dict[str, Any]:
        items = self.items
        if self.view == "features":
            return {
                "image": items.image_features(self.image_rows),
                "text": items.text_features(self.text_rows),
            }
        if self.view == "pictures":
            return {
                "image": items.pictures(self.image_rows, self.side),
                "text": items.sentences(self.text_rows),
            }
        raise InputError(f"view {self.view!r} is unknown; choose 'features' or 'pictures'")
