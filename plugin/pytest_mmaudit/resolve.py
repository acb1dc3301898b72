"""From a ``module:factory`` or a file name to the object that is audited, or to one clear line."""

import dataclasses
import datetime
import importlib
import inspect
import operator
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import mmaudit.settings
from mmaudit.data import SUFFIXES, Options, is_table, load_pairs
from mmaudit.errors import BundleError, MMAuditError, SettingsError
from mmaudit.evidence import PrivateKey, load_private, now
from mmaudit.gates import CHECKS
from mmaudit.gates.check import ACCESS
from mmaudit.pairs import Pairs
from mmaudit.settings import Settings
from mmaudit.subjects.arrays import FILES
from mmaudit.suites import Trainable
from pytest_mmaudit import INI_KEYS

__all__ = ["data", "recipe", "settings", "sign_key", "started", "subject"]

KEYS = (
    "profile",
    "seed",
    "confidence",
    "alpha",
    "inconclusive",
    "require",
    "subject",
    "data",
    "out",
    "cache",
    "checkpoint_before",
    "recipe",
    "executor",
)

_ESCAPES = (Exception, SystemExit)
"""What code of the user's may raise where it is run: ``argparse`` and ``sys.exit`` raise the second."""
_NONE_GIVEN = "return what is to be audited"


def settings(config: pytest.Config) -> Settings:
    """Return the settings in force: command line, then ini keys, then ``[tool.mmaudit]``.

    Raises :class:`pytest.UsageError` on anything the settings refuse.
    """
    access = {*ACCESS, *(level for level, _ in ACCESS.values())}
    try:
        found = mmaudit.settings.load(
            mmaudit.settings.read_pyproject(config.rootpath / "pyproject.toml"),
            _given(config),
            checks=[check.name for check in CHECKS],
            access=access,
        )
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from error
    return dataclasses.replace(
        found,
        cache=_placed(config, "cache", found.cache),
        checkpoint_before=_placed(config, "checkpoint_before", found.checkpoint_before),
    )


def _placed(config: pytest.Config, key: str, path: str | None) -> str | None:
    """A path on the command line starts where the user stands, one in a file at the rootdir."""
    if path is None:
        return None
    typed = config.getoption(f"mmaudit_{key}", None) is not None
    return str((config.invocation_params.dir if typed else config.rootpath) / path)


def _given(config: pytest.Config) -> Mapping[str, Any]:
    # Private, but all there is in both pytest 8.4 and 9: ``inicfg`` is deprecated, ``getini`` knows no typos.
    for key in sorted(config._get_unknown_ini_keys()):
        if key.startswith("mmaudit_"):
            way_out = mmaudit.settings.did_you_mean(key, INI_KEYS)
            raise pytest.UsageError(f"unknown ini key {key!r}; {way_out}")
    given: dict[str, Any] = {}
    for key in KEYS:
        value = config.getoption(f"mmaudit_{key}", None)
        if value is None:
            try:
                value = config.getini(f"mmaudit_{key}")
            except (TypeError, ValueError, pytest.UsageError) as error:
                raise pytest.UsageError(f"ini key mmaudit_{key}: {error}") from error
        given[key] = value
    return given


def subject(config: pytest.Config, spec: str | None) -> Any:
    """Return what is audited, ``None`` for the reference aligner: ``spec``, else the project's hook.

    Raises :class:`pytest.UsageError` where ``spec`` leads nowhere, and where what was named is ``None``: a
    ``return`` that was forgotten must not have another subject audited.
    """
    if spec is None:
        return _hooked(config)
    if spec.startswith(("http://", "https://")):
        return spec
    path = next((p for p in _candidates(config, spec) if p.exists()), None)
    if spec.endswith(tuple(FILES)) or (path is not None and path.is_dir()):
        if path is None:
            raise pytest.UsageError(f"mmaudit subject {spec!r}: no such file")
        return path
    found = _load(config, "subject", spec)
    if found is None:
        raise pytest.UsageError(f"mmaudit subject {spec!r} gives None; {_NONE_GIVEN}")
    return found


