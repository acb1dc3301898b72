"""The tests of a run in the Common Test Report Format (ctrf.io), for tools that read no JUnit."""

import datetime
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.report.words import verdict_word

__all__ = ["ctrf"]

_SPECIFICATION = "1.0.0"
_STATUS = {"passed": "passed", "failed": "failed", "skipped": "skipped", "error": "failed"}
_COUNTED = ("passed", "failed", "skipped", "pending", "other")


def ctrf(
    tests: Sequence[Mapping[str, Any]],
    *,
    found: Mapping[str, Sequence[Outcome]],
    not_run: Collection[str],
    durations: Mapping[str, float],
    started: datetime.datetime,
    finished: datetime.datetime,
    verdict: Verdict,
    version: str,
) -> bytes:
    """Return the report as UTF-8 JSON. ``tests`` rows have ``nodeid``, ``outcome`` and ``message``.

    ``found`` gives the outcomes of a test and ``durations`` its seconds, by node id; ``not_run`` are the node
    ids that were collected and did not end (``pending``). An error of a fixture is ``failed``, and
    ``rawStatus`` keeps the difference.
    """
    rows = [_row(t, found.get(t["nodeid"], ()), durations.get(t["nodeid"], 0.0)) for t in tests]
    rows += [_named(node_id) | {"status": "pending", "duration": 0} for node_id in not_run]
    rows.sort(key=lambda row: str(row["testId"]))
    counts = {status: sum(row["status"] == status for row in rows) for status in _COUNTED}
    start, stop = (round(moment.timestamp() * 1000) for moment in (started, finished))
    report = {
        "reportFormat": "CTRF",
        "specVersion": _SPECIFICATION,
        "generatedBy": "mmaudit",
        "results": {
            "tool": {"name": "mmaudit", "version": version},
            "summary": {
                "tests": len(rows),
                **counts,
                "start": start,
                "stop": stop,
                "extra": {"verdict": verdict.value},
            },
            "tests": rows,
        },
    }
    return json.dumps(report, ensure_ascii=True, allow_nan=False, indent=1).encode() + b"\n"


def _row(test: Mapping[str, Any], found: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    row = _named(str(test["nodeid"])) | {
        "status": _STATUS.get(test["outcome"], "other"),
        "rawStatus": test["outcome"],
        "duration": round(1000 * seconds),
    }
    if test["message"]:
        row["message"] = test["message"]
    if found:
        row["extra"] = {"mmaudit": [_told(outcome) for outcome in found]}
    return row


def _named(node_id: str) -> dict[str, Any]:
    path, _, name = node_id.partition("::")
    return {"testId": node_id, "name": name or path, "suite": [path], "filePath": path}


def _told(outcome: Outcome) -> dict[str, Any]:
    m, limit = outcome.measurement, outcome.limit
    return {
        "check": outcome.check,
        "failure": outcome.failure,
        "verdict": verdict_word(outcome.verdict),
        "value": None if m is None else m.value,
        "low": None if m is None else m.low,
        "high": None if m is None else m.high,
        "n": None if m is None else m.n,
        "limit": None if limit is None else {"low": limit.low, "high": limit.high},
    }
