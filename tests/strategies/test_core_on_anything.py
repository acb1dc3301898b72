"""The core on whatever the strategies can think of: never an exception, never a NaN, always a reason."""

import dataclasses
import functools
import json
import math
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaudit import diagnostics as d
from mmaudit import strategies as s
from mmaudit.errors import InputError, SettingsError
from mmaudit.evidence import loads
from mmaudit.evidence.canonical import dumps
from mmaudit.evidence.consistency import verdict_contradiction
from mmaudit.gates import CHECKS, Auditor, Outcome, Verdict
from mmaudit.gates.decide import decide
from mmaudit.gates.outcome import Control, Limit
from mmaudit.inference import bounded_mean, exact, mean, proportion, student, undefined
from mmaudit.measurement import Measurement
from mmaudit.settings import Settings, load
from mmaudit.stress.relations import RELATIONS, TOLERANCE, Sample
from mmaudit.subjects import as_subject

ANY = settings(max_examples=80, deadline=None, derandomize=True, database=None)


def by_ranks(measure):
    return lambda e, codes: measure(d.ranks(e))


def scored(score, measure):
    def run(e, codes):
        return measure(score(e), np.arange(len(e)) % 2 == 0)

    return run


def twins(e, codes):
    whole = len(e) // 2 * 2
    return d.twin_accuracy(e.x[:whole], e.y[:whole], 2, e.similarity)


EVERY = {
    **{
        f.__name__: functools.partial(lambda f, e, codes: d.per_side(f, e), f)
        for f in (
            d.rankme, d.centred_rankme, d.effective_rank, d.rank_share, d.alpha_req, d.mean_cosine,
            d.separation, d.distinct_share, d.variance, d.uniformity,
        )
    },
    **{
        f.__name__: functools.partial(lambda f, e, codes: f(e), f)
        for f in (
            d.rank_asymmetry, d.alignment, d.modality_gap, d.norm_leak, d.embedding_gradient_ratio,
            d.canonical_correlations, d.ridge_cca, d.linear_cka, d.hubness,
        )
    },
    "pair_discrimination": by_ranks(d.pair_discrimination),
    "recall": by_ranks(d.recall),
    "mean_recall": by_ranks(d.mean_recall),
    "mrr": by_ranks(d.mrr),
    "median_rank": by_ranks(d.median_rank),
    "symmetry_gap": by_ranks(d.symmetry_gap),
    "mispairing_rate": by_ranks(d.mispairing_rate),
    "counterfactual_drop": by_ranks(lambda found: d.counterfactual_drop(found, found)),
    "tail_excess": scored(d.pair_losses, d.tail_excess),
    "exchangeability": scored(d.mismatch_scores, d.exchangeability),
    "exchangeable information": scored(d.pointwise_information, d.exchangeability),
    "twin_accuracy": twins,
    "idle_dimensions": lambda e, codes: d.idle_dimensions(e),
    "blind_baseline": lambda e, codes: d.blind_baseline(codes),
    "matched_negative_drop": lambda e, codes: d.matched_negative_drop(e, codes),
    "v_information": lambda e, codes: d.v_information(e.x, codes, modality="image", factor_name="f"),
    "mi_proxy": lambda e, codes: d.mi_proxy(e.x, codes, modality="image", factor_name="f"),
}  # fmt: skip


@pytest.mark.parametrize("diagnostic", EVERY)
@settings(ANY, max_examples=25)
@given(e=s.embeddings(max_items=16, max_width=6), values=st.integers(1, 3))
def test_a_diagnostic_returns_a_finite_value_or_a_reason(diagnostic, e, values):
    try:
        found = EVERY[diagnostic](e, np.arange(len(e)) % values)
    except InputError as error:
        found = undefined("refused in one line", str(error))
        assert "\n" not in found.notes[0]
    for m in [found] if isinstance(found, Measurement) else found:
        numbers = [v for v in (m.value, m.low, m.high, m.se, m.df) if v is not None]
        assert all(math.isfinite(v) for v in numbers), m
        assert m.value is not None or m.notes[0], m
        json.dumps(m.record(), allow_nan=False)


@ANY
@given(s.embeddings(), st.integers(1, 30), st.integers(1, 5))
def test_blocked_equals_dense(e, block, groups):
    codes = np.arange(len(e)) % groups if groups > 1 else None
    dense, blocked = d.ranks(e, codes), d.ranks(e, codes, block=block)
    for side in ("forward", "backward"):
        a, b = dense.side(side), blocked.side(side)
        for name in ("better", "ties", "candidates", "wins", "rivals", "tied"):
            assert np.array_equal(getattr(a, name), getattr(b, name)), name
    x, y = e.scored
    scale = np.linalg.norm(x, axis=1)[:, None] * np.maximum(*np.meshgrid(*[np.linalg.norm(y, axis=1)] * 2))
    apart = x @ y.T - np.einsum("ij,ij->i", x, y)[:, None]
    other = dense.groups[:, None] != dense.groups
    above, below = (apart > 1e-11 * scale) & other, (apart < -1e-11 * scale) & other
    # What is clear of a tie is counted as plain float64 has it; what is not may be either.
    assert np.all(above.sum(axis=1) <= dense.forward.better)
    assert np.all(dense.forward.better + dense.forward.ties <= (other & ~below).sum(axis=1))
    assert np.array_equal(dense.forward.candidates, other.sum(axis=1))


