"""Gathers what the checks look at: every input is encoded once a session, on first need."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.data.derived import derivable
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.gates.case import Again, Case, Inputs
from mmaudit.gates.check import ACCESS
from mmaudit.gates.edits import EDITED, Edits, edited_views
from mmaudit.gates.facets import contents_of, sample, scan_of, slices_of
from mmaudit.gates.store import Store
from mmaudit.interventions import modality_of
from mmaudit.pairs import IntArray, Pairs
from mmaudit.seeds import derived_seed, generator
from mmaudit.subjects import Subject, Training, TrainingFault
from mmaudit.subjects.cache import EmbeddingCache
from mmaudit.subjects.encode import Progress, encode, rows_of
from mmaudit.subjects.gradients import differentiable, observed_training
from mmaudit.subjects.reference import reference_subject, reference_world
from mmaudit.world import World

__all__ = ["AGAIN_ITEMS", "REDRAWS", "TWIN_GROUPS", "TWIN_SIZE", "Material"]

AGAIN_ITEMS = 256
"""Items encoded a second time. A broken encoder breaks on most of them; a sound one need not pay for all."""
REDRAWS = 4
"""Draws of the nuisance that a counterfactual averages over: a draw is noise, and widens the interval."""
TWIN_GROUPS = 1000
TWIN_SIZE = 4
_TRAINING = frozenset({"training", "gradients", "movements"})
BUILT_IN = ("image", "text")
"""The modalities of the built-in world."""


class Material:
    """The subject and the pairs of one audit, and everything encoded from them."""

    def __init__(
        self,
        subject: Subject | None,
        pairs: Pairs | None,
        *,
        seed: int,
        store: Store,
        progress: Progress | None,
        kept: EmbeddingCache | None = None,
        before: Path | None = None,
    ) -> None:
        """Refuse at once a subject and pairs that cannot be used together (:class:`InputError`)."""
        self._given = subject
        self._given_pairs = pairs
        self._seed = seed
        self._store = store
        self._progress = progress
        self.kept = kept
        self._before = before
        # Checks that see the same things share a case, and with it the ranks it works out once.
        self._cases: dict[frozenset[str], Case] = {}
        rows = None if subject is None else subject.items
        if rows is not None and pairs is None:
            return
        encoded = BUILT_IN if subject is None else subject.modalities
        held = BUILT_IN if pairs is None else pairs.modalities
        if set(encoded) != set(held):
            raise InputError(
                f"the subject encodes {' and '.join(encoded)}, the pairs hold {' and '.join(held)}; "
                "give pairs of what it encodes"
            )
        if pairs is not None and rows is not None and rows != len(pairs):
            raise InputError(f"{rows} embeddings were given for {len(pairs)} pairs; give one row a pair")

    @property
    def is_reference(self) -> bool:
        """Whether this is the reference aligner in the standard world, which has limits of its own."""
        return self._given is None and self._given_pairs is None

    @functools.cached_property
    def world(self) -> World | None:
        """The built-in world, where the pairs come from it."""
        fixed = self._given is not None and self._given.items is not None
        return None if fixed or self._given_pairs is not None else reference_world(self._seed)

    @functools.cached_property
    def subject(self) -> Subject:
        """What is audited; the reference aligner is trained once a session."""
        if self._given is not None:
            return self._given
        return self._store.get(
            "reference", lambda: reference_subject(seed=self._seed, progress=self._progress)
        )

    @functools.cached_property
    def pairs(self) -> Pairs:
        """What it is audited on."""
        if self._given_pairs is not None:
            return self._given_pairs
        if self._given is not None and self._given.items is not None:
            rows = np.arange(self._given.items)
            return Pairs(inputs=dict.fromkeys(self._given.modalities, rows), name=self._given.identity.name)
        assert self.world is not None
        return self.world.audit_pairs(self._given.view if self._given is not None else "features")

    @functools.cached_property
    def slices(self) -> Mapping[str, npt.NDArray[np.bool_]]:
        """The slices of the audited pairs, (n,) by name."""
        return slices_of(self.pairs)

    def lacks(self, needs: Sequence[str]) -> str | None:
        """Return what is missing for ``needs``, as one line, or ``None``."""
        pairs, given = self.pairs, self._given
        trusted = pairs.trusted
        encodes = given is None or given.items is None
        trained = given is None or given.training is not None
        have = {
            "inner product": given is not None and given.similarity == "dot",
            "encoder": encodes,
            "numeric inputs": encodes and any(_is_numeric(column) for column in pairs.inputs.values()),
            "renderer": encodes and pairs.renderer is not None,
            "nuisance": bool(pairs.nuisance),
            "columns": bool(pairs.metadata) or derivable(pairs),
            "pictures": encodes and modality_of(pairs, "picture") is not None,
            "captions": encodes and modality_of(pairs, "caption") is not None,
            "slices": bool(self.slices),
            "splits": pairs.splits is not None and len(np.unique(pairs.splits)) > 1,
            "claimed": trusted is None or not bool(trusted.all()),
            "trusted": trusted is not None and bool(trusted.any()) and not bool(trusted.all()),
            "factors": bool(pairs.factors),
            "training": trained,
            "gradients": trained or differentiable(given),
            "movements": trained or (differentiable(given) and self._before is not None),
        }
        missing = [ACCESS[need][1] for need in needs if not have[need]]
        return f"needs {missing[0]}" if missing else None

    def served(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return both sides of the audited pairs, (n, d) each, as the encoders gave them."""
        return self._store.get("served", lambda: self._encode(self.pairs))

    def measured(self) -> Embeddings | None:
        """Return the audited embeddings if this session computed them and they are sound, else ``None``."""
        found = self._store.peek("served")
        try:
            return None if found is None else self._embeddings(found)
        except InputError:
            return None

    def case(self, needs: Sequence[str]) -> Case:
        """Return the case with the parts that ``needs`` names. Raises what the encoders raise."""
        key = frozenset(needs)
        if key not in self._cases:
            self._cases[key] = self._case(key)
        return self._cases[key]

    def _case(self, needs: frozenset[str]) -> Case:
        pairs, subject = self.pairs, self.subject
        x, y = self.served()
        renders = "renderer" in needs
        return Case(
            x=x,
            y=y,
            modalities=subject.modalities,
            similarity=subject.similarity,
            groups=pairs.groups,
            trusted=pairs.trusted,
            factors=pairs.factors,
            nuisance=pairs.nuisance,
            scan=self._store.get("scan", lambda: scan_of(pairs, self._seed)) if "columns" in needs else None,
            slices=self.slices if "slices" in needs else {},
            edits=self._store.get("edits", self._edits) if needs & {"pictures", "captions"} else None,
            splits=_codes(pairs.splits) if "splits" in needs else None,
            contents=contents_of(pairs) if "splits" in needs else {},
            again=self._store.get("again", self._again) if "encoder" in needs else (),
            inputs=self._inputs() if "numeric inputs" in needs else None,
            redrawn=tuple(
                self._redrawn(draw) for draw in range(REDRAWS if renders and pairs.nuisance else 0)
            ),
            twins=self._embeddings(self._store.get("twins", self._twins)) if renders else None,
            twin_size=TWIN_SIZE,
            training=self._training() if needs & _TRAINING else None,
            retrain=self._retrained if needs & _TRAINING and subject.retrain is not None else None,
            shared=self._store.get,
        )

    def _training(self) -> Training:
        """Return the subject's training history, or what can be observed of a PyTorch model without one."""
        if self.subject.training is not None:
            return self.subject.training
        rng = generator(self._seed, "gradient batches")
        return self._store.get(
            "gradients",
            lambda: observed_training(self.subject, self.pairs.inputs, rng, before=self._before),
        )

    def _embeddings(self, sides: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> Embeddings:
        return Embeddings(*sides, self.subject.modalities, self.subject.similarity)

    def _encode(self, pairs: Pairs) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        given = self.subject.items is not None
        first, second = (
            encode(
                self.subject,
                m,
                np.arange(len(pairs)) if given else pairs.inputs[m],
                progress=self._progress,
                cache=None if given else self.kept,
            )
            for m in self.subject.modalities
        )
        return first, second

    def _again(self) -> tuple[Again, ...]:
        """Encode some items twice more: exactly as before, then in another order and batch size."""
        rng = generator(self._seed, "encoded again")
        size = self.subject.batch_size
        start = np.arange(min(size, AGAIN_ITEMS, len(self.pairs)))
        mixed = rng.permutation(len(self.pairs))[:AGAIN_ITEMS]
        whole = np.arange(min(size, len(self.pairs)))
        return (
            self._encoded_again("on a second call", whole, size, keep=start),
            self._encoded_again("in another order and batch size", mixed, len(mixed) // 3 + 1, keep=None),
        )

    def _encoded_again(self, how: str, rows: IntArray, batch_size: int, keep: IntArray | None) -> Again:
        x, y = (
            encode(self.subject, m, rows_of(self.pairs.inputs[m], rows), batch_size=batch_size)
            for m in self.subject.modalities
        )
        return Again(how, rows, x, y) if keep is None else Again(how, keep, x[keep], y[keep])

    def _inputs(self) -> Inputs:
        """Return the inputs as numbers, of some items where there are many."""
        rows = sample(len(self.pairs), self._seed)
        numeric = {m: column for m, column in self.pairs.inputs.items() if _is_numeric(column)}
        columns = {m: _flat(m, rows_of(column, rows)) for m, column in numeric.items()}
        return Inputs(rows, {m: columns[m] for m in self.subject.modalities if m in columns})

    def _edits(self) -> Edits:
        rows = sample(len(self.pairs), self._seed, EDITED)

        def run(modality: str, inputs: Sequence[Any]) -> npt.NDArray[Any]:
            return encode(self.subject, modality, inputs, progress=self._progress)

        return edited_views(self.pairs, rows, run, self.subject.similarity, self._seed)

    def _redrawn(self, draw: int) -> Embeddings:
        renderer, seed = self.pairs.renderer, derived_seed(self._seed, "redrawn", draw)
        assert renderer is not None
        return self._embeddings(
            self._store.get(f"redrawn-{draw}", lambda: self._encode(renderer.redrawn(seed)))
        )

    def _twins(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        assert self.pairs.renderer is not None
        return self._encode(
            self.pairs.renderer.twins(TWIN_GROUPS, TWIN_SIZE, derived_seed(self._seed, "twins"))
        )

    def _retrained(self, fault: TrainingFault, severity: float) -> Training:
        assert self.subject.retrain is not None
        retrain = self.subject.retrain
        key = f"retrained-{fault.replace(' ', '-')}-{severity:.2f}"
        again = self._store.get(key, lambda: retrain(fault, severity)).training
        assert again is not None
        return again


def _is_numeric(column: Any) -> bool:
    """Whether inputs look like arrays of numbers; one item is looked at, which may have to be loaded."""
    first = column[0] if len(column) else None
    return isinstance(first, np.ndarray) and first.ndim > 0 and first.dtype.kind in "fiu"


def _flat(modality: str, items: Any) -> npt.NDArray[np.float64]:
    """Return inputs (k, …) as (k, p) float64."""
    shapes = {np.shape(item) for item in items}
    if len(shapes) != 1:
        raise InputError(f"the {modality} inputs have {len(shapes)} shapes; only inputs of one shape compare")
    return np.asarray(items, dtype=np.float64).reshape(len(items), -1)


def _codes(names: npt.NDArray[np.str_] | None) -> IntArray | None:
    return None if names is None else np.unique(names, return_inverse=True)[1].ravel().astype(np.int64)
