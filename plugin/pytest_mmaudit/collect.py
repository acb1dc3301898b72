"""Collects the packaged checks, at node ids that no environment, rootdir or configuration changes."""

import importlib
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mmaudit.gates import CHECKS
from mmaudit.gates.check import ACCESS
from mmaudit.gates.policy import misspelt
from mmaudit.settings import Settings, did_you_mean
from pytest_mmaudit import lab, stress

__all__ = ["SUITE", "AuditModule", "AuditSuite", "Collecting", "take_arguments"]

SUITE = "mmaudit_checks"


def suite_folder() -> Path:
    """Return the folder of the packaged checks."""
    return Path(importlib.import_module(SUITE).__path__[0])


def take_arguments(config: pytest.Config) -> tuple[str, ...]:
    """Take the arguments that name packaged checks out of ``config.args`` and return them as node ids.

    Nothing named: the whole suite. Paths that were not typed but come from ``testpaths`` or the current
    folder are dropped as well: ``pytest --mmaudit`` is the audit and nothing else.
    """
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []
        # Whoever reads the source afterwards (the header does) must not announce testpaths.
        config.args_source = pytest.Config.ArgsSource.ARGS
        return ()
    named = {arg: _node_id(arg, config.invocation_params.dir) for arg in config.args}
    config.args = [arg for arg in config.args if named[arg] is None]
    return tuple(node_id for node_id in named.values() if node_id is not None)


def _node_id(arg: str, folder: Path) -> str | None:
    """Return the node id in the suite that ``arg`` names, ``None`` if it names something of the user's.

    pytest prints node ids relative to where it was started, so a pasted one may begin with ``../``.
    """
    path, colons, rest = arg.partition("::")
    parts = [part for part in path.replace("\\", "/").split("/") if part]
    if SUITE not in parts:
        return None
    location = folder / path
    if location.exists() and not location.resolve().is_relative_to(suite_folder().resolve()):
        return None
    start = len(parts) - 1 - parts[::-1].index(SUITE)
    return "/".join(parts[start:]) + colons + rest


def _selects(selected: str, node_id: str) -> bool:
    return node_id == selected or node_id.startswith((f"{selected}/", f"{selected}::", f"{selected}["))


class AuditModule(pytest.Module):
    """A module of packaged checks. The user's naming rules for tests do not apply to it."""

    def _getobj(self) -> Any:
        # By name, not by path: the path would import it anew under a name that depends on the rootdir.
        return importlib.import_module(f"{SUITE}.{self.path.stem}")

    def funcnamefilter(self, name: str) -> bool:
        """Return whether ``name`` is a check."""
        return name.startswith("test_")

    def classnamefilter(self, name: str) -> bool:
        """Return whether ``name`` is a class of checks: there are none."""
        return False


class AuditSuite(pytest.Collector):
    """All packaged checks of the profile, narrowed to the node ids given on the command line.

    It yields the functions of its modules itself. Were the modules collected one by one, ``--lf`` would skip
    them as files in which nothing failed: it looks for the path of a node id below the rootdir.
    """

    settings: Settings
    selected: tuple[str, ...]

    @classmethod
    def of(cls, session: pytest.Session, settings: Settings, selected: tuple[str, ...]) -> "AuditSuite":
        """Return the suite as a child of ``session``."""
        suite: AuditSuite = cls.from_parent(session, name=SUITE, path=suite_folder(), nodeid=SUITE)
        suite.settings = settings
        suite.selected = selected
        return suite

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Yield the check functions, module by module."""
        profiles = {check.name: check.profiles for check in CHECKS}
        teaches = lab.applies(self.config, self.settings)
        for path in sorted(self.path.glob("test_*.py")):
            if path.name.startswith(lab.FILES) and not teaches:
                continue
            module: AuditModule = AuditModule.from_parent(
                self, path=path, name=path.name, nodeid=f"{SUITE}/{path.name}"
            )
            for item in module.collect():
                params = getattr(getattr(item, "callspec", None), "params", {})
                check = params.get("check")
                if check is not None and self.settings.profile not in profiles[check]:
                    continue
                if not stress.applies(self.config, self.settings, path.name, item.name):
                    continue
                if not self.selected or any(_selects(node_id, item.nodeid) for node_id in self.selected):
                    yield item


class Collecting:
    """The hooks that put the suite first and hold every ``mmaudit`` marker to its keywords."""

    def __init__(self, settings: Settings, selected: tuple[str, ...]) -> None:
        self._settings = settings
        self._selected = selected

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Put the suite first, and turn a wrong marker into a collection error."""
        report = yield
        if isinstance(collector, pytest.Session) and report.passed:
            report.result.insert(0, AuditSuite.of(collector, self._settings, self._selected))
        problems = [p for node in report.result for p in _problems(node)]
        if problems:
            report.outcome, report.longrepr, report.result = "failed", "\n".join(problems), []
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        """Refuse a selected node id that led to no check, as pytest does for its own."""
        lost = [s for s in self._selected if not any(_selects(s, item.nodeid) for item in items)]
        if lost:
            raise pytest.UsageError(*(f"not found: {name} (no such check in this profile)" for name in lost))

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave the packaged checks to the suite where the user's tree contains them."""
        return True if collection_path == suite_folder() else None


def _problems(node: pytest.Item | pytest.Collector) -> list[str]:
    """Return one line for each ``mmaudit`` marker of an item that says what the marker does not take."""
    if not isinstance(node, pytest.Item):
        return []
    lines = [line for mark in node.iter_markers("mmaudit") for line in _wrong(mark)]
    return [f"{node.nodeid}: marker mmaudit {line}" for line in lines]


def _wrong(mark: pytest.Mark) -> Iterable[str]:
    if mark.args:
        yield "takes keywords only: failure=..., needs=(...)"
    for key, value in mark.kwargs.items():
        if key == "failure":
            if not isinstance(value, str):
                yield f"failure={value!r}: expected a string"
            elif meant := misspelt(value):
                yield f"failure={value!r}; did you mean {meant!r}?"
        elif key == "needs":
            if not isinstance(value, (tuple, list)):
                yield f"needs={value!r}: expected a tuple of names"
            else:
                yield from (f"needs {n!r}; {did_you_mean(str(n), ACCESS)}" for n in value if n not in ACCESS)
        else:
            yield f"has no keyword {key!r}; {did_you_mean(key, ('failure', 'needs'))}"
