"""How many cores there are, and one BLAS thread where their number must not show in the last bits."""

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["cores", "one_blas_thread"]

_lock = threading.Lock()
_held: list[Any] = []
"""The limits in force. The pools of a BLAS belong to the process: a thread that gave them back while another
is still at work would change that other's last bits, so the last one to leave gives back all."""
_inside = 0


def cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep every BLAS loaded by now at one thread; afterwards, in no thread of this process, as before."""
    global _inside
    with _lock:
        _inside += 1
        libraries = _libraries(len(sys.modules))
        if not any(libraries is known for known, _ in _held):
            _let_this_thread_set()
            _held.append((libraries, libraries.limit(limits=1, user_api="blas")))
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _let_this_thread_set()
                while _held:
                    _held.pop()[1].restore_original_limits()


def _let_this_thread_set() -> None:
    """Make this thread one that may set limits: threadpoolctl heeds the first to do so, and no other."""
    import threadpoolctl

    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


@functools.lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """Return the thread pools loaded by now, looked for anew once more modules are imported.

    SciPy's is loaded first: one that came while the others are limited would have a thread for every core.
    """
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
