import collections
import dataclasses
import itertools
import math
import re

import numpy as np
import pytest

from mmaudit.embeddings import Embeddings
from mmaudit.errors import ControlError, InputError, SettingsError, SubjectError
from mmaudit.gates import CHECKS, NULL_ENCODERS, Auditor, Outcome, Verdict, check_named, overall
from mmaudit.gates.check import ACCESS
from mmaudit.measurement import Measurement
from mmaudit.pairs import Pairs
from mmaudit.report.words import sentence
from mmaudit.seeds import generator
from mmaudit.settings import Settings
from mmaudit.subjects import Identity, Subject, Training, as_subject

ACCEPT, REJECT = Verdict.ACCEPT, Verdict.REJECT
INCONCLUSIVE, NOT_EVIDENCED = Verdict.INCONCLUSIVE, Verdict.NOT_EVIDENCED
N = 60


def table(n=N, width=16, seed=0):
    rng = generator(seed, "auditor tests")
    x = rng.standard_normal((n, width)).astype(np.float32)
    return x, (x + 0.3 * rng.standard_normal((n, width))).astype(np.float32)


def pairs_of(n=N, **fields):
    rows = np.arange(n)
    return Pairs(inputs={"image": rows, "text": rows}, **fields)


def broken(how, **fields):
    """A subject whose text encoder does ``how(rows, items, call)`` to what it should have returned."""
    x, y = table()
    calls = itertools.count()

    def text(items):
        return how(y[np.asarray(items)].copy(), np.asarray(items), next(calls))

    encoders = {"image": lambda items: x[np.asarray(items)], "text": text}
    identity = Identity(name="broken", adapter="test")
    return Subject(encoders=encoders, identity=identity, batch_size=32, **fields)


def raising(rows, items, call):
    raise RuntimeError("CUDA out of memory\nTried to allocate")


def at(mask_value):
    def spoil(rows, items, call):
        rows[items % 7 == 0] = mask_value
        return rows

    return spoil


SHAPE = r"expected real numbers of shape \(32, width\)"
BROKEN = {
    "raises": (raising, "contract", "raised RuntimeError on a batch of 32: CUDA out of memory$"),
    "NaN rows": (at(np.nan), "contract", r"text embeddings hold NaN.* in 9 of 60 rows \(first: row 0\)"),
    "infinite rows": (at(np.inf), "contract", r"infinity .* in 9 of 60 rows"),
    "zero rows": (at(0.0), "contract", r"all zero in 9 of 60 rows"),
    "too few rows": (lambda z, i, c: z[:-1], "contract", "31 rows for 32 inputs"),
    "too many rows": (lambda z, i, c: np.vstack([z, z]), "contract", "64 rows for 32 inputs"),
    "another width": (lambda z, i, c: z[:, :8], "contract", "are 16 wide, text embeddings 8$"),
    "changing width": (lambda z, i, c: z[:, : 16 - c], "contract", "from 16 to 15 between batches"),
    "no width": (lambda z, i, c: z[:, :0], "contract", rf"float32 of shape \(32, 0\); {SHAPE}"),
    "one dimension": (lambda z, i, c: z[:, 0], "contract", rf"float32 of shape \(32,\); {SHAPE}"),
    "three dimensions": (lambda z, i, c: z[None], "contract", r"float32 of shape \(1, 32, 16\)"),
    "strings": (lambda z, i, c: z.astype(str), "contract", SHAPE),
    "complex": (lambda z, i, c: z + 1j, "contract", rf"complex64 .*{SHAPE}"),
    "booleans": (lambda z, i, c: z > 0, "contract", f"bool .*{SHAPE}"),
    "objects": (lambda z, i, c: z.astype(object), "contract", f"object .*{SHAPE}"),
    "ragged lists": (lambda z, i, c: [[1.0]] * 31 + [[1.0, 2.0]], "contract", "raised ValueError"),
    "nothing": (lambda z, i, c: None, "contract", SHAPE),
    "beyond float32": (lambda z, i, c: z.astype(np.float64) * 1e300, "contract", "beyond float32"),
    "below float32": (lambda z, i, c: z.astype(np.float64) * 1e-300, "contract", "all zero in 60 of 60 rows"),
    "not deterministic": (lambda z, i, c: z + 0.1 * c, "consistency", "outside ≤ 0.01"),
    "of its batch": (lambda z, i, c: z - z.mean(axis=0), "consistency", "another order and batch size"),
    "of its position": (lambda z, i, c: z + np.arange(len(z))[:, None], "consistency", "in another order"),
    "raises when asked again": (
        lambda z, i, c: z if c < 2 else raising(z, i, c),
        "consistency",
        "raised RuntimeError",
    ),
    "NaN when asked again": (lambda z, i, c: z if c < 2 else z * np.nan, "consistency", "outside ≤ 0.01"),
    "another width when asked again": (lambda z, i, c: z if c < 2 else z[:, :4], "consistency", "outside"),
}


