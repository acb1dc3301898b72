"""The search for a world that breaks an encoder, and what it found."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.executor import Executor, Local
from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.inference import at_confidence
from mmaudit.measurement import Measurement
from mmaudit.seeds import derived_seed
from mmaudit.settings import Settings
from mmaudit.stress.coverage import Coverage, coverage
from mmaudit.stress.domain import Domain, changed_dials, level_of
from mmaudit.stress.shrink import boundary, smallest
from mmaudit.stress.suspicion import suspects
from mmaudit.stress.trial import COLUMNS, Bench, Trial
from mmaudit.stress.words import in_words
from mmaudit.subjects import Subject
from mmaudit.world import WorldSpec

__all__ = ["Counterexample", "Search", "search"]

EXPLORED = 0.75
"""Share of the budget that Hypothesis spends; the rest goes to what was suspect in those worlds."""
ALONE = 1
"""Worlds that share a level while a failing one is made smaller: each is judged as if audited alone, which
is what becomes of a counterexample. That there is one is settled by then, at the level of all worlds tried. A
stricter level would keep dials that do no more than make the failure larger."""
_ROUNDS, _FEWEST = 10, 10
COUNTEREXAMPLES = 3
"""Most that are made smaller: behind them come variants of the same."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counterexample:
    """One smallest world in which a gate rejects the subject.

    It was judged at the level of ``budget`` worlds. ``dials`` are those that stand elsewhere than in the
    default world, ``boundaries`` where each that has an order begins to fail. ``row`` is the hardest pair.
    """

    trial: Trial
    budget: int
    dials: dict[str, Any]
    boundaries: dict[str, Measurement]
    words: str
    row: int

    @property
    def outcome(self) -> Outcome:
        """The gate that rejects."""
        return self.trial.worst


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """A finished search. ``trials`` are the worlds tried, in order; ``shrinking`` counts those that were
    put to the subject to make a failing one smaller and to find its boundaries.
    """

    domain: Domain
    trials: tuple[Trial, ...]
    shrinking: int
    counterexamples: tuple[Counterexample, ...]
    coverage: Coverage

    @property
    def failing(self) -> int:
        """How many of the worlds tried were rejected."""
        return sum(trial.rejected for trial in self.trials)

    @property
    def worst(self) -> Trial:
        """The world that came nearest to a limit, or went farthest beyond it."""
        return max(self.trials, key=lambda trial: (trial.rejected, max(trial.scores.values())))


def search(subject: Subject, domain: Domain, settings: Settings, executor: Executor | None = None) -> Search:
    """Try ``domain.budget`` worlds on ``subject``, and make the failing ones as small as they get.

    The same subject, domain and settings give the same search, on any machine: everything is counted, and
    nothing is timed. Jobs for ``executor`` are the worlds of what was suspect, which do not depend on each
    other; what Hypothesis draws follows from the worlds before, as does what is made smaller.
    """
    bench = Bench(subject, domain, settings)
    bench(domain.base)
    _explore(bench, derived_seed(settings.seed, "stress", "hypothesis"), int(domain.budget * EXPLORED))
    bench.all(_untried(suspects(bench.trials, domain), bench), executor or Local())
    # Where nothing is hard there are no suspects, and a small domain has fewer worlds than the budget.
    for more in range(_ROUNDS):
        if len(bench.trials) < domain.budget:
            _explore(bench, derived_seed(settings.seed, "stress", "more", more), domain.budget)
    tried = tuple(bench.trials[: domain.budget])
    shrunk = Bench(subject, dataclasses.replace(domain, budget=ALONE), settings)
    found = _counterexamples(shrunk, tried)
    return Search(
        domain=domain,
        trials=tried,
        shrinking=len(shrunk.trials),
        counterexamples=found,
        coverage=coverage(tried, domain),
    )


def _untried(specs: Iterable[WorldSpec], bench: Bench) -> tuple[WorldSpec, ...]:
    """Return the first of ``specs`` that were not tried, each once, as many as the budget has left."""
    found: dict[WorldSpec, None] = {}
    for spec in specs:
        if len(bench.trials) + len(found) >= bench.domain.budget:
            break
        if spec not in bench:
            found[spec] = None
    return tuple(found)


