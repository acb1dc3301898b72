import dataclasses
import math

import pytest

from mmaudit.diagnostics import mispairing_rate, ranks
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.gates import CHECKS, Limit, Outcome, Verdict, check_named, diagnosis
from mmaudit.gates.diagnosis import ACCESS_LEVELS, ALPHA, Diagnosis, _finding, diagnose
from mmaudit.inference import exact, proportion, student, undefined
from mmaudit.seeds import generator


def outcome(name, *measurements, limit=None):
    check = check_named(name)
    return Outcome(
        check=name,
        failure=check.failure,
        question=check.question,
        verdict=None if limit is None else Verdict.INCONCLUSIVE,
        measurement=measurements[0] if measurements else None,
        others=tuple(measurements[1:]),
        limit=limit or check.reference_limit or check.limit,
        access=check.access,
    )


def sided(name, x, y, se=0.001):
    return outcome(name, *(student(f"{name}_{m}", v, se, 100, 800) for m, v in (("image", x), ("text", y))))


def estimate(name, value, se=0.005, null=0.0, notes=()):
    return outcome(name, student(name, value, se, 800, 1200, null=null, notes=notes))


def named(check, name, value):
    return outcome(check, student(name, value, 0.004, 800, 1200))


TRUSTED = ("800 trusted pairs have π₀ = 0.0000",)
HEALTHY = (
    outcome("norm_leak", exact("norm_leak", 0.0, 1200)),
    estimate("rank_asymmetry", 0.05),
    outcome("movement_ratio", exact("movement_ratio", 0.2, 15)),
    sided("twin_variance", 0.006, 0.16),
    named("first_input_similarity", "input_similarity_image", 0.133),
    named("second_input_similarity", "input_similarity_text", 0.434),
    estimate("twin_accuracy", 0.251, 0.003, null=0.25),
    estimate("twin_agreement", 0.004, 0.005),
    estimate("counterfactual_drop", 0.01, 0.008),
    estimate("matched_negative_drop", 0.0, 0.008),
    estimate("mispairing_rate", 0.0, notes=TRUSTED),
    outcome("exchangeability", exact("exchangeability", 0.4, 400)),
    sided("separation", 0.99, 0.98),
    sided("effective_rank", 1.9, 1.8),
    sided("rankme", 27.0, 26.0),
    sided("mean_cosine", 0.002, 0.005),
)
BROKEN = {
    "norm_leak": estimate("norm_leak", 0.1),
    "rank_asymmetry": estimate("rank_asymmetry", 0.7),
    "movement_ratio": outcome("movement_ratio", exact("movement_ratio", 2.0, 15)),
    "twin_variance": sided("twin_variance", 0.006, 0.25),
    "first_input_similarity": named("first_input_similarity", "input_similarity_image", 0.2),
    "second_input_similarity": named("second_input_similarity", "input_similarity_text", 0.53),
    "twin_accuracy": estimate("twin_accuracy", 0.29, 0.003, null=0.25),
    "twin_agreement": estimate("twin_agreement", 0.04, 0.005),
    "counterfactual_drop": estimate("counterfactual_drop", 0.08, 0.008),
    "matched_negative_drop": estimate("matched_negative_drop", 0.08, 0.008),
    "mispairing_rate": estimate("mispairing_rate", 0.05, notes=TRUSTED),
    "exchangeability": outcome("exchangeability", exact("exchangeability", 1e-5, 400)),
    "separation": sided("separation", 0.01, 0.02),
    "effective_rank": sided("effective_rank", 0.3, 0.3),
    "rankme": sided("rankme", 15.0, 14.0),
    "mean_cosine": sided("mean_cosine", 0.4, 0.3),
}


FAILURES = {"dominance", "shortcut", "corruption", "collapse"}
BOTH_INPUTS = ("first_input_similarity", "second_input_similarity")


def found(*broken, access="gradients", replaced=()):
    swapped = {o.check: o for o in (*HEALTHY, *(BROKEN[b] for b in broken), *replaced)}
    return diagnose(swapped.values(), access)


