import dataclasses
import functools
import importlib
import math

import numpy as np
import pytest

from mmaudit import diagnostics as d
from mmaudit import inference
from mmaudit.errors import InputError, SettingsError
from mmaudit.failures import damage
from mmaudit.gates import CHECKS, Auditor, Verdict, check_named
from mmaudit.gates.case import Case, Inputs
from mmaudit.gates.check import ACCESS
from mmaudit.gates.controls import SEVERITIES, smallest
from mmaudit.gates.data_checks import _with_simultaneous
from mmaudit.gates.facets import Scan
from mmaudit.gates.policy import FAILURE_ORDER
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator
from mmaudit.subjects import Training
from mmaudit.subjects.encode import violations

GATES = [c.name for c in CHECKS if c.limit is not None or c.reference_limit is not None]
ACCEPT, REJECT = Verdict.ACCEPT, Verdict.REJECT


def test_names_and_questions_are_unique():
    for field in ("name", "question"):
        values = [getattr(c, field) for c in CHECKS]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.name)
def test_declarations(check):
    assert check.failure in FAILURE_ORDER
    assert check.question.endswith("?")
    assert set(check.needs) <= set(ACCESS)
    assert {"full"} <= set(check.profiles) <= {"smoke", "ci", "full"}
    assert "smoke" not in check.profiles or "ci" in check.profiles
    limits = [limit for limit in (check.limit, check.reference_limit) if limit is not None]
    assert not limits or check.damage is not None
    for limit in limits:
        assert limit.rationale
        assert limit.low is None or limit.high is None or limit.low < limit.high
    assert check.limit is None or check.limit.kind == "field"
    assert check.reference_limit is None or check.reference_limit.kind == "reference"
    assert check.access[:2] == ("embeddings", "claimed pairs")
    assert check_named(check.name) is check


def test_every_failure_has_a_gate_and_every_need_a_check():
    # The search for a failing world is no row of the catalogue: it holds the catalogue to worlds of its own.
    assert {check_named(name).failure for name in GATES} == set(FAILURE_ORDER) - {"stress"}
    assert {need for c in CHECKS for need in c.needs} == set(ACCESS)


def test_an_unknown_check_is_named_with_the_nearest():
    with pytest.raises(SettingsError, match=r"'symetry_gap'; did you mean 'symmetry_gap'\?"):
        check_named("symetry_gap")


def test_bisection_finds_the_smallest():
    for threshold in SEVERITIES:
        assert smallest(lambda s, threshold=threshold: s >= threshold) == threshold
    assert smallest(lambda s: False) is None
    assert list(SEVERITIES) == sorted(set(SEVERITIES))
    assert SEVERITIES[-1] == 1.0


@pytest.fixture(scope="session")
def bench(reference, outcome_of, inner_product, described, grid_reader):
    """What audits the gate, its healthy case and its outcome: the reference aligner wherever it can."""

    edited = grid_reader(blur=2.0)

    @functools.cache
    def of(name):
        check = check_named(name)
        auditor = reference
        if "inner product" in check.needs:
            auditor = inner_product
        elif {"columns", "slices", "splits"} & set(check.needs):
            auditor = described
        elif {"pictures", "captions"} & set(check.needs):
            auditor = edited
        found = outcome_of(name) if auditor is reference else auditor.run(name)
        return check, auditor, auditor.material.case(check.needs), found

    return of


@pytest.mark.parametrize("name", GATES)
def test_each_gate_accepts_the_healthy_and_names_the_least_damage_it_catches(bench, judge, name):
    check, auditor, case, found = bench(name)
    assert found.verdict is ACCEPT, found.reason
    assert found.control is not None
    assert found.control.damage == check.damage.name

    def damaged(severity):
        rng = generator(auditor.settings.seed, "control", name)
        return check.damage.plant(case, severity, rng)

    assert judge(auditor, name, damaged(found.control.severity)) is REJECT
    below = SEVERITIES.index(found.control.severity) - 1
    if below >= 0:
        assert judge(auditor, name, damaged(SEVERITIES[below])) is not REJECT
    assert judge(auditor, name, damaged(1.0)) is REJECT


