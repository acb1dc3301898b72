import dataclasses

import numpy as np
import pytest

from mmaudit import diagnostics as d
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.executor import Local
from mmaudit.scale import sampling
from mmaudit.scale import survey as surveys
from mmaudit.scale.sampling import query_ranks
from mmaudit.scale.survey import survey
from mmaudit.seeds import generator


def pairs(n=300, width=16, kind="plain"):
    rng = generator(4, "scale", kind)
    z = rng.normal(size=(n, width))
    x, y = z + rng.normal(size=z.shape), z + rng.normal(size=z.shape)
    if kind == "repeated":
        x, y = (np.round(side[rng.integers(0, 60, n)]) for side in (x, y))
    elif kind == "norms":
        y = y * np.exp(rng.normal(size=(n, 1)))
    elif kind == "collapsed":
        x, y = 1 + 1e-4 * x, 1 + 1e-4 * y
    return x.astype(np.float32), y.astype(np.float32)


@pytest.mark.parametrize("kind", ["plain", "repeated", "norms", "collapsed"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("grouped", [False, True])
def test_sampled_ranks_are_those_of_the_whole(kind, similarity, grouped, monkeypatch):
    monkeypatch.setattr(sampling, "CHUNK", 70)
    monkeypatch.setattr(sampling, "BLOCK", 32)
    x, y = pairs(kind=kind)
    groups = np.arange(300) // 3 if grouped else None
    everything = d.ranks(Embeddings(x, y, similarity=similarity), groups)
    rows = np.sort(generator(5, "rows").permutation(300)[:90])
    found = query_ranks(x, y, rows, survey(x, y, similarity), groups, similarity)
    for side in ("forward", "backward"):
        for name in ("better", "ties", "candidates"):
            whole = getattr(everything.side(side), name)
            np.testing.assert_array_equal(getattr(found.side(side), name), whole[rows], err_msg=name)
    np.testing.assert_array_equal(found.mean_percentile, everything.mean_percentile[rows])


def assert_same_bits(other, one):
    np.testing.assert_array_equal(other.own, one.own)
    for ours, theirs in zip(other.sides, one.sides, strict=True):
        for field in dataclasses.fields(ours):
            np.testing.assert_array_equal(getattr(ours, field.name), getattr(theirs, field.name))


def test_the_executor_does_not_show_in_a_bit(monkeypatch):
    monkeypatch.setattr(surveys, "JOB", 64)
    x, y = pairs(kind="norms")
    one = survey(x, y)
    for executor in (Local(3), Local(2, processes=True)):
        assert_same_bits(survey(x, y, executor=executor), one)


def test_the_cores_do_not_show_in_a_bit(monkeypatch):
    monkeypatch.setattr(surveys, "CHUNK", 16)
    x, y = pairs(kind="norms")
    found = []
    for many in (1, 4):
        monkeypatch.setattr("mmaudit.executor.cores", lambda many=many: many)
        assert Local().threads == many
        found.append(survey(x, y))
    assert_same_bits(*found)


def test_the_survey_has_the_figures_of_the_diagnostics(monkeypatch):
    monkeypatch.setattr(surveys, "CHUNK", 64)
    x, y = pairs(kind="norms")
    e = Embeddings(x, y)
    found = survey(x, y)
    first, second = found.sides
    assert surveys.separation(second, "text", 0.95).value == pytest.approx(d.separation(y).value)
    for side, z in ((first, x), (second, y)):
        ours, theirs = surveys.effective_rank(side, "", 0.95), d.effective_rank(unit_rows(z))
        assert ours.value == pytest.approx(theirs.value, rel=1e-9)
        assert ours.se == pytest.approx(theirs.se, rel=0.6)
    asymmetry = surveys.rank_asymmetry(found, 0.95)
    assert asymmetry.value == pytest.approx(d.rank_asymmetry(e).value, abs=1e-9)
    np.testing.assert_allclose(found.own, np.einsum("ij,ij->i", *e.scored), atol=1e-12)


def test_the_survey_depends_on_neither_chunk_nor_order_and_mirrors(monkeypatch):
    x, y = pairs(kind="norms")
    one = survey(x, y)
    order = generator(6, "order").permutation(len(x))
    monkeypatch.setattr(surveys, "CHUNK", 17)
    other, mirrored = survey(x[order], y[order]), survey(y, x)
    for again, sides in ((other, one.sides), (mirrored, one.sides[::-1])):
        for ours, theirs in zip(again.sides, sides, strict=True):
            np.testing.assert_array_equal(ours.counts, theirs.counts)
            np.testing.assert_allclose(ours.moments, theirs.moments, atol=1e-10)
    first, second = (surveys.rank_asymmetry(s, 0.95) for s in (one, mirrored))
    assert first.value == pytest.approx(-second.value)
    assert first.se == pytest.approx(second.se)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_broken_and_empty_rows_are_counted_and_left_as_they_are(dtype):
    x, y = (z.astype(dtype) for z in pairs())
    x[3], y[7, 2], y[9] = 0, np.nan, np.inf
    given = x.copy(), y.copy()
    found = survey(x, y)
    for z, before in zip((x, y), given, strict=True):
        np.testing.assert_array_equal(z, before)
    assert (found.sides[0].zero, found.sides[0].broken) == (1, 0)
    assert (found.sides[1].zero, found.sides[1].broken) == (0, 2)
    assert found.violations() == 3
