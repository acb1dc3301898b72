"""What does a working aligner read, and what can its probes say?"""

from mmaudit_checks._select import lab
from pytest_mmaudit.lab import Lab


@lab("baseline")
def test_condition(condition: str, mmaudit_lab: Lab) -> None:
    mmaudit_lab(condition)
