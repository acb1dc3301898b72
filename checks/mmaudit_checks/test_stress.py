"""Is there a world, within what was promised, that breaks the encoder? And do the figures keep their laws?"""

import pytest

from mmaudit.stress import CHECKS
from pytest_mmaudit.stress import StressGate


@pytest.mark.mmaudit(failure="stress")
@pytest.mark.parametrize("stress", CHECKS)
def test_stress(stress: str, mmaudit_stress: StressGate) -> None:
    mmaudit_stress(stress)


@pytest.mark.mmaudit(failure="stress")
def test_replay(mmaudit_stress: StressGate) -> None:
    mmaudit_stress.replay()
