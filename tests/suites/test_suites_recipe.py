"""A recipe of the user's own in the laboratory: the same worlds, the same figures, its own dials."""

import functools

import numpy as np
import pytest

from mmaudit.aligner import train
from mmaudit.errors import SettingsError, SubjectError
from mmaudit.suites import CONDITIONS, Laboratory
from mmaudit.suites.condition import specs
from mmaudit.suites.recipe import dials_of, lacking


class Reference:
    """The reference aligner's own recipe, as a user would give it."""

    def __init__(self):
        self.seen = []

    def fit(self, pairs, callbacks, temperature=None):
        _, aligner, training = specs(CONDITIONS["balanced"], 7)
        self.seen.append((len(pairs), temperature))
        columns = [np.asarray(pairs.inputs[m]) for m in ("image", "text")]
        held_out = (column[:160] for column in columns)
        trained = train(*columns, *held_out, aligner=aligner, training=training, seed=7)
        model = {m: functools.partial(trained.encode, m) for m in ("image", "text")}
        for epoch in (1, 2):
            for callback in callbacks:
                callback(epoch, model)
        return model


def test_the_reference_recipe_gives_what_the_laboratory_gives(laboratory):
    recipe = Reference()
    own = Laboratory(7, recipe=recipe).run("balanced")
    assert recipe.seen == [(1680, None)]
    theirs = laboratory.run("balanced")
    # Validated on other pairs, so that another epoch is kept: the same model to within its noise.
    assert own["recall_at_1"].value == pytest.approx(theirs["recall_at_1"].value, abs=0.05)
    assert own["twin_accuracy"].value == pytest.approx(0.25, abs=0.02)
    assert own["least_effective_rank_image"].n == 2
    assert own["least_effective_rank_image"].value > 15
    assert "gradient_ratio" not in own
    assert own.contradicted == ()


def test_a_shortcut_is_found_in_a_users_recipe():
    laboratory = Laboratory(7, recipe=Reference())
    finding = laboratory.run("conf_high_corr0")
    assert finding["counterfactual_drop"].low > 0.5
    assert finding["recall_lost"].high < -0.1
    assert finding["twin_accuracy"].low > 0.5


def test_a_claim_about_what_was_not_measured_stays_open():
    class Constant:
        def fit(self, pairs, callbacks):
            rng = np.random.default_rng(0)
            widths = {m: np.asarray(pairs.inputs[m]).shape[1] for m in ("image", "text")}
            turns = {m: rng.standard_normal((width, 8)) for m, width in widths.items()}
            return {m: lambda rows, turn=turn: np.asarray(rows) @ turn for m, turn in turns.items()}

    finding = Laboratory(7, recipe=Constant()).run("clean_corr25")
    open_claim = finding.claims[1]
    assert open_claim.decision == "UNDECIDED"
    assert open_claim.says[0].decision == "UNDECIDED"


def test_dials_that_a_recipe_does_not_take_are_named():
    laboratory = Laboratory(7, recipe=Reference())
    assert "cone" in laboratory.applicable
    assert "baseline" in laboratory.applicable
    assert not {"high_lr", "txt_norm_leak", "txt_bandwidth"} & set(laboratory.applicable)
    with pytest.raises(SettingsError, match=r"high_lr turns lr, which this recipe's fit does not take"):
        laboratory.run("high_lr")
    with pytest.raises(SettingsError, match="txt_norm_leak serves the norms of one encoder"):
        laboratory.run("txt_norm_leak")
    assert dials_of(CONDITIONS["decay_collapse"]) == {"weight_decay": 30.0}
    assert Laboratory(7).applicable == tuple(CONDITIONS)

    class Anything:
        def fit(self, pairs, callbacks, **dials):
            raise AssertionError

    assert [n for n, c in CONDITIONS.items() if lacking(c, Anything()) is not None] == ["txt_norm_leak"]


def test_a_recipe_that_returns_no_model_is_one_line():
    class Forgetful:
        def fit(self, pairs, callbacks):
            return None

    with pytest.raises(SubjectError, match="cannot audit a NoneType"):
        Laboratory(7, recipe=Forgetful()).run("balanced")
