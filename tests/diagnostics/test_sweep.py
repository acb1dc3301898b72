import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from mmaudit.diagnostics import _compiled, _screen, _sweep, device_ranks
from mmaudit.diagnostics.retrieval import DEPTH, nested_ranks, ranks
from mmaudit.embeddings import Embeddings
from mmaudit.seeds import generator

NUMBA = importlib.util.find_spec("numba") is not None
WITHOUT = "numba is not installed: pip install 'mmaudit[fast]'"
both_passes = pytest.mark.parametrize(
    "passes", ["numpy", pytest.param("compiled", marks=pytest.mark.skipif(not NUMBA, reason=WITHOUT))]
)


def take(passes, monkeypatch):
    monkeypatch.setattr(_sweep, "_MANY", 0 if passes == "compiled" else 10**9)


def dense(embeddings, groups, within=None):
    """Count by whole float64 matrices: better, ties, candidates, wins and rivals of both directions."""
    x, y = embeddings.scored
    allowed = groups[:, None] != groups
    if within is not None:
        allowed &= within[:, None] == within
    sides = []
    for queries, gallery in ((x, y), (y, x)):
        norms = np.linalg.norm(gallery, axis=1)
        scale = np.linalg.norm(queries, axis=1)[:, None] * np.maximum(norms[:, None], norms)
        difference = queries @ gallery.T - np.einsum("ij,ij->i", queries, gallery)[:, None]
        above = (difference > 1e-12 * scale) & allowed
        level = (np.abs(difference) <= 1e-12 * scale) & allowed
        better, ties = above.sum(axis=1), level.sum(axis=1)
        few = (better <= DEPTH) & (ties <= DEPTH)
        rivals = np.argwhere((above | level) & few[:, None])
        sides.append(
            {
                "better": better,
                "ties": ties,
                "candidates": allowed.sum(axis=1),
                "wins": above.sum(axis=0) + level.sum(axis=0) / 2,
                "rivals": rivals,
                "tied": level[rivals[:, 0], rivals[:, 1]],
            }
        )
    return sides


def same(measured, expected):
    for counts, side in zip((measured.forward, measured.backward), expected, strict=True):
        for name, values in side.items():
            np.testing.assert_array_equal(getattr(counts, name), values, err_msg=name)


