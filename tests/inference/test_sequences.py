import numpy as np
import pytest

from mmaudit.errors import InputError
from mmaudit.inference.sequences import BettingSequence
from mmaudit.seeds import generator


def population(kind, mean, size, rng):
    """Return ``size`` numbers in [0, 1] whose mean is that of the kind, about ``mean``."""
    if kind == "hits":
        values = np.zeros(size)
        values[: round(mean * size)] = 1
    elif kind == "shares":
        values = rng.beta(4 * mean, 4 * (1 - mean), size)
    else:  # nearly all alike, and a few far off
        values = np.where(rng.random(size) < 0.02, 1.0, max(0.0, (mean - 0.02) / 0.98))
    return values


@pytest.mark.parametrize("kind", ["hits", "shares", "rare"])
@pytest.mark.parametrize("size", [120, 100_000])
def test_peeking_after_every_draw_errs_no_more_often_than_said(kind, size):
    alpha, runs, missed = 0.1, 150, 0
    for run in range(runs):
        rng = generator(run, "peeking", kind, size)
        values = population(kind, 0.25, size, rng)
        sequence = BettingSequence(size, alpha, steps=40)
        truth = values.mean()
        for value in values[rng.permutation(size)[:120]]:
            sequence.extend([value])
            low, high = sequence.interval()
            if not low <= truth <= high:
                missed += 1
                break
    # An error rate of 0.1 gives more than 0.16 of 150 runs in less than 1 % of tries.
    assert missed <= 0.16 * runs


def test_a_peeked_student_interval_errs_far_more_often():
    # The same peeking with an interval that is made to be looked at once.
    missed = 0
    for run in range(150):
        rng = generator(run, "peeking", "hits", 100_000)
        values = population("hits", 0.25, 100_000, rng)[rng.permutation(100_000)[:120]]
        n = np.arange(1, 121)
        means = np.cumsum(values) / n
        spread = np.sqrt(means * (1 - means) / n)
        missed += bool((np.abs(means - 0.25) > 1.645 * spread)[10:].any())
    assert missed > 0.25 * 150


def test_it_narrows_to_the_truth_and_knows_it_when_all_are_drawn():
    values = generator(0, "all").beta(2, 5, 400)
    sequence = BettingSequence(400)
    widths = []
    for part in np.split(values, 4):
        sequence.extend(part)
        low, high = sequence.interval()
        assert low <= values.mean() <= high
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[-1]
    assert widths[-1] <= 0.005
    assert sequence.mean == pytest.approx(values.mean())


def test_a_stricter_level_is_wider_and_the_bounds_mirror():
    values = generator(1, "mirror").random(300) ** 2
    one, other = BettingSequence(10_000), BettingSequence(10_000)
    one.extend(values)
    other.extend(1 - values)
    low, high = one.interval()
    strict = one.interval(0.001)
    assert strict[0] <= low < high <= strict[1]
    assert strict != (low, high)
    assert other.interval() == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_nothing_drawn_says_nothing():
    assert BettingSequence(10).interval() == (0.0, 1.0)
    assert BettingSequence(10).mean is None


def test_bad_draws_are_refused():
    with pytest.raises(InputError, match="outside"):
        BettingSequence(10).extend([0.5, 1.5])
    with pytest.raises(InputError, match="outside"):
        BettingSequence(10).extend([np.nan])
    with pytest.raises(InputError, match="more draws"):
        BettingSequence(2).extend([0.5, 0.5, 0.5])
