"""Audit multimodal encoders for the failures that retrieval scores hide.

>>> import mmaudit
>>> print(mmaudit.audit(my_encoder, my_pairs))  # doctest: +SKIP

Everything here is loaded on first use, so that importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmaudit.auditing import Audit, audit
    from mmaudit.data import load_pairs
    from mmaudit.embeddings import Embeddings
    from mmaudit.errors import BundleError, InputError, MMAuditError, SettingsError, SubjectError
    from mmaudit.gates import CHECKS, Limit, Outcome, Verdict, load_settings
    from mmaudit.measurement import Measurement
    from mmaudit.pairs import Pairs, Renderer
    from mmaudit.settings import Settings
    from mmaudit.subjects import Identity, Subject, as_subject

__all__ = [
    "CHECKS",
    "Audit",
    "BundleError",
    "Embeddings",
    "Identity",
    "InputError",
    "Limit",
    "MMAuditError",
    "Measurement",
    "Outcome",
    "Pairs",
    "Renderer",
    "Settings",
    "SettingsError",
    "Subject",
    "SubjectError",
    "Verdict",
    "as_subject",
    "audit",
    "load_pairs",
    "load_settings",
]

__version__ = "0.1.0"

_HOMES = {
    "mmaudit.auditing": ("Audit", "audit"),
    "mmaudit.data": ("load_pairs",),
    "mmaudit.embeddings": ("Embeddings",),
    "mmaudit.errors": ("BundleError", "InputError", "MMAuditError", "SettingsError", "SubjectError"),
    "mmaudit.gates": ("CHECKS", "Limit", "Outcome", "Verdict", "load_settings"),
    "mmaudit.measurement": ("Measurement",),
    "mmaudit.pairs": ("Pairs", "Renderer"),
    "mmaudit.settings": ("Settings",),
    "mmaudit.subjects": ("Identity", "Subject", "as_subject"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value