def _hooked(config: pytest.Config) -> Any:
    """Return what the project's hook gives, ``None`` where there is no such hook."""
    hook = config.hook.pytest_mmaudit_subject
    implementations = hook.get_hookimpls()
    if not implementations:
        return None
    where = f"the hook pytest_mmaudit_subject ({', '.join(each.plugin_name for each in implementations)})"
    try:
        found = hook(config=config)
    except _ESCAPES as error:
        raise pytest.UsageError(f"{where} raised {_line(error)}") from error
    if found is None:
        raise pytest.UsageError(f"{where} gives None; {_NONE_GIVEN}")
    return found


def recipe(config: pytest.Config, spec: str | None) -> Trainable | None:
    """Return the training recipe that is named, ``None`` where none is.

    Raises :class:`pytest.UsageError` where ``spec`` leads nowhere, or to something that cannot be trained.
    """
    if spec is None:
        return None
    found = _load(config, "recipe", spec)
    if not callable(getattr(found, "fit", None)):
        raise pytest.UsageError(
            f"mmaudit recipe {spec!r} gives a {type(found).__name__} without fit(pairs, callbacks)"
        )
    trainable: Trainable = found
    return trainable


def data(config: pytest.Config, settings: Settings) -> Pairs | None:
    """Return the pairs of the table, folder or factory that is named, ``None`` for the built-in ones."""
    spec = settings.data
    if spec is None:
        return None
    path = next((p for p in _candidates(config, spec) if p.exists()), None)
    if is_table(spec) or (path is not None and path.is_dir()):
        if path is None:
            raise pytest.UsageError(f"mmaudit data {spec!r}: no such file")
        table = dict(settings.table)
        if "root" in table:
            table["root"] = str(config.rootpath / table["root"])
        report = config.invocation_params.dir / settings.out / "bad-rows.csv"
        return load_pairs(path, Options(**table), report=report)
    pairs = _load(config, "data", spec)
    if not isinstance(pairs, Pairs):
        raise pytest.UsageError(
            f"mmaudit data {spec!r} gives a {type(pairs).__name__}; expected mmaudit.pairs.Pairs"
        )
    return pairs


def started() -> datetime.datetime:
    """Return when this run begins, which ``SOURCE_DATE_EPOCH`` can fix."""
    try:
        return now()
    except BundleError as error:
        raise pytest.UsageError(str(error)) from error


def sign_key(config: pytest.Config) -> PrivateKey | None:
    """Return the private key that signs the evidence, ``None`` where none is given."""
    spec = config.getoption("mmaudit_sign_key") or config.getini("mmaudit_sign_key")
    if not spec:
        return None
    here, root = _candidates(config, spec)
    try:
        return load_private(here if here.is_file() else root)
    except BundleError as error:
        raise pytest.UsageError(f"mmaudit sign_key: {error}") from error


def _candidates(config: pytest.Config, spec: str) -> tuple[Path, Path]:
    """A path on the command line starts where the user stands, one in an ini file at the rootdir."""
    return config.invocation_params.dir / spec, config.rootpath / spec


def _load(config: pytest.Config, what: str, spec: str) -> Any:
    """Import ``module:attribute`` and, where it is a function or class, call it without arguments."""
    module_name, colon, attribute = spec.partition(":")
    where = f"mmaudit {what} {spec!r}"
    if not (module_name and colon and attribute):
        tables = f", a {'/'.join(SUFFIXES)} file or a folder"
        files = " or a file of embeddings" if what == "subject" else tables
        raise pytest.UsageError(f"{where}: expected module:factory{files}")
    root = str(config.rootpath)
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        found: Any = importlib.import_module(module_name)
    except _ESCAPES as error:
        raise pytest.UsageError(f"{where}: cannot import {module_name}: {_line(error)}") from error
    try:
        found = operator.attrgetter(attribute)(found)
    except AttributeError as error:
        way_out = mmaudit.settings.did_you_mean(attribute, [n for n in vars(found) if not n.startswith("_")])
        raise pytest.UsageError(f"{where}: no {attribute!r} in {module_name}; {way_out}") from error
    if not (inspect.isroutine(found) or inspect.isclass(found)):
        return found
    try:
        return found()
    except _ESCAPES as error:
        raise pytest.UsageError(f"{where}: {attribute}() raised {_line(error)}") from error


def _line(error: BaseException) -> str:
    first = (str(error).splitlines() or [""])[0]
    return first if isinstance(error, MMAuditError) else f"{type(error).__name__}: {first}".removesuffix(": ")
