"""What is planted, dose by dose: each damage does what its name says and no more."""

import dataclasses
import math

import numpy as np
import pytest

from mmaudit import diagnostics as d
from mmaudit.embeddings import Embeddings
from mmaudit.errors import ControlError
from mmaudit.gates import CHECKS, check_named
from mmaudit.gates.case import Again, Case, Inputs
from mmaudit.gates.controls import MARK_CODES, SEVERITIES, smallest
from mmaudit.gates.facets import Scan
from mmaudit.seeds import generator
from mmaudit.subjects import Training

N, WIDTH = 240, 12
NAMES = [check.name for check in CHECKS]


def rows(seed=0, n=N, noise=0.3):
    rng = generator(seed, "controls")
    z = rng.normal(size=(n, WIDTH))
    sides = (z + noise * rng.normal(size=z.shape) for _ in range(2))
    return tuple((s / np.linalg.norm(s, axis=1, keepdims=True)).astype(np.float32) for s in sides)


def plain(**fields):
    x, y = rows()
    return Case(x=x, y=y, **fields)


def planted(name, case, severity, seed=1):
    return check_named(name).damage.plant(case, severity, generator(seed, "damage"))


def observed(x, y, movements=None):
    return Training(
        gradient_norms=(np.asarray(x), np.asarray(y)),
        temperature=0.07,
        movements=None if movements is None else tuple(np.asarray(m) for m in movements),
        observed="seen from outside",
    )


@pytest.mark.parametrize("severity", [0.0, 0.3, 0.9])
def test_an_observed_movement_is_taken_from_one_encoder(severity):
    case = plain(training=observed([1.0], [1.0], ([0.5], [0.25])))
    (before,) = check_named("movement_ratio").measure(case)
    after = planted("movement_ratio", case, severity)
    (m,) = check_named("movement_ratio").measure(after)
    assert before.value == pytest.approx(math.log(2))
    assert m.value - before.value == pytest.approx(-math.log(1 - severity))
    assert after.training.gradient_norms is case.training.gradient_norms


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_observed_gradients_are_lowered_by_powers_of_sixteen(severity):
    case = plain(training=observed([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], ([0.5], [0.25])))
    (before,) = check_named("gradient_ratio").measure(case)
    after = planted("gradient_ratio", case, severity)
    (m,) = check_named("gradient_ratio").measure(after)
    assert m.value - before.value == pytest.approx(severity * math.log(16))
    assert after.training.movements is case.training.movements


def test_what_was_not_observed_is_trained_again_with_its_fault_or_says_that_it_cannot():
    asked = []

    def again(fault, severity):
        asked.append((fault, severity))
        return observed([9.0], [1.0], ([9.0], [1.0]))

    trained = dataclasses.replace(observed([1.0], [1.0], ([1.0], [1.0])), observed=None)
    unmoved = observed([1.0], [1.0])
    for training in (trained, unmoved, None):
        assert (
            planted("movement_ratio", plain(training=training, retrain=again), 0.4).training.movements[0] == 9
        )
    for training in (trained, None):
        assert planted("gradient_ratio", plain(training=training, retrain=again), 0.2).training.observed
    assert asked == [("passenger", 0.4)] * 3 + [("heavy start", 0.2)] * 2
    with pytest.raises(ControlError, match="cannot be trained again"):
        planted("movement_ratio", plain(training=trained), 0.5)


@pytest.mark.parametrize("severity", [0.25, 1.0])
def test_twins_carry_a_code_that_both_sides_share_and_all_codes_occur(severity):
    case = plain(twins=Embeddings(*rows(2)), twin_size=4)
    marked = planted("twin_accuracy", case, severity).twins
    codes = [side[:, WIDTH:] for side in (marked.x, marked.y)]
    assert np.array_equal(*codes)
    assert codes[0].shape == (N, MARK_CODES)
    drawn = generator(1, "damage").integers(0, 16, size=N)
    assert np.array_equal(codes[0].argmax(axis=1), drawn)
    assert np.array_equal(codes[0].sum(axis=1), np.full(N, np.float32(severity)))
    assert (codes[0].sum(axis=0) > 0).all()
    before, after = (d.twin_accuracy(t.x, t.y, 4).value for t in (case.twins, marked))
    assert after >= before


def test_a_redrawn_code_is_shared_as_audited_and_not_once_redrawn():
    case = plain(redrawn=(Embeddings(*rows(3)), Embeddings(*rows(4))))
    marked = planted("counterfactual_drop", case, 0.5)
    shared = marked.x[:, WIDTH:]
    rng = generator(1, "damage")
    assert np.array_equal(shared.argmax(axis=1), rng.integers(0, 16, size=N))
    assert np.array_equal(shared, marked.y[:, WIDTH:])
    assert (shared.sum(axis=0) > 0).all()
    assert shared.shape[1] == MARK_CODES
    for again in marked.redrawn:
        first, second = (side[:, WIDTH:].argmax(axis=1) for side in (again.x, again.y))
        assert np.array_equal([first, second], rng.integers(0, 16, size=(2, N)))
        assert 0 < np.mean(first == second) < 0.2
        assert len(set(first)) == len(set(second)) == MARK_CODES


