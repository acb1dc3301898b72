"""Turns rows of the catalogues into parameters of a test; there is no other list of checks or conditions."""

import pytest

from mmaudit.gates import CHECKS
from mmaudit.suites import conditions
from mmaudit.suites.condition import Suite

__all__ = ["checks", "lab"]


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


def lab(suite: Suite) -> pytest.MarkDecorator:
    """Parametrise a test by the ``condition`` names of one suite."""
    marks = (pytest.mark.lab, pytest.mark.mmaudit(failure=suite))
    return pytest.mark.parametrize(
        "condition", [pytest.param(name, marks=marks) for name in conditions(suite)]
    )
