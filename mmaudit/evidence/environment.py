"""What the numbers were computed with: hardware, components and arithmetic, never who or where."""

import importlib
import importlib.metadata
import platform
import re
import sys
from typing import Any

from mmaudit import __version__
from mmaudit.evidence.hardware import hardware

__all__ = ["environment"]

_FRAMEWORKS = ("onnxruntime", "open-clip-torch", "sentence-transformers", "torch", "transformers")
"""What audited encoders are commonly run with; recorded where installed."""
_LONGEST = 200


def environment() -> dict[str, Any]:
    """Return interpreter, platform, hardware, packages and BLAS libraries as builtin types.

    ``packages`` are mmaudit, what it requires, what that requires in turn, and the common model frameworks,
    each where it is installed, with its version and the licence it declares. No host, user, path or process
    id is in it. NumPy's and SciPy's linear algebra
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
        "hardware": hardware(),
        "packages": _components(),
        "blas": sorted(blas, key=lambda row: [str(row[key]) for key in keys]),
    }


def _components() -> dict[str, dict[str, str | None]]:
    """Return version and licence of mmaudit and of every installed distribution it builds on, by name."""
    found: dict[str, dict[str, str | None]] = {}
    pending = ["mmaudit", *_FRAMEWORKS]
    while pending:
        name = pending.pop()
        if name not in found:
            try:
                distribution = importlib.metadata.distribution(name)
            except importlib.metadata.PackageNotFoundError:
                continue
            found[name] = {"version": distribution.version, "licence": _licence(distribution.metadata)}
            pending += _required(name)
    # The code that runs, wherever an older distribution of the same name may be installed.
    found["mmaudit"] = found.get("mmaudit", {"licence": None}) | {"version": __version__}
    return dict(sorted(found.items()))


def _licence(metadata: Any) -> str | None:
    """Return the licence that a distribution declares: an SPDX expression, else classifiers, else free text.

    The free text of older distributions is often the whole licence, of which the first line names it or not.
    """
    declared = (metadata.get("License-Expression") or "").strip()
    classified = [
        row.rpartition(" :: ")[2]
        for row in metadata.get_all("Classifier") or ()
        if row.startswith("License :: ") and not row.endswith(":: OSI Approved")
    ]
    lines = (metadata.get("License") or "").strip().splitlines()
    said = declared or ", ".join(sorted(classified)) or (lines[0].strip() if lines else "")
    return said[:_LONGEST] or None


def _required(distribution: str) -> list[str]:
    """Return the names that ``distribution`` requires, extras apart, normalised (PEP 503)."""
    rows = [row for row in importlib.metadata.requires(distribution) or () if "extra ==" not in row]
    matches = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", row) for row in rows)
    return [re.sub(r"[-_.]+", "-", match[0]).lower() for match in matches if match is not None]
