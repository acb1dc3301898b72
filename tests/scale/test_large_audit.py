import json

import numpy as np
import pytest

from mmaudit import Settings, Verdict
from mmaudit.diagnostics import effective_rank, hubness, ranks
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.errors import InputError
from mmaudit.failures import damage as plant
from mmaudit.gates import controls
from mmaudit.scale import audit_large, deciding
from mmaudit.seeds import generator

N, WIDTH = 3000, 24


@pytest.fixture(scope="module")
def healthy():
    rng = generator(0, "large")
    z = rng.normal(size=(N, WIDTH))
    x, y = z + 0.6 * rng.normal(size=z.shape), z + 0.6 * rng.normal(size=z.shape)
    return x.astype(np.float32), y.astype(np.float32)


@pytest.fixture(autouse=True)
def small_rounds(monkeypatch):
    monkeypatch.setattr(deciding, "ROUND", 128)
    monkeypatch.setattr(deciding, "CONTROL_ITEMS", 500)


def verdicts(audit):
    return {d.check: d.verdict for d in audit.decisions}


def test_healthy_pairs_are_accepted_from_files_by_few_queries(healthy, tmp_path):
    for name, z in zip("xy", healthy, strict=True):
        np.save(tmp_path / f"{name}.npy", z)
    steps = []
    found = audit_large(
        tmp_path / "x.npy", tmp_path / "y.npy", progress=lambda what, done, all_: steps.append(done)
    )
    assert found.verdict is Verdict.ACCEPT, str(found)
    assert set(verdicts(found)) == set(deciding.GATES)
    sampled = {d.check: d for d in found.decisions if "betting" in d.method}
    assert set(sampled) == {"pair_discrimination", "symmetry_gap", "mispairing_rate"}
    for d in sampled.values():
        assert d.n < N / 2
        assert d.population == N - deciding.PILOT
        assert "at any look" in d.guarantee
        assert d.low <= d.value <= d.high
    assert all(d.control is not None for d in found.decisions)
    assert steps == sorted(steps)
    assert json.dumps([d.record() for d in found.decisions], allow_nan=False)
    assert [m.name for m in found.figures] == [
        "copied_share_image", "copied_share_text", "hubness_image", "hubness_text",
    ]  # fmt: skip
    *lines, pilot, last = str(found).splitlines()
    assert len(lines) == len(deciding.GATES) + len(found.figures)
    assert pilot.startswith(f"{deciding.PILOT} of {N} pairs chose the depth of the symmetry gap")
    assert last == f"ACCEPT: image and text, {N} pairs"
    assert (found.pairs, found.pilot) == (N, deciding.PILOT)


def damaged(name, x, y):
    rng = generator(1, "planted", name)
    return {
        "contract": lambda: (x, plant.with_nan(y, 0.01)),
        "pair_discrimination": lambda: (x, plant.mixed_with_noise(y, 0.98, rng)),
        "symmetry_gap": lambda: plant.biased_gallery(x, y, 1.0, rng),
        "rank_asymmetry": lambda: (x, plant.cut_rank(y, 0.8)),
        "mispairing_rate": lambda: (x, plant.deranged(y, np.arange(len(y)), 0.15, rng)),
        "separation": lambda: tuple(plant.shrunk_to_mean(z, 0.99) for z in (x, y)),
        "effective_rank": lambda: tuple(plant.cut_rank(z, 0.9) for z in (x, y)),
    }[name]()


@pytest.mark.parametrize("name", deciding.GATES)
def test_every_gate_rejects_what_is_planted_for_it(name, healthy):
    x, y = (np.asarray(z, dtype=np.float32) for z in damaged(name, *healthy))
    found = audit_large(x, y)
    assert verdicts(found)[name] is Verdict.REJECT, str(found)
    assert found.verdict is Verdict.REJECT


def test_the_gates_stay_silent_on_a_cone_and_on_a_rotation(healthy):
    x, y = healthy
    turn = np.linalg.qr(generator(2, "turn").normal(size=(WIDTH, WIDTH)))[0]
    for a, b in ((x @ turn, y @ turn), (x + 1.5, y + 1.5)):
        assert (
            Verdict.REJECT not in verdicts(audit_large(a.astype(np.float32), b.astype(np.float32))).values()
        )


