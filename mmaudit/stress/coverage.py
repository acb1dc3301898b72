"""Which values of which dials occurred in the worlds tried, alone and in pairs."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmaudit.stress.domain import Domain
from mmaudit.stress.trial import BINS, COLUMNS, Trial
from mmaudit.world.spec import FACTORS, WORDINGS

__all__ = ["Coverage", "coverage"]

FEWEST = 3
"""Items that a pair of values must have had to count as tried; the suspicion wants as many."""


@dataclasses.dataclass(frozen=True)
class Coverage:
    """``values``: dial to (values that occurred, values there are); ``pairs``: the same of two together.

    A value counts once three items had it, whether all of their world did or not. A number counts by its
    default and the four quarters of its range.
    """

    values: dict[str, tuple[int, int]]
    pairs: dict[tuple[str, str], tuple[int, int]]

    @property
    def share(self) -> float:
        """The share of all pairs of values that occurred."""
        tried, there_are = (sum(column) for column in zip(*self.pairs.values(), strict=True))
        return float(tried / there_are)

    def record(self) -> dict[str, Any]:
        """Return it as builtin types."""
        return {
            "values": [{"dial": name, "tried": t, "of": n} for name, (t, n) in self.values.items()],
            "pairs": [
                {"first": a, "second": b, "tried": t, "of": n} for (a, b), (t, n) in self.pairs.items()
            ],
            "share_of_pairs": self.share,
        }


def coverage(trials: Sequence[Trial], domain: Domain) -> Coverage:
    """Return what the items of ``trials`` cover of ``domain``. Draws of the items are no value to cover."""
    table = np.concatenate([trial.columns for trial in trials])
    names = [dial.name for dial in domain.dials if dial.name in COLUMNS]
    there_are = {name: _count(domain, name) for name in names}

    def tried(*columns: str) -> int:
        places = [COLUMNS.index(name) for name in columns]
        return int(np.sum(np.unique(table[:, places], axis=0, return_counts=True)[1] >= FEWEST))

    return Coverage(
        {name: (tried(name), there_are[name]) for name in names},
        {(a, b): (tried(a, b), there_are[a] * there_are[b]) for a, b in itertools.combinations(names, 2)},
    )


def _count(domain: Domain, name: str) -> int:
    """Return how many values the items of one world or another may have of a dial."""
    if name in FACTORS:
        return FACTORS[name]
    if name == "paraphrase":
        return WORDINGS
    dial = domain[name]
    return 1 + (BINS if dial.high is not None else len(set(dial.values) - {dial.default}))
