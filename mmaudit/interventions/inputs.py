"""The one list of edits that leave the meaning, and what it takes to make them on a data set's own inputs."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from mmaudit.data.derived import is_picture, pixels
from mmaudit.data.files import Files, Pictures
from mmaudit.errors import InputError
from mmaudit.interventions.captions import CAPTION_EDITS
from mmaudit.interventions.pictures import COVERS, PICTURE_EDITS, Pixels
from mmaudit.pairs import Made, Pairs

__all__ = ["EDITS", "Edit", "Kind", "edited", "modality_of", "repainted"]

Kind = Literal["picture", "caption"]


@dataclasses.dataclass(frozen=True)
class Edit:
    """One edit: ``apply`` takes a picture, uint8 RGB of shape (height, width, 3), or a caption."""

    kind: Kind
    apply: Callable[[Any], Any]


EDITS: Mapping[str, Edit] = {
    **{name: Edit("caption", edit) for name, edit in CAPTION_EDITS.items()},
    **{name: Edit("picture", edit) for name, edit in {**PICTURE_EDITS, **COVERS}.items()},
}
"""Every edit that takes nothing but the input, by its name in the checks; of each kind the mildest first."""


def modality_of(pairs: Pairs, kind: Kind) -> str | None:
    """Return the first modality whose inputs are pictures, or the last whose inputs are texts, if one is."""
    found = [modality for modality, column in pairs.inputs.items() if _is(kind, column)]
    return found[0 if kind == "picture" else -1] if found else None


def _is(kind: Kind, column: Any) -> bool:
    if isinstance(column, Files):
        return kind == "picture" and isinstance(column, Pictures)
    return len(column) > 0 and (is_picture(column[0]) if kind == "picture" else isinstance(column[0], str))


def edited(pairs: Pairs, name: str) -> Pairs:
    """Return ``pairs`` with every picture, or every caption, under the edit called ``name``.

    Pictures are edited when they are asked for, and are what they were: a Pillow image, or an array of as
    many channels. Pairs without such inputs come back as they are. Raises :class:`InputError` on others.
    """
    if name not in EDITS:
        raise InputError(f"no edit is called {name!r}; the edits are {', '.join(EDITS)}")
    edit = EDITS[name]
    modality = modality_of(pairs, edit.kind)
    if modality is None:
        return pairs
    column, change = pairs.inputs[modality], edit.apply
    if edit.kind == "picture":
        change = functools.partial(repainted, edit=edit.apply)
    inputs = {**pairs.inputs, modality: Made(len(column), lambda i: change(column[i]))}
    return dataclasses.replace(pairs, inputs=inputs, renderer=None, name=f"{pairs.name}, {name}")


def repainted(item: Any, edit: Callable[[Pixels], Pixels]) -> Any:
    """Return a picture under ``edit``, as the kind of thing it was given as."""
    after = edit(pixels(item))
    if not isinstance(item, np.ndarray):
        from PIL import Image

        return Image.fromarray(after)
    if item.ndim == 2:
        return after.mean(axis=2).astype(np.uint8)
    if item.shape[2] == 1:
        return after.mean(axis=2, keepdims=True).astype(np.uint8)
    return after if item.shape[2] == 3 else np.concatenate([after, item[:, :, 3:]], axis=2)
