"""How many cores there are, and one BLAS thread where their number must not show in the last bits."""

import functools
import os
import sys
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["cores", "one_blas_thread"]


def cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a context in which every BLAS loaded by now runs on one thread, and afterwards as before."""
    context: AbstractContextManager[Any] = _libraries(len(sys.modules)).limit(limits=1, user_api="blas")
    return context


@functools.lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """Return the thread pools loaded by now, looked for anew once more modules are imported."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
