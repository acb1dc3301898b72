"""The mutants are what they say they are: each differs from the source in one place, and still parses."""

import ast
import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]


def script():
    spec = importlib.util.spec_from_file_location("mutation", ROOT / "benchmarks" / "mutation.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SOURCE = """
def f(x, y):
    if x < 1 and y is not None:
        return (x + 2) / y
    return g(x, axis=0)
"""


def test_every_mutant_differs_in_one_place():
    mutation = script()
    clean = ast.unparse(ast.parse(SOURCE))
    number = len(list(mutation.changes(ast.parse(SOURCE))))
    mutants = []
    for i in range(number):
        tree = ast.parse(SOURCE)
        node, _ = list(mutation.changes(tree))[i]
        mutation.mutate(node)
        mutants.append(ast.unparse(ast.fix_missing_locations(tree)))
    assert len(set(mutants)) == number == 10
    assert clean not in mutants
    changed = [sum(a != b for a, b in zip(m.split("\n"), clean.split("\n"), strict=True)) for m in mutants]
    assert set(changed) == {1}


def test_every_target_is_there():
    mutation = script()
    for package, tests in mutation.TARGETS.values():
        assert next(mutation.sites(package))
        assert all((ROOT / path).exists() for path in tests)
