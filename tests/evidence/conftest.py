import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from mmaudit.evidence import Bundle, RunEvidence, RunInfo, documents, dumps, write
from mmaudit.evidence.archive import pack
from mmaudit.evidence.manifest import build
from mmaudit.evidence.sources import Memory

Files = dict[str, bytes]


def outcome(check: str, failure: str, verdict: str | None, **changes: Any) -> dict[str, Any]:
    numbers = {"value": 0.02, "low": -0.01, "high": 0.05}
    numbers |= {k: changes.pop(k) for k in tuple(numbers) if k in changes}
    measurement = {
        "name": check,
        **numbers,
        "confidence": 0.95,
        "n": 400,
        "method": "paired difference",
        "interval": "student",
        "unit": "r@1",
        "direction": "closer to zero is better",
        "se": 0.015,
        "df": 399.0,
        "null": None,
        "notes": [],
    }
    row = {
        "check": check,
        "failure": failure,
        "question": "Is it sound?",
        "verdict": verdict,
        "measurement": measurement,
        "others": [],
        "limit": {"low": -0.1, "high": 0.1, "kind": "field", "rationale": "harm"},
        "p_value": 1.0,
        "p_adjusted": 1.0,
        "family": 12,
        "n_to_decide": None,
        "control": None,
        "access": ["embeddings"],
        "reason": "",
    }
    return row | changes


CONTROL = {
    "damage": "one side noised",
    "severity": 0.25,
    "value": 0.3,
    "harm": 0.2,
    "doses": [
        {"severity": 0.1, "value": 0.05, "low": 0.0, "high": 0.1, "rejected": False},
        {"severity": 0.25, "value": 0.3, "low": 0.2, "high": 0.4, "rejected": True},
    ],
}
UNMEASURED = {"measurement": None, "limit": None, "p_value": None, "p_adjusted": None}


def comparison(**changes: Any) -> dict[str, Any]:
    """Return a comparison of one figure that got worse; ``changes`` of the figure's row come by name."""
    measured = {
        "name": "recall_at_1",
        "value": -0.2,
        "low": -0.25,
        "high": -0.15,
        "confidence": 0.95,
        "n": 20,
        "method": "paired by item",
        "interval": "student",
        "unit": "share",
        "direction": "higher is better",
        "se": 0.02,
        "df": 19,
        "null": 0,
        "notes": [],
    }
    row = {
        "check": "recall_at_1",
        "before": 0.8,
        "now": 0.6,
        "change": measured,
        "tolerance": 0,
        "p_value": 1e-6,
        "p_adjusted": 1e-6,
        "regression": True,
    }
    own = {key: changes.pop(key) for key in tuple(changes) if key in row}
    whole = {
        "baseline": "old",
        "baseline_digest": "c" * 64,
        "subject": "new",
        "alpha": 0.05,
        "pairs": 20,
        "regressed": True,
        "changes": [row | own],
        "turned": [],
        "moved": [],
        "not_compared": [],
        "notes": [],
    }
    return whole | changes


@pytest.fixture(scope="session")
def make_comparison() -> Callable[..., dict[str, Any]]:
    return comparison


@pytest.fixture(scope="session")
def make_outcome() -> Callable[..., dict[str, Any]]:
    return outcome