def test_a_healthy_model_has_no_failure_and_nothing_is_unknown():
    result = found()
    assert result.failures == ()
    assert result.evidence == ()
    assert result.unknown == ()
    assert set(result.access) == ACCESS_LEVELS["gradients"] - {"labels"} | {"labels"} & set(result.access)
    assert str(result).startswith("failures: none found\nlooked at: ")


@pytest.mark.parametrize("check", BROKEN)
def test_each_rule_names_its_failure_and_shows_what_it_found(check):
    result = found(check)
    assert result.failures == (check_named(check).failure,)
    assert [e.check for e in result.evidence] == [check]
    assert result.evidence[0].null in str(result)
    assert check.removeprefix("first_").removeprefix("second_") in result.evidence[0].finding


def test_rules_read_checks_of_the_catalogue_and_every_failure_they_name_is_known():
    names = {c.name for c in CHECKS}
    assert {o.check for o in HEALTHY} == set(BROKEN) <= names
    assert {check_named(name).failure for name in BROKEN} == {
        "dominance",
        "shortcut",
        "corruption",
        "collapse",
    }


def test_pairs_of_failures_give_sets_in_the_order_of_a_report():
    assert found("rankme", "norm_leak").failures == ("dominance", "collapse")
    assert found("mispairing_rate", "twin_accuracy").failures == ("shortcut", "corruption")
    everything = found("norm_leak", "twin_accuracy", "exchangeability", "mean_cosine")
    assert everything.failures == ("dominance", "shortcut", "corruption", "collapse")


@pytest.mark.parametrize(
    ("access", "seen", "blind"),
    [
        ("embeddings", ("rankme",), ("twin_accuracy", "exchangeability", "movement_ratio")),
        (
            "pairs",
            ("rankme", "exchangeability", "matched_negative_drop"),
            ("twin_accuracy", "movement_ratio"),
        ),
        ("inputs", ("twin_accuracy", "counterfactual_drop"), ("movement_ratio",)),
        ("gradients", ("movement_ratio",), ()),
    ],
)
def test_less_access_sees_less_and_says_so(access, seen, blind):
    for check in seen:
        assert found(check, access=access).failures == (check_named(check).failure,)
    for check in blind:
        result = found(check, access=access)
        assert result.failures == ()
        assert any(
            line.endswith(f"{check} was not run, or needs more access than {access}")
            for line in result.unknown
        )
    assert set(found(access=access).access) <= ACCESS_LEVELS[access]


def test_an_unknown_access_level_is_refused():
    with pytest.raises(InputError, match="access 'weights' is unknown; give one of embeddings, pairs"):
        diagnose(HEALTHY, "weights")


def test_what_was_not_measured_is_not_known():
    untold = dataclasses.replace(
        BROKEN["twin_accuracy"], measurement=None, verdict=Verdict.NOT_EVIDENCED, reason="needs a renderer"
    )
    broken = outcome("rank_asymmetry", undefined("rank_asymmetry", "image embeddings do not vary"))
    result = found(replaced=(untold, broken))
    assert result.failures == ()
    assert "a shortcut that nobody named (shortcut): needs a renderer" in result.unknown
    assert any("undefined: image embeddings do not vary" in line for line in result.unknown)
    assert "twin_accuracy" not in str(result.evidence)


def test_a_training_figure_without_a_limit_is_not_known():
    no_limit = dataclasses.replace(BROKEN["movement_ratio"], limit=None)
    result = found(replaced=(no_limit,))
    assert result.failures == ()
    assert any("movement_ratio has no limit for this subject" in line for line in result.unknown)


