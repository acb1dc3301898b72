"""Metamorphic relations: what may not change when the audited pairs are changed in a way that means nothing.

Each relation changes embeddings and returns by how much the figures of the audit break its law. A second,
*broken* change, which does mean something, is the control: where it goes unnoticed, the law was not tested.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from mmaudit import diagnostics as d
from mmaudit.embeddings import Embeddings
from mmaudit.pairs import IntArray

__all__ = ["RELATIONS", "TOLERANCE", "Figures", "Relation", "Sample"]

TOLERANCE = 1e-4
"""Float32 rows that are rotated err by 1e-7 of their norm, and a figure of them by no more than this."""
RANKED = 64
"""Pairs whose spectrum is taken: the law does not depend on how many they are."""
_DISAGREES = 1.0
"""What counts for a figure that has a value on one side of a change only."""

Figures = Callable[[Embeddings, IntArray], Mapping[str, float | None]]


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """Pairs to try a relation on: n embeddings, their (n,) groups and (n,) nuisance codes."""

    embeddings: Embeddings
    groups: IntArray
    codes: IntArray

    def figures(self, measure: Figures) -> Mapping[str, float | None]:
        """Return the figures that ``measure`` finds of the pairs, once: all relations start from the same."""
        if measure not in self._found:
            self._found[measure] = measure(self.embeddings, self.groups)
        return self._found[measure]

    @functools.cached_property
    def _found(self) -> dict[Figures, Mapping[str, float | None]]:
        return {}

    def take(self, rows: IntArray) -> "Sample":
        """Return the pairs at ``rows``."""
        return Sample(self.embeddings.take(rows), self.groups[rows], self.codes[rows])

    def served(self, x: npt.ArrayLike, y: npt.ArrayLike) -> "Sample":
        """Return the sample with other embeddings."""
        e = self.embeddings
        return dataclasses.replace(
            self, embeddings=Embeddings(np.asarray(x), np.asarray(y), e.modalities, e.similarity)
        )


@dataclasses.dataclass(frozen=True)
class Relation:
    """``violation(sample, rng, broken)`` returns by how much the law is broken; 0 or less is kept.

    ``control`` says in words what the ``broken`` change does.
    """

    name: str
    question: str
    control: str
    violation: Callable[[Sample, np.random.Generator, bool], float]


def retrieval_figures(embeddings: Embeddings, groups: IntArray) -> dict[str, float | None]:
    """Return the figures that depend on the order of similarities alone."""
    found = d.ranks(embeddings, groups)
    return {
        "pair discrimination": d.pair_discrimination(found).value,
        "r@1": d.mean_recall(found, 1).value,
        "symmetry gap": d.symmetry_gap(found, 1).value,
    }


def shape_figures(embeddings: Embeddings, groups: IntArray) -> dict[str, float | None]:
    """Return the figures of the shape of both clouds."""
    sides = [d.per_side(diagnostic, embeddings) for diagnostic in (d.mean_cosine, d.separation)]
    return {m.name: m.value for both in sides for m in both}


def spectral_figures(embeddings: Embeddings, groups: IntArray) -> dict[str, float | None]:
    """Return the shape figures and the ranks of the first pairs, few as a rank takes one spectrum a part."""
    few = embeddings.take(np.arange(min(RANKED, len(embeddings))))
    return {**shape_figures(embeddings, groups), **{m.name: m.value for m in d.per_side(d.rankme, few)}}


def _all(embeddings: Embeddings, groups: IntArray) -> dict[str, float | None]:
    return {**retrieval_figures(embeddings, groups), **shape_figures(embeddings, groups)}


def _change(before: Sample, after: Sample, figures: Figures = _all) -> float:
    """Return the largest change of a figure."""
    a, b = (sample.figures(figures) for sample in (before, after))
    return max(_apart(a[name], b[name]) for name in a)


def _apart(first: float | None, second: float | None) -> float:
    if first is None or second is None:
        return 0.0 if first is second else _DISAGREES
    return abs(first - second) / max(1.0, abs(first), abs(second))


def _permuting(sample: Sample, rng: np.random.Generator, broken: bool) -> float:
    order = rng.permutation(len(sample.groups)).astype(np.int64)
    moved = sample.take(order)
    if broken:
        moved = moved.served(moved.embeddings.x, sample.embeddings.y)
    return _change(sample, moved)


def _rotating(sample: Sample, rng: np.random.Generator, broken: bool) -> float:
    """Rotate about the axes, which rounds nothing, for ranks; and on by Hartley's transform for the rest."""
    e, width = sample.embeddings, sample.embeddings.width
    signs, order = rng.choice([-1.0, 1.0], size=width), rng.permutation(width)
    x, y = e.x.astype(np.float64), e.y.astype(np.float64)
    about_axes = [(z * signs)[:, order] for z in (x, y)]
    flipped = sample.served(about_axes[0], y if broken else about_axes[1])
    turned = sample.served(_hartley(about_axes[0]), y if broken else _hartley(about_axes[1]))
    return max(_change(sample, flipped), _change(sample, turned, spectral_figures))


