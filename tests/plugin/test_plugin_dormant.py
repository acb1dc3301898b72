"""Without ``--mmaudit`` the plugin costs nothing and changes nothing."""

import pytest

HEAVY = ("numpy", "scipy", "sklearn", "matplotlib", "jinja2", "jsonschema", "mmaudit", "mmaudit_checks")


def test_nothing_heavy_is_imported_and_nothing_written(project):
    project.write(
        "test_modules.py",
        f"""
import sys

def test_modules():
    assert "pytest_mmaudit" in sys.modules
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    ours = sorted(name for name in sys.modules if name.startswith("pytest_mmaudit."))
    assert (loaded, ours) == ([], ["pytest_mmaudit.hookspecs"])
""",
    )
    before = set(project.files())
    # pytest-randomly reseeds numpy and so imports it; hypothesis' own plugin imports nothing by itself.
    result = project.run_apart("-p", "no:randomly", "-p", "no:cacheprovider", "-q")
    result.assert_outcomes(passed=1)
    assert "mmaudit" not in result.stdout.str()
    assert {name for name in project.files() if not name.startswith("__pycache__")} == before


def test_audit_tests_are_skipped_without_the_flag(project):
    project.write("conftest.py", "def pytest_mmaudit_subject(config):\n    raise RuntimeError('asked')\n")
    project.write(
        "test_mine.py",
        """
import pytest

@pytest.mark.mmaudit(failure="alignment")
def test_marked():
    raise RuntimeError

def test_fixture(mmaudit_gate):
    raise RuntimeError

def test_ordinary():
    pass
""",
    )
    result = project.run("-rs", "--strict-markers")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*an audit check: runs under pytest --mmaudit"])


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--mmaudit-seed=3"], "--mmaudit-seed without --mmaudit; *ini key mmaudit_seed*"),
        (["--mmaudit-profile=ci", "--mmaudit-require=x"], "--mmaudit-profile and --mmaudit-require without*"),
    ],
)
def test_options_without_the_flag_are_refused(project, said, args, named):
    result = project.run(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len(said(result)) == 1
    result.stderr.fnmatch_lines([f"ERROR: {named}"])


def test_the_way_out_is_in_the_help(project):
    result = project.run("--mmaudit", "--help")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*Without paths the audit alone runs*", "  mmaudit_seed (int):*"])
