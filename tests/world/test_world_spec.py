import dataclasses
import json

import pytest

from mmaudit.errors import SettingsError
from mmaudit.world import PRESETS, Confounder, WorldSpec, preset
from mmaudit.world.captions import FIRST_TOKEN, MARKER
from mmaudit.world.spec import FACTORS


@pytest.mark.parametrize("name", PRESETS)
def test_a_spec_survives_json(name):
    spec = preset(name)
    assert WorldSpec.from_dict(json.loads(json.dumps(spec.as_dict(), allow_nan=False))) == spec


def test_missing_settings_take_their_defaults_and_numbers_become_floats():
    spec = WorldSpec.from_dict({"noise_text": 0, "confounder": {"kind": "stripe", "strength": 2}})
    assert spec == dataclasses.replace(WorldSpec(), noise_text=0.0, confounder=Confounder("stripe", 2.0))
    assert type(spec.noise_text) is float
    assert type(spec.confounder.strength) is float


def test_presets_are_what_they_are_called():
    standard, chapter = preset("standard"), preset("chapter")
    assert standard.counts == {"train": 1600, "val": 400, "claims": 400, "test": 800}
    assert standard.confounder == Confounder("code_channel", 0.5, 16, 0.0)
    assert (standard.noise_image, standard.noise_text) == (0.06, 0.005)
    assert not standard.replacement
    assert chapter.counts == {"train": 1680, "val": 360, "claims": 0, "test": 360}
    assert chapter.replacement
    assert (chapter.noise_image, chapter.noise_text) == (0.06, 0.02)
    assert (chapter.orientation_span, chapter.confounder, chapter.seed) == ("full", None, 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"n_train": 3.0}, "n_train must be a whole number of at least 0, got 3.0"),
        ({"n_val": True}, "n_val must be a whole number of at least 0, got True"),
        ({"n_test": 0}, "n_test must be a whole number of at least 1, got 0"),
        ({"n_train": 4000}, "5200 items cannot be drawn without replacement from 4608 factor combinations"),
        ({"replacement": 1}, "replacement must be True or False, got 1"),
        ({"image_side": 13}, "image_side must be a whole number of at least 14, got 13"),
        ({"vocab_size": 36}, "vocab_size must be a whole number of at least 37, got 36"),
        (
            {"vocab_size": 52, "confounder": {"kind": "stripe"}},
            "vocab_size must be a whole number of at least 53",
        ),
        ({"sequence_length": 8}, "sequence_length must be a whole number of at least 9, got 8"),
        ({"noise_image": float("nan")}, "noise_image must be a finite number at least 0, got nan"),
        ({"noise_text": -0.1}, "noise_text must be a finite number at least 0, got -0.1"),
        (
            {"corruption_rate": 1.5},
            "corruption_rate must be a finite number at least 0 and at most 1, got 1.5",
        ),
        ({"corruption_rate": "0.1"}, "corruption_rate must be a finite number"),
        ({"corruption_rate": 0.0025}, "corruption_rate 0.0025 of n_claims=400 is one pair"),
        ({"corruption_kind": "derangment"}, "'derangment' is unknown; did you mean 'derangement'?"),
        ({"split_by": "meaning"}, "split_by 'meaning' is unknown; choose one of item, group"),
        ({"orientation_span": "pi"}, "orientation_span 'pi' is unknown"),
        ({"noise_imge": 0.1}, "world setting 'noise_imge' is unknown; did you mean 'noise_image'?"),
        ({"confounder": "stripe"}, "confounder must be a Confounder or None, got 'stripe'"),
        ({"confounder": {}}, "a confounder needs a kind"),
        ({"confounder": {"kind": "strip"}}, "confounder kind 'strip' is unknown; did you mean 'stripe'?"),
        ({"confounder": {"kind": "stripe", "agrement": 1}}, "did you mean 'agreement'?"),
        (
            {"confounder": {"kind": "stripe", "strength": 0}},
            "confounder strength must be a finite number above 0",
        ),
        (
            {"confounder": {"kind": "stripe", "cardinality": 1}},
            "cardinality must be a whole number of at least 2",
        ),
        (
            {"confounder": {"kind": "stripe", "agreement": 1.1}},
            "confounder agreement must be a finite number",
        ),
        ({"confounder": {"kind": "parity"}}, "a parity confounder has 2 codes, got cardinality 16; set"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(settings, message):
    with pytest.raises(SettingsError) as caught:
        WorldSpec.from_dict(settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(SettingsError, match="did you mean 'chapter'"):
        preset("chaptre")


def test_no_factor_shares_a_token_with_another_or_with_the_marker():
    taken = [token for name, first in FIRST_TOKEN.items() for token in range(first, first + FACTORS[name])]
    assert len(taken) == len(set(taken))
    assert max(taken) < MARKER
