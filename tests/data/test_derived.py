"""Columns that nobody gave, and the shortcut that only they show."""

import dataclasses

import numpy as np
import pytest

from mmaudit.aligner import preset, train
from mmaudit.data import load_pairs
from mmaudit.data.derived import derivable, derived_columns, given_columns
from mmaudit.gates import Auditor, Verdict
from mmaudit.pairs import Pairs
from mmaudit.world import build
from mmaudit.world import preset as world_preset


def columns(pairs):
    return derived_columns(pairs, np.arange(len(pairs)))


def stamped(n=40, side=48, corner=False, frame=False):
    pictures = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    # Noise is alike everywhere once it is averaged: give each picture a gradient of its own.
    pictures = pictures // 4 + np.linspace(0, 190, side).astype(np.uint8)[None, None, :, None]
    for i in range(n):
        pictures[i] = np.rot90(pictures[i], i % 4)
        if corner:
            pictures[i, :8, :8] = (0, 250, 0) if i % 2 else (250, 0, 0)
        if frame:
            pictures[i, :4] = 255
    return list(pictures)


def test_marks_are_codes_and_scenes_are_not():
    texts = [f"caption {i}" for i in range(40)]
    plain, marked, framed = (
        columns(Pairs(inputs={"image": stamped(corner=c, frame=f), "text": texts}))
        for c, f in ((False, False), (True, False), (False, True))
    )
    assert len(set(marked["image corner top left"])) == 2
    assert len(set(plain["image corner top left"])) > 2
    assert set(framed["image edge top"]) == {"444"}
    assert "" in set(plain["image edge top"])


def test_pictures_of_every_kind_are_read():
    from PIL import Image

    rgb = np.full((20, 30, 3), 200, dtype=np.uint8)
    kinds = [
        rgb,
        rgb[:, :, 0],
        rgb[:, :, :1],
        np.dstack([rgb, rgb[:, :, :1]]),
        Image.fromarray(rgb).convert("L"),
    ]
    for kind in kinds:
        found = columns(Pairs(inputs={"image": [kind, kind], "text": ["a", "b"]}))
        assert found["image aspect"].tolist() == [1.5, 1.5]
        assert found["image brightness"] == pytest.approx([200, 200], abs=1)
        assert found["image corner top left"][0] == "333" * 2
    tiny = np.zeros((1, 1, 3), dtype=np.uint8)
    assert columns(Pairs(inputs={"image": [tiny], "text": ["a"]}))["image edge left"][0] == "000"


def test_captions_have_a_form():
    texts = ["A photo of 2 dogs.", "a photo of 15 big cats.", "TWO DOGS", "An image: a dog"]
    found = columns(Pairs(inputs={"image": np.arange(4), "text": texts}))
    assert found["text form"].tolist() == ["w w w 9 w.", "w w w 9 w w.", "w w", "w w: w w"]
    assert found["text case"].tolist() == ["mixed", "lower", "upper", "mixed"]
    assert found["text ending"].tolist() == [".", ".", "letter", "letter"]
    assert found["text length"].tolist() == [5, 6, 2, 4]
    assert found["text last word"].tolist() == ["dogs", "cats", "dogs", "dog"]


def test_file_names_come_apart(gallery):
    rows = [
        {"image": gallery.picture(f"cam{i % 2}_2020_{i:03}.png", i), "caption": f"thing {i}"}
        for i in range(6)
    ]
    found = columns(load_pairs(gallery.csv(rows)))
    assert found["image file name piece 2"].tolist() == [0, 1, 0, 1, 0, 1]
    assert set(found["image folder"]) == {"img"}
    assert set(found["image file type"]) == {".png"}
    assert found["image file size"].min() > 100


def test_dates_become_numbers():
    taken = np.array(["2020-01-01", "2020-01-02T00:00:00+00:00", "2020-01-03T00:00:00Z", ""])
    pairs = Pairs(inputs={"image": np.arange(4), "text": list("abcd")}, metadata={"taken": taken})
    seconds = given_columns(pairs, np.arange(4))["taken"]
    assert np.diff(seconds[:3]).tolist() == [86400.0, 86400.0]
    assert np.isnan(seconds[3])
    words = dataclasses.replace(pairs, metadata={"taken": np.array(["then", "2020-01-01", "", "now"])})
    assert given_columns(words, np.arange(4))["taken"].dtype.kind == "U"


def test_numbers_have_no_columns_of_their_own():
    assert not derivable(Pairs(inputs={"image": np.arange(3), "text": np.ones((3, 2))}))
    assert derivable(Pairs(inputs={"image": np.arange(3), "text": ["a", "b", "c"]}))


def untold(kind, agreement, values):
    """Train an aligner in a world of marks; scan its pictures and sentences without a word of them."""
    spec = world_preset("standard")
    marks = {"kind": kind, "agreement": agreement, "cardinality": values, "strength": 8.0}
    world = build(
        dataclasses.replace(spec, seed=31, confounder=dataclasses.replace(spec.confounder, **marks))
    )
    sides = [world.pairs(split).inputs[m] for split in ("train", "val") for m in ("image", "text")]
    aligner, training = preset("standard")
    trained = train(*sides, aligner=aligner, training=training, seed=31)
    features, pictures = world.audit_pairs("features"), world.audit_pairs("pictures")
    embedded = {m: trained.encode(m, features.inputs[m]) for m in ("image", "text")}
    pairs = Pairs(inputs=pictures.inputs, groups=pictures.groups)
    return Auditor(embedded, pairs).run("shortcut_scan")


@pytest.mark.parametrize(("kind", "values"), [("corner_watermark", 16), ("parity", 2), ("batch_id", 8)])
def test_the_scan_finds_the_shortcut_that_it_was_not_told_of(kind, values):
    found = untold(kind, 1.0, values)
    assert found.verdict is Verdict.REJECT, found.reason
    assert found.measurement.name.startswith(("shortcut_scan (image corner", "shortcut_scan (image edge"))
    assert any("simultaneous 95% interval" in note for note in found.measurement.notes)


@pytest.mark.parametrize(("kind", "values"), [("corner_watermark", 16), ("parity", 2)])
def test_the_scan_is_silent_where_marks_agree_by_chance(kind, values):
    found = untold(kind, 0.0, values)
    assert found.verdict is Verdict.ACCEPT, found.reason
    assert found.control is not None
