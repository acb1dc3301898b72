"""The entry point of the pytest plugin: options, ini keys, the marker and the hook, and nothing else.

pytest imports this module in every run of every project that has mmaudit installed, so it is held to the
standard library: whatever costs time is imported by :func:`pytest_configure`, and only under ``--mmaudit``.
"""

import os
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

__all__ = ["INI_KEYS", "is_check"]

_PREFIX = "mmaudit_"
_OPTIONS: dict[str, tuple[dict[str, object], str, str]] = {
    "profile": (
        {"choices": ("smoke", "ci", "full")},
        "string",
        "how much is run: smoke, ci (default) or full",
    ),
    "subject": (
        {"metavar": "MODULE:FACTORY"},
        "string",
        "what is audited: module:factory, or an .npy/.npz file of embeddings; default: the hook "
        "pytest_mmaudit_subject, else the built-in reference aligner",
    ),
    "data": (
        {"metavar": "FILE"},
        "string",
        "what it is audited on: a .csv, .tsv, .jsonl or .parquet table of pairs, a folder of files of one "
        "stem or of a saved dataset, or module:factory that gives mmaudit.Pairs; default: the built-in world",
    ),
    "out": ({"metavar": "DIR"}, "string", "folder that the evidence is written to (default: mmaudit-out)"),
    "checkpoint_before": (
        {"metavar": "FILE"},
        "string",
        "the weights of a PyTorch subject before it was trained (.safetensors, or a state dict saved by "
        "PyTorch): how far each encoder has moved since is measured",
    ),
    "recipe": (
        {"metavar": "MODULE:FACTORY"},
        "string",
        "in profile full, what the teaching suites train in the place of the built-in aligner: "
        "module:factory of an object with fit(pairs, callbacks)",
    ),
    "cache": (
        {"metavar": "DIR"},
        "string",
        "keep embeddings in this folder from run to run, by digests of weights, data, prompts and settings",
    ),
    "executor": (
        {"metavar": "WHERE"},
        "string",
        "where independent jobs run: local (default), or dask://host:port of a scheduler's workers",
    ),
    "require": (
        {"action": "append", "metavar": "NAME"},
        "linelist",
        "check or access that must be evidenced: its lack fails instead of skipping (repeatable)",
    ),
    "seed": ({"type": int, "metavar": "N"}, "int", "root of every random stream (default: 7)"),
    "sign_key": (
        {"metavar": "FILE"},
        "string",
        "private key (`mmaudit keygen`) that signs the evidence; default: it is not signed",
    ),
    "baseline": (
        {"metavar": "BUNDLE"},
        "string",
        "compare with this audit of the same items, and fail where it got worse: a bundle, or the number or "
        "name of one saved in .mmaudit, or latest",
    ),
    "save": (
        {"nargs": "?", "const": "", "metavar": "NAME"},
        "string",
        "save the evidence as the next baseline in .mmaudit, unless the run got worse",
    ),
    "replay": (
        {"metavar": "FILE"},
        "string",
        "run one world alone in which a gate failed: a counterexamples/*.json of a bundle",
    ),
    "ctrf": ({"metavar": "FILE"}, "string", "also write the tests in the Common Test Report Format (JSON)"),
    "badge": ({"metavar": "FILE"}, "string", "also write the overall verdict as a status badge (SVG)"),
    "model_card": (
        {"metavar": "FILE"},
        "string",
        "also write the evaluation block of a Hugging Face model card; replaces no file but its own",
    ),
}
"""Option name: its command-line keywords, the type of its ini key, its help."""

_INI_ONLY = {
    "confidence": ("float", "level of the stated intervals (default: 0.95)"),
    "alpha": ("float", "family-wise error rate of all rejections together (default: 0.05)"),
    "inconclusive": ("string", "what an interval across its limit does to a test: fail (default) or pass"),
}

