"""A throw-away project with small embeddings in it, and pytest run there as a user runs it."""

import importlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

SOURCES = ("mmaudit.errors", "pytest_mmaudit.resolve", "mmaudit_checks._select")
SUBJECT = "good.npz"


def source_roots() -> list[str]:
    """Return the folders that the three packages are imported from, wherever they are installed."""
    files = [Path(str(importlib.import_module(name).__file__)) for name in SOURCES]
    return list(dict.fromkeys(str(file.parents[1]) for file in files))


def flags(subject: str | None) -> tuple[str, ...]:
    return ("--mmaudit",) if subject is None else ("--mmaudit", f"--mmaudit-subject={subject}")


class Project:
    """A project folder, and pytest in it.

    ``run`` runs pytest in this process, ``audit`` so under --mmaudit on small embeddings; ``run_apart`` and
    ``audit_apart`` do it in a process of its own: slower, for what depends on what is imported, on workers
    or on signals.
    """

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path

    def run(self, *args: str) -> pytest.RunResult:
        # A project may load a profile of its own, which would outlive it in this process.
        profile = settings.get_current_profile_name()
        try:
            return self.pytester.runpytest_inprocess("-p", "pytest_mmaudit", *args)
        finally:
            settings.load_profile(profile)

    def run_apart(self, *args: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess("-p", "pytest_mmaudit", *args)

    def audit(self, *args: str, subject: str | None = SUBJECT) -> pytest.RunResult:
        return self.run(*flags(subject), *args)

    def audit_apart(self, *args: str, subject: str | None = SUBJECT) -> pytest.RunResult:
        return self.run_apart(*flags(subject), *args)

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def files(self) -> list[str]:
        """Return the paths of all files below the project, but for those in which pytester keeps output."""
        own = ("runpytest-", "stdout", "stderr")
        names = (path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())
        return sorted(name for name in names if not name.startswith(own))

    @property
    def bundles(self) -> list[Path]:
        """The folders of all bundles written so far."""
        return sorted(path for path in (self.path / "mmaudit-out").glob("*") if path.is_dir())

    def document(self, name: str) -> Any:
        """Return one JSON document of the only bundle."""
        (bundle,) = self.bundles
        return json.loads((bundle / name).read_bytes())


@pytest.fixture(scope="session")
def _everything_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Run one audit in this process. pytester makes it forget what an inner run was the first to import, and
    numpy's compiled modules refuse to be imported again."""
    import pytest_mmaudit.session  # noqa: F401
    from mmaudit.auditing import audit

    z = np.random.default_rng(0).standard_normal((60, 8))
    audit((z, z)).write(tmp_path_factory.mktemp("warm"))


@pytest.fixture
def project(
    _everything_imported: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Project:
    inherited = [
        entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)
    ]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*source_roots(), *inherited]))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    for name in ("PYTEST_ADDOPTS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    rng = np.random.default_rng(0)
    z = rng.standard_normal((120, 16))
    noisy = {name: z + 0.3 * rng.standard_normal(z.shape) for name in ("image", "text")}
    np.savez(pytester.path / SUBJECT, **noisy)
    return Project(pytester)


@pytest.fixture
def said() -> Callable[[pytest.RunResult], list[str]]:
    """The lines of a run in which pytest or the plugin complains."""

    def errors(result: pytest.RunResult) -> list[str]:
        lines: Iterable[str] = [*result.outlines, *result.errlines]
        return [line for line in lines if line.startswith("ERROR: ")]

    return errors
