import dataclasses

import numpy as np
import pytest

from mmaudit.errors import InputError
from mmaudit.world import Confounder, WorldSpec, build, preset

SPEC = WorldSpec(
    n_train=200,
    n_val=50,
    n_claims=80,
    n_test=60,
    confounder=Confounder("code_channel", agreement=0.5),
    corruption_rate=0.25,
)
WORLD = build(SPEC)
views = pytest.mark.parametrize("view", ["features", "pictures"])


def same(left, right):
    return len(left) == len(right) and all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def codes(columns):
    return columns[:, -16:].argmax(axis=1)


def test_pairs_put_each_image_beside_the_text_claimed_for_it():
    for split in WORLD.splits:
        pairs = WORLD.pairs(split)
        index = WORLD.splits[split]
        assert pairs.modalities == ("image", "text")
        assert pairs.inputs["image"].tobytes() == WORLD.features(index)[0].tobytes()
        assert pairs.inputs["text"].tobytes() == WORLD.features(WORLD.partner(split))[1].tobytes()
        np.testing.assert_array_equal(pairs.groups, WORLD.items.combinations[index])
        np.testing.assert_array_equal(pairs.nuisance["confounder"], WORLD.items.image_codes[index])
        np.testing.assert_array_equal(np.stack(list(pairs.factors.values()), 1), WORLD.items.factors[index])
        assert list(pairs.factors) == ["shape", "orientation", "frequency", "phase", "thickness"]
        assert set(pairs.trusted.tolist()) == {split in ("val", "test")}


def test_pictures_come_with_sentences():
    pairs = WORLD.pairs("claims", "pictures", side=20)
    assert same(pairs.inputs["image"], WORLD.pictures(WORLD.splits["claims"], 20))
    assert pairs.inputs["text"] == WORLD.sentences(WORLD.partner("claims"))


@views
def test_the_audit_set_is_test_and_then_claims(view):
    audit, test, claims = (
        WORLD.audit_pairs(view, 16),
        WORLD.pairs("test", view, 16),
        WORLD.pairs("claims", view, 16),
    )
    for modality in audit.modalities:
        assert same(audit.inputs[modality][:60], test.inputs[modality])
        assert same(audit.inputs[modality][60:], claims.inputs[modality])
    assert audit.trusted.tolist() == [True] * 60 + [False] * 80


def test_the_world_of_the_chapter_has_no_claims_and_repeats_meanings():
    world = build(preset("chapter"))
    assert len(world.pairs("claims")) == 0
    audit = world.audit_pairs()
    assert len(audit) == 360
    assert audit.trusted.all()
    assert len(np.unique(audit.groups)) < 360
    assert len(audit.renderer.twins(20, 4, 0)) == 80


def test_without_a_confounder_there_is_no_nuisance_and_redrawing_changes_nothing():
    pairs = build(dataclasses.replace(SPEC, confounder=None)).pairs("test")
    assert not pairs.nuisance
    again = pairs.renderer.redrawn(0)
    assert all(same(pairs.inputs[m], again.inputs[m]) for m in pairs.modalities)


def test_redrawn_changes_both_codes_and_nothing_else():
    pairs = WORLD.audit_pairs()
    redrawn, again, other = (pairs.renderer.redrawn(seed) for seed in (0, 0, 1))
    for modality in pairs.modalities:
        before, after = pairs.inputs[modality], redrawn.inputs[modality]
        np.testing.assert_array_equal(before[:, :-16], after[:, :-16])
        assert (codes(before) != codes(after)).mean() > 0.8
        assert same(after, again.inputs[modality])
        assert not same(after, other.inputs[modality])
    for column in ("groups", "trusted"):
        np.testing.assert_array_equal(getattr(pairs, column), getattr(redrawn, column))
    np.testing.assert_array_equal(codes(redrawn.inputs["image"]), redrawn.nuisance["confounder"])


