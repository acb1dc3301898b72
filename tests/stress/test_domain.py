"""The promise: read from the settings, one clear line on what it cannot say."""

import dataclasses

import pytest

from mmaudit.errors import SettingsError
from mmaudit.settings import Settings
from mmaudit.stress import domain_of
from mmaudit.stress.domain import lacks, level_of
from mmaudit.world import preset


def dials(domain):
    return {dial.name: dial for dial in domain.dials}


def test_the_default_promise_is_no_noisier_than_the_standard_world():
    domain = domain_of(Settings(), "features")
    standard = preset("standard")
    assert domain["noise_image"].high == standard.noise_image
    assert domain["noise_text"].high == standard.noise_text
    assert domain.base.confounder == standard.confounder
    assert "paraphrase" not in dials(domain)
    assert "paraphrase" in dials(domain_of(Settings(), "pictures"))
    assert all(level_of(domain.base, dial.name) == dial.default for dial in domain.dials)


@pytest.mark.parametrize(("profile", "budget"), [("ci", 60), ("full", 1000)])
def test_the_budget_is_a_number_of_worlds(profile, budget):
    assert domain_of(Settings(profile=profile), "features").budget == budget


def test_the_table_says_what_is_promised():
    table = {
        "worlds": 5,
        "noise_image": 0.5,
        "orientation": [0, 1],
        "shape": [],
        "agreement": 0,
        "copies": [6],
    }
    domain = domain_of(Settings(stress=table), "features")
    assert domain.budget == 5
    assert domain["noise_image"].high == 0.5
    assert domain["orientation"].values == (0, 1)
    assert domain["copies"].values == (6,)
    assert not {"shape", "agreement"} & set(dials(domain))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"noise_imge": 0.1}, "unknown mmaudit setting 'stress.noise_imge'; did you mean 'noise_image'"),
        ({"worlds": 1}, "'stress.worlds' is 1; expected a whole number from 2 to 100000"),
        ({"worlds": 2.5}, "'stress.worlds' is 2.5"),
        ({"noise_image": -1}, "'stress.noise_image' is -1; expected the largest value, from 0 to 100"),
        ({"noise_image": [0, 1]}, "'stress.noise_image' is [0, 1]"),
        ({"agreement": 2}, "from 0 to 1"),
        ({"orientation": 3}, "'stress.orientation' is 3; expected a list of whole numbers from 0 to 7"),
        ({"orientation": [8]}, "from 0 to 7"),
        ({"copies": [0]}, "from 1 to 8"),
        ({"copies": [1.5]}, "from 1 to 8"),
    ],
)
def test_a_wrong_promise_is_one_clear_line(table, message):
    with pytest.raises(SettingsError) as caught:
        domain_of(Settings(stress=table), "features")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_put_to_worlds_says_why(sound):
    assert lacks(sound, own_data=False, settings=Settings()) is None
    assert "data of its own" in lacks(sound, own_data=True, settings=Settings())
    assert lacks(sound, own_data=True, settings=Settings(stress={"worlds": 9})) is None
    given = dataclasses.replace(sound, items=4)
    assert "given embeddings" in lacks(given, own_data=False, settings=Settings())
    heard = dataclasses.replace(sound, encoders={"audio": len, "text": len})
    assert "images and texts" in lacks(heard, own_data=False, settings=Settings())
