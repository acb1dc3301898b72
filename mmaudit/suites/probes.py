"""The probes of the chapter, and those that replace the ones that cannot see: one condition, in numbers."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from mmaudit import diagnostics as d
from mmaudit import inference
from mmaudit.embeddings import Embeddings
from mmaudit.inference import exact
from mmaudit.measurement import Measurement
from mmaudit.pairs import IntArray
from mmaudit.subjects import Training

__all__ = ["TWIN_SIZE", "Probed", "Sample", "compared", "probed"]

TWIN_SIZE = 4
TOLD_FACTOR = "shape"
"""The factor whose information is followed, as in the chapter."""

Measured = Mapping[str, Measurement]


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """A trained aligner seen through its test pairs.

    ``labels``: the followed factor and, in a confounded world, the confounder's codes, (n,) each by name.
    ``redrawn``: the same items with the confounder drawn anew. ``twins``: runs of :data:`TWIN_SIZE` items of
    one meaning. ``training`` is ``None`` where the trainer keeps no record that the suites can read.
    """

    embeddings: Embeddings
    groups: IntArray
    labels: Mapping[str, IntArray]
    redrawn: tuple[Embeddings, ...]
    twins: Embeddings
    training: Training | None

    @functools.cached_property
    def ranks(self) -> d.Ranks:
        """The ranks of every pair, relevance groups left out."""
        return d.ranks(self.embeddings, self.groups)


@dataclasses.dataclass(frozen=True, eq=False)
class Probed:
    """What is kept of a sample: what it measures by itself, and what another is compared with."""

    embeddings: Embeddings
    ranks: d.Ranks
    measured: Sequence[Measurement]


def probed(sample: Sample) -> list[Measurement]:
    """Return what the aligner measures by itself; with several labels also the shift between them."""
    ranked, e = sample.ranks, sample.embeddings
    found = [
        d.recall(ranked, direction="forward"),
        d.recall(ranked, direction="backward"),
        d.mean_recall(ranked),
        d.symmetry_gap(ranked),
        *d.per_side(d.mean_cosine, e),
        *d.per_side(d.effective_rank, e),
        *d.per_side(d.rankme, e),
        d.rank_asymmetry(e),
        d.norm_leak(e),
        d.canonical_correlations(e, sample.groups),
        d.ridge_cca(e, sample.groups),
        d.twin_accuracy(sample.twins.x, sample.twins.y, TWIN_SIZE, sample.twins.similarity),
    ]
    if (training := sample.training) is not None:
        found.append(d.gradient_ratio(*training.gradient_norms))
        if training.movements is not None:
            found.append(d.movement_ratio(*training.movements))
        if training.influence is not None:
            found += d.one_step_influence(*training.influence)
    if sample.redrawn:
        found.append(
            d.counterfactual_drop(ranked, [d.ranks(drawn, sample.groups) for drawn in sample.redrawn])
        )
    for name, codes in sample.labels.items():
        found += _information(sample, name, codes)
    if len(sample.labels) > 1:
        taken = {m.name: m for m in found}
        factor, confounder = (f"image_{name}" for name in sample.labels)
        for kind in ("mi_excess", "v_information"):
            found.append(
                _difference(f"{kind}_shift", taken[f"{kind}_{confounder}"], taken[f"{kind}_{factor}"], "nats")
            )
    return found


def _information(sample: Sample, name: str, codes: IntArray) -> list[Measurement]:
    e = sample.embeddings
    proxy, excess = d.mi_proxy(e.x, codes, sample.groups, modality="image", factor_name=name)
    found = [proxy, excess]
    if proxy.value and proxy.null is not None:
        found.append(
            exact(
                f"mi_null_share_image_{name}",
                proxy.null / proxy.value,
                proxy.n,
                unit="share",
                direction="lower is better",
                method="mean proxy over permuted labels, over the proxy of the true ones",
            )
        )
    found.append(d.v_information(e.scored[0], codes, sample.groups, modality="image", factor_name=name))
    return found


def compared(result: Probed, reference: Probed) -> list[Measurement]:
    """Return what changed against ``reference``; retrieval item by item, on the same test items.

    Ranks and information of the two aligners are taken as independent, which errs on the wide side.
    """
    own, theirs = ({m.name: m for m in r.measured} for r in (result, reference))
    lost = d.counterfactual_drop(reference.ranks, result.ranks)
    found = [dataclasses.replace(lost, name="recall_lost", method=f"{lost.method}, against the reference")]
    if result.embeddings.x.shape == reference.embeddings.x.shape:
        found.append(_moved(result.embeddings, reference.embeddings))
    for modality in result.embeddings.modalities:
        name = f"effective_rank_{modality}"
        found.append(_log_ratio(f"{name}_change", own[name], theirs[name]))
    for name, label in (("counterfactual_drop", "drop_change"), *_shared_information(own, theirs)):
        if name in own and name in theirs:
            found.append(_difference(label, own[name], theirs[name], own[name].unit))
    return found


def _shared_information(own: Measured, theirs: Measured) -> list[tuple[str, str]]:
    name = f"v_information_image_{TOLD_FACTOR}"
    return [(name, f"{name}_change")] if name in own and name in theirs else []


def _moved(e: Embeddings, reference: Embeddings) -> Measurement:
    """Return the largest change of any coordinate of any scored embedding."""
    change = max(float(np.abs(a - b).max()) for a, b in zip(e.scored, reference.scored, strict=True))
    return exact(
        "embedding_change",
        change,
        len(e),
        direction="descriptive",
        method="largest difference of a coordinate of the scored rows, against the reference",
    )


def _difference(name: str, first: Measurement, second: Measurement, unit: str) -> Measurement:
    if first.value is None or second.value is None:
        return inference.undefined(name, "one of the two is undefined", first.n)
    return inference.propagated(
        name, first.value - second.value, [(1.0, first), (-1.0, second)], first.n, unit=unit, null=0.0
    )


def _log_ratio(name: str, first: Measurement, second: Measurement) -> Measurement:
    if not first.value or not second.value:
        return inference.undefined(name, "one of the two ranks is zero or undefined", first.n)
    return inference.propagated(
        name,
        math.log(first.value / second.value),
        [(1 / first.value, first), (-1 / second.value, second)],
        first.n,
        unit="log ratio",
        null=0.0,
    )