def test_damage_of_one_modality_leaves_the_other():
    inputs = Inputs(rows=np.arange(0, N, 2), columns={m: rows(5)[0][::2] for m in ("image", "text")})
    case = plain(inputs=inputs)
    for name in ("contract", "pair_discrimination", "norm_leak", "rank_asymmetry"):
        one_side = planted(name, case, 0.7)
        assert np.array_equal(one_side.x, case.x), name
        assert not np.array_equal(one_side.y, case.y), name
    before = case.x, case.y
    for side, name in enumerate(name for name in NAMES if name.endswith("_input_similarity")):
        mixed = planted(name, case, 0.7)
        after = mixed.x, mixed.y
        assert np.allclose(after[1 - side], before[1 - side])
        assert not np.isclose(after[side][::2], before[side][::2]).all(axis=1).any()
        assert np.allclose(after[side][1::2], before[side][1::2])


def test_an_answer_that_depends_on_the_position_does_so_the_second_time_alone():
    case = plain(again=(Again("in another order", np.arange(5, 25), *(z[5:25] for z in rows())),))
    leaky = planted("consistency", case, 0.5)
    assert np.array_equal(leaky.x, case.x)
    assert np.array_equal(leaky.y, case.y)
    (first,), (second,) = case.again, leaky.again
    assert np.array_equal(first.x, second.x)
    assert not np.isclose(first.y, second.y).all(axis=1).any()


def test_a_nuisance_overwrites_both_sides_by_one_code():
    values = np.array([7, 3, 9])[np.arange(N) % 3]
    full = planted("matched_negative_drop", plain(nuisance={"source": values}), 0.4)
    for side in (full.x, full.y):
        codes = side[:, WIDTH:]
        assert codes.shape == (N, 3)
        assert np.allclose(codes.sum(axis=1), 0.4)
        assert np.array_equal(codes.argmax(axis=1), np.unique(values, return_inverse=True)[1])


def test_claimed_pairs_alone_are_swapped_and_as_many_as_was_said():
    trusted = np.arange(N) < N // 2
    for severity in (0.1, 0.5, 1.0):
        swapped = planted("mispairing_rate", plain(trusted=trusted), severity)
        moved = np.any(swapped.y != rows()[1], axis=1)
        assert not moved[trusted].any()
        assert moved.sum() == pytest.approx(severity * N / 2, abs=1)
    everywhere = planted("mispairing_rate", plain(), 1.0)
    assert np.any(everywhere.y != rows()[1], axis=1).all()


