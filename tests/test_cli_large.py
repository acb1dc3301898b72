"""``mmaudit large``: verdicts, exit status and record, from every kind of file, and one line on bad input."""

import json

import numpy as np
import pytest

from mmaudit.cli import main
from mmaudit.scale import audit_large
from mmaudit.seeds import generator
from mmaudit.settings import Settings


@pytest.fixture(scope="module")
def healthy():
    rng = generator(0, "large command")
    z = rng.normal(size=(2000, 24))
    return {m: (z + 0.6 * rng.normal(size=z.shape)).astype(np.float32) for m in ("image", "text")}


@pytest.fixture
def folder(healthy, tmp_path, monkeypatch):
    from safetensors.numpy import save_file

    monkeypatch.chdir(tmp_path)
    for name, side in healthy.items():
        np.save(f"{name}.npy", side)
    np.save("both.npy", np.stack(list(healthy.values())))
    np.save("turned.npy", healthy["text"][::-1])
    np.savez("both.npz", **healthy)
    save_file(healthy, "both.safetensors")
    save_file({"text": healthy["text"].astype(np.float16)}, "half.safetensors")
    return tmp_path


def record(name="out.json"):
    with open(name, encoding="utf-8") as file:
        return json.load(file)


def test_the_record_is_what_python_decides_and_the_same_from_every_file(folder, healthy, capsys):
    expected = audit_large(*healthy.values(), settings=Settings(seed=3))
    for files in (["image.npy", "text.npy"], ["both.npy"], ["both.npz"], ["both.safetensors"]):
        assert main(["large", *files, "--seed", "3", "--out", "out.json"]) == 0
        said = capsys.readouterr()
        assert said.out == f"{expected}\n"
        assert said.err == ""
        found = record()
        assert found["decisions"] == json.loads(json.dumps([d.record() for d in expected.decisions]))
        assert [f["name"] for f in found["figures"]] == [m.name for m in expected.figures]
        assert [f["value"] for f in found["figures"]] == [m.value for m in expected.figures]
        assert (found["pairs"], found["pilot_pairs"]) == (2000, 256)
        assert set(found["inputs_sha256"]) == set(files)
        assert found["settings"]["digest"] == Settings(seed=3).digest()
    assert sorted(p.name for p in folder.glob("out*")) == ["out.json"]


def test_wrong_pairs_are_rejected_and_too_few_queries_are_no_evidence(folder, capsys):
    assert main(["large", "image.npy", "turned.npy", "--out", "out.json"]) == 1
    assert record()["verdict"] == "REJECT"
    assert main(["large", "image.npy", "text.npy", "--queries", "8"]) == 3
    assert "INCONCLUSIVE: image and text" in capsys.readouterr().out


def test_trusted_pairs_are_those_of_the_file(folder, healthy):
    trusted = np.arange(2000) % 5 == 0
    np.save("trusted.npy", trusted)
    expected = audit_large(*healthy.values(), trusted=trusted)
    assert main(["large", "both.npy", "--trusted", "trusted.npy", "--out", "out.json"]) == 0
    found = record()
    assert found["decisions"] == json.loads(json.dumps([d.record() for d in expected.decisions]))
    assert "trusted.npy" in found["inputs_sha256"]


def test_half_precision_is_read_as_it_is(folder):
    assert main(["large", "image.npy", "half.safetensors"]) == 0


def test_the_projects_limits_are_in_force(folder):
    (folder / "pyproject.toml").write_text(
        "[tool.mmaudit.limits]\neffective_rank = {low = 1000}\n", encoding="utf-8"
    )
    assert main(["large", "both.npy", "--out", "out.json"]) == 1
    rejected = [d["check"] for d in record()["decisions"] if d["verdict"] == "REJECT"]
    assert rejected == ["effective_rank"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["image.npy"], "image.npy holds ['image']; expected one a modality, or give two files"),
        (["image.npy", "no.npy"], "cannot read no.npy: No such file or directory"),
        (["both.npy", "text.npy"], "both.npy holds ['image', 'text']; expected one matrix"),
        (["a", "b", "c"], "3 files; give one that holds both sides, or one a side"),
        (["image.csv", "text.npy"], "cannot read image.csv: expected .npy, .npz, .parquet, .safetensors"),
        (["cut.safetensors"], "cannot read cut.safetensors: no whole safetensors file"),
        (["whole.safetensors"], "cannot read whole.safetensors: it holds I64; expected F16, F32, F64"),
        (["both.npy", "--queries", "0"], "--queries is 0; give at least 1"),
        (["both.npy", "--seed", "-1"], "expected a whole number from 0"),
        (["both.npy", "--executor", "ray"], "executor is 'ray'; expected local or dask://HOST:PORT"),
        (["both.npy", "--groups", "text.npy"], "one label a pair"),
        (["both.npy", "--groups", "cut.safetensors"], "cannot read cut.safetensors"),
        (["both.npy", "--trusted", "text.npy"], "trusted has shape (2000, 24) and dtype float32"),
        (["both.npy", "--trusted", "no.npy"], "cannot read no.npy: No such file or directory"),
        (["both.npy", "--out", "no/where.json"], "--out no/where.json: no such folder"),
    ],
)
def test_bad_input_is_one_line_and_status_two(folder, capsys, arguments, line):
    from safetensors.numpy import save_file

    whole = (folder / "both.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[:-5])
    save_file({"a": np.ones((3, 2), np.int64), "b": np.ones((3, 2), np.int64)}, "whole.safetensors")
    assert main(["large", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("mmaudit large: ")
    assert line in said.err
    assert said.err.count("\n") == 1
    assert not list(folder.glob("*.part"))
