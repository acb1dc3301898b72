import sys
from pathlib import Path

import pytest

from mmaudit.evidence import environment
from mmaudit.evidence import hardware as module
from mmaudit.evidence.hardware import hardware
from mmaudit.evidence.schema import violation

ANSWER = "NVIDIA H100 80GB HBM3, 81559, 550.54.15\nA very new card, [N/A], [N/A]\n"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver's tool, and a driver that left two cards' files."""
    path = tmp_path / "bin" / "nvidia-smi"
    path.parent.mkdir()
    monkeypatch.setenv("PATH", str(path.parent))
    for i, text in enumerate(("Model: \t NVIDIA L4\nGPU UUID: \t GPU-7\nBus Location: 0000:01:00.0\n", "-")):
        (tmp_path / "gpus" / str(i)).mkdir(parents=True)
        (tmp_path / "gpus" / str(i) / "information").write_text(text)
    monkeypatch.setattr(module, "_NVIDIA", tmp_path / "gpus")
    return path


def install(tool: Path, body: str) -> None:
    tool.write_text(f"#!{sys.executable}\n{body}\n")
    tool.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program on Windows")
def test_accelerators_are_those_the_driver_lists(tool: Path) -> None:
    install(tool, f"print({ANSWER!r}, end='')")
    found = hardware()["accelerators"]
    assert found == [
        {"name": "A very new card", "memory_mib": None, "driver": None},
        {"name": "NVIDIA H100 80GB HBM3", "memory_mib": 81559, "driver": "550.54.15"},
    ]
    assert violation("environment.json", environment()) is None


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program on Windows")
@pytest.mark.parametrize("body", ["raise SystemExit(9)", "import time; time.sleep(60)"])
def test_a_tool_that_does_not_answer_leaves_the_drivers_own_files(
    body: str, tool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.5)
    install(tool, body)
    assert hardware()["accelerators"] == [{"name": "NVIDIA L4", "memory_mib": None, "driver": None}]


def test_no_driver_means_no_accelerators(tmp_path: Path, tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NVIDIA", tmp_path / "none")
    assert hardware()["accelerators"] == []


def test_a_machine_that_does_not_tell_its_memory_has_none_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware()["memory_mib"] is None or hardware()["memory_mib"] > 0

    def unknown(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(module.os, "sysconf", unknown, raising=False)
    assert hardware()["memory_mib"] is None


@pytest.mark.parametrize("text", ["processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n", "processor: 0\n"])
def test_the_processor_is_named_where_the_system_names_it(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import builtins

    real = open
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(
        builtins,
        "open",
        lambda path, *a, **k: real(tmp_path / "cpuinfo" if path == "/proc/cpuinfo" else path, *a, **k),
    )
    monkeypatch.setattr("platform.processor", lambda: "")
    hardware = environment()["hardware"]
    assert hardware["processor"] == ("Some CPU @ 2 GHz" if "model name" in text else None)
    assert hardware["logical_processors"] >= 1
