import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mmaudit.executor import Local
from mmaudit.failures import HEALTHY, mechanism_named
from mmaudit.gates import Verdict, check_named, diagnose

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALL = (
    HEALTHY.in_world(n_train=600, n_val=100, n_claims=200, n_test=200)
    .trained_with(epochs=4)
    .with_aligner(hidden=32)
)


@pytest.fixture(scope="module")
def scripts():
    """The benchmark's modules, which lie beside each other and are run as scripts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import calibration
        import calibration_models
        import calibration_tables

        yield calibration, calibration_models, calibration_tables


def model(models, recipe, label="healthy", kind="healthy", seed=1, **fields):
    blank = {"severity": 0.0, "families": (), "seen_by": None}
    return models.Model(label=label, kind=kind, seed=seed, recipe=recipe, **(blank | fields))


def test_the_two_stages_share_no_seed_and_no_new_benign_type(scripts):
    calibration, models, _ = scripts
    development, evaluation = (
        list(models.models(calibration.plan(stage, 2, 8, 2, 1))) for stage in ("development", "evaluation")
    )
    assert not {m.seed for m in development} & {m.seed for m in evaluation}
    assert not {m.label for m in development} & set(models.BENIGN_EVALUATION)
    assert {m.label for m in evaluation} >= set(models.BENIGN_EVALUATION) | set(models.BENIGN_DEVELOPMENT)
    for stage in (development, evaluation):
        silent = [m.digest for m in stage if not m.families]
        assert len(set(silent)) == len(silent)
        planted = {m.recipe.twin() for m in stage if m.kind == "mechanism"}
        assert planted <= {m.recipe for m in stage if not m.families}


def test_what_differs_little_gets_more_seeds_and_a_dial_of_steps_its_steps(scripts):
    calibration, models, _ = scripts
    wanted = list(models.models(calibration.plan("evaluation", 2, 0, 0, 0)))
    steps = [m for m in wanted if m.label == "confounder by cardinality"]
    codes = [m.recipe.world.confounder.cardinality for m in steps]
    assert sorted(codes) == [2] * 6 + [3] * 6 + [4] * 6
    assert len({m.seed for m in steps}) == 6
    planted, more = (
        {m.severity: m.recipe for m in wanted if (m.label, m.kind) == ("random mismatches", kind)}
        for kind in ("mechanism", "more claims")
    )
    assert {s: r.in_world(n_claims=models.MORE_CLAIMS) for s, r in planted.items()} == more
    assert HEALTHY.world.n_train == models.MORE_CLAIMS


def test_a_severity_that_is_not_planned_is_refused(scripts, capsys):
    calibration, _, _ = scripts
    with pytest.raises(SystemExit):
        calibration.main(["--quick", "--only", "confounder by cardinality", "--severity", "0.4"])
    assert "confounder by cardinality has no such severity in the plan" in capsys.readouterr().err


def test_a_model_is_measured_once(scripts, tmp_path, monkeypatch):
    calibration, models, _ = scripts
    asked = []
    monkeypatch.setattr(models, "_measure", lambda m: asked.append(m) or {"wrong": m.seed})
    one, other = model(models, SMALL, seed=1), model(models, SMALL, seed=2)
    for wanted in ([one], [other, one], [one, other, one]):
        rows = calibration.gather(wanted, Local(), tmp_path)
        assert [(row.model, row.found) for row in rows] == [(m, {"wrong": m.seed}) for m in wanted]
    assert asked == [one, other]
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".json"]


def test_the_tables_are_made_of_what_was_measured(scripts, tmp_path):
    calibration, models, tables = scripts
    shortcut = mechanism_named("confounder by agreement")
    wrong = mechanism_named("random mismatches")
    planted = [
        model(
            models,
            mechanism.apply(1.0, SMALL),
            mechanism.name,
            "mechanism",
            severity=1.0,
            families=mechanism.families,
            seen_by=mechanism.seen_by,
        )
        for mechanism in (shortcut, wrong)
    ]
    # The twin of a small recipe has the full encoder; its harm is measured against that.
    twins = [model(models, SMALL.twin(), "twin", "twin"), model(models, SMALL)]
    rows = calibration.gather(planted + twins, Local(), tmp_path)
    text = tables.write(rows, tmp_path / "out")
    assert (tmp_path / "out" / "calibration.txt").read_text() == text + "\n"
    records = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert [r["mechanism"] for r in records] == [shortcut.name, wrong.name]
    assert all(r["n"] == r["twins"] == 1 and r["harm"] > 0 for r in records)
    assert [r["exact"]["embeddings"] for r in records] == [0, 0]
    ElementTree.fromstring((tmp_path / "out" / "calibration.svg").read_bytes())
    assert "random mismatches  of  200  q = 0.450  n =   1" in text
    assert "all                            n =    2" in text
    alone = tables.outcomes(rows[0].found, gates=[check_named("twin_accuracy")])
    assert [(o.check, o.family, o.verdict) for o in alone] == [("twin_accuracy", 1, Verdict.REJECT)]
    assert re.search(r"planted failures found or missed otherwise: [012] of 2\n", text)
    assert rows[1].named("gradients") == diagnose(rows[1].outcomes).failures
    assert not {"shortcut", "corruption"} & set(rows[1].named("embeddings"))
    movement = {limits: _verdict(tables, rows[1], limits) for limits in (True, False)}
    assert movement[False] is None
    assert movement[True] is not None


def _verdict(tables, row, reference):
    judged = {o.check: o for o in tables.outcomes(row.found, reference=reference)}
    return judged["movement_ratio"].verdict


def test_the_area_and_the_bound_are_the_textbook_ones(scripts):
    _, _, tables = scripts
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 9, 40), rng.integers(0, 7, 60)
    expected = roc_auc_score(np.repeat([1, 0], [40, 60]), np.concatenate([a, b]))
    assert tables.auc(a, b) == pytest.approx(expected)
    assert tables.auc([], b) is None
    assert tables.upper_bound(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert tables.upper_bound(5, 5) == tables.upper_bound(0, 0) == 1.0
