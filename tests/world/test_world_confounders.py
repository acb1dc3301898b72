import dataclasses

import numpy as np
import pytest

from mmaudit.world import Confounder, WorldSpec, build
from mmaudit.world.captions import MARKER
from mmaudit.world.confounders import footprint, pixel_levels
from mmaudit.world.images import coordinates

KINDS = {
    "corner_watermark": 16,
    "stripe": 16,
    "code_channel": 16,
    "caption_marker": 16,
    "parity": 2,
    "batch_id": 8,
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def world_of(kind, agreement=0.0, **dials):
    return build(WorldSpec(confounder=Confounder(kind, 1.0, KINDS[kind], agreement), **dials))


def chi_square(codes, cardinality):
    expected = len(codes) / cardinality
    return float((((np.bincount(codes, minlength=cardinality) - expected) ** 2) / expected).sum())


@every_kind
@pytest.mark.parametrize("agreement", [0.0, 0.3, 1.0])
def test_marginals_do_not_depend_on_the_agreement(kind, agreement):
    items = world_of(kind, agreement).items
    independent = world_of(kind).items
    cardinality = KINDS[kind]
    np.testing.assert_array_equal(items.image_codes, independent.image_codes)
    for codes in (items.image_codes, items.text_codes):
        # Mean C − 1, standard deviation √(2 (C − 1)): four of those above the mean.
        assert chi_square(codes, cardinality) < cardinality - 1 + 4 * np.sqrt(2 * (cardinality - 1))


@every_kind
@pytest.mark.parametrize("agreement", [0.0, 0.25, 0.75, 1.0])
def test_the_share_that_agrees_is_the_dial_plus_chance(kind, agreement):
    items = world_of(kind, agreement).items
    expected = agreement + (1 - agreement) / KINDS[kind]
    share = float((items.image_codes == items.text_codes).mean())
    # Five standard errors at n = 2800, and exact where the codes are copies.
    assert abs(share - expected) <= 5 * np.sqrt(expected * (1 - expected) / 2800)


def test_more_agreement_only_adds_copies():
    some, more = world_of("stripe", 0.3).items, world_of("stripe", 0.6).items
    agrees = some.image_codes == some.text_codes
    assert (more.image_codes == more.text_codes)[agrees].all()
    kept = more.image_codes != more.text_codes
    np.testing.assert_array_equal(more.text_codes[kept], some.text_codes[kept])


@every_kind
def test_a_code_says_nothing_about_the_factors(kind):
    items = world_of(kind, 1.0).items
    cardinality = KINDS[kind]
    for levels in items.factor_columns(np.arange(2800)).values():
        size = int(levels.max()) + 1
        table = np.zeros((cardinality, size))
        np.add.at(table, (items.image_codes, levels), 1)
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / 2800
        freedom = (cardinality - 1) * (size - 1)
        # Five standard deviations above the mean of chi-square.
        assert ((table - expected) ** 2 / expected).sum() < freedom + 5 * np.sqrt(2 * freedom)


def test_item_order_gives_the_codes_of_parity_and_batch():
    index = np.arange(2800)
    np.testing.assert_array_equal(world_of("parity").items.image_codes, index % 2)
    np.testing.assert_array_equal(world_of("batch_id").items.image_codes, index // 7 % 8)


@every_kind
def test_the_carrier_is_added_and_touches_nothing_else(kind):
    world = world_of(kind)
    bare = build(dataclasses.replace(world.spec, confounder=None))
    index = np.arange(200)
    image, text = world.features(index)
    bare_image, bare_text = bare.features(index)
    image_codes, text_codes = world.items.image_codes[:200], world.items.text_codes[:200]
    if kind == "code_channel":
        np.testing.assert_array_equal(image[:, :256], bare_image)
        np.testing.assert_array_equal(text[:, :88], bare_text)
        np.testing.assert_array_equal(image[:, 256:], np.eye(16)[image_codes])
        np.testing.assert_array_equal(text[:, 88:], np.eye(16)[text_codes])
        return
    carrier = footprint(kind, 16).ravel()
    np.testing.assert_array_equal(image[:, ~carrier], bare_image[:, ~carrier])
    levels = pixel_levels(world.spec.confounder, image_codes)
    added = (image - bare_image)[:, carrier]
    np.testing.assert_allclose(added, np.repeat(levels[:, None], carrier.sum(), axis=1), atol=1e-6)
    marker = np.zeros_like(text)
    marker[index, MARKER + text_codes] = 1 / 9
    np.testing.assert_allclose(text - bare_text, marker, atol=1e-6)
    # The token sequence keeps every factor's token and gains a slot.
    np.testing.assert_array_equal(world.token_ids(index)[:, :9], bare.token_ids(index))
    np.testing.assert_array_equal(world.token_ids(index)[:, 9], MARKER + text_codes)


@every_kind
@pytest.mark.parametrize("side", [14, 16, 64, 100])
def test_a_carrier_covers_next_to_nothing_of_any_shape(kind, side):
    x, y = coordinates(side)
    shapes = [np.hypot(x, y) < 0.75, np.maximum(abs(x), abs(y)) < 0.75, abs(x) + abs(y) < 1.05, abs(x) < 0.45]
    carrier = footprint(kind, side)
    covered = [(carrier & shape).sum() / shape.sum() for shape in shapes]
    assert carrier.any()
    # The border crosses both ends of the band and the four tips of the diamond; corners touch nothing.
    assert max(covered) <= (0.0 if kind in ("corner_watermark", "parity") else 0.15)


@every_kind
def test_pictures_and_sentences_carry_the_code(kind):
    world = world_of(kind)
    index = np.arange(100)
    carrier = footprint(kind, 64)
    hue_of = {}
    for picture, code in zip(world.pictures(index, 64), world.items.image_codes, strict=False):
        hue = picture[carrier][0].tolist()
        assert (picture[carrier] == hue).all()
        assert hue_of.setdefault(int(code), hue) == hue
    assert len({tuple(hue) for hue in hue_of.values()}) == len(hue_of) > 1
    for text, code in zip(world.sentences(index), world.items.text_codes, strict=False):
        assert text.endswith(f" {code}.")


def test_strength_scales_both_carriers():
    weak = build(WorldSpec(confounder=Confounder("code_channel", 0.25)))
    image, text = weak.features(range(50))
    assert set(np.unique(image[:, 256:])) == {0.0, 0.25}
    assert set(np.unique(text[:, 88:])) == {0.0, 0.25}
    faint = build(WorldSpec(confounder=Confounder("stripe", 0.5), noise_image=0.0))
    picture = faint.pictures([0], 16)[0][footprint("stripe", 16)]
    assert 0 < picture.min() <= picture.max() < 255
