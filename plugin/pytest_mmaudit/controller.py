"""Runs in the process that ends last: gathers what all tests found, writes the bundle, says where it is."""

import datetime
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mmaudit import __version__
from mmaudit.auditing import write_bundle
from mmaudit.comparison import Comparison
from mmaudit.errors import MMAuditError
from mmaudit.evidence import Bundle, PrivateKey, now, redact, run_info
from mmaudit.executor import LOCAL, Executor
from mmaudit.gates import Auditor, Outcome, finalize
from mmaudit.report import bundle_lines, summary_lines
from mmaudit.report.comparison import comparison_lines, regressions
from mmaudit.report.show import audited_lines
from mmaudit.report.stress import stress_lines
from mmaudit.report.suites import suite_lines
from mmaudit.suites import Finding
from pytest_mmaudit import outputs
from pytest_mmaudit.baseline import Baseline
from pytest_mmaudit.jsonreport import TestRow, rows

__all__ = ["Controller"]

Found = TypeVar("Found")


class Controller:
    """The hooks around the whole run.

    ``collected`` are the node ids that were to run, ``deviations`` what went otherwise than planned, one
    line each; without xdist this process fills them itself. The run began at ``started``; ``key`` signs its
    bundle, ``baseline`` is what it is compared with and saved as, ``executor`` where independent jobs ran.
    """

    def __init__(
        self,
        auditor: Auditor,
        started: datetime.datetime,
        key: PrivateKey | None,
        baseline: Baseline,
        executor: Executor,
    ) -> None:
        self.collected: set[str] = set()
        self.deviations: list[str] = []
        self.workers = 0
        self._auditor = auditor
        self._started = started
        self._key = key
        self._baseline = baseline
        self._executor = executor
        self._comparison: Comparison | None = None
        self._saved: str | None = None
        self._rows: list[TestRow] = []
        self._outcomes: list[Outcome] = []
        self._certifications: list[Outcome] = []
        self._suites: list[Finding] = []
        self._bundle: Bundle | None = None
        self._problems: list[str] = []
        self._annotations: list[str] = []

    def pytest_report_header(self) -> list[str]:
        """Say under which settings, limits among them, the run is about to measure: they are fixed by now.

        The digest stands in ``settings.json`` again. What a limit is where no setting says so depends on the
        version alone.
        """
        settings = self._auditor.settings
        header = f"mmaudit: {__version__}, profile {settings.profile}, settings sha256 {settings.digest()}"
        where = f"mmaudit: executor {self._executor.description}"
        return [header] if self._executor.name == LOCAL else [header, where]

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
        self._suites = _distinct([f for row in self._rows for f in row.record.suites])
        overturned = [a for a, b in zip(found, self._outcomes, strict=True) if a.verdict is not b.verdict]
        if overturned or self._not_run:
            _worsen(session)
        if self._not_run:
            self.deviations.append(
                f"{len(self._not_run)} of {len(self.collected)} collected tests did not run"
            )
        self._compare(session)
        try:
            self._bundle = self._write(session)
        except (MMAuditError, OSError) as error:
            self._problems.append(f"no evidence was written: {error}")
        self._save()
        results = self._results()
        self._problems += outputs.write(session.config, results)
        self._annotations = outputs.job_annotations(results)
        if self._problems:
            _worsen(session)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Close the run with what was audited, the verdicts and the way to the evidence."""
        if not self._rows:
            return
        terminalreporter.section("mmaudit")
        for line in self._audited():
            terminalreporter.write_line(line)
        terminalreporter.write_line("")
        for line in summary_lines(
            self._outcomes,
            self._certifications,
            width=shutil.get_terminal_size().columns,
            colour=terminalreporter.hasmarkup,
            unfinished=self._unfinished,
        ):
            terminalreporter.write_line(line)
        for line in self._annotations:
            terminalreporter.write_line(line)
        for line in suite_lines(self._suites, self._auditor.settings.recipe):
            terminalreporter.write_line(line)
        for line in self._stress_lines(terminalreporter.config.invocation_params.dir):
            terminalreporter.write_line(line)
        if self._comparison is not None:
            terminalreporter.write_line("")
            for line in comparison_lines(self._comparison.record(), shutil.get_terminal_size().columns):
                terminalreporter.write_line(line)
        if (kept := self._auditor.material.kept) is not None and not self.workers:
            terminalreporter.write_line(f"kept embeddings: {kept.state}")
        for line in self._problems:
            terminalreporter.write_line(line, red=True)
        if self._saved is not None:
            terminalreporter.write_line(self._saved)
        if self._bundle is not None:
            here = terminalreporter.config.invocation_params.dir
            for line in bundle_lines(
                _below(self._bundle.directory, here), _below(self._bundle.archive, here), self._bundle.digest
            ):
                terminalreporter.write_line(line)

    def _audited(self) -> list[str]:
        pairs = self._auditor.pairs
        world = self._auditor.world is not None
        facts = {"name": pairs.name, "pairs": len(pairs), "world": world}
        return audited_lines(self._auditor.subject.identity.record(), facts)

    @property
    def _stress(self) -> tuple[float, dict[str, Any] | None]:
        """What a search for a failing world found, and the seconds it took."""
        found = ((row.seconds, row.record.stress) for row in self._rows if row.record.stress is not None)
        return next(found, (0.0, None))

    def _stress_lines(self, here: Path) -> list[str]:
        seconds, stress = self._stress
        width = shutil.get_terminal_size().columns
        bundle = "BUNDLE" if self._bundle is None else _below(self._bundle.directory, here)
        return stress_lines(stress and stress["search"], width, seconds=seconds, bundle=bundle)

    @property
    def _not_run(self) -> set[str]:
        return self.collected.difference(row.node_id for row in self._rows)

    @property
    def _unfinished(self) -> int:
        return len(self._not_run) + sum(row.outcome == "error" for row in self._rows)

    def _compare(self, session: pytest.Session) -> None:
        try:
            self._comparison = self._baseline.compared(self._auditor, self._outcomes)
        except MMAuditError as error:
            self._problems.append(f"not compared with the baseline: {error}")
        if self._comparison is not None and self._comparison.regressed:
            _worsen(session)

    def _save(self) -> None:
        if self._bundle is None:
            return
        try:
            self._saved = self._baseline.saved(self._bundle, self._comparison, self._unfinished)
        except MMAuditError as error:
            self._problems.append(f"no baseline was saved: {error}")

    def _results(self) -> outputs.Results:
        return outputs.Results(
            outcomes=self._outcomes,
            certifications=self._certifications,
            rows=self._rows,
            not_run=self._not_run,
            unfinished=self._unfinished,
            started=self._started,
            finished=now(),
            model=self._auditor.subject.identity.name,
            dataset=self._auditor.pairs.name,
            modalities=self._auditor.pairs.modalities,
            digest="not written" if self._bundle is None else f"sha256 {self._bundle.digest}",
            regressions=regressions(None if self._comparison is None else self._comparison.record()),
        )

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
            run=run_info(
                self._started,
                settings_digest=self._auditor.settings.digest(),
                durations={row.node_id: row.seconds for row in self._rows},
                exit_status=int(session.exitstatus),
                workers=self.workers,
                executor=self._executor.name,
            ),
            out=session.config.invocation_params.dir / self._auditor.settings.out,
            deviations=self.deviations,
            key=self._key,
            comparison=self._comparison,
            suites=self._suites,
            stress=self._stress[1],
        )


def _test(row: TestRow) -> dict[str, Any]:
    """Return the row of one test; what it appended itself is there only if it did."""
    record = row.record
    own = {"evidence": record.evidence} if record.evidence else {}
    return {"nodeid": row.node_id, "outcome": row.outcome, "message": redact(record.message), **own}


def _distinct(found: Sequence[Found]) -> list[Found]:
    """Return ``found`` without repetitions: a test may ask for a gate that the suite ran as well."""
    return [row for i, row in enumerate(found) if row not in found[:i]]


def _worsen(session: pytest.Session) -> None:
    """Make the exit status that of failed tests, unless it already says something worse than success."""
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _below(path: Path, folder: Path) -> Path:
    return path.relative_to(folder) if path.is_relative_to(folder) else path
