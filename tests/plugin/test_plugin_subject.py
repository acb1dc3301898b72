"""What is audited: where it comes from, and one clear line for whatever it does wrong."""

import pytest

from mmaudit.gates import NULL_ENCODERS

HOOK = """
def pytest_mmaudit_subject(config):
    print("asked the hook")
    return config.rootpath / "good.npz"
"""
DATA = """
import numpy as np
from mmaudit.pairs import Pairs

def pairs():
    return Pairs(inputs={"image": np.arange(120), "text": np.arange(120)})
"""


def test_the_command_line_wins_over_ini_over_the_hook(project):
    project.write("conftest.py", HOOK)
    project.write("models.py", "def best():\n    print('asked the factory')\n    return 'good.npz'\n")
    project.write("pytest.ini", "[pytest]\nmmaudit_subject = models:best\n")
    one = ("-k", "contract", "-s")
    by_line = project.audit(*one, subject="good.npz")
    by_ini = project.audit(*one, subject=None)
    (project.path / "pytest.ini").unlink()
    by_hook = project.audit(*one, subject=None)
    asked = [
        [who for who in ("hook", "factory") if f"asked the {who}" in result.stdout.str()]
        for result in (by_line, by_ini, by_hook)
    ]
    assert asked == [[], ["factory"], ["hook"]]
    assert {result.ret for result in (by_line, by_ini, by_hook)} == {pytest.ExitCode.OK}


def test_the_hook_of_a_conftest_below_tests_is_asked(project):
    project.write("tests/conftest.py", HOOK)
    result = project.audit("-k", "contract", "-s", subject=None)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*asked the hook*"])


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("nowhere.npz", "mmaudit subject 'nowhere.npz': no such file"),
        ("models", "mmaudit subject 'models': expected module:factory or a file of embeddings"),
        ("modls:best", "*cannot import modls: ModuleNotFoundError: No module named 'modls'"),
        ("models:bst", "mmaudit subject 'models:bst': no 'bst' in models; did you mean 'best'?"),
        ("models:best", "mmaudit subject 'models:best': best() raised ZeroDivisionError: division by zero"),
        ("models:number", "cannot audit a int; *"),
    ],
)
def test_a_subject_that_leads_nowhere_is_one_line(project, said, spec, complaint):
    project.write("models.py", "number = 3\n\ndef best():\n    return 1 / 0\n")
    result = project.audit(subject=spec)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len(said(result)) == 1
    result.stderr.fnmatch_lines([f"ERROR: {complaint}"])


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ("good.npz", ["subject: good, given embeddings", "data:    good, 120 pairs"]),
        (
            None,
            ["subject: reference aligner, built in", "data:    built-in world (test and claims), * pairs"],
        ),
    ],
)
def test_the_terminal_says_what_was_audited_and_on_what(project, subject, told):
    result = project.audit("-q", "-k", "contract", subject=subject)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*= mmaudit =*", *told, "", "verdict *"], consecutive=True)


@pytest.mark.parametrize("flag", ["--mmaudit", "--mmaudit-doctor"])
@pytest.mark.parametrize("spec", ["models:forgot", "models:nothing", "models:Box.kept"])
def test_a_named_subject_that_is_none_is_one_line(project, said, flag, spec):
    project.write(
        "models.py", "nothing = None\n\nclass Box:\n    kept = None\n\ndef forgot():\n    'good.npz'\n"
    )
    result = project.run(flag, f"--mmaudit-subject={spec}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said(result) == [f"ERROR: mmaudit subject '{spec}' gives None; return what is to be audited"]


@pytest.mark.parametrize("flag", ["--mmaudit", "--mmaudit-doctor"])
def test_a_hook_that_gives_none_is_one_line(project, said, flag):
    project.write("conftest.py", "def pytest_mmaudit_subject(config):\n    'good.npz'\n")
    result = project.run(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = said(result)
    assert line.startswith("ERROR: the hook pytest_mmaudit_subject (")
    assert line.endswith("conftest.py) gives None; return what is to be audited")


@pytest.mark.parametrize("flag", ["--mmaudit", "--mmaudit-doctor"])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ValueError('no weights')", "ValueError: no weights"),
        ("SystemExit(3)", "SystemExit: 3"),
        ("SystemExit()", "SystemExit"),
    ],
)
def test_a_hook_that_raises_is_one_line(project, said, flag, error, told):
    project.write("conftest.py", f"def pytest_mmaudit_subject(config):\n    raise {error}\n")
    result = project.run(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = said(result)
    assert line.endswith(f"conftest.py) raised {told}")


@pytest.mark.parametrize("flag", ["--mmaudit", "--mmaudit-doctor"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sys.exit('no weights')", "cannot import models: SystemExit: no weights"),
        ("def best():\n    sys.exit(3)", "best() raised SystemExit: 3"),
        ("def best():\n    argparse.ArgumentParser().parse_args(['--no'])", "best() raised SystemExit: 2"),
    ],
)
def test_a_subject_that_exits_is_one_line(project, said, flag, text, told):
    project.write("models.py", f"import argparse\nimport sys\n\n{text}\n")
    result = project.run(flag, "--mmaudit-subject=models:best")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said(result) == [f"ERROR: mmaudit subject 'models:best': {told}"]


def test_data_that_are_no_pairs_are_one_line(project, said):
    project.write("data.py", "def pairs():\n    return [1, 2]\n")
    result = project.audit("--mmaudit-data=data:pairs")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = said(result)
    assert line == "ERROR: mmaudit data 'data:pairs' gives a list; expected mmaudit.pairs.Pairs"


@pytest.mark.parametrize("null", NULL_ENCODERS)
def test_every_null_encoder_is_rejected(project, null):
    project.write("data.py", DATA)
    project.write(
        "nulls.py",
        f"""
from mmaudit.failures.nulls import null_encoder
from mmaudit.subjects import as_subject

def subject():
    return null_encoder({null!r}, as_subject("good.npz"))
""",
    )
    chosen = ("-k", "integrity or pair_discrimination", "--mmaudit-data=data:pairs")
    result = project.audit(*chosen, subject="nulls:subject")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["REJECT: *", "overall: REJECT"])


