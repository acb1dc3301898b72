"""The search finds planted weak spots, makes them small, says where they begin, and is the same each time."""

import dataclasses
import json

import hypothesis
import numpy as np
import pytest

from mmaudit.evidence import dumps
from mmaudit.executor import Local
from mmaudit.failures.weak_spots import few_of_a_kind, one_template, reader, tilted_and_noisy, two_factors
from mmaudit.gates import Auditor, Verdict
from mmaudit.settings import Settings
from mmaudit.stress import Stress, domain_of, search
from mmaudit.stress.domain import changed_dials, with_dials
from mmaudit.stress.records import counterexample_records, hardest_picture, search_record
from mmaudit.stress.search import _counterexample, _explained, _spoken_of
from mmaudit.stress.trial import COLUMNS, Bench
from mmaudit.subjects import Subject
from mmaudit.world import WorldSpec
from mmaudit.world.captions import SHAPES


def searched(subject, settings):
    return search(subject, domain_of(settings, subject.view), settings)


@pytest.fixture(scope="module")
def healthy(sound, settings):
    return searched(sound, settings)


@pytest.fixture(scope="module")
def tilted(sound, settings):
    return searched(tilted_and_noisy(3, 0.03).planted_in(sound), settings)


def test_a_sound_subject_breaks_in_no_world(healthy):
    assert healthy.failing == 0
    assert healthy.counterexamples == ()
    assert healthy.shrinking == 0
    assert len(healthy.trials) == healthy.domain.budget == 40
    assert len({trial.spec for trial in healthy.trials}) == 40


def test_the_same_search_gives_the_same_bytes(healthy, sound, settings):
    assert dumps(search_record(searched(sound, settings))) == dumps(search_record(healthy))


class Watched(Local):
    """Keeps what it was given to do."""

    def map(self, function, jobs, told=None):
        self.__dict__.setdefault("jobs", []).extend(jobs)
        return super().map(function, jobs, told)


def test_what_was_suspect_is_tried_where_the_executor_says(tilted, sound, settings):
    executor, subject = Watched(), tilted_and_noisy(3, 0.03).planted_in(sound)
    found = search(subject, domain_of(settings, subject.view), settings, executor)
    assert dumps(search_record(found)) == dumps(search_record(tilted))
    trials = [trial.spec for trial in found.trials]
    assert executor.jobs
    assert len(set(executor.jobs)) == len(executor.jobs)
    first = trials.index(executor.jobs[0])
    assert trials[first : first + len(executor.jobs)] == executor.jobs


def test_an_encoder_of_the_users_own_stays_where_it_is(sound, settings):
    executor = Watched()
    weak = tilted_and_noisy(3, 0.03).planted_in(sound)
    assert Stress(Auditor(weak, settings=settings), executor).run("generated_worlds").verdict
    assert not hasattr(executor, "jobs")


def test_another_seed_searches_other_worlds(healthy, sound, settings):
    other = searched(sound, dataclasses.replace(settings, seed=8))
    assert {t.spec for t in other.trials}.isdisjoint({t.spec for t in healthy.trials})


def test_every_value_occurs_and_nearly_every_pair(healthy):
    assert all(tried == there_are for tried, there_are in healthy.coverage.values.values())
    assert healthy.coverage.share > 0.8
    for tried, there_are in healthy.coverage.pairs.values():
        assert 0 < tried <= there_are


