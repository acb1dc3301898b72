"""A project's own audit tests: the fixtures, the marker, and how a failing gate reads."""

import pytest

from mmaudit.evidence import verify

OWN = ("-k", "test_mine")


def run(project, text, *args, subject="good.npz"):
    project.write("test_mine.py", text)
    return project.audit(*OWN, "-p", "no:randomly", *args, "test_mine.py", subject=subject)


def test_what_is_audited_is_at_hand(project):
    result = run(
        project,
        """
from mmaudit.embeddings import Embeddings
from mmaudit.pairs import Pairs
from mmaudit.subjects import Subject

def test_mine(mmaudit_subject, mmaudit_pairs, mmaudit_embeddings):
    assert isinstance(mmaudit_subject, Subject)
    assert isinstance(mmaudit_pairs, Pairs)
    assert isinstance(mmaudit_embeddings, Embeddings)
    assert mmaudit_subject.identity.name == "good"
    assert len(mmaudit_pairs) == len(mmaudit_embeddings) == 120

def test_mine_world(mmaudit_world):
    raise RuntimeError
""",
        "-rs",
    )
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*NOT EVIDENCED: the audited pairs do not come from the built-in world"])


OWN_GATES = """
import pytest

from mmaudit.inference import exact

def measured(value):
    return exact("blurred pictures", value, 120, method="counted", unit="pictures")

def test_mine_catalogue(mmaudit_gate):
    assert mmaudit_gate("contract").verdict == "ACCEPT"

def test_mine_accepts(mmaudit_gate):
    outcome = mmaudit_gate(measured(3.0), high=5, failure="blur", question="Are pictures sharp?")
    assert (outcome.failure, outcome.limit.kind) == ("blur", "user")

@pytest.mark.mmaudit(failure="blur", needs=())
def test_mine_rejects(mmaudit_gate):
    mmaudit_gate(measured(7.0), high=5)

@pytest.mark.mmaudit(failure="blur", needs=("encoder",))
def test_mine_lacks():
    raise RuntimeError

def test_mine_misspells(mmaudit_gate):
    mmaudit_gate("symetry_gap")

def test_mine_sets_no_limit(mmaudit_gate):
    mmaudit_gate(measured(3.0))

def test_mine_misspells_a_failure(mmaudit_gate):
    mmaudit_gate(measured(3.0), high=5, failure="colapse")

def test_mine_gates_a_number(mmaudit_gate):
    mmaudit_gate(3.0, high=5)

def test_mine_limits_a_catalogue_check(mmaudit_gate):
    mmaudit_gate("symmetry_gap", high=1)
"""


def test_gates_of_a_projects_own(project):
    result = run(project, OWN_GATES, "-rs")
    result.assert_outcomes(passed=2, failed=6, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "REJECT: blurred pictures is 7 (exact, n 120), outside the allowed ≤ 5.",
            "  asked: Does blurred pictures keep to ≤ 5?",
            "  limit: ≤ 5 (user), set by the test that measures it",
            "  next:  mend the encoder",
            "no check 'symetry_gap' in the catalogue; did you mean 'symmetry_gap'?",
            "no limit for blurred pictures: give low=… or high=… or both",
            "failure='colapse'; did you mean 'collapse'?",
            "cannot judge a float; give a check's name, or a measurement *",
            "the limit of * is set in [[]tool.mmaudit.limits], not in a test",
            "SKIPPED * NOT EVIDENCED: needs an encoder to run again*",
        ],
        consecutive=False,
    )
    assert "fixtures.py" not in result.stdout.str().split("short test summary")[0]
    outcomes = {row["check"]: row for row in project.document("outcomes.json")["outcomes"]}
    assert outcomes["test_mine_lacks"]["verdict"] == "NOT EVIDENCED"
    assert outcomes["contract"]["verdict"] == "ACCEPT"
    assert {row["failure"] for row in outcomes.values()} == {"blur", "integrity"}


def test_a_need_that_is_required_fails(project):
    text = 'import pytest\n\n@pytest.mark.mmaudit(needs=("encoder",))\ndef test_mine():\n    pass\n'
    result = run(project, text, "--mmaudit-require=encoder")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["NOT EVIDENCED: test_mine is not evidenced; *", "  required: encoder"])


def test_an_inconclusive_gate_fails_unless_it_is_told_to_pass(project):
    text = """
from mmaudit.inference import proportion

def test_mine(mmaudit_gate):
    mmaudit_gate(proportion("sharp pictures", [1] * 6 + [0] * 5, method="counted", unit="share"), low=0.5)
"""
    result = run(project, text)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["INCONCLUSIVE: *", "  next:  audit about * pairs, or let such tests pass*"])
    result = run(project, text, "-o", "mmaudit_inconclusive=pass")
    result.assert_outcomes(passed=1)


