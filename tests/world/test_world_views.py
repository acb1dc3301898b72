import numpy as np
import pytest

from mmaudit.errors import InputError
from mmaudit.world import Confounder, WorldSpec, build, images, noise, preset
from mmaudit.world.confounders import footprint
from mmaudit.world.images import render

KINDS = {
    "corner_watermark": 16,
    "stripe": 16,
    "code_channel": 16,
    "caption_marker": 16,
    "parity": 2,
    "batch_id": 8,
}
SMALL = {"n_train": 120, "n_val": 40, "n_claims": 40, "n_test": 60}


def small(kind=None, **dials):
    confounder = None if kind is None else Confounder(kind, cardinality=KINDS[kind])
    return build(WorldSpec(**SMALL, confounder=confounder, **dials))


def test_features_of_the_standard_world():
    world = build(preset("standard"))
    image, text = world.features(np.arange(2800))
    assert (image.shape, text.shape) == ((2800, 256 + 16), (2800, 64 + 24 + 16))
    assert image.dtype == text.dtype == np.float32
    assert np.isfinite(image).all()
    assert np.isfinite(text).all()


def test_features_are_clean_views_plus_noise_of_the_stated_size():
    world = build(WorldSpec(noise_image=0.5, noise_text=0.25))
    clean = build(WorldSpec(noise_image=0.0, noise_text=0.0))
    index = np.arange(len(world.items))
    for noisy, bare, sigma in zip(world.features(index), clean.features(index), (0.5, 0.25), strict=True):
        added = (noisy - bare).astype(np.float64)
        # More than 240 000 draws a modality: six standard errors of the SD are under 1 %.
        assert added.std() == pytest.approx(sigma, rel=0.01)
        assert abs(added.mean()) < 0.01 * sigma
    np.testing.assert_array_equal(
        clean.features(index)[0], render(world.items.factors, 16, "half").astype("f4")
    )


def test_what_was_rendered_before_does_not_show():
    """Pictures without their noise, and the noise of a block, are kept for whoever asks again."""
    index = np.random.default_rng(4).permutation(260)[:91]
    fresh = []
    for _ in range(2):
        images._gallery.cache_clear()
        noise._kept_block.cache_clear()
        fresh.append([view.tobytes() for view in small("stripe").features(index)])
    small("batch_id", noise_image=0.1).features(range(260))
    for view in small("stripe").features(index):
        view[:] = 0
    assert [[view.tobytes() for view in small("stripe").features(index)], *fresh] == [fresh[0]] * 3


def test_a_picture_is_rendered_once_whoever_asks(monkeypatch):
    images._gallery.cache_clear()
    seen = []
    monkeypatch.setattr(images, "render", lambda *given: seen.append(len(given[0])) or render(*given))
    world = small(noise_image=0.1)
    meanings = len(np.unique(world.items.combinations))
    world.features(range(130))
    world.features(range(260))
    small(noise_image=0.9).features(range(260))
    assert sum(seen) == meanings


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_a_subset_in_any_order_renders_the_bytes_of_the_whole(kind):
    world = small(kind)
    subset = np.random.default_rng(3).permutation(260)[:91]
    for whole, part in zip(world.features(range(260)), world.features(subset), strict=True):
        assert whole[subset].tobytes() == part.tobytes()
        assert len(np.unique(whole, axis=0)) == 260
    whole, part = world.pictures(range(260), 16), world.pictures(subset, 16)
    assert all(np.array_equal(whole[i], picture) for i, picture in zip(subset, part, strict=True))
    said = world.sentences(range(260))
    assert [said[i] for i in subset] == world.sentences(subset)
    assert world.features([7])[0].tobytes() == world.features(range(260))[0][7:8].tobytes()


def test_the_same_spec_gives_the_same_bytes_and_another_seed_does_not():
    first, again, other = small("stripe"), small("stripe"), small("stripe", seed=8)
    for a, b, c in zip(*(world.features(range(260)) for world in (first, again, other)), strict=True):
        assert a.tobytes() == b.tobytes()
        assert a.tobytes() != c.tobytes()
    assert first.sentences(range(9)) == again.sentences(range(9))
    assert all(np.array_equal(first.splits[s], again.splits[s]) for s in first.splits)


@pytest.mark.parametrize("side", [16, 64, 100])
def test_pictures_of_any_side(side):
    world = small("corner_watermark")
    pictures = world.pictures([0, 5, 9], side)
    assert [(p.shape, p.dtype) for p in pictures] == [((side, side, 3), np.uint8)] * 3
    drawn = world.pil([0, 5, 9], side)
    assert [(p.mode, p.size) for p in drawn] == [("RGB", (side, side))] * 3
    assert all(np.array_equal(np.asarray(a), b) for a, b in zip(drawn, pictures, strict=True))


def test_pictures_are_gray_but_for_the_code():
    world = small("stripe")
    for picture in world.pictures(range(20), 32):
        carrier = footprint("stripe", 32)
        assert np.ptp(picture[~carrier], axis=1).max() == 0
        assert np.ptp(picture[carrier], axis=1).min() > 0


def test_captions_state_the_same_factors_in_each_form():
    world = small("batch_id", noise_text=0.0)
    factors, code = world.items.factors[3], world.items.text_codes[3]
    shape, orientation, frequency, phase, thickness = factors
    assert world.tokens([3]) == [
        [
            f"SHAPE_{shape}", "SEP", f"ORIENTATION_{orientation}", "SEP", f"FREQUENCY_{frequency}", "SEP",
            f"PHASE_{phase}", "SEP", f"THICKNESS_{thickness}", f"MARKER_{code}",
        ]
    ]  # fmt: skip
    said = world.sentences([3])[0]
    assert said.startswith(f"A {('circle', 'square', 'diamond', 'band')[shape]} filled with waves")
    assert f"tilted {(orientation + 0.5) * 22.5:g} degrees" in said
    assert f"{frequency + 1.5:g} cycles" in said
    assert said.endswith(f"Batch {code}.")
    assert small(sequence_length=11).tokens([0])[0][9:] == ["PAD", "PAD"]


def test_sentences_are_paraphrased_only_where_text_is_noisy():
    openings = {text.split()[0] for text in small().sentences(range(260))}
    assert openings == {"A", "Waves", "This", "Turned"}
    assert {text.split()[0] for text in small(noise_text=0.0).sentences(range(260))} == {"A"}


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([260], "item 260 does not exist; the items are numbered 0 to 259"),
        ([-1], "item -1 does not exist"),
        ([0.5], "expected a list of numbers"),
        ([[1]], "item indices have shape"),
        (np.ones(260, dtype=bool), "dtype bool"),
    ],
)
def test_items_that_do_not_exist_are_refused(index, message):
    with pytest.raises(InputError, match=message):
        small().features(index)


def test_no_items_give_empty_views():
    world = small("code_channel")
    assert [view.shape for view in world.features([])] == [(0, 272), (0, 104)]
    assert world.pictures([]) == world.sentences([]) == world.tokens([]) == []
