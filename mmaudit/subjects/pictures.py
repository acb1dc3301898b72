"""Pictures as libraries take them: Pillow images of mode RGB."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmaudit.errors import InputError

__all__ = ["is_picture", "picture", "pictures"]


def is_picture(item: Any) -> bool:
    """Return whether ``item`` is a Pillow image, or a uint8 array of shape (h, w) or (h, w, 3)."""
    if isinstance(item, np.ndarray):
        return item.dtype == np.uint8 and (item.ndim == 2 or (item.ndim == 3 and item.shape[-1] == 3))
    return hasattr(item, "convert") and hasattr(item, "getbands")


def picture(item: Any) -> Any:
    """Return ``item`` as a Pillow image of mode RGB.

    Takes a Pillow image, a uint8 array (h, w) or (h, w, 3), or the path of a file. Raises
    :class:`InputError` on anything else.
    """
    from PIL import Image

    if is_picture(item):
        return (Image.fromarray(item) if isinstance(item, np.ndarray) else item).convert("RGB")
    if isinstance(item, (str, Path)):
        try:
            with Image.open(item) as opened:
                return opened.convert("RGB")
        except OSError as error:
            raise InputError(f"cannot open the picture {Path(item).name[:80]!r}: {_why(error)}") from error
    seen = f"{item.dtype} of shape {item.shape}" if isinstance(item, np.ndarray) else type(item).__name__
    raise InputError(f"a picture is {seen}; expected a Pillow image, uint8 (h, w, 3) or a path")


def pictures(items: Sequence[Any]) -> list[Any]:
    """Return every item as a Pillow image of mode RGB."""
    return [picture(item) for item in items]


def _why(error: OSError) -> str:
    return error.strerror or "no picture that Pillow can decode"
