"""How many cores there are, and one BLAS thread where their number must not show in the last bits."""

import os
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
    from threadpoolctl import threadpool_limits

    context: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return context
