"""The hooks of pytest-xdist, on an object that is registered only where xdist is loaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_mmaudit.controller import Controller

__all__ = ["CACHE", "XdistHooks"]

CACHE = "mmaudit_cache"
"""The key of a worker's input that holds the folder shared by all processes of the run."""


class XdistHooks:
    """Tells the workers where the shared folder is, and the controller what the workers collected."""

    def __init__(self, controller: Controller, cache: Path) -> None:
        self._controller = controller
        self._cache = cache

    def pytest_configure_node(self, node: Any) -> None:
        """Hand the shared folder to a worker before it starts."""
        node.workerinput[CACHE] = str(self._cache)
        self._controller.workers = int(node.workerinput["workercount"])

    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Take note of what there is to run: the controller itself collects nothing."""
        self._controller.collected.update(ids)

    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """Take note of a worker that did not end of its own accord."""
        if error:
            self._controller.deviations.append(
                f"a worker process died: {(str(error).splitlines() or [''])[0]}"
            )
