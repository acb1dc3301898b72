"""Does this very audit reject encoders that know nothing?"""

import pytest

from mmaudit.gates import NULL_ENCODERS
from pytest_mmaudit.fixtures import Gate


@pytest.mark.mmaudit(failure="certification")
@pytest.mark.parametrize("null", NULL_ENCODERS)
def test_null_encoder(null: str, mmaudit_gate: Gate) -> None:
    mmaudit_gate.certify(null)
