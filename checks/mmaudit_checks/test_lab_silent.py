"""Which knobs and variants must set off no gate?"""

from mmaudit_checks._select import lab
from pytest_mmaudit.lab import Lab


@lab("silent")
def test_condition(condition: str, mmaudit_lab: Lab) -> None:
    mmaudit_lab(condition)
