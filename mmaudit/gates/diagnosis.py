"""Which failures are present? Named by rules whose nulls are exact or trusted, from the outcomes of an audit.

A gate asks whether a limit is kept; a diagnosis asks what is there. Two kinds of rule answer it. None is
learned from planted failures: a classifier that is alarms on benign types it has not seen.

- *Null* rules: without the failure a figure has a known distribution (twins are told apart at chance, a
  redrawn nuisance costs nothing, claimed pairs are as good as trusted ones), and it is beyond :data:`ALPHA`.
- *Limit* rules: the gate's own limit is broken at :data:`ALPHA`. Where a gate has no limit in force (the
  training figures of anyone but the reference aligner) the diagnosis says that it cannot know.

What one failure explains is not held to be another one as well: see :func:`_explained`.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from mmaudit.errors import InputError
from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.gates.policy import FAILURE_ORDER
from mmaudit.inference import tail_probability
from mmaudit.measurement import Measurement

__all__ = ["ACCESS_LEVELS", "ALPHA", "READ", "Diagnosis", "Evidence", "diagnose"]

ALPHA = 0.001
"""The level of each rule, two-sided: ten of them name something in a healthy model once in two hundred."""

_EMBEDDINGS = frozenset({"embeddings", "claimed pairs"})
_PAIRS = _EMBEDDINGS | {"trusted pairs", "metadata", "labels"}
_INPUTS = _PAIRS | {"inputs"}
ACCESS_LEVELS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "embeddings": _EMBEDDINGS,
        "pairs": _PAIRS,
        "inputs": _INPUTS,
        "gradients": _INPUTS | {"gradients"},
    }
)
"""What may be looked at, from the rows alone to the training as well; each level holds those before it."""

_INPUT_SIMILARITY = ("first_input_similarity", "second_input_similarity")
SHORTCUT_MOVEMENT = 1.0
"""The largest movement ratio that a shortcut explains: the healthy limit and what the shortcut adds."""
CROWDED_ASYMMETRY = math.log(3)
"""The largest log ratio of dimensions that crowding explains: one modality has three times the other's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """Why a failure is named: the check, what it found, and what it would have found without the failure."""

    failure: str
    check: str
    finding: str
    null: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The failures present, in the order of a report, with the evidence for each.

    ``access`` are the kinds of access that the evidence rests on or was looked for with; ``unknown`` holds
    one line for each thing that could not be looked at.
    """

    failures: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    access: tuple[str, ...]
    unknown: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return the diagnosis as exact builtin types."""
        lists = {key: list(getattr(self, key)) for key in ("failures", "access", "unknown")}
        return {**lists, "evidence": [dataclasses.asdict(e) for e in self.evidence]}

    def __str__(self) -> str:
        """Return the diagnosis as lines of text."""
        lines = [f"failures: {', '.join(self.failures) or 'none found'}"]
        lines += [f"  {e.failure}: {e.finding} ({e.null})" for e in self.evidence]
        lines.append(f"looked at: {', '.join(self.access) or 'nothing'}")
        return "\n".join([*lines, *(f"  cannot know: {line}" for line in self.unknown)])


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Rule:
    """``holds`` judges the outcome of ``check``; ``misses`` is what stays unseen without it."""

    failure: str
    check: str
    null: str
    misses: str
    holds: Callable[[Outcome], bool]


def _measurements(outcome: Outcome) -> tuple[Measurement, ...]:
    return () if outcome.measurement is None else (outcome.measurement, *outcome.others)


def _beyond(outcome: Outcome, low: float | None, high: float | None) -> list[float]:
    """Return the p-value of each measurement that it lies outside ``[low, high]``; 1 where undefined."""
    found = (tail_probability(m, low, high) for m in _measurements(outcome))
    return [1.0 if p is None else p for p in found]


def _above_null(outcome: Outcome) -> bool:
    """Whether one of the measurements is above its null, at a level shared among them."""
    found = _measurements(outcome)
    tails = (tail_probability(m, None, m.null) for m in found if m.null is not None)
    return any(p is not None and p * len(found) <= ALPHA for p in tails)


def _improbable(outcome: Outcome) -> bool:
    """A measured probability is below the gate's own limit, or below :data:`ALPHA` where it has none."""
    limit = outcome.limit
    low = ALPHA if limit is None or limit.low is None else limit.low
    return any(m.value is not None and m.value < low for m in _measurements(outcome))


