import platform
import subprocess
import sys

import pytest

TURNS = """
import os, resource, numpy as np
from mmaudit.memory import keep_freed
if {kept}:
    keep_freed()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    arrays = [np.ones(400_000) for _ in range(6)]
    del arrays
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * os.sysconf("SC_PAGE_SIZE"))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have other rules")
def test_freed_memory_is_not_new_memory_the_next_time(monkeypatch):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    new, new_if_kept = (
        int(
            subprocess.run(
                [sys.executable, "-c", TURNS.format(kept=kept)], check=True, capture_output=True
            ).stdout
        )
        for kept in (False, True)
    )
    once = 6 * 8 * 400_000
    if new < 5 * once:
        pytest.skip("pages are so large, or thresholds so high here, that freed memory is kept anyhow")
    assert new_if_kept < 2 * once
