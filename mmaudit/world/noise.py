"""Noise that belongs to an item: whichever items are asked for, in any order, each gets the same bytes."""

import functools
import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mmaudit.pairs import IntArray
from mmaudit.seeds import generator

__all__ = ["choices", "normals", "places_by_block"]

Path = tuple[str | int, ...]

BLOCK = 64
"""Items drawn from one stream: a stream an item would cost 20 µs each. Another value is another world."""

_KEPT_WIDTH = 1024
"""Blocks up to this width are kept for the splits and the worlds that ask for the same noise again."""


def normals(seed: int, path: Path, index: IntArray, width: int) -> npt.NDArray[np.float32]:
    """Return (k, width) float32 standard normal noise of the items ``index`` (k,)."""
    drawn = np.empty((len(index), width), dtype=np.float32)
    block_of = _block if width > _KEPT_WIDTH else _kept_block
    row = index % BLOCK
    for here in places_by_block(index):
        block = block_of(seed, path, int(index[here[0]]) // BLOCK, width)
        drawn[here] = block[row[here]]
    return drawn


def choices(seed: int, path: Path, index: IntArray, options: int) -> IntArray:
    """Return (k,) int64 uniform draws from [0, options) of the items ``index`` (k,)."""
    drawn = np.empty(len(index), dtype=np.int64)
    for here in places_by_block(index):
        rng, rows = _stream(seed, path, index[here])
        drawn[here] = rng.integers(options, size=BLOCK)[rows]
    return drawn


def places_by_block(index: IntArray) -> Iterator[IntArray]:
    """Yield the places in ``index`` (k,) of the items of one block after another; together they are all k."""
    block = index // BLOCK
    order = np.argsort(block, kind="stable")
    starts = np.flatnonzero(np.diff(block[order], prepend=-1))
    for first, last in itertools.pairwise([*starts.tolist(), len(index)]):
        yield order[first:last]


def _block(seed: int, path: Path, number: int, width: int) -> npt.NDArray[np.float32]:
    """Return the noise of a whole block (BLOCK, width)."""
    return generator(seed, *path, number).standard_normal((BLOCK, width), dtype=np.float32)


_kept_block = functools.lru_cache(maxsize=256)(_block)


def _stream(seed: int, path: Path, index: IntArray) -> tuple[np.random.Generator, IntArray]:
    """Return the stream of the one block that ``index`` lies in, and the items' rows within the block."""
    return generator(seed, *path, int(index[0]) // BLOCK), index % BLOCK
