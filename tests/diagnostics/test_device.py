import importlib.util

import array_api_strict
import numpy as np
import pytest

from mmaudit import diagnostics as d
from mmaudit.diagnostics import device
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.seeds import generator


def torch_on(where):
    def made(z):
        if importlib.util.find_spec("torch") is None:
            pytest.skip("torch is not installed")
        import torch

        if where == "cuda" and not torch.cuda.is_available():
            pytest.skip("no CUDA device is at hand")
        return torch.from_numpy(z).to(where)

    return made


KINDS = {
    "numpy": lambda z: z,
    "array_api_strict": array_api_strict.asarray,
    "torch": torch_on("cpu"),
    "cuda": torch_on("cuda"),
}


def pairs(kind, n=90, width=12):
    rng = generator(8, "device", kind)
    z = rng.normal(size=(n, width))
    x, y = z + rng.normal(size=z.shape), z + rng.normal(size=z.shape)
    if kind == "repeated":
        x, y = (np.round(side[rng.integers(0, 30, n)]) for side in (x, y))
    elif kind == "collapsed":
        x, y = 1 + 1e-4 * x, 1 + 1e-4 * y
    elif kind == "empty rows":
        x[::7], y[::11] = 0, 0
    elif kind == "huge":
        x = x * 1e30
    elif kind == "short":
        x, y = (side * rng.uniform(1e-4, 0.2, size=(n, 1)) for side in (x, y))
    return x.astype(np.float32), y.astype(np.float32)


@pytest.mark.parametrize("made", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("kind", ["plain", "repeated", "collapsed", "empty rows", "huge", "short"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_counts_are_those_of_numpy(made, kind, similarity):
    x, y = pairs(kind)
    groups = np.arange(90) // 2
    for given in (None, groups):
        expected = d.ranks(Embeddings(x, y, similarity=similarity), given)
        for block in (17, 4096):
            found = d.device_ranks(made(x), made(y), given, similarity=similarity, block=block)
            for side in ("forward", "backward"):
                for name in ("better", "ties", "candidates", "wins", "rivals", "tied"):
                    ours, theirs = (getattr(r.side(side), name) for r in (found, expected))
                    np.testing.assert_array_equal(ours, theirs, err_msg=name)
    assert d.mean_recall(found) == d.mean_recall(expected)


def test_float32_settles_most_and_float64_the_rest(monkeypatch):
    settled, whole = [], []
    original, exact = device._Device._settled, device._Device._exact
    monkeypatch.setattr(
        device._Device, "_settled", lambda self, *a: (settled.append(a[-1]), original(self, *a))[1]
    )
    monkeypatch.setattr(device._Device, "_exact", lambda self, *a: (whole.append(1), exact(self, *a))[1])
    d.device_ranks(*pairs("plain"))
    assert not whole
    assert 0 <= sum(settled) < 100
    d.device_ranks(*pairs("collapsed"))
    assert whole


def test_a_device_that_multiplies_in_less_than_float32_is_found_out(monkeypatch):
    scored = device._Device._scored

    def coarse(self, side, rows, dtype):
        z = scored(self, side, rows, dtype)
        return z.astype(np.float16).astype(np.float32) if dtype == np.float32 else z

    x, y = pairs("plain", n=200)
    expected = d.ranks(Embeddings(x, y))
    monkeypatch.setattr(device._Device, "_scored", coarse)
    found = d.device_ranks(x, y)
    np.testing.assert_array_equal(found.forward.wins, expected.forward.wins)
    monkeypatch.setattr(device._Device, "_multiplies_in_float32", lambda self: True)
    assert (d.device_ranks(x, y).forward.wins != expected.forward.wins).any()


def test_what_cannot_be_ranked_is_refused_in_one_line():
    x, y = pairs("plain")
    with pytest.raises(InputError, match="one row a pair"):
        d.device_ranks(x, y[:-1])
    with pytest.raises(InputError, match="NaN or infinity"):
        d.device_ranks(x, np.where(y > 2, np.float32(np.nan), y))
    with pytest.raises(InputError, match="floating point"):
        d.device_ranks(x.astype(np.int64), y.astype(np.int64))
    with pytest.raises(InputError, match="no arrays of one kind"):
        d.device_ranks(x, array_api_strict.asarray(y))
    with pytest.raises(InputError, match="one label a pair"):
        d.device_ranks(x, y, [1])


def test_no_items_and_one_item_have_nothing_to_be_told_from():
    for n in (0, 1):
        found = d.device_ranks(np.zeros((n, 3), np.float32), np.zeros((n, 3), np.float32))
        assert len(found) == n
        assert d.mean_recall(found).value is None


def close(n=120, d=256, step=3e-8):
    """Pairs whose rivals float64 tells apart from the partners, and float32 does not."""
    rng = generator(1, "close on a device")
    x = rng.normal(size=(n, d))
    y = x.copy()
    y[1::2] = y[::2] * (1 + step * rng.normal(size=(n // 2, d)))
    x[1::2] = x[::2]
    return x.astype(np.float32), y.astype(np.float32)


def same(found, expected):
    for side in ("forward", "backward"):
        for name in ("better", "ties", "candidates", "wins", "rivals", "tied"):
            ours, theirs = (getattr(r.side(side), name) for r in (found, expected))
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize("made", [KINDS["numpy"], KINDS["array_api_strict"]])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_what_float32_cannot_tell_is_told_by_float64(made, similarity, monkeypatch):
    x, y = close()
    expected = d.ranks(Embeddings(x, y, similarity=similarity))
    settled = []
    original = device._Device._settled
    monkeypatch.setattr(
        device._Device, "_settled", lambda self, *a: (settled.append(a[-1]), original(self, *a))[1]
    )
    for block in (32, 4096):
        same(d.device_ranks(made(x), made(y), similarity=similarity, block=block), expected)
    assert sum(settled) > 100


def test_groups_and_modalities_are_those_that_were_given():
    x, y = pairs("plain")
    found = d.device_ranks(x, y, np.arange(90) % 7, modalities=("audio", "text"))
    assert found.modalities == ("audio", "text")
    assert found.groups.tolist() == (np.arange(90) % 7).tolist()
    assert found.forward.candidates.tolist() == [90 - np.sum(np.arange(90) % 7 == i % 7) for i in range(90)]
    assert d.device_ranks(x, y).modalities == ("image", "text")


def test_arrays_that_are_no_pairs_are_refused():
    x, y = pairs("plain")
    for a, b in ((x[:, 0], y[:, 0]), (x[:, :3], y), (x, y[:4])):
        with pytest.raises(InputError, match="give one row a pair, of one width"):
            d.device_ranks(a, b)
    with pytest.raises(InputError, match="expected floating point"):
        d.device_ranks(x, y.astype(np.int32))
    with pytest.raises(InputError, match="NaN or infinity"):
        d.device_ranks(np.where(x > 2, np.float32(np.inf), x), y)
