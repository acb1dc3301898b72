"""Findings built by hand, and one laboratory for all tests that do train."""

import pytest

from mmaudit.inference import student
from mmaudit.suites import CONDITIONS, Claim, Condition, Laboratory, Statement
from mmaudit.suites.finding import find


def reading(name, value, half=0.01):
    return student(name, value, half / 1.96, 1e6, 1200)


@pytest.fixture
def make():
    """Return a maker of findings: ``make(condition, {measure: value})``, every interval ±0.01."""

    def maker(condition, **values):
        chosen = CONDITIONS[condition] if isinstance(condition, str) else condition
        return find(chosen, [reading(name, value) for name, value in values.items()])

    return maker


@pytest.fixture
def one():
    """Return a maker of conditions with one claim."""

    def maker(*says, truth="", shows=()):
        claim = Claim(
            "It is so.", tuple(Statement(*s) for s in says), truth, tuple(Statement(*s) for s in shows)
        )
        return Condition(name="by_hand", suite="dominance", claims=(claim,))

    return maker


@pytest.fixture(scope="session")
def laboratory():
    return Laboratory(7)