def _explore(bench: Bench, seed: int, wanted: int) -> None:
    """Let Hypothesis try worlds until there are ``wanted``, driving every gate towards its limit.

    Every setting of Hypothesis is given here: a profile that the user loaded changes nothing. The seed is
    the audit's own, which takes precedence over ``--hypothesis-seed``. One health check is switched off, the
    one that watches the clock: a busy machine may not end a search.
    """
    import hypothesis
    from hypothesis import HealthCheck, Phase, Verbosity

    @hypothesis.seed(seed)
    @hypothesis.settings(
        # The first one is always the default world; those beyond the wanted ones are not put to the subject.
        max_examples=max(_FEWEST, wanted - len(bench.trials)),
        derandomize=True,
        database=None,
        verbosity=Verbosity.quiet,
        # No shrinking: it ends by the clock, and the result would depend on the machine.
        phases=(Phase.generate, Phase.target),
        stateful_step_count=1,
        report_multiple_bugs=False,
        suppress_health_check=(HealthCheck.too_slow,),
        deadline=None,
        print_blob=False,
        backend="hypothesis",
    )
    @hypothesis.given(bench.domain.specs())
    def world(spec: WorldSpec) -> None:
        if len(bench.trials) >= wanted and spec not in bench:
            return
        for gate, score in bench(spec).scores.items():
            hypothesis.target(score, label=gate)

    world()


def _counterexamples(bench: Bench, tried: tuple[Trial, ...]) -> tuple[Counterexample, ...]:
    """Return the smallest worlds behind the failing ones, each cause once, simplest first."""
    failing = sorted(
        (trial for trial in tried if trial.rejected),
        key=lambda trial: len(changed_dials(trial.spec, bench.domain)),
    )
    found: list[Counterexample] = []
    for trial in failing:
        if len(found) == COUNTEREXAMPLES:
            break
        if found and _explained(found, trial, bench):
            continue
        if not bench(trial.spec).rejected:
            found.append(_passing(trial, bench.domain))
            continue
        example = _counterexample(bench, smallest(bench, trial.spec))
        if all(known.dials.keys() != example.dials.keys() for known in found):
            found.append(example)
    return tuple(found)


def _passing(trial: Trial, domain: Domain) -> Counterexample:
    """Return a failing world that did not fail again: it cannot be made smaller, and says why."""
    dials = changed_dials(trial.spec, domain)
    words = f"{in_words(trial.spec, dials)}, once: asked again, the encoder answered otherwise"
    row = int(trial.hardness.argmax())
    return Counterexample(trial=trial, budget=domain.budget, dials=dials, boundaries={}, words=words, row=row)


def _explained(known: list[Counterexample], trial: Trial, bench: Bench) -> bool:
    """Return whether no gate rejects ``trial`` without the items that ``known`` counterexamples speak of.

    Text noise, say, draws the wording of every caption. A weak spot of one wording then shows in a world a
    quarter of which has it; that world has no cause of its own.
    """
    spoken_of = np.any([_spoken_of(example, trial, bench.domain) for example in known], axis=0)
    others = np.flatnonzero(~spoken_of)
    if not spoken_of.any() or not len(others):
        return not len(others)
    return bench.part(trial.spec, others) is not Verdict.REJECT


def _spoken_of(known: Counterexample, trial: Trial, domain: Domain) -> npt.NDArray[np.bool_]:
    """Return (n,) which items of ``trial`` are of a known counterexample's kind, or farther beyond it."""
    found = np.ones(len(trial.columns), dtype=np.bool_)
    for name, value in known.dials.items():
        if domain[name].high is None and name in COLUMNS:
            found &= trial.columns[:, COLUMNS.index(name)] == value
        else:
            there = level_of(trial.spec, name)
            found &= there == value or (domain[name].high is not None and there >= value)
    return found


def _counterexample(bench: Bench, spec: WorldSpec) -> Counterexample:
    trial, dials = bench(spec), changed_dials(spec, bench.domain)
    found = {name: boundary(bench, spec, name) for name in dials}
    confidence = bench.settings.confidence
    boundaries = {name: at_confidence(m, confidence) for name, m in found.items() if m is not None}
    return Counterexample(
        trial=trial,
        budget=bench.domain.budget,
        dials=dials,
        boundaries=boundaries,
        words=in_words(spec, dials),
        row=int(trial.hardness.argmax()) if len(trial.hardness) else 0,
    )
