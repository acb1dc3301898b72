"""Claimed pairs of inputs, and what is known about them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError
from mmaudit.labels import coded, column_of, groups_of, marks_of

__all__ = ["IntArray", "Made", "Pairs", "Renderer"]

IntArray = npt.NDArray[np.int64]


class Made(Sequence[Any]):
    """``n`` inputs that ``make`` makes, by their number, when they are asked for."""

    def __init__(self, n: int, make: Callable[[int], Any]) -> None:
        self._n, self._make = n, make

    def __len__(self) -> int:
        """Return the number of inputs."""
        return self._n

    def __getitem__(self, index: Any) -> Any:
        """Return one input, or the list of those at a slice."""
        if isinstance(index, slice):
            return [self._make(i) for i in range(*index.indices(self._n))]
        at = index + self._n if index < 0 else index
        if not 0 <= at < self._n:
            raise IndexError(index)
        return self._make(int(at))


class Renderer(Protocol):
    """Renders the audited items again; what a synthetic world can do and a fixed data set cannot."""

    def redrawn(self, seed: int) -> "Pairs":
        """Return the same items with every nuisance drawn anew, independently in the two modalities."""

    def twins(self, groups: int, size: int, seed: int) -> "Pairs":
        """Return ``groups * size`` pairs, rows ``g*size .. g*size+size-1`` being twins: items of identical
        factors whose noise and nuisance are drawn independently (within a pair the nuisance stays shared
        exactly as in the audited data).
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs:
    """n claimed pairs. ``inputs`` maps each of two modality names to n inputs of any kind.

    ``groups`` (n,) int: items of one group mean the same, so all of them are correct answers; ``None``:
    every item is its own group. ``factors`` and ``nuisance`` map a name to (n,) integer codes: what the
    items mean, and what they must not be matched by (watermark, source, template). ``code_names`` may map
    such a name to what its codes are called: code k is ``code_names[name][k]``. ``trusted`` (n,) bool marks
    pairs known to be right; ``None``: none is known. ``metadata`` maps a name to (n,) strings or real
    numbers (NaN: not known) of which nothing is said: they are scanned for shortcuts and cut into slices.
    ``splits`` (n,) strings name the part of the data each pair belongs to. ``places`` (n,) say where each
    pair was read, ``left_out`` which rows were not used and why, one line each.

    Labels may be given as any sequence, and become arrays here. Strings become codes: of ``groups`` in their
    order, of ``factors`` and ``nuisance`` by first appearance, and ``code_names`` then names these; in
    ``trusted``, 0 and 1 will do. Raises :class:`InputError`, which names the field and the row, on unequal
    lengths, a label that is missing, NaN or of another kind than the first, and on a code without a name in a
    column whose codes have names.
    """

    inputs: Mapping[str, Sequence[Any] | npt.NDArray[Any]]
    groups: IntArray | None = None
    factors: Mapping[str, IntArray] = dataclasses.field(default_factory=dict)
    nuisance: Mapping[str, IntArray] = dataclasses.field(default_factory=dict)
    code_names: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    trusted: npt.NDArray[np.bool_] | None = None
    metadata: Mapping[str, npt.NDArray[Any]] = dataclasses.field(default_factory=dict)
    splits: npt.NDArray[np.str_] | None = None
    places: Sequence[str] | None = None
    left_out: tuple[str, ...] = ()
    renderer: Renderer | None = None
    name: str = "pairs"
    description: str = ""

    def __post_init__(self) -> None:
        """Check counts and make labels arrays once, so that no diagnostic has to."""
        if len(self.inputs) != 2:
            raise InputError(f"pairs need exactly two modalities, got {sorted(self.inputs) or 'none'}")
        counts = {name: len(column) for name, column in self.inputs.items()}
        if len(set(counts.values())) != 1:
            raise InputError(
                f"unequal counts: {counts}; give one input a pair in each modality, in the same order"
            )
        n = next(iter(counts.values()))
        made: dict[str, Any] = {
            "groups": None if self.groups is None else groups_of("groups", self.groups, n),
            "trusted": None if self.trusted is None else marks_of("trusted", self.trusted, n),
            "splits": None if self.splits is None else column_of("splits", self.splits, n),
            "code_names": self.code_names,
        }
        for field, what in (("factors", "factor"), ("nuisance", "nuisance")):
            given = getattr(self, field).items()
            columns = {name: column_of(f"{what} {name!r}", column, n) for name, column in given}
            made[field], made["code_names"] = coded(columns, made["code_names"])
        for field, value in made.items():
            object.__setattr__(self, field, value)
        as_they_are = {f"metadata {name!r}": column for name, column in self.metadata.items()}
        for label, column in {"places": self.places, **as_they_are}.items():
            if column is not None and np.shape(column) != (n,):
                raise InputError(f"{label} has shape {np.shape(column)}; expected ({n},), one value a pair")
        for name, names in self.code_names.items():
            for codes in (self.factors.get(name), self.nuisance.get(name)):
                if codes is not None and not np.isin(codes, np.arange(len(names))).all():
                    raise InputError(f"code_names has {len(names)} names for {name!r}; give every code one")
        for name, column in self.metadata.items():
            if np.asarray(column).dtype.kind not in "biufU":
                kind = np.asarray(column).dtype
                raise InputError(f"metadata {name!r} has dtype {kind}; expected strings or real numbers")

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(next(iter(self.inputs.values())))

    @property
    def modalities(self) -> tuple[str, str]:
        """The two modality names, in the order of ``inputs``."""
        first, second = self.inputs
        return first, second

    def take(self, rows: npt.ArrayLike) -> "Pairs":
        """Return the pairs at ``rows`` (k,) int, without a renderer, which renders all of them."""
        kept = np.asarray(rows, dtype=np.int64)

        def taken(column: Any) -> Any:
            if column is None or isinstance(column, np.ndarray):
                return None if column is None else column[kept]
            # Files stay where they are until they are asked for.
            lazy = getattr(column, "take", None)
            return lazy(kept.tolist()) if lazy else [column[i] for i in kept.tolist()]

        def each(columns: Mapping[str, Any]) -> dict[str, Any]:
            return {name: taken(column) for name, column in columns.items()}

        return dataclasses.replace(
            self,
            inputs=each(self.inputs),
            groups=taken(self.groups),
            factors=each(self.factors),
            nuisance=each(self.nuisance),
            trusted=taken(self.trusted),
            metadata=each(self.metadata),
            splits=taken(self.splits),
            places=taken(self.places),
            renderer=None,
        )
