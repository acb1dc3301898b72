"""Would the tests notice? Mutants of the code that measures and decides, and how many of them the tests kill.

    python benchmarks/mutation.py --sample 80                       # a random sample of each target
    python benchmarks/mutation.py --target inference --seed 8       # of one: diagnostics, inference, gates

The mutants are those of cosmic-ray (`pip install -e '.[mutation]'`): a copy of one module with one small
error in it. Taken are the operators of :data:`OPERATORS`, each place and way one mutant; left out are
annotations, ``assert``, ``raise`` with its text, ``__all__``, and what only type checkers read. A mutant is
killed if a test of its target fails, errs or does not end in time. The sample is drawn at random and by seed;
the share killed comes with a Wilson interval, survivors with their line.

What makes it affordable: a server imports the libraries once and forks a process a mutant, which meets the
mutant in place of the module. Coverage, taken once, says which tests run a line; those go first, with those
that have killed before and the quick ones in front, and the first failure ends it. Only a survivor sees every
test of its target. A test that starts a process of its own does not see the mutant there.
"""

import argparse
import ast
import contextlib
import dataclasses
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

# Neither mmaudit nor cosmic-ray is imported up here: the process that runs the tests imports this module, and
# must not have met the code that is about to be exchanged.

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {
    "diagnostics": (
        "mmaudit/diagnostics",
        ["tests/diagnostics", "tests/strategies/test_core_on_anything.py"],
    ),
    "inference": ("mmaudit/inference", ["tests/inference"]),
    "gates": ("mmaudit/gates", ["tests/gates"]),
}
"""Package that is mutated, and the tests that must notice."""
LIBRARIES = [
    "numpy", "scipy.stats", "scipy.special", "scipy.linalg", "sklearn.linear_model",
    "sklearn.model_selection", "hypothesis", "pytest", "_pytest.pytester", "PIL.Image", "matplotlib.figure",
    "jsonschema", "httpx",
]  # fmt: skip
_COMPARISONS = [
    ("Lt", "LtE"), ("LtE", "Lt"), ("Gt", "GtE"), ("GtE", "Gt"), ("Lt", "GtE"), ("LtE", "Gt"), ("Gt", "LtE"),
    ("GtE", "Lt"), ("Eq", "NotEq"), ("NotEq", "Eq"), ("Is", "IsNot"), ("IsNot", "Is"),
]  # fmt: skip
_ARITHMETIC = [
    ("Add", "Sub"), ("Sub", "Add"), ("Mul", "Div"), ("Div", "Mul"), ("FloorDiv", "Mul"), ("Mod", "Mul"),
    ("Pow", "Mul"), ("BitAnd", "BitOr"), ("BitOr", "BitAnd"),
]  # fmt: skip
OPERATORS = (
    *(f"core/ReplaceComparisonOperator_{a}_{b}" for a, b in _COMPARISONS),
    *(f"core/ReplaceBinaryOperator_{a}_{b}" for a, b in _ARITHMETIC),
    "core/ReplaceUnaryOperator_Delete_USub",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/ReplaceUnaryOperator_Delete_Invert",
    "core/AddNot",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak",
    "core/ExceptionReplacer",
    "core/NumberReplacer",
    "core/ZeroIterationForLoop",
)
"""A comparison moved by its boundary or turned round, an arithmetic operator exchanged for its inverse, a
sign or ``not`` dropped, a condition negated, a number changed by one, a loop left out. Operators are not
exchanged for any other: most of those mutants die of a TypeError and say nothing of the tests."""
Place = tuple[int, int]
"""Line, from 1, and column, from 0."""
Span = tuple[Place, Place]
MEMORY = 8 << 30
PYTEST = [
    "-q", "-x", "--tb=no", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # the libraries were imported by the server
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Mutant:
    """The module at ``path`` after the ``operator`` was applied at its place number ``occurrence``."""

    path: Path
    operator: str
    occurrence: int
    line: int
    text: str

    def __str__(self) -> str:
        """Return where it is and what was done."""
        what = self.operator.removeprefix("core/").removeprefix("Replace")
        return f"{self.path.relative_to(ROOT)}:{self.line} {what} {self.occurrence}: {self.text}"


@dataclasses.dataclass(frozen=True)
class Reach:
    """What the tests do without a mutant: their ``seconds``, and by file and line the tests that run it."""

    seconds: dict[str, float]
    tests: dict[str, dict[int, list[str]]]


def main() -> None:
    """Draw mutants, run the tests on each and print who survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--target", choices=list(TARGETS), action="append")
    parser.add_argument("--sample", type=int, default=80, metavar="N", help="mutants of each target")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(LIBRARIES)
        for target in arguments.target or TARGETS:
            sampled(server, target, arguments.sample, arguments.seed)


def sampled(server: Any, target: str, size: int, seed: int) -> None:
    """Run a sample of mutants of one target and print each, and the share that was killed."""
    import numpy as np

    from mmaudit.inference import proportion
    from mmaudit.seeds import generator

    package, tests = TARGETS[target]
    began = time.monotonic()
    reach = answer(server, survey, package, tests)
    if isinstance(reach, str):
        raise SystemExit(f"the tests of {target} fail without a mutant, mend them first: {reach}")
    every = [mutant for path in sorted((ROOT / package).glob("*.py")) for mutant in mutants(path)]
    limit = 60.0 + 3.0 * sum(reach.seconds.values())
    killers: dict[str, int] = {}
    killed = []
    for place in generator(seed, "mutation", target).permutation(len(every))[:size]:
        mutant = every[place]
        reaching = reach.tests.get(str(mutant.path), {}).get(mutant.line, [])
        killer = killer_of(server, mutant, tests, ordered(reach, reaching, killers), limit)
        if killer is not None:
            killers[killer] = killers.get(killer, 0) + 1
        killed.append(killer is not None)
        by = f"killed by {killer}" if killer else f"SURVIVED, {len(reaching)} tests reach it"
        print(f"{mutant}\n    {by}", flush=True)
    m = proportion("killed", np.array(killed, dtype=np.float64))
    share = f"{m.value:.0%} [{m.low:.1%}, {m.high:.1%}]"
    took = f"{time.monotonic() - began:.0f} s"
    print(f"{target}, seed {seed}: {sum(killed)} of {len(killed)} killed, {share}; of {len(every)}; {took}")


def mutants(path: Path) -> Iterator[Mutant]:
    """Yield every mutant of the module at ``path`` that is not left out, in one order always."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator

    source = path.read_text(encoding="utf-8")
    lines, tree = source.splitlines(), ast.parse(source)
    hidden, sums = left_out(tree), between_operands(tree)
    nodes = list(ast_nodes(get_ast(source)))
    for name in OPERATORS:
        operator = get_operator(name)()
        places = [at for node in nodes for at, _ in operator.mutation_positions(node)]
        for occurrence, at in enumerate(places):
            marker = "BinaryOperator" in name and not within(at, sums)
            if not marker and not within(at, hidden):
                yield Mutant(path, name, occurrence, at[0], lines[at[0] - 1].strip())


def left_out(tree: ast.AST) -> list[Span]:
    """Return where nothing is changed: what no test can see, and what says why something was refused."""
    found: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert | ast.Raise):
            found.append(node)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef):
            found.append(node.returns)
        elif isinstance(node, ast.ClassDef):
            found += [keyword.value for keyword in node.keywords]
        elif (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__") or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ):
            found.append(node)
    spanned: list[Any] = [node for node in found if node is not None]
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in spanned]


