"""Memory that is freed is kept for what is allocated next."""

import numpy as np

__all__ = ["keep_freed"]

_MOST = 31 * 2**20
"""glibc raises its thresholds to the largest block that was freed, up to 32 MiB."""


def keep_freed() -> None:
    """Let the allocator keep what this process frees, up to 62 MiB, where that is glibc's; else do nothing.

    At first it hands back whatever is free beyond twice the largest block that was freed. Arrays of some
    megabytes then are new memory every time, and to have its pages zeroed is up to a sixth of what an audit
    of some hundred items costs. ``MALLOC_TRIM_THRESHOLD_`` and ``MALLOC_MMAP_THRESHOLD_`` in the environment
    overrule this.
    """
    block = np.empty(_MOST, dtype=np.uint8)  # Never touched, so that it takes no memory itself.
    del block
