"""Do the two encoders agree on what matches what?"""

from mmaudit_checks._select import checks
from pytest_mmaudit.fixtures import Gate


@checks("alignment")
def test_alignment(check: str, mmaudit_gate: Gate) -> None:
    mmaudit_gate(check)
