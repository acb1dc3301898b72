"""Settings: the command line over ini keys over ``[tool.mmaudit]``, and one line for every mistake."""

import pytest

ONE = ("-k", "contract")


def test_the_command_line_wins_over_ini_over_table(project):
    project.write(
        "pyproject.toml",
        """
[tool.pytest.ini_options]
mmaudit_seed = 2
mmaudit_confidence = 0.9
mmaudit_require = ["contract"]

[tool.mmaudit]
seed = 1
confidence = 0.8
profile = "smoke"
limits.symmetry_gap = {low = -0.2, high = 0.2}
""",
    )
    project.audit(*ONE, "--mmaudit-seed=3").assert_outcomes(passed=1)
    settings = project.document("settings.json")
    chosen = {key: settings[key] for key in ("seed", "confidence", "profile", "require", "subject", "limits")}
    assert chosen == {
        "seed": 3,
        "confidence": 0.9,
        "profile": "smoke",
        "require": ["contract"],
        "subject": "good.npz",
        "limits": {"symmetry_gap": {"low": -0.2, "high": 0.2}},
    }


@pytest.mark.skipif(int(pytest.__version__.split(".")[0]) < 9, reason="[tool.pytest] came with pytest 9")
def test_native_toml_keys(project):
    project.write("pyproject.toml", '[tool.pytest]\nmmaudit_seed = 11\nmmaudit_require = ["contract"]\n')
    project.audit(*ONE).assert_outcomes(passed=1)
    settings = project.document("settings.json")
    assert (settings["seed"], settings["require"]) == (11, ["contract"])


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        (
            "pyproject.toml",
            "[tool.mmaudit]\nsed = 3\n",
            "unknown mmaudit setting 'sed'; did you mean 'seed'?",
        ),
        (
            "pyproject.toml",
            "[tool.mmaudit.limits]\nsymetry_gap = {high = 1}\n",
            "mmaudit limit for 'symetry_gap', which is no check; did you mean 'symmetry_gap'?",
        ),
        (
            "pytest.ini",
            "[pytest]\nmmaudit_subjekt = models:best\n",
            "unknown ini key 'mmaudit_subjekt'; did you mean 'mmaudit_subject'?",
        ),
        ("pytest.ini", "[pytest]\nmmaudit_limits = {}\n", "unknown ini key 'mmaudit_limits'; *"),
        ("pytest.ini", "[pytest]\nmmaudit_seed = many\n", "*mmaudit_seed*many*"),
        ("pytest.ini", "[pytest]\nmmaudit_inconclusive = maybe\n", "*'inconclusive' is 'maybe'; expected *"),
    ],
)
@pytest.mark.parametrize("flag", ["--mmaudit", "--mmaudit-doctor"])
def test_a_mistake_is_one_line(project, said, flag, file, text, complaint):
    project.write(file, text)
    result = project.run(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len(said(result)) == 1
    result.stderr.fnmatch_lines([f"ERROR: {complaint}"])


def test_a_key_of_another_plugin_and_a_run_without_the_audit_are_left_alone(project):
    project.write("pytest.ini", "[pytest]\nmmaudit_subjekt = models:best\n")
    project.write("test_own.py", "def test_own():\n    pass\n")
    project.run().assert_outcomes(passed=1)
    project.write("pytest.ini", "[pytest]\nother_key = 1\n")
    project.audit(*ONE).assert_outcomes(passed=1)


def test_a_required_check_that_lacks_its_means_fails(project):
    project.audit("-k", "twin_accuracy").assert_outcomes(skipped=1)
    for required in ("twin_accuracy", "renderer"):
        result = project.audit("-k", "twin_accuracy", f"--mmaudit-require={required}")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["NOT EVIDENCED: *", f"  required: {required}"])


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["-p", "no:pytest_jsonreport"], "--mmaudit needs the plugin pytest-json-report*"),
        (["-p", "no:terminal"], "--mmaudit needs pytest's own terminal plugin, *"),
        (["--json-report-summary"], "--json-report-summary drops the rows*"),
    ],
)
def test_a_report_that_keeps_no_rows_is_refused(project, said, args, complaint):
    result = project.audit(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len(said(result)) == 1
    result.stderr.fnmatch_lines([f"ERROR: {complaint}"])


def test_a_json_report_of_the_users_own_stays_as_asked_for(project):
    project.audit(*ONE, "--json-report", "--json-report-file=mine.json", "-v").assert_outcomes(passed=1)
    assert '"keywords"' in (project.path / "mine.json").read_text()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--mmaudit-out", "../elsewhere"),
        ("--mmaudit-subject", "../elsewhere/good.npz"),
        ("--mmaudit-data", "below/table.csv"),
    ],
)
def test_a_value_that_pytest_takes_for_the_rootdir_is_refused(project, said, option, value):
    project.write("inner/pyproject.toml", "[tool.mmaudit]\nseed = 1\n")
    project.write("inner/below/pytest.ini", "[pytest]\n")
    project.write("inner/below/table.csv", "image,text\n")
    (project.path / "elsewhere").mkdir()
    (project.path / "good.npz").rename(project.path / "elsewhere" / "good.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.path / "inner")
        result = project.run("--mmaudit", option, value)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (line,) = said(result)
        assert line.startswith(f"ERROR: write {option}={value}: with a space, pytest takes the folder for ")


def test_a_path_outside_is_an_equals_sign_away(project):
    project.write("inner/pyproject.toml", "[tool.mmaudit]\nseed = 11\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.path / "inner")
        result = project.run(
            "--mmaudit", *ONE, "--mmaudit-out=../mmaudit-out", "--mmaudit-subject=../good.npz"
        )
        result.assert_outcomes(passed=1)
        named = project.run("--mmaudit", "--rootdir", ".", *ONE, "--mmaudit-subject", "../good.npz")
        named.assert_outcomes(passed=1)
    assert project.document("settings.json")["seed"] == 11


def test_a_value_below_the_rootdir_may_follow_a_space(project):
    project.write("pyproject.toml", "[tool.mmaudit]\nseed = 11\n")
    (project.path / "store").mkdir()
    (project.path / "good.npz").rename(project.path / "store" / "good.npz")
    project.run("--mmaudit", "--mmaudit-subject", "store/good.npz", *ONE).assert_outcomes(passed=1)
    assert project.document("settings.json")["seed"] == 11


def test_a_value_too_long_for_a_path_is_none(project):
    result = project.audit("-k", "y" * 300)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