def sound(outcome):
    """Whether nothing but finite numbers and one-line reasons left the audit."""
    rows = [m for m in (outcome.measurement, *outcome.others) if m is not None]
    numbers = [v for m in rows for v in (m.value, m.low, m.high, m.se, m.df, m.null) if v is not None]
    numbers += [v for v in (outcome.p_value, outcome.p_adjusted) if v is not None]
    numbers += [] if outcome.control is None else [outcome.control.severity]
    assert all(m.value is not None or m.notes for m in rows)
    assert "\n" not in outcome.reason
    return all(math.isfinite(v) for v in numbers)


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_encoder_is_rejected_in_one_clear_line(how):
    spoil, gate, line = BROKEN[how]
    auditor = Auditor(broken(spoil), pairs_of(nuisance={"source": np.arange(N) % 3}))
    outcomes = {c.name: auditor.run(c.name) for c in auditor.checks}
    assert all(sound(o) for o in outcomes.values())
    assert outcomes[gate].verdict is REJECT
    assert re.search(line, outcomes[gate].reason), outcomes[gate].reason
    assert overall(outcomes.values()) is REJECT


@pytest.mark.parametrize("how", [h for h, (_, gate, _) in BROKEN.items() if gate == "contract"])
def test_what_embeddings_refuse_the_contract_rejects_and_nothing_else_accepts(how):
    auditor = Auditor(broken(BROKEN[how][0]), pairs_of())
    try:
        usable = auditor.embeddings
    except (InputError, SubjectError):
        usable = None
    if usable is None:
        verdicts = {c.name: auditor.run(c.name).verdict for c in auditor.checks}
        accepted = {name for name, verdict in verdicts.items() if verdict in (ACCEPT, None)}
        assert accepted <= {"consistency"}


@pytest.mark.parametrize(
    "how",
    [
        lambda z, i, c: z.astype(np.float16),
        lambda z, i, c: z.astype(np.float64),
        lambda z, i, c: np.rint(50 * z).astype(np.int32),
        lambda z, i, c: z.tolist(),
        lambda z, i, c: z * np.float32(1e37),
        lambda z, i, c: z * np.float32(1e-30),
    ],
    ids=["half", "double", "int", "lists", "large", "small"],
)
def test_an_odd_but_sound_encoder_is_not_rejected(how):
    auditor = Auditor(broken(how), pairs_of())
    outcomes = [auditor.run(c.name) for c in auditor.checks]
    assert all(sound(o) for o in outcomes)
    assert [o.check for o in outcomes if o.verdict is REJECT] == []
    assert {o.check for o in outcomes if o.verdict is ACCEPT} >= {"contract", "consistency", "separation"}


