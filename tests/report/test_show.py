from mmaudit.report.columns import columns
from mmaudit.report.comparison import comparison_lines
from mmaudit.report.show import show_lines

CHANGE = {
    "check": "recall_at_1",
    "before": 1,
    "now": 0.25,
    "tolerance": 0.0,
    "p_value": 1e-5,
    "p_adjusted": 2e-5,
    "regression": True,
}


def test_columns_are_aligned_and_only_the_last_is_folded():
    rows = [("a", "bb", "word " * 12), ("aaa", "b", "")]
    lines = columns(rows, 40)
    assert lines[0].startswith("  a    bb  word word")
    assert lines[-1] == "  aaa  b"
    assert all(line.startswith(" " * 11 + "word") for line in lines[1:-1])
    assert max(map(len, lines)) <= 40
    assert columns([], 40) == []


def record(make, **changes):
    m = make(measurement=(-0.75, -0.8, -0.7), check="recall_at_1").measurement.record()
    paired = CHANGE | {"change": m}
    exact = CHANGE | {
        "check": "contract",
        "change": m | {"name": "violations", "interval": "exact", "value": 1, "low": 1, "high": 1},
        "p_value": None,
        "p_adjusted": None,
        "regression": False,
    }
    return {
        "baseline": "old \x1b[31mmodel",
        "baseline_digest": "c" * 64,
        "subject": "new",
        "alpha": 0.05,
        "pairs": 400,
        "regressed": True,
        "changes": [paired, exact],
        "turned": [{"check": "separation", "now": "REJECT", "reason": "it lies outside"}],
        "moved": [{"item": 7, "forward": [1, 30], "backward": [1.5, 2]}],
        "not_compared": [{"check": "gone", "reason": "it was not run now"}],
        "notes": ["another version"],
    } | changes


def test_a_comparison_says_what_got_worse_by_how_much_and_by_which_method(make):
    text = "\n".join(comparison_lines(record(make), 200))
    assert "paired by item:\n" in text
    assert "recall_at_1  1 → 0.250     -0.750 [-0.800, -0.700]  WORSE" in text
    assert "without sampling error: the verdict decides:\n" in text
    assert "  7     1 → 30        1.5 → 2" in text
    assert "gone  it was not run now" in text
    assert "note: another version" in text
    assert "2 regressions:" in text
    assert "p = 2e-05 after Holm over 1 figure." in text
    assert "separation turned from ACCEPT to REJECT: it lies outside." in text
    assert "\x1b" not in text


def test_a_comparison_without_regression_says_so_last(make):
    calm = record(make, turned=[], changes=[], moved=[], not_compared=[], notes=[])
    assert comparison_lines(calm, 80) == [
        "compared with old \ufffd[31mmodel (sha256 cccccccccccc…), 400 pairs",
        "no regression",
    ]


def documents(outcomes, certifications):
    return {
        "subject.json": {"name": "a\x1b[31m", "adapter": None},
        "dataset.json": {"name": "pairs", "pairs": 400},
        "settings.json": {"seed": 7, "limits": {}},
        "outcomes.json": {
            "outcomes": [o.record() for o in outcomes],
            "certifications": [o.record() for o in certifications],
        },
    }


def test_every_outcome_is_shown_under_its_kind(outcomes, certifications):
    lines = show_lines(documents(outcomes, certifications), {}, width=100)
    gates, notices, missing = (lines.index(title) for title in ("gates", "notices", "not evidenced"))
    for outcome in outcomes:
        kind = (missing, notices, gates)[
            0 if outcome.measurement is None else 1 if outcome.verdict is None else 2
        ]
        section = lines[kind : lines.index("", kind)]
        assert any(outcome.check in line for line in section), outcome.check
    assert "subject: a\ufffd[31m" in lines
    assert "data:    pairs, 400 pairs" in lines
    assert not any("\x1b" in line for line in lines)


def test_suspects_and_the_comparison_are_shown_where_there_are_any(make, outcomes):
    whole = documents(outcomes, []) | {"comparison.json": record(make)}
    suspects = {"data/suspect_pairs.npy": list(range(30)), "data/hubs_x.npy": []}
    text = "\n".join(show_lines(whole, suspects, width=200))
    assert "suspect pairs (30)  0, 1, 2" in text
    assert "18, 19…" in text
    assert "hubs" not in text
    assert "2 regressions:" in text


def test_of_a_broken_bundle_what_is_left_is_shown():
    assert show_lines({}, {}, width=80) == []
    assert show_lines({"settings.json": {"seed": 7}}, {}, width=80) == ["", "settings", "  seed  7"]


def test_colour_is_in_the_verdicts_and_nowhere_else(outcomes):
    plain = show_lines(documents(outcomes, []), {}, width=100)
    tinted = show_lines(documents(outcomes, []), {}, width=100, colour=True)
    assert len(plain) == len(tinted)
    assert any("\x1b[" in line for line in tinted)
