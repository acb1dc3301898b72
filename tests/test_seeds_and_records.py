import dataclasses
import json

import numpy as np
import pytest

from mmaudit import errors, inference
from mmaudit.gates import Control, Limit, Outcome, Verdict
from mmaudit.measurement import Measurement
from mmaudit.seeds import derived_seed, generator, seed_sequence


def draws(*path, seed=7):
    return generator(seed, *path).integers(0, 2**32, 8).tolist()


def test_a_stream_is_its_seed_and_name():
    assert draws("a") == draws("a")
    assert draws("a", 1) == draws("a", "1")
    streams = [draws("a"), draws("b"), draws("a", "b"), draws("ab"), draws("a", seed=8), draws()]
    assert len({tuple(s) for s in streams}) == len(streams)


def test_streams_are_the_same_on_every_machine():
    assert derived_seed(7, "world") == int(seed_sequence(7, "world").generate_state(1)[0])
    assert [derived_seed(7, "a"), derived_seed(7, "b", 3)] == [2697694060, 3488968418]


def test_no_global_random_state_is_touched():
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    draws("a")
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def measurement():
    return inference.mean("m", [0.0, 1.0, 0.5], unit="share", null=0.5, notes=("why",))


def test_a_measurement_goes_through_json_unchanged():
    for m in (measurement(), inference.exact("e", 1.0, 3), inference.undefined("u", "no item")):
        row = json.loads(json.dumps(m.record(), allow_nan=False))
        assert Measurement.from_record(row) == m


def outcome():
    return Outcome(
        check="c",
        failure="dominance",
        question="?",
        verdict=Verdict.ACCEPT,
        measurement=measurement(),
        limit=Limit(low=-0.1, high=0.1, kind="user", rationale="ours"),
        others=(measurement(),),
        p_value=1.0,
        p_adjusted=1.0,
        family=17,
        n_to_decide=None,
        control=Control(damage="noise", severity=0.1, value=0.2, harm=None),
        access=("embeddings",),
        reason="fine",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"control": None, "limit": None, "verdict": None},
        {"measurement": None, "others": (), "verdict": Verdict.NOT_EVIDENCED},
    ],
)
def test_an_outcome_goes_through_json_unchanged(changes):
    one = dataclasses.replace(outcome(), **changes)
    row = json.loads(json.dumps(one.record(), allow_nan=False))
    assert Outcome.from_record(row) == one


def test_a_limit_reads_as_a_range():
    shown = {
        (-0.1, 0.1): "±0.1",
        (0.1, 0.5): "0.1 to 0.5",
        (0.75, None): "≥ 0.75",
        (None, 0.05): "≤ 0.05",
    }
    for (low, high), text in shown.items():
        assert str(Limit(low=low, high=high, kind="field", rationale="")) == text


def test_errors_are_kinds_of_one():
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.MMAuditError)
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.SettingsError, ValueError)
