import dataclasses

import numpy as np
import pytest

from mmaudit.aligner import preset
from mmaudit.aligner.trained import MODALITIES
from mmaudit.diagnostics import norm_leak, ranks
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError, SettingsError
from mmaudit.failures import (
    HEALTHY,
    MECHANISMS,
    Mechanism,
    Recipe,
    clean_ranks,
    compound,
    early_separation,
    harm,
    mechanism_named,
    removed_ranks,
    train,
)
from mmaudit.gates import check_named
from mmaudit.gates.policy import FAILURE_ORDER
from mmaudit.subjects.reference import reference_subject

SMALL = (
    HEALTHY.in_world(n_train=1200, n_val=100, n_claims=200, n_test=300)
    .trained_with(epochs=8)
    .with_aligner(hidden=64)
)


@pytest.fixture(scope="module")
def healthy():
    return train(SMALL, 3)


def changes(recipe, base=HEALTHY):
    """The settings in which two recipes differ, by part and name."""
    a, b = recipe.record(), base.record()
    found = set()
    for part, settings in a.items():
        if isinstance(settings, dict):
            found |= {f"{part}.{name}" for name in settings if settings[name] != b[part][name]}
        elif settings != b[part]:
            found.add(part)
    return found


def test_the_healthy_recipe_is_the_reference_aligner():
    assert (HEALTHY.aligner, HEALTHY.training) == preset("standard")
    planted = train(HEALTHY, 7)
    assert planted.subject.identity == reference_subject(seed=7).identity


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.name)
def test_declarations(mechanism):
    assert mechanism_named(mechanism.name) is mechanism
    assert set(mechanism.families) < set(FAILURE_ORDER)
    assert mechanism.side in (None, *MODALITIES)
    assert (mechanism.side is not None) == (mechanism.families == ("dominance",))
    assert mechanism.claim.endswith(".")
    check = check_named(mechanism.seen_by)
    assert check.limit or check.reference_limit
    assert check.failure == mechanism.families[0]


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.name)
def test_the_dial_starts_at_nothing_and_every_turn_changes_the_same_few_settings(mechanism):
    assert mechanism.apply(0.0) == HEALTHY
    doses = [mechanism.apply(s) for s in (0.3, 0.65, 1.0)]
    assert len({repr(recipe) for recipe in doses}) == 3
    assert changes(doses[0]) == changes(doses[1]) == changes(doses[2])
    assert len(changes(doses[0])) <= 2
    for recipe in doses:
        twin = recipe.twin()
        assert twin.twin() == twin
        assert (twin.aligner, twin.training) == (HEALTHY.aligner, HEALTHY.training)
        assert twin.world.corruption_rate == 0
        assert twin.world.confounder.agreement == 0


@pytest.mark.parametrize("severity", [-0.1, 1.1, float("nan")])
def test_a_severity_off_the_dial_is_refused(severity):
    with pytest.raises(SettingsError, match=r"severity of cone is .*; give a number from 0 to 1"):
        mechanism_named("cone").apply(severity)


def test_an_unknown_mechanism_is_named_with_the_nearest():
    with pytest.raises(SettingsError, match=r"'bandwith, text'; did you mean 'bandwidth, text'\?"):
        mechanism_named("bandwith, text")


def test_sides_mirror_each_other():
    for mechanism in MECHANISMS:
        if mechanism.side == "image":
            other = mechanism_named(mechanism.name.replace("image", "text"))
            swapped = {name.replace("_x", "_y") for name in changes(mechanism.apply(0.5))}
            assert swapped == changes(other.apply(0.5))


def test_a_compound_plants_both_and_refuses_two_hands_on_one_dial():
    a, b = mechanism_named("passenger, text"), mechanism_named("random mismatches")
    both = compound(a, b)
    assert both.families == ("dominance", "corruption")
    assert changes(both.apply(0.5)) == changes(a.apply(0.5)) | changes(b.apply(0.5))
    assert both.apply(0.5).training.lr_mult_y == 0.5
    assert compound(b, a).apply(0.5) == both.apply(0.5)
    for first, second in (
        ("bandwidth, text", "dimensional collapse"),
        ("random mismatches", "hard mismatches"),
        ("confounder by agreement", "confounder by strength"),
        ("dimensional collapse", "bandwidth, image"),
    ):
        with pytest.raises(SettingsError, match="turn the same dial"):
            compound(mechanism_named(first), mechanism_named(second))


def test_recipes_and_seeds_make_the_model(healthy):
    again = train(SMALL, 3)
    assert np.array_equal(again.aligner.params["image.w1"], healthy.aligner.params["image.w1"])
    assert train(SMALL, 4).subject.identity != healthy.subject.identity
    assert Recipe(world=SMALL.world).record()["world"]["n_train"] == 1200
    with pytest.raises(SettingsError, match="no confounder to change"):
        HEALTHY.in_world(confounder=None).confounded(agreement=0.5)


