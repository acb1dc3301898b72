"""What a run leaves for CI beside its evidence: files by option, the job's summary, its annotations."""

import dataclasses
import datetime
import os
import secrets
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pytest

import mmaudit
from mmaudit.evidence import redact
from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.gates.policy import overall
from mmaudit.report import annotations, badge, ctrf, model_card, step_summary, words
from mmaudit.report.huggingface import MARK
from pytest_mmaudit.jsonreport import TestRow

__all__ = ["Results", "job_annotations", "properties", "write"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """A finished run. ``unfinished`` counts what bars an accept; ``digest`` says that of the evidence.

    ``regressions`` say, a sentence each, in what the run is worse than its baseline.
    """

    outcomes: Sequence[Outcome]
    certifications: Sequence[Outcome]
    rows: Sequence[TestRow]
    not_run: Collection[str]
    unfinished: int
    started: datetime.datetime
    finished: datetime.datetime
    model: str
    dataset: str
    modalities: tuple[str, str]
    digest: str
    regressions: Sequence[str] = ()

    @property
    def verdict(self) -> Verdict:
        """What all of it adds up to."""
        return overall(self.outcomes, self.certifications, unfinished=self.unfinished)


def write(config: pytest.Config, results: Results) -> list[str]:
    """Write every file that was asked for, and the job's summary; return one line for each that failed.

    A file appears whole or not at all. Paths start where the user stands.
    """
    problems = []
    for name, render in _FILES.items():
        given = config.getoption(f"mmaudit_{name}") or config.getini(f"mmaudit_{name}")
        if given:
            path = config.invocation_params.dir / given
            problems += _tried(f"--mmaudit-{name.replace('_', '-')}", path, render, results)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        problems += _tried("GITHUB_STEP_SUMMARY", Path(summary), _summary, results)
    return problems


def job_annotations(results: Results) -> list[str]:
    """Return the workflow commands to print; none outside of a GitHub job."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return []
    return annotations(
        results.outcomes,
        results.certifications,
        unfinished=results.unfinished,
        regressions=results.regressions,
    )


def properties(outcomes: Sequence[Outcome]) -> list[tuple[str, object]]:
    """Return what pytest's own JUnit report (``--junit-xml``) says of the checks that one test ran."""
    return [(f"mmaudit.{o.check}", _told(o)) for o in outcomes]


def _told(outcome: Outcome) -> str:
    word = words.verdict_word(outcome.verdict)
    return word if outcome.measurement is None else f"{word} {words.effect(outcome.measurement)}"


def _tried(what: str, path: Path, render: Callable[[Path, Results], None], results: Results) -> list[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        render(path, results)
    except OSError as error:
        reason = error.strerror or str(error)
        return [f"{what}: cannot write {str(path)!r}: {reason}; choose another path"]
    return []


def _ctrf(path: Path, results: Results) -> None:
    tests = [
        {"nodeid": row.node_id, "outcome": row.outcome, "message": redact(row.record.message)}
        for row in results.rows
    ]
    report = ctrf(
        tests,
        found={row.node_id: row.record.outcomes + row.record.certifications for row in results.rows},
        not_run=results.not_run,
        durations={row.node_id: row.seconds for row in results.rows},
        started=results.started,
        finished=results.finished,
        verdict=results.verdict,
        version=mmaudit.__version__,
    )
    _replace(path, report)


def _badge(path: Path, results: Results) -> None:
    _replace(path, badge(results.verdict))


def _model_card(path: Path, results: Results) -> None:
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace")[:100]:
        raise OSError("it exists and was not written by mmaudit, and a model card is never replaced")
    block = model_card(
        results.outcomes,
        model=results.model,
        dataset=results.dataset,
        modalities=results.modalities,
        verdict=results.verdict,
        digest=results.digest,
    )
    _replace(path, block.encode())


def _summary(path: Path, results: Results) -> None:
    text = step_summary(
        results.outcomes,
        results.certifications,
        unfinished=results.unfinished,
        regressions=results.regressions,
    )
    # Appended: the steps of a job share the file.
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


_FILES: dict[str, Callable[[Path, Results], None]] = {
    "ctrf": _ctrf,
    "badge": _badge,
    "model_card": _model_card,
}


def _replace(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