@pytest.mark.parametrize("n", range(6))
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_a_handful_of_pairs_is_inconclusive_and_no_error(n, similarity):
    rows = np.arange(n)
    x, y = table()
    subject = dataclasses.replace(as_subject({"image": x[:n], "text": y[:n]}), similarity=similarity)
    pairs = pairs_of(n, nuisance={"source": rows % 2}, factors={"kind": rows % 2}, trusted=rows < n // 2)
    outcomes = [Auditor(subject, pairs).run(c.name) for c in CHECKS]
    assert all(sound(o) for o in outcomes)
    assert [o.check for o in outcomes if o.verdict is REJECT] == []
    assert overall(outcomes) is not ACCEPT


def test_nothing_is_encoded_twice():
    x, y = table(300)
    seen = {"image": collections.Counter(), "text": collections.Counter()}

    def encoder(modality, z):
        def encode(items):
            seen[modality].update(np.asarray(items).tolist())
            return z[np.asarray(items)]

        return encode

    subject = as_subject({"image": encoder("image", x), "text": encoder("text", y)})
    auditor = Auditor(subject, pairs_of(300))
    for _ in range(2):
        for check in auditor.checks:
            if "encoder" not in check.needs:
                auditor.run(check.name)
    assert all(set(counts.values()) == {1} and len(counts) == 300 for counts in seen.values())
    auditor.run("consistency")
    auditor.run("consistency")
    assert seen["image"] == seen["text"]
    # At most once more as before (one batch of 256), once more in another order (256 items).
    assert sum(seen["image"].values()) == 300 + 256 + 256


@pytest.mark.parametrize(
    ("need", "line"),
    [(need, line) for need, (_, line) in ACCESS.items()],
)
def test_what_a_check_lacks_is_not_evidenced_and_named(need, line):
    x, y = table()
    # Pairs of which nothing is known are all claimed, and those that are all trusted have nothing else.
    auditor = Auditor({"image": x, "text": y}, pairs_of(trusted=np.ones(N, bool)))
    for check in (c for c in CHECKS if c.needs == (need,)):
        found = auditor.run(check.name)
        assert found.verdict is NOT_EVIDENCED
        assert found.reason == f"needs {line}"
        assert found.measurement is None
    assert auditor.material.lacks((need,)) == f"needs {line}"


def test_every_check_is_measurable_on_some_subject(reference, described, grid_reader):
    dot = Auditor(dataclasses.replace(as_subject(table()), similarity="dot"))
    for check in CHECKS:
        lacking = [a.material.lacks(check.needs) for a in (reference, dot, described, grid_reader())]
        assert None in lacking, (check.name, lacking)


def test_all_trusted_or_none_trusted_is_not_both():
    x, y = table()
    for trusted in (np.ones(N, bool), np.zeros(N, bool), None):
        found = Auditor({"image": x, "text": y}, pairs_of(trusted=trusted)).run("tail_excess")
        assert found.verdict is NOT_EVIDENCED
    some = Auditor({"image": x, "text": y}, pairs_of(trusted=np.arange(N) < 30)).run("tail_excess")
    assert some.verdict is NOT_EVIDENCED
    assert some.reason.startswith("cannot be measured: 30 trusted pairs cannot place a 99 % quantile")


def test_where_every_pair_is_trusted_none_is_claimed():
    x, y = table()
    found = Auditor({"image": x, "text": y}, pairs_of(trusted=np.ones(N, bool))).run("mispairing_rate")
    assert (found.verdict, found.access) == (NOT_EVIDENCED, ("embeddings", "claimed pairs"))
    assert sentence(found).count("leave those untrusted that are to be audited") == 1
    for trusted in (None, np.arange(N) < N - 1):
        claimed = Auditor({"image": x, "text": y}, pairs_of(trusted=trusted)).run("mispairing_rate")
        assert claimed.verdict is not NOT_EVIDENCED


def test_subjects_and_pairs_that_do_not_fit_are_refused_at_once():
    x, y = table()
    with pytest.raises(InputError, match="encodes audio and text, the pairs hold image and text"):
        Auditor({"audio": x, "text": y}, pairs_of())
    with pytest.raises(InputError, match="encodes audio and text, the pairs hold image and text"):
        Auditor({"audio": lambda i: x, "text": lambda i: y})
    with pytest.raises(InputError, match="encodes image and text, the pairs hold audio and text"):
        Auditor(None, Pairs(inputs={"audio": [1], "text": ["a"]}))
    with pytest.raises(InputError, match="60 embeddings were given for 59 pairs; give one row a pair"):
        Auditor({"image": x, "text": y}, pairs_of(59))
    with pytest.raises(SubjectError, match="cannot audit a int; give an object with"):
        Auditor(3)


def test_given_embeddings_are_rows_in_the_order_of_the_pairs():
    x, y = table()
    words = [f"item {i}" for i in range(N)]
    pairs = Pairs(inputs={"text": words, "image": words}, nuisance={"source": np.arange(N) % 3})
    served = Auditor({"image": x, "text": y}, pairs).material.served()
    assert np.array_equal(served[0], x)
    assert np.array_equal(served[1], y)


def test_the_order_of_modalities_is_the_subjects():
    x, y = table()
    subject = as_subject({"text": lambda i: y[np.asarray(i)], "image": lambda i: x[np.asarray(i)]})
    auditor = Auditor(subject, pairs_of())
    assert auditor.embeddings.modalities == ("text", "image")
    assert np.array_equal(auditor.embeddings.x, y)


def test_modalities_of_any_name_are_audited():
    x, y = table(300)
    auditor = Auditor({"audio": x, "lyrics": y})
    found = auditor.run("pair_discrimination")
    assert found.verdict is ACCEPT
    assert {m.name for m in check_named("rankme").measure(auditor.material.case(()))} == {
        "rankme_audio",
        "rankme_lyrics",
    }


def test_user_limits_replace_the_catalogues():
    x, y = table()
    settings = Settings(limits={"recall_at_1": (None, 0.1), "separation": (2.0, None)})
    auditor = Auditor({"image": x, "text": y}, settings=settings)
    notice = auditor.run("recall_at_1")
    assert (notice.verdict, notice.limit.kind) == (REJECT, "user")
    assert auditor.run("separation").verdict is REJECT
    assert notice.limit.rationale == "set in the project's settings before the run"
    told = dataclasses.replace(settings, rationales={"recall_at_1": "what our users bear"})
    reasoned = Auditor({"image": x, "text": y}, settings=told).run("recall_at_1").limit
    assert reasoned.rationale == "what our users bear (set in the project's settings before the run)"
    assert Auditor({"image": x, "text": y}).run("recall_at_1").verdict is None


LIMITED = {
    **dict.fromkeys(("recall_at_1", "recall_at_5", "recall_at_10", "mean_reciprocal_rank"), (0.3, None)),
    **dict.fromkeys(("canonical_correlations", "linear_cka"), (0.3, None)),
    "median_rank": (None, 3.0),
    "alignment": (None, 1.0),
}


@pytest.mark.parametrize("name", LIMITED)
def test_a_limit_on_how_far_the_sides_agree_is_shown_to_reject_noise(name):
    x, y = table(200)
    found = Auditor({"image": x, "text": y}, settings=Settings(limits=LIMITED)).run(name)
    assert found.verdict is ACCEPT
    assert found.control is not None
    assert found.control.severity <= 1


def test_a_limit_on_a_correlation_within_the_sample_accepts_nothing():
    x, y = table(200)
    found = Auditor({"image": x, "text": y}, settings=Settings(limits={"ridge_cca": (0.3, None)}))
    assert "this gate cannot reject here" in found.run("ridge_cca").reason


def test_where_no_damage_is_known_a_limit_says_that_it_was_not_shown_to_reject():
    x, y = table(200)
    found = Auditor({"image": x, "text": y}, settings=Settings(limits={"modality_gap": (None, 1.9)})).run(
        "modality_gap"
    )
    assert found.verdict is ACCEPT
    assert found.reason.endswith("that it can reject was not shown")


def test_reference_limits_are_for_the_reference_aligner_alone(reference):
    rank = check_named("rankme")
    assert reference.limit(rank).kind == "reference"
    assert Auditor(reference.subject).limit(rank) is None
    assert Auditor(None, reference.pairs).limit(rank) is None


def test_a_gate_that_cannot_reject_accepts_nothing():
    x, y = table()
    settings = Settings(limits={"separation": (-5.0, None)})
    found = Auditor({"image": x, "text": y}, settings=settings).run("separation")
    assert found.verdict is INCONCLUSIVE
    assert found.control is None
    assert "this gate cannot reject here: no severity of its damage" in found.reason


def test_training_gates_need_a_subject_that_can_be_trained_again():
    x, y = table()
    training = Training(
        gradient_norms=(np.ones(3), np.ones(3)),
        movements=(np.ones(3), np.ones(3)),
        temperature=0.07,
        history=[],
        weights={},
    )
    settings = Settings(limits={"gradient_ratio": (-1.0, 1.0)})
    subject = dataclasses.replace(as_subject({"image": x, "text": y}), training=training)
    auditor = Auditor(subject, settings=settings)
    found = auditor.run("gradient_ratio")
    assert found.verdict is INCONCLUSIVE
    assert found.reason.endswith("this gate cannot be shown to reject: the subject cannot be trained again")
    influence = auditor.run("one_step_influence")
    assert (influence.verdict, influence.measurement) == (NOT_EVIDENCED, None)


def test_controls_in_more_pairs_than_a_control_is_planted_in(monkeypatch):
    monkeypatch.setattr("mmaudit.gates.auditor.CONTROL_ITEMS", 100)
    x, y = table(400)
    pairs = pairs_of(400, nuisance={"source": np.arange(400) % 3}, trusted=np.arange(400) < 220)
    given = lambda z: lambda items: z[np.asarray(items)]  # noqa: E731
    auditor = Auditor({"image": given(x), "text": given(y)}, pairs)
    for name in ("contract", "consistency", "pair_discrimination", "separation", "effective_rank"):
        found = auditor.run(name)
        assert found.verdict is ACCEPT, found.reason
        assert found.control.severity <= 1


def test_a_slice_that_a_sample_hardly_holds_is_damaged_in_the_control(monkeypatch):
    monkeypatch.setattr("mmaudit.gates.auditor.CONTROL_ITEMS", 100)
    column = np.arange(400) // 50 * 1.0
    crowded = np.where(np.arange(400) % 50 < 15, np.arange(400) // 50, np.arange(400))
    for groups in (None, crowded):
        auditor = Auditor(table(400), pairs_of(400, metadata={"m": column}, groups=groups))
        for name in ("slice_discrimination", "slice_spread"):
            found = auditor.run(name)
            assert found.verdict is ACCEPT, found.reason
            assert found.control.severity <= 1


def test_a_control_can_be_asked_for_by_itself():
    x, y = table()
    auditor = Auditor({"image": x, "text": y})
    assert auditor.control("pair_discrimination") == auditor.run("pair_discrimination").control
    with pytest.raises(ControlError, match="no damage can be planted: the check has no limit"):
        auditor.control("recall_at_1")
    with pytest.raises(ControlError, match=r"no damage can be planted: .*known to be right"):
        auditor.control("tail_excess")
    with pytest.raises(ControlError, match="no severity of its damage"):
        Auditor({"image": x, "text": y}, settings=Settings(limits={"mispairing_rate": (None, 1.0)})).control(
            "mispairing_rate"
        )


def test_harm_is_the_retrieval_lost(outcome_of):
    assert outcome_of("contract").control.harm is None
    assert outcome_of("consistency").control.harm is None
    assert outcome_of("movement_ratio").control.harm is None
    assert 0 < outcome_of("pair_discrimination").control.harm < 1


def test_outcomes_survive_the_way_through_a_record(reference, outcome_of):
    for check in reference.checks[:4]:
        found = outcome_of(check.name)
        assert Outcome.from_record(found.record()) == found
        if found.measurement is not None:
            assert Measurement.from_record(found.measurement.record()) == found.measurement


def test_unknown_checks_are_refused(reference):
    with pytest.raises(SettingsError, match="did you mean 'contract'"):
        reference.run("contrct")


def test_profiles_are_nested():
    x, y = table()
    names = {
        p: {c.name for c in Auditor((x, y), settings=Settings(profile=p)).checks}
        for p in ("smoke", "ci", "full")
    }
    assert names["smoke"] < names["ci"] <= names["full"]
    assert names["full"] == {c.name for c in CHECKS}


def test_the_reference_is_what_the_seed_says(reference):
    assert reference.world.spec.seed == 7
    assert reference.pairs.modalities == ("image", "text")
    assert isinstance(reference.embeddings, Embeddings)
    assert reference.material.measured().digest == reference.embeddings.digest
    assert Auditor(table()).world is None
    assert Auditor(table()).material.measured() is None


@pytest.mark.parametrize("seed", range(5001, 5007))
def test_healthy_reference_aligners_of_unseen_seeds_are_accepted(judge, seed):
    auditor = Auditor(settings=Settings(seed=seed))
    gates = [c for c in auditor.checks if auditor.limit(c) and not auditor.material.lacks(c.needs)]
    # All but those that need an inner product, columns to scan, and splits.
    assert len(gates) == auditor.family - 3
    assert {c.name: judge(auditor, c.name) for c in gates} == {c.name: ACCEPT for c in gates}


@pytest.mark.parametrize("null", NULL_ENCODERS)
def test_every_null_encoder_is_rejected_beside_the_reference(reference, null):
    found = reference.certify(null)
    assert found.verdict is ACCEPT
    assert found.reason.startswith("rejected by ")
    assert found.measurement.value >= 1
    assert found.family == 1


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("null", NULL_ENCODERS)
def test_every_null_encoder_is_rejected_beside_given_embeddings(null, similarity):
    subject = dataclasses.replace(
        as_subject(dict(zip(("audio", "text"), table(400), strict=True))), similarity=similarity
    )
    assert Auditor(subject).certify(null).verdict is ACCEPT


def test_certification_says_when_it_cannot_certify():
    one = Auditor({"image": np.ones((1, 2)), "text": np.ones((1, 2))})
    assert one.certify("constant").verdict is INCONCLUSIVE
    assert "1 pairs are too few, or a limit of your own is too wide" in one.certify("constant").reason
    silent = Auditor(broken(raising), pairs_of())
    found = silent.certify("permuted_pairs")
    assert found.verdict is NOT_EVIDENCED
    assert "CUDA out of memory" in found.reason
    assert silent.certify("constant").verdict is ACCEPT


def test_the_sample_of_a_control_keeps_the_few_trusted_pairs():
    rng = generator(4, "few trusted")
    x = rng.standard_normal((9000, 16)).astype(np.float32)
    y = (x + 0.3 * rng.standard_normal(x.shape)).astype(np.float32)
    pairs = Pairs(
        inputs={"image": np.arange(len(x)), "text": np.arange(len(x))}, trusted=np.arange(len(x)) % 30 == 0
    )
    found = Auditor({"image": x, "text": y}, pairs).run("tail_excess")
    assert found.verdict is Verdict.ACCEPT, found.reason
    assert found.control is not None
