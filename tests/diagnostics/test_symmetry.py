import numpy as np
import pytest

from mmaudit.diagnostics.retrieval import ranks, recall
from mmaudit.diagnostics.symmetry import symmetry_gap
from mmaudit.embeddings import Embeddings
from mmaudit.seeds import generator


def biased(seed=0, n=150, gain=0.0):
    rng = generator(seed, "symmetry")
    latent = rng.normal(size=(n, 10))
    y = (latent + 0.6 * rng.normal(size=(n, 10))) * np.exp(gain * rng.normal(size=(n, 1)))
    x = latent + 0.6 * rng.normal(size=(n, 10))
    return Embeddings(x.astype(np.float32), y.astype(np.float32), similarity="dot" if gain else "cosine")


@pytest.mark.parametrize("gain", [0.0, 0.5])
@pytest.mark.parametrize("k", [1, 5])
def test_the_mirror_image_gives_exactly_the_negative(gain, k):
    embeddings = biased(gain=gain)
    groups = np.arange(150) // 2
    one = symmetry_gap(ranks(embeddings, groups), k)
    other = symmetry_gap(ranks(embeddings.swapped(), groups), k)
    assert (one.value, one.low, one.high, one.se) == (-other.value, -other.high, -other.low, other.se)
    assert one.name == other.name == ("symmetry_gap" if k == 1 else "symmetry_gap_at_5")
    assert one.notes == (f"r@{k} image_to_text less text_to_image",)
    assert other.notes == (f"r@{k} text_to_image less image_to_text",)


def test_equal_sides_have_no_gap_and_an_honest_interval():
    x = biased().x
    m = symmetry_gap(ranks(Embeddings(x, x)))
    assert m.value == 0.0
    assert m.low < 0 < m.high


def test_the_gap_is_the_difference_of_the_two_recalls_and_sees_a_gain():
    measured = ranks(biased(gain=0.5))
    m = symmetry_gap(measured)
    assert m.value == pytest.approx(recall(measured).value - recall(measured, direction="backward").value)
    assert m.high < 0
    assert symmetry_gap(ranks(biased())).low < 0 < symmetry_gap(ranks(biased())).high


def test_a_gallery_too_small_has_no_gap():
    assert symmetry_gap(ranks(biased(n=1))).value is None
