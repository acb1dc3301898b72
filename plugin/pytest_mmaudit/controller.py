"""Runs in the process that ends last: gathers what all tests found, writes the bundle, says where it is."""

import datetime
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmaudit.audit import write_bundle
from mmaudit.errors import MMAuditError
from mmaudit.evidence import Bundle, RunInfo, redact
from mmaudit.gates import Auditor, Outcome, finalize
from mmaudit.report import bundle_lines, summary_lines
from pytest_mmaudit.jsonreport import TestRow, rows

__all__ = ["Controller"]


class Controller:
    """The hooks around the whole run.

    ``collected`` are the node ids that were to run, ``deviations`` what went otherwise than planned, one
    line each; without xdist this process fills them itself.
    """

    def __init__(self, auditor: Auditor) -> None:
        self.collected: set[str] = set()
        self.deviations: list[str] = []
        self.workers = 0
        self._auditor = auditor
        self._started = _now()
        self._rows: list[TestRow] = []
        self._outcomes: list[Outcome] = []
        self._certifications: list[Outcome] = []
        self._bundle: Bundle | None = None
        self._problem: str | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take note of what is to run."""
        self.collected.update(item.nodeid for item in session.items)

    def pytest_json_modifyreport(self, json_report: dict[str, Any]) -> None:
        """Read the rows of the finished report."""
        self._rows = rows(json_report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Settle the verdicts of all gates together and write the bundle; a run of no test leaves none."""
        if not self._rows:
            return
        found = _distinct([o for row in self._rows for o in row.record.outcomes])
        self._outcomes = finalize(found, self._auditor.settings)
        self._certifications = _distinct([o for row in self._rows for o in row.record.certifications])
        overturned = [a for a, b in zip(found, self._outcomes, strict=True) if a.verdict is not b.verdict]
        if overturned or self._not_run:
            _worsen(session)
        if self._not_run:
            self.deviations.append(
                f"{len(self._not_run)} of {len(self.collected)} collected tests did not run"
            )
        try:
            self._bundle = self._write(session)
        except (MMAuditError, OSError) as error:
            self._problem = f"no evidence was written: {error}"
            _worsen(session)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Close the run with the verdicts and the way to the evidence."""
        if not self._rows:
            return
        terminalreporter.section("mmaudit")
        for line in summary_lines(
            self._outcomes,
            self._certifications,
            width=shutil.get_terminal_size().columns,
            colour=terminalreporter.hasmarkup,
            unfinished=len(self._not_run),
        ):
            terminalreporter.write_line(line)
        if self._problem is not None:
            terminalreporter.write_line(self._problem, red=True)
        if self._bundle is not None:
            here = terminalreporter.config.invocation_params.dir
            for line in bundle_lines(
                _below(self._bundle.directory, here), _below(self._bundle.archive, here), self._bundle.digest
            ):
                terminalreporter.write_line(line)

    @property
    def _not_run(self) -> set[str]:
        return self.collected.difference(row.node_id for row in self._rows)

    def _write(self, session: pytest.Session) -> Bundle:
        ended = [row.outcome for row in self._rows]
        return write_bundle(
            outcomes=self._outcomes,
            certifications=self._certifications,
            auditor=self._auditor,
            settings=self._auditor.settings,
            tests=[_test(row) for row in self._rows],
            counts={
                "collected": len(self.collected.union(row.node_id for row in self._rows)),
                "passed": ended.count("passed"),
                "failed": ended.count("failed"),
                "skipped": ended.count("skipped"),
                "errors": ended.count("error"),
                "not_run": len(self._not_run),
            },
            run=RunInfo(
                run_id=f"{self._started:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
                started=_stamp(self._started),
                finished=_stamp(_now()),
                durations={row.node_id: row.seconds for row in self._rows},
                exit_status=int(session.exitstatus),
                workers=self.workers,
            ),
            out=session.config.invocation_params.dir / self._auditor.settings.out,
            deviations=self.deviations,
        )


def _test(row: TestRow) -> dict[str, Any]:
    """Return the row of one test; what it appended itself is there only if it did."""
    record = row.record
    own = {"evidence": record.evidence} if record.evidence else {}
    return {"nodeid": row.node_id, "outcome": row.outcome, "message": redact(record.message), **own}


def _distinct(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return ``outcomes`` without repetitions: a test may ask for a gate that the suite ran as well."""
    return [o for i, o in enumerate(outcomes) if o not in outcomes[:i]]


def _worsen(session: pytest.Session) -> None:
    """Make the exit status that of failed tests, unless it already says something worse than success."""
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _stamp(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _below(path: Path, folder: Path) -> Path:
    return path.relative_to(folder) if path.is_relative_to(folder) else path
