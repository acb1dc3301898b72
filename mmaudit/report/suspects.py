"""Which pairs and items a person should look at first, with what a page can show of them."""

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics import Ranks, hub_items, suspects
from mmaudit.diagnostics.hubness import NEIGHBOURS
from mmaudit.report.words import number, plain

__all__ = ["Look", "Suspect", "SuspectList", "View", "suspect_lists", "view"]

IntArray = npt.NDArray[np.int64]
Look = Callable[[IntArray], Mapping[str, Any]]
"""Gives the inputs of some rows, one a row, by modality."""

_LISTED = 100
"""Most pairs that are listed: behind them comes what nobody will look through."""
_SHOWN_PAIRS = 20
_SHOWN_HUBS = 8
_SIDE = 48
_COLOURS = 32
_PICTURE_BYTES = 60_000
"""Bytes of all pictures together; base64 adds a third, and the page must stay below 500 kB."""
_CHARACTERS = 160


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """One input as a page can show it: words, and a small PNG where it is an image (else empty)."""

    text: str = ""
    png: bytes = b""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suspect:
    """One row of the audited data: the ``figures`` that put it on the list, and its inputs."""

    row: int
    figures: tuple[str, ...]
    views: tuple[View, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SuspectList:
    """What is suspect in one way, the worst first.

    ``rows`` (k,) int64 are all that were found, ``figures`` (k, f) what put each on the list, and ``shown``
    the first of them; ``columns`` name the figures and then the views. ``slug`` can name a file.
    """

    slug: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: IntArray
    figures: npt.NDArray[np.float64]
    shown: tuple[Suspect, ...]


def suspect_lists(
    ranks: Ranks,
    counts: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    modalities: tuple[str, str],
    look: Look,
    *,
    trusted: npt.NDArray[np.bool_] | None = None,
    masked: Callable[[str], str] = str,
) -> list[SuspectList]:
    """Return the pairs that rank worst, and the hubs of either modality.

    A pair is listed if a wrong candidate beats or ties it and it is not among the ``trusted`` (n,) bool. A
    hub is among the ten nearest of far more queries than its share (:func:`mmaudit.diagnostics.hub_items`),
    by the ``counts`` of both modalities, those of :func:`mmaudit.diagnostics.neighbour_counts`. ``masked`` is
    applied to every caption before it is shown.
    """
    first, second = modalities
    beaten = np.nan_to_num(ranks.mean_percentile) > 0
    candidates = beaten if trusted is None else beaten & ~trusted
    order = suspects(ranks, len(ranks))
    pairs = order[candidates[order]][:_LISTED]
    both = np.stack([ranks.forward.percentile, ranks.backward.percentile], axis=1)
    camera = _Camera(look, masked)
    lists = [
        SuspectList(
            slug="suspect_pairs",
            title="Most suspect pairs",
            caption="Claimed pairs by the share of wrong candidates that beat them "
            "(0 is best, 0.5 chance, 1 worst); those known to be right are left out.",
            columns=(f"{first} → {second}", f"{second} → {first}", first, second),
            rows=pairs,
            figures=both[pairs],
            shown=camera.shoot(
                pairs[:_SHOWN_PAIRS], [tuple(map(number, p)) for p in both.tolist()], (first, second)
            ),
        )
    ]
    for letter, modality, count in zip("xy", (first, second), counts, strict=True):
        hubs = hub_items(count)
        lists.append(
            SuspectList(
                slug=f"hubs_{letter}",
                title=f"Hubs among the {modality} items",
                caption=f"Items among the {NEIGHBOURS} nearest of far more queries than their share, "
                f"which is {NEIGHBOURS}.",
                columns=("queries", modality),
                rows=hubs,
                figures=count[hubs, None],
                shown=camera.shoot(hubs[:_SHOWN_HUBS], [(f"{c:.4g}",) for c in count], (modality,)),
            )
        )
    return lists


class _Camera:
    """Takes views until the pictures together would be too large for the page."""

    def __init__(self, look: Look, masked: Callable[[str], str]) -> None:
        self._look = look
        self._masked = masked
        self._left = _PICTURE_BYTES

    def shoot(
        self, rows: IntArray, figures: Sequence[tuple[str, ...]], modalities: Sequence[str]
    ) -> tuple[Suspect, ...]:
        """Return the suspects at ``rows``, ``figures`` having one entry for every row there is."""
        inputs = self._look(rows)
        return tuple(
            Suspect(row=row, figures=figures[row], views=tuple(self._view(inputs[m][i]) for m in modalities))
            for i, row in enumerate(rows.tolist())
        )

    def _view(self, item: Any) -> View:
        seen = view(item, self._masked)
        if len(seen.png) > self._left:
            return View(text="left out to keep the page small")
        self._left -= len(seen.png)
        return seen


def view(item: Any, masked: Callable[[str], str] = str) -> View:
    """Return what can be shown of one input, whatever it is.

    Images are uint8 arrays of shape (height, width[, 1, 3 or 4]) and Pillow's; captions are strings, cut at
    160 characters; numbers are written out. Of anything else the kind is named and never the ``repr``, which
    may hold addresses or paths.
    """
    if isinstance(item, (str, int, float, np.number)):
        text = plain(masked(str(item)))
        return View(text=text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…")
    png = _thumbnail(item)
    shape = getattr(item, "shape", None) if not png else None
    size = f" {shape}" if isinstance(shape, tuple) else ""
    return View(text="" if png else plain(f"{type(item).__name__}{size}"), png=png)


def _thumbnail(item: Any) -> bytes:
    """Return ``item`` as a PNG of at most 48 pixels a side and 32 colours; empty where it is no image."""
    from PIL import Image

    if isinstance(item, np.ndarray):
        channels = item.shape[2] if item.ndim == 3 else 1
        if item.dtype != np.uint8 or item.ndim not in (2, 3) or channels not in (1, 3, 4) or not item.size:
            return b""
        image = Image.fromarray(np.ascontiguousarray(item.squeeze(2) if item.shape[2:] == (1,) else item))
    elif isinstance(item, Image.Image):
        image = item
    else:
        return b""
    try:
        small = image.convert("RGB")
        small.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        small.quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    except (OSError, ValueError):
        # Pillow decodes on first need, and a broken file is for the encoder to complain of.
        return b""
    return buffer.getvalue()
