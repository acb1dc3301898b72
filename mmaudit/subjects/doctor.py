"""The checks of an adapter alone: does it serve embeddings at all, and always the same ones?

Nothing is said of the model's worth here. ``pytest --mmaudit-doctor`` runs this in seconds, on the built-in
world's pictures and sentences or on the user's first pairs.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mmaudit.errors import SubjectError
from mmaudit.pairs import Pairs
from mmaudit.subjects.adapt import as_subject
from mmaudit.subjects.cache import item_sha256
from mmaudit.subjects.encode import encode, largest_change, rows_of, violations
from mmaudit.subjects.http import ENDPOINT
from mmaudit.subjects.reference import reference_world
from mmaudit.subjects.subject import Subject
from mmaudit.subjects.tensors import TorchEncoder, device_of

__all__ = ["ITEMS", "STEADY", "Examination", "Finding", "examine", "patient"]

State = Literal["sound", "notice", "broken"]
Rows = npt.NDArray[Any]

ITEMS = 48
"""Inputs that are encoded, several times over."""
STEADY = 0.01
"""The largest relative change of an embedding that an audit tolerates (check ``consistency``)."""
_ROUNDING = 1e-4
"""Above float32 rounding in another order of summation, below that of half precision."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check saw. ``mend`` says what to do about it, where there is something to be done."""

    state: State
    what: str
    seen: str
    mend: str = ""


