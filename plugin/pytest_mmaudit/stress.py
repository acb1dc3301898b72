"""The stress checks: where they are collected, how they are run, and the replay of a counterexample."""

from pathlib import Path
from typing import Any

import pytest

from mmaudit.errors import MMAuditError
from mmaudit.gates import Auditor, Outcome
from mmaudit.settings import Settings
from mmaudit.stress import Stress, domain_of, load, replay
from pytest_mmaudit.conclude import conclude
from pytest_mmaudit.executing import executor_of
from pytest_mmaudit.fixtures import AUDITOR
from pytest_mmaudit.record import Record

__all__ = ["FILE", "REPLAYED", "StressGate", "applies", "mmaudit_stress", "prepare"]

FILE = "test_stress.py"
REPLAYED = pytest.StashKey[dict[str, Any]]()
"""On the config of a run that replays: the counterexample."""
_REPLAY = "test_replay"


def applies(config: pytest.Config, settings: Settings, file: str, name: str) -> bool:
    """Return whether the check ``name`` of ``file`` is collected.

    A replay is the whole run; without one the stress checks run in every profile but smoke.
    """
    replays = file == FILE and name == _REPLAY
    if REPLAYED in config.stash:
        return replays
    return file != FILE or (settings.profile != "smoke" and not replays)


def prepare(config: pytest.Config, settings: Settings, *, alone: bool) -> None:
    """Read the promise and the counterexample that the run was given; raise :class:`pytest.UsageError`.

    The audit's streams follow its own seed. ``--hypothesis-seed`` is refused where it could only have been
    meant for the audit (``alone``), and left to the project's own tests where those run beside it.
    """
    spec = config.getoption("mmaudit_replay") or config.getini("mmaudit_replay")
    try:
        domain_of(settings, "pictures")
        if spec:
            here, root = config.invocation_params.dir / spec, config.rootpath / spec
            config.stash[REPLAYED] = load(Path(here if here.is_file() else root))
    except MMAuditError as error:
        where = "--mmaudit-replay: " if spec else ""
        raise pytest.UsageError(f"{where}{error}") from error
    if alone and config.getoption("hypothesis_seed", None) is not None:
        raise pytest.UsageError(
            "--hypothesis-seed does not reach the audit, whose streams follow its own seed; "
            "give --mmaudit-seed N instead"
        )


class StressGate:
    """Runs a stress check and decides the test by it."""

    def __init__(self, stress: Stress, auditor: Auditor, config: pytest.Config, record: Record) -> None:
        self._stress = stress
        self._auditor = auditor
        self._config = config
        self._record = record

    def __call__(self, check: str) -> Outcome:
        """Run the stress check called ``check``; what it found is in the bundle, whatever the test does."""
        outcome = self._stress.run(check)
        self._record.outcomes.append(outcome)
        self._record.stress = self._stress.record if check == "generated_worlds" else None
        conclude(outcome, self._auditor.settings)
        return outcome

    def replay(self) -> Outcome:
        """Put the world of the run's counterexample to the subject again; fail where a gate does."""
        found: dict[str, Any] = self._config.stash[REPLAYED]
        outcome = replay(self._auditor, found)
        self._record.outcomes.append(outcome)
        conclude(outcome, self._auditor.settings)
        return outcome


@pytest.fixture(scope="session")
def _mmaudit_stress_checks(pytestconfig: pytest.Config) -> Stress:
    auditor = pytestconfig.stash[AUDITOR]
    return Stress(auditor, executor_of(pytestconfig, auditor.settings))


@pytest.fixture
def mmaudit_stress(
    _mmaudit_stress_checks: Stress, _mmaudit_record: Record, pytestconfig: pytest.Config
) -> StressGate:
    """A :class:`StressGate`: ``mmaudit_stress("generated_worlds")`` runs a stress check."""
    return StressGate(_mmaudit_stress_checks, pytestconfig.stash[AUDITOR], pytestconfig, _mmaudit_record)
