"""Edits of pictures. Each takes uint8 RGB of shape (height, width, 3) and returns the like, a new array."""

import io
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

__all__ = [
    "COVERS",
    "PICTURE_EDITS",
    "Pixels",
    "blur",
    "cover_border",
    "cover_corners",
    "cover_inner_frame",
    "cover_inner_patches",
    "grey",
    "jpeg",
    "overlay",
    "with_noise",
]

Pixels = npt.NDArray[np.uint8]

PART = 8
"""A covered corner is an eighth of the height by an eighth of the width; a covered border has the area of the
four corners together."""
QUALITY = 25
BLUR = 40
"""The blur's radius is a fortieth of the shorter side."""


def _covered(pixels: Pixels, mask: npt.NDArray[np.bool_]) -> Pixels:
    """Paint the masked pixels in the mean colour of the others: nothing of what was there is left."""
    out = pixels.copy()
    if mask.any() and not mask.all():
        out[mask] = np.rint(pixels[~mask].mean(axis=0)).astype(np.uint8)
    return out


def _patches(pixels: Pixels, inset: int) -> npt.NDArray[np.bool_]:
    """Return four patches, ``inset`` of their own sizes away from the edges."""
    height, width, _ = pixels.shape
    tall, wide = max(1, height // PART), max(1, width // PART)
    mask = np.zeros((height, width), dtype=np.bool_)
    y, x = inset * tall, inset * wide
    for rows in (slice(y, y + tall), slice(height - y - tall, height - y)):
        for columns in (slice(x, x + wide), slice(width - x - wide, width - x)):
            mask[rows, columns] = True
    return mask


def _frame(pixels: Pixels, inset: int) -> npt.NDArray[np.bool_]:
    """Return a closed frame about as large as four corners, ``inset`` of its own widths from the edges."""
    height, width, _ = pixels.shape
    area = 4 * max(1, height // PART) * max(1, width // PART)
    thin = max(1, round(area / (2 * (height + width))))
    at = inset * thin
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[at : height - at, at : width - at] = True
    inner = at + thin
    if inner < height - inner and inner < width - inner:
        mask[inner : height - inner, inner : width - inner] = False
    return mask


def cover_corners(pixels: Pixels) -> Pixels:
    """Cover the four corners, where watermarks are put."""
    return _covered(pixels, _patches(pixels, 0))


def cover_inner_patches(pixels: Pixels) -> Pixels:
    """Cover four patches as large, further in: what :func:`cover_corners` is compared with."""
    return _covered(pixels, _patches(pixels, 2))


def cover_border(pixels: Pixels) -> Pixels:
    """Cover the outermost pixels, where frames and stripes are."""
    return _covered(pixels, _frame(pixels, 0))


def cover_inner_frame(pixels: Pixels) -> Pixels:
    """Cover a frame as wide, further in: what :func:`cover_border` is compared with."""
    return _covered(pixels, _frame(pixels, 4))


def overlay(pixels: Pixels, words: str) -> Pixels:
    """Write ``words`` across the bottom of the picture, black on white, in as many lines as it takes.

    The typographic attack of Goh et al. (2021), with words of the data.
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width, _ = pixels.shape
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(6, height // 10))
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, font=font) <= width - 2 or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    text = "\n".join(lines[:4])
    _, _, _, tall = draw.multiline_textbbox((1, 0), text, font=font)
    top = max(0, height - int(tall) - 2)
    draw.rectangle((0, top, width, height), fill=(255, 255, 255))
    draw.multiline_text((1, top), text, fill=(0, 0, 0), font=font)
    return np.asarray(image)


def jpeg(pixels: Pixels) -> Pixels:
    """Compress as JPEG of low quality and decode again."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    buffer.seek(0)
    return np.asarray(Image.open(buffer).convert("RGB"))


def blur(pixels: Pixels) -> Pixels:
    """Blur a little (Gaussian)."""
    from PIL import Image, ImageFilter

    radius = max(0.5, min(pixels.shape[:2]) / BLUR)
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def grey(pixels: Pixels) -> Pixels:
    """Take the colour away (ITU-R 601 luma)."""
    luma = np.rint(pixels @ np.array([0.299, 0.587, 0.114]))
    return np.repeat(np.clip(luma, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def with_noise(pixels: Pixels, spread: float, rng: np.random.Generator) -> Pixels:
    """Add Gaussian noise of ``spread`` grey levels to every channel."""
    noisy = pixels + spread * rng.standard_normal(pixels.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


PICTURE_EDITS: Mapping[str, Callable[[Pixels], Pixels]] = {"jpeg": jpeg, "blur": blur, "grey": grey}
"""Edits that leave to the eye what a picture shows, the mildest first."""

COVERS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "corners": cover_corners,
    "inner patches": cover_inner_patches,
    "border": cover_border,
    "inner frame": cover_inner_frame,
}
"""Places that are covered, each followed by its placebo, which hides as much of the middle."""
