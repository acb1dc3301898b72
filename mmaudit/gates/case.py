"""Everything a gate may look at, as flat data that a control can damage and a test can build by hand."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics import (
    Ranks,
    cross_fitted_ranks,
    measured_slices,
    mismatch_scores,
    neighbour_counts,
    pair_losses,
    ranks,
)
from mmaudit.diagnostics.principal import Principal, principal
from mmaudit.embeddings import Embeddings, Similarity, unit_rows
from mmaudit.gates.edits import Edits
from mmaudit.gates.facets import SAMPLE, Scan
from mmaudit.inference import drawn_order
from mmaudit.pairs import IntArray
from mmaudit.subjects import Training, TrainingFault

__all__ = ["Again", "Case", "Inputs"]

Rows = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Again:
    """The items ``rows`` (k,) encoded a second time, in the way ``how`` says: ``x``, ``y`` (k, d)."""

    how: str
    rows: IntArray
    x: Rows
    y: Rows


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What the items ``rows`` (k,) look like before they are encoded: ``columns`` (k, p) by modality.

    A modality is missing whose inputs are no arrays of numbers of one shape.
    """

    rows: IntArray
    columns: Mapping[str, npt.NDArray[np.float64]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """The audited pairs as served, and what else could be had. A part that could not be had is ``None``.

    ``x``, ``y``: (n, d) as served. ``again``: rows encoded a second time. ``redrawn``: the same items with
    every nuisance drawn anew, several times. ``scan``: the columns that items might be matched by.
    ``slices``: (n,) bool by name. ``splits``, ``contents``: (n,) codes of the split and of equal contents.
    ``edits``: a sample of the pairs shown again, edited, whatever the rows of the case.
    ``twins``: pairs in runs of ``twin_size`` items of identical meaning. ``inputs``: some of the inputs as
    numbers. ``retrain``: the training of the subject with a fault of a given severity. ``shared``: gives
    what was worked out under a name, once for all processes of a run.
    """

    x: Rows
    y: Rows
    modalities: tuple[str, str] = ("image", "text")
    similarity: Similarity = "cosine"
    groups: IntArray | None = None
    trusted: npt.NDArray[np.bool_] | None = None
    factors: Mapping[str, IntArray] = dataclasses.field(default_factory=dict)
    nuisance: Mapping[str, IntArray] = dataclasses.field(default_factory=dict)
    scan: Scan | None = None
    slices: Mapping[str, npt.NDArray[np.bool_]] = dataclasses.field(default_factory=dict)
    splits: IntArray | None = None
    contents: Mapping[str, IntArray] = dataclasses.field(default_factory=dict)
    edits: Edits | None = None
    again: tuple["Again", ...] = ()
    inputs: Inputs | None = None
    redrawn: tuple[Embeddings, ...] = ()
    twins: Embeddings | None = None
    twin_size: int = 0
    training: Training | None = None
    retrain: Callable[[TrainingFault, float], Training] | None = None
    shared: Callable[[str, Callable[[], Any]], Any] = lambda _, compute: compute()

    @functools.cached_property
    def embeddings(self) -> Embeddings:
        """The served rows as embeddings; raises :class:`InputError` when they are none."""
        return Embeddings(self.x, self.y, self.modalities, self.similarity)

    @functools.cached_property
    def some_embeddings(self) -> Embeddings:
        """Those of at most :data:`SAMPLE` pairs, drawn by content; raises as all of them do."""
        if len(self.x) <= SAMPLE:
            return self.embeddings
        order = drawn_order("some embeddings", self.embeddings.x, self.embeddings.y)
        return self.embeddings.take(order[:SAMPLE])

    @functools.cached_property
    def ranks(self) -> Ranks:
        """Ranks of every claimed pair, both directions, relevance groups filtered."""
        return ranks(self.embeddings, self.groups)

    @functools.cached_property
    def cross_fitted_ranks(self) -> Ranks:
        """Ranks by what the trusted pairs teach; those of :attr:`ranks` where they are none or too few."""
        if self.trusted is None:
            return self.ranks
        return cross_fitted_ranks(self.embeddings, self.trusted, self.groups)

    @functools.cached_property
    def neighbours(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """For how many queries every item of either side, (n,), is among the ten nearest."""
        # The check and the report are often in two processes. Named by content: a damaged case has its own.
        name = f"neighbours-{self.embeddings.digest}"
        counts: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
        counts = self.shared(name, lambda: neighbour_counts(self.embeddings))
        return counts

    @functools.cached_property
    def pair_losses(self) -> npt.NDArray[np.float64]:
        """The loss of every claimed pair in the audited gallery, (n,) in nats."""
        return pair_losses(self.embeddings, self.groups)

    @functools.cached_property
    def mismatch_scores(self) -> npt.NDArray[np.float64]:
        """How little the sides of every claimed pair look like one item, (n,) in nats."""
        return mismatch_scores(self.embeddings, self.groups)

    @functools.cached_property
    def directions(self) -> tuple[Principal, Principal]:
        """The principal directions of the unit rows of both sides."""
        return principal(unit_rows(self.x)), principal(unit_rows(self.y))

    @property
    def smallest_slice(self) -> IntArray:
        """The rows of the smallest slice that is measured, (0,) where none is."""
        measured = measured_slices(self.slices, self.groups).values()
        return np.flatnonzero(min(measured, key=np.count_nonzero, default=np.zeros(0)))

    def serving(self, x: npt.ArrayLike, y: npt.ArrayLike) -> "Case":
        """Return the case with other embeddings served."""
        return dataclasses.replace(self, x=np.asarray(x), y=np.asarray(y))

    def take(self, rows: IntArray) -> "Case":
        """Return the case of the pairs at ``rows`` alone, without second looks; twins and training stay."""
        return dataclasses.replace(
            self,
            x=self.x[rows],
            y=self.y[rows],
            groups=None if self.groups is None else self.groups[rows],
            trusted=None if self.trusted is None else self.trusted[rows],
            factors={name: codes[rows] for name, codes in self.factors.items()},
            nuisance={name: codes[rows] for name, codes in self.nuisance.items()},
            scan=None if self.scan is None else self.scan.take(rows, len(self.x)),
            slices={name: inside[rows] for name, inside in self.slices.items()},
            splits=None if self.splits is None else self.splits[rows],
            contents={name: codes[rows] for name, codes in self.contents.items()},
            again=(),
            inputs=None,
            redrawn=tuple(drawn.take(rows) for drawn in self.redrawn),
        )
