"""One live line for the long steps: on a terminal, and nowhere else."""

import contextlib

import pytest

__all__ = ["LiveLine"]


class LiveLine:
    """A :data:`mmaudit.subjects.encode.Progress` that rewrites the last line of the terminal."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._shown = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show ``what`` at ``done`` of ``total``; wipe the line when it is done."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is None or not reporter.isatty or self._config.get_verbosity() < 0:
            return
        line = "" if done >= total else f"mmaudit: {what} {100 * done // total} %"
        if line == self._shown:
            return
        # Within a test pytest keeps what is written, by this process to its terminal as well.
        capturing = self._config.pluginmanager.getplugin("capturemanager")
        with contextlib.nullcontext() if capturing is None else capturing.global_and_fixture_disabled():
            self._rewrite(reporter, line)

    def _rewrite(self, reporter: pytest.TerminalReporter, line: str) -> None:
        if not self._shown:
            # pytest has written part of a line of dots, which a rewrite from its start would wipe.
            reporter.ensure_newline()
        reporter.rewrite(line, erase=True)
        if not line:
            reporter.rewrite("")
        self._shown = line
