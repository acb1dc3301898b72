"""A strategy of embeddings: healthy, degenerate and adversarial ones."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, get_args

import numpy as np
from hypothesis import strategies as st

from mmaudit.embeddings import Embeddings
from mmaudit.seeds import generator

__all__ = ["KINDS", "Kind", "embeddings"]

Kind = Literal[
    "healthy",
    "one item",
    "empty",
    "duplicates",
    "ties",
    "zero rows",
    "rank one",
    "constant",
    "unpaired",
    "denormal",
    "huge norms",
    "mixed norms",
    "one dimension",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What :func:`embeddings` can be like, the healthy first. ``zero rows`` are no embeddings where cosines are
compared, and are what a diagnostic must survive."""


@st.composite
def embeddings(
    draw: st.DrawFn, kinds: Collection[Kind] = KINDS, *, max_items: int = 24, max_width: int = 8
) -> Embeddings:
    """Return embeddings: healthy, degenerate and adversarial ones, of each of ``kinds``.

    At most ``max_items`` (n) pairs of ``max_width`` (d) dimensions. They shrink towards a few healthy pairs.
    """
    kind = draw(st.sampled_from([k for k in KINDS if k in kinds]))
    # Every kind draws the same choices: what draws fewer would be simpler, and shrinking would end there.
    n = draw(st.integers(2, max_items))
    d = draw(st.integers(min(2, max_width), max_width))
    n = {"empty": 0, "one item": 1}.get(kind, n)
    d = 1 if kind == "one dimension" else d
    rng = generator(draw(st.integers(0, 2**16)), "strategies", "embeddings")
    x = rng.standard_normal((n, d))
    y = x + draw(st.sampled_from([0.3, 0.0, 1.0, 3.0])) * rng.standard_normal((n, d))
    x, y = _SHAPED[kind](x, y, rng) if kind in _SHAPED else (x, y)
    similarity: Literal["cosine", "dot"] = draw(st.sampled_from(["cosine", "dot"]))
    return Embeddings(x.astype(np.float32), y.astype(np.float32), similarity=similarity)


_Shape = Callable[[Any, Any, np.random.Generator], tuple[Any, Any]]
_SHAPED: Mapping[str, _Shape] = {
    "duplicates": lambda x, y, rng: (x[rng.integers(len(x), size=len(x))], y),
    "ties": lambda x, y, rng: (np.sign(np.rint(x)), np.sign(np.rint(y))),
    "zero rows": lambda x, y, rng: (x * (rng.random((len(x), 1)) < 0.5), y),
    "rank one": lambda x, y, rng: (x[:, :1] * x[:1], y[:, :1] * x[:1]),
    "constant": lambda x, y, rng: (np.ones_like(x), np.ones_like(y)),
    "unpaired": lambda x, y, rng: (x, rng.standard_normal(y.shape)),
    "denormal": lambda x, y, rng: (x * 1e-42, y * 1e-42),
    "huge norms": lambda x, y, rng: (x * 1e37, y * 1e37),
    "mixed norms": lambda x, y, rng: (x * 10.0 ** rng.integers(-30, 30, size=(len(x), 1)), y),
}
