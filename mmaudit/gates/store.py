"""Values computed once a session, whatever process asks first: the workers of one run share a folder."""

import contextlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mmaudit.errors import MMAuditError

__all__ = ["Store", "kept"]

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
            self._memory[key] = self._shared(key, compute) if self._folder else kept(compute)
        value = self._memory[key]
        if isinstance(value, MMAuditError):
            raise value
        return value  # type: ignore[no-any-return]

    def put(self, key: str, value: Any) -> None:
        """Keep ``value`` as ``key``, unless there is one; it was computed elsewhere."""
        self._memory[key] = self._shared(key, lambda: value) if self._folder else value

    def __contains__(self, key: object) -> bool:
        """Return whether ``key`` was computed, if only to an error."""
        path = self._path(str(key))
        return key in self._memory or (path is not None and path.exists())

    def alone(self, name: str) -> contextlib.AbstractContextManager[Any]:
        """Return a context that one process of the run is in at a time."""
        import filelock

        return contextlib.nullcontext() if self._folder is None else filelock.FileLock(self._folder / name)

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
                part.write_bytes(pickle.dumps(kept(compute), protocol=pickle.HIGHEST_PROTOCOL))
                part.replace(path)
            return pickle.loads(path.read_bytes())


def kept(compute: Callable[[], T]) -> T | MMAuditError:
    """Return what ``compute`` gives, or the :class:`MMAuditError` that it raises."""
    try:
        return compute()
    except MMAuditError as error:
        return error