def test_a_scanned_column_takes_the_place_of_the_item_where_it_is_known():
    column = np.arange(N // 2) % 3
    scan = Scan(np.arange(0, N, 2), {"source": column}, {}, ())
    full = planted("shortcut_scan", plain(scan=scan), 1.0)
    for side in (full.x, full.y):
        codes = side[:, WIDTH:].argmax(axis=1)
        assert np.array_equal(codes[::2], column + 1)
        assert not codes[1::2].any()


def test_contents_of_another_split_are_copied_in_the_share_that_was_said():
    splits, contents = np.arange(N) % 2, {"image": np.arange(N), "text": np.arange(N) + 1000}
    case = plain(splits=splits, contents=contents)
    for severity in (0.0, 0.02, 0.25, 1.0):
        copied = planted("split_overlap", case, severity)
        for what, codes in copied.contents.items():
            moved = codes != contents[what]
            assert not moved[splits == 0].any()
            assert moved.sum() == round(severity * N / 2)
            assert np.isin(codes[moved], contents[what][splits == 0]).all()
    assert (planted("split_overlap", case, 0.001).contents["image"] != contents["image"]).sum() == 1


def test_one_slice_is_damaged_the_smallest_that_is_measured():
    inside = {"few": np.arange(N) < 20, "some": np.arange(N) < 40, "most": np.arange(N) >= 40}
    for name in ("slice_discrimination", "slice_spread"):
        damaged = planted(name, plain(slices=inside), 0.8)
        assert np.allclose(damaged.x, rows()[0])
        assert np.allclose(damaged.y[40:], rows()[1][40:])
        assert not np.isclose(damaged.y[:40], rows()[1][:40]).all(axis=1).any()


def test_the_search_for_the_least_severity_asks_as_little_as_bisection():
    asked = []

    def rejects(severity):
        asked.append(severity)
        return severity >= 0.3

    assert smallest(rejects) == 0.3
    assert len(asked) <= 1 + math.ceil(math.log2(len(SEVERITIES)))
    # A damage that leaves nothing to lose at its fullest is looked for from below.
    assert smallest(lambda severity: 0.2 <= severity <= 0.4) == 0.2
    assert smallest(lambda severity: severity in (0.02, 1.0)) in (0.02, 1.0)


def test_a_damage_that_only_the_last_but_one_severity_shows_is_found():
    for severity in SEVERITIES[:-1]:
        assert smallest(lambda s, severity=severity: s == severity) == severity


def test_nothing_is_tried_twice():
    for reject in (lambda s: False, lambda s: s > 0.1, lambda s: s == 0.9, lambda s: True):
        asked = []
        smallest(lambda s, reject=reject, asked=asked: asked.append(s) or reject(s))
        assert len(asked) == len(set(asked))
        assert set(asked) <= set(SEVERITIES)


def test_a_scanned_column_has_a_code_for_each_value_and_one_for_unknown():
    scan = Scan(np.arange(0, N, 2), {"source": np.arange(N // 2) % 3, "other": np.zeros(N // 2, int)}, {}, ())
    full = planted("shortcut_scan", plain(scan=scan), 1.0)
    assert full.x.shape == full.y.shape == (N, WIDTH + 4)


@pytest.mark.parametrize(("small", "damaged"), [(29, slice(0, 100)), (30, slice(210, 240))])
def test_the_slice_that_is_damaged_has_thirty_items(small, damaged):
    inside = {"small": np.arange(N) >= N - small, "large": np.arange(N) < 100}
    for name in ("slice_discrimination", "slice_spread"):
        moved = ~np.isclose(planted(name, plain(slices=inside), 0.8).y, rows()[1]).all(axis=1)
        assert np.flatnonzero(moved).tolist() == list(range(N))[damaged]


def test_a_slice_of_too_few_groups_is_not_damaged():
    groups = np.arange(N)
    groups[:40] = np.arange(40) // 5
    inside = {"captions": np.arange(N) < 40, "rest": np.arange(N) >= 100}
    for name in ("slice_discrimination", "slice_spread"):
        moved = ~np.isclose(planted(name, plain(slices=inside, groups=groups), 0.8).y, rows()[1]).all(axis=1)
        assert np.flatnonzero(moved).tolist() == list(range(100, N))


def test_copies_are_taken_from_the_split_of_the_first_item():
    splits = np.array([2, 2, 0, 1] * (N // 4))
    contents = {"image": np.arange(N)}
    codes = planted("split_overlap", plain(splits=splits, contents=contents), 1.0).contents["image"]
    assert np.array_equal(codes[splits == 2], np.flatnonzero(splits == 2))
    assert (splits[codes] == 2).all()
    assert len(set(codes[splits != 2])) > N // 8


def test_a_case_of_some_pairs_keeps_what_is_said_of_them():
    kept = np.array([4, 7, 9])
    codes = np.arange(N)
    e = Embeddings(*rows(2))
    case = plain(
        modalities=("audio", "text"),
        similarity="dot",
        groups=codes // 2,
        trusted=codes % 2 == 0,
        factors={"f": codes},
        nuisance={"n": codes + 1},
        scan=Scan(np.arange(0, N, 3), {"c": np.arange(N // 3)}, {}, ("s",)),
        slices={"s": codes < 8},
        splits=codes % 3,
        contents={"image": codes * 2},
        again=(Again("once more", kept, rows()[0][kept], rows()[1][kept]),),
        inputs=Inputs(rows=kept, columns={}),
        redrawn=(e, Embeddings(*rows(3))),
        twins=e,
        twin_size=4,
    )
    some = case.take(kept)
    assert np.array_equal(some.x, rows()[0][kept])
    assert np.array_equal(some.y, rows()[1][kept])
    assert (some.modalities, some.similarity, some.twin_size) == (("audio", "text"), "dot", 4)
    assert (some.groups.tolist(), some.trusted.tolist()) == ([2, 3, 4], [True, False, False])
    assert (some.factors["f"].tolist(), some.nuisance["n"].tolist()) == ([4, 7, 9], [5, 8, 10])
    assert (some.scan.rows.tolist(), some.scan.form["c"].tolist()) == ([2], [3])
    assert (some.slices["s"].tolist(), some.splits.tolist()) == ([True, True, False], [1, 1, 0])
    assert some.contents["image"].tolist() == [8, 14, 18]
    assert (some.again, some.inputs, some.twins) == ((), None, e)
    assert [r.x.tolist() for r in some.redrawn] == [r.x[kept].tolist() for r in case.redrawn]
    bare = plain().take(kept)
    assert (bare.groups, bare.trusted, bare.scan, bare.splits, bare.twin_size) == (None, None, None, None, 0)


def test_unit_rows_of_a_case_have_their_directions():
    case = plain()
    for found, z in zip(case.directions, (case.x, case.y), strict=True):
        unit = z / np.linalg.norm(z, axis=1, keepdims=True).astype(np.float64)
        assert found.singular == pytest.approx(
            np.linalg.svd(unit - unit.mean(axis=0), compute_uv=False), rel=1e-5
        )
