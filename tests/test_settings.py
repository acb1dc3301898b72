"""Settings are refused with one line, resolve to one record, and hash to one digest."""

import dataclasses
import hashlib
import json

import pytest

from mmaudit.errors import SettingsError
from mmaudit.settings import GOVERNANCE, Settings, did_you_mean, load, read_pyproject

CHECKS = ("symmetry_gap", "norm_leak")
ACCESS = ("inputs", "labels")


def loaded(table=None, overrides=None) -> Settings:
    return load(table or {}, overrides, checks=CHECKS, access=ACCESS)


def test_defaults():
    assert loaded() == Settings()
    assert Settings().as_dict() == {
        "profile": "ci",
        "seed": 7,
        "confidence": 0.95,
        "alpha": 0.05,
        "inconclusive": "fail",
        "require": [],
        "limits": {},
        "tolerance": {},
        "stress": {},
        "subject": None,
        "checkpoint_before": None,
        "recipe": None,
        "data": None,
        "table": {},
    }


def test_what_overrides_wins_and_none_is_not_given():
    settings = loaded({"seed": 1, "alpha": 0.01}, {"seed": 2, "alpha": None})
    assert (settings.seed, settings.alpha) == (2, 0.01)


def test_a_limit_may_say_why_and_only_then_is_its_reason_in_the_settings():
    said = loaded({"limits": {"norm_leak": {"high": 0.1, "rationale": "what our index tolerates"}}})
    assert dict(said.limits) == {"norm_leak": (None, 0.1)}
    assert dict(said.rationales) == {"norm_leak": "what our index tolerates"}
    row = {"low": None, "high": 0.1, "rationale": "what our index tolerates"}
    assert said.as_dict()["limits"] == {"norm_leak": row}
    silent = loaded({"limits": {"norm_leak": {"high": 0.1}}})
    assert silent.as_dict()["limits"] == {"norm_leak": {"low": None, "high": 0.1}}
    assert said.digest() != silent.digest()


def test_limits_may_leave_a_side_open():
    settings = loaded({"limits": {"symmetry_gap": {"low": -1, "high": 0.5}, "norm_leak": {"high": 0.1}}})
    assert dict(settings.limits) == {"symmetry_gap": (-1.0, 0.5), "norm_leak": (None, 0.1)}
    assert settings.as_dict()["limits"]["norm_leak"] == {"low": None, "high": 0.1}


def test_required_names_are_checks_or_access_and_named_once():
    assert loaded({"require": ["labels", "norm_leak", "labels"]}).require == ("labels", "norm_leak")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"sed": 1}, "unknown mmaudit setting 'sed'; did you mean 'seed'?"),
        ({"zzz": 1}, "unknown mmaudit setting 'zzz'; known: alpha, cache, checkpoint_before, confidence, "),
        ({"seed": "7"}, "mmaudit setting 'seed' is '7'; expected a whole number"),
        ({"seed": True}, "mmaudit setting 'seed' is True; "),
        ({"seed": -1}, "mmaudit setting 'seed' is -1; "),
        ({"seed": 2**60}, "mmaudit setting 'seed' is 1152921504606846976; "),
        ({"profile": "fast"}, "'profile' is 'fast'; expected 'smoke' or 'ci' or 'full'"),
        ({"inconclusive": False}, "'inconclusive' is False; expected 'fail' or 'pass'"),
        ({"confidence": 95}, "'confidence' is 95; expected a number between 0.5 and 1, both excluded"),
        ({"confidence": float("nan")}, "'confidence' is nan; expected a finite number"),
        ({"alpha": 0}, "'alpha' is 0; expected a number between 0 and 0.5"),
        ({"require": "norm_leak"}, "'require' is 'norm_leak'; expected a list of names"),
        ({"require": ["norm_lek"]}, "'require' names 'norm_lek'; did you mean 'norm_leak'?"),
        ({"subject": " "}, "'subject' is ' '; expected a non-empty string"),
        ({"out": 3}, "'out' is 3; expected a non-empty string"),
        ({"limits": 3}, "'limits' is 3; expected a table of check names"),
        (
            {"limits": {"norm_lek": {"high": 1}}},
            "mmaudit limit for 'norm_lek', which is no check; did you mean",
        ),
        ({"limits": {"norm_leak": 0.1}}, "'limits.norm_leak' is 0.1; expected a table {low = …, high = …}"),
        ({"limits": {"norm_leak": {}}}, "with at least one of the two"),
        ({"limits": {"norm_leak": {"rationale": "why"}}}, "with at least one of the two"),
        (
            {"limits": {"norm_leak": {"low": 1, "rationale": 3}}},
            "'limits.norm_leak.rationale' is 3",
        ),
        ({"limits": {"norm_leak": {"max": 1}}}, "expected a table {low = …, high = …}"),
        (
            {"limits": {"norm_leak": {"high": "1"}}},
            "'limits.norm_leak.high' is '1'; expected a finite number",
        ),
        ({"limits": {"norm_leak": {"low": 1, "high": 0}}}, "expected low ≤ high"),
        ({"governance": "ours"}, "'governance' is 'ours'; expected a table of statements"),
        (
            {"governance": {"license": "MIT"}},
            "unknown mmaudit setting 'governance.license'; did you mean 'licence'?",
        ),
        ({"governance": {"licence": 3}}, "'governance.licence' is 3; expected a text of 1 to 20000"),
        ({"governance": {"licence": " "}}, "'governance.licence' is ' '; expected a text"),
        ({"governance": {"licence": []}}, "'governance.licence' is []; expected a text"),
        ({"governance": {"licence": ["MIT", 1]}}, "'governance.licence' is ['MIT', 1]; expected a text"),
    ],
)
def test_mistakes_are_one_clear_line(table, complaint):
    with pytest.raises(SettingsError) as caught:
        loaded(table)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_digest_is_of_the_canonical_record_and_of_nothing_else():
    settings = Settings(limits={"norm_leak": (None, 0.1)})
    canonical = json.dumps(settings.as_dict(), sort_keys=True, separators=(",", ":")).encode()
    assert settings.digest() == hashlib.sha256(canonical).hexdigest()
    assert dataclasses.replace(settings, out="elsewhere").digest() == settings.digest()
    assert dataclasses.replace(settings, seed=8).digest() != settings.digest()