INI_KEYS = tuple(_PREFIX + name for name in (*_OPTIONS, *_INI_ONLY))
"""Every ini key of ours; another one that begins like them is misspelt."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--mmaudit``, its satellites and their ini keys."""
    group = parser.getgroup("mmaudit", "audit of multimodal encoders")
    group.addoption(
        "--mmaudit",
        action="store_true",
        help="run the audit. Without paths the audit alone runs, whatever testpaths says; tests at paths "
        "given on the command line run beside it; node ids that begin with mmaudit_checks/ select from it",
    )
    group.addoption(
        "--mmaudit-doctor",
        action="store_true",
        help="examine the adapter of the subject alone, in seconds, and run nothing else: exit status 0 "
        "sound, 1 broken, 4 nothing to examine",
    )
    for name, (keywords, ini_type, text) in _OPTIONS.items():
        group.addoption(_option(name), default=None, help=text, **keywords)
        parser.addini(_PREFIX + name, text, type=ini_type, default=None)  # type: ignore[arg-type]
    for name, (ini_type, text) in _INI_ONLY.items():
        parser.addini(_PREFIX + name, text, type=ini_type, default=None)  # type: ignore[arg-type]


def _option(name: str) -> str:
    return f"--mmaudit-{name.replace('_', '-')}"


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks in every run: a conftest.py that implements one must stay valid without the flag."""
    from pytest_mmaudit import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Refuse a value after a space that pytest took for a path of tests, or that may be meant as one.

    pytest looks for the rootdir before it has seen any plugin's options, in PYTEST_ADDOPTS and on the command
    line. The settings of the project would be those of another folder, or none.
    """
    known = early_config.known_args_namespace
    here, root = early_config.invocation_params.dir, early_config.rootpath
    typed = (*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *early_config.invocation_params.args)
    options = {_option(name) for name in _OPTIONS}
    for option, value in pairwise(map(str, typed)):
        path = Path(os.path.abspath(here / value))
        if option not in options or value.startswith("-") or not os.path.exists(path):
            continue
        if option == _option("save"):
            raise pytest.UsageError(
                f"{option} takes {value!r} for the name to save under; write {option}={value} if it is one, "
                "or the paths of tests before the option"
            )
        elsewhere = not path.is_relative_to(here) or root not in (here, *here.parents)
        if elsewhere and not (known.rootdir or known.inifilename):
            raise pytest.UsageError(
                f"write {option}={value}: with a space, pytest takes the folder for the project's"
            )


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Under ``--mmaudit-doctor`` examine the subject instead of running tests."""
    if not config.getoption("mmaudit_doctor"):
        return None
    from pytest_mmaudit import doctor

    return doctor.main(config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; under ``--mmaudit`` start the audit, before pytest-json-report is configured."""
    config.addinivalue_line(
        "markers",
        "mmaudit(failure=..., needs=(...)): an audit check; runs under --mmaudit alone, is skipped as not "
        "evidenced where the audited subject lacks what it needs",
    )
    if config.getoption("mmaudit"):
        from pytest_mmaudit import session

        session.start(config)
        return
    given = [name for name in _OPTIONS if config.getoption(_PREFIX + name) is not None]
    if given:
        raise pytest.UsageError(
            f"{' and '.join(map(_option, given))} without --mmaudit; add --mmaudit, or set the ini key "
            f"{_PREFIX}{given[0]} for all audits"
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what only an audit can run, so that ``pytest`` without the flag never trips over it."""
    if config.getoption("mmaudit"):
        return
    skip = pytest.mark.skip(reason="an audit check: runs under pytest --mmaudit")
    for item in items:
        if is_check(item):
            item.add_marker(skip)


def is_check(item: pytest.Item) -> bool:
    """Return whether ``item`` takes part in the audit: by its marker, or by a fixture of ours."""
    fixtures = getattr(item, "fixturenames", ())
    return bool(item.get_closest_marker("mmaudit")) or any(name.startswith(_PREFIX) for name in fixtures)
