"""Values computed once a session, whatever process asks first: the workers of one run share a folder."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mmaudit.errors import MMAuditError

__all__ = ["Store"]

T = TypeVar("T")


class Store:
    """A memo by name, in memory and, given a folder, on disk under a lock shared between processes.

    The folder is made by and for one run and is removed with it, so unpickling reads only what this run
    wrote. An :class:`MMAuditError` is kept like a value: a broken encoder is asked once.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._memory: dict[str, Any] = {}

    def get(self, key: str, compute: Callable[[], T]) -> T:
        """Return the value called ``key``, computing it if nobody has."""
        if key not in self._memory:
            self._memory[key] = self._shared(key, compute) if self._folder else _kept(compute)
        value = self._memory[key]
        if isinstance(value, MMAuditError):
            raise value
        return value  # type: ignore[no-any-return]

    def peek(self, key: str) -> Any | None:
        """Return the value called ``key`` if it was computed without error, else ``None``."""
        path = self._path(key)
        if key not in self._memory and path is not None and path.exists():
            self._memory[key] = pickle.loads(path.read_bytes())
        value = self._memory.get(key)
        return None if isinstance(value, MMAuditError) else value

    def _path(self, key: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{key}.pickle"

    def _shared(self, key: str, compute: Callable[[], Any]) -> Any:
        import filelock

        path = self._path(key)
        assert path is not None
        with filelock.FileLock(path.with_suffix(".lock")):
            if not path.exists():
                part = path.with_suffix(".part")
                part.write_bytes(pickle.dumps(_kept(compute), protocol=pickle.HIGHEST_PROTOCOL))
                part.replace(path)
            return pickle.loads(path.read_bytes())


def _kept(compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except MMAuditError as error:
        return error
