"""The mutants are what they say they are: each differs from the source in one place, and still compiles."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("cosmic_ray", reason="mutants are made by cosmic-ray: pip install -e '.[mutation]'")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("mutation_benchmark", ROOT / "benchmarks" / "mutation.py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


SOURCE = '''"""A docstring of 1 line."""
__all__ = ["f" * 1]


def f(x: int | None, *, y: "list[1]" = 3) -> int | None:
    assert x != 7
    if x < 1 and y is not None:
        raise ValueError(f"{x + 1} is less than 1")
    return -(x + 2) / y
'''


def test_every_mutant_differs_in_one_place_and_compiles(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "ROOT", tmp_path)
    path = tmp_path / "source.py"
    path.write_text(SOURCE)
    mutants = list(script.mutants(path))
    made = [script.mutated(mutant) for mutant in mutants]
    for mutant, source in zip(mutants, made, strict=True):
        compile(source, "source.py", "exec")
        pairs = zip(source.split("\n"), SOURCE.split("\n"), strict=True)
        assert [i for i, (a, b) in enumerate(pairs, start=1) if a != b] == [mutant.line], mutant
    assert len(set(made)) == len(made)
    # Texts, annotations, assertions, errors and the star of the signature are left alone.
    assert {mutant.line for mutant in mutants} == {5, 7, 9}
    assert [mutant.operator for mutant in mutants if mutant.line == 5] == ["core/NumberReplacer"] * 2


LINES = """
LIMIT = 1
def f(x):
    if x > (
        LIMIT):
        return (x +
                1)
    return x
"""


def test_a_mutant_is_put_to_the_tests_that_run_its_statement(script, tmp_path):
    path = tmp_path / "source.py"
    path.write_text(LINES)
    seconds = {"one": 1.0, "two": 1.0, "three": 1.0}
    lines = {str(path): {4: ["one", "fixture f"], 6: ["one"], 8: [""]}}
    reach = script.Reach(seconds, lines, {"fixture f": ["two"]})

    def reaching(line):
        return reach.of(script.Mutant(path, "core/AddNot", 0, line, ""))

    assert reaching(2) == ["one", "two", "three"]
    assert reaching(5) == ["one", "two"]
    assert reaching(7) == ["one"]
    assert reaching(8) == []


def test_a_module_is_exchanged_and_no_other(script, tmp_path, monkeypatch):
    path = tmp_path / "module_to_exchange.py"
    path.write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        sys, "meta_path", [script.Exchange("module_to_exchange", str(path), "VALUE = 2\n"), *sys.meta_path]
    )
    module = importlib.import_module("module_to_exchange")
    monkeypatch.delitem(sys.modules, "module_to_exchange")
    assert (module.VALUE, module.__file__) == (2, str(path))


def test_every_target_is_there(script):
    for package, tests in script.TARGETS.values():
        path = next(p for p in sorted((ROOT / package).glob("*.py")) if p.name != "__init__.py")
        assert next(script.mutants(path))
        assert all((ROOT / path).exists() for path in tests)


WAYS = """
_SPARSE = 1 / 32
def f(pairs, share, n):
    single = n < 7
    if pairs.single and share > _SPARSE * 2:
        return 1e36
    kept = [one for one in pairs if one.single < 3]
    return 2 if threads > 1 else kept
"""


def test_ways_that_no_result_depends_on_and_the_same_program_are_left_out(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "ROOT", tmp_path)
    path = tmp_path / "source.py"
    path.write_text(WAYS)
    # What is returned under such a condition is looked at, but 1e36 and one more are one number.
    assert {mutant.line for mutant in script.mutants(path)} == {8}
    path.write_text(WAYS.replace("_SPARSE", "LIMIT").replace("single", "alone").replace("threads", "n"))
    assert {mutant.line for mutant in script.mutants(path)} == {2, 4, 5, 7, 8}
