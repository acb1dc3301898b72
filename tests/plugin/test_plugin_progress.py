"""The live line: on a terminal alone, through pytest's capture, and wiped when the step is done."""

import os
import subprocess
import sys
import types

import pytest

from pytest_mmaudit.progress import LiveLine


class Reporter:
    def __init__(self, isatty: bool) -> None:
        self.isatty = isatty
        self.said: list[str] = []

    def ensure_newline(self) -> None:
        self.said.append("\n")

    def rewrite(self, line: str, erase: bool = False) -> None:
        self.said.append(f"{'erase ' if erase else ''}{line}")


def live(reporter: Reporter | None, verbosity: int = 0) -> LiveLine:
    plugins = types.SimpleNamespace(getplugin={"terminalreporter": reporter}.get)
    return LiveLine(types.SimpleNamespace(pluginmanager=plugins, get_verbosity=lambda: verbosity))  # type: ignore[arg-type]


def test_one_line_that_is_rewritten_and_wiped():
    reporter = Reporter(isatty=True)
    show = live(reporter)
    for done in (1, 1, 2, 4):
        show("training", done, 4)
    show("encoding image", 1, 2)
    assert reporter.said == [
        "\n",
        "erase mmaudit: training 25 %",
        "erase mmaudit: training 50 %",
        "erase ",
        "",
        "\n",
        "erase mmaudit: encoding image 50 %",
    ]


def test_a_step_that_is_done_at_once_shows_nothing():
    reporter = Reporter(isatty=True)
    live(reporter)("encoding text", 3, 3)
    assert reporter.said == []


@pytest.mark.parametrize(("isatty", "verbosity"), [(False, 0), (True, -1)])
def test_nothing_where_nobody_looks(isatty, verbosity):
    reporter = Reporter(isatty)
    live(reporter, verbosity)("training", 1, 4)
    live(None)("training", 1, 4)
    assert reporter.said == []


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_it_is_seen_from_within_a_test(tmp_path):
    test = tmp_path / "test_long.py"
    test.write_text(
        "from pytest_mmaudit.progress import LiveLine\n"
        "def test_long(pytestconfig):\n"
        "    print('kept')\n"
        "    LiveLine(pytestconfig)('working', 1, 4)\n",
        encoding="utf-8",
    )
    terminal, inside = os.openpty()
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:xdist", str(test)]
    with os.fdopen(terminal, "rb", buffering=0) as seen:
        subprocess.run(command, cwd=tmp_path, stdout=inside, check=True, timeout=120)
        os.close(inside)
        said = b""
        try:
            while part := seen.read(4096):
                said += part
        except OSError:
            pass  # the end, as Linux puts it
    assert b"\rmmaudit: working 25 %" in said
    assert b"kept" not in said
