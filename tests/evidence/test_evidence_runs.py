import datetime
import re
from pathlib import Path

import pytest

from mmaudit.errors import BundleError
from mmaudit.evidence import RunEvidence, documents, now, run_info, verify, write

FACTS = {"settings_digest": "ab" * 32, "exit_status": 1}


def test_by_the_clock_each_run_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    started = now()
    assert started.tzinfo is datetime.timezone.utc
    first, second = (run_info(started, durations={"t": 0.5}, workers=2, **FACTS) for _ in range(2))
    assert re.fullmatch(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}", first.run_id)
    assert first.run_id != second.run_id
    assert first.started == f"{started:%Y-%m-%dT%H:%M:%SZ}" <= first.finished
    assert (first.durations, first.workers, first.exit_status) == ({"t": 0.5}, 2, 1)
    assert first.executor == "local"


def test_under_a_fixed_date_equal_runs_give_the_same_archive(
    evidence: RunEvidence, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    first = run_info(now(), durations={"t": 0.5}, workers=0, **FACTS)
    second = run_info(now(), durations={"t": 0.7}, workers=2, executor="dask", **FACTS)
    assert first == second
    assert first.run_id == "20260101-000000-abababab"
    assert (first.started, first.finished) == ("2026-01-01T00:00:00Z",) * 2
    assert (first.durations, first.workers, first.executor) == ({}, None, None)
    made = [write(tmp_path / str(i), documents(evidence), run) for i, run in enumerate((first, second))]
    assert made[0].archive_sha256 == made[1].archive_sha256
    assert verify(made[0].archive).intact
    with pytest.raises(BundleError, match="already exists and evidence is never overwritten"):
        write(tmp_path / "0", documents(evidence), second)


@pytest.mark.parametrize("value", ["", "soon", "1e9", "99999999999999999999", "1.5"])
def test_a_date_that_is_none_is_one_line(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(BundleError, match=r"SOURCE_DATE_EPOCH is .*; expected whole seconds"):
        now()