def rotated(case):
    """Both modalities turned by one rotation and, where norms do not count, every row rescaled."""
    rng = generator(5, "benign")
    width = case.x.shape[1]
    turn = np.linalg.qr(rng.standard_normal((width, width)))[0]
    scale = 1.0 if case.similarity == "dot" else np.exp(rng.standard_normal((len(case.x), 1)))
    turned = dataclasses.replace(
        case.serving(case.x @ turn * scale, case.y @ turn / scale),
        again=tuple(dataclasses.replace(a, x=a.x @ turn, y=a.y @ turn) for a in case.again),
        redrawn=tuple(dataclasses.replace(e, x=e.x @ turn, y=e.y @ turn) for e in case.redrawn),
    )
    if case.again:
        turned = turned.serving(case.x @ turn, case.y @ turn)
    if case.twins is not None:
        twins = dataclasses.replace(case.twins, x=case.twins.x @ turn, y=case.twins.y @ turn)
        turned = dataclasses.replace(turned, twins=twins)
    return turned


@pytest.mark.parametrize("name", [n for n in GATES if "training" not in check_named(n).needs])
def test_each_gate_is_silent_on_what_changes_nothing(bench, judge, name):
    _, auditor, case, _ = bench(name)
    assert judge(auditor, name, rotated(case)) is ACCEPT


def test_consistency_is_silent_on_half_precision(bench, judge):
    _, auditor, case, _ = bench("consistency")
    again = tuple(
        dataclasses.replace(a, x=a.x.astype(np.float16), y=a.y.astype(np.float16)) for a in case.again
    )
    assert judge(auditor, "consistency", dataclasses.replace(case, again=again)) is ACCEPT


@pytest.mark.parametrize(
    ("name", "fault"), [("movement_ratio", "passenger"), ("gradient_ratio", "heavy start")]
)
def test_training_gates_are_silent_on_a_slight_difference(bench, judge, name, fault):
    _, auditor, case, found = bench(name)
    slight = dataclasses.replace(case, training=case.retrain(fault, 0.1))
    assert judge(auditor, name, slight) is ACCEPT
    assert found.measurement.interval == "exact"


SEVERE = [n for n in GATES if "training" not in check_named(n).needs]


@pytest.mark.parametrize("name", SEVERE)
def test_no_damage_at_severity_zero(bench, name):
    check, _, case, _ = bench(name)
    same = check.damage.plant(case, 0.0, generator(1, "zero"))
    for before, after in zip(check.measure(case), check.measure(same), strict=True):
        assert after.value == pytest.approx(before.value, abs=1e-6)


def test_contract_counts_each_way_of_being_no_embedding():
    good = np.ones((4, 3), dtype=np.float32)
    bad = good.copy()
    bad[1] = 0
    bad[2, 0] = np.nan
    assert violations(good, good, ("image", "text"), "cosine") == []
    lines = violations(bad, good[:, :2], ("image", "text"), "cosine")
    assert lines == [
        "image embeddings hold NaN, infinity or numbers beyond float32 in 1 of 4 rows (first: row 2)",
        "image embeddings are all zero in 1 of 4 rows (first: row 1); "
        "a zero vector has no direction to compare",
        "image embeddings are 3 wide, text embeddings 2",
    ]
    assert len(violations(bad, good, ("image", "text"), "dot")) == 1
    assert len(violations(good.astype(np.float64) * 1e300, good, ("image", "text"), "cosine")) == 1


