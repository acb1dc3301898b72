import dataclasses
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from mmaudit.embeddings import Embeddings
from mmaudit.gates.outcome import Control, Dose, Limit, Verdict
from mmaudit.report import draw, figure_data
from mmaudit.report.figures import themed
from mmaudit.report.painters import INK

EVERY = {
    "plots/baseline_norms_image.svg",
    "plots/baseline_norms_text.svg",
    "plots/baseline_similarity_heatmap.svg",
    "plots/controls.svg",
    "plots/rank_histogram.svg",
    "plots/spectra.svg",
    "plots/training_history.svg",
    "plots/verdicts.svg",
}


def words_of(svg):
    return [node.text or "" for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_every_plot_is_drawn_and_has_its_table(plots, tables):
    assert set(plots) == set(tables) == EVERY
    for table in tables.values():
        assert table.title
        assert table.alt
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_svg_is_well_formed_self_contained_and_has_real_text(plots):
    for path, svg in plots.items():
        root = ET.fromstring(svg)
        links = [v for node in root.iter() for key, v in node.attrib.items() if key.endswith("href")]
        assert all(link.startswith(("#", "data:image/png")) for link in links), path
        assert len(words_of(svg)) > 3
        assert b"<script" not in svg
        assert b"<dc:date>" not in svg


def test_same_records_same_bytes_in_any_order_and_under_any_style(plots, outcomes, embeddings, history):
    before = mpl.rcParams.copy()
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        again = draw(figure_data(outcomes[::-1], embeddings=embeddings, history=history))
        assert mpl.rcParams["font.size"] == 30
    assert again == plots
    assert mpl.rcParams.copy() == before


def test_importing_the_report_loads_no_plotting_and_drawing_loads_no_pyplot():
    script = """
import sys
from mmaudit import report
heavy = {"matplotlib", "jinja2", "PIL"} & set(sys.modules)
assert not heavy, heavy
report.draw(report.figure_data([], embeddings=None, history=[{"epoch": 1, "loss": 1.0}]))
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_background_is_transparent(plots):
    for svg in plots.values():
        assert b"fill: #ffffff" not in svg


def test_verdicts_show_every_measured_gate_in_words(plots, tables):
    shown = words_of(plots["plots/verdicts.svg"])
    assert {"ACCEPT", "REJECT", "INCONCLUSIVE", "0.712 [0.681, 0.743]"} <= set(shown)
    rows = tables["plots/verdicts.svg"].rows
    assert [row[0] for row in rows] == ["contract", "pair_discrimination", "symmetry_gap", "twin_accuracy"]
    assert rows[2][2:] == (0.09, 0.04, 0.14, -0.1, 0.1, "±0.1", "INCONCLUSIVE")


def test_a_value_far_beyond_its_limit_is_still_drawn(make):
    far = make(verdict=Verdict.REJECT, measurement=(40.0, 39.0, 41.0))
    degenerate = make(
        "zero", measurement=(0.0, 0.0, 0.0), limit=Limit(low=0, high=0, kind="user", rationale="")
    )
    svg = draw(figure_data([far, degenerate], embeddings=None, history=None))["plots/verdicts.svg"]
    assert "40.0 [39.0, 41.0]" in words_of(svg)


def test_controls_show_accepted_gates_alone(outcomes, tables):
    assert [row[:3] for row in tables["plots/controls.svg"].rows] == [
        ("contract", "share of rows turned to NaN", 0.01),
        ("pair_discrimination", "share of claimed pairs swapped", 0.6),
    ]


def test_heatmap_holds_the_first_similarities(embeddings, tables):
    table = tables["plots/baseline_similarity_heatmap.svg"]
    x, y = embeddings.scored
    shown = np.array([row[1:] for row in table.rows])
    np.testing.assert_allclose(shown, (x[:36] @ y[:36].T), atol=1e-5)


def test_dose_and_response_start_at_the_subject_and_end_in_a_rejection(make):
    tried = ((0.5, 0.02, 0.01, 0.03, False), (0.75, 0.3, 0.2, 0.4, True), (1.0, None, None, None, True))
    doses = tuple(Dose(severity=s, value=v, low=low, high=high, rejected=r) for s, v, low, high, r in tried)
    control = Control(damage="a bias", severity=0.75, value=0.3, harm=None, doses=doses)
    told = make("told", control=control)
    untold = make("untold", control=dataclasses.replace(control, doses=()))
    (path,) = [p for p in figure_data([told, untold], embeddings=None, history=None) if "dose" in p]
    table = figure_data([told, untold], embeddings=None, history=None)[path]
    assert [(row[0], row[1], row[2], row[7]) for row in table.rows] == [
        ("told", 0.0, 0.01, "no"),
        ("told", 0.5, 0.02, "no"),
        ("told", 0.75, 0.3, "yes"),
        ("told", 1.0, None, "yes"),
    ]
    assert {"told", "severity"} <= set(
        words_of(draw(figure_data([told], embeddings=None, history=None))[path])
    )


def test_in_a_page_the_theme_sets_the_ink_and_nothing_else_changes(plots):
    for svg in plots.values():
        shown = themed(svg)
        assert b"prefers-color-scheme" in shown
        assert INK.encode() not in shown.partition(b"</style>")[0]
        assert [e.text for e in ET.fromstring(shown).iter() if "style" not in e.tag] == [
            e.text for e in ET.fromstring(svg).iter() if "style" not in e.tag
        ]


def test_norms_counts_every_item_once(embeddings, tables):
    even, spread = (tables[f"plots/baseline_norms_{m}.svg"].rows for m in embeddings.modalities)
    assert len(even) == 1
    assert even[0][2] == sum(row[2] for row in spread) == len(embeddings)
    assert spread[0][0] == pytest.approx(np.linalg.norm(embeddings.y, axis=1).min(), rel=1e-5)


def test_spectra_are_the_eigenvalues_of_the_centred_covariance(embeddings, tables):
    rows = tables["plots/spectra.svg"].rows
    for side, z in enumerate(embeddings.scored, start=1):
        expected = np.linalg.eigvalsh(np.cov(z.T, bias=True))[::-1]
        np.testing.assert_allclose([row[side] for row in rows], expected, rtol=1e-5)


def test_spectra_of_wide_embeddings_are_thinned_but_keep_both_ends():
    z = np.random.default_rng(1).standard_normal((700, 600))
    rows = figure_data([], embeddings=Embeddings(z, z), history=None)["plots/spectra.svg"].rows
    assert len(rows) <= 64
    assert (rows[0][0], rows[-1][0]) == (1, 600)


def test_rank_histogram_counts_ties_by_half():
    z = np.ones((30, 4))
    rows = figure_data([], embeddings=Embeddings(z, z), history=None)["plots/rank_histogram.svg"].rows
    assert [row[2:] for row in rows if row[0] == 0.5] == [(30, 30)]
    z = np.eye(30)
    rows = figure_data([], embeddings=Embeddings(z, np.roll(z, 1, axis=0)), history=None)
    assert sum(row[2] for row in rows["plots/rank_histogram.svg"].rows) == 30
    assert rows["plots/rank_histogram.svg"].rows[0][2] == 0


def test_history_takes_the_keys_that_are_there(history, tables, plots):
    table = tables["plots/training_history.svg"]
    assert table.columns == ("epoch", "train_loss", "r1_xy", "r1_yx", "rankme_x", "temperature")
    assert [row[0] for row in table.rows] == [1, 2, 3, 4, 5, 6]
    assert {"recall@1", "RankMe", "x → y", "y → x"} <= set(words_of(plots["plots/training_history.svg"]))


def test_history_leaves_out_what_is_no_number():
    rows = [
        {"epoch": 1, "loss": float("nan"), "gap": None, "flag": True},
        {"epoch": 2, "loss": 0.5, "name": "a"},
    ]
    table = figure_data([], embeddings=None, history=rows)["plots/training_history.svg"]
    assert table.columns == ("epoch", "loss")
    assert table.rows == ((1, None), (2, 0.5))
    assert figure_data([], embeddings=None, history=[{"epoch": 1, "gap": None}]) == {}


def test_a_long_history_is_thinned_but_keeps_both_ends():
    rows = [{"epoch": e, "loss": 1.0 / e} for e in range(1, 1001)]
    shown = figure_data([], embeddings=None, history=rows)["plots/training_history.svg"].rows
    assert len(shown) <= 64
    assert (shown[0][0], shown[-1][0]) == (1, 1000)


def test_nothing_to_draw():
    assert draw(figure_data([], embeddings=None, history=None)) == {}
    assert draw(figure_data([], embeddings=Embeddings(np.zeros((0, 3)), np.zeros((0, 3))), history=[])) == {}


@pytest.mark.parametrize(
    ("z", "similarity"),
    [
        (np.zeros((5, 3)), "cosine"),
        (np.ones((5, 3)), "dot"),
        (np.ones((1, 3)), "cosine"),
        (np.full((4, 2), 1e30), "dot"),
        (np.array([[1e30, 1.0], [-3e38, 2.0]]), "dot"),
        (np.full((4, 2), 1e-44), "dot"),
        (np.tile([[1.0, 2.0]], (3, 1)) * np.array([[1.0], [2.0], [3.0]]), "dot"),
    ],
)
def test_degenerate_embeddings_draw_finite_numbers(z, similarity):
    embeddings = Embeddings(z, z, similarity=similarity)
    tables = figure_data([], embeddings=embeddings, history=None)
    cells = [c for table in tables.values() for row in table.rows for c in row if isinstance(c, float)]
    assert np.isfinite(cells).all()
    for svg in draw(figure_data([], embeddings=embeddings, history=None)).values():
        assert b"nan" not in re.sub(rb'base64,[^"]*', b"", ET.tostring(ET.fromstring(svg))).lower()


def test_hostile_names_are_drawn_as_text(make, embeddings):
    evil = "$\\frac{<script>&\x1b\u202e語"
    tables = figure_data(
        [make(evil, evil)],
        embeddings=dataclasses.replace(embeddings, modalities=(evil, evil)),
        history=[{"epoch": 1, "x" + evil: 1.0}],
    )
    shown = draw(tables)
    assert {p for p in shown if "norms" in p} == {
        "plots/baseline_norms_frac-script-x.svg",
        "plots/baseline_norms_frac-script-y.svg",
    }
    assert all(path.isascii() for path in shown)
    assert any("$\\frac{<script>&" in text for text in words_of(shown["plots/verdicts.svg"]))
