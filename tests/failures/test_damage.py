import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaudit.diagnostics import input_similarity, rankme, ranks
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.failures import damage
from mmaudit.seeds import generator

severities = st.floats(0, 1)
quick = settings(deadline=None, max_examples=25, derandomize=True, database=None)


def sides(n=120, width=12, seed=0):
    rng = generator(seed, "damage tests")
    x = rng.standard_normal((n, width))
    return x, x + 0.5 * rng.standard_normal((n, width))


def ranked(x, y):
    found = ranks(Embeddings(x.astype(np.float32), y.astype(np.float32)))
    return [found.forward.better.tolist(), found.backward.better.tolist()]


def rng(name="plant"):
    return generator(1, name)


def everything(x, y, severity):
    """Each damage at one severity, as the pair of sides that it serves."""
    codes = np.arange(len(y)) % 4
    rows = np.arange(len(y))
    return {
        "mixed_with_inputs": (x, damage.mixed_with_inputs(y, x**2, severity, rng())),
        "mixed_with_noise": (x, damage.mixed_with_noise(y, severity, rng())),
        "cut_rank": (x, damage.cut_rank(y, severity)),
        "shrunk_to_mean": (damage.shrunk_to_mean(x, severity), damage.shrunk_to_mean(y, severity)),
        "deranged": (x, damage.deranged(y, rows, severity, rng())),
        "marked": (damage.marked(x, codes, 4, severity), damage.marked(y, codes, 4, severity)),
        "overwritten": tuple(damage.overwritten(z, codes, 4, severity, rng()) for z in (x, y)),
        "unequal_norms": (x, damage.unequal_norms(y, severity, rng())),
        "with_nan": (x, damage.with_nan(y, severity)),
    }


def test_severity_zero_changes_no_rank():
    x, y = sides()
    before = ranked(x, y)
    for name, served in everything(x, y, 0.0).items():
        assert ranked(*served) == before, name
    # A common last coordinate: no order changes.
    biased = damage.biased_gallery(x, y, 0.0, rng())
    wide = ranks(Embeddings(*(z.astype(np.float32) for z in biased), similarity="dot"))
    assert [wide.forward.better.tolist(), wide.backward.better.tolist()] == before


def test_nothing_changes_its_input():
    x, y = sides()
    before = x.copy(), y.copy()
    everything(x, y, 0.7)
    damage.biased_gallery(x, y, 0.7, rng())
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


def test_every_damage_is_tested_here():
    functions = {name for name in damage.__all__ if inspect.isfunction(getattr(damage, name))}
    assert functions == {*everything(*sides(), 0.5), "biased_gallery"}


@given(severities, st.integers(0, 50))
@quick
def test_a_gallery_bias_leaves_one_direction_exactly_unchanged(severity, seed):
    x, y = sides(seed=seed)
    unit = [unit_rows(z) for z in (x, y)]
    biased = damage.biased_gallery(x, y, severity, generator(seed, "bias"))
    before, after = (a @ b.T for a, b in (unit, biased))
    # Column j is the order in which y query j sees the x items: only a constant was added to it.
    assert np.array_equal(np.argsort(before, axis=0), np.argsort(after, axis=0))
    shift = after - before
    assert np.allclose(shift, shift[0], atol=1e-12)
    if severity > 0.1:
        assert not np.array_equal(np.argsort(before, axis=1), np.argsort(after, axis=1))


@given(severities, st.integers(0, 60))
@quick
def test_derangement_moves_exactly_its_share(severity, size):
    _, y = sides()
    rows = np.arange(0, 2 * size, 2)
    out = damage.deranged(y, rows, severity, rng())
    moved = np.flatnonzero((out != y).any(axis=1))
    wanted = round(severity * len(rows))
    assert len(moved) == (wanted if wanted >= 2 else 0)
    assert set(moved) <= set(rows)
    assert sorted(map(tuple, out)) == sorted(map(tuple, y))


def test_a_projection_of_the_inputs_replaces_the_item_and_keeps_the_inputs():
    _, y = sides()
    inputs = generator(2, "damage inputs").standard_normal((len(y), 4))
    found = [
        input_similarity(inputs, damage.mixed_with_inputs(y, inputs, severity, rng())).value
        for severity in (0.0, 0.5, 1.0)
    ]
    assert found == sorted(found)
    assert found[0] < 0.1
    assert found[2] > 0.7


