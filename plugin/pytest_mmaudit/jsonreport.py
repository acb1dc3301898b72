"""All that is known here of pytest-json-report: its options, its rows, and how a record travels in them."""

import dataclasses
from typing import Any

import pytest

from pytest_mmaudit.record import Record

__all__ = ["KEY", "TestRow", "prepare", "rows"]

KEY = "mmaudit"
"""The name under which a record lies in a test's metadata."""

_OUTCOMES = {"xfailed": "skipped", "xpassed": "passed"}
_PHASES = ("setup", "call", "teardown")
_CRASHED = "???"
"""The phase that xdist names in the report of a test whose worker died under it."""


@dataclasses.dataclass(frozen=True)
class TestRow:
    """One test: its outcome is passed, failed, skipped or error; ``seconds`` is all three phases."""

    __test__ = False

    node_id: str
    outcome: str
    seconds: float
    record: Record


def prepare(config: pytest.Config) -> None:
    """Switch the report on, in memory only, unless the user asked for one: then it stays as asked for.

    Raises :class:`pytest.UsageError` where it, or what it reads, is switched off, and
    where it is told to keep no rows.
    """
    option = config.option
    if not hasattr(option, "json_report"):
        raise pytest.UsageError(
            "--mmaudit needs the plugin pytest-json-report; do not switch it off (-p no:pytest_jsonreport), "
            "or add -p pytest_jsonreport.plugin"
        )
    if not hasattr(option, "tbstyle"):
        raise pytest.UsageError(
            "--mmaudit needs pytest's own terminal plugin, whose options pytest-json-report reads; "
            "do not switch it off (-p no:terminal)"
        )
    if option.json_report_summary:
        raise pytest.UsageError(
            "--json-report-summary drops the rows that the evidence is made of; leave it out under --mmaudit"
        )
    if option.json_report:
        return
    option.json_report = True
    option.json_report_file = None
    # Captured log records may hold anything, and what execnet cannot serialise kills an xdist worker.
    option.json_report_omit = ["log", "streams", "collectors", "keywords", "warnings"]
    option.json_report_verbosity = -1


def rows(json_report: dict[str, Any]) -> list[TestRow]:
    """Return the rows of a finished report, by node id.

    A test counts once it is over: pytest-json-report calls one passed as soon as it is set up, and an
    interrupted one is never heard of again.
    """
    found = [
        TestRow(
            node_id=test["nodeid"],
            outcome="error" if _crashed(test) else _OUTCOMES.get(test["outcome"], test["outcome"]),
            seconds=sum(test[phase]["duration"] for phase in _PHASES if phase in test),
            record=_record(test),
        )
        for test in json_report.get("tests", ())
        if "teardown" in test or _CRASHED in test
    ]
    return sorted(found, key=lambda row: row.node_id)


def _crashed(test: dict[str, Any]) -> bool:
    """Return whether a test never came to its end: its process died, or a check fails by nothing it found.

    The latter leaves no outcome, and an audit that lacks one must not read as one that accepts.
    """
    is_check = KEY in test.get("metadata", {})
    return _CRASHED in test or (test["outcome"] == "failed" and is_check and not _record(test).fails)


def _record(test: dict[str, Any]) -> Record:
    row = test.get("metadata", {}).get(KEY)
    if row is not None:
        return Record.from_builtins(row)
    return Record(message="the process that ran it crashed" if _CRASHED in test else "")
