"""The search in the bundle, in the terminal and in plots: whole, consistent, and the same in every place."""

import copy
import dataclasses
import json

import numpy as np
import pytest

from mmaudit import audit
from mmaudit.evidence import verify
from mmaudit.evidence.consistency import contradictions
from mmaudit.evidence.schema import violation
from mmaudit.evidence.searches import search_contradiction, searched
from mmaudit.failures.weak_spots import two_factors
from mmaudit.gates import Verdict
from mmaudit.report.figures import svg
from mmaudit.report.show import show_lines
from mmaudit.report.stress import stress_lines, stress_tables
from mmaudit.settings import Settings

INTACT_UNSIGNED = 3
REPORT, FILE = "reports/stress.json", "counterexamples/1.json"
WORDS = "a world with squares only and a phase of 225 degrees only (phase 5)"


@pytest.fixture(scope="module")
def audited(sound):
    subject = two_factors(("shape", 1), ("phase", 5)).planted_in(sound)
    return audit(subject, settings=Settings(stress={"worlds": 40}))


@pytest.fixture(scope="module")
def bundle(audited, tmp_path_factory):
    return audited.write(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def documents(bundle):
    paths = [p for p in bundle.directory.rglob("*.json") if p.name != "manifest.json"]
    return {p.relative_to(bundle.directory).as_posix(): json.loads(p.read_bytes()) for p in paths}


@pytest.fixture
def changed(documents):
    return copy.deepcopy(documents)


def facts(documents):
    return documents[REPORT]["facts_provided"]["search"]


def test_an_audit_outside_of_pytest_searches_too(audited):
    assert audited["generated_worlds"].verdict is Verdict.REJECT
    assert audited.verdict is Verdict.REJECT
    assert audited["scaling"].verdict is Verdict.ACCEPT
    assert WORDS in " ".join(str(audited).split())


def test_profile_smoke_looks_at_embeddings_alone(sound):
    found = audit(sound, settings=Settings(profile="smoke"))
    assert "generated_worlds" not in {o.check for o in found.outcomes}
    assert found.stress is None


def test_the_bundle_verifies_and_holds_the_search(bundle, documents):
    assert verify(bundle.archive).status == INTACT_UNSIGNED
    assert list(contradictions(documents)) == []
    assert facts(documents)["counterexamples"][0]["dials"] == {"shape": 1, "phase": 5}
    assert documents[FILE]["words"] == WORDS
    assert any(WORDS in line for line in documents[REPORT]["draft_output"]["findings"])


def drop_file(d):
    del d[FILE]


def other_words(d):
    d[FILE]["words"] = "the default world"


def accepted(d):
    d[FILE]["outcome"]["verdict"] = "ACCEPT"


def miscounted(d):
    facts(d)["verdicts"]["REJECT"] += 1


def lost_row(d):
    facts(d)["trials"]["rows"].pop()


def no_example(d):
    del d[FILE]
    facts(d)["counterexamples"].clear()


def no_search(d):
    d[REPORT]["facts_provided"]["search"] = None


def fewer_worlds(d):
    facts(d)["worlds"] -= 1
    facts(d)["trials"]["rows"].pop()
    facts(d)["verdicts"]["ACCEPT"] = facts(d)["verdicts"].get("ACCEPT", 0) - 1


@pytest.mark.parametrize(
    "change",
    [drop_file, other_words, accepted, miscounted, lost_row, no_example, no_search, fewer_worlds],
)
def test_a_search_that_cannot_be_true_is_found_out(changed, change):
    assert search_contradiction(changed) is None
    change(changed)
    assert search_contradiction(changed) is not None


def test_a_search_in_another_report_is_found_out(changed):
    changed["reports/collapse.json"]["facts_provided"]["search"] = facts(changed)
    assert any(line.startswith("reports/collapse.json") for line in contradictions(changed))


@pytest.mark.parametrize("path", [REPORT, FILE])
def test_nothing_else_may_stand_there(changed, path):
    assert violation(path, changed[path]) is None
    (facts(changed) if path == REPORT else changed[path])["more"] = 1
    assert violation(path, changed[path]) is not None


def test_the_terminal_says_how_much_was_tried_and_what_broke(documents):
    lines = stress_lines(facts(documents), 200, seconds=2.0, bundle="out/1")
    assert lines[0].startswith("stress: 40 worlds tried in 2.0 s, ")
    assert lines[1].startswith(f"  breaks in {WORDS}: ")
    assert lines[2] == "    run it alone: pytest --mmaudit --mmaudit-replay=out/1/counterexamples/1.json"
    assert stress_lines(None, 80) == []


def test_show_prints_the_world_to_paste(documents):
    shown = "\n".join(show_lines(documents, {}, width=100))
    assert "@example(replace(preset('small'), seed=" in shown
    assert "shape=1, phase=5))" in shown


def test_sentences_of_a_search_that_found_nothing(documents):
    quiet = copy.deepcopy(facts(documents))
    quiet["counterexamples"] = []
    assert len(list(searched(quiet))) == 2
    assert list(searched(None)) == []
    assert stress_lines(quiet, 200)[1].startswith("  nearest to a limit: a world with")


def test_regions_are_drawn_over_the_guilty_dials_first(documents):
    tables = stress_tables(facts(documents))
    assert len(tables) == 3
    first = next(iter(tables.values()))
    assert first.columns == ("shape", "phase", "verdict", "worlds")
    assert sum(row[3] for row in first.rows) == 40
    assert len({row[:3] for row in first.rows}) == len(first.rows) < 40
    assert "REJECT" in {row[2] for row in first.rows}
    assert "any" in {row[0] for row in first.rows}
    assert svg(first) == svg(first)
    assert stress_tables(None) == {}


def test_given_embeddings_get_laws_and_no_worlds():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((150, 10)).astype(np.float32)
    found = audit((z, z + 0.4 * rng.standard_normal(z.shape).astype(np.float32)))
    assert found["generated_worlds"].verdict is Verdict.NOT_EVIDENCED
    assert found["rotating_space"].verdict is Verdict.ACCEPT
    assert dataclasses.asdict(found["scaling"].control)["severity"] == 1.0
