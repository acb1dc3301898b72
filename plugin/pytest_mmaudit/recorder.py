"""Runs in every process that runs tests: keeps what each test found and sends it with its report."""

from collections.abc import Generator
from typing import Any

import pytest

from mmaudit.errors import MMAuditError
from mmaudit.gates import Auditor
from mmaudit.gates.outcome import Outcome, Verdict
from pytest_mmaudit import is_check
from pytest_mmaudit.collect import AuditModule
from pytest_mmaudit.conclude import conclude
from pytest_mmaudit.jsonreport import KEY
from pytest_mmaudit.outputs import properties
from pytest_mmaudit.record import RECORD, Record

__all__ = ["Recorder"]


class Recorder:
    """The hooks around one test."""

    def __init__(self, auditor: Auditor) -> None:
        self._auditor = auditor

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Give a check its record; skip a project's own where its marker needs what the subject lacks.

        The packaged checks are left to the catalogue, which knows more to say about them.
        """
        if is_check(item):
            item.stash.setdefault(RECORD, Record())
        mark = item.get_closest_marker("mmaudit")
        if mark is None or isinstance(item.parent, AuditModule):
            return
        needs = tuple(mark.kwargs.get("needs", ()))
        reason = self._auditor.material.lacks(needs)
        if reason is None:
            return
        outcome = Outcome(
            check=item.name,
            failure=mark.kwargs.get("failure", "project"),
            question="",
            verdict=Verdict.NOT_EVIDENCED,
            measurement=None,
            limit=None,
            reason=reason,
        )
        item.stash[RECORD].outcomes.append(outcome)
        conclude(outcome, self._auditor.settings, needs)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show the one line of an error that was raised on purpose in the place of its traceback.

        What the test found goes along as properties, which pytest's own JUnit report shows.
        """
        if call.when == "teardown" and RECORD in item.stash:
            found = item.stash[RECORD]
            item.user_properties.extend(properties([*found.outcomes, *found.certifications]))
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, MMAuditError):
            report.longrepr = str(call.excinfo.value)
        return report

    def pytest_json_runtest_metadata(self, item: pytest.Item, call: pytest.CallInfo[None]) -> dict[str, Any]:
        """Hand the item's record to pytest-json-report, which carries it from worker to controller."""
        record = item.stash.get(RECORD, None)
        if record is None:
            return {}
        if call.excinfo is not None and not record.message:
            record.message = (str(call.excinfo.value).splitlines() or [""])[0]
        return {KEY: record.to_builtins()}
