"""Every law holds on sound figures, and its check fails on figures that break it."""

import dataclasses

import numpy as np
import pytest

from mmaudit import diagnostics as d
from mmaudit.gates import Auditor, Verdict
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator
from mmaudit.settings import Settings
from mmaudit.stress import CHECKS, Stress, checks, relations
from mmaudit.stress.relations import RELATIONS, TOLERANCE

NAMES = [relation.name for relation in RELATIONS]


def auditor(n=120, noise=0.8, similarity="cosine"):
    rng = generator(3, "relations")
    x = rng.standard_normal((n, 12)).astype(np.float32)
    y = (x + noise * rng.standard_normal(x.shape)).astype(np.float32)
    pairs = Pairs(
        inputs=dict.fromkeys(("image", "text"), np.arange(n)),
        groups=np.arange(n) // 2,
        nuisance={"source": np.arange(n) % 5},
    )
    from mmaudit.subjects import as_subject

    return Auditor(dataclasses.replace(as_subject((x, y)), similarity=similarity), pairs)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("name", NAMES)
def test_every_law_holds_and_its_control_breaks_it(name, similarity):
    outcome = Stress(auditor(similarity=similarity)).run(name)
    assert outcome.verdict is Verdict.ACCEPT, outcome.reason
    assert outcome.check == name
    assert outcome.failure == "stress"
    assert outcome.control.value > TOLERANCE


def first_dimension(e, groups):
    return {"mean of the first dimension": float(np.mean(e.x[:, 0]))}


def first_row(e, groups):
    return {"norm of the first row": float(np.linalg.norm(e.x[0]))}


def largest_norm(e, groups):
    return {"largest norm": float(np.max(np.linalg.norm(e.x, axis=1)))}


def image_recall(e, groups):
    return {
        "pair discrimination": d.pair_discrimination(d.ranks(e, groups)).value,
        "r@1": d.recall(d.ranks(e, groups), 1, "forward").value,
        "symmetry gap": d.symmetry_gap(d.ranks(e, groups), 1).value,
    }


def ungrouped(e, groups):
    found = d.ranks(e)
    return {
        "pair discrimination": d.pair_discrimination(found).value,
        "r@1": d.mean_recall(found, 1).value,
        "symmetry gap": abs(d.symmetry_gap(found, 1).value),
    }


PLANTED = {
    "permuting_items": ("_all", first_row),
    "rotating_space": ("spectral_figures", first_dimension),
    "scaling": ("_all", largest_norm),
    "duplicating_items": ("retrieval_figures", ungrouped),
    "swapping_modalities": ("retrieval_figures", image_recall),
}


@pytest.mark.parametrize("name", PLANTED)
def test_figures_that_break_a_law_are_rejected(name, monkeypatch):
    """A figure of the first row, of an axis, of norms, of one direction alone, or one that ignores groups."""
    where, figure = PLANTED[name]
    monkeypatch.setattr(relations, where, figure)
    if where == "_all":
        monkeypatch.setattr(relations._change, "__defaults__", (figure,))
    outcome = Stress(auditor()).run(name)
    assert outcome.verdict is Verdict.REJECT, outcome.reason


@pytest.mark.parametrize("width", [1, 2, 7, 64])
def test_the_rotation_keeps_inner_products_and_mixes_all_axes(width):
    turn = relations._hartley(np.eye(width))
    np.testing.assert_allclose(turn @ turn.T, np.eye(width), atol=1e-12)
    assert np.linalg.matrix_rank(turn) == width
    assert np.abs(turn).max() <= np.sqrt(2 / width) + 1e-12


def test_a_drop_that_reads_the_labels_as_numbers_is_rejected(monkeypatch):
    real = d.matched_negative_drop

    def numeric(e, codes, groups):
        found = real(e, codes, groups)
        return dataclasses.replace(found, value=found.value + 1e-3 * float(np.mean(codes)))

    monkeypatch.setattr(relations.d, "matched_negative_drop", numeric)
    assert Stress(auditor()).run("relabelling_nuisance").verdict is Verdict.REJECT


def test_ranks_that_profit_from_candidates_are_rejected(monkeypatch):
    real = d.ranks

    def generous(e, groups=None):
        found = real(e, groups)
        if len(e) < 100:
            return found
        forward = dataclasses.replace(found.forward, better=found.forward.better // 5)
        return dataclasses.replace(found, forward=forward)

    monkeypatch.setattr(relations.d, "ranks", generous)
    assert Stress(auditor()).run("adding_distractors").verdict is Verdict.REJECT


def test_an_encoder_that_thrives_on_noise_is_rejected(sound):
    """It matches on the noise itself: in a clean world it is lost, in a noisy one it is not."""

    def text(features):
        rows = np.asarray(features)
        good = np.asarray(sound.encoders["text"](rows))
        quiet = rows[:, 40:60].std() < 1e-6
        return np.random.default_rng(0).standard_normal(good.shape) if quiet else good

    thriving = dataclasses.replace(sound, encoders={**sound.encoders, "text": text})
    assert Stress(Auditor(thriving)).run("adding_noise").verdict is Verdict.REJECT
    assert Stress(Auditor(sound)).run("adding_noise").verdict is Verdict.ACCEPT


def test_a_search_on_which_nothing_could_be_rejected_accepts_nothing(sound, monkeypatch):
    monkeypatch.setattr(checks, "smallest_severity", lambda rejects: None)
    outcome = Stress(Auditor(sound, settings=Settings(stress={"worlds": 4}))).run("generated_worlds")
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert "cannot fail here" in outcome.reason


def test_the_search_rejects_noise_in_its_own_default_world(sound):
    outcome = Stress(Auditor(sound, settings=Settings(stress={"worlds": 4}))).run("generated_worlds")
    assert outcome.verdict is Verdict.ACCEPT
    assert outcome.control.severity > 0
    assert outcome.reason == "4 worlds tried, none rejected"


@pytest.mark.parametrize("name", CHECKS)
def test_a_broken_encoder_is_no_crash(name, sound):
    def nan(features):
        return np.full((len(features), 8), np.nan)

    broken = dataclasses.replace(sound, encoders={"image": nan, "text": nan})
    outcome = Stress(Auditor(broken, settings=Settings(stress={"worlds": 3}))).run(name)
    expected = Verdict.REJECT if name == "generated_worlds" else Verdict.NOT_EVIDENCED
    assert outcome.verdict is expected


def test_no_stress_check_by_another_name(sound):
    with pytest.raises(ValueError, match="did you mean 'scaling'"):
        Stress(Auditor(sound)).run("scalng")
