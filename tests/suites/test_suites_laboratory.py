"""The laboratory: what its conditions show, and that it shows the same whoever asks in whatever order."""

import dataclasses

import numpy as np
import pytest

from mmaudit.diagnostics import ranks
from mmaudit.errors import InputError, SettingsError
from mmaudit.executor import Local
from mmaudit.suites import Laboratory
from mmaudit.suites.catalogue import CONDITIONS
from mmaudit.suites.firing import FIELD, REFERENCE
from mmaudit.suites.probes import Probed, compared


def test_a_gain_before_normalisation_is_cancelled(laboratory):
    finding = laboratory.run("img_gain_dominant")
    assert [claim.decision for claim in finding.claims] == ["IS FALSE"]
    assert finding.contradicted == ()
    assert abs(finding["recall_lost"].value) < 0.01


def test_a_gain_that_rounds_nothing_changes_not_a_digit(laboratory):
    finding = laboratory.run("gain_power_of_two")
    assert finding["embedding_change"].value == 0
    assert finding["recall_at_1"] == laboratory.run("balanced")["recall_at_1"]


def test_a_confounder_raises_retrieval_and_its_removal_takes_it_away(laboratory):
    finding = laboratory.run("conf_high_corr0")
    assert finding.contradicted == ()
    assert finding["recall_lost"].high < -0.1
    assert finding["counterfactual_drop"].low > 0.5
    assert finding["v_information_shift"].low > 1.0
    assert abs(finding["mi_excess_shift"].value) < 0.05


def test_the_order_of_conditions_and_a_shared_folder_change_nothing(laboratory, tmp_path):
    first = laboratory.run("img_gain_dominant")
    shared = Laboratory(7, tmp_path)
    assert shared.run("img_gain_dominant") == first
    assert Laboratory(7, tmp_path).run("balanced") == laboratory.run("balanced")


def test_what_is_prepared_is_what_would_have_been_trained(laboratory, tmp_path, monkeypatch):
    told, there = [], Laboratory(7, tmp_path)
    there.prepare(["img_gain_dominant"], Local(), lambda *step: told.append(step))
    assert told == [(1, 2), (2, 2)]
    there.prepare(["img_gain_dominant", "balanced"], Local(), lambda *step: told.append(step))
    assert len(told) == 2
    expected = {name: laboratory.run(name) for name in ("img_gain_dominant", "balanced")}
    monkeypatch.setattr("mmaudit.suites.laboratory.train", None)
    for name, finding in expected.items():
        assert there.run(name) == Laboratory(7, tmp_path).run(name) == finding


def test_an_error_of_a_prepared_condition_is_its_own(monkeypatch):
    def refused(*_, **__):
        raise InputError("no pairs to train on")

    monkeypatch.setattr("mmaudit.suites.laboratory.train", refused)
    there = Laboratory(7)
    there.prepare(["balanced"], Local())
    with pytest.raises(InputError, match="no pairs to train on"):
        there.run("balanced")


def test_neither_an_unknown_condition_nor_a_recipe_is_sent_away():
    with pytest.raises(SettingsError, match="did you mean 'balanced'"):
        Laboratory(7).prepare(["balance"], Local())
    with pytest.raises(SettingsError, match="trained in this process"):
        Laboratory(7, recipe=object()).prepare(["balanced"], Local())


def test_equal_settings_are_trained_once(laboratory, monkeypatch):
    laboratory.run("balanced")
    monkeypatch.setattr("mmaudit.suites.laboratory.train", None)
    assert laboratory.run("normal_ref")["recall_at_1"] == laboratory.run("balanced")["recall_at_1"]


def test_a_condition_compared_with_itself_loses_nothing(laboratory):
    result = laboratory._result(CONDITIONS["balanced"])
    found = {m.name: m for m in compared(result, result)}
    assert found["recall_lost"].value == 0
    assert found["embedding_change"].value == 0
    assert found["effective_rank_image_change"].value == 0


def test_the_loss_has_the_sign_of_its_name(laboratory):
    whole = laboratory._result(CONDITIONS["balanced"])
    rolled = dataclasses.replace(whole.embeddings, y=np.roll(whole.embeddings.y, -1, axis=0))
    found = compared(Probed(rolled, ranks(rolled, whole.ranks.groups), whole.measured), whole)
    assert found[0].name == "recall_lost"
    assert found[0].low > 0.3


def test_gates_fire_on_harm_and_on_nothing_else(laboratory):
    quiet, harmed = laboratory.run("unchanged"), laboratory.run("stop_gradient_text")
    assert quiet.contradicted == harmed.contradicted == ()
    assert quiet[REFERENCE].n > quiet[FIELD].n >= 10
    assert quiet[REFERENCE].value == 0
    assert quiet[REFERENCE].notes == ()
    assert {note.split(":")[0] for note in harmed[REFERENCE].notes} >= {"movement_ratio", "gradient_ratio"}