def test_redrawn_codes_are_independent_of_each_other():
    world = build(WorldSpec(confounder=Confounder("code_channel", agreement=1.0)))
    pairs = world.pairs("train")
    np.testing.assert_array_equal(codes(pairs.inputs["image"]), codes(pairs.inputs["text"]))
    redrawn = pairs.renderer.redrawn(0)
    share = (codes(redrawn.inputs["image"]) == codes(redrawn.inputs["text"])).mean()
    # Chance is 1/16; five standard errors at n = 1600.
    assert abs(share - 1 / 16) < 0.031
    twins = redrawn.renderer.twins(400, 4, 0)
    share = (codes(twins.inputs["image"]) == codes(twins.inputs["text"])).mean()
    assert abs(share - 1 / 16) < 0.031


@views
def test_redrawn_pictures_and_sentences_keep_what_is_no_carrier(view):
    pairs = WORLD.pairs("test", view, 16)
    redrawn = pairs.renderer.redrawn(3)
    if view == "pictures":
        for before, after in zip(pairs.inputs["image"], redrawn.inputs["image"], strict=True):
            np.testing.assert_array_equal(before[:-1], after[:-1])
        stems = [[text.rsplit(" Code", 1)[0] for text in p.inputs["text"]] for p in (pairs, redrawn)]
        assert stems[0] == stems[1]
    assert not same(pairs.inputs["text"], redrawn.inputs["text"])


def test_twins_share_their_factors_and_nothing_else():
    twins = WORLD.pairs("test").renderer.twins(30, 4, seed=0)
    assert len(twins) == 120
    runs = twins.groups.reshape(30, 4)
    assert (runs == runs[:, :1]).all()
    assert len(np.unique(runs[:, 0])) == 30
    assert np.isin(runs, WORLD.items.combinations[WORLD.splits["test"]]).all()
    assert twins.trusted.all()
    for modality, sigma in (("image", 0.06), ("text", 0.02)):
        content = twins.inputs[modality][:, :-16].astype(np.float64).reshape(30, 4, -1)
        noise = (content - content.mean(axis=1, keepdims=True)) * np.sqrt(4 / 3)
        # Independent noise of the world's size: within 3 % over more than 8 000 draws.
        assert noise.std() == pytest.approx(sigma, rel=0.03)
    assert len({twins.inputs["image"][i, :256].tobytes() for i in range(120)}) == 120


def test_twins_draw_their_codes_at_the_agreement_of_the_world():
    twins = WORLD.pairs("test").renderer.twins(500, 4, seed=0)
    image, text = codes(twins.inputs["image"]), codes(twins.inputs["text"])
    expected = 0.5 + 0.5 / 16
    # Five standard errors at n = 2000.
    assert abs((image == text).mean() - expected) < 0.056
    twin_codes = image.reshape(500, 4)
    assert abs((twin_codes[:, 0] == twin_codes[:, 1]).mean() - 1 / 16) < 0.055
    np.testing.assert_array_equal(image, twins.nuisance["confounder"])


@views
def test_twins_repeat_with_their_seed_and_differ_with_another(view):
    renderer = WORLD.pairs("test", view, 16).renderer
    first, again, other = renderer.twins(5, 2, 0), renderer.twins(5, 2, 0), renderer.twins(5, 2, 1)
    for modality in first.modalities:
        assert same(first.inputs[modality], again.inputs[modality])
        assert not same(first.inputs[modality], other.inputs[modality])


def test_more_groups_than_meanings_repeat_some():
    world = build(WorldSpec(n_train=0, n_val=0, n_claims=0, n_test=3))
    twins = world.pairs("test").renderer.twins(10, 2, 0)
    assert len(twins) == 20
    assert len(np.unique(twins.groups)) <= 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: WORLD.pairs("valid"), "split 'valid' is unknown; the splits are train, val, claims, test"),
        (lambda: WORLD.pairs("test", "sound"), "view 'sound' is unknown"),
        (lambda: WORLD.pairs("test").renderer.twins(3, 1, 0), "ask for 1 group of 2 or more"),
        (lambda: WORLD.pairs("test").renderer.twins(0, 2, 0), "0 groups of 2 twins"),
    ],
)
def test_what_the_world_does_not_have_is_said_in_one_line(call, message):
    with pytest.raises(InputError, match=message):
        call()