def test_without_trusted_pairs_the_mispairing_rate_has_no_null():
    rng = generator(1, "untrusted")
    latent = rng.standard_normal((400, 8))
    weak = [latent + 2.0 * rng.standard_normal(latent.shape) for _ in range(2)]
    measured = ranks(Embeddings(*(z.astype("float32") for z in weak)))
    untrusted = outcome("mispairing_rate", mispairing_rate(measured))
    assert untrusted.measurement.low > 0.05
    result = diagnose([untrusted])
    assert result.failures == ()
    assert any(
        line.startswith("pairs exchanged at random (corruption): mispairing_rate has no null")
        for line in result.unknown
    )


def test_one_crowded_or_flat_modality_is_no_collapse_of_the_space():
    for one_sided in (
        sided("rankme", 27.0, 15.0),
        sided("mean_cosine", 0.001, 0.5),
        sided("separation", 0.9, 0.01),
    ):
        assert found(replaced=(one_sided,)).failures == ()


def test_what_a_narrow_modality_takes_from_the_other_is_not_collapse():
    assert found("rank_asymmetry", "rankme", "effective_rank").failures == ("dominance",)


def test_unequal_ranks_of_a_crowded_space_are_not_dominance():
    assert found("rank_asymmetry", "rankme", "mean_cosine").failures == ("collapse",)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_very_narrow_modality_explains_a_crowd_of_both(sign):
    def with_ratio(ratio):
        other = estimate("rank_asymmetry", sign * ratio)
        return found("rankme", "effective_rank", "mean_cosine", replaced=(other,)).failures

    assert with_ratio(math.log(3) + 0.2) == ("dominance",)
    assert with_ratio(math.log(3) - 0.2) == ("collapse",)
    # Not beyond its own error.
    assert with_ratio(math.log(3) + 0.001) == ("collapse",)


def test_an_encoder_left_behind_explains_a_crowd_and_nothing_else():
    assert found("movement_ratio", "mean_cosine").failures == ("dominance",)
    assert found("movement_ratio", "mean_cosine", "rankme").failures == ("dominance", "collapse")


def test_an_encoder_that_kept_its_noise_explains_a_crowd():
    assert found("twin_variance", "mean_cosine").failures == ("dominance",)


def test_wrong_pairs_explain_what_encoders_kept_of_their_inputs():
    kept = ("twin_variance", *BOTH_INPUTS)
    assert found(*kept).failures == ("dominance",)
    assert found(*kept, "exchangeability").failures == ("corruption",)
    assert found(*kept, "exchangeability", "movement_ratio").failures == ("dominance", "corruption")


def test_a_shortcut_explains_nuisance_kept_and_nothing_in_the_other_modality():
    assert found("twin_accuracy", "twin_variance", "second_input_similarity").failures == ("shortcut",)
    assert found("twin_accuracy", "first_input_similarity").failures == ("dominance", "shortcut")


def test_a_collapse_explains_a_likeness_to_the_inputs_and_no_noise():
    assert found("mean_cosine", *BOTH_INPUTS).failures == ("collapse",)
    assert found("rankme", *BOTH_INPUTS).failures == ("collapse",)
    assert found("rankme", "twin_variance").failures == ("dominance", "collapse")


@pytest.mark.parametrize(
    ("ratio", "failures"),
    [(0.8, ("shortcut",)), (1.5, ("dominance", "shortcut")), (-0.4, ("dominance", "shortcut"))],
)
def test_a_shortcut_explains_some_lead_of_one_encoder(ratio, failures):
    moved = outcome("movement_ratio", exact("movement_ratio", ratio, 15))
    assert found("twin_accuracy", replaced=(moved,)).failures == failures
    assert found(replaced=(moved,)).failures == ("dominance",)


def test_the_level_of_a_null_rule_is_alpha_and_is_shared_among_columns():
    def drop(z):
        return student("drop", 0.01 * z, 0.01, 1e9, 1200, null=0.0)

    assert found(replaced=(outcome("matched_negative_drop", drop(3.30)),)).failures == ("shortcut",)
    assert found(replaced=(outcome("matched_negative_drop", drop(3.28)),)).failures == ()
    assert found(replaced=(outcome("matched_negative_drop", drop(3.30), drop(0.0)),)).failures == ()
    assert found(replaced=(outcome("matched_negative_drop", drop(-9.0)),)).failures == ()
    assert pytest.approx(0.001) == ALPHA


