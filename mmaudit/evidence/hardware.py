"""The machine that the numbers were computed on: what it has, never which one it is."""

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["hardware"]

_LONGEST = 200
_PATIENCE = 10.0
"""Seconds that the driver's own tool may take; a driver that hangs must not hang the audit."""
_NVIDIA = Path("/proc/driver/nvidia/gpus")
_QUERY = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")


def hardware() -> dict[str, Any]:
    """Return processor, logical processors, memory (MiB) and accelerators as builtin types.

    Accelerators are the GPUs that NVIDIA's driver reports: ``name``, ``memory_mib`` and ``driver`` of each,
    by name. No other maker's are looked for, so an empty list says that this driver reports none. No
    framework is imported or asked: what it would add depends on which process loaded it, and equal runs must
    have equal evidence. Serial numbers, bus addresses and the host's name are left out.
    """
    return {
        "processor": _processor(),
        "logical_processors": os.cpu_count(),
        "memory_mib": _memory(),
        "accelerators": sorted(_accelerators(), key=lambda row: (row["name"], str(row["memory_mib"]))),
    }


def _processor() -> str | None:
    """Return the processor's model: Linux keeps it in /proc, where :mod:`platform` does not look."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            rows = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        rows = []
    return next(iter(rows), platform.processor())[:_LONGEST] or None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    except (AttributeError, ValueError, OSError):
        return None


def _accelerators() -> list[dict[str, Any]]:
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        try:
            done = subprocess.run(
                [tool, *_QUERY],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PATIENCE,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            pass  # The tool is there without a driver that answers; the driver's own files decide.
        else:
            rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
            return [_accelerator(*row) for row in rows if len(row) == 3 and row[0]]
    return [_accelerator(name, "", "") for name in _named_by_the_driver()]


def _accelerator(name: str, mebibytes: str, driver: str) -> dict[str, Any]:
    # A part that the driver cannot tell reads "[N/A]".
    return {
        "name": name[:_LONGEST],
        "memory_mib": int(mebibytes) if mebibytes.isdecimal() else None,
        "driver": driver[:_LONGEST] if driver[:1].isdecimal() else None,
    }


def _named_by_the_driver() -> list[str]:
    found = []
    for path in sorted(_NVIDIA.glob("*/information")):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return [name for name in found if name]
