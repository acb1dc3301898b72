"""Encoders that read what is written on a picture, or stamped into it, beside encoders that do not."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from mmaudit import diagnostics as d
from mmaudit.gates import Auditor, Verdict, check_named
from mmaudit.gates.edits import _hidden, _others, edited_views
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator
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


def test_words_of_others_are_of_another_group_where_there_is_one():
    rng = generator(1, "others")
    groups = np.repeat(np.arange(10), 3)
    drawn = np.array([_others(groups, rng) for _ in range(400)])
    assert (groups[drawn] != groups).all()
    # Each of the 27 others is as probable as any.
    counts = np.bincount(drawn[:, 0], minlength=30)
    assert counts[:3].tolist() == [0, 0, 0]
    assert counts[3:].min() > 0
    assert _others(np.zeros(4, int), rng).tolist() == [0, 1, 2, 3]
    assert _others(np.array([0, 1]), rng).tolist() == [1, 0]


def test_what_a_cover_hides_is_read_in_five_levels():
    before = np.arange(0, 216, dtype=np.uint8).reshape(6, 12, 3)
    after = before.copy()
    after[0, 0, 0] += 1
    after[5, 11, 2] = 0
    hidden = _hidden(before, after)
    assert list(hidden) == [v // 52 for v in (0, 1, 2, 213, 214, 215)]
    assert _hidden(before, before) == b""


def test_each_view_is_measured_at_the_first_place(grid_reader):
    """A curve of r@1: what is left under each edit, and the edit against the pairs as they are."""
    auditor = grid_reader(blur=2.0)
    case = auditor.material.case(("pictures", "captions"))
    ranked = {view: d.ranks(e, case.edits.groups) for view, e in case.edits.views.items()}
    for m in check_named("degradation").measure(case):
        assert m.value == d.mean_recall(ranked[m.name[13:-1]]).value
    for name, label in (("edit_drops", "edit_drop"), ("margin_drop", "margin_drop")):
        against = {"corners": "inner patches", "border": "inner frame"}
        for m in check_named(name).measure(case):
            view = m.name[len(label) + 2 : -1]
            first = ranked[against.get(view, "present")]
            assert m.value == d.counterfactual_drop(first, ranked[view]).value
    for m in check_named("edit_placebos").measure(case):
        assert m.name.startswith(("placebo_drop (", "blind_baseline ("))


def test_a_view_that_was_not_made_is_not_compared(grid_reader):
    case = grid_reader().material.case(("pictures", "captions"))
    views = {name: e for name, e in case.edits.views.items() if name not in ("inner frame", "grey")}
    fewer = dataclasses.replace(case, edits=dataclasses.replace(case.edits, views=views))
    assert [m.name for m in check_named("margin_drop").measure(fewer)] == ["margin_drop (corners)"]
    assert "edit_drop (grey)" not in [m.name for m in check_named("edit_drops").measure(fewer)]


def test_at_most_five_hundred_pairs_are_edited():
    n = 600
    seen = Counter()

    def encode(items):
        seen[len(items)] += 1
        return np.array([[len(t), sum(map(ord, t)), 1.0] for t in items])

    pairs = Pairs(inputs={"image": [f"i{k}" for k in range(n)], "text": [f"a thing {k}" for k in range(n)]})
    auditor = Auditor({"image": encode, "text": encode}, pairs, FULL)
    case = auditor.material.case(("captions",))
    assert {len(e) for e in case.edits.views.values()} == {500}


@pytest.mark.parametrize("name", ["margin_drop", "typographic_effect"])
def test_views_are_marked_by_sixteen_codes_that_some_do_not_share(grid_reader, name):
    case = grid_reader().material.case(("pictures", "captions"))
    alone = {
        "margin_drop": {"corners", "border"},
        "typographic_effect": {"overlay, words of others 1", "overlay, words of others 2"},
    }[name]
    damaged = check_named(name).damage.plant(case, 0.5, generator(3, "marks"))
    rng, n = generator(3, "marks"), len(case.edits.views["present"])
    shared, lone = rng.integers(0, 16, size=n), rng.integers(0, 16, size=n)
    width = case.edits.views["present"].width
    codes = {view: [z[:, width:] for z in (e.x, e.y)] for view, e in damaged.edits.views.items()}
    for view, sides in codes.items():
        first, second = (side.argmax(axis=1) for side in sides)
        assert all(side.shape == (len(first), 16) for side in sides)
        assert all(np.allclose(side.sum(axis=1), 0.5) for side in sides)
        assert len(set(first)) == len(set(second)) == 16
        assert (np.mean(first == second) < 0.3) == (view in alone)
        assert np.array_equal(first, lone if view in alone else shared)
        assert np.array_equal(second, shared)
