"""The settings of an audit: one flat record, resolved and hashed before anything is measured."""

import dataclasses
import difflib
import functools
import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from mmaudit.errors import SettingsError
from mmaudit.executor import LOCAL, scheduler_of

__all__ = ["DATA_TABLE", "GOVERNANCE", "Profile", "Settings", "did_you_mean", "load", "read_pyproject"]

Profile = Literal["smoke", "ci", "full"]
Range = tuple[float | None, float | None]
Statement = str | tuple[str, ...]

GOVERNANCE = (
    "intended_use",
    "responsible_person",
    "system_version",
    "previous_version",
    "evaluator_independence",
    "licence",
    "dataset_description",
    "residual_risks",
)
"""What ``[tool.mmaudit.governance]`` may state, each as a text or a list of texts."""
DATA_TABLE = (
    "file",
    "columns",
    "root",
    "group",
    "split",
    "trusted",
    "nuisance",
    "factors",
    "ignore",
    "only",
    "tolerate",
    "max_pixels",
)
"""What ``[tool.mmaudit.data]`` may say; :class:`mmaudit.data.Options` says what each means."""
_LONGEST = 20_000
_MOST = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What an audit was asked to do.

    ``profile``: how much is run. ``seed``: root of every random stream. ``confidence``: level of the stated
    intervals. ``alpha``: family-wise error rate of all rejections together. ``inconclusive``: what an
    interval across its limit does to a test. ``require``: checks, or kinds of access, whose lack is a failure
    and not a skip. ``limits``: check name to the closed range ``(low, high)`` that replaces the catalogue's
    (``None``: that side is open); ``rationales`` say why, where someone said so. ``tolerance``: check name to
    how much worse than a baseline its figures may be, in their own unit. ``subject`` and ``data``: where they
    come from, ``None`` for the built-in ones. ``checkpoint_before``: the weights of the
    subject before it was trained, a file. ``recipe``: a training recipe that the teaching suites train in the
    place of the reference aligner (:class:`mmaudit.suites.Trainable`). ``table``: how a table of pairs is
    read, by the keys of :data:`DATA_TABLE` but ``file``. ``stress``: the worlds that the encoder is promised
    to cope with (:func:`mmaudit.stress.domain_of`). ``out``: the folder that bundles are written to.
    ``cache``: the folder that embeddings are kept in from run to run, ``None`` for none. ``executor``: where
    independent jobs run (:func:`mmaudit.executor.open_executor`). ``governance``: what people state about the
    audited system, by the keys of :data:`GOVERNANCE`; it goes into the evidence and decides nothing.
    """

    profile: Profile = "ci"
    seed: int = 7
    confidence: float = 0.95
    alpha: float = 0.05
    inconclusive: Literal["fail", "pass"] = "fail"
    require: tuple[str, ...] = ()
    limits: Mapping[str, Range] = dataclasses.field(default_factory=dict)
    rationales: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerance: Mapping[str, float] = dataclasses.field(default_factory=dict)
    subject: str | None = None
    checkpoint_before: str | None = None
    recipe: str | None = None
    data: str | None = None
    table: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    stress: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    out: str = "mmaudit-out"
    cache: str | None = None
    executor: str = LOCAL
    governance: Mapping[str, Statement] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as exact builtin types.

        ``out``, ``cache``, ``executor`` and the root of a table's paths are left out, and of the subject's
        and the data's path only the file name is kept, of a service's address the model: where things lie or
        run is no part of the evidence, and two equal audits must have equal settings. ``governance`` is left
        out because nothing that is measured depends on it; it has a document of its own.
        """
        left_out = ("out", "cache", "executor", "governance", "rationales")
        row = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in left_out}
        row["require"] = list(self.require)
        row["limits"] = {name: {"low": low, "high": high} for name, (low, high) in self.limits.items()}
        for name, text in self.rationales.items():
            row["limits"][name]["rationale"] = text
        row["tolerance"] = dict(self.tolerance)
        row["stress"] = {key: list(v) if isinstance(v, list) else v for key, v in self.stress.items()}
        row["table"] = {key: value for key, value in self.table.items() if key != "root"}
        if self.subject is not None and self.subject.startswith(("http://", "https://")):
            row["subject"] = f"endpoint:{self.subject.partition('#')[2]}"
        for key in ("subject", "checkpoint_before", "data"):
            if row[key] is not None and ":" not in _after_drive(row[key]):
                row[key] = Path(row[key]).name
        return row

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the canonical JSON (RFC 8785) of :meth:`as_dict`."""
        import rfc8785

        return hashlib.sha256(rfc8785.dumps(self.as_dict())).hexdigest()


def _after_drive(spec: str) -> str:
    return spec[2:] if spec[1:2] == ":" else spec


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the way out of a misspelling: the closest known word, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"


def load(
    table: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    checks: Collection[str],
    access: Collection[str] = (),
) -> Settings:
    """Return validated settings: the defaults, under ``table``, under ``overrides`` (``None``: not given).

    ``checks`` are the names that ``limits`` may set, ``checks`` and ``access`` those that ``require`` may
    name. Raises :class:`SettingsError`, one line, on an unknown name or a value of the wrong type or range.
    """
    given = dict(table)
    if isinstance(given.get("data"), Mapping):
        # ``data`` is a table where there is more to say than where the data are.
        given["table"] = {key: value for key, value in given["data"].items() if key != "file"}
        given["data"] = given["data"].get("file")
    elif "table" in given:
        raise SettingsError(f"unknown mmaudit setting 'table'; {did_you_mean('data', ['data'])}")
    given |= {key: value for key, value in (overrides or {}).items() if value is not None}
    rules: dict[str, Callable[[str, Any], Any]] = {
        "profile": functools.partial(_choice, choices=("smoke", "ci", "full")),
        "seed": _seed,
        "confidence": functools.partial(_share, low=0.5, high=1.0),
        "alpha": functools.partial(_share, low=0.0, high=0.5),
        "inconclusive": functools.partial(_choice, choices=("fail", "pass")),
        "require": functools.partial(_names, known=(*checks, *access)),
        "limits": functools.partial(_limits, checks=checks),
        "tolerance": functools.partial(_tolerance, checks=checks),
        "subject": _text,
        "checkpoint_before": _text,
        "recipe": _text,
        "data": lambda key, value: None if value is None else _text(key, value),
        "table": _data_table,
        "stress": _stress,
        "out": _text,
        "cache": _text,
        "executor": _executor,
        "governance": _governance,
    }
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in rules:
            raise SettingsError(f"unknown mmaudit setting {key!r}; {did_you_mean(key, rules)}")
        values[key] = rules[key](key, value)
    if "limits" in given:
        values["rationales"] = _rationales(given["limits"])
    return Settings(**values)


def read_pyproject(path: Path) -> dict[str, Any]:
    """Return ``[tool.mmaudit]`` of the TOML file at ``path``, empty where either is missing.

    Raises :class:`SettingsError` where the file cannot be read or the entry is no table.
    """
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read {path.name}: {str(error).splitlines()[0]}") from error
    table = document.get("tool", {}).get("mmaudit", {})
    if not isinstance(table, dict):
        raise SettingsError(f"{path.name}: [tool.mmaudit] is {table!r}; expected a table")
    return table


def _wrong(key: str, value: Any, expected: str) -> SettingsError:
    return SettingsError(f"mmaudit setting {key!r} is {value!r}; expected {expected}")


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(key, value, "a non-empty string")
    return value


def _executor(key: str, value: Any) -> str:
    scheduler_of(_text(key, value))
    return str(value)


def _choice(key: str, value: Any, *, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise _wrong(key, value, " or ".join(repr(c) for c in choices))
    return str(value)


def _seed(key: str, value: Any) -> int:
    # 2**53: what JSON (RFC 8785) can carry exactly.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 2**53:
        raise _wrong(key, value, "a whole number from 0 to 2**53")
    return value


def _number(key: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise _wrong(key, value, "a finite number")
    return float(value)


def _share(key: str, value: Any, *, low: float, high: float) -> float:
    number = _number(key, value)
    if not low < number < high:
        raise _wrong(key, value, f"a number between {low:g} and {high:g}, both excluded")
    return number


def _names(key: str, value: Any, *, known: Collection[str]) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise _wrong(key, value, "a list of names")
    for name in value:
        if name not in known:
            raise SettingsError(f"mmaudit setting {key!r} names {name!r}; {did_you_mean(name, known)}")
    return tuple(dict.fromkeys(value))


def _limits(key: str, value: Any, *, checks: Collection[str]) -> Mapping[str, Range]:
    if not isinstance(value, Mapping):
        raise _wrong(key, value, "a table of check names")
    ranges: dict[str, Range] = {}
    for name, limit in value.items():
        if name not in checks:
            raise SettingsError(
                f"mmaudit limit for {name!r}, which is no check; {did_you_mean(name, checks)}"
            )
        label = f"{key}.{name}"
        known = isinstance(limit, Mapping) and set(limit) <= {"low", "high", "rationale"}
        if not known or not {"low", "high"} & set(limit):
            raise _wrong(label, limit, "a table {low = …, high = …} with at least one of the two")
        low, high = (
            _number(f"{label}.{end}", limit[end]) if end in limit else None for end in ("low", "high")
        )
        if low is not None and high is not None and low > high:
            raise _wrong(label, limit, "low ≤ high")
        ranges[name] = (low, high)
    return ranges


def _rationales(limits: Mapping[str, Mapping[str, Any]]) -> Mapping[str, str]:
    """Return why each limit was chosen, of those whose table says so."""
    found = {name: limit["rationale"] for name, limit in limits.items() if "rationale" in limit}
    for name, text in found.items():
        if not isinstance(text, str) or not text.strip() or len(text) > _LONGEST:
            expected = f"a text of 1 to {_LONGEST} characters"
            raise _wrong(f"limits.{name}.rationale", text, expected)
    return found


def _tolerance(key: str, value: Any, *, checks: Collection[str]) -> Mapping[str, float]:
    if not isinstance(value, Mapping):
        raise _wrong(key, value, "a table of check names")
    allowed = {name: _number(f"{key}.{name}", number) for name, number in value.items()}
    for name, number in allowed.items():
        if name not in checks:
            raise SettingsError(
                f"mmaudit tolerance for {name!r}, which is no check; {did_you_mean(name, checks)}"
            )
        if number < 0:
            raise _wrong(f"{key}.{name}", number, "a number of at least 0")
    return allowed


def _data_table(_: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    read: dict[str, Any] = {}
    for name, entry in value.items():
        label = f"data.{name}"
        if name not in DATA_TABLE:
            raise SettingsError(f"unknown mmaudit setting {label!r}; {did_you_mean(name, DATA_TABLE)}")
        if name in ("tolerate", "max_pixels"):
            if not isinstance(entry, int) or isinstance(entry, bool) or entry < 0:
                raise _wrong(label, entry, "a whole number of at least 0")
            read[name] = entry
        elif name in ("nuisance", "factors", "ignore"):
            if not isinstance(entry, (list, tuple)) or not all(isinstance(column, str) for column in entry):
                raise _wrong(label, entry, "a list of column names")
            read[name] = list(dict.fromkeys(entry))
        elif name == "columns":
            named = isinstance(entry, Mapping) and all(isinstance(c, str) and c for c in entry.values())
            if not named or len(entry) != 2:
                raise _wrong(label, entry, "a table of two modalities and the column of each")
            read[name] = dict(entry)
        elif name == "only":
            read[name] = _values(label, entry)
        else:
            read[name] = _text(label, entry)
    return read


def _values(label: str, value: Any) -> dict[str, list[str]]:
    """Return the values asked of each column, one or several, as texts."""
    wrong = _wrong(label, value, "a table of columns, each with a value or a list of values")
    if not isinstance(value, Mapping):
        raise wrong
    read = {column: list(v) if isinstance(v, (list, tuple)) else [v] for column, v in value.items()}
    for texts in read.values():
        if not texts or not all(type(text) in (str, int) and str(text).strip() for text in texts):
            raise wrong
    return {column: [str(text).strip() for text in texts] for column, texts in read.items()}


def _stress(key: str, value: Any) -> Mapping[str, Any]:
    """Return the table of the stress search with plain values; what it may say is read where it is used."""
    if not isinstance(value, Mapping):
        raise _wrong(key, value, "a table of dials")
    for name, given in value.items():
        for each in given if isinstance(given, list) else [given]:
            _number(f"{key}.{name}", each)
    return dict(value)


def _governance(key: str, value: Any) -> Mapping[str, Statement]:
    if not isinstance(value, Mapping):
        raise _wrong(key, value, "a table of statements")
    stated: dict[str, Statement] = {}
    for name, statement in value.items():
        if name not in GOVERNANCE:
            raise SettingsError(f"unknown mmaudit setting '{key}.{name}'; {did_you_mean(name, GOVERNANCE)}")
        texts = statement if isinstance(statement, (list, tuple)) else [statement]
        sound = (isinstance(text, str) and text.strip() and len(text) <= _LONGEST for text in texts)
        if not 1 <= len(texts) <= _MOST or not all(sound):
            expected = f"a text of 1 to {_LONGEST} characters, or a list of 1 to {_MOST} of them"
            raise _wrong(f"{key}.{name}", statement, expected)
        stated[name] = statement if isinstance(statement, str) else tuple(texts)
    return stated
