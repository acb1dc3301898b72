"""Does one modality do the work of both?"""

from mmaudit_checks._select import checks
from pytest_mmaudit.fixtures import Gate


@checks("dominance")
def test_dominance(check: str, mmaudit_gate: Gate) -> None:
    mmaudit_gate(check)
