"""Suite A: which imbalances between the modalities show, and where?"""

from mmaudit_checks._select import lab
from pytest_mmaudit.lab import Lab


@lab("dominance")
def test_condition(condition: str, mmaudit_lab: Lab) -> None:
    mmaudit_lab(condition)
