import numpy as np
import pytest

from mmaudit import diagnostics as d
from mmaudit import inference
from mmaudit.errors import InputError


def _hits(seed, p, n=200):
    return (np.random.default_rng(seed).random(n) < p).astype(float)


def test_a_harmful_step_has_a_positive_influence():
    before, clean, perturbed = _hits(0, 0.5), _hits(0, 0.55), _hits(0, 0.2)
    gain, signed, absolute = d.one_step_influence(before, clean, perturbed)
    assert [m.name for m in (gain, signed, absolute)] == [
        "one_step_gain",
        "one_step_influence",
        "one_step_influence_absolute",
    ]
    assert gain.value == pytest.approx(clean.mean() - before.mean())
    assert signed.value == pytest.approx(clean.mean() - perturbed.mean())
    assert signed.low > 0
    assert absolute.value == signed.value


def test_the_absolute_form_loses_the_sign_and_nothing_else():
    before, clean, perturbed = _hits(0, 0.5), _hits(1, 0.3), _hits(2, 0.5)
    _, signed, absolute = d.one_step_influence(before, clean, perturbed)
    assert signed.value < 0
    assert (absolute.value, absolute.low, absolute.high) == (-signed.value, -signed.high, -signed.low)
    _, mirrored, same = d.one_step_influence(before, perturbed, clean)
    assert (mirrored.value, same) == (-signed.value, absolute)


def test_the_absolute_form_is_positive_for_no_effect_and_the_interval_says_so():
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(200):
        base = rng.random(100)
        clean, perturbed = (
            (base + 0.1 * rng.normal(size=100) > 0.5).astype(float),
            (base + 0.1 * rng.normal(size=100) > 0.5).astype(float),
        )
        drawn.append(d.one_step_influence(base > 0.5, clean, perturbed))
    assert np.mean([m.value for _, _, m in drawn]) > 0.01
    assert abs(np.mean([m.value for _, m, _ in drawn])) < 0.01
    assert np.mean([m.low <= 0 for _, _, m in drawn]) > 0.93


def test_identical_steps_have_no_influence_but_an_interval():
    hits = _hits(0, 0.5)
    _, signed, absolute = d.one_step_influence(hits, hits, hits)
    assert signed.value == absolute.value == 0
    assert signed.low < 0 < signed.high


def test_influence_is_the_paired_difference_and_knows_relevance_groups():
    before, clean, perturbed = _hits(0, 0.5), _hits(1, 0.5), _hits(2, 0.5)
    groups = np.arange(200) // 4
    _, signed, _ = d.one_step_influence(before, clean, perturbed, clusters=groups)
    expected = inference.paired_difference("x", clean, perturbed, clusters=groups)
    assert (signed.value, signed.low, signed.high) == (expected.value, expected.low, expected.high)


def test_no_queries_no_influence():
    assert [m.value for m in d.one_step_influence([], [], [])] == [None, None, None]


def test_columns_over_other_queries_are_refused():
    with pytest.raises(InputError, match="same queries"):
        d.one_step_influence([0.0, 1.0], [0.0], [1.0])


def test_influence_says_what_it_is_and_ends_at_its_bounds():
    before, clean, perturbed = _hits(0, 0.5), _hits(1, 0.6), _hits(2, 0.4)
    for m, direction in zip(
        d.one_step_influence(before, clean, perturbed, confidence=0.8),
        ("higher is better", "closer to zero is better", "closer to zero is better"),
        strict=True,
    ):
        assert (m.unit, m.null, m.direction, m.confidence) == ("hit rate", 0.0, direction, 0.8)
    with pytest.raises(InputError, match="outside"):
        d.one_step_influence([0.0], [3.0], [0.0])
