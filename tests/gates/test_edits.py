"""Encoders that read what is written on a picture, or stamped into it, beside encoders that do not."""

import numpy as np
import pytest

from mmaudit.gates import Auditor, Verdict
from mmaudit.gates.edits import edited_views
from mmaudit.pairs import Pairs
from mmaudit.settings import Settings

FULL = Settings(profile="full")


def test_an_overlay_that_agrees_is_found_in_a_model_that_reads_it(grid_reader):
    found = grid_reader(reads_words=6.0).run("typographic_effect")
    assert found.verdict is Verdict.REJECT, found.reason
    assert found.measurement.value > 0.5


def test_an_overlay_is_no_shortcut_of_a_model_that_does_not_read_it(grid_reader):
    found = grid_reader().run("typographic_effect")
    assert found.verdict is Verdict.ACCEPT, found.reason
    assert found.measurement.value == 0
    assert found.control is not None


def test_a_watermark_is_found_by_covering_it(grid_reader):
    auditor = grid_reader(reads_corner=8.0, blur=2.0)
    found = auditor.run("margin_drop")
    assert found.verdict is Verdict.REJECT, found.reason
    assert found.measurement.name == "margin_drop (corners)"
    assert grid_reader(blur=2.0).run("margin_drop").verdict is Verdict.ACCEPT


def test_notices_come_with_placebo_and_blind_baseline(grid_reader):
    auditor = grid_reader(reads_words=6.0)
    placebos = auditor.run("edit_placebos")
    read = {m.name: m.value for m in (placebos.measurement, *placebos.others)}
    assert abs(read["placebo_drop (overlay)"]) < 0.1
    assert read["blind_baseline (overlay)"] == 1.0
    drops = auditor.run("edit_drops")
    assert {m.name for m in (drops.measurement, *drops.others)} == {
        f"edit_drop ({name})" for name in ("jpeg", "blur", "grey", "template", "prefix", "case", "marker")
    }


def test_retrieval_falls_with_noise_in_each_modality(grid_reader):
    found = grid_reader().run("degradation")
    curve = {m.name[13:-1]: m.value for m in (found.measurement, *found.others)}
    assert list(curve) == [
        "present",
        *(f"text words {share}" for share in (0.2, 0.4, 0.6)),
        *(f"image noise {spread}" for spread in (16, 48, 96)),
    ]
    assert curve["present"] > curve["text words 0.2"] > curve["text words 0.4"] > curve["text words 0.6"]
    assert curve["present"] >= curve["image noise 16"] >= curve["image noise 96"]


def test_inputs_are_given_back_in_the_kind_they_came_in():
    from PIL import Image

    seen = []

    def encode(modality, inputs):
        if modality == "image":
            seen.extend(type(item).__name__ + str(np.asarray(item).shape) for item in inputs)
        return np.eye(3)[: len(inputs)] + 0.1

    grey = np.zeros((20, 30), dtype=np.uint8)
    for item in (
        grey,
        grey[:, :, None],
        np.zeros((20, 30, 4), np.uint8),
        Image.fromarray(grey).convert("RGB"),
    ):
        seen.clear()
        pairs = Pairs(inputs={"image": [item] * 3, "text": ["a", "b", "c"]})
        edited_views(pairs, np.arange(3), encode, "cosine", 7)
        assert len(set(seen)) == 1


@pytest.mark.parametrize("name", ["margin_drop", "typographic_effect", "edit_drops", "degradation"])
def test_what_cannot_be_edited_is_not_evidenced(name):
    pairs = Pairs(inputs={"image": np.arange(9), "text": np.arange(9)})
    table = np.eye(9)
    auditor = Auditor({"image": table.__getitem__, "text": table.__getitem__}, pairs, FULL)
    found = auditor.run(name)
    assert found.verdict is Verdict.NOT_EVIDENCED
    assert found.reason.startswith("needs an encoder to run again, on inputs that are ")
