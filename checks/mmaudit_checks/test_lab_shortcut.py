"""Suite B: what does a shared confounder do, and what shows it?"""

from mmaudit_checks._select import lab
from pytest_mmaudit.lab import Lab


@lab("shortcut")
def test_condition(condition: str, mmaudit_lab: Lab) -> None:
    mmaudit_lab(condition)