def test_rows_without_similarity_bar_an_acceptance_whatever_the_limit(healthy):
    x, y = damaged("contract", *healthy)
    found = audit_large(x, y, settings=Settings(limits={"contract": (None, 1e6)}))
    seen = verdicts(found)
    assert set(seen) == set(deciding.GATES)
    assert seen["pair_discrimination"] is Verdict.NOT_EVIDENCED
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "drop these items" in str(found)
    assert (found.pilot, "depth" in str(found)) == (0, False)


def test_too_few_queries_leave_a_gate_open(healthy):
    x, y = healthy
    found = verdicts(audit_large(x, y, queries=8))
    assert found["symmetry_gap"] is Verdict.INCONCLUSIVE
    assert found["separation"] is Verdict.ACCEPT


def test_the_users_limits_are_in_force_and_decide(healthy):
    x, y = healthy
    strict = audit_large(x, y, settings=Settings(limits={"pair_discrimination": (0.9999, None)}))
    (d,) = (d for d in strict.decisions if d.check == "pair_discrimination")
    assert d.limit.kind == "user"
    assert d.verdict is not Verdict.ACCEPT


def test_groups_are_all_right_answers(healthy):
    x, y = (np.repeat(z[:750], 4, axis=0) for z in healthy)
    alone, together = audit_large(x, y), audit_large(x, y, groups=np.repeat(np.arange(750), 4))
    first, second = (
        next(d.value for d in a.decisions if d.check == "pair_discrimination") for a in (alone, together)
    )
    assert second > first


def test_the_rank_is_counted_for_each_bit_of_the_meanings_and_named_so(healthy):
    x, y = (np.repeat(z[:750], 4, axis=0) for z in healthy)
    groups = np.repeat(np.arange(750), 4)
    for given, bits in ((None, np.log2(N)), (groups, np.log2(750))):
        (rank,) = (d for d in audit_large(x, y, groups=given).decisions if d.check == "effective_rank")
        whole = min(effective_rank(unit_rows(z)).value for z in (x, y))
        assert rank.value == pytest.approx(whole / bits, rel=1e-4)
        assert rank.reason.startswith("effective dimensions a bit_")


def test_copies_are_counted_over_all_rows_and_hubs_within_a_random_gallery(healthy, monkeypatch):
    x, y = (z.copy() for z in healthy)
    y[[10, 2000]] = y[500]
    y[7] = y[8]
    found = {m.name: m for m in audit_large(x, y).figures}
    assert found["copied_share_image"].value == 0
    assert found["copied_share_text"].value == pytest.approx(5 / N)
    assert found["copied_share_text"].n == N
    whole = hubness(Embeddings(x, y))
    for m in whole:
        assert found[m.name].value == pytest.approx(m.value)
    monkeypatch.setattr(deciding, "HUB_ITEMS", 400)
    part = {m.name: m for m in audit_large(x, y).figures}["hubness_text"]
    assert part.n == 400
    assert part.method.endswith(f"within 400 of {N} pairs")
    assert part.low < found["hubness_text"].value < part.high
    x[5] = np.nan
    broken = {m.name: m for m in audit_large(x, y).figures}["hubness_text"]
    assert broken.value is None
    assert "drop these items" in broken.notes[0]