def drawn(rng, n, d, kind):
    """Return x and y (n, d) of one of the geometries that float32 has trouble with."""
    latent = rng.normal(size=(n, d))
    x, y = latent + rng.normal(size=(n, d)), latent + rng.normal(size=(n, d))
    if kind == "collapsed":
        x, y = 1 + 1e-4 * x, 1 + 1e-4 * y
    elif kind == "repeated":
        x, y = (np.round(z[rng.integers(0, max(1, n // 3), n)]) for z in (x, y))
    elif kind == "empty rows":
        x[rng.random(n) < 0.3], y[rng.random(n) < 0.3] = 0, 0
    elif kind == "long and short":
        x, y = (z * 10 ** rng.uniform(-44, 36, size=(n, 1)) for z in (x, y))
    elif kind == "huge":
        x, y = x * 1e37, y * 1e37
    elif kind == "tiny":
        x, y = x * 1e-41, y * 1e-41
    return x.astype(np.float32), y.astype(np.float32)


KINDS = ["plain", "collapsed", "repeated", "empty rows", "long and short", "huge", "tiny"]


@both_passes
@settings(max_examples=100, deadline=None, phases=[Phase.generate])
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 70),
    d=st.integers(1, 40),
    kind=st.sampled_from(KINDS),
    similarity=st.sampled_from(["cosine", "dot"]),
    grouping=st.sampled_from(["own", "some", "all"]),
    block=st.sampled_from([1, 13, 16, 64, 1024]),
)
def test_counts_are_those_of_dense_float64_matrices(passes, seed, n, d, kind, similarity, grouping, block):
    rng = generator(seed, "sweep")
    embeddings = Embeddings(*drawn(rng, n, d, kind), similarity=similarity)
    groups = {"own": np.arange(n), "some": rng.integers(0, n, n), "all": np.zeros(n, int)}[grouping]
    within = rng.integers(0, 3, n)
    with pytest.MonkeyPatch.context() as monkeypatch:
        take(passes, monkeypatch)
        everyone, alike = nested_ranks(embeddings, groups, [within], block)
    codes = np.unique(groups, return_inverse=True)[1]
    same(everyone, dense(embeddings, codes))
    same(alike, dense(embeddings, codes, within))


@both_passes
@pytest.mark.parametrize("kind", ["plain", "collapsed", "repeated"])
def test_threads_and_blocks_change_nothing(kind, passes, monkeypatch):
    take(passes, monkeypatch)
    monkeypatch.setattr(_sweep, "_SMALL", 0)
    monkeypatch.setattr(_sweep, "_TASK_BYTES", 4 * 16 * 37)
    embeddings = Embeddings(*drawn(generator(0, kind), 300, 16, kind))
    expected = dense(embeddings, np.arange(300))
    for threads in (1, 2, 5):
        monkeypatch.setattr(_sweep, "cores", lambda threads=threads: threads)
        for block in (64, 300):
            same(ranks(embeddings, block=block), expected)


def close(n=200, d=512, step=3e-8):
    """Return pairs whose rivals float64 tells apart from the partners, and float32 does not."""
    rng = generator(1, "close")
    x = rng.normal(size=(n, d))
    y = x.copy()
    y[1::2] = y[::2] * (1 + step * rng.normal(size=(n // 2, d)))
    x[1::2] = x[::2]
    return Embeddings(x.astype(np.float32), y.astype(np.float32))


def long_candidates(n=40):
    """Pairs that are like nobody else, but for a few candidates a thousand long that are like one query each.

    They are above its own by 1e-10 and by 2e-9: the one is level where the longer of the two candidates sets
    the scale, and above where it does not; the other is above.
    """
    x, y = (np.hstack([np.eye(n), np.zeros((n, 1))]) for _ in range(2))
    for candidate, step in ((3, 2.0**-43), (11, 2.0**-39), (19, 2.0**-43), (27, 2.0**-39)):
        y[candidate, -1] = 1000
        y[candidate, candidate + 4] = 1
        x[candidate + 4, -1] = step
    return Embeddings(x.astype(np.float32), y.astype(np.float32), similarity="dot")


@both_passes
@pytest.mark.parametrize("block", [7, 1024])
@pytest.mark.parametrize("way", ["listed", "whole", "float64"])
def test_the_longer_candidate_sets_the_scale_of_what_is_level(way, block, passes, monkeypatch):
    take(passes, monkeypatch)
    if way == "whole":
        monkeypatch.setattr(_screen, "IN_DOUBT", 0.0)
        monkeypatch.setattr(_screen, "_SPARSE", 0.0)
    elif way == "float64":
        monkeypatch.setattr(_screen, "error_bound", lambda width: np.inf)
    embeddings = long_candidates()
    for side in (embeddings, embeddings.swapped()):
        expected = dense(side, np.arange(40))
        assert all(sum(counts[kind].sum() for counts in expected) >= 2 for kind in ("ties", "better"))
        same(ranks(side, block=block), expected)
        same(device_ranks(side.x, side.y, similarity="dot", block=block), expected)


@both_passes
def test_what_float32_cannot_tell_is_told_by_float64(passes, monkeypatch):
    take(passes, monkeypatch)
    embeddings = close()
    same(ranks(embeddings), dense(embeddings, np.arange(200)))
    x, y = (z.astype(np.float32) for z in embeddings.scored)
    similarity = x @ y.T
    single = (similarity > np.diag(similarity)[:, None]).sum(axis=1)
    assert (single != ranks(embeddings).forward.better).any()


@both_passes
def test_without_the_error_bound_the_counts_would_be_wrong(passes, monkeypatch):
    take(passes, monkeypatch)
    embeddings = close()
    monkeypatch.setattr(_screen, "_SINGLE", 0.0)
    monkeypatch.setattr(_screen, "UNDERFLOW", 0.0)
    with pytest.raises(AssertionError):
        same(ranks(embeddings), dense(embeddings, np.arange(200)))


@both_passes
def test_without_the_rounding_of_scores_the_counts_would_be_wrong(passes, monkeypatch):
    take(passes, monkeypatch)
    bound = _screen.error_bound
    monkeypatch.setattr(_screen, "error_bound", lambda width: bound(width) if width else 0.0)
    with pytest.raises(AssertionError):
        same(ranks(close()), dense(close(), np.arange(200)))


def test_the_bound_holds_for_the_worst_order_of_summation():
    # One product after another, each rounded: no BLAS does worse. All terms of one sign let errors add up.
    rng = generator(2, "bound")
    for d in (8, 64, 512):
        z = np.abs(rng.normal(size=(200, d))).astype(np.float32)
        pairs, _ = _sweep._by_own_similarity(Embeddings(z[:100], z[100:]), 1)
        first, second = pairs.x.single(slice(0, 100)), pairs.y.single(slice(0, 100))
        total = np.zeros(100, dtype=np.float32)
        for k in range(d):
            total += first[:, k] * second[:, k]
        low, high = pairs.limits[0]
        assert (total > low).all()
        assert (total <= high).all()
        assert (high - low).max() < 4 * (d + 8) * 2.0**-24


@both_passes
def test_few_doubts_are_settled_one_by_one_and_many_by_the_block(passes, monkeypatch):
    take(passes, monkeypatch)
    whole, listed = [], []
    exact, settle = _screen.exact, _screen.settle
    monkeypatch.setattr(_screen, "exact", lambda *a: (whole.append(a), exact(*a)))
    monkeypatch.setattr(_screen, "settle", lambda *a: (listed.append(len(a[2])), settle(*a)))
    ranks(Embeddings(*drawn(generator(3, "doubt"), 300, 16, "plain")))
    assert not whole
    assert sum(listed) < 100
    ranks(Embeddings(*drawn(generator(3, "doubt"), 300, 16, "collapsed")))
    assert whole


@pytest.mark.skipif(not NUMBA, reason=WITHOUT)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("learned", [False, True])
def test_compiled_passes_tally_what_numpy_tallies(kind, learned, monkeypatch):
    """Several blocks, with few hits in most of them or with many in all."""
    rng = generator(4, f"tallies {kind}")
    x, y = drawn(rng, 1100, 24, kind)
    embeddings = Embeddings(x, x + y / 2 if learned else y[rng.permutation(1100)])
    codes, within = rng.integers(0, 900, 1100), rng.integers(0, 2, 1100)
    found = {}
    for passes in ("numpy", "compiled"):
        take(passes, monkeypatch)
        found[passes] = nested_ranks(embeddings, codes, [within], block=400)
    for one, other in zip(*found.values(), strict=True):
        for side in ("forward", "backward"):
            for name in ("better", "ties", "wins", "rivals", "tied"):
                first, second = (getattr(ranked.side(side), name) for ranked in (one, other))
                np.testing.assert_array_equal(first, second, err_msg=f"{side} {name}")


def test_where_numba_cannot_be_had_numpy_counts(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(_sweep, "_MANY", 0)
    _compiled.kernels.cache_clear()
    try:
        assert _compiled.kernels() is None
        embeddings = Embeddings(*drawn(generator(0, "plain"), 60, 8, "plain"))
        same(ranks(embeddings), dense(embeddings, np.arange(60)))
    finally:
        _compiled.kernels.cache_clear()


def test_few_items_do_not_import_numba():
    code = (
        "import sys, numpy as np\n"
        "from mmaudit.diagnostics import ranks\n"
        "from mmaudit.embeddings import Embeddings\n"
        "ranks(Embeddings(*np.random.default_rng(0).normal(size=(2, 400, 8))))\n"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_part_has_a_blas_of_one_thread(parts, threads):
    seen = []

    def task(rows):
        seen.append({pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})

    with threadpool_limits(2, user_api="blas"):
        _sweep.each(task, [slice(part, part + 1) for part in range(parts)], threads)
    assert seen == [{1}] * parts
