"""The executor of one pytest process: opened on first need, closed when the process ends."""

import pytest

from mmaudit.executor import Executor, open_executor
from mmaudit.settings import Settings

__all__ = ["executor_of"]

_OPEN = pytest.StashKey[Executor]()


def executor_of(config: pytest.Config, settings: Settings) -> Executor:
    """Return where independent jobs of this run go.

    Raises :class:`mmaudit.errors.ExecutorError` where the settings name a scheduler that cannot be used.
    """
    if _OPEN not in config.stash:
        executor = open_executor(settings.executor)
        config.add_cleanup(executor.close)
        config.stash[_OPEN] = executor
    return config.stash[_OPEN]
