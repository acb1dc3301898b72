"""What the numbers were computed with: hardware, components and arithmetic, never who or where."""

import importlib
import importlib.metadata
import os
import platform
import re
import sys
from typing import Any

from mmaudit import __version__

__all__ = ["environment"]

_FRAMEWORKS = ("onnxruntime", "open-clip-torch", "sentence-transformers", "torch", "transformers")
"""What audited encoders are commonly run with; recorded where installed."""


def environment() -> dict[str, Any]:
    """Return interpreter, platform, hardware, package versions and BLAS libraries as builtin types.

    ``packages`` are mmaudit, what it requires, what that requires in turn, and the common model frameworks,
    each where it is installed. No host, user, path or process id is in it. NumPy's and SciPy's linear algebra
    is loaded first, so that the list of BLAS libraries does not depend on what was imported before.
    """
    import threadpoolctl

    for module in ("numpy.linalg", "scipy.linalg"):
        importlib.import_module(module)
    keys = ("internal_api", "version", "architecture", "threading_layer", "num_threads")
    blas = [
        {key: info.get(key) for key in keys}
        for info in threadpoolctl.threadpool_info()
        if info["user_api"] == "blas"
    ]
    return {
        "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
        "platform": {"system": platform.system(), "machine": platform.machine(), "byte_order": sys.byteorder},
        "hardware": {"processor": _processor(), "logical_processors": os.cpu_count()},
        "packages": _components(),
        "blas": sorted(blas, key=lambda row: [str(row[key]) for key in keys]),
    }


def _components() -> dict[str, str]:
    """Return the version of mmaudit and of every installed distribution that it builds on, by name."""
    found = {"mmaudit": __version__}
    pending = [*_required("mmaudit"), *_FRAMEWORKS]
    while pending:
        name = pending.pop()
        if name not in found:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
            pending += _required(name)
    return dict(sorted(found.items()))


def _required(distribution: str) -> list[str]:
    """Return the names that ``distribution`` requires, extras apart, normalised (PEP 503)."""
    rows = [row for row in importlib.metadata.requires(distribution) or () if "extra ==" not in row]
    matches = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", row) for row in rows)
    return [re.sub(r"[-_.]+", "-", match[0]).lower() for match in matches if match is not None]


def _processor() -> str | None:
    """Return the processor's model: Linux keeps it in /proc, where :mod:`platform` does not look."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            rows = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        rows = []
    return next(iter(rows), platform.processor())[:200] or None
