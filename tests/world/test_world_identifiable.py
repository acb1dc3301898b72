import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from mmaudit.errors import InputError
from mmaudit.world import Confounder
from mmaudit.world.captions import PARAPHRASES, sentence, text_features, token_ids
from mmaudit.world.confounders import stamp
from mmaudit.world.factors import factor_values
from mmaudit.world.images import render, to_gray

EVERY = factor_values(np.arange(4608))


def nearest_other(points):
    """The smallest distance between two rows, each of squared norm ``points.shape[1]``."""
    dots = points.astype(np.float32) @ points.astype(np.float32).T
    np.fill_diagonal(dots, -np.inf)
    return float(np.sqrt(max(0.0, 2.0 * (points.shape[1] - dots.max()))))


def test_every_combination_is_listed_once():
    assert len(np.unique(EVERY, axis=0)) == 4608
    assert EVERY.max(axis=0).tolist() == [3, 7, 5, 7, 2]
    assert EVERY.min(axis=0).tolist() == [0] * 5


@pytest.mark.parametrize("side", [14, 16, 18])
def test_all_4608_pictures_differ_by_a_margin(side):
    # The nearest two are 0.0626 to 0.0666 per pixel of the side apart (1.06 at 16), while noise of 0.06 puts
    # a picture 0.06 from its clean self along any one direction.
    assert nearest_other(render(EVERY, side, "half")) > 0.06 * side


def test_over_the_full_turn_two_combinations_share_a_picture():
    twice = np.array([[1, 2, 3, 1, 2], [1, 6, 3, 3, 2]])
    first, second = render(twice, 16, "full")
    np.testing.assert_allclose(first, second, atol=1e-12)
    first, second = render(twice, 16, "half")
    assert np.abs(first - second).max() > 0.5


def test_pictures_are_standardised_whatever_company_they_are_rendered_in():
    pictures = render(EVERY, 16, "half")
    np.testing.assert_allclose(pictures.mean(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(pictures.std(axis=1), 1.0, atol=1e-12)
    assert render(EVERY[100:101], 16, "half").tobytes() == pictures[100:101].tobytes()


@pytest.mark.parametrize("noise", [0.0, 0.06])
def test_thickness_can_be_learned_from_the_pixels(noise):
    rng = np.random.default_rng(0)
    pictures = render(EVERY, 16, "half")
    contrast = np.abs(pictures + noise * rng.standard_normal(pictures.shape))
    order = rng.permutation(4608)
    train, test = order[:3000], order[3000:]
    probe = LinearDiscriminantAnalysis().fit(contrast[train], EVERY[train, 4])
    # A linear probe of |pixels| finds more than four in five; chance is one in three.
    assert probe.score(contrast[test], EVERY[test, 4]) > 0.8


def test_a_probe_of_shuffled_thickness_finds_chance():
    rng = np.random.default_rng(1)
    contrast = np.abs(render(EVERY, 16, "half"))
    labels = rng.permutation(EVERY[:, 4])
    probe = LinearDiscriminantAnalysis().fit(contrast[:3000], labels[:3000])
    # 1608 held-out items: five standard errors are 0.059.
    assert abs(probe.score(contrast[3000:], labels[3000:]) - 1 / 3) < 0.06


def test_gray_pictures_all_differ_even_under_an_opaque_border():
    confounder = Confounder("caption_marker")
    for start in range(0, 4608, 1536):
        gray = to_gray(render(EVERY[start : start + 1536], 16, "half"), 16)
        stamped = stamp(gray, confounder, np.zeros(len(gray), dtype=np.int64))
        assert len({picture.tobytes() for picture in stamped}) == 1536
        assert gray.min() > 0
        assert gray.max() < 255


@pytest.mark.parametrize("way", range(len(PARAPHRASES)))
@pytest.mark.parametrize("span", ["half", "full"])
def test_all_4608_sentences_differ(way, span):
    assert len({sentence(factors, span, way) for factors in EVERY}) == 4608


def test_all_4608_token_sequences_and_their_features_differ_by_a_margin():
    ids = token_ids(EVERY, 9, None)
    assert len(np.unique(ids, axis=0)) == 4608
    features = text_features(ids, 64).astype(np.float64)
    norms = (features**2).sum(axis=1)
    squared = norms[:, None] + norms[None, :] - 2.0 * features @ features.T
    np.fill_diagonal(squared, np.inf)
    # Two captions differ in at least one of the nine tokens: √2 / 9 apart.
    assert np.sqrt(squared.min()) == pytest.approx(np.sqrt(2.0) / 9.0, abs=1e-5)


def test_too_small_a_picture_is_refused():
    with pytest.raises(InputError, match="use at least 14"):
        render(EVERY[:1], 13, "half")


def test_text_features_count_tokens_and_place_them():
    ids = token_ids(np.array([[2, 0, 0, 0, 1]]), 11, np.array([5]))
    assert ids.tolist() == [[6, 1, 12, 1, 20, 1, 26, 1, 35, 0, 0, 42]]
    features = text_features(ids[:, :11], 64)[0]
    assert features[:64].sum() == pytest.approx(1.0)
    assert features[1] == pytest.approx(4 / 11)
    assert features[64 + 6] == 0.0
    assert features[64 + 1] == pytest.approx((1 + 3 + 5 + 7) / 4 / 10)
    assert features[64 + 0] == pytest.approx(0.95)
    assert features[64 + 12] == pytest.approx(0.2)
    assert features[64 + 13] == 0.0
