"""The fixtures that a project's own audit tests ask for. Registered under ``--mmaudit`` alone."""

from collections.abc import Sequence
from typing import Any

import pytest

from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError, SettingsError
from mmaudit.gates import CHECKS, NULL_ENCODERS, Auditor
from mmaudit.gates.catalogue import check_named
from mmaudit.gates.outcome import Limit, Outcome
from mmaudit.gates.policy import misspelt
from mmaudit.measurement import Measurement
from mmaudit.pairs import Pairs
from mmaudit.settings import Settings, did_you_mean
from mmaudit.subjects import Subject
from mmaudit.world import World
from pytest_mmaudit.conclude import conclude
from pytest_mmaudit.record import RECORD, Record, builtins_only

__all__ = [
    "AUDITOR",
    "Evidence",
    "Gate",
    "mmaudit_embeddings",
    "mmaudit_evidence",
    "mmaudit_gate",
    "mmaudit_pairs",
    "mmaudit_subject",
    "mmaudit_world",
]


AUDITOR = pytest.StashKey[Auditor]()
"""On the config of every process that runs checks."""


class Gate:
    """Runs a check and decides the test by it; what it concludes is in the bundle, whatever the test does."""

    def __init__(self, auditor: Auditor, record: Record, failure: str) -> None:
        self._auditor = auditor
        self._record = record
        self._failure = failure

    @property
    def _settings(self) -> Settings:
        return self._auditor.settings

    def __call__(
        self,
        what: str | Measurement,
        *,
        low: float | None = None,
        high: float | None = None,
        failure: str | None = None,
        question: str = "",
    ) -> Outcome:
        """Judge a check of the catalogue by its name, or a measurement of the test's own by ``[low, high]``.

        ``failure`` is the failure mode it speaks of (default: the marker's, else ``project``), ``question``
        what it answers. Returns the outcome of a passing gate; fails the test on REJECT and, unless the
        settings say otherwise, on INCONCLUSIVE; skips it on NOT EVIDENCED. Raises :class:`SettingsError` on
        an unknown or misspelt name and :class:`InputError` on what is no measurement or has no limit.
        """
        if isinstance(what, str):
            if low is not None or high is not None:
                raise SettingsError(
                    f"the limit of check {what!r} is set in [tool.mmaudit.limits], not in a test"
                )
            known = [check.name for check in CHECKS]
            if what not in known:
                raise SettingsError(f"no check {what!r} in the catalogue; {did_you_mean(what, known)}")
            outcome, needs = self._auditor.run(what), check_named(what).needs
        else:
            if not isinstance(what, Measurement):
                raise InputError(
                    f"cannot judge a {type(what).__name__}; give a check's name, or a measurement such as "
                    "mmaudit.inference.exact(name, value, n) or those of mmaudit.diagnostics"
                )
            if low is None and high is None:
                raise InputError(f"no limit for {what.name}: give low=… or high=… or both")
            limit = Limit(low=low, high=high, kind="user", rationale="set by the test that measures it")
            failure = failure or self._failure
            if meant := misspelt(failure):
                raise SettingsError(f"failure={failure!r}; did you mean {meant!r}?")
            outcome, needs = self._auditor.judge(what, limit, failure=failure, question=question), ()
        self._record.outcomes.append(outcome)
        conclude(outcome, self._settings, needs)
        return outcome

    def certify(self, null: str) -> Outcome:
        """Let the audit prove itself on the null encoder ``null``: the test fails if it gets through."""
        if null not in NULL_ENCODERS:
            raise SettingsError(f"no null encoder {null!r}; {did_you_mean(null, NULL_ENCODERS)}")
        outcome = self._auditor.certify(null)
        self._record.certifications.append(outcome)
        conclude(outcome, self._settings)
        return outcome


class Evidence:
    """Appends records of a project's own to the bundle."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __call__(self, **facts: Any) -> None:
        """Append ``facts``: JSON types only, finite numbers. Raises :class:`InputError` on anything else."""
        self._record.evidence.append(builtins_only(facts))

    @property
    def records(self) -> Sequence[dict[str, Any]]:
        """What this test has appended so far."""
        return tuple(self._record.evidence)


@pytest.fixture(scope="session")
def _mmaudit_auditor(pytestconfig: pytest.Config) -> Auditor:
    return pytestconfig.stash[AUDITOR]


@pytest.fixture
def _mmaudit_record(request: pytest.FixtureRequest) -> Record:
    record: Record = request.node.stash.setdefault(RECORD, Record())
    return record


@pytest.fixture(scope="session")
def mmaudit_subject(_mmaudit_auditor: Auditor) -> Subject:
    """What is audited, a :class:`mmaudit.subjects.Subject`."""
    return _mmaudit_auditor.subject


@pytest.fixture(scope="session")
def mmaudit_pairs(_mmaudit_auditor: Auditor) -> Pairs:
    """The claimed pairs that it is audited on, a :class:`mmaudit.pairs.Pairs`."""
    return _mmaudit_auditor.pairs


@pytest.fixture(scope="session")
def mmaudit_world(_mmaudit_auditor: Auditor) -> World:
    """The built-in world. A test that asks for it is skipped where the pairs come from elsewhere."""
    if _mmaudit_auditor.world is None:
        pytest.skip("NOT EVIDENCED: the audited pairs do not come from the built-in world")
    return _mmaudit_auditor.world


@pytest.fixture(scope="session")
def mmaudit_embeddings(_mmaudit_auditor: Auditor) -> Embeddings:
    """The audited embeddings, a :class:`mmaudit.embeddings.Embeddings`; computed once a session."""
    return _mmaudit_auditor.embeddings


@pytest.fixture
def mmaudit_gate(request: pytest.FixtureRequest, _mmaudit_auditor: Auditor, _mmaudit_record: Record) -> Gate:
    """A :class:`Gate`: ``mmaudit_gate("symmetry_gap")``, or ``mmaudit_gate(measurement, low=…, high=…)``."""
    mark = request.node.get_closest_marker("mmaudit")
    failure = mark.kwargs.get("failure") if mark is not None else None
    return Gate(_mmaudit_auditor, _mmaudit_record, failure or "project")


@pytest.fixture
def mmaudit_evidence(_mmaudit_record: Record) -> Evidence:
    """An :class:`Evidence`: ``mmaudit_evidence(images="v3", checked=412)`` appends a record to the bundle."""
    return Evidence(_mmaudit_record)
