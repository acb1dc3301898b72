"""The chapter's plots and lines from findings made by hand."""

import pytest

from mmaudit.evidence.findings import findings_of, suites_summary, told, undecided
from mmaudit.report import page
from mmaudit.report.figures import svg
from mmaudit.report.suites import claim_rows, suite_lines, suite_tables

ALL = {"recall_at_1": 0.5, "recall_lost": 0.0}


@pytest.fixture
def findings(make):
    rows = [
        make("balanced", symmetry_gap=0.01, **ALL),
        make("img_gain_dominant", symmetry_gap=0.01, embedding_change=0.0, **ALL),
        make("asym_noise_txt_high", symmetry_gap=-0.3, recall_at_1=0.1, recall_lost=0.4),
        make(
            "conf_high_corr0",
            recall_at_1=0.7,
            recall_lost=-0.3,
            counterfactual_drop=0.6,
            twin_accuracy=0.9,
            mi_excess_shift=0.05,
            v_information_image_shape_change=-0.5,
        ),
        make("conf_high_corr25", recall_at_1=0.4, recall_lost=0.3, drop_change=-0.3, twin_accuracy=0.8),
        make(
            "normal_ref",
            recall_at_1=0.5,
            mean_cosine_image=0.0,
            mean_cosine_text=0.0,
            effective_rank_image=30.0,
        ),
        make("unchanged", gates_that_fire=0.0, gates_that_fire_by_reference_limits=0.0),
    ]
    return rows[::-1]


def test_the_plots_have_the_names_of_the_chapter_and_its_order(findings):
    tables = suite_tables(findings)
    assert set(tables) == {
        "plots/expA_symmetry_gap.svg",
        "plots/expB_counterfactual_drop.svg",
        "plots/collapse_indicators.svg",
        "plots/degradation_curves.svg",
    }
    gaps = tables["plots/expA_symmetry_gap.svg"].rows
    assert [row[1] for row in gaps] == ["balanced", "img_gain_dominant", "asym_noise_txt_high"]
    assert suite_tables([]) == {}


def test_the_curves_run_along_their_dials(findings):
    rows = suite_tables(findings)["plots/degradation_curves.svg"].rows
    wrong = [row[1:4] for row in rows if row[0] == "share of wrong training pairs"]
    assert wrong == [
        ("clean world", 0.0, 0.5),
        ("confounded world", 0.0, 0.7),
        ("confounded world", 0.25, 0.4),
    ]
    assert [row[2:4] for row in rows if row[0] == "noise of the texts"] == [(0.02, 0.5), (0.12, 0.1)]
    drops = suite_tables(findings)["plots/expB_counterfactual_drop.svg"].rows
    assert {(row[0][:8], row[2]) for row in drops} == {("strength", 2.0), ("agreemen", 1.0)}


def test_equal_tables_are_drawn_as_equal_bytes(findings):
    for table in suite_tables(findings).values():
        image = svg(table)
        assert image.startswith(b"<?xml")
        assert image == svg(table)


def test_the_lines_count_claims_and_name_contradictions(findings):
    lines = suite_lines(findings)
    assert "Suite A: modality dominance and asymmetric noise: 3 conditions; claims: 2 true, 1 false" in lines
    (contradiction,) = (line for line in lines if line.startswith("contradicted"))
    assert contradiction.startswith("contradicted, asym_noise_txt_high: symmetry_gap within ±0.1")


def test_every_finding_has_one_report_and_the_summary_has_the_extremes(findings):
    rows = [finding.record() for finding in findings]
    homes = ("baseline", "dominance", "shortcut", "corruption", "collapse", "stress")
    assert sum(len(findings_of(report, rows)) for report in homes) == len(rows)
    assert [row["condition"] for row in findings_of("baseline", rows)] == ["unchanged"]
    extremes = suites_summary(rows)["extremes"]
    assert extremes["worst_symmetry_gap"]["condition"] == "asym_noise_txt_high"
    assert extremes["best_symmetry_gap"]["value"] == 0.01
    assert extremes["largest_counterfactual_drop"]["condition"] == "conf_high_corr0"
    assert extremes["strongest_collapse_indicator"]["condition"] == "normal_ref"
    assert suites_summary([])["extremes"]["worst_symmetry_gap"] is None
    assert suites_summary(rows) == suites_summary(rows[::-1])


def test_sentences_give_the_truth_and_open_claims_are_open_items(make):
    row = make("conf_high_agree0", recall_lost=0.05, counterfactual_drop=0.0, twin_accuracy=0.25).record()
    (sentence,) = told([row])
    assert sentence.startswith(
        "conf_high_agree0: UNDECIDED: A marker that says nothing about the pair is ignored."
    )
    assert sentence.endswith("costs the clean world's r@1.")
    assert list(undecided([row])) == [
        "conf_high_agree0: undecided. A marker that says nothing about the pair is ignored."
    ]


def test_every_claim_is_on_the_page_with_what_became_of_it(findings):
    rows = claim_rows(findings)
    assert [row[1] for row in rows] == sorted(
        (row[1] for row in rows), key=[f.condition for f in findings[::-1]].index
    )
    assert {row[3] for row in rows} <= {"true", "false", "undecided"}
    empty = ("settings", "dataset", "subject", "environment", "counts", "plots", "tables")
    nothing = {name: {} for name in empty}
    shown = page([], [], **nothing, deviations=[], digest_note="", suites=findings).decode()
    for _, condition, claim, _, _ in rows:
        assert condition in shown
        assert claim.split()[0] in shown
    assert "Teaching suites" in shown
    assert "Teaching suites" not in page([], [], **nothing, deviations=[], digest_note="").decode()