def test_own_evidence_is_in_the_bundle_with_exact_types(project):
    result = run(
        project,
        """
import numpy as np

def test_mine(mmaudit_evidence):
    mmaudit_evidence(images="v3", checked=412, share=np.float64(0.25), flags=[True, None])
    assert [type(r["share"]) for r in mmaudit_evidence.records] == [float]

def test_mine_nan(mmaudit_evidence):
    mmaudit_evidence(share=float("nan"))

def test_mine_array(mmaudit_evidence):
    mmaudit_evidence(share=np.zeros(2))
""",
    )
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["evidence must be finite numbers, strings, *"])
    rows = {row["nodeid"]: row for row in project.document("pytest.json")["tests"]}
    assert rows["test_mine.py::test_mine"]["evidence"] == [
        {"images": "v3", "checked": 412, "share": 0.25, "flags": [True, None]}
    ]
    assert "evidence" not in rows["test_mine.py::test_mine_nan"]


def test_the_embeddings_of_a_broken_encoder_are_one_clear_line(project):
    project.write(
        "models.py",
        "def fail(x):\n    raise ValueError('no such token')\n\nencoders = {'image': fail, 'text': fail}\n",
    )
    project.write(
        "data.py",
        "from mmaudit.pairs import Pairs\n\npairs = Pairs(inputs={'image': range(9), 'text': 'abcdefghi'})\n",
    )
    text = "def test_mine(mmaudit_embeddings):\n    pass\n"
    result = run(project, text, "--mmaudit-data=data:pairs", subject="models:encoders")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the image encoder raised ValueError on a batch of 9: no such token"])
    assert "Traceback" not in result.stdout.str()


def test_a_users_configuration_of_hypothesis_and_numpy_changes_no_audit(project):
    project.write(
        "conftest.py",
        "import hypothesis, numpy\n\nhypothesis.settings.register_profile('x', max_examples=1)\n"
        "hypothesis.settings.load_profile('x')\nnumpy.random.seed(5)\n",
    )
    chosen = ("-k", "mispairing_rate or separation")
    first = project.audit(*chosen)
    (project.path / "conftest.py").unlink()
    second = project.audit(*chosen, "-p", "no:randomly")
    digests = {line for run in (first, second) for line in run.outlines if line.startswith("digest:")}
    assert len(digests) == 1


CRASHES = {
    "a marked check that fails by an assert": "@pytest.mark.mmaudit(failure='collapse')\n"
    "def test_mine():\n    assert 1 == 2\n",
    "a check that fails by a call": "@pytest.mark.mmaudit\ndef test_mine():\n    pytest.fail('no')\n",
    "an error after a gate that accepts": "def test_mine(mmaudit_gate):\n"
    "    mmaudit_gate('contract')\n    raise ValueError('no')\n",
    "an error before the gate": "def test_mine(mmaudit_gate):\n    mmaudit_gate('contract', hihg=1)\n",
}


@pytest.mark.parametrize("kind", CRASHES)
def test_a_check_that_crashes_bars_an_accept_everywhere(project, kind):
    project.write("test_mine.py", f"import pytest\n\n{CRASHES[kind]}")
    files = ("--mmaudit-badge=b.svg", "--mmaudit-ctrf=r.json", "--mmaudit-save=main")
    result = project.audit("-k", "contract or mine", *files, "test_mine.py")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "overall: INCONCLUSIVE",
            "  - 1 collected check did not finish.",
            "not saved: 1 of the collected tests did not finish",
        ],
        consecutive=False,
    )
    counts = project.document("pytest.json")["counts"]
    assert (counts["passed"], counts["failed"], counts["errors"]) == (1, 0, 1)
    (folder,) = project.bundles
    assert verify(folder).problems == []
    assert b'errors="1"' in (folder / "junit.xml").read_bytes()
    for badge in (folder / "badge.svg", project.path / "b.svg"):
        assert b"inconclusive" in badge.read_bytes()
    assert b"<title>mmaudit: INCONCLUSIVE</title>" in (folder / "report.html").read_bytes()
    assert not (project.path / ".mmaudit").exists()


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("@pytest.mark.mmaudit\ndef test_mine():\n    pytest.skip('not today')\n", "ACCEPT"),
        ("@pytest.mark.mmaudit\n@pytest.mark.xfail\ndef test_mine():\n    assert 1 == 2\n", "ACCEPT"),
        ("def test_mine():\n    assert 1 == 2\n", "ACCEPT"),
        (
            "@pytest.mark.mmaudit\ndef test_mine(mmaudit_gate):\n"
            "    mmaudit_gate(exact('blur', 7.0, 9, method='m', unit='u'), high=5)\n",
            "REJECT",
        ),
    ],
)
def test_a_skip_a_verdict_and_a_test_that_is_no_check_are_no_crash(project, text, verdict):
    project.write("test_mine.py", f"import pytest\nfrom mmaudit.inference import exact\n\n{text}")
    result = project.audit("-k", "contract or mine", "test_mine.py")
    result.stdout.fnmatch_lines([f"overall: {verdict}"])
    assert project.document("pytest.json")["counts"]["errors"] == 0