@dataclasses.dataclass(frozen=True)
class Examination:
    """All findings on one subject. Prints itself as the report."""

    subject: Subject
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is broken; notices do not count."""
        return not self.count("broken")

    def count(self, state: State) -> int:
        """Return the number of findings of that state."""
        return sum(finding.state == state for finding in self.findings)

    def __str__(self) -> str:
        """Return the report: one line a finding, and below it how to mend it."""
        identity = self.subject.identity
        width = max((len(finding.what) for finding in self.findings), default=0)
        lines = [f"mmaudit doctor: {identity.name}, read as: {identity.adapter}"]
        for f in self.findings:
            lines.append(f"  {f.state:<6}  {f.what:<{width}}  {f.seen}")
            if f.mend:
                lines.append(f"  {'':<6}  {'':<{width}}  mend: {f.mend}")
        counts = (f"{self.count(s)} {s}" for s in ("broken", "notice", "sound"))
        end = "can be audited" if self.sound else "an audit would reject this for its adapter, not its worth"
        return "\n".join([*lines, f"{', '.join(counts)}: {end}"])


def patient(obj: Any, pairs: Pairs | None = None) -> tuple[Subject, Mapping[str, Any]]:
    """Return what is examined and inputs for it: the first of ``pairs``, else of the built-in world.

    A model that reads texts alone is given the world's sentences on both sides. Raises
    :class:`SubjectError` where the world has nothing that the subject reads.
    """
    if pairs is not None:
        subject = as_subject(obj, modalities=pairs.modalities)
        rows = np.arange(min(ITEMS, len(pairs)))
        return subject, {m: rows_of(column, rows) for m, column in pairs.inputs.items()}
    try:
        subject = as_subject(obj)
    except SubjectError as refused:
        try:
            subject = as_subject(obj, modalities=("query", "document"))
        except SubjectError:
            raise refused from None
    if subject.items is not None:
        rows = np.arange(subject.items)
        return subject, dict.fromkeys(subject.modalities, rows)
    world = reference_world()
    held = world.pairs("test", subject.view).inputs
    known = {m: held.get("image" if m == "image" else "text") for m in subject.modalities}
    if "audio" in known:
        raise SubjectError("the built-in world has no sounds; give pairs with --mmaudit-data")
    return subject, {
        m: rows_of(column, np.arange(ITEMS)) for m, column in known.items() if column is not None
    }


def examine(obj: Any, pairs: Pairs | None = None) -> Examination:
    """Examine ``obj``, anything :func:`mmaudit.as_subject` takes, on the inputs that :func:`patient` gives.

    Raises :class:`SubjectError` where there is nothing to examine; what is wrong with the encoders is a
    finding.
    """
    subject, inputs = patient(obj, pairs)
    findings = [*_setting(subject)]
    served: dict[str, Rows] = {}
    for modality in subject.modalities:
        if modality not in inputs:
            raise SubjectError(
                f"the pairs hold {' and '.join(inputs)}, the subject encodes {modality} as well"
            )
        try:
            served[modality] = encode(subject, modality, inputs[modality])
        except SubjectError as error:
            findings.append(Finding("broken", f"{modality}: reads", str(error), _hint(subject)))
            continue
        findings += _rows(subject, modality, served[modality], _different(inputs[modality]))
        if subject.items is None:
            findings += _steadiness(subject, modality, inputs[modality], served[modality])
    if len(served) == 2:
        findings.append(_widths(served))
    return Examination(subject, tuple(findings))


def _hint(subject: Subject) -> str:
    if subject.identity.adapter == ENDPOINT:
        return "look whether the service runs, at this address and with this key and model"
    return "give inputs of the kind it reads, or the model with its preprocessing"


def _setting(subject: Subject) -> Iterator[Finding]:
    """Yield what can be told without encoding: weights, mode, device."""
    digest = subject.identity.weights_sha256
    if digest is None:
        yield Finding(
            "notice",
            "weights",
            "cannot be digested: the evidence cannot say which weights were audited",
            ""
            if subject.identity.adapter == ENDPOINT
            else "give the model itself instead of functions, if any",
        )
    else:
        yield Finding("sound", "weights", f"sha256 {digest[:16]}…")
    if subject.items is not None:
        yield Finding(
            "notice",
            "encoder",
            f"none: {subject.items} given rows a modality, which cannot be encoded again",
            "give the model too, if re-encoding, twins and counterfactuals are to be evidenced",
        )
    running = [e for e in subject.encoders.values() if isinstance(e, TorchEncoder)]
    modules = {id(m): m for e in running for m in e.modules.values()}
    if not modules:
        return
    parts = [part for module in modules.values() for part in module.modules()]
    training = sum(part.training for part in parts)
    seen = f"{training} of {len(parts)} modules came in training mode" if training else "came in evaluation"
    yield Finding("sound", "mode", f"{seen}; encoded in evaluation, and left as they came")
    devices = sorted({str(device_of(module)) for module in modules.values()})
    yield Finding("sound", "device", f"{', '.join(devices)}, {running[0].precision}")


def _different(inputs: Any) -> int:
    """Return how many of ``inputs`` differ in content; all, where that cannot be seen."""
    digests = [item_sha256(one) for one in inputs]
    return len(digests) if None in digests else len(set(digests))


def _rows(subject: Subject, modality: str, z: Rows, different: int) -> Iterator[Finding]:
    """Yield what the served rows (n, d), of ``different`` inputs, themselves show."""
    shape = f"{len(z)} inputs give {z.shape}, {z.dtype}"
    if z.dtype == np.float16:
        mend = "return float32, which all figures are computed from"
        yield Finding("notice", f"{modality}: shape", f"{shape}: half precision rounds at 0.05 %", mend)
    elif z.shape[1] < 2:
        yield Finding("broken", f"{modality}: shape", shape, "return more than one number an input")
    else:
        yield Finding("sound", f"{modality}: shape", shape)
    wrong = violations(z, z, (modality, modality), subject.similarity)[::2]
    if wrong:
        mend = "look for overflow, log of zero, or an empty input, and return finite, non-zero rows"
        yield Finding("broken", f"{modality}: finite", wrong[0], mend)
        return
    yield Finding("sound", f"{modality}: finite", "every number is finite, no row is zero")
    distinct = len(np.unique(z, axis=0))
    seen = f"{distinct} different vectors for {different} different inputs"
    if different > 1 and distinct == 1:
        mend = "the inputs do not reach the model: look at the preprocessing"
        yield Finding("broken", f"{modality}: distinct", seen, mend)
    elif distinct < different:
        mend = "look whether inputs are cut short (a text's length, a picture's crop) or words are unknown"
        yield Finding("notice", f"{modality}: distinct", seen, mend)
    else:
        yield Finding("sound", f"{modality}: distinct", seen)
    yield _norms(subject, modality, z)


def _norms(subject: Subject, modality: str, z: Rows) -> Finding:
    norms = np.linalg.norm(z.astype(np.float64), axis=1)
    span = f"{norms.min():.4g} to {norms.max():.4g}"
    if np.allclose(norms, 1.0, atol=1e-2):
        return Finding("sound", f"{modality}: norms", f"{span}: normalised")
    if subject.similarity == "cosine":
        return Finding("sound", f"{modality}: norms", f"{span}: not normalised, which cosine ignores")
    mend = "normalise, or let the norms count on purpose: the audit then looks for norm leaks"
    return Finding("notice", f"{modality}: norms", f"{span}, and compared by inner product", mend)


def _steadiness(subject: Subject, modality: str, inputs: Any, z: Rows) -> Iterator[Finding]:
    """Yield whether an input gets its vector again, whatever it is encoded with."""
    n = len(inputs)
    back = np.arange(n)[::-1]
    ways: Sequence[tuple[str, Callable[[], Rows], str]] = (
        (
            "again",
            lambda: encode(subject, modality, inputs),
            "switch off dropout and sampling (eval() does not reach functional dropout), or fix the seed",
        ),
        (
            "order",
            lambda: encode(subject, modality, rows_of(inputs, back))[back],
            "row i must be input i's: look for sorting by length, or state kept between calls",
        ),
        (
            "batch of 7",
            lambda: encode(subject, modality, inputs, batch_size=7),
            "look for padding that is attended to, or statistics of the batch (BatchNorm in training mode)",
        ),
        (
            "alone",
            lambda: encode(subject, modality, inputs, batch_size=1),
            "look for padding that is attended to, statistics of the batch, or a squeezed batch axis",
        ),
    )
    for name, run, mend in ways:
        try:
            change = largest_change(z, run())
        except SubjectError as error:
            yield Finding("broken", f"{modality}: {name}", str(error), mend)
            continue
        seen = "identical" if change == 0 else f"differs by {change:.2g} of its norm at most"
        if change <= _ROUNDING:
            yield Finding("sound", f"{modality}: {name}", seen)
        elif change <= STEADY:
            yield Finding("notice", f"{modality}: {name}", f"{seen}: an audit tolerates {STEADY:g}", mend)
        else:
            yield Finding("broken", f"{modality}: {name}", f"{seen}: an audit tolerates {STEADY:g}", mend)


def _widths(served: Mapping[str, Rows]) -> Finding:
    (a, x), (b, y) = served.items()
    seen = f"{a} {x.shape[1]}, {b} {y.shape[1]}"
    if x.shape[1] == y.shape[1]:
        return Finding("sound", "widths", seen)
    return Finding("broken", "widths", seen, "both must live in one space: return the projected features")