@pytest.mark.parametrize(
    ("spot", "view"),
    [
        (tilted_and_noisy(3, 0.03), "features"),
        (two_factors(("shape", 1), ("phase", 5)), "features"),
        (few_of_a_kind(3), "features"),
        (one_template(2), "pictures"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_weak_spot_is_found_and_only_its_dials_are_left(spot, view, sound, settings):
    base = sound if view == "features" else reader()
    found = searched(spot.planted_in(base), settings)
    (example,) = found.counterexamples
    assert set(example.dials) == spot.dials
    assert example.outcome.verdict is Verdict.REJECT
    for dial, level in spot.levels.items():
        m = example.boundaries[dial]
        assert m.value == pytest.approx(level, rel=0.05)
        assert m.low <= m.value <= m.high


def test_a_shrunk_world_is_minimal(tilted, sound, settings):
    (example,) = tilted.counterexamples
    subject = tilted_and_noisy(3, 0.03).planted_in(sound)
    bench = Bench(subject, tilted.domain, settings)
    assert bench(example.trial.spec).rejected
    for dial in example.dials:
        back = {dial: tilted.domain[dial].default}
        assert not bench(dataclasses.replace(example.trial.spec, **back)).rejected


def test_the_counterexample_is_whole_and_shows_its_hardest_pair(tilted, sound):
    records = counterexample_records(tilted, sound, 0.05)
    (record,) = records.values()
    assert list(records) == ["counterexamples/1.json"]
    spec = WorldSpec.from_dict(json.loads(json.dumps(record["world"])))
    assert spec == tilted.counterexamples[0].trial.spec
    assert record["shown"]["factors"]["orientation"] == 3
    assert "78.75 degrees" in record["shown"]["caption"]
    assert hardest_picture(record).shape == (64, 64, 3)
    assert "orientation=3" in record["example"]


def test_the_snippet_is_the_world(tilted):
    (example,) = tilted.counterexamples
    lines = search_record(tilted)["counterexamples"][0]["example"].splitlines()
    shown = []
    scope = {}
    exec("\n".join(lines[:-1]), scope)
    scope["example"] = shown.append
    exec(lines[-1].removeprefix("@"), scope)
    assert shown == [example.trial.spec]


def test_a_world_that_breaks_by_default_says_so(settings):
    def constant(features):
        return np.ones((len(features), 8))

    def noise(features):
        return np.sin(1e4 * np.asarray(features)[:, :8]) + 1.1

    from mmaudit.subjects import Identity

    blind = Subject(
        encoders={"image": constant, "text": noise},
        identity=Identity(name="blind", adapter="test"),
        view="features",
    )
    found = searched(blind, settings)
    (example,) = found.counterexamples
    assert example.dials == {}
    assert example.words == "the default world"
    assert found.failing == len(found.trials)


def test_an_encoder_that_raises_in_a_corner_is_a_counterexample_and_no_crash(sound, settings):
    def text(features):
        if (
            np.asarray(features)[:, 100:].std() > 0
            and len(np.unique(np.asarray(features)[:, 4:8].argmax(axis=1))) == 1
        ):
            raise RuntimeError("one shape only")
        return sound.encoders["text"](features)

    fragile = dataclasses.replace(sound, encoders={**sound.encoders, "text": text})
    found = searched(fragile, settings)
    assert {next(iter(example.dials)) for example in found.counterexamples} == {"shape"}
    assert "one shape only" in found.counterexamples[0].outcome.reason


def test_an_encoder_that_answers_otherwise_each_time_is_told_so(sound):
    asked = [0]

    def text(features):
        asked[0] += 1
        rows = np.asarray(sound.encoders["text"](features))
        return rows if asked[0] > 8 else np.random.default_rng(0).standard_normal(rows.shape)

    fickle = dataclasses.replace(sound, encoders={**sound.encoders, "text": text})
    found = searched(fickle, Settings(stress={"worlds": 8}))
    assert found.failing == 8
    assert found.counterexamples[0].words == (
        "the default world, once: asked again, the encoder answered otherwise"
    )
    assert all(example.outcome.verdict is Verdict.REJECT for example in found.counterexamples)


def test_the_users_hypothesis_profile_changes_nothing_and_is_not_changed(healthy, sound, settings):
    before, profile = hypothesis.settings.default, hypothesis.settings.get_current_profile_name()
    hypothesis.settings.register_profile(
        "theirs",
        max_examples=3,
        phases=[hypothesis.Phase.explicit],
        verbosity=hypothesis.Verbosity.quiet,
        stateful_step_count=2,
        derandomize=False,
        deadline=1,
        suppress_health_check=[],
    )
    hypothesis.settings.load_profile("theirs")
    try:
        again = searched(sound, settings)
        assert hypothesis.settings.default.max_examples == 3
    finally:
        hypothesis.settings.load_profile(profile)
    assert dumps(search_record(again)) == dumps(search_record(healthy))
    assert hypothesis.settings.default.max_examples == before.max_examples


def test_every_setting_of_hypothesis_is_given(sound, settings, monkeypatch):
    """One that the search left out would come from the user's profile."""
    given = {}
    real = hypothesis.settings

    def spy(**fields):
        given.update(fields)
        return real(**fields)

    monkeypatch.setattr(hypothesis, "settings", spy)
    searched(sound, Settings(stress={"worlds": 4}))
    known = (
        {name for name in real.__slots__ if not name.startswith("_")} if hasattr(real, "__slots__") else set()
    )
    known |= {name for name in vars(real) if isinstance(vars(real)[name], property)}
    known -= {"default"}
    assert known <= given.keys(), known - given.keys()
    assert given["derandomize"] is True
    assert given["database"] is None
    assert given["deadline"] is None
    assert given["suppress_health_check"] == (hypothesis.HealthCheck.too_slow,)


def test_worlds_are_judged_at_a_level_that_all_share(sound, settings):
    domain = domain_of(settings, "features")
    assert Bench(sound, domain, settings).settings.alpha == pytest.approx(0.05 / 40)


def test_changed_dials_are_those_that_differ(settings):
    domain = domain_of(settings, "features")
    assert changed_dials(domain.base, domain) == {}
    spec = dataclasses.replace(domain.base, orientation=2, noise_image=0.05)
    assert changed_dials(spec, domain) == {"orientation": 2, "noise_image": 0.05}


def affected_by_shape(spot, shape):
    """``spot``, and every sentence that names ``shape`` besides."""
    return dataclasses.replace(
        spot,
        name=f"{spot.name} or any {shape}",
        affected=lambda texts: spot.affected(texts) | np.array([shape in str(text) for text in texts]),
    )


@pytest.mark.parametrize(("shape", "explained"), [(None, True), ("square", False)])
def test_a_world_has_a_cause_of_its_own_if_it_fails_without_a_known_kind(shape, explained, settings):
    """Text noise draws the wording of each caption: a weak spot of one wording shows in a quarter of them."""
    spot = one_template(2)
    subject = (spot if shape is None else affected_by_shape(spot, shape)).planted_in(reader())
    domain = dataclasses.replace(domain_of(settings, "pictures"), budget=1)
    bench = Bench(subject, domain, settings)
    known = _counterexample(bench, with_dials(domain.base, {"paraphrase": 2}, 144))
    drawn = with_dials(domain.base, {"noise_text": 0.005, "shape": SHAPES.index("square")}, 144)
    trial = bench(drawn)
    of_the_kind = _spoken_of(known, trial, domain)
    assert 0.1 < of_the_kind.mean() < 0.4
    assert _explained([known], trial, bench) is explained


def test_a_world_is_explained_where_all_its_items_are_and_not_where_none_is(tilted, sound, settings):
    (known,) = tilted.counterexamples
    bench = Bench(tilted_and_noisy(3, 0.03).planted_in(sound), tilted.domain, settings)

    def explained(**dials):
        return _explained([known], bench(with_dials(tilted.domain.base, dials, 144)), bench)

    assert explained(orientation=3, noise_image=0.05, copies=1)
    assert not explained(orientation=3)
    assert not explained(orientation=4, noise_image=0.05)
    # One world in which a part of the items is of the kind, and the others are well.
    assert explained(noise_image=0.06)


def test_a_part_of_a_world_is_judged_by_itself(sound, settings):
    spot = two_factors(("shape", 1), ("thickness", 1))
    domain = dataclasses.replace(domain_of(settings, "features"), budget=1)
    bench = Bench(spot.planted_in(sound), domain, settings)
    spec = with_dials(domain.base, {"shape": 1, "copies": 1}, 144)
    thick = bench(spec).columns[:, COLUMNS.index("thickness")] == 1
    assert bench.part(spec, np.flatnonzero(thick)) is Verdict.REJECT
    assert bench.part(spec, np.flatnonzero(~thick)) is not Verdict.REJECT