ENCODERS = {
    "raises": ("raise ValueError('no such token')", "raised ValueError on a batch of 120: no such token"),
    "flat": ("return z[items][:, 0]", "returned float64 of shape (120,); expected real numbers"),
    "short": ("return z[items][:-1]", "returned 119 rows for 120 inputs"),
    "wide": ("return np.hstack([z, z])[items]", "embeddings are 16 wide, text embeddings 32"),
    "exits": ("raise SystemExit(3)", "raised SystemExit on a batch of 120: 3"),
    "nan": ("return z[items] * np.nan", "embeddings hold NaN"),
    "unsteady": ("return z[items] + rng.standard_normal((len(items), 16))", "on a second call"),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_broken_encoder_is_one_clear_line(project, kind):
    body, complaint = ENCODERS[kind]
    project.write("data.py", DATA)
    project.write(
        "models.py",
        f"""
import numpy as np

z = np.load("good.npz")["image"]
rng = np.random.default_rng(0)

def encode_text(items):
    {body}

def subject():
    return {{"image": lambda items: z[items], "text": encode_text}}
""",
    )
    chosen = ("-k", "integrity or symmetry_gap", "--mmaudit-data=data:pairs")
    result = project.audit(*chosen, subject="models:subject")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in result.stdout.str()
    failures = result.stdout.str().split("= mmaudit =")[0]
    assert len([line for line in failures.splitlines() if complaint in line]) == 1


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("broken.parquet", "cannot read broken.parquet: *"),
        ("broken.safetensors", "cannot read broken.safetensors: no safetensors file *"),
        ("missing.safetensors", "mmaudit subject 'missing.safetensors': no such file"),
        ("weights.pt", "mmaudit subject 'weights.pt': expected module:factory or a file of embeddings"),
        ("folder", "the folder holds 0 .onnx files; expected two, named by modality"),
        ("https://host/v1/embeddings", "the endpoint needs the name of a model; *"),
        ("https://host/v1/embeddings#m", "an embedding endpoint reads texts alone; give pairs of texts *"),
        ("https://a:b@host/v1#m", "the endpoint's url holds a user, a password or a query; *"),
    ],
)
def test_files_folders_and_addresses_that_are_no_subject_are_one_line(project, said, spec, complaint):
    for name in ("broken.parquet", "broken.safetensors", "weights.pt"):
        project.write(name, "nothing of the kind")
    project.write("folder/notes.txt", "no model")
    result = project.audit(subject=spec)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len(said(result)) == 1
    result.stderr.fnmatch_lines([f"ERROR: {complaint}"])
    assert not project.bundles


def test_a_service_that_is_down_rejects_and_the_bundle_says_what_is_not_evidenced(project):
    pytest.importorskip("httpx", reason="httpx is not installed")
    project.write(
        "service.py",
        """
from mmaudit import Pairs
from mmaudit.subjects.http import Endpoint

down = Endpoint(url="http://127.0.0.1:9/v1/embeddings", model="m", retries=1, backoff=0.0)

def pairs():
    texts = [f"text {i}" for i in range(60)]
    return Pairs(inputs={"query": texts, "document": texts})
""",
    )
    chosen = ("-k", "contract or pair_discrimination", "--mmaudit-data=service:pairs")
    result = project.audit(*chosen, subject="service:down")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["REJECT: contract*the endpoint failed 2 times*no connection to the service*"]
    )
    outcomes = project.document("reports/baseline.json"), project.document("reports/summary.json")
    assert "no usable embeddings: the endpoint failed 2 times" in str(outcomes)
