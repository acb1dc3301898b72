import subprocess
import sys

import numpy as np
import pytest

from mmaudit.diagnostics import neighbour_counts
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError, SubjectError
from mmaudit.gates.case import Case
from mmaudit.gates.store import Store

ASK = """
import pathlib, sys
from mmaudit.gates.store import Store

folder = pathlib.Path(sys.argv[1])

def compute():
    with (folder / "computed").open("a") as log:
        log.write("x")
    return list(range(1000))

sys.stdin.readline()
print(sum(Store(folder).get("value", compute)))
"""


def counting(value):
    calls = []

    def compute():
        calls.append(1)
        if isinstance(value, Exception):
            raise value
        return value

    return compute, calls


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("value", [[1, 2], InputError("no pairs")])
def test_what_was_computed_elsewhere_is_kept_like_what_was_computed_here(tmp_path, on_disk, value):
    store = Store(tmp_path if on_disk else None)
    assert "there" not in store
    with store.alone("lock"):
        store.put("there", value)
    others = (store, Store(tmp_path)) if on_disk else (store,)
    compute, calls = counting("another")
    for each in others:
        assert "there" in each
        if isinstance(value, InputError):
            with pytest.raises(InputError, match="no pairs"):
                each.get("there", compute)
            assert each.peek("there") is None
        else:
            assert each.get("there", compute) == each.peek("there") == value
    assert calls == []


@pytest.mark.parametrize("on_disk", [False, True])
def test_computed_once(tmp_path, on_disk):
    store = Store(tmp_path if on_disk else None)
    compute, calls = counting([1, 2])
    assert store.peek("a") is None
    assert store.get("a", compute) == store.get("a", compute) == store.peek("a") == [1, 2]
    assert len(calls) == 1


@pytest.mark.parametrize("on_disk", [False, True])
def test_an_error_is_kept_like_a_value(tmp_path, on_disk):
    store = Store(tmp_path if on_disk else None)
    compute, calls = counting(SubjectError("the image encoder raised"))
    for _ in range(2):
        with pytest.raises(SubjectError, match="the image encoder raised"):
            store.get("a", compute)
    assert len(calls) == 1
    assert store.peek("a") is None


def test_an_accident_is_not_kept(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError):
        store.get("a", lambda: 1 // 0)
    assert store.get("a", lambda: 5) == 5


def test_two_stores_share_a_folder(tmp_path):
    Store(tmp_path).get("a", lambda: 5)
    compute, calls = counting(6)
    second = Store(tmp_path)
    assert second.peek("a") == 5
    assert second.get("a", compute) == 5
    assert not calls
    with pytest.raises(InputError):
        Store(tmp_path).get("bad", counting(InputError("no"))[0])
    assert Store(tmp_path).peek("bad") is None
    assert sorted(p.suffix for p in tmp_path.iterdir() if p.suffix != ".lock") == [".pickle", ".pickle"]


def test_two_stores_without_a_folder_share_nothing():
    Store().get("a", lambda: 5)
    assert Store().peek("a") is None


def test_two_processes_compute_once(tmp_path):
    command = [sys.executable, "-c", ASK, str(tmp_path)]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0].strip() for process in running] == ["499500"] * 2
    assert (tmp_path / "computed").read_text() == "x"


def test_neighbours_of_the_audited_pairs_are_counted_once_a_run(tmp_path, monkeypatch):
    counted = []

    def count(embeddings):
        counted.append(len(embeddings))
        return neighbour_counts(embeddings)

    monkeypatch.setattr("mmaudit.gates.case.neighbour_counts", count)
    z = np.random.default_rng(0).standard_normal((2, 40, 4))
    first, second = (Case(x=z[0], y=z[1], shared=Store(tmp_path).get) for _ in range(2))
    expected = neighbour_counts(Embeddings(*z))
    for case in (first, first, second):
        assert [side.tolist() for side in case.neighbours] == [side.tolist() for side in expected]
    assert counted == [40]
    damaged = first.serving(z[0][::-1], z[1])
    assert damaged.neighbours[0].tolist() == neighbour_counts(damaged.embeddings)[0].tolist()
    assert damaged.neighbours[0].tolist() != expected[0].tolist()
    assert counted == [40, 40]
    assert Case(x=z[0], y=z[1]).neighbours[1].tolist() == expected[1].tolist()
