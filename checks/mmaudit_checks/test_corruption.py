"""Are claimed pairs no pairs?"""

from mmaudit_checks._select import checks
from pytest_mmaudit.fixtures import Gate


@checks("corruption")
def test_corruption(check: str, mmaudit_gate: Gate) -> None:
    mmaudit_gate(check)