def _one_beyond(outcome: Outcome) -> bool:
    limit = outcome.limit
    if limit is None:
        return False
    found = _beyond(outcome, limit.low, limit.high)
    return any(p * len(found) <= ALPHA for p in found)


def _all_beyond(outcome: Outcome) -> bool:
    """Whether both modalities break the limit: what breaks it in one alone is no collapse of the space."""
    limit = outcome.limit
    if limit is None:
        return False
    found = _beyond(outcome, limit.low, limit.high)
    return bool(found) and all(p <= ALPHA for p in found)


_RULES = (
    _Rule(
        failure="dominance",
        check="norm_leak",
        null="unit rows have no spread of lengths",
        misses="lengths that favour items, where cosine ignores them",
        holds=_one_beyond,
    ),
    _Rule(
        failure="dominance",
        check="rank_asymmetry",
        null="both modalities use as many dimensions, to a factor of two",
        misses="a modality of few dimensions",
        holds=_one_beyond,
    ),
    _Rule(
        failure="dominance",
        check="movement_ratio",
        null="both encoders learn, in the range of healthy ones",
        misses="an encoder that learned little and left no trace in the geometry",
        holds=_one_beyond,
    ),
    _Rule(
        failure="dominance",
        check="twin_variance",
        null="both encoders let go of noise and nuisance as healthy ones do",
        misses="an encoder that kept the noise of its inputs",
        holds=_one_beyond,
    ),
    *(
        _Rule(
            failure="dominance",
            check=check,
            null="the encoder has left the similarities of its raw inputs as far behind as healthy ones do",
            misses=f"an encoder that hardly learned ({check.partition('_')[0]} modality)",
            holds=_one_beyond,
        )
        for check in _INPUT_SIMILARITY
    ),
    _Rule(
        failure="shortcut",
        check="twin_accuracy",
        null="twins are told apart at chance",
        misses="a shortcut that nobody named",
        holds=_above_null,
    ),
    _Rule(
        failure="shortcut",
        check="twin_agreement",
        null="twins are alike whoever belongs to whom",
        misses="a faint shortcut that nobody named",
        holds=_above_null,
    ),
    _Rule(
        failure="shortcut",
        check="counterfactual_drop",
        null="a nuisance that plays no role costs nothing when it is redrawn",
        misses="how much the named nuisance carries",
        holds=_above_null,
    ),
    _Rule(
        failure="shortcut",
        check="matched_negative_drop",
        null="candidates of one nuisance value are as hard as any others",
        misses="a nuisance that rules candidates out",
        holds=_above_null,
    ),
    _Rule(
        failure="corruption",
        check="mispairing_rate",
        null="claimed pairs rank as trusted ones do",
        misses="pairs exchanged at random",
        holds=_above_null,
    ),
    _Rule(
        failure="corruption",
        check="exchangeability",
        null="claimed pairs are like trusted ones drawn as they were",
        misses="pairs exchanged for near ones",
        holds=_improbable,
    ),
    _Rule(
        failure="collapse",
        check="separation",
        null="different items of both modalities are apart",
        misses="items that are all one point",
        holds=_all_beyond,
    ),
    _Rule(
        failure="collapse",
        check="effective_rank",
        null="both modalities span half a dimension a bit",
        misses="a space of few dimensions",
        holds=_all_beyond,
    ),
    _Rule(
        failure="collapse",
        check="rankme",
        null="both modalities span what healthy ones do",
        misses="dimensions lost short of the field limit",
        holds=_all_beyond,
    ),
    _Rule(
        failure="collapse",
        check="mean_cosine",
        null="items of both modalities fill the sphere as healthy ones do",
        misses="a cone",
        holds=_all_beyond,
    ),
)
READ = frozenset(rule.check for rule in _RULES)
"""The checks that a rule reads."""


