import pathlib
import re

import numpy as np
import pytest

import mmaudit
from mmaudit import Settings, load_settings
from mmaudit.gates import Auditor

README = pathlib.Path(__file__).parents[2] / "README.md"
TABLE = "[tool.mmaudit]\nseed = 11\nprofile = 'full'\n[tool.mmaudit.limits]\nrecall_at_1 = {low = 0.2}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(TABLE)
    return tmp_path


@pytest.fixture
def table():
    z = np.random.default_rng(0).standard_normal((60, 8))
    return {"image": z, "text": z}


def test_a_file_is_read_where_it_is_named_and_what_is_given_wins(folder):
    assert load_settings() == Settings()
    read = load_settings("pyproject.toml")
    assert read == Settings(seed=11, profile="full", limits={"recall_at_1": (0.2, None)})
    given = load_settings(
        folder / "pyproject.toml", profile="smoke", seed=None, limits={"norm_leak": {"high": 1}}
    )
    assert given == Settings(seed=11, profile="smoke", limits={"norm_leak": (None, 1.0)})


@pytest.mark.parametrize(
    ("path", "given", "line"),
    [
        ("nowhere.toml", {}, "no settings in 'nowhere.toml': there is no such file"),
        (None, {"profil": "smoke"}, "unknown mmaudit setting 'profil'; did you mean 'profile'"),
        (
            None,
            {"limits": {"recal_at_1": {"low": 0.4}}},
            "'recal_at_1', which is no check; did you mean 'recall",
        ),
        (None, {"require": ["encodr"]}, "names 'encodr'; did you mean"),
    ],
)
def test_what_is_misspelt_is_refused(folder, path, given, line):
    with pytest.raises(mmaudit.SettingsError, match=line):
        load_settings(path, **given)


def test_limits_made_by_hand_are_held_to_the_catalogue_as_well(table):
    with pytest.raises(
        mmaudit.SettingsError, match="'recal_at_1', which is no check; did you mean 'recall_at_1'"
    ):
        Auditor(table, settings=Settings(limits={"recal_at_1": (0.4, None)}))
    for limit in ({"low": 0.4, "high": 1.0}, (0.4,)):
        with pytest.raises(mmaudit.SettingsError, match=r"is .*0\.4.*; expected \(low, high\), or the table"):
            Auditor(table, settings=Settings(limits={"recall_at_1": limit}))


def test_the_example_of_the_readme_runs(folder, table):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    (example,) = [block for block in blocks if "load_settings" in block]
    names = {"my_encoder": table, "make_pairs": lambda: None}
    exec(compile(example, "README.md", "exec"), names)
    limit = names["result"]["recall_at_1"].limit
    assert (limit.kind, limit.low, limit.high) == ("user", 0.4, None)
    first = next(line for line in example.splitlines() if "pyproject.toml" in line)
    exec(compile(first, "README.md", "exec"), names)
    assert (names["settings"].seed, names["settings"].profile) == (11, "smoke")


def test_settings_do_not_name_what_only_pytest_loads(folder, table):
    with pytest.raises(
        mmaudit.SettingsError, match="name the subject 'm:f', which only pytest --mmaudit loads"
    ):
        mmaudit.audit(settings=load_settings(subject="m:f"))
    (folder / "asked.csv").write_text("question,answer\n" + "a,b\n" * 3)
    columns = {"question": "question", "answer": "answer"}
    named = load_settings(data={"file": "asked.csv", "columns": columns}, profile="smoke")
    given = dict.fromkeys(columns, table["image"][:3])
    assert mmaudit.audit(given, settings=named).auditor.pairs.name == "asked.csv"
