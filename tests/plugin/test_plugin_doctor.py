"""``--mmaudit-doctor`` as a user runs it: what it prints, its exit status, and that nothing else runs."""

import pytest

MODEL = """
import numpy as np

class Model:
    def encode_image(self, pictures):
        return np.stack([p.reshape(-1)[:64:8] for p in pictures])

    def encode_text(self, sentences):
        return [[ord(c) for c in s[:8]] for s in {order}]
"""


def test_a_sound_subject_exits_with_0_and_runs_nothing(project):
    project.write("models.py", MODEL.format(order="sentences"))
    project.write("test_own.py", "def test_own():\n    raise SystemExit('ran')\n")
    before = project.files()
    result = project.run("--mmaudit-doctor", "--mmaudit-subject=models:Model")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "mmaudit doctor: Model, read as: encode_image/text",
            "*sound*text: order*identical*",
            "0 broken*can be audited",
        ]
    )
    assert project.files() == before


def test_a_broken_subject_exits_with_1_and_says_how_to_mend_it(project):
    project.write("models.py", MODEL.format(order="sorted(sentences)"))
    for flags in (("--mmaudit-doctor",), ("--mmaudit", "--mmaudit-doctor")):
        result = project.run(*flags, "--mmaudit-subject=models:Model")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["*broken*text: order*", "*mend: row i must be input i's*"])
    assert not project.bundles


def test_the_hook_and_data_are_found_as_an_audit_finds_them(project):
    project.write(
        "conftest.py", "def pytest_mmaudit_subject(config):\n    return config.rootpath / 'good.npz'\n"
    )
    result = project.run("--mmaudit-doctor")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["mmaudit doctor: good, read as: given embeddings", "*none: 120 given rows*"])


def test_nothing_to_examine_is_one_line(project, said):
    result = project.run("--mmaudit-doctor")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = said(result)
    assert line.startswith("ERROR: --mmaudit-doctor has nothing to examine; name the subject")
    project.write("models.py", "number = 3\n")
    result = project.run("--mmaudit-doctor", "--mmaudit-subject=models:number")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len(said(result)) == 1