@pytest.mark.parametrize(
    ("second", "change"),
    [
        (lambda z: z, 0.0),
        (lambda z: z * 1.001, 0.001 / 1.001),
        (lambda z: -z, 2.0),
        (lambda z: z * np.float32("nan"), 2.0),
        (lambda z: z[:, :2], 2.0),
        (lambda z: z * 0, 1.0),
    ],
)
def test_consistency_is_a_bounded_relative_change(reference, second, change):
    check = check_named("consistency")
    case = reference.material.case(check.needs)
    again = tuple(dataclasses.replace(a, y=second(a.y)) for a in case.again)
    for m in check.measure(dataclasses.replace(case, again=again)):
        assert m.value == pytest.approx(change, rel=1e-3, abs=1e-7)


def test_the_damage_of_a_case_leaves_the_case_alone(reference):
    case = reference.material.case(("nuisance", "trusted"))
    x, y = case.x.copy(), case.y.copy()
    for name in SEVERE:
        check = check_named(name)
        if set(check.needs) <= {"nuisance", "claimed", "trusted", "inner product"}:
            check.damage.plant(case, 0.5, generator(1, "pure"))
    assert np.array_equal(case.x, x)
    assert np.array_equal(case.y, y)
    assert damage.__all__ == sorted(damage.__all__)


@pytest.mark.parametrize("name", ["embedding_gradient_ratio", "uniformity"])
def test_what_costs_most_is_measured_on_some_pairs_whatever_their_order(name):
    rng = generator(5, "many pairs")
    x = rng.standard_normal((2600, 6)).astype(np.float32)
    y = (x + rng.standard_normal(x.shape)).astype(np.float32)
    order = rng.permutation(len(x))
    first, moved = (check_named(name).measure(Case(x=a, y=b)) for a, b in ((x, y), (x[order], y[order])))
    for m, again in zip(first, moved, strict=True):
        assert m.n == 2000
        assert again.value == pytest.approx(m.value)
    (few, *_) = check_named(name).measure(Case(x=x[:50], y=y[:50]))
    assert few.n == 50


def pairs_of(n=64, noise=0.5, seed=0, width=16):
    rng = generator(seed, "pairs of a case")
    z = rng.normal(size=(n, width))
    x, y = (z + noise * rng.normal(size=z.shape) for _ in range(2))
    return Case(x=x, y=y)


def test_the_rank_of_each_modality_is_counted_a_bit():
    case = pairs_of(n=64)
    per_bit, whole = (
        check_named("effective_rank").measure(case),
        d.per_side(d.effective_rank, case.embeddings),
    )
    for m, rank in zip(per_bit, whole, strict=True):
        for field in ("value", "low", "high", "se"):
            assert getattr(m, field) == pytest.approx(getattr(rank, field) / 6)
        assert m.name == rank.name.replace("effective_rank", "effective dimensions a bit")
        assert m.method.endswith(", over log2 of the relevance groups")


def test_bits_are_counted_of_meanings_and_not_of_pairs():
    """Eight meanings take three bits, however many pictures each has; every text is the name of its class."""
    rng = generator(6, "classes")
    meanings = np.arange(512) % 8
    classes = rng.normal(size=(8, 32))
    case = Case(x=classes[meanings] + 0.5 * rng.normal(size=(512, 32)), y=classes[meanings], groups=meanings)
    whole = d.per_side(d.effective_rank, case.embeddings)
    for m, rank in zip(check_named("effective_rank").measure(case), whole, strict=True):
        assert m.value == pytest.approx(rank.value / 3)
    alone = dataclasses.replace(case, groups=np.arange(512))
    assert check_named("effective_rank").measure(alone)[0].value == pytest.approx(whole[0].value / 9)
    few = Auditor(
        {"image": case.x, "text": case.y},
        Pairs(inputs={"image": np.arange(512), "text": np.arange(512)}, groups=meanings % 4),
    )
    assert few.run("effective_rank", control=False).verdict is Verdict.ACCEPT


def test_a_rank_without_an_interval_stays_and_hides_no_other(monkeypatch):
    gone, known = inference.undefined("effective_rank_image", "why"), inference.student("b", 9.0, 1.0, 9, 10)
    monkeypatch.setattr(d, "per_side", lambda diagnostic, embeddings, **options: (gone, known))
    first, second = check_named("effective_rank").measure(pairs_of(n=8))
    assert first is gone
    assert second.value == 3.0


