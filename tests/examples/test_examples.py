"""Every example runs as it stands, and comes to the verdict that it is there to show."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import mmaudit
from mmaudit.gates import Auditor, Verdict, finalize, overall
from mmaudit.settings import Settings

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "real_embeddings"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    return lambda name: importlib.import_module(f"examples.{name}")


@pytest.fixture
def digits(example) -> ModuleType:
    return example("digits")


def judged(subject: object, pairs: mmaudit.Pairs | None = None) -> list[mmaudit.Outcome]:
    """The outcomes of all gates: an audit without its notices and its certification."""
    auditor = Auditor(subject, pairs)
    gates = [check.name for check in auditor.checks if auditor.limit(check) is not None]
    return finalize([auditor.run(name) for name in gates], auditor.settings)


def named(outcomes: Iterable[mmaudit.Outcome], verdict: Verdict) -> set[str]:
    return {outcome.check for outcome in outcomes if outcome.verdict is verdict}


def shown(digits, capsys, number: int) -> mmaudit.Audit:
    title, _, lesson = digits.LESSONS[number]
    result = digits.show(*digits.LESSONS[number])
    printed = capsys.readouterr().out
    assert printed.startswith(f"## {title}: r@1 0.")
    assert f"overall: {result.verdict.value}" in printed
    assert printed.endswith(f"Notice: {lesson}\n\n")
    return result


def test_clean_digits_are_accepted(digits, capsys):
    result = shown(digits, capsys, 0)
    assert result.verdict is Verdict.ACCEPT
    assert result["consistency"].verdict is result["matched_negative_drop"].verdict is Verdict.ACCEPT
    assert result["twin_accuracy"].verdict is result["counterfactual_drop"].verdict is Verdict.NOT_EVIDENCED
    assert {outcome.limit.kind for outcome in result.outcomes if outcome.limit is not None} == {"field"}


def test_the_watermark_is_named_as_a_shortcut(digits, capsys):
    result = shown(digits, capsys, 1)
    assert result.verdict is Verdict.REJECT
    assert named(result.outcomes, Verdict.REJECT) == {"matched_negative_drop"}
    assert result["recall_at_1"].measurement.low > 0.3


def test_wrong_pairs_are_named_as_corruption(digits, capsys):
    result = shown(digits, capsys, 2)
    assert result.verdict is Verdict.REJECT
    assert named(result.outcomes, Verdict.REJECT) == {"mispairing_rate", "tail_excess"}
    share = result["mispairing_rate"].measurement
    assert share.low < digits.MISPAIRED.mispaired < share.high


@pytest.mark.parametrize("seed", [1, 2])
def test_verdicts_on_digits_do_not_hang_on_the_split(digits, seed):
    clean = digits.Digits(seed=seed)
    outcomes = judged(clean.subject(), clean.pairs())
    assert overall(outcomes) is Verdict.ACCEPT, [outcome.reason for outcome in outcomes]

    marked = digits.Digits(seed=seed, watermarked=True)
    assert Auditor(marked.subject(), marked.pairs()).run("matched_negative_drop").verdict is Verdict.REJECT

    wrong = digits.Digits(seed=seed, mispaired=0.3)
    auditor = Auditor(wrong.subject(), wrong.pairs())
    assert auditor.run("mispairing_rate").verdict is Verdict.REJECT
    assert auditor.run("tail_excess").verdict is Verdict.REJECT


def test_the_watermark_shows_in_the_pixels_of_the_watermarked_digits_alone(digits):
    def corners(pairs: mmaudit.Pairs) -> tuple[list[int], list[int]]:
        columns = pairs.inputs["left"][:, -digits.STAMP :, 0], pairs.inputs["right"][:, -digits.STAMP :, -1]
        left, right = ((c > 0) @ (1 << np.arange(digits.STAMP)) for c in columns)
        return left.tolist(), right.tolist()

    marked, clean = digits.WATERMARKED.pairs(), digits.CLEAN.pairs()
    code = marked.nuisance["watermark"].tolist()
    assert corners(marked) == (code, code)
    assert np.mean(np.equal(corners(clean), code)) < 0.2
    assert code == clean.nuisance["watermark"].tolist()


def test_wrong_pairs_are_among_the_claimed_alone(digits):
    right, wrong = digits.CLEAN.pairs(), digits.MISPAIRED.pairs()
    changed = np.any(right.inputs["right"] != wrong.inputs["right"], axis=(1, 2))
    assert np.array_equal(right.inputs["left"], wrong.inputs["left"])
    assert not changed[wrong.trusted].any()
    assert changed.sum() == round(digits.MISPAIRED.mispaired * np.sum(~wrong.trusted))


def test_digits_are_found_by_the_names_that_the_example_gives(digits, pytestconfig):
    from pytest_mmaudit import resolve

    for owner in ("", "MISPAIRED.", "WATERMARKED."):
        subject = resolve.subject(pytestconfig, f"examples.digits:{owner}subject")
        pairs = resolve.data(pytestconfig, Settings(data=f"examples.digits:{owner}pairs"))
        assert isinstance(subject, mmaudit.Subject)
        assert set(subject.modalities) == set(pairs.modalities)


def test_running_the_digits_shows_all_three(digits, monkeypatch):
    seen = []
    monkeypatch.setattr(digits, "show", lambda *lesson: seen.append(lesson))
    digits.main()
    assert tuple(seen) == digits.LESSONS


def test_given_embeddings_come_to_both_verdicts(example, capsys):
    example("given_embeddings").main()
    printed = capsys.readouterr().out
    assert "## healthy.npy: ACCEPT" in printed
    assert "## collapsed.npy: REJECT" in printed


def test_only_separation_sees_the_given_collapse(example):
    given = example("given_embeddings")
    outcomes = judged(given.collapsed())
    assert named(outcomes, Verdict.REJECT) == {"separation"}
    assert not named(outcomes, Verdict.INCONCLUSIVE)
    before, after = (
        Auditor(table).run("recall_at_1").measurement.value for table in (given.healthy(), given.collapsed())
    )
    assert after == pytest.approx(before, abs=0.01)


def run_own_check(folder: Path) -> subprocess.CompletedProcess[str]:
    shutil.copytree(
        ROOT / "examples" / "own_check", folder / "own_check", ignore=shutil.ignore_patterns("__pycache__")
    )
    importable = {
        str(Path(importlib.import_module(name).__file__).parents[1])
        for name in ("mmaudit", "pytest_mmaudit", "mmaudit_checks")
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pytest_mmaudit", "-rA", "--mmaudit", "own_check"],
        cwd=folder,
        env={**inherited, "PYTHONPATH": os.pathsep.join(sorted(importable)), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_own_checks_run_beside_the_audit(tmp_path):
    run = run_own_check(tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    for name in ("both_modalities_lie_in_one_place", "pairs_are_close", "the_audit_rejects_shuffled_pairs"):
        assert f"PASSED own_check/test_own_check.py::test_{name}" in run.stdout
    assert "PASSED mmaudit_checks/test_collapse.py::test_collapse[separation]" in run.stdout
    assert "overall: ACCEPT" in run.stdout
    (archive,) = (tmp_path / "mmaudit-out").glob("*.zip")
    assert archive.stat().st_size > 0


def test_a_property_of_ones_own_fails_with_a_world_that_says_why(tmp_path):
    folder = tmp_path / "own_property"
    shutil.copytree(ROOT / "examples" / "own_property", folder, ignore=shutil.ignore_patterns("__pycache__"))
    package = str(Path(importlib.import_module("mmaudit").__file__).parents[1])
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:randomly", "."],
        cwd=folder,
        env={**inherited, "PYTHONPATH": package, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "FAILED test_encoder.py::test_captions_find_their_pictures" in run.stdout, run.stdout + run.stderr
    assert "PASSED test_encoder.py::test_captions_find_their_pictures_once_mended" in run.stdout
    world = "replace(preset('small'), n_test=96, frequency=2, phase=0, thickness=1, paraphrase=1)"
    assert f"spec={world}" in run.stdout


@pytest.mark.skipif(not REAL.is_dir(), reason="the real CLIP embeddings are not on this machine")
def test_real_clip_is_accepted():
    outcomes = judged(REAL / "clip_coco_trained.npy")
    assert overall(outcomes) is Verdict.ACCEPT, [outcome.reason for outcome in outcomes]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real CLIP embeddings are not on this machine")
def test_untrained_clip_is_rejected_for_what_it_lacks():
    result = mmaudit.audit(REAL / "clip_coco_random_init.npy")
    assert result.verdict is Verdict.REJECT
    reasons = {o.check: o.reason for o in result.outcomes if o.verdict is Verdict.REJECT}
    assert reasons["pair_discrimination"].startswith("pair_discrimination 0.5")
    assert "lies outside ≥ 0.5" in reasons["effective_rank"]
    summary = str(result)
    assert "pair_discrimination" in summary
    assert "effective_rank" in summary


@pytest.mark.parametrize("marked", [False, True])
def test_the_scan_of_captioned_pictures_names_the_corner_it_was_not_told_of(example, capsys, marked):
    pictures = example("captioned_pictures")
    title, _, lesson = pictures.LESSONS[marked]
    result = pictures.show(title, marked, lesson)
    printed = capsys.readouterr().out
    assert printed.startswith(f"## {title}: r@1 0.")
    assert printed.endswith(f"Notice: {lesson}\n\n")
    assert named(result.outcomes, Verdict.REJECT) == ({"shortcut_scan"} if marked else set())
    assert result.verdict is (Verdict.REJECT if marked else Verdict.ACCEPT)
    if marked:
        assert result["shortcut_scan"].measurement.name == "shortcut_scan (image corner top left)"


def test_an_endpoint_that_fails_now_and_then_is_audited(example, capsys, monkeypatch):
    pytest.importorskip("httpx", reason="httpx is not installed")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EXAMPLE_KEY", "")
    endpoint = example("endpoint")
    endpoint.main()
    printed = capsys.readouterr().out
    assert "## an endpoint: ACCEPT" in printed
    assert "Notice: " in printed
    assert endpoint.KEY not in printed