@pytest.mark.parametrize("side", MODALITIES)
def test_norms_served_by_one_side_leave_the_way_from_it_as_it_was(healthy, side):
    leak = mechanism_named(f"norm leak, {side}")
    planted = train(leak.apply(0.5, SMALL), 3)
    assert planted.subject.similarity == "dot"
    before, after = clean_ranks(healthy), clean_ranks(planted)
    # Every query of the side that is stretched sees its own scores stretched alike.
    same, other = ("forward", "backward") if side == "image" else ("backward", "forward")
    assert np.array_equal(getattr(after, same).better, getattr(before, same).better)
    assert not np.array_equal(getattr(after, other).better, getattr(before, other).better)
    x, y = (planted.subject.encoders[m](planted.pairs.inputs[m]) for m in MODALITIES)
    leaked = norm_leak(Embeddings(x, y, MODALITIES, "dot"))
    assert (leaked.value > 0.02) == (side == "text")
    assert abs(leaked.value) > 0.02


def test_unit_rows_served_by_inner_product_are_those_of_cosine(healthy):
    served = train(dataclasses.replace(SMALL, norm_powers=(0.0, 0.0)), 3)
    for m in MODALITIES:
        rows = served.subject.encoders[m](served.pairs.inputs[m])
        assert np.allclose(rows, healthy.subject.encoders[m](served.pairs.inputs[m]), atol=1e-6)
    full = train(dataclasses.replace(SMALL, norm_powers=(1.0, 1.0)), 3)
    raw = healthy.aligner.encode("image", full.pairs.inputs["image"], serve_raw=True)
    assert np.allclose(full.subject.encoders["image"](full.pairs.inputs["image"]), raw, rtol=1e-5, atol=1e-6)


def test_harm_is_nothing_against_itself_and_much_for_a_frozen_side(healthy):
    none = harm(healthy, healthy)
    assert none.value == 0
    assert none.name == "harm"
    frozen = train(mechanism_named("passenger, text").apply(1.0, SMALL), 3)
    lost = harm(frozen, healthy)
    assert lost.low > 0
    expected = clean_ranks(healthy).mean_hits(1).mean() - clean_ranks(frozen).mean_hits(1).mean()
    assert lost.value == pytest.approx(expected)
    with pytest.raises(InputError, match="seed 3, its twin 4"):
        harm(healthy, train(SMALL, 4))


def test_the_harm_of_a_shortcut_shows_after_its_removal(healthy):
    planted = train(mechanism_named("confounder by agreement").apply(1.0, SMALL), 3)
    lost = harm(planted, healthy)
    assert lost.name == "harm after removal"
    assert lost.low > 0
    assert clean_ranks(planted).mean_hits(1).mean() > clean_ranks(healthy).mean_hits(1).mean()
    draws = removed_ranks(planted)
    assert len({draw.forward.better.tobytes() for draw in draws}) == len(draws) > 1


def test_early_losses_tell_the_wrong_pairs_and_late_ones_less():
    recipe = mechanism_named("random mismatches").apply(0.5, SMALL).trained_with(pair_losses=True, epochs=15)
    planted = train(recipe, 3)
    assert planted.world.corrupted("claims").mean() == pytest.approx(0.225, abs=0.01)
    early, late = early_separation(planted, 4), early_separation(planted, 15)
    assert early.low > 0.7
    assert late.value < early.value
    for epoch in (0, 16):
        with pytest.raises(InputError, match=f"not epoch {epoch}"):
            early_separation(planted, epoch)


def test_early_losses_must_have_been_recorded(healthy):
    with pytest.raises(InputError, match=r"0 epochs of pair losses .* TrainSpec.pair_losses"):
        early_separation(healthy, 1)


def test_the_audited_pairs_are_those_of_the_planted_world():
    planted = train(mechanism_named("hard mismatches").apply(1.0, SMALL), 3)
    assert planted.pairs.trusted.sum() == 300
    assert planted.world.corrupted("claims").mean() == pytest.approx(0.45)
    x, y = (planted.subject.encoders[m](planted.pairs.inputs[m]) for m in MODALITIES)
    found = ranks(Embeddings(x, y, MODALITIES), planted.pairs.groups)
    trusted = planted.pairs.trusted
    assert found.mean_percentile[~trusted].mean() > found.mean_percentile[trusted].mean()


def test_a_mechanism_of_ones_own_needs_no_registration():
    mine = Mechanism(
        name="short training",
        families=("alignment",),
        claim="It stops before it has learned.",
        seen_by="pair_discrimination",
        plant=lambda recipe, severity: recipe.trained_with(epochs=max(1, round(15 * (1 - severity)))),
    )
    assert mine.apply(1.0).training.epochs == 1
    assert mine.apply(0.0) == HEALTHY
