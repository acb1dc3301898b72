"""The tests run in parallel wherever xdist is installed."""

import contextlib
import os

import pytest

# pytester forgets what a test imported; httpx keeps the classes of the httpcore that it knew first.
with contextlib.suppress(ImportError):
    import httpcore  # noqa: F401

pytest_plugins = ["pytester"]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Ask for ``-n auto`` unless the command line said otherwise.

    Not in ``addopts``: ``pip install -e .`` alone has no xdist, and there the option would be an error.
    A worker asks for none: it would start workers of its own.
    """
    options = config.option
    if "PYTEST_XDIST_WORKER" in os.environ or not config.pluginmanager.hasplugin("xdist"):
        return
    if options.numprocesses is None and not options.mmaudit:
        options.numprocesses = "auto"