def weak(wrong, seed=0, n=N):
    """A weak encoder, whose right pairs rank far behind as well; a fifth of the pairs is trusted."""
    rng = generator(seed, "weak")
    z = rng.normal(size=(n, WIDTH))
    x, y = z + 2.0 * rng.normal(size=z.shape), z + 2.0 * rng.normal(size=z.shape)
    trusted = np.isin(np.arange(n), rng.permutation(n)[: n // 5])
    moved = rng.permutation(np.flatnonzero(~trusted))[: round(wrong * n * 4 / 5)]
    y[moved] = y[np.roll(moved, 1)]
    return x.astype(np.float32), y.astype(np.float32), trusted


def mispairing(found):
    return next(d for d in found.decisions if d.check == "mispairing_rate")


def test_trusted_pairs_take_off_what_a_weak_encoder_puts_behind():
    x, y, trusted = weak(0.0)
    settings = Settings(limits={"mispairing_rate": (None, 0.15)})
    assert mispairing(audit_large(x, y, settings=settings)).verdict is Verdict.REJECT
    right = mispairing(audit_large(x, y, trusted=trusted, settings=settings))
    assert right.low <= 0 <= right.value < right.high
    assert right.verdict is not Verdict.REJECT
    x, y, trusted = weak(0.5)
    wrong = mispairing(audit_large(x, y, trusted=trusted, settings=settings))
    assert wrong.verdict is Verdict.REJECT
    assert wrong.low <= 0.5 <= wrong.high
    assert wrong.n <= np.count_nonzero(~trusted)


def test_damage_is_planted_among_trusted_pairs_though_few_are_trusted(healthy, monkeypatch):
    trusted = np.zeros(N, dtype=bool)
    trusted[generator(8, "few").permutation(N)[:150]] = True
    few = mispairing(audit_large(*healthy, trusted=trusted))
    assert few.verdict is Verdict.ACCEPT, few.reason
    assert few.control <= 0.5
    # As many rows without them hold a handful.
    monkeypatch.setattr(controls, "TRUSTED", 0)
    assert mispairing(audit_large(*healthy, trusted=trusted)).control != few.control


@pytest.mark.parametrize(
    ("check", "limit", "says"),
    [
        ("mispairing_rate", (None, 1.0), "this gate cannot reject here: no severity of its damage"),
        # Fewer bits tell 500 pairs apart than tell 3000, so that each has more dimensions.
        (
            "effective_rank",
            (None, 2.3),
            "no damage was planted, for as they are, effective dimensions a bit",
        ),
    ],
)
def test_why_no_damage_was_seen_to_be_rejected_is_said(healthy, check, limit, says):
    found = audit_large(*healthy, settings=Settings(limits={check: limit}))
    (d,) = (d for d in found.decisions if d.check == check)
    assert (d.verdict, d.control) == (Verdict.INCONCLUSIVE, None)
    assert f"; on 500 of these pairs: {says}" in d.reason


def test_the_share_over_all_pairs_is_that_of_the_two_means():
    """Every pair is drawn in the end: the estimate is that of everything, whatever the order."""
    x, y, trusted = weak(0.3, n=600)
    settings = Settings(seed=0, limits={"mispairing_rate": (0.2999, 0.3001)})
    found = mispairing(audit_large(x, y, trusted=trusted, settings=settings))
    assert found.n == found.population
    drawn = np.ones(600, dtype=bool)
    drawn[generator(0, "sampled queries").permutation(600)[:150]] = False
    ranked = ranks(Embeddings(x, y))
    far = [side.better >= 300 for side in (ranked.forward, ranked.backward)]
    share = np.mean(far, axis=0) * 2
    right = share[trusted].mean()
    claimed = share[~trusted & drawn].mean()
    assert found.value == pytest.approx((claimed - right) / (1 - right))


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_with_trusted_pairs_holds_what_all_draws_would_give(seed):
    x, y, trusted = weak(0.2, seed)
    early = mispairing(audit_large(x, y, trusted=trusted, queries=512, settings=Settings(seed=seed)))
    late = mispairing(audit_large(x, y, trusted=trusted, queries=N, settings=Settings(
        seed=seed, limits={"mispairing_rate": (0.2, 0.2)},
    )))  # fmt: skip
    assert early.n < late.n
    assert early.low <= late.value <= early.high
    assert late.high - late.low < early.high - early.low


@pytest.mark.parametrize(
    ("marks", "says"),
    [
        (np.ones(N, dtype=bool), f"{N} of {N} pairs are trusted"),
        (np.zeros(N, dtype=bool), f"0 of {N} pairs are trusted"),
        (np.arange(N), r"dtype int64; expected \(3000,\) bool"),
        (np.ones(3, dtype=bool), r"shape \(3,\)"),
    ],
)
def test_marks_that_are_none_are_refused(healthy, marks, says):
    with pytest.raises(InputError, match=says):
        audit_large(*healthy, trusted=marks)


def test_what_are_no_pairs_is_refused(healthy):
    x, y = healthy
    with pytest.raises(InputError, match="one row a pair"):
        audit_large(x, y[:-1])
    with pytest.raises(InputError, match="told apart"):
        audit_large(x[:1], y[:1])
    with pytest.raises(InputError, match="one label a pair"):
        audit_large(x, y, groups=[1, 2])
