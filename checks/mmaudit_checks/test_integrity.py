"""Do the encoders keep their contract, and always the same way?"""

from mmaudit_checks._select import checks
from pytest_mmaudit.fixtures import Gate


@checks("integrity")
def test_integrity(check: str, mmaudit_gate: Gate) -> None:
    mmaudit_gate(check)