def _hartley(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the orthonormal Hartley transform of ``rows`` (n, d), which spreads each axis over all.

    It costs a fraction of a rotation drawn from all (Bracewell 1983).
    """
    waves = np.fft.fft(rows, norm="ortho", axis=1)
    turned: npt.NDArray[np.float64] = waves.real - waves.imag
    return turned


def _scaling(sample: Sample, rng: np.random.Generator, broken: bool) -> float:
    """Multiply by a power of two, which rounds nothing; kept away from where float32 ends."""
    e = sample.embeddings
    peak = max(float(np.max(np.abs(z), initial=0.0)) for z in (e.x, e.y))
    factor = 4.0 if peak < 1e30 else 0.25
    return _change(sample, sample.served(e.x * (-factor if broken else factor), e.y * factor))


def _duplicating(sample: Sample, rng: np.random.Generator, broken: bool) -> float:
    """Give every item a twin of the same meaning: no pair is beaten by a larger share or found oftener."""
    n = len(sample.groups)
    twice = sample.take(np.tile(np.arange(n, dtype=np.int64), 2))
    if broken:
        twice = dataclasses.replace(twice, groups=np.arange(2 * n, dtype=np.int64))
    before, after = (s.figures(retrieval_figures) for s in (sample, twice))
    shares = _apart(before["pair discrimination"], after["pair discrimination"])
    found = (after["r@1"] or 0.0) - (before["r@1"] or 0.0) if before["r@1"] is not None else 0.0
    return max(shares, found)


def _relabelling(sample: Sample, rng: np.random.Generator, broken: bool) -> float:
    values, place = np.unique(sample.codes, return_inverse=True)
    codes = rng.permutation(len(values))[place] + 1000
    if broken:
        codes = place * 0 if len(values) > 1 else np.arange(len(place)) % 2
    groups = rng.permutation(int(sample.groups.max(initial=0)) + 1)[sample.groups]
    before = d.matched_negative_drop(sample.embeddings, sample.codes, sample.groups).value
    after = d.matched_negative_drop(sample.embeddings, codes, groups).value
    blind = d.blind_baseline(sample.codes, sample.groups).value
    again = d.blind_baseline(codes, groups).value
    return max(_apart(before, after), _apart(blind, again))


def _swapping(sample: Sample, rng: np.random.Generator, broken: bool) -> float:
    e = sample.embeddings
    mirror = dataclasses.replace(sample, embeddings=e.swapped())
    if broken:
        mirror = sample.served(np.roll(e.y, 1, axis=0), e.x)
    before, after = (s.figures(retrieval_figures) for s in (sample, mirror))
    gap = None if after["symmetry gap"] is None else -after["symmetry gap"]
    same = (_apart(before[name], after[name]) for name in ("pair discrimination", "r@1"))
    return max(_apart(before["symmetry gap"], gap), *same)


def _distractors(sample: Sample, rng: np.random.Generator, broken: bool) -> float:
    """Rank one half of the items among themselves and among all; no item may be found oftener there."""
    half = np.arange(len(sample.groups) // 2, dtype=np.int64)
    small = sample.take(half)
    if broken:
        small = small.served(small.embeddings.x, np.roll(small.embeddings.y, 1, axis=0))
    few, many = (d.ranks(s.embeddings, s.groups) for s in (small, sample))
    sides = ((few.forward, many.forward), (few.backward, many.backward))
    return max(float(np.max(b.hits(1)[half] - a.hits(1), initial=0.0)) for a, b in sides)


RELATIONS: tuple[Relation, ...] = (
    Relation(
        "permuting_items",
        "Do the figures stay when the pairs come in another order?",
        "the order of one modality alone",
        _permuting,
    ),
    Relation(
        "rotating_space",
        "Do the figures stay when the space is rotated?",
        "a rotation of one modality alone",
        _rotating,
    ),
    Relation(
        "scaling",
        "Do the figures stay when all embeddings are scaled?",
        "one modality scaled by a negative number",
        _scaling,
    ),
    Relation(
        "duplicating_items",
        "Does retrieval stay when every item gets a twin that is also a right answer?",
        "twins that count as wrong answers",
        _duplicating,
    ),
    Relation(
        "relabelling_nuisance",
        "Do the figures stay when nuisance values and groups go by other names?",
        "nuisance values merged, or a single one split",
        _relabelling,
    ),
    Relation(
        "swapping_modalities",
        "Does the gap between the directions change its sign, and nothing else, when the modalities swap?",
        "other pairs after the swap",
        _swapping,
    ),
    Relation(
        "adding_distractors",
        "Is no item found oftener among more candidates?",
        "other pairs before the distractors came",
        _distractors,
    ),
)
