"""A counterexample runs again, alone and bit for bit; what is none is one clear line."""

import json

import pytest

from mmaudit.errors import InputError
from mmaudit.evidence import dumps
from mmaudit.failures.weak_spots import two_factors
from mmaudit.gates import Auditor, Verdict
from mmaudit.settings import Settings
from mmaudit.stress import Stress, load, replay

WEAK = two_factors(("shape", 1), ("phase", 5))


@pytest.fixture(scope="module")
def file(sound, tmp_path_factory):
    stress = Stress(Auditor(WEAK.planted_in(sound), settings=Settings(stress={"worlds": 40})))
    assert stress.run("generated_worlds").verdict is Verdict.REJECT
    (record,) = stress.record["counterexamples"].values()
    path = tmp_path_factory.mktemp("replay") / "1.json"
    path.write_bytes(dumps(record))
    return path


def test_it_fails_again_bit_for_bit(file, sound):
    outcome = replay(Auditor(WEAK.planted_in(sound), settings=Settings(alpha=0.01)), load(file))
    assert outcome.verdict is Verdict.REJECT
    assert outcome.reason.endswith("; bit for bit as recorded")
    assert outcome.check == "replayed_world"


def test_it_passes_once_the_encoder_is_mended(file, sound):
    outcome = replay(Auditor(sound), load(file))
    assert outcome.verdict is Verdict.ACCEPT
    assert "recorded was: " in outcome.reason


def test_it_needs_an_encoder(file):
    import numpy as np

    z = np.eye(8)
    assert replay(Auditor((z, z)), load(file)).verdict is Verdict.NOT_EVIDENCED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row | {"format": "x"}, "is no counterexample; give a counterexamples/"),
        (lambda row: [row], "is no counterexample"),
        (lambda row: row | {"world": row["world"] | {"noise_imge": 1}}, "did you mean 'noise_image'"),
        (lambda row: row | {"world": None}, "no whole counterexample"),
        (lambda row: row | {"outcome": {}}, "no whole counterexample"),
        (lambda row: row | {"alpha": 0}, "no whole counterexample"),
        (lambda row: row | {"budget": 0}, "no whole counterexample"),
        (lambda row: {k: v for k, v in row.items() if k != "words"}, "no whole counterexample"),
        (lambda row: row | {"subject": {}}, "no whole counterexample"),
    ],
)
def test_what_is_no_counterexample_is_one_clear_line(file, tmp_path, change, message):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(InputError) as caught:
        load(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_one_clear_line(tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot read bad\.json: no JSON"):
        load(path)


def test_what_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match=r"cannot read none\.json: No such file"):
        load(tmp_path / "none.json")
