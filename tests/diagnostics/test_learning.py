import numpy as np
import pytest

from mmaudit.diagnostics import input_similarity, linear_cka, twin_variance
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.seeds import generator


def twins(noise, groups=200, size=4, width=12, seed=0):
    rng = generator(seed, "twins of the learning tests")
    meaning = np.repeat(rng.standard_normal((groups, width)), size, axis=0)
    return meaning + noise * rng.standard_normal(meaning.shape)


def nearby(z):
    """Put the rows so near to one another on the sphere that taking unit rows leaves their differences."""
    return np.column_stack([np.ones(len(z)), 1e-3 * z])


def test_variance_within_twins_is_one_minus_the_intraclass_correlation_of_anova():
    z = nearby(twins(0.7, groups=10, width=1))
    m = twin_variance(z, 4)
    values = (z / np.linalg.norm(z, axis=1, keepdims=True))[:, 1].reshape(10, 4)
    between = 4 * values.mean(axis=1).var(ddof=1)
    within = values.var(axis=1, ddof=1).mean()
    icc = (between - within) / (between + 3 * within)
    assert m.value == pytest.approx(1 - icc, rel=1e-4)
    assert m.n == 10


@pytest.mark.parametrize("noise", [0.2, 1.0])
def test_variance_within_twins_is_the_share_planted(noise):
    m = twin_variance(nearby(twins(noise, groups=1000)), 4)
    assert m.low < noise**2 / (1 + noise**2) < m.high
    assert m.high - m.low < 0.05


def test_noise_alone_is_one_and_meaning_alone_is_zero():
    pure = generator(1, "noise").standard_normal((800, 8))
    assert twin_variance(pure, 4).value == pytest.approx(1.0, abs=0.03)
    assert twin_variance(twins(0.0), 4).value == pytest.approx(0.0, abs=1e-12)


def test_the_interval_of_twin_variance_covers():
    truth = twin_variance(twins(0.5, groups=20_000), 4).value
    found = [twin_variance(twins(0.5, groups=150, seed=seed), 4) for seed in range(1, 201)]
    covered = np.mean([m.low <= truth <= m.high for m in found])
    assert 0.90 <= covered <= 0.99


def test_twin_variance_that_cannot_be_measured():
    assert "2 groups" in twin_variance(twins(0.5, groups=1), 4).notes[0]
    assert "no embedding differs" in twin_variance(np.ones((8, 3)), 4).notes[0]
    with pytest.raises(InputError, match="10 rows do not make groups of 4"):
        twin_variance(np.ones((10, 3)), 4)
    with pytest.raises(InputError, match="NaN"):
        twin_variance(np.full((8, 3), np.nan), 4)


def test_input_similarity_is_the_debiased_alignment_of_inputs_and_unit_rows():
    rng = generator(2, "inputs")
    inputs, z = rng.standard_normal((60, 5)), rng.standard_normal((60, 5))
    z += 0.5 * inputs
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    same = linear_cka(Embeddings(inputs, unit, similarity="dot"))
    assert input_similarity(inputs, z).value == pytest.approx(same.value)


def test_a_random_projection_keeps_the_inputs_and_another_thing_does_not():
    rng = generator(3, "projection")
    inputs = rng.standard_normal((500, 20))
    kept = input_similarity(inputs, inputs @ rng.standard_normal((20, 400)), modality="image")
    assert kept.name == "input_similarity_image"
    assert kept.value > 0.9
    unrelated = input_similarity(inputs, rng.standard_normal((500, 20)))
    assert unrelated.low < 0 < unrelated.high


def test_inputs_wider_than_they_are_many_are_compared_by_their_kernel():
    rng = generator(4, "wide inputs")
    inputs = rng.standard_normal((30, 8)) @ rng.standard_normal((8, 1000))
    z = rng.standard_normal((30, 6))
    narrow = np.linalg.svd(inputs, full_matrices=False)
    assert input_similarity(inputs, z).value == pytest.approx(
        input_similarity(narrow.U * narrow.S, z).value, rel=1e-9
    )


def test_input_similarity_that_cannot_be_measured():
    z = generator(5, "z").standard_normal((9, 3))
    assert "the inputs show no variance" in input_similarity(np.ones((9, 2)), z).notes[0]
    assert "the embeddings show no variance" in input_similarity(z, np.ones((9, 2))).notes[0]
    assert input_similarity(z[:3], z[:3]).value is None
    with pytest.raises(InputError, match="8 inputs for 9 embeddings"):
        input_similarity(z[:8], z)


def test_two_twins_of_two_groups_are_enough():
    z = np.array([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0], [0.1, 1.0]])
    m = twin_variance(z, 2, modality="text")
    assert (m.name, m.n, m.unit) == ("twin_variance_text", 2, "share")
    assert 0 < m.value < 0.1
    with pytest.raises(InputError, match="groups of 1 twins"):
        twin_variance(z, 1)
    assert twin_variance(z[:2], 2).notes == ("2 groups of twins are needed, got 1",)


@pytest.mark.parametrize("width", [29, 30, 31, 90])
def test_the_kernel_of_wide_inputs_is_that_of_narrow_ones(width):
    rng = generator(6, "width", width)
    inputs, z = rng.standard_normal((30, width)), rng.standard_normal((30, 4))
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    centred = [side - side.mean(axis=0) for side in (inputs, unit)]
    (k, other) = (side @ side.T for side in centred)

    def hsic(a, b):
        a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
        product = (a * b).sum() + a.sum() * b.sum() / (29 * 28) - 2 / 28 * (a.sum(axis=0) @ b.sum(axis=0))
        return product / (30 * 27)

    m = input_similarity(inputs, z)
    assert m.value == pytest.approx(hsic(k, other) / np.sqrt(hsic(k, k) * hsic(other, other)), rel=1e-9)
