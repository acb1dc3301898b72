"""Settings as people give them, held to the names of the catalogue."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmaudit.errors import SettingsError
from mmaudit.gates.catalogue import CHECKS
from mmaudit.gates.check import ACCESS
from mmaudit.settings import Settings, load, read_pyproject

__all__ = ["load_settings"]


def load_settings(path: str | Path | None = None, **given: Any) -> Settings:
    """Return the settings of ``[tool.mmaudit]`` in the TOML file at ``path``, if one is named.

    ``given`` are keys of that table, which take the place of those in the file: ``profile="smoke"``,
    ``limits={"recall_at_1": {"low": 0.4}}``. Relative paths among the settings start at the working
    directory. Raises :class:`SettingsError`, one line, where there is no such file, on an unknown name and on
    a value of the wrong type or range.
    """
    if path is not None and not Path(path).is_file():
        raise SettingsError(f"no settings in {str(path)!r}: there is no such file")
    table = {} if path is None else read_pyproject(Path(path))
    if isinstance(given.get("data"), Mapping):
        # A whole table takes the place of that in the file; the name of a file leaves the rest of it.
        table = {**table, "data": given.pop("data")}
    return load(
        table,
        given,
        checks=[check.name for check in CHECKS],
        access={*ACCESS, *(level for level, _ in ACCESS.values())},
    )