def test_statements_of_people_are_texts_or_lists_and_no_part_of_the_digest():
    settings = loaded({"governance": {"intended_use": "search", "residual_risks": ["a", "b"]}})
    assert settings.governance == {"intended_use": "search", "residual_risks": ("a", "b")}
    assert settings.digest() == Settings().digest()
    every = dict.fromkeys(GOVERNANCE, "x")
    assert loaded({"governance": every}).governance == every


@pytest.mark.parametrize(
    ("subject", "recorded"),
    [
        ("models:best", "models:best"),
        ("/home/someone/best.npz", "best.npz"),
        ("runs/best.npy", "best.npy"),
        (None, None),
    ],
)
def test_of_a_path_only_the_file_name_is_recorded(subject, recorded):
    assert Settings(subject=subject).as_dict()["subject"] == recorded


def test_the_table_is_read_from_pyproject(tmp_path):
    path = tmp_path / "pyproject.toml"
    assert read_pyproject(path) == {}
    path.write_text("[tool.other]\nseed = 1\n", encoding="utf-8")
    assert read_pyproject(path) == {}
    path.write_text("[tool.mmaudit]\nseed = 1\nlimits.norm_leak.high = 0.1\n", encoding="utf-8")
    assert read_pyproject(path) == {"seed": 1, "limits": {"norm_leak": {"high": 0.1}}}


@pytest.mark.parametrize("text", ["[tool.mmaudit\n", "tool.mmaudit = 3\n", "\x00"])
def test_a_pyproject_that_cannot_be_read_is_one_line(tmp_path, text):
    path = tmp_path / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_pyproject(path)
    assert str(caught.value).startswith(("cannot read pyproject.toml: ", "pyproject.toml: [tool.mmaudit] is"))
    assert "\n" not in str(caught.value)


def test_no_close_word_lists_all():
    assert did_you_mean("xyz", CHECKS) == "known: norm_leak, symmetry_gap"
    assert did_you_mean("norm_leek", CHECKS) == "did you mean 'norm_leak'?"


def test_the_data_table_is_read_beside_where_the_data_are():
    table = {"file": "pairs.csv", "columns": {"image": "f", "text": "t"}, "tolerate": 2, "root": "/data"}
    found = loaded({"data": table})
    assert found.data == "pairs.csv"
    assert found.table == {"columns": {"image": "f", "text": "t"}, "tolerate": 2, "root": "/data"}
    assert "root" not in found.as_dict()["table"]
    assert loaded({"data": table}, {"data": "other/pairs.csv"}).as_dict()["data"] == "pairs.csv"
    assert loaded({"data": table}, {"data": "other:pairs"}).table == found.table
    only = loaded({"data": {"only": {"part": "test", "fold": [1, "2"]}}}).table["only"]
    assert only == {"part": ["test"], "fold": ["1", "2"]}


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"tolerat": 1}, "unknown mmaudit setting 'data.tolerat'; did you mean 'tolerate'?"),
        ({"tolerate": -1}, "'data.tolerate' is -1; expected a whole number of at least 0"),
        ({"tolerate": True}, "expected a whole number"),
        ({"factors": "topic"}, "'data.factors' is 'topic'; expected a list of column names"),
        ({"columns": {"image": "f"}}, "expected a table of two modalities and the column of each"),
        ({"group": ""}, "'data.group' is ''; expected a non-empty string"),
        ({"only": "test"}, "'data.only' is 'test'; expected a table of columns, each with a value"),
        ({"only": {"part": []}}, "expected a table of columns, each with a value or a list of values"),
        (
            {"only": {"part": ["a", 0.5]}},
            "expected a table of columns, each with a value or a list of values",
        ),
    ],
)
def test_a_data_table_that_says_nothing_known_is_refused(table, complaint):
    with pytest.raises(SettingsError) as caught:
        loaded({"data": table})
    assert complaint in str(caught.value)


def test_of_a_services_address_the_model_is_kept():
    settings = loaded({"subject": "https://host.internal:8080/v1/embeddings#small"})
    assert settings.as_dict()["subject"] == "endpoint:small"
