"""Suite B: what do wrong training pairs do?"""

from mmaudit_checks._select import lab
from pytest_mmaudit.lab import Lab


@lab("corruption")
def test_condition(condition: str, mmaudit_lab: Lab) -> None:
    mmaudit_lab(condition)
