"""The packaged checks are collected like a project's own tests, at ids that nothing changes."""

import pytest

from mmaudit.gates import CHECKS, NULL_ENCODERS
from mmaudit.stress import CHECKS as STRESS

CONTRACT = "mmaudit_checks/test_integrity.py::test_integrity[contract]"
DISCRIMINATION = "mmaudit_checks/test_alignment.py::test_alignment[pair_discrimination]"


def collected(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


def test_every_check_of_the_catalogue_once_at_a_stable_id(project):
    project.write("pytest.ini", "[pytest]\npython_functions = spec_*\npython_files = spec_*.py\n")
    result = project.audit(
        "--collect-only", "-q", "-p", "no:randomly", "--mmaudit-profile=full", subject="no.npz"
    )
    expected = [f"mmaudit_checks/test_{c.failure}.py::test_{c.failure}[{c.name}]" for c in CHECKS]
    expected += [f"mmaudit_checks/test_certification.py::test_null_encoder[{name}]" for name in NULL_ENCODERS]
    expected += [f"mmaudit_checks/test_stress.py::test_stress[{name}]" for name in STRESS]
    assert sorted(collected(result)) == sorted(expected)
    assert project.bundles == []


def test_a_profile_leaves_out_what_is_not_in_it(project):
    result = project.audit("--collect-only", "-q", "--mmaudit-profile=smoke")
    names = {line.split("[")[1].rstrip("]") for line in collected(result)} - set(NULL_ENCODERS)
    assert names == {check.name for check in CHECKS if "smoke" in check.profiles}


def test_without_paths_the_audit_alone_runs(project):
    project.write("pytest.ini", "[pytest]\ntestpaths = tests\n")
    project.write("tests/test_mine.py", "def test_mine():\n    pass\n")
    result = project.audit("--collect-only", "-q", "-k", "mine or contract")
    assert collected(result) == [CONTRACT]


def test_paths_run_beside_the_audit(project):
    project.write("tests/test_mine.py", "def test_mine():\n    pass\n")
    result = project.audit("--collect-only", "-q", "-k", "mine or contract", "-p", "no:randomly", "tests")
    assert collected(result) == [CONTRACT, "tests/test_mine.py::test_mine"]


def test_pasted_node_ids_select_beside_a_path(project):
    project.write("test_mine.py", "def test_mine():\n    pass\n")
    result = project.audit(
        "-q",
        "--collect-only",
        CONTRACT,
        "../mmaudit_checks/test_alignment.py::test_alignment",
        "mmaudit_checks/test_certification.py",
        "test_mine.py",
    )
    ids = collected(result)
    assert {node_id.split("::")[0] for node_id in ids} == {
        "mmaudit_checks/test_integrity.py",
        "mmaudit_checks/test_alignment.py",
        "mmaudit_checks/test_certification.py",
        "test_mine.py",
    }
    assert [node_id for node_id in ids if "test_integrity" in node_id] == [CONTRACT]


def test_a_pasted_node_id_that_is_none_is_a_usage_error(project, said):
    result = project.audit("mmaudit_checks/test_integrity.py::test_integrity[contrct]")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = said(result)
    assert line.startswith("ERROR: not found: mmaudit_checks/test_integrity.py::test_integrity[contrct]")


def test_selection_by_marker_and_deselection(project):
    result = project.audit(
        "--collect-only", "-q", "-m", "mmaudit", "--deselect", "mmaudit_checks/test_collapse.py"
    )
    files = {line.split("::")[0] for line in collected(result)}
    assert "mmaudit_checks/test_integrity.py" in files
    assert "mmaudit_checks/test_collapse.py" not in files


def test_last_failed_finds_audit_and_own_tests_again(project):
    project.write(
        "test_mine.py", "def test_passes():\n    pass\n\ndef test_fails():\n    raise RuntimeError\n"
    )
    project.write("pyproject.toml", "[tool.mmaudit.limits]\npair_discrimination = {low = 2.0}\n")
    chosen = ("-k", "contract or pair_discrimination or mine", "test_mine.py")
    project.audit(*chosen).assert_outcomes(passed=2, failed=2)
    again = project.audit("--lf", "-v", *chosen)
    assert again.ret == pytest.ExitCode.TESTS_FAILED
    ran = {line.split(" ")[0] for line in collected(again) if " FAILED " in line or " PASSED " in line}
    assert ran == {DISCRIMINATION, "test_mine.py::test_fails"}
    stepwise = project.audit("--sw", *chosen)
    assert stepwise.ret == pytest.ExitCode.INTERRUPTED


def test_the_folder_of_the_checks_is_not_collected_twice(project):
    import mmaudit_checks

    above = f"{mmaudit_checks.__path__[0]}/.."
    # The project here is mmaudit's own source tree, which must not be given a cache.
    chosen = ("--collect-only", "-q", "-k", "contract", "-p", "no:cacheprovider")
    result = project.audit(*chosen, f"--rootdir={above}", above)
    assert collected(result) == [CONTRACT]


def test_a_wrong_marker_is_a_collection_error(project):
    wrong = {
        "failure='alignment', need=('encoder',)": "has no keyword 'need'; did you mean 'needs'?",
        "needs=('encodr',)": "needs 'encodr'; did you mean 'encoder'?",
        "needs='encoder'": "needs='encoder': expected a tuple of names",
        "'alignment'": "takes keywords only: failure=..., needs=(...)",
        "failure=3": "failure=3: expected a string",
        "failure='colapse'": "failure='colapse'; did you mean 'collapse'?",
    }
    tests = [f"@pytest.mark.mmaudit({m})\ndef test_{i}():\n    pass\n" for i, m in enumerate(wrong)]
    project.write("test_mine.py", "\n".join(["import pytest", *tests]))
    result = project.audit("--collect-only", "-q", "test_mine.py")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    # Where CI is set, pytest does not shorten its summary and says all of it twice.
    lines = [line for line in result.outlines if ": marker mmaudit " in line and not line.startswith("ERROR")]
    said = list(dict.fromkeys(lines))
    assert said == [f"test_mine.py::test_{i}: marker mmaudit {c}" for i, c in enumerate(wrong.values())]
