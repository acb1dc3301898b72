import numpy as np
import pytest
from PIL import Image

from mmaudit.errors import InputError
from mmaudit.interventions import (
    CAPTION_EDITS,
    EDITS,
    PICTURE_EDITS,
    cover_border,
    cover_corners,
    cover_inner_frame,
    cover_inner_patches,
    drop_words,
    edited,
    modality_of,
    overlay,
    repainted,
    with_noise,
)
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator

SIZES = [(64, 64), (48, 80), (16, 16), (8, 30), (1, 1), (3, 2)]


def picture(size=(64, 64), seed=0):
    return generator(seed, "picture").integers(0, 256, (*size, 3), dtype=np.uint8)


PAINTED = {
    **PICTURE_EDITS,
    "corners": cover_corners,
    "patches": cover_inner_patches,
    "border": cover_border,
    "frame": cover_inner_frame,
    "overlay": lambda p: overlay(p, "two dogs on a beach"),
    "noise": lambda p: with_noise(p, 30, generator(1, "noise")),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAINTED)
def test_every_edit_gives_a_picture_and_leaves_its_input_alone(name, size):
    before = picture(size)
    kept = before.copy()
    after = PAINTED[name](before)
    assert (after.shape, after.dtype) == (before.shape, np.uint8)
    assert np.array_equal(before, kept)
    if size == (64, 64):
        assert not np.array_equal(after, before)
        assert np.array_equal(PAINTED[name](before), after)


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


def test_a_picture_comes_back_as_what_it_was():
    grey = picture()[:, :, 0]
    with_alpha = np.dstack([picture(), np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)])
    for item in (grey, grey[:, :, None], picture(), with_alpha):
        after = repainted(item, PICTURE_EDITS["blur"])
        assert (after.shape, after.dtype) == (item.shape, np.uint8)
        assert not np.array_equal(after, item)
    # The colours are edited and what lets them through is not.
    after = repainted(with_alpha, PICTURE_EDITS["grey"])
    assert np.array_equal(after[:, :, 3], with_alpha[:, :, 3])
    assert np.array_equal(after[:, :, :3], PICTURE_EDITS["grey"](picture()))
    image = repainted(Image.fromarray(picture()), PICTURE_EDITS["grey"])
    assert np.array_equal(np.asarray(image), PICTURE_EDITS["grey"](picture()))


def test_every_edit_of_the_list_can_be_made_on_pairs_and_touches_one_modality():
    pairs = Pairs(
        inputs={"image": [picture(seed=i) for i in range(3)], "text": ["a dog", "two cats", "A bird."]}
    )
    for name, edit in EDITS.items():
        changed = edited(pairs, name)
        kind = modality_of(pairs, edit.kind)
        assert kind == {"picture": "image", "caption": "text"}[edit.kind]
        for modality, column in pairs.inputs.items():
            same = all(np.array_equal(a, b) for a, b in zip(column, changed.inputs[modality], strict=True))
            assert same == (modality != kind), (name, modality)
        assert changed.name == f"pairs, {name}"
    assert list(changed.inputs["image"][1:]) is not None
    with pytest.raises(InputError, match="no edit is called 'blurr'; the edits are case, prefix"):
        edited(pairs, "blurr")


def test_pairs_without_pictures_or_captions_come_back_as_they_are():
    pairs = Pairs(inputs={"image": np.zeros((3, 4)), "text": np.zeros((3, 4))})
    assert all(edited(pairs, name) is pairs for name in EDITS)
    assert modality_of(pairs, "picture") is None
    both = Pairs(inputs={"de": ["ein Hund"], "en": ["a dog"]})
    assert modality_of(both, "caption") == "en"
    assert modality_of(Pairs(inputs={"a": [], "b": []}), "caption") is None