def between_operands(tree: ast.AST) -> list[Span]:
    """Return where arithmetic operators stand; cosmic-ray takes the star of a signature for one, too."""
    sums: list[Any] = [(n.left, n.right) for n in ast.walk(tree) if isinstance(n, ast.BinOp)]
    sums += [(n.target, n.value) for n in ast.walk(tree) if isinstance(n, ast.AugAssign)]
    return [((a.end_lineno, a.end_col_offset), (b.lineno, b.col_offset)) for a, b in sums]


def within(place: Place, spans: list[Span]) -> bool:
    """Return whether the place lies in one of the spans."""
    return any(begin <= place < end for begin, end in spans)


def mutated(mutant: Mutant) -> str:
    """Return the source of the mutant."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = mutant.path.read_text(encoding="utf-8")
    changed = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    if changed is None or changed == source:
        raise RuntimeError(f"{mutant} changes nothing")
    return changed


def ordered(reach: Reach, reaching: list[str], killers: dict[str, int]) -> list[str]:
    """Return all tests: those that reach the line first, then who killed before, then the quick ones."""
    near = set(reaching)
    return sorted(
        reach.seconds,
        key=lambda test: (test not in near, -min(killers.get(test, 0), 3), reach.seconds[test], test),
    )


def killer_of(server: Any, mutant: Mutant, tests: list[str], order: list[str], limit: float) -> str | None:
    """Return the first test that notices the ``mutant``, ``None`` if all of them pass."""
    return answer(server, noticed, str(mutant.path), mutated(mutant), tests, order, limit=limit)


def answer(server: Any, function: Any, *arguments: Any, limit: float | None = None) -> Any:
    """Return what ``function`` returns in a process of its own, or how that process ended."""
    here, there = server.Pipe(duplex=False)
    process = server.Process(target=_answered, args=(there, function, *arguments))
    process.start()
    there.close()
    try:
        return here.recv() if here.poll(limit) else "time"
    except EOFError:
        process.join()
        return f"exit status {process.exitcode}"
    finally:
        process.kill()
        process.join()
        here.close()


def _answered(pipe: Any, function: Any, *arguments: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    # The folder of this script has a coverage.py of its own.
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != ROOT / "benchmarks"]
    pipe.send(function(*arguments))


def survey(package: str, tests: list[str]) -> Reach | str:
    """Run the tests once; return what each takes and reaches, or the one that fails."""
    import coverage

    taken = coverage.Coverage(data_file=None, include=[f"{ROOT / package}/*"], config_file=False)
    observer = Observer(coverage=taken)
    taken.start()
    status = pytest.main([*PYTEST, *tests], plugins=[observer])
    taken.stop()
    if status:
        return observer.failed or f"exit status {status}"
    data = taken.get_data()
    reached = {file: data.contexts_by_lineno(file) for file in data.measured_files()}
    named = {
        file: {line: [test for test in names if test] for line, names in by_line.items()}
        for file, by_line in reached.items()
    }
    return Reach(observer.seconds, named)


def noticed(path: str, source: str, tests: list[str], order: list[str]) -> str | None:
    """Run the tests in ``order`` with ``source`` in place of the module at ``path``; return who failed."""
    parts = Path(path).relative_to(ROOT).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    sys.meta_path.insert(0, Exchange(name, path, source))
    observer = Observer(order=order)
    status = pytest.main([*PYTEST, *tests], plugins=[observer])
    return (observer.failed or f"exit status {int(status)}") if status else None


class Exchange:
    """A finder that gives one module another source."""

    def __init__(self, name: str, path: str, source: str) -> None:
        self.name, self.path, self.source = name, path, source

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find the module that is exchanged, and no other."""
        if name != self.name:
            return None
        loader = SourceFileLoader(name, self.path)
        loader.get_code = lambda _: compile(self.source, self.path, "exec")  # type: ignore[method-assign]
        return spec_from_file_location(name, self.path, loader=loader)


class Observer:
    """A pytest plugin: puts tests in order, takes their time and coverage, and remembers which failed."""

    def __init__(self, order: list[str] | None = None, coverage: Any = None) -> None:
        self.order, self.coverage = order, coverage
        self.seconds: dict[str, float] = {}
        self.failed: str | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort the tests."""
        if self.order is not None:
            place = {test: i for i, test in enumerate(self.order)}
            items.sort(key=lambda item: place.get(item.nodeid, len(place)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Let coverage know whose lines these are."""
        if self.coverage is not None:
            self.coverage.switch_context(item.nodeid)
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.monotonic() - began

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the first failure."""
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A test module that cannot be imported is a failure."""
        if report.failed and self.failed is None:
            self.failed = f"{report.nodeid} (cannot be imported)"


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