@pytest.mark.parametrize(("noise", "depth"), [(0.5, 1), (1.1, 5), (1.5, 10), (9.0, 10)])
def test_the_gap_is_taken_at_the_least_depth_at_which_there_is_something_to_lose(noise, depth):
    case = pairs_of(n=200, noise=noise)
    (m,) = check_named("symmetry_gap").measure(case)
    enough = [k for k in (1, 5, 10) if case.ranks.mean_hits(k).mean() >= 0.3]
    assert min(enough, default=10) == depth
    assert m == d.symmetry_gap(case.ranks, depth)


def test_the_contract_counts_ways_and_its_notes_count_rows():
    case = pairs_of(n=20)
    case.y[:3] = np.nan
    (m,) = check_named("contract").measure(case)
    assert (m.value, m.n, len(m.notes)) == (1.0, 20, 1)
    assert "3" in m.notes[0]
    case.x[5] = 0
    (m,) = check_named("contract").measure(case)
    assert m.value == len(m.notes) == 2


LIMITS = {
    ("contract", "field"): (None, 0),
    ("consistency", "field"): (None, 0.01),
    ("pair_discrimination", "field"): (0.75, None),
    ("symmetry_gap", "field"): (-0.1, 0.1),
    ("norm_leak", "field"): (-0.02, 0.02),
    ("rank_asymmetry", "field"): (-math.log(2), math.log(2)),
    ("rank_asymmetry", "reference"): (-0.35, 0.45),
    ("twin_variance", "reference"): (None, 0.215),
    ("first_input_similarity", "reference"): (None, 0.17),
    ("second_input_similarity", "reference"): (None, 0.48),
    ("gradient_ratio", "reference"): (-0.75, 0.25),
    ("movement_ratio", "reference"): (-0.2, 0.6),
    ("twin_accuracy", "field"): (None, 0.27),
    ("counterfactual_drop", "field"): (None, 0.05),
    ("matched_negative_drop", "field"): (None, 0.05),
    ("mispairing_rate", "field"): (None, 0.05),
    ("tail_excess", "field"): (None, 0.05),
    ("exchangeability", "reference"): (0.0002, None),
    ("separation", "field"): (0.05, None),
    ("effective_rank", "field"): (0.5, None),
    ("idle_dimensions", "field"): (None, 0.01),
    ("rankme", "reference"): (22.5, None),
    ("mean_cosine", "reference"): (-0.03, 0.03),
    ("shortcut_scan", "field"): (None, 0.05),
    ("slice_discrimination", "field"): (0.75, None),
    ("slice_spread", "field"): (0.05, None),
    ("split_overlap", "field"): (None, 0.01),
    ("margin_drop", "field"): (None, 0.05),
    ("typographic_effect", "field"): (None, 0.05),
}


def test_no_limit_is_moved_by_accident():
    """What decides about other people's models is stated twice: moving it takes two hands."""
    found = {
        (check.name, kind): (limit.low, limit.high)
        for check in CHECKS
        for kind, limit in (("field", check.limit), ("reference", check.reference_limit))
        if limit is not None
    }
    assert found.keys() == LIMITS.keys()
    for name, sides in LIMITS.items():
        assert found[name] == pytest.approx(sides), name


@pytest.mark.parametrize("columns", [1, 3, 20])
def test_the_worst_of_many_columns_comes_with_an_interval_for_all_of_them(columns):
    m = inference.student("drop", 0.1, 0.02, 50, 51, notes=("mine",))
    noted = _with_simultaneous(m, columns)
    wide = inference.student("drop", 0.1, 0.02, 50, 51, confidence=1 - 0.05 / columns)
    assert (noted.value, noted.low, noted.high) == (m.value, m.low, m.high)
    span = f"simultaneous 95% interval over {columns} columns [{wide.low:.3g}, {wide.high:.3g}]"
    assert noted.notes == ("mine", span)
    gone = inference.undefined("drop", "why")
    assert _with_simultaneous(gone, columns) is gone


