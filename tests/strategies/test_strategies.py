"""The strategies are what they say they are, and shrink to what matters."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from mmaudit import strategies as s
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError, SettingsError
from mmaudit.failures import MECHANISMS
from mmaudit.interventions import EDITS
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator
from mmaudit.strategies.dials import _of
from mmaudit.world import WorldSpec, build, preset
from mmaudit.world.spec import FACTORS

SMALL = preset("small")
FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def smallest(strategy, condition):
    return find(
        strategy,
        condition,
        settings=settings(max_examples=2000, deadline=None, derandomize=True, database=None),
    )


def test_a_world_shrinks_to_the_clean_small_default_one():
    assert smallest(s.world_specs(), lambda spec: True) == SMALL


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (lambda w: w.noise_image > 0.1, {"noise_image": 0.125}),
        (lambda w: w.orientation == 3 and w.noise_image > 0.1, {"orientation": 3, "noise_image": 0.125}),
        (lambda w: w.shape == 2 and w.frequency == 4, {"shape": 2, "frequency": 4}),
        (lambda w: w.copies < 3, {"copies": 2}),
        (lambda w: w.paraphrase == 2, {"paraphrase": 2}),
        (lambda w: w.n_test < 20, {"n_test": 19}),
    ],
)
def test_only_the_guilty_dials_are_left_in_a_counterexample(condition, left):
    turned = ["noise_image", "orientation", "shape", "frequency", "copies", "paraphrase", "n_test"]
    found = smallest(s.world_specs(only=turned), condition)
    assert found == dataclasses.replace(SMALL, **left)


def test_the_confounder_shrinks_too():
    found = smallest(
        s.world_specs(only=["agreement", "kind", "shape"]), lambda spec: spec.confounder.agreement > 0.5
    )
    assert found == dataclasses.replace(
        SMALL, confounder=dataclasses.replace(SMALL.confounder, agreement=0.55)
    )


@FEW
@given(s.world_specs())
def test_every_drawn_spec_holds_at_most_two_factors_and_can_be_built(spec):
    assert len(spec.held) <= 2
    try:
        world = build(spec)
    except InputError as error:
        refusal = str(error)
        assert "mean the same" in refusal
        return
    for name, level in spec.held.items():
        assert set(world.items.factors[:, list(FACTORS).index(name)]) == {level}
    if spec.paraphrase is not None:
        assert set(world.items.paraphrases(range(len(world.items)))) == {spec.paraphrase}


def test_every_dial_moves():
    seen: dict[str, set[object]] = {name: set() for name in s.DIALS}

    @settings(FEW, max_examples=400)
    @given(s.world_specs())
    def collect(spec):
        for name in s.DIALS:
            seen[name].add(_of(spec, name))

    collect()
    assert {name for name, values in seen.items() if len(values) < 2} == set()


@FEW
@given(
    s.world_specs(
        only=["noise_text"],
        noise_image=(0.1, 0.2),
        orientation=[5],
        copies=2,
        frequency=st.just(1),
        held=1,
    )
)
def test_dials_take_the_values_they_are_given(spec):
    assert 0.1 <= spec.noise_image <= 0.2
    assert spec.orientation in (None, 5)
    assert spec.copies == 2
    assert len(spec.held) <= 1
    same = {f.name for f in dataclasses.fields(WorldSpec)}
    same -= {"noise_text", "noise_image", "orientation", "copies", "frequency"}
    assert all(getattr(spec, name) == getattr(SMALL, name) for name in same)


def test_a_dial_that_does_not_exist_is_one_line():
    with pytest.raises(SettingsError, match="no dial 'nois'; the dials of a world are shape"):
        s.world_specs(nois=0.1)


@settings(FEW, max_examples=30)
@given(s.worlds(s.world_specs(only=["noise_image", "orientation"])), st.data())
def test_worlds_and_pairs_are_of_the_specs_they_are_given(world, data):
    assert len(world.splits["test"]) == SMALL.n_test
    drawn = data.draw(s.pairs(st.just(world.spec), view="pictures"))
    assert drawn.inputs["image"][0].shape == (64, 64, 3)
    assert isinstance(drawn.inputs["text"][0], str)


@settings(FEW, suppress_health_check=[HealthCheck.too_slow])  # 144 pictures a world take a moment
@given(s.pairs(s.world_specs(only=["noise_image", "agreement"]), view="features"), s.interventions())
def test_an_intervention_leaves_every_meaning_where_rows_says(pairs, change):
    changed, rows = change.apply(pairs), change.rows(len(pairs))
    assert len(changed) == len(rows)
    assert np.array_equal(changed.groups, pairs.groups[rows])
    for name, levels in pairs.factors.items():
        assert np.array_equal(changed.factors[name], levels[rows])
    if change.name in ("identity", "reordered", "fewer"):
        assert np.array_equal(changed.inputs["image"], pairs.inputs["image"][rows])
    if change.name == "relabelled":
        old, new = pairs.nuisance["confounder"], changed.nuisance["confounder"]
        assert len(set(zip(old.tolist(), new.tolist(), strict=True))) == len(set(old.tolist()))


def drawn_pairs():
    """Claimed pictures and captions with everything that pairs can have."""
    n = 6
    return Pairs(
        inputs={
            "image": [
                generator(i, "picture").integers(0, 256, (24, 24, 3), dtype=np.uint8) for i in range(n)
            ],
            "text": [f"a small dog number {i}" for i in range(n)],
        },
        groups=np.arange(n) // 2,
        nuisance={"source": np.arange(n) % 3},
        metadata={"agency": np.array([f"agency {i}" for i in range(n)])},
        splits=np.array(["train", "test"] * (n // 2)),
        places=[f"row {i}" for i in range(n)],
        trusted=np.arange(n) < 3,
    )


@FEW
@given(s.interventions())
def test_an_intervention_keeps_what_is_known_of_real_pairs(change):
    pairs = drawn_pairs()
    changed, rows = change.apply(pairs), change.rows(len(pairs))
    assert np.array_equal(changed.groups, pairs.groups[rows])
    for name in ("trusted", "splits"):
        assert np.array_equal(getattr(changed, name), getattr(pairs, name)[rows])
    assert list(changed.places) == [pairs.places[i] for i in rows]
    assert changed.metadata["agency"].tolist() == pairs.metadata["agency"][rows].tolist()
    touched = {m for m in pairs.inputs if not same(changed.inputs[m], [pairs.inputs[m][i] for i in rows])}
    kind = EDITS[change.name].kind if change.name in EDITS else None
    assert touched == {"picture": {"image"}, "caption": {"text"}, None: set()}[kind]
    if kind == "picture":
        assert all(p.shape == (24, 24, 3) and p.dtype == np.uint8 for p in changed.inputs["image"])


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def names_of(strategy):
    seen = set()

    @settings(FEW, max_examples=400)
    @given(strategy)
    def collect(change):
        seen.add(change.name)

    collect()
    return seen


def test_every_intervention_is_drawn_and_given_pairs_those_that_change_them():
    assert names_of(s.interventions()) == set(s.INTERVENTIONS)
    assert names_of(s.interventions(drawn_pairs())) == set(s.INTERVENTIONS) - {"redrawn"}
    features = build(SMALL).pairs("test", "features")
    assert names_of(s.interventions(features)) == {"identity", "reordered", "fewer", "relabelled", "redrawn"}
    assert names_of(s.interventions(only=["jpeg", "case"])) == {"jpeg", "case"}


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (lambda change: True, "identity"),
        (lambda change: change.name in EDITS, "case"),
        # Without a gap: from beyond one, Hypothesis need not find the way back.
        (lambda change: s.INTERVENTIONS.index(change.name) >= s.INTERVENTIONS.index("marker"), "marker"),
        (lambda change: change.name in EDITS and EDITS[change.name].kind == "picture", "jpeg"),
    ],
)
def test_interventions_shrink_to_the_mildest(condition, left):
    assert smallest(s.interventions(), condition).name == left


def test_an_encoder_of_watermarks_is_caught_by_the_edit_that_hides_them():
    """A user's test of their own encoder: it reads a stamp, and the mildest edit that shows it is left."""
    stamped = drawn_pairs()
    for i, picture in enumerate(stamped.inputs["image"]):
        picture[:3, :3] = 40 * i

    def read(pictures):
        return [int(picture[:3, :3].mean() / 40 + 0.5) for picture in pictures]

    @settings(FEW)
    @given(s.interventions(stamped))
    def same_answers(change):
        before, after = read(stamped.inputs["image"]), read(change.apply(stamped).inputs["image"])
        assert after == [before[i] for i in change.rows(len(stamped))]

    with pytest.raises(AssertionError) as failure:
        same_answers()
    told = "".join("".join(failure.value.__notes__).split())
    assert "change=Intervention(name='corners',seed=0" in told.replace("'corners',0", "name='corners',seed=0")


