"""The conditions are the chapter's, by name and by dial, and every statement speaks of something measured."""

import pytest

from mmaudit.errors import SettingsError
from mmaudit.suites import CONDITIONS, SUITES, condition_named, conditions
from mmaudit.suites.condition import specs

CHAPTER = {
    "dominance": "balanced img_gain_dominant txt_gain_dominant img_low_noise txt_low_noise "
    "img_capacity_dominant txt_capacity_dominant asym_noise_img_high asym_noise_txt_high",
    "shortcut": "conf_low_corr0 conf_med_corr0 conf_high_corr0",
    "corruption": "conf_high_corr10 conf_high_corr25",
    "collapse": "normal_ref low_temp high_lr heavy_wd stop_grad_txt",
}


@pytest.mark.parametrize("suite", CHAPTER)
def test_the_chapter_is_all_there_in_its_order(suite):
    own = [name for name in conditions(suite) if CONDITIONS[name].origin == "chapter"]
    assert own == CHAPTER[suite].split()


@pytest.mark.parametrize(
    ("name", "dials"),
    [
        ("img_gain_dominant", {"gain_x": 2.5}),
        ("img_low_noise", {"noise_image": 0.01}),
        ("txt_low_noise", {"noise_text": 0.002}),
        ("txt_capacity_dominant", {"hidden_mult_y": 1.6}),
        ("asym_noise_img_high", {"noise_image": 0.14}),
        ("asym_noise_txt_high", {"noise_text": 0.12}),
        ("conf_high_corr25", {"corruption_rate": 0.25}),
        ("low_temp", {"temperature": 0.015}),
        ("high_lr", {"lr": 1.2e-2}),
        ("heavy_wd", {"weight_decay": 8e-3}),
    ],
)
def test_the_dials_are_those_of_the_chapter(name, dials):
    changes = CONDITIONS[name].changes()
    assert dials.items() <= {**changes["world"], **changes["aligner"], **changes["training"]}.items()
    world, aligner, training = specs(CONDITIONS[name], 3)
    for dial, value in dials.items():
        (owner,) = (spec for spec in (world, aligner, training) if hasattr(spec, dial))
        assert getattr(owner, dial) == value
    assert (world.seed, world.n_train, aligner.embed_dim, training.epochs) == (3, 1680, 48, 18)


def test_every_suite_has_conditions_and_every_reference_a_condition_of_its_preset():
    assert {c.suite for c in CONDITIONS.values()} == set(SUITES)
    for condition in CONDITIONS.values():
        assert condition.claims
        if condition.reference is not None:
            reference = condition_named(condition.reference)
            assert (reference.preset, reference.reference) in {
                (condition.preset, None),
                ("chapter", "balanced"),
            }


def test_a_corrected_claim_says_what_is_true_and_shows_it():
    for condition in CONDITIONS.values():
        for claim in condition.claims:
            assert bool(claim.truth) == bool(claim.shows)
            assert claim.says


def test_an_unknown_condition_is_told_the_nearest():
    with pytest.raises(SettingsError, match=r"conf_hi_corr0.*did you mean 'conf_high_corr0'"):
        condition_named("conf_hi_corr0")
