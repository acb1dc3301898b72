"""What one audit hands to the bundle: plain builtin records, and the facts of the one run that made them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mmaudit.evidence.canonical import dumps

__all__ = ["Record", "RunEvidence", "RunInfo", "by_check"]

Record = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunEvidence:
    """All facts of an audit that do not depend on when, where in the queue or how fast it ran.

    ``outcomes`` and ``certifications`` are ``Outcome.record()`` dicts; a certification is named
    ``null:<encoder>`` and its verdict is ``ACCEPT`` when the gates caught that null encoder. ``prompts`` rows
    have ``name`` and ``text``. ``tests`` rows have ``nodeid``, ``outcome`` (passed, failed, skipped, error),
    ``message`` and, where the test recorded facts of its own, ``evidence``; there are none when the audit ran
    without pytest. ``counts`` has ``collected``, ``passed``, ``failed``, ``skipped``, ``errors`` and
    ``not_run``. ``history`` holds one row an epoch, ``None`` where no training was seen. ``deviations`` are
    sentences: what this run did otherwise than its settings say. ``governance`` is what people stated about
    the audited system, by the keys of :data:`mmaudit.evidence.governance.STATEMENTS`. ``findings`` are
    ``Finding.record()`` dicts of the teaching suites, where they ran. ``diagnosis`` is
    ``Diagnosis.record()``: the failures that the outcomes show. ``search`` is ``stress.search_record()``,
    where worlds were searched for one that breaks the encoder.
    """

    outcomes: list[Record]
    certifications: list[Record]
    settings: Record
    environment: Record
    dataset: Record
    subject: Record
    prompts: list[Record]
    tests: list[Record]
    counts: dict[str, int]
    history: list[Record] | None
    deviations: list[str]
    governance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    findings: list[Record] = dataclasses.field(default_factory=list)
    diagnosis: Record | None = None
    search: Record | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunInfo:
    """All that differs between two runs of equal evidence; it is written to ``run.json`` and nowhere else.

    ``started`` and ``finished`` are ISO 8601 in UTC (``2026-01-31T12:00:00Z``), ``durations`` seconds by test
    node id, ``exit_status`` pytest's, ``workers`` the number of test processes (0: none beside the main one;
    ``None``: not recorded), ``executor`` the kind of what ran independent jobs: ``local`` or ``dask``
    (``None``: not recorded).
    """

    run_id: str
    started: str
    finished: str
    durations: Mapping[str, float]
    exit_status: int
    workers: int | None
    executor: str | None = None

    def record(self) -> Record:
        """Return the run as exact builtin types."""
        return dataclasses.asdict(self) | {"durations": dict(self.durations)}


def by_check(records: list[Record]) -> list[Record]:
    """Return ``records`` sorted by check and then by content, so that arrival order leaves no trace."""
    return sorted(records, key=lambda row: (str(row["check"]), dumps(row)))
