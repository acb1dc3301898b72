from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import mispairing

        yield mispairing


def test_the_parts_of_the_error_are_those_of_redraws(script):
    rng = np.random.default_rng(5)
    q, claimed, trusted, redraws = 0.3, 200, 150, 4000
    wrong, right = rng.gamma(4.0, size=20_000), rng.gamma(2.0, size=20_000)
    of_claimed, of_trusted = script.parts(right, wrong, q, claimed, trusted)
    few = round(q * claimed)
    heard = np.concatenate(
        [rng.choice(wrong, (redraws, few)), rng.choice(right, (redraws, claimed - few))], axis=1
    ).mean(axis=1)
    base = rng.choice(right, (redraws, trusted)).mean(axis=1)
    known = (heard - right.mean()) / (wrong.mean() - right.mean())
    assert known.mean() == pytest.approx(q, abs=0.005)
    assert known.var() == pytest.approx(of_claimed, rel=0.1)
    both = (heard - base) / (wrong.mean() - base)
    assert both.var() == pytest.approx(of_claimed + of_trusted, rel=0.15)


def test_the_best_weights_tell_right_from_random_no_better_than_is_possible(script):
    rng = np.random.default_rng(6)
    looks = [(rng.normal(1.0, 1.0, (400, 1)), rng.normal(0.0, 1.0, (800, 1))) for _ in range(4)]
    right, wrong = script.best_weights(looks, 0.5)
    assert len(right) == 1600
    assert len(wrong) == 3200
    # With densities N(1, 1) and N(0, 1) the efficient weights are 1 / (0.5 + 0.5 exp(x - 0.5)).
    draws = rng.normal(size=200_000)
    exact = [1 / (0.5 + 0.5 * np.exp(draws + shift - 0.5)) for shift in (1.0, 0.0)]
    least = sum(script.parts(*exact, 0.5, 400, 800))
    assert least * 0.95 < sum(script.parts(right, wrong, 0.5, 400, 800)) < least * 1.3


def test_one_model_has_no_spread(script, capsys):
    with pytest.raises(SystemExit):
        script.main(["--seeds", "1"])
    assert "1 models have no spread; give at least 2" in capsys.readouterr().err
