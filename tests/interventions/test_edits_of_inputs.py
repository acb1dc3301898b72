import numpy as np
import pytest

from mmaudit.interventions import (
    CAPTION_EDITS,
    PICTURE_EDITS,
    cover_border,
    cover_corners,
    cover_inner_frame,
    cover_inner_patches,
    drop_words,
    overlay,
    with_noise,
)
from mmaudit.seeds import generator

SIZES = [(64, 64), (48, 80), (16, 16), (8, 30), (1, 1), (3, 2)]


def picture(size=(64, 64), seed=0):
    return generator(seed, "picture").integers(0, 256, (*size, 3), dtype=np.uint8)


EDITS = {
    **PICTURE_EDITS,
    "corners": cover_corners,
    "patches": cover_inner_patches,
    "border": cover_border,
    "frame": cover_inner_frame,
    "overlay": lambda p: overlay(p, "two dogs on a beach"),
    "noise": lambda p: with_noise(p, 30, generator(1, "noise")),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", EDITS)
def test_every_edit_gives_a_picture_and_leaves_its_input_alone(name, size):
    before = picture(size)
    kept = before.copy()
    after = EDITS[name](before)
    assert (after.shape, after.dtype) == (before.shape, np.uint8)
    assert np.array_equal(before, kept)
    if size == (64, 64):
        assert not np.array_equal(after, before)
        assert np.array_equal(EDITS[name](before), after)


@pytest.mark.parametrize(
    ("edit", "placebo"), [(cover_corners, cover_inner_patches), (cover_border, cover_inner_frame)]
)
@pytest.mark.parametrize("size", [(64, 64), (224, 224), (120, 200)])
def test_a_placebo_covers_as_much_and_something_else(edit, placebo, size):
    before = picture(size)
    hidden, other = (np.any(cover(before) != before, axis=2) for cover in (edit, placebo))
    assert other.sum() == pytest.approx(hidden.sum(), rel=0.35)
    assert not (hidden & other).any()
    assert hidden[0, 0]
    assert hidden[-1, -1]


def test_nothing_of_a_covered_corner_is_left():
    before = picture()
    other = before.copy()
    other[:8, :8] = 255 - other[:8, :8]
    assert np.array_equal(cover_corners(before), cover_corners(other))
    assert np.array_equal(cover_border(before)[:1], cover_border(before)[:1, ::-1])


def test_an_overlay_is_written_at_the_bottom_and_differs_by_its_words():
    before = picture((96, 96))
    one, two = overlay(before, "a dog"), overlay(before, "a cat")
    assert np.array_equal(one[:60], before[:60])
    assert not np.array_equal(one, two)
    assert np.array_equal(one[-1, -1], [255, 255, 255])


def test_caption_edits_keep_the_words():
    for text in ("a dog on a beach.", "TWO CATS"):
        for name, edit in CAPTION_EDITS.items():
            edited = edit(text)
            assert edited != text, name
            assert text.rstrip(".").lower() in edited.lower()


def test_words_are_left_out_and_one_stays():
    rng = generator(2, "words")
    text = " ".join(str(i) for i in range(200))
    kept = drop_words(text, 0.4, rng).split()
    assert 90 < len(kept) < 150
    assert kept == sorted(kept, key=int)
    assert drop_words("one two", 1.0, rng) in ("one", "two")
    assert drop_words("  ", 0.5, rng) == "  "
