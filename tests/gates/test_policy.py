import itertools
import math

import pytest

from mmaudit.gates.outcome import Limit, Outcome, Verdict
from mmaudit.gates.policy import by_failure, deciding, margin, misspelt, overall
from mmaudit.measurement import Measurement

TWO_SIDED = Limit(low=-0.1, high=0.1, kind="field", rationale="harm")


def outcome(verdict, check="c", failure="dominance", span=(0.0, -0.05, 0.05), limit=TWO_SIDED):
    value, low, high = span
    measurement = Measurement(
        name=check,
        value=value,
        low=low,
        high=high,
        confidence=0.95,
        n=10,
        method="",
        interval="student",
        unit="",
        direction="closer to zero is better",
    )
    return Outcome(
        check=check, failure=failure, question="", verdict=verdict, measurement=measurement, limit=limit
    )


ACCEPT, REJECT = Verdict.ACCEPT, Verdict.REJECT
INCONCLUSIVE, NOT_EVIDENCED = Verdict.INCONCLUSIVE, Verdict.NOT_EVIDENCED


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], NOT_EVIDENCED),
        ([None], NOT_EVIDENCED),
        ([NOT_EVIDENCED, None], NOT_EVIDENCED),
        ([ACCEPT, NOT_EVIDENCED, None], ACCEPT),
        ([ACCEPT, INCONCLUSIVE], INCONCLUSIVE),
        ([ACCEPT, INCONCLUSIVE, REJECT, None], REJECT),
    ],
)
def test_overall_is_the_worst_that_was_evidenced(verdicts, expected):
    for order in itertools.permutations(verdicts):
        assert overall([outcome(v) for v in order]) is expected


def test_certifications_spoil_but_never_stand_in():
    assert overall([], [outcome(ACCEPT)]) is NOT_EVIDENCED
    assert overall([outcome(ACCEPT)], [outcome(ACCEPT)]) is ACCEPT
    assert overall([outcome(ACCEPT)], [outcome(REJECT)]) is REJECT
    assert overall([outcome(ACCEPT)], [outcome(INCONCLUSIVE)]) is INCONCLUSIVE


def test_unfinished_checks_bar_an_accept_and_hide_no_reject():
    assert overall([outcome(ACCEPT)], unfinished=1) is INCONCLUSIVE
    assert overall([outcome(REJECT)], unfinished=1) is REJECT


def test_modes_stand_in_the_order_of_the_report_whatever_ran_first():
    failures = ["zebra", "collapse", "integrity", "apple", "shortcut", "alignment"]
    rows = [outcome(ACCEPT, check=c, failure=f) for f in failures for c in "ba"]
    expected = ["integrity", "alignment", "shortcut", "collapse", "apple", "zebra"]
    for given in (rows, rows[::-1]):
        modes = by_failure(given)
        assert list(modes) == expected
        assert all([o.check for o in group] == ["a", "b"] for group in modes.values())


def test_margin_counts_half_widths_to_the_nearest_limit():
    assert margin(outcome(ACCEPT)) == pytest.approx(2)
    assert margin(outcome(ACCEPT, span=(0.05, 0.0, 0.1))) == pytest.approx(1)
    assert margin(outcome(REJECT, span=(0.2, 0.15, 0.25))) == pytest.approx(-2)
    assert margin(outcome(ACCEPT, limit=Limit(low=-0.2, kind="user", rationale=""))) == pytest.approx(4)


def test_margin_without_sampling_error_or_numbers_is_infinite():
    assert margin(outcome(ACCEPT, span=(0.0, 0.0, 0.0))) == math.inf
    assert margin(outcome(REJECT, span=(1.0, 1.0, 1.0))) == -math.inf
    assert margin(outcome(ACCEPT, span=(0.1, 0.1, 0.1))) == math.inf
    for bounds in ((None, 0.05), (-0.05, None), (None, None)):
        assert margin(outcome(ACCEPT, span=(0.0, *bounds))) == math.inf
        assert margin(outcome(REJECT, span=(0.5, *bounds))) == -math.inf
    no_sides = Limit(kind="user", rationale="")
    assert margin(outcome(ACCEPT, limit=no_sides)) == math.inf
    assert margin(outcome(INCONCLUSIVE, span=(None, None, None))) == math.inf
    assert margin(outcome(REJECT, span=(None, None, None))) == -math.inf
    assert margin(outcome(None, limit=None)) == math.inf


def test_the_worst_check_of_the_verdict_decides():
    rows = [
        outcome(ACCEPT, check="narrow", span=(0.09, 0.0, 0.1)),
        outcome(REJECT, check="near", span=(0.2, 0.15, 0.25)),
        outcome(REJECT, check="far", span=(0.9, 0.85, 0.95)),
    ]
    assert deciding(rows).check == deciding(rows[::-1]).check == "far"
    assert deciding(rows[:1]).check == "narrow"
    tied = [outcome(ACCEPT, check=name) for name in "ba"]
    assert deciding(tied).check == deciding(tied[::-1]).check == "a"


def test_nothing_decides_where_there_is_no_gate():
    assert deciding([]) is None
    assert deciding([outcome(None)]) is None
    assert deciding([outcome(NOT_EVIDENCED, check="lacking"), outcome(None)]).check == "lacking"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("colapse", "collapse"),
        ("Collapse", "collapse"),
        ("dominence", "dominance"),
        ("allignment", "alignment"),
        ("shortcut", None),
        ("blur", None),
        ("project", None),
        ("certification", None),
        ("misalignment", None),
        ("collapse_2", None),
    ],
)
def test_a_misspelt_failure_is_told_from_one_of_a_projects_own(name, meant):
    assert misspelt(name) == meant
