"""Turns rows of the catalogue into parameters of a test; there is no other list of checks."""

import pytest

from mmaudit.gates import CHECKS

__all__ = ["checks"]


def checks(failure: str) -> pytest.MarkDecorator:
    """Parametrise a test by the ``check`` names of one failure mode, each marked with what it needs."""
    return pytest.mark.parametrize(
        "check",
        [
            pytest.param(check.name, marks=pytest.mark.mmaudit(failure=check.failure, needs=check.needs))
            for check in CHECKS
            if check.failure == failure
        ],
    )
