import math

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


def capital(draws, population, candidate, alpha):
    """The logarithms of both gamblers' capital against one candidate mean, as Waudby-Smith & Ramdas write it.

    Their (2024) predictable plug-in bets, sections 4.2 and 5: the mean of what is left after t − 1 draws
    without replacement is m_t = (N m − S_{t−1}) / (N − t + 1); the bet, cut off at c/m_t and c/(1 − m_t), is
    λ_t = √(2 log(2/α) / (σ̂²_{t−1} t log(1 + t))).
    """
    plus = minus = 0.0
    for t, x in enumerate(draws, start=1):
        before = draws[: t - 1]
        rest = (population * candidate - math.fsum(before)) / (population - t + 1)
        centres = [(0.5 + math.fsum(before[:i])) / (i + 1) for i in range(1, t)]
        spread = (0.25 + math.fsum((b - c) ** 2 for b, c in zip(before, centres, strict=True))) / t
        bet = math.sqrt(2 * math.log(2 / alpha) / (spread * t * math.log(1 + t)))
        if rest < 0:
            plus = math.inf
        elif rest > 1:
            minus = math.inf
        else:
            up = min(bet, 0.75 / rest) if rest > 0 else bet
            down = min(bet, 0.75 / (1 - rest)) if rest < 1 else bet
            plus += math.log1p(up * (x - rest))
            minus += math.log1p(-down * (x - rest))
    return plus, minus


@pytest.mark.parametrize(("size", "drawn", "alpha"), [(30, 12, 0.1), (30, 30, 0.05), (500, 40, 0.01)])
def test_bounds_are_those_of_the_written_capital(size, drawn, alpha):
    draws = [round(float(v), 2) for v in generator(size, "capital", drawn).beta(1, 3, drawn)]
    sequence = BettingSequence(size, alpha, steps=50)
    sequence.extend(draws)
    against = {i: capital(draws, size, i / 50, alpha) for i in range(51)}
    enough = math.log(2 / alpha)
    below = [i for i, (plus, _) in against.items() if plus >= enough]
    above = [i for i, (_, minus) in against.items() if minus >= enough]
    low, high = sequence.interval()
    assert low == pytest.approx(max(below) / 50 if below else 0.0)
    assert high == pytest.approx(min(above) / 50 if above else 1.0)
    np.testing.assert_allclose(
        sequence._larger, [plus for plus, _ in against.values()], rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(
        sequence._smaller, [minus for _, minus in against.values()], rtol=1e-9, atol=1e-12
    )


def test_all_of_a_population_may_be_drawn_and_numbers_at_the_ends_are_numbers():
    sequence = BettingSequence(3)
    sequence.extend([0.0, 1.0])
    sequence.extend([])
    sequence.extend([1.0])
    assert (sequence.count, sequence.mean) == (3, pytest.approx(2 / 3))
    low, high = sequence.interval()
    # Two were known to be 0 and 1, so that no third can lead out of thirds.
    assert 0.333 <= low <= 2 / 3 <= high <= 0.667
