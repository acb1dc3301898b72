"""The teaching suites as checks: where they are collected, and the fixture that runs a condition."""

import functools

import pytest

from mmaudit.report.words import plain
from mmaudit.settings import Settings
from mmaudit.suites import Finding, Laboratory
from pytest_mmaudit.executing import executor_of
from pytest_mmaudit.fixtures import AUDITOR
from pytest_mmaudit.progress import LiveLine
from pytest_mmaudit.record import Record

__all__ = ["FILES", "LABORATORY", "MARKER", "Lab", "applies", "mmaudit_lab"]

FILES = "test_lab_"
"""How the names of the suites' files begin."""
MARKER = (
    "lab: a condition of the teaching suites; collected in profile full, for the built-in aligner or a recipe"
)
LABORATORY = pytest.StashKey[Laboratory]()
"""On the config of every process that runs checks."""


def applies(config: pytest.Config, settings: Settings) -> bool:
    """Return whether the suites are collected: in profile full, of a recipe, or where the built-in aligner is
    audited.
    """
    if settings.profile != "full" or settings.recipe is not None:
        return settings.profile == "full"
    auditor = config.stash.get(AUDITOR, None)
    if auditor is not None:
        return auditor.material.is_reference
    # Where tests are only listed no subject is loaded, and one that the project's hook would give counts.
    given = settings.subject or settings.data or config.hook.pytest_mmaudit_subject.get_hookimpls()
    return not given


class Lab:
    """Runs a condition and fails the test where the measurement contradicts what the suite states."""

    def __init__(self, laboratory: Laboratory, record: Record) -> None:
        self._laboratory = laboratory
        self._record = record

    def __call__(self, condition: str) -> Finding:
        """Run the condition called ``condition``; what it shows is in the bundle, whatever the test does.

        A claim that the interval leaves open is recorded and does not fail, and neither does any about a
        recipe of the user's own: the claims were made of the built-in aligner. A condition whose dials the
        recipe lacks is skipped. Raises :class:`SettingsError` on an unknown name.
        """
        if (lack := self._laboratory.lacks(condition)) is not None:
            pytest.skip(f"NOT EVIDENCED: {condition} {lack}")
        finding = self._laboratory.run(condition)
        self._record.suites.append(finding)
        if finding.contradicted and not self._laboratory.has_recipe:
            lines = [f"{condition} contradicts what its suite states", *map(plain, finding.contradicted)]
            pytest.fail("\n  ".join(lines), pytrace=False)
        return finding


@pytest.fixture(scope="session")
def _mmaudit_laboratory(request: pytest.FixtureRequest) -> Laboratory:
    """The suites; what the selected ones train is trained here where another machine does it."""
    config = request.config
    laboratory = config.stash[LABORATORY]
    executor = executor_of(config, config.stash[AUDITOR].settings)
    if not executor.shares_memory and not laboratory.has_recipe:
        selected = [item for item in request.session.items if item.get_closest_marker("lab")]
        names = [item.callspec.params["condition"] for item in selected if hasattr(item, "callspec")]
        laboratory.prepare(names, executor, functools.partial(LiveLine(config), "training conditions"))
    return laboratory


@pytest.fixture
def mmaudit_lab(_mmaudit_laboratory: Laboratory, _mmaudit_record: Record) -> Lab:
    """A :class:`Lab`: ``mmaudit_lab("conf_high_corr0")`` runs a condition of the suites."""
    return Lab(_mmaudit_laboratory, _mmaudit_record)