@pytest.fixture(scope="session")
def evidence() -> RunEvidence:
    breach = {"value": 0.4, "low": 0.3, "high": 0.5, "p_value": 1e-9, "p_adjusted": 1e-8}
    return RunEvidence(
        outcomes=[
            outcome("symmetry_gap", "dominance", "ACCEPT", control=CONTROL),
            outcome("finite", "integrity", "ACCEPT"),
            outcome("twin_accuracy", "shortcut", "REJECT", **breach),
            outcome("matched_negative_drop", "shortcut", "INCONCLUSIVE", high=0.15, n_to_decide=900),
            outcome("rank_share", "collapse", "ACCEPT"),
            outcome("hub_skew", "hubness", None, limit=None),
            outcome("movement_ratio", "dominance", "NOT EVIDENCED", reason="no training seen", **UNMEASURED),
        ],
        certifications=[
            outcome(
                "null:constant", "certification", "ACCEPT", reason="rejected by rank_share", **UNMEASURED
            ),
            outcome("null:index_leak", "certification", "ACCEPT", reason="rejected by twins", **UNMEASURED),
        ],
        settings={"profile": "ci", "alpha": 0.05, "seed": 7, "limits": {"symmetry_gap": [None, 0.1]}},
        environment={
            "python": {"version": "3.11.9", "implementation": "CPython"},
            "platform": {"system": "Linux", "machine": "x86_64", "byte_order": "little"},
            "hardware": {
                "processor": "8-bit",
                "logical_processors": 2,
                "memory_mib": 64,
                "accelerators": [{"name": "Some GPU", "memory_mib": None, "driver": None}],
            },
            "packages": {"numpy": {"version": "2.4.6", "licence": None}},
            "blas": [],
        },
        dataset={"name": "world", "n": 400},
        subject={"name": "reference", "weights_sha256": None},
        prompts=[{"name": "template", "text": "a photo of a {}, token=hunter2hunter2"}],
        tests=[
            {"nodeid": "mmaudit_checks/test_b.py::test[x]", "outcome": "failed", "message": "too large"},
            {"nodeid": "mmaudit_checks/test_a.py::test", "outcome": "passed", "message": ""},
            {"nodeid": "mmaudit_checks/test_c.py::test", "outcome": "skipped", "message": "no training seen"},
        ],
        counts={"collected": 4, "passed": 1, "failed": 1, "skipped": 1, "errors": 0, "not_run": 1},
        history=[{"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": 1.5}],
        deviations=["one worker crashed"],
        diagnosis={
            "failures": ["shortcut"],
            "evidence": [
                {
                    "failure": "shortcut",
                    "check": "twin_accuracy",
                    "finding": "twin_accuracy 0.4 [0.3, 0.5]",
                    "null": "twins are told apart at chance",
                }
            ],
            "access": ["inputs"],
            "unknown": ["lengths that favour items (dominance): norm_leak was not run"],
        },
    )


@pytest.fixture(scope="session")
def run_info() -> RunInfo:
    return RunInfo(
        run_id="2026-01-31-a",
        started="2026-01-31T12:00:00Z",
        finished="2026-01-31T12:00:09.25Z",
        durations={"mmaudit_checks/test_a.py::test": 0.25},
        exit_status=1,
        workers=2,
    )


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def to_npy() -> Callable[[Any], bytes]:
    return npy


@pytest.fixture(scope="session")
def extra() -> Files:
    ramp = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)
    return {
        "data/image.npy": npy(ramp),
        "data/rows.npy": npy(np.arange(20)),
        "weights/image.safetensors": save({"w": ramp, "b": np.zeros(3, np.float16)}),
        "plots/verdicts.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "report.html": b"<!doctype html><title>r</title>",
    }


@pytest.fixture(scope="session")
def bundle(
    evidence: RunEvidence, extra: Files, run_info: RunInfo, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """A valid bundle; tests must not change it in place."""
    return write(tmp_path_factory.mktemp("out"), documents(evidence, extra), run_info)


@pytest.fixture(scope="session")
def files(bundle: Bundle) -> Files:
    """The bytes of every file of the valid bundle, by path."""
    root = bundle.directory
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="session")
def rehash() -> Callable[[Files], Files]:
    """Give changed files the manifest an attacker who knows the format would write."""
    return lambda files: files | {"manifest.json": dumps(build(Memory(files)))}


@pytest.fixture
def as_zip(tmp_path: Path) -> Callable[[Files], Path]:
    """Pack files canonically, without looking at them."""

    def make(files: Files) -> Path:
        data = b"".join(pack(Memory(files)))
        path = tmp_path / f"{hashlib.sha256(data).hexdigest()[:16]}.zip"
        path.write_bytes(data)
        return path

    return make
