"""Which triggers collapse the space, and which indicator sees which collapse?"""

from mmaudit_checks._select import lab
from pytest_mmaudit.lab import Lab


@lab("collapse")
def test_condition(condition: str, mmaudit_lab: Lab) -> None:
    mmaudit_lab(condition)
