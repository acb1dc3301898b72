"""Has the geometry of the embeddings collapsed?"""

from mmaudit_checks._select import checks
from pytest_mmaudit.fixtures import Gate


@checks("collapse")
def test_collapse(check: str, mmaudit_gate: Gate) -> None:
    mmaudit_gate(check)