def test_an_intervention_that_does_not_exist_or_changes_nothing_is_one_line():
    with pytest.raises(SettingsError, match="no intervention 'blurr'; the interventions are identity, reord"):
        s.interventions(only=["blurr"])
    features = build(SMALL).pairs("test", "features")
    with pytest.raises(SettingsError, match="blur, case changes nothing of these pairs; name another"):
        s.interventions(features, only=["case", "blur"])
    with pytest.raises(SettingsError, match="an empty list changes nothing of these pairs"):
        s.interventions(only=[])
    with pytest.raises(SettingsError, match="no intervention 'rotated'"):
        s.Intervention("rotated", 0)


@FEW
@given(s.failures())
def test_failures_are_mechanisms_at_a_severity(failure):
    mechanism, severity = failure
    assert mechanism in MECHANISMS
    assert 0 <= severity <= 1
    mechanism.apply(severity)


def test_failures_shrink_to_healthy():
    assert smallest(s.failures(), lambda failure: True) == (MECHANISMS[0], 0.0)


def test_embeddings_shrink_to_a_few_healthy_pairs_and_come_in_every_kind():
    assert isinstance(smallest(s.embeddings(), lambda e: True), Embeddings)
    assert len(smallest(s.embeddings(), lambda e: True)) == 2
    conditions = {
        "empty": lambda e: len(e) == 0,
        "one item": lambda e: len(e) == 1,
        "duplicates": lambda e: len(e) > 3 and 1 < len(np.unique(e.x, axis=0)) < len(e),
        "zero rows": lambda e: len(e) > 2 and 0 < np.sum(~e.x.any(axis=1)) < len(e),
        "constant": lambda e: len(e) > 2 and bool(np.all(e.x == 1)),
        "denormal": lambda e: e.x.size > 0 and 0 < np.abs(e.x).max() < 1e-38,
        "huge norms": lambda e: e.x.size > 0 and np.abs(e.x).max() > 1e36,
        "one dimension": lambda e: e.width == 1,
        "rank one": lambda e: len(e) > 3 < e.width and np.linalg.matrix_rank(e.x, tol=1e-4) == 1,
    }
    few = settings(FEW, max_examples=300, phases=[Phase.generate])
    for kind, condition in conditions.items():
        find(s.embeddings([kind]), condition, settings=few)