def test_outcomes_of_other_checks_are_passed_over():
    strange = Outcome(
        check="mine",
        failure="shortcut",
        question="?",
        verdict=Verdict.REJECT,
        measurement=proportion("mine", [1.0, 1.0]),
        limit=Limit(high=0.5, kind="user", rationale="mine"),
    )
    assert diagnose([*HEALTHY, strange]) == found()


def test_the_order_of_the_outcomes_does_not_matter():
    shuffled = [*reversed(HEALTHY[1:]), BROKEN["norm_leak"]]
    assert diagnose(shuffled) == diagnose(reversed(shuffled))
    assert isinstance(diagnose(shuffled), Diagnosis)


def test_the_reference_aligner_is_diagnosed_healthy(reference, outcome_of):
    result = diagnose([outcome_of(check) for check in BROKEN])
    assert result.failures == ()
    assert len(result.unknown) == 1
    assert "norm_leak" not in result.unknown[0] or "cosine" in result.unknown[0]


def test_a_finding_shows_the_interval_of_what_has_one():
    m = exact("counted", 3.0, 9), student("taken", 0.5, 0.01, 1e6, 9), undefined("gone", "why")
    assert _finding(outcome("separation", *m)) == "counted 3, taken 0.5 [0.48, 0.52]"


def test_a_diagnosis_of_nothing_says_that_nothing_was_looked_at():
    assert "looked at: nothing" in str(Diagnosis(failures=(), evidence=(), access=(), unknown=()))
    seen = str(Diagnosis(failures=(), evidence=(), access=("embeddings", "claimed pairs"), unknown=("x",)))
    assert "looked at: embeddings, claimed pairs" in seen
    assert "  cannot know: x" in seen


@pytest.mark.parametrize(
    "check", ["norm_leak", "rank_asymmetry", "twin_accuracy", "separation", "mean_cosine"]
)
@pytest.mark.parametrize(("times", "there"), [(0.5, True), (1.0, True), (1.001, False)])
def test_every_rule_holds_at_its_level(monkeypatch, check, times, there):
    """A modality alone, two together: the level is shared where one is enough, and not where both must."""
    first, *others = (BROKEN[check].measurement, *BROKEN[check].others)
    shared = 1 + len(others) if check in ("norm_leak", "rank_asymmetry", "twin_accuracy") else 1
    p = times * ALPHA / shared
    monkeypatch.setattr(diagnosis, "tail_probability", lambda m, low, high: p)
    level = dataclasses.replace(BROKEN[check], measurement=dataclasses.replace(first, value=p))
    rest = [o for o in HEALTHY if o.check not in ("norm_leak", check)]
    monkeypatch.setattr(diagnosis, "_RULES", [r for r in diagnosis._RULES if r.check == check])
    assert bool(diagnose([*rest, level]).failures) == there


def test_both_modalities_must_break_the_limit_of_a_collapse_and_an_undefined_one_does_not():
    gone = undefined("separation_text", "why")
    low = student("separation_image", 0.01, 0.001, 100, 800)
    assert found(replaced=(outcome("separation", low, gone),)).failures == ()
    assert found(replaced=(outcome("separation", low, low),)).failures == ("collapse",)
    assert found(replaced=(outcome("separation", low),)).failures == ("collapse",)


@pytest.mark.parametrize(("low", "level"), [(0.01, 0.01), (0.0001, 0.0001), (None, ALPHA)])
def test_odd_pairs_are_corruption_below_the_limit_of_their_gate(low, level):
    limit = None if low is None else Limit(low=low, kind="user", rationale="mine")
    for p, failures in ((0.999 * level, ("corruption",)), (level, ()), (0.5, ())):
        odd = dataclasses.replace(outcome("exchangeability", exact("exchangeability", p, 400)), limit=limit)
        assert found(replaced=(odd,)).failures == failures
