"""Are items matched by something that they do not mean?"""

from mmaudit_checks._select import checks
from pytest_mmaudit.fixtures import Gate


@checks("shortcut")
def test_shortcut(check: str, mmaudit_gate: Gate) -> None:
    mmaudit_gate(check)