def test_what_a_gate_passes_on_cannot_be_changed_by_who_reads_it():
    for name in ("case", "check", "decide", "diagnosis", "edits", "facets", "outcome"):
        module = importlib.import_module(f"mmaudit.gates.{name}")
        for thing in vars(module).values():
            if dataclasses.is_dataclass(thing) and thing.__module__ == module.__name__:
                assert thing.__dataclass_params__.frozen, thing


def test_mispairing_is_asked_of_ranks_that_trusted_pairs_teach():
    case = pairs_of(n=400, noise=2.0, width=4)
    trusted = np.arange(400) < 200
    measured = {}
    for known in (None, trusted):
        asked = dataclasses.replace(case, trusted=known)
        taught = asked.ranks if known is None else d.cross_fitted_ranks(case.embeddings, known)
        (measured[known is None],) = check_named("mispairing_rate").measure(asked)
        assert measured[known is None] == d.mispairing_rate(taught, known)
    assert measured[False] != d.mispairing_rate(case.ranks, trusted)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_a_check_of_recall_measures_the_depth_in_its_name(k):
    case = pairs_of(n=60, noise=2.0)
    assert check_named(f"recall_at_{k}").measure(case) == [d.mean_recall(case.ranks, k)]


@pytest.mark.parametrize("gone", ["value", "low", "high", "se"])
def test_a_rank_of_which_a_number_is_missing_stays_as_it_is(monkeypatch, gone):
    m = dataclasses.replace(inference.student("effective_rank_image", 9.0, 1.0, 9, 10), **{gone: None})
    monkeypatch.setattr(d, "per_side", lambda diagnostic, embeddings, **options: (m, m))
    assert check_named("effective_rank").measure(pairs_of(n=8)) == [m, m]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_rank_a_bit_of_a_handful(n):
    for m, rank in zip(
        check_named("effective_rank").measure(pairs_of(n=n)),
        d.per_side(d.effective_rank, pairs_of(n=n).embeddings),
        strict=True,
    ):
        assert m.value == (None if n == 1 else pytest.approx(rank.value / math.log2(n)))


def test_the_quantile_of_a_tail_takes_two_hundred_trusted_pairs():
    case = pairs_of(n=250)
    enough = dataclasses.replace(case, trusted=np.arange(250) < 200)
    assert check_named("tail_excess").measure(enough) == [d.tail_excess(enough.pair_losses, enough.trusted)]
    with pytest.raises(InputError, match=r"199 trusted pairs cannot place .* trust 200 or more"):
        check_named("tail_excess").measure(dataclasses.replace(case, trusted=np.arange(250) < 199))


