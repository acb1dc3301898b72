"""Starts the audit of one pytest process: settings, subject, shared folder, and the hooks that it needs."""

import gc
import tempfile
from pathlib import Path

import pytest

from mmaudit.errors import MMAuditError
from mmaudit.executor import Executor
from mmaudit.gates import Auditor
from mmaudit.settings import Settings
from mmaudit.suites import Laboratory
from pytest_mmaudit import baseline, fixtures, jsonreport, lab, resolve, stress
from pytest_mmaudit.collect import Collecting, take_arguments
from pytest_mmaudit.controller import Controller
from pytest_mmaudit.executing import executor_of
from pytest_mmaudit.progress import LiveLine
from pytest_mmaudit.recorder import Recorder
from pytest_mmaudit.xdist import CACHE, XdistHooks

__all__ = ["start"]

SHOWS_ONLY = (
    "collectonly",
    "help",
    "showmarkers",
    "showfixtures",
    "show_fixtures_per_test",
    "cacheshow",
    "setupplan",
)
"""Options of pytest under which nothing is run: then no subject is loaded and nothing is written."""


def start(config: pytest.Config) -> None:
    """Register everything that an audit needs. Raises :class:`pytest.UsageError`, one line, on bad settings.

    The settings are resolved and the subject is found here, before anything is measured and before a worker
    is started, so that a typing error ends the run at once and once.
    """
    settings = resolve.settings(config)
    plugins = config.pluginmanager
    selected = take_arguments(config)
    stress.prepare(config, settings, alone=not config.args)
    plugins.register(Collecting(settings, selected), "mmaudit-collecting")
    plugins.register(stress, "mmaudit-stress")
    plugins.register(fixtures, "mmaudit-fixtures")
    plugins.register(lab, "mmaudit-lab")
    config.addinivalue_line("markers", lab.MARKER)
    if any(config.getoption(name, False) for name in SHOWS_ONLY):
        return
    jsonreport.prepare(config)
    worker_input = getattr(config, "workerinput", None)
    started = resolve.started()
    key = resolve.sign_key(config) if worker_input is None else None
    cache = Path(worker_input[CACHE]) if worker_input is not None else _shared_folder(config)
    auditor = _auditor(config, settings, cache, live=worker_input is None)
    config.stash[fixtures.AUDITOR] = auditor
    config.stash[lab.LABORATORY] = Laboratory(settings.seed, cache, resolve.recipe(config, settings.recipe))
    plugins.register(Recorder(auditor), "mmaudit-recorder")
    # What is imported by now stays: no later collection, pytest's two at the end among them, need visit it.
    gc.freeze()
    if worker_input is not None:
        return
    controller = Controller(
        auditor, started, key, baseline.prepare(config, auditor), _executor(config, settings)
    )
    plugins.register(controller, "mmaudit-controller")
    if plugins.hasplugin("xdist"):
        plugins.register(XdistHooks(controller, cache), "mmaudit-xdist")


def _shared_folder(config: pytest.Config) -> Path:
    """Return a folder for what the processes of this run share; it is removed when the run ends."""
    folder = tempfile.TemporaryDirectory(prefix="mmaudit-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    return Path(folder.name)


def _executor(config: pytest.Config, settings: Settings) -> Executor:
    try:
        return executor_of(config, settings)
    except MMAuditError as error:
        raise pytest.UsageError(str(error)) from error


def _auditor(config: pytest.Config, settings: Settings, cache: Path, *, live: bool) -> Auditor:
    try:
        return Auditor(
            resolve.subject(config, settings.subject),
            resolve.data(config, settings),
            settings,
            cache=cache,
            progress=LiveLine(config) if live else None,
        )
    except MMAuditError as error:
        raise pytest.UsageError(str(error)) from error
