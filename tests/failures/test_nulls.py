import numpy as np
import pytest

from mmaudit import audit
from mmaudit.failures import NULL_ENCODERS, null_encoder, nulls
from mmaudit.gates import Verdict
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator
from mmaudit.settings import Settings
from mmaudit.subjects import as_subject

ITEMS = np.arange(50)


@pytest.fixture
def base():
    rng = generator(4, "null encoder tests")
    x = rng.standard_normal((300, 16)).astype(np.float32)
    y = (x + 0.3 * rng.standard_normal(x.shape)).astype(np.float32)
    return as_subject({"audio": lambda i: x[np.asarray(i)], "text": lambda i: y[np.asarray(i)]})


def encoded(subject, items=ITEMS):
    return [np.asarray(encode(items)) for encode in subject.encoders.values()]


def test_the_catalogue_of_nulls():
    assert set(NULL_ENCODERS) == {"constant", "nan", "zero", "random", "permuted_pairs", "index_leak"}
    assert {*NULL_ENCODERS, "NULL_ENCODERS", "null_encoder"} == set(nulls.__all__)


@pytest.mark.parametrize("name", NULL_ENCODERS)
def test_each_stands_in_for_any_subject(base, name):
    subject = null_encoder(name, base)
    assert subject.modalities == ("audio", "text")
    assert subject.identity.name == f"null encoder: {name}"
    assert [z.shape[0] for z in encoded(subject)] == [50, 50]


def test_they_are_what_they_say(base):
    assert all(np.ptp(z) == 0 and np.any(z) for z in encoded(nulls.constant()))
    assert all(np.isnan(z).all() for z in encoded(nulls.nan()))
    assert not any(np.any(z) for z in encoded(nulls.zero()))
    for shown in (ITEMS, ITEMS[::-1]):
        first, second = encoded(nulls.index_leak(), shown)
        assert np.array_equal(first, second)
        assert np.array_equal(first, encoded(nulls.index_leak())[0])
    moody = nulls.random()
    before, after = encoded(moody), encoded(moody)
    assert not np.array_equal(before[0], after[0])
    assert not np.array_equal(before[0], before[1])
    assert np.array_equal(before[0], encoded(nulls.random())[0])
    good, permuted = encoded(base), encoded(nulls.permuted_pairs(base=base))
    assert np.array_equal(good[0], permuted[0])
    assert np.array_equal(np.roll(good[1], 1, axis=0), permuted[1])


@pytest.mark.parametrize("name", NULL_ENCODERS)
def test_as_the_audited_subject_each_is_rejected_and_the_gates_are_named(base, name):
    rows = np.arange(300)
    pairs = Pairs(inputs={"audio": rows, "text": rows}, trusted=rows < 200)
    result = audit(null_encoder(name, base), pairs, Settings(profile="smoke"))
    assert result.verdict is Verdict.REJECT
    rejecting = {o.check for o in result.outcomes if o.verdict is Verdict.REJECT}
    assert (
        rejecting
        >= {
            "constant": {"pair_discrimination", "separation", "effective_rank"},
            "nan": {"contract"},
            "zero": {"contract"},
            "random": {"consistency", "pair_discrimination"},
            "permuted_pairs": {"consistency", "pair_discrimination"},
            "index_leak": {"consistency"},
        }[name]
    )
    accepted = {o.check for o in result.outcomes if o.verdict is Verdict.ACCEPT}
    if name in ("nan", "zero"):
        assert "pair_discrimination" not in accepted
    assert "REJECT" in str(result)
    assert all(check in str(result) for check in rejecting)


@pytest.mark.parametrize("name", NULL_ENCODERS)
def test_each_factory_runs_on_the_built_in_world(name):
    subject = getattr(nulls, name)()
    assert subject.modalities == ("image", "text")
    assert subject.view == ("features" if name == "permuted_pairs" else "pictures")
