"""The confounder: how its codes are drawn, and what carries them in each modality."""

import colorsys

import numpy as np
import numpy.typing as npt

from mmaudit.pairs import IntArray
from mmaudit.seeds import generator
from mmaudit.world.images import coordinates
from mmaudit.world.spec import Confounder, ConfounderKind

__all__ = ["draw_codes", "footprint", "one_hot", "ordered_codes", "phrase", "pixel_levels", "stamp"]


PHRASES: dict[ConfounderKind, str] = {
    "code_channel": "Code {}.",
    "corner_watermark": "Watermark {}.",
    "stripe": "Edge stripe {}.",
    "caption_marker": "Picture by agency {}.",
    "parity": "Series {}.",
    "batch_id": "Batch {}.",
}


def ordered_codes(confounder: Confounder, n: int) -> IntArray | None:
    """Return the (n,) image codes that follow from the order of the items; ``None`` if theirs are drawn."""
    index = np.arange(n, dtype=np.int64)
    return {"parity": index % 2, "batch_id": index // 7 % 8}.get(confounder.kind)


def draw_codes(
    confounder: Confounder, n: int, seed: int, path: tuple[str | int, ...], given: IntArray | None = None
) -> tuple[IntArray, IntArray]:
    """Return the image's and the text's codes, (n,) int64 each; ``given`` fixes the image's.

    Image codes, the texts' own codes and the draw that decides which texts copy have a stream each: another
    agreement changes neither of the first two and only adds or removes copies.
    """

    def uniform(name: str) -> IntArray:
        return generator(seed, *path, name).integers(confounder.cardinality, size=n, dtype=np.int64)

    image = uniform("image codes") if given is None else given
    copied = generator(seed, *path, "copied codes").random(n) < confounder.agreement
    return image, np.where(copied, image, uniform("text codes"))


def footprint(kind: ConfounderKind, side: int) -> npt.NDArray[np.bool_]:
    """Return the (side, side) pixels that carry the code: an edge or a corner, never a shape as a whole."""
    x, y = coordinates(side)
    if kind == "corner_watermark":
        return (x < -0.75) & (y < -0.75)
    if kind == "caption_marker":
        return np.maximum(np.abs(x), np.abs(y)) > 0.875
    if kind == "parity":
        return (x < -0.875) & (y < -0.875)
    if kind == "code_channel":
        return y > 0.875
    return x < -0.875


def pixel_levels(confounder: Confounder, codes: IntArray) -> npt.NDArray[np.float32]:
    """Return (k,) float32 levels added to the footprint, evenly spaced over ±strength."""
    spaced = 2.0 * codes / (confounder.cardinality - 1) - 1.0
    return (confounder.strength * spaced).astype(np.float32)


def one_hot(confounder: Confounder, codes: IntArray) -> npt.NDArray[np.float32]:
    """Return (k, cardinality) float32 columns: strength in the column of the code, 0 elsewhere."""
    return (confounder.strength * np.eye(confounder.cardinality)[codes]).astype(np.float32)


def stamp(pictures: npt.NDArray[np.uint8], confounder: Confounder, codes: IntArray) -> npt.NDArray[np.uint8]:
    """Return (k, side, side, 3) pictures with the footprint tinted in the hue of each code.

    ``strength`` is the opacity of the tint, full from 1 on.
    """
    n = confounder.cardinality
    hues = 255.0 * np.array([colorsys.hsv_to_rgb(code / n, 1.0, 1.0) for code in range(n)])
    opacity = min(1.0, confounder.strength)
    carrier = footprint(confounder.kind, pictures.shape[1])
    stamped = pictures.copy()
    under = pictures[:, carrier]
    stamped[:, carrier] = np.rint((1.0 - opacity) * under + opacity * hues[codes][:, None, :]).astype(
        np.uint8
    )
    return stamped


def phrase(confounder: Confounder, code: int) -> str:
    """Return the sentence that carries ``code`` behind a caption."""
    return PHRASES[confounder.kind].format(code)