measurements = st.one_of(
    st.builds(
        student,
        st.just("m"),
        st.floats(-5, 5),
        st.floats(0, 3),
        st.floats(1, 500),
        st.integers(2, 500),
    ),
    st.builds(exact, st.just("m"), st.floats(-5, 5), st.integers(0, 500)),
    st.builds(mean, st.just("m"), st.lists(st.floats(-5, 5), min_size=1, max_size=20)),
    st.builds(proportion, st.just("m"), st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=20)),
    st.builds(
        bounded_mean, st.just("m"), st.lists(st.floats(0, 1), min_size=1, max_size=20), st.just((0.0, 1.0))
    ),
    st.builds(undefined, st.just("m"), st.text(string.ascii_letters, min_size=1, max_size=10)),
)
ORDER = {Verdict.REJECT: 0, Verdict.INCONCLUSIVE: 1, Verdict.ACCEPT: 2}


def field(low, high):
    return Limit(low=low, high=high, kind="field", rationale="test")


@ANY
@given(
    st.lists(measurements, min_size=1, max_size=3),
    st.floats(-4, 4),
    st.floats(0, 2),
    st.floats(0, 2),
    st.booleans(),
    st.integers(1, 40),
)
def test_a_wider_limit_is_never_harder_to_keep(found, edge, width, slack, upper, family):
    narrow, wide = (field(None, edge + more) if upper else field(edge - more, None) for more in (0.0, slack))
    both, wider = (field(edge - width - m, edge + width + m) for m in (0.0, slack))
    for tight, loose in ((narrow, wide), (both, wider), (both, field(None, both.high))):
        verdicts = [
            decide(found, limit, confidence=0.95, alpha=0.05, family=family).verdict
            for limit in (tight, loose)
        ]
        assert ORDER[verdicts[0]] <= ORDER[verdicts[1]], (found, tight, loose)


@ANY
@given(
    found=measurements,
    low=st.none() | st.floats(-3, 0),
    high=st.floats(0, 3),
    words=st.text(max_size=30),
    control=st.none()
    | st.builds(
        Control,
        damage=st.text(max_size=10),
        severity=st.floats(0, 1),
        value=st.none() | st.floats(-2, 2),
        harm=st.none() | st.floats(-2, 2),
    ),
)
def test_every_outcome_survives_canonical_json_and_agrees_with_its_numbers(found, low, high, words, control):
    decision = decide([found], field(low, high), confidence=0.9, alpha=0.05, family=1)
    outcome = Outcome(
        check="a_check",
        failure="project",
        question=words,
        verdict=decision.verdict,
        measurement=decision.measurement,
        limit=field(low, high),
        p_value=decision.p_value,
        p_adjusted=decision.p_value,
        n_to_decide=decision.n_to_decide,
        control=control,
        access=("embeddings",),
        reason=decision.reason,
    )
    back = Outcome.from_record(loads(dumps(outcome.record())))
    assert dumps(back.record()) == dumps(outcome.record())
    assert back == dataclasses.replace(outcome, limit=back.limit, control=back.control)
    assert verdict_contradiction(outcome.record(), 0.05) is None, outcome


TOML = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["smoke", "ci", "full", "fail", "pass", "symmetry_gap"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["low", "high", "symmetry_gap", "worlds"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
KEYS = [f.name for f in dataclasses.fields(Settings)]


@settings(ANY, max_examples=400)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), TOML, max_size=4))
def test_any_settings_give_settings_or_one_line(table):
    names = [check.name for check in CHECKS]
    try:
        made = load(table, checks=names, access=["encoder"])
    except SettingsError as error:
        refusal = str(error)
        assert refusal
        assert "\n" not in refusal
        return
    assert (
        load({k: v for k, v in table.items() if v is not None}, checks=names, access=["encoder"]).digest()
        == made.digest()
    )


@settings(ANY, max_examples=25)
@given(s.embeddings(), st.integers(1, 4))
def test_no_gate_raises_whatever_is_served(e, groups):
    subject = dataclasses.replace(as_subject((e.x, e.y)), similarity=e.similarity)
    auditor = Auditor(subject)
    for check in auditor.checks:
        outcome = auditor.run(check.name, control=False)
        assert outcome.measurement is not None or outcome.reason


@settings(ANY, max_examples=60)
@given(s.embeddings(max_items=16), st.sampled_from(RELATIONS), st.integers(1, 3), st.integers(0, 99))
def test_the_figures_keep_every_law_on_whatever_is_served(e, relation, groups, seed):
    if len(e) < 2:
        return
    n = len(e)
    sample = Sample(e, np.arange(n) // groups, np.arange(n) % 3)
    assert relation.violation(sample, np.random.default_rng(seed), False) <= TOLERANCE