@given(severities)
@quick
def test_cut_rank_leaves_the_directions_it_says(severity):
    x, _ = sides()
    cut = damage.cut_rank(x, severity)
    centred = cut - cut.mean(axis=0)
    kept = max(1, round(12 ** (1 - severity)))
    assert np.linalg.matrix_rank(centred, tol=1e-8) == kept
    assert np.allclose(cut.mean(axis=0), unit_rows(x).mean(axis=0))


def test_cut_rank_counts_the_rank_there_is():
    x, _ = sides()
    flat = np.hstack([x[:, :4], np.zeros((len(x), 8))])
    centred = damage.cut_rank(flat, 0.5)
    assert np.linalg.matrix_rank(centred - centred.mean(axis=0), tol=1e-8) == 2
    same = np.ones((5, 3))
    assert np.allclose(damage.cut_rank(same, 0.5), unit_rows(same))


@given(severities)
@quick
def test_shrinking_raises_the_mean_cosine_to_one(severity):
    x, _ = sides()
    unit = unit_rows(damage.shrunk_to_mean(x, severity))
    before = unit_rows(x)
    assert (unit @ unit.T).mean() >= (before @ before.T).mean() - 1e-12
    if severity == 1:
        assert np.allclose(unit, unit[0])


def test_shrinking_opposite_items_still_has_somewhere_to_go():
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert np.allclose(damage.shrunk_to_mean(opposite, 1.0), [[1.0, 0.0], [1.0, 0.0]])


@given(severities, st.integers(1, 40))
@quick
def test_nan_rows_are_counted_up(severity, n):
    out = damage.with_nan(np.ones((n, 3)), severity)
    gone = int(np.isnan(out).all(axis=1).sum())
    assert gone == int(np.ceil(severity * n))
    assert gone == np.isnan(out).any(axis=1).sum()
    assert (gone > 0) == (severity > 0)


@given(severities)
@quick
def test_marks_are_one_hot_of_the_stated_weight(severity):
    x, _ = sides()
    codes = np.arange(len(x)) % 5
    out = damage.marked(x, codes, 5, severity)
    assert np.array_equal(out[:, :12], unit_rows(x))
    assert np.array_equal(out[:, 12:], severity * np.eye(5)[codes])


def test_at_full_severity_only_the_mark_is_shared():
    x, y = sides(n=400)
    codes = np.arange(400) % 4
    rng = generator(2, "full")
    a, b = (unit_rows(damage.overwritten(z, codes, 4, 1.0, rng)) for z in (x, y))
    scores = a @ b.T
    same = codes[:, None] == codes
    assert scores[same].mean() == pytest.approx(0.5, abs=0.01)
    assert scores[~same].mean() == pytest.approx(0.0, abs=0.01)
    assert np.diag(scores).mean() == pytest.approx(scores[same].mean(), abs=0.05)


def test_noise_at_full_severity_knows_nothing_of_the_item():
    x, _ = sides(n=2000)
    noise = damage.mixed_with_noise(x, 1.0, rng())
    assert np.allclose(np.linalg.norm(noise, axis=1), 1)
    assert abs(np.sum(noise * unit_rows(x), axis=1).mean()) < 0.03


@given(severities)
@quick
def test_unequal_norms_keep_directions(severity):
    x, _ = sides()
    out = damage.unequal_norms(x, severity, rng())
    assert np.allclose(unit_rows(out), unit_rows(x))
    log = np.log(np.linalg.norm(out, axis=1) / np.linalg.norm(x, axis=1))
    assert log.std() == pytest.approx(severity, rel=0.25, abs=1e-12)


def test_the_rank_of_a_cut_side_falls_with_the_dial():
    x, y = sides(n=300)
    falling = []
    for severity in (0.0, 0.3, 0.6, 1.0):
        cut = damage.cut_rank(y, severity) - unit_rows(y).mean(axis=0)
        falling.append(rankme(Embeddings(x.astype(np.float32), cut.astype(np.float32)).y).value)
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] < 1.5
