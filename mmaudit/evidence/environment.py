"""What the numbers were computed with: versions and arithmetic, never who or where."""

import importlib
import importlib.metadata
import platform
import sys
from typing import Any

from mmaudit import __version__

__all__ = ["environment"]

_DISTRIBUTIONS = (
    "hypothesis",
    "jinja2",
    "jsonschema",
    "matplotlib",
    "numpy",
    "onnxruntime",
    "open-clip-torch",
    "pillow",
    "pytest",
    "pytest-json-report",
    "rfc8785",
    "safetensors",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "threadpoolctl",
    "torch",
    "transformers",
)


def environment() -> dict[str, Any]:
    """Return interpreter, platform, package versions and BLAS libraries as builtin types.

    No host, user, path or process id is in it. NumPy's and SciPy's linear algebra is loaded first, so that
    the list of BLAS libraries does not depend on what the process has imported before.
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
    versions = {name: _version(name) for name in _DISTRIBUTIONS}
    return {
        "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
        "platform": {"system": platform.system(), "machine": platform.machine(), "byte_order": sys.byteorder},
        "packages": {"mmaudit": __version__}
        | {name: version for name, version in versions.items() if version is not None},
        "blas": sorted(blas, key=lambda row: [str(row[key]) for key in keys]),
    }


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
