import base64
import dataclasses
import hashlib
import html.parser
import itertools
import re
import urllib.parse

import numpy as np
import pytest

from mmaudit.gates.outcome import Control, Limit, Verdict
from mmaudit.inference import student
from mmaudit.measurement import Measurement
from mmaudit.report import SuspectList, draw, figure_data, page
from mmaudit.report.figures import themed
from mmaudit.report.suspects import Suspect, View

VOID = {"meta", "link", "img", "br", "hr", "input", "col"}


class Reader(html.parser.HTMLParser):
    """Collects elements and checks that every one that opens also closes, in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.texts, self.ids = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"an attribute of <{tag}> is given twice"
        self.elements.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def listed(name, *views):
    return SuspectList(
        slug="suspect_pairs",
        title=name,
        caption=name,
        columns=("figure", *(name for _ in views)),
        rows=np.arange(3),
        figures=np.zeros((3, 1)),
        shown=(Suspect(row=2, figures=("0.5",), views=views),) if views else (),
    )


@pytest.fixture
def arguments(outcomes, certifications, plots, tables):
    return {
        "outcomes": outcomes,
        "certifications": certifications,
        "settings": {"seed": 7, "limits": {"symmetry_gap": {"low": -0.1}}, "require": []},
        "dataset": {"name": "standard world", "n": 90},
        "subject": {"name": "reference aligner"},
        "environment": {"python": "3.12"},
        "counts": {"collected": 9, "passed": 6, "failed": 2, "skipped": 1, "errors": 0, "not_run": 0},
        "deviations": ["one worker crashed"],
        "plots": plots,
        "tables": tables,
        "digest_note": "The digest is printed at the end of the run.",
    }


@pytest.fixture
def shown(arguments):
    return page(**arguments).decode()


@pytest.fixture
def read(shown):
    return Reader(shown)


def test_well_formed_with_unique_ids_and_living_anchors(read):
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))
    anchors = {a["href"] for a in read.all("a")}
    assert anchors
    assert all(href.startswith("#") and href[1:] in read.ids for href in anchors)
    labels = {a["aria-labelledby"] for _, a in read.elements if "aria-labelledby" in a}
    assert labels <= set(read.ids)


def test_policy_allows_this_style_this_script_and_data_images_alone(shown, read):
    policy = next(a["content"] for a in read.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    style, script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for tag in ("style", "script")
        for text in re.findall(rf"<{tag}>(.*?)</{tag}>", shown, re.DOTALL)
    )
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not any("style" in attributes for _, attributes in read.elements)
    assert not any(key.startswith("on") for _, attributes in read.elements for key in attributes)


def test_nothing_is_fetched_and_one_script_runs(shown, read):
    assert {tag for tag, _ in read.elements}.isdisjoint({"link", "iframe", "object", "form", "base"})
    assert read.all("script") == [{}]
    assert "innerHTML" not in shown
    written = re.sub(r'src="data:[^"]*"', "", shown)  # a plot names its namespaces
    assert "http://" not in written.replace("http-equiv", "")
    assert "https://" not in written
    assert "url(" not in shown
    assert "@import" not in shown
    assert all(image["src"].startswith("data:image/svg+xml,") for image in read.all("img"))


def test_every_plot_is_there_with_words_and_numbers(arguments, read):
    images = read.all("img")
    assert len(images) == len(arguments["plots"]) == 8
    embedded = {urllib.parse.unquote_to_bytes(image["src"].partition(",")[2]) for image in images}
    assert embedded == {themed(plot) for plot in arguments["plots"].values()}
    assert {image["alt"] for image in images} == {table.alt for table in arguments["tables"].values()}
    # One for each plot, and one for what the diagnosis could not look for.
    assert len(read.all("details")) == 9


def test_tables_have_captions_and_scopes(read):
    assert len(read.all("table")) == len(read.all("caption"))
    assert all(cell.get("scope") in ("col", "row") for cell in read.all("th"))


def test_headings_descend_without_a_gap(read):
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_opens_with_the_verdict_and_why(read):
    start = read.text.split("Failure modes")[0]
    assert "Overall: REJECT twin_accuracy is 0.712 [0.681, 0.743]" in start
    assert start.index("twin_accuracy") < start.index("symmetry_gap")


def test_the_diagnosis_names_failures_their_evidence_and_what_is_unknown(read, arguments, make):
    assert "No failure is named." in read.text
    assert "movement_ratio was not run, or needs more access than gradients" in read.text
    found = student("twin_accuracy", 0.7, 0.02, 400, 400, null=0.25)
    planted = make("twin_accuracy", "shortcut", Verdict.REJECT, measurement=found)
    text = page(**{**arguments, "outcomes": [planted]}).decode()
    assert "Failures named: <strong>shortcut</strong>." in text
    assert "twins are told apart at chance" in text


def test_every_kind_of_outcome_is_told(read):
    text = read.text
    assert "about n = 9100" in text
    assert "from severity 0.6 ; it then measures 0.710; r@1 changes by -0.400" in text
    assert "half-way from chance to certainty" in text
    assert "undefined (rank one)" in text
    assert "tail_excess corruption no trusted pairs are known" in text
    assert "2 of 2 null encoders rejected" in text
    assert "limits.symmetry_gap.low -0.1" in text
    assert "one worker crashed" in text
    for verdict in Verdict:
        assert verdict.value in text


def test_suspects_are_shown_with_words_and_pictures(arguments):
    lists = [listed("Worst", View(png=b"picture"), View(text="a <caption>")), listed("Hubs")]
    read = Reader(page(**arguments, suspects=lists).decode())
    (thumbnail,) = [image for image in read.all("img") if image["src"].startswith("data:image/png;base64,")]
    assert base64.b64decode(thumbnail["src"].split(",")[1]) == b"picture"
    assert thumbnail["alt"] == "Worst of row 2"
    assert "a <caption>" in read.text
    assert "The first 1 of 3, all in data/suspect_pairs.npy" in read.text
    assert "Hubs None." in read.text
    assert "No embeddings were measured" in Reader(page(**arguments).decode()).text


def test_every_table_of_results_can_be_sorted(read):
    plain = [t for t in read.all("table") if "sortable" not in t.get("class", "")]
    assert {t["class"] for t in plain} == {"facts"}


def test_equal_records_give_equal_bytes_in_any_order(arguments):
    expected = page(**arguments)
    for name in ("outcomes", "certifications"):
        arguments[name] = arguments[name][::-1]
    for name in ("settings", "plots", "tables", "counts"):
        arguments[name] = dict(reversed(arguments[name].items()))
    assert page(**arguments) == expected


def test_small(shown):
    assert len(shown) < 500_000


def test_size_of_a_full_catalogue_with_a_long_history(make, arguments, embeddings):
    control = Control(damage="weight of something other than the item", severity=0.02, value=0.1, harm=0.2)
    many = [make(f"check_{i}", f"failure {i % 7}", control=control) for i in range(40)]
    series = (
        "train_loss",
        "r1_xy",
        "r1_yx",
        "symmetry_gap",
        "variance_x",
        "variance_y",
        "rankme_x",
        "rankme_y",
    )
    rows = [{"epoch": e} | {name: 1 / (e + i + 1) for i, name in enumerate(series)} for e in range(200)]
    arguments["outcomes"] = many
    arguments["plots"] = draw(figure_data(many, embeddings=embeddings, history=rows))
    arguments["tables"] = figure_data(many, embeddings=embeddings, history=rows)
    assert len(page(**arguments)) < 500_000


def test_unfinished_checks_bar_an_accept(arguments, make):
    arguments["outcomes"] = [make()]
    assert "<title>mmaudit: ACCEPT</title>" in page(**arguments).decode()
    arguments["counts"] = {**arguments["counts"], "not_run": 1}
    shown = page(**arguments).decode()
    assert "<title>mmaudit: INCONCLUSIVE</title>" in shown
    assert "1 collected check did not finish." in shown


def test_a_page_without_any_evidence(arguments):
    empty = {"outcomes": [], "certifications": [], "plots": {}, "tables": {}, "deviations": [], "subject": {}}
    read = Reader(page(**{**arguments, **empty}).decode())
    assert "Overall: NOT EVIDENCED No gate was among what ran." in read.text
    assert "No check was recorded." in read.text
    assert "There was nothing to draw." in read.text


def test_a_plot_without_a_table_is_still_shown(arguments):
    read = Reader(page(**{**arguments, "tables": {}}).decode())
    assert {image["alt"] for image in read.all("img")} == set(arguments["plots"])


def compared(name="recall_at_1", regression=True):
    """Return the record of a comparison of two figures, the first of which got worse or did not."""
    change = Measurement(
        name=name,
        value=-0.2,
        low=-0.25,
        high=-0.15,
        confidence=0.95,
        n=20,
        method="",
        interval="student",
        unit="share",
        direction="higher is better",
    )
    rows = [
        {
            "check": check,
            "before": 0.8,
            "now": 0.6,
            "change": dataclasses.replace(change, name=check, method=method).record(),
            "tolerance": 0.01,
            "p_value": 1e-6,
            "p_adjusted": 2e-6,
            "regression": regression and check == name,
        }
        for check, method in ((name, "paired by item"), ("gap", "two estimates"))
    ]
    return {
        "baseline": name,
        "baseline_digest": "c" * 64,
        "subject": "new",
        "alpha": 0.05,
        "pairs": 20,
        "regressed": regression,
        "changes": rows,
        "turned": [{"check": name, "now": "REJECT", "reason": name}] if regression else [],
        "moved": [{"item": 3, "forward": [1.0, 7.5], "backward": [2.0, 2.0]}],
        "not_compared": [{"check": name, "reason": name}],
        "notes": [name],
    }


def test_what_got_worse_than_the_baseline_is_said_at_once_and_shown_in_full(arguments):
    text = Reader(page(**arguments, comparison=compared()).decode()).text
    start = text.split("Failure modes")[0]
    assert "Worse than its baseline: 2 regressions." in start
    assert "recall_at_1 changed by -0.200 [-0.250, -0.150]" in start
    assert "Against the baseline: WORSE" in text
    assert "recall_at_1 WORSE 0.800 → 0.600 -0.200 [-0.250, -0.150] (95 %) 0.01 paired" in text
    assert "gap not worse 0.800 → 0.600 -0.200 [-0.250, -0.150] (95 %) 0.01 bounded" in text
    assert "3 1 → 7.5 2 → 2" in text


def test_a_run_as_good_as_its_baseline_says_so_and_one_without_says_nothing(arguments):
    text = Reader(page(**arguments, comparison=compared(regression=False)).decode()).text
    assert "Against the baseline: NO REGRESSION" in text
    assert "Worse than" not in text
    assert "the baseline" not in Reader(page(**arguments).decode()).text


def test_risks_statements_and_components_are_told(arguments):
    risk = {
        "risk": "hubness",
        "status": "not detected",
        "description": "crowding",
        "limitation": "galleries differ",
        "evidence_file": "outcomes.json",
    }
    packages = {
        "numpy": {"version": "2.4", "licence": "BSD-3-Clause"},
        "x": {"version": "1", "licence": None},
    }
    given = {"risks": [risk], "statements": {"intended_use": "search"}, "environment": {"packages": packages}}
    text = Reader(page(**arguments | given).decode()).text
    assert "hubness not detected crowding galleries differ outcomes.json" in text
    assert "intended_use search" in text
    assert "numpy 2.4, BSD-3-Clause x 1, licence not declared" in text


EVIL = "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'{{ 7*7 }}\x00\x1b\u202e"


def test_hostile_strings_stay_text_in_every_field(arguments, make):
    control = Control(damage=EVIL, severity=0.5, value=None, harm=None)
    limit = Limit(low=0, kind="user", rationale=EVIL)
    outcomes = [
        make(EVIL, EVIL, verdict, limit=limit, control=control, access=(EVIL,), reason=EVIL)
        for verdict in (*Verdict, None)
    ]
    outcomes = [
        dataclasses.replace(
            o,
            question=EVIL,
            measurement=dataclasses.replace(o.measurement, name=EVIL, method=EVIL, unit=EVIL, notes=(EVIL,)),
        )
        for o in outcomes
    ]
    table = dataclasses.replace(
        arguments["tables"]["plots/spectra.svg"],
        title=EVIL,
        alt=EVIL,
        columns=(EVIL,) * 3,
        rows=((EVIL, 1, 0.5), (None, 2, None)),
    )
    hostile = {EVIL: EVIL, "nested": {EVIL: [EVIL, {EVIL: None}]}}
    text = page(
        outcomes,
        outcomes,
        settings=hostile,
        dataset=hostile,
        subject=hostile,
        environment=hostile | {"packages": {EVIL: {"version": EVIL, "licence": EVIL}}},
        counts={EVIL: 1},
        deviations=[EVIL],
        plots={EVIL: b"<svg/>", "plots/spectra.svg": b"<svg/>"},
        tables={"plots/spectra.svg": table},
        digest_note=EVIL,
        suspects=[listed(EVIL, View(text=EVIL, png=b"png"))],
        comparison=compared(EVIL),
        risks=[
            dict.fromkeys(("risk", "status", "description", "limitation", "evidence_file"), EVIL),
        ],
        statements={EVIL: [EVIL]},
    ).decode()
    read = Reader(text)
    assert read.open == []
    assert read.all("script") == [{}]
    assert all(image["src"].startswith("data:") for image in read.all("img"))
    assert not any(key.startswith("on") for _, attributes in read.elements for key in attributes)
    assert text.count("</style>") == 1
    assert "{{ 7*7 }}" in text
    assert not set(text) & {"\x00", "\x1b", "\u202e"}