def diagnose(outcomes: Iterable[Outcome], access: str = "gradients") -> Diagnosis:
    """Name the failures that ``outcomes`` show, looking only at what ``access`` allows.

    ``outcomes`` are those of the catalogue's checks, run on one subject; any others are passed over, and a
    check that is missing is one that could not be looked at. ``access`` is one of :data:`ACCESS_LEVELS`.
    Raises :class:`~mmaudit.errors.InputError` on an unknown level.
    """
    if access not in ACCESS_LEVELS:
        raise InputError(f"access {access!r} is unknown; give one of {', '.join(ACCESS_LEVELS)}")
    allowed = ACCESS_LEVELS[access]
    seen = {o.check: o for o in outcomes if set(o.access) <= allowed}
    holding: list[_Rule] = []
    unknown: list[str] = []
    looked_at: set[str] = set()
    for rule in _RULES:
        outcome = seen.get(rule.check)
        if (why := _unseen(rule, outcome, access)) is not None:
            unknown.append(f"{rule.misses} ({rule.failure}): {why}")
            continue
        assert outcome is not None
        looked_at.update(outcome.access)
        if rule.holds(outcome):
            holding.append(rule)
    explained = _explained({rule.check for rule in holding}, seen)
    evidence = tuple(
        Evidence(failure=r.failure, check=r.check, finding=_finding(seen[r.check]), null=r.null)
        for r in holding
        if r.check not in explained
    )
    named = {e.failure for e in evidence}
    return Diagnosis(
        failures=tuple(failure for failure in FAILURE_ORDER if failure in named),
        evidence=evidence,
        access=tuple(sorted(looked_at)),
        unknown=tuple(unknown),
    )


def _unseen(rule: _Rule, outcome: Outcome | None, access: str) -> str | None:
    """Return why ``rule`` cannot be applied, ``None`` if it can."""
    if outcome is None:
        return f"{rule.check} was not run, or needs more access than {access}"
    if outcome.measurement is None or outcome.verdict is Verdict.NOT_EVIDENCED:
        return outcome.reason or f"{rule.check} was not measured"
    if outcome.measurement.value is None:
        return f"{rule.check} is undefined: {next(iter(outcome.measurement.notes), 'no reason was given')}"
    if rule.holds in (_one_beyond, _all_beyond) and outcome.limit is None:
        return f"{rule.check} has no limit for this subject"
    if rule.holds is _above_null and all(m.null is None for m in _measurements(outcome)):
        return f"{rule.check} has no null here; mark pairs known to be right as trusted"
    return None


def _explained(holding: set[str], seen: Mapping[str, Outcome]) -> set[str]:
    """Return the checks whose evidence is accounted for by another failure that is there.

    - An encoder trained on wrong pairs learns less of what they share, and so keeps more of its inputs.
    - One trained on a shortcut keeps the nuisance, and its modality looks more like inputs that hold it.
    - A shortcut gives the first modality's encoder more to do, whose movement then leads by so much.
    - An encoder left behind crowds its items, and some of that rubs off on the other one.
    - What is crowded or flat spreads its items by little else than what their inputs differ in most.
    - Where both modalities crowd together, how many dimensions are left to each is a matter of chance.
    - A modality of few dimensions takes dimensions from the other, and the space as a whole is sound. One of
      very few does not fill the sphere, and the other follows it.
    """
    explained = set()
    if holding & {"mispairing_rate", "exchangeability"}:
        explained |= {"twin_variance", *_INPUT_SIMILARITY}
    if holding & {"twin_accuracy", "counterfactual_drop"}:
        explained |= {"twin_variance", _INPUT_SIMILARITY[1]}
        if "movement_ratio" in holding:
            limit = seen["movement_ratio"].limit
            assert limit is not None
            if min(_beyond(seen["movement_ratio"], limit.low, SHORTCUT_MOVEMENT)) > ALPHA:
                explained.add("movement_ratio")
    if {"movement_ratio", "twin_variance"} & holding - explained:
        explained.add("mean_cosine")
    if holding & {"mean_cosine", "separation", "rankme", "effective_rank"} - explained:
        explained |= set(_INPUT_SIMILARITY)
    if "rank_asymmetry" in holding:
        few = _beyond(seen["rank_asymmetry"], -CROWDED_ASYMMETRY, CROWDED_ASYMMETRY)
        if min(few) <= ALPHA:
            explained.add("mean_cosine")
    if holding & {"mean_cosine", "separation"} - explained:
        explained.add("rank_asymmetry")
    if "rank_asymmetry" in holding - explained:
        explained |= {"rankme", "effective_rank"}
    return explained


def _finding(outcome: Outcome) -> str:
    return ", ".join(
        f"{m.name} {m.value:.3g}" + ("" if m.interval == "exact" else f" [{m.low:.3g}, {m.high:.3g}]")
        for m in _measurements(outcome)
        if m.value is not None
    )