def test_checks_of_captioned_pictures_take_their_groups():
    case = pairs_of(n=250)
    grouped = dataclasses.replace(
        case,
        groups=np.arange(250) // 2,
        trusted=np.arange(250) < 200,
        factors={"f": np.arange(250) // 2 % 3},
    )
    groups, trusted, e = grouped.groups, grouped.trusted, grouped.embeddings
    with pytest.raises(InputError, match=r"100 relevance groups of trusted pairs cannot place .* trust 200"):
        check_named("tail_excess").measure(grouped)
    single = np.concatenate([np.arange(200), np.arange(50) // 2 + 200])
    enough = dataclasses.replace(grouped, groups=single)
    about_f = {"modality": "image", "factor_name": "f"}
    for name, of, expected in (
        ("tail_excess", enough, d.tail_excess(enough.pair_losses, trusted, single)),
        ("exchangeability", grouped, d.exchangeability(grouped.mismatch_scores, trusted, groups)),
        ("canonical_correlations", grouped, d.canonical_correlations(e, groups)),
        ("ridge_cca", grouped, d.ridge_cca(e, groups, directions=grouped.directions)),
        ("factor_information", grouped, d.v_information(e.scored[0], groups % 3, groups, **about_f)),
        ("binned_information", grouped, d.mi_proxy(e.scored[0], groups % 3, groups, **about_f)[0]),
    ):
        assert check_named(name).measure(of)[0] == expected
        assert check_named(name).measure(dataclasses.replace(of, groups=None))[0] != expected


def test_what_costs_most_is_measured_on_all_of_two_thousand_pairs():
    case = pairs_of(n=2000, width=4)
    assert case.some_embeddings is case.embeddings
    more = pairs_of(n=2001, width=4)
    assert len(more.some_embeddings) == 2000
    rows = {tuple(row) for row in more.embeddings.x}
    assert all(tuple(row) in rows for row in more.some_embeddings.x)


def test_information_is_that_of_the_first_modality_about_every_label():
    case = dataclasses.replace(
        pairs_of(n=60, width=3),
        modalities=("audio", "text"),
        factors={"f": np.arange(60) % 3},
        nuisance={"n": np.arange(60) // 30},
    )
    x, _ = case.embeddings.scored
    labels = {"f": case.factors["f"], "n": case.nuisance["n"]}
    assert check_named("factor_information").measure(case) == [
        d.v_information(x, codes, modality="audio", factor_name=name) for name, codes in labels.items()
    ]
    assert check_named("binned_information").measure(case) == [
        m for name, codes in labels.items() for m in d.mi_proxy(x, codes, modality="audio", factor_name=name)
    ]


def test_every_nuisance_column_is_measured_by_itself_and_named():
    case = dataclasses.replace(
        pairs_of(n=60, noise=1.5),
        groups=np.arange(60) // 2,
        nuisance={"a": np.arange(60) % 3, "b": np.arange(60) // 20},
    )
    for name, measure in (
        ("blind_baseline", lambda codes: d.blind_baseline(codes, case.groups)),
        ("matched_negative_drop", lambda codes: d.matched_negative_drop(case.embeddings, codes, case.groups)),
    ):
        assert check_named(name).measure(case) == [
            dataclasses.replace(measure(codes), name=f"{name} ({column})")
            for column, codes in case.nuisance.items()
        ]


def test_a_placebo_compares_the_first_redraw_with_the_others():
    drawn = tuple(pairs_of(n=60, noise=noise, seed=3).embeddings for noise in (0.5, 1.0, 1.5))
    case = dataclasses.replace(pairs_of(n=60), groups=np.arange(60) // 2, redrawn=drawn)
    first, *others = (d.ranks(e, case.groups) for e in drawn)
    (m,) = check_named("placebo_drop").measure(case)
    assert m == dataclasses.replace(d.counterfactual_drop(first, others), name="placebo_drop")
    (m,) = check_named("counterfactual_drop").measure(case)
    assert m == d.counterfactual_drop(case.ranks, [first, *others])
    with pytest.raises(InputError, match="one redraw has no other"):
        check_named("placebo_drop").measure(dataclasses.replace(case, redrawn=drawn[:1]))


def test_figures_of_a_training_are_those_of_its_kind():
    norms = (np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.0, 2.0]))
    moved = (np.array([0.1, 0.4]), np.array([0.1, 0.1]))
    told = Training(gradient_norms=norms, temperature=0.07, movements=moved)
    seen = dataclasses.replace(told, observed="from outside")
    history, outside = (dataclasses.replace(pairs_of(n=8), training=t) for t in (told, seen))
    assert check_named("gradient_ratio").measure(history) == [d.gradient_ratio(*norms)]
    assert check_named("gradient_ratio").measure(outside) == [d.batch_gradient_ratio(*norms, "from outside")]
    (m,) = check_named("movement_ratio").measure(history)
    assert m == d.movement_ratio(*moved)
    (m,) = check_named("movement_ratio").measure(outside)
    assert (m.value, m.notes) == (pytest.approx(math.log(4)), ("from outside",))
    assert m.method == "log ratio of relative movements between two checkpoints"
    still = dataclasses.replace(history, training=dataclasses.replace(told, movements=None))
    with pytest.raises(InputError, match="weights before training are not known"):
        check_named("movement_ratio").measure(still)
    with pytest.raises(InputError, match="no retrieval hits"):
        check_named("one_step_influence").measure(still)
    hits = tuple((np.arange(8) % k == 0).astype(float) for k in (2, 3, 4))
    influenced = dataclasses.replace(history, training=dataclasses.replace(told, influence=hits))
    assert check_named("one_step_influence").measure(influenced) == list(d.one_step_influence(*hits))


def test_a_modality_without_numbers_is_not_compared_and_the_other_is():
    case = pairs_of(n=40)
    numbers = generator(2, "numbers").normal(size=(20, 3))
    rows = np.arange(0, 40, 2)
    for side, name in enumerate(("first_input_similarity", "second_input_similarity")):
        modality = case.modalities[side]
        one = dataclasses.replace(case, inputs=Inputs(rows=rows, columns={modality: numbers}))
        (m,) = check_named(name).measure(one)
        assert m == d.input_similarity(numbers, case.embeddings.scored[side][rows], modality=modality)
        other = dataclasses.replace(case, inputs=Inputs(rows=rows, columns={}))
        with pytest.raises(InputError, match=f"the {modality} inputs are no arrays of numbers"):
            check_named(name).measure(other)


def test_a_scan_measures_its_sample_by_its_groups_and_says_why_it_cannot():
    rows = np.arange(0, 60, 2)
    column = {"source": np.arange(30) % 3}
    case = dataclasses.replace(pairs_of(n=60, noise=1.5), groups=np.arange(60) // 4)
    for name, form, content in (("shortcut_scan", column, {}), ("content_scan", {}, column)):
        scanned = dataclasses.replace(case, scan=Scan(rows, form, content, ()))
        (m,) = check_named(name).measure(scanned)
        (wanted,) = d.same_value_drops(case.embeddings.take(rows), column, case.groups[rows], name=name)
        assert m == _with_simultaneous(wanted, 1)
        nothing = dataclasses.replace(case, scan=Scan(rows, content, form, ("a", "b", "c", "d")))
        with pytest.raises(InputError, match=r"^a; b; c$"):
            check_named(name).measure(nothing)
        bare = dataclasses.replace(case, scan=Scan(rows, {}, {}, ()))
        with pytest.raises(InputError, match="no column is left to be scanned"):
            check_named(name).measure(bare)


def test_slices_and_splits_are_measured_by_the_groups():
    case = dataclasses.replace(
        pairs_of(n=80, noise=1.0),
        modalities=("audio", "text"),
        groups=np.arange(80) // 2,
        slices={"most": np.arange(80) < 70},
        splits=np.arange(80) % 2,
        contents={"audio": np.arange(80) // 2, "text": np.arange(80)},
    )
    assert check_named("slice_discrimination").measure(case) == d.slice_discrimination(
        case.ranks, case.slices
    )
    assert check_named("slice_spread").measure(case) == d.slice_spread(
        case.embeddings, case.slices, case.groups
    )
    assert check_named("near_duplicates").measure(case) == [
        d.near_duplicates(z, case.splits, case.groups, modality=m)
        for m, z in zip(("audio", "text"), case.embeddings.scored, strict=True)
    ]
    overlap = check_named("split_overlap").measure(case)
    assert [(m.name, m.value) for m in overlap] == [
        ("split_overlap (audio)", 1.0),
        ("split_overlap (text)", 0.0),
    ]
    few = dataclasses.replace(case, slices={"few": np.arange(80) < 50})
    for name in ("slice_discrimination", "slice_spread"):
        with pytest.raises(InputError, match="no slice holds 30 items"):
            check_named(name).measure(few)
    with pytest.raises(InputError, match="the inputs have no content"):
        check_named("split_overlap").measure(dataclasses.replace(case, contents={}))
