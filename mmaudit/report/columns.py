"""Aligned columns for a terminal."""

import textwrap
from collections.abc import Sequence

__all__ = ["columns"]

_GAP = "  "
_LEAST = 24
"""Columns that the last cell is given at least, however narrow the terminal."""


def columns(rows: Sequence[Sequence[str]], width: int, indent: str = "  ") -> list[str]:
    """Return ``rows`` (of one length) as lines: cells side by side, the last folded to ``width`` columns."""
    if not rows:
        return []
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    lines = []
    for *cells, last in rows:
        lead = indent + "".join(cell.ljust(size) + _GAP for cell, size in zip(cells, sizes, strict=True))
        folded = textwrap.wrap(
            last, max(width - len(lead), _LEAST), break_on_hyphens=False, break_long_words=False
        )
        lines += [(lead + (folded[0] if folded else "")).rstrip()]
        lines += [" " * len(lead) + line for line in folded[1:]]
    return lines
