"""Would the tests notice? Mutants of the code that measures and decides, and how many of them the tests kill.

    python benchmarks/mutation.py --sample 80                       # a random sample of each target
    python benchmarks/mutation.py --target inference --seed 8       # of one: diagnostics, inference, gates

The mutants are those of cosmic-ray (`pip install -e '.[mutation]'`): a copy of one module with one small
error in it. Taken are the operators of :data:`OPERATORS`, each place and way one mutant; left out are
annotations, ``assert``, ``raise`` with its text, ``__all__``, what only type checkers read, whether a record
is made by keywords and a ``zip`` is strict, how much is done at a time or by which of two exact ways
(:data:`PORTIONS`), on which no result may depend, and what stays the same program (1e36 + 1 is 1e36 in
floating point). A mutant is killed if a test of its target fails, errs or does not end in time. The sample is
drawn at random and by seed; the share killed comes with a Wilson interval, survivors with their line.

What makes it affordable: a server imports the libraries once and forks a process a mutant, which meets the
mutant in place of the module. Coverage, taken once, says which tests run a line, themselves or in a fixture;
those are run, the ones that have killed before and the quick ones in front, until one fails. What is run by
an import is put to all tests of its target. A test that starts a process of its own does not see the mutant
there, and one that reads what another has put into a cache is not known to reach it: the share is rather too
low than too high.
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
CORE = "tests/strategies/test_core_on_anything.py"
TARGETS = {
    "diagnostics": (
        "mmaudit/diagnostics",
        ["tests/diagnostics", CORE, "tests/stress/test_relations.py"],
    ),
    "inference": ("mmaudit/inference", ["tests/inference"]),
    "gates": ("mmaudit/gates", ["tests/gates", "tests/test_audit.py", "tests/report", CORE]),
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
PORTIONS = {
    "_TASK_BYTES", "_SMALL", "CACHED", "_SPARSE", "IN_DOUBT", "_LISTED", "_TRIED", "_FEW", "_FIRST",
    "_PARTS", "turns", "task_rows", "threads", "single", "plain",
}  # fmt: skip
"""What is assigned to these says how much is done at a time, by how many threads, or whether float32 is asked
before float64; so do conditions that mention one, arguments of ``blocks`` and ``each`` and the default of
``block``. No result may depend on any of them: tests hold those of all ways equal."""
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
    """What the tests do without a mutant: their ``seconds``, and by file and line the tests that run it.

    ``fixtures`` names the tests that use a fixture; a line that one runs has ``fixture NAME`` for a test.
    """

    seconds: dict[str, float]
    tests: dict[str, dict[int, list[str]]]
    fixtures: dict[str, list[str]]

    def of(self, mutant: Mutant) -> list[str]:
        """Return the tests that may notice the ``mutant``: those that run its statement, or all."""
        lines = statement(ast.parse(mutant.path.read_text(encoding="utf-8")), mutant.line)
        if not lines:
            return list(self.seconds)
        by_line = self.tests.get(str(mutant.path), {})
        names = {name for line in lines for name in by_line.get(line, [])}
        return sorted({test for name in names for test in self.fixtures.get(name, [name]) if test})


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
    killers: dict[str, int] = {}
    killed = []
    for place in generator(seed, "mutation", target).permutation(len(every))[:size]:
        mutant = every[place]
        reaching = reach.of(mutant)
        order = sorted(reaching, key=lambda t: (-min(killers.get(t, 0), 3), reach.seconds[t], t))
        changed = str(mutant.path), mutated(mutant)
        limit = 60.0 + 3.0 * sum(reach.seconds[test] for test in order)
        killer = answer(server, noticed, *changed, order, limit=limit) if order else None
        if killer is not None:
            killers[killer] = killers.get(killer, 0) + 1
        killed.append(killer is not None)
        by = f"killed by {killer}" if killer else f"SURVIVED, put to {len(reaching)} tests"
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
    same = ast.dump(tree)
    for name in OPERATORS:
        operator = get_operator(name)()
        places = [at for node in nodes for at, _ in operator.mutation_positions(node)]
        for occurrence, at in enumerate(places):
            marker = "BinaryOperator" in name and not within(at, sums)
            if marker or within(at, hidden):
                continue
            mutant = Mutant(path, name, occurrence, at[0], lines[at[0] - 1].strip())
            if name != "core/NumberReplacer" or ast.dump(ast.parse(mutated(mutant))) != same:
                yield mutant


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
        elif isinstance(node, ast.keyword) and node.arg in ("strict", "kw_only"):
            found.append(node.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("blocks", "each"):
            found += node.args
        elif isinstance(node, ast.Assign) and portion(node.targets[0]):
            found.append(node.value)
        elif isinstance(node, ast.If | ast.IfExp | ast.comprehension):
            tests = node.ifs if isinstance(node, ast.comprehension) else [node.test]
            found += [test for test in tests if any(map(portion, ast.walk(test)))]
        elif isinstance(node, ast.arguments):
            given = zip(reversed(node.args), reversed(node.defaults), strict=False)
            given = [*given, *zip(node.kwonlyargs, node.kw_defaults, strict=True)]
            found += [default for argument, default in given if argument.arg == "block"]
        elif (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__") or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ):
            found.append(node)
    spanned: list[Any] = [node for node in found if node is not None]
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in spanned]


def portion(node: ast.AST) -> bool:
    """Return whether the node is a name, or an attribute of ``self`` or another, of :data:`PORTIONS`."""
    return getattr(node, "attr", getattr(node, "id", None)) in PORTIONS


def statement(tree: ast.AST, line: int) -> set[int]:
    """Return the lines of the statement of a function that holds ``line``; none where an import runs it."""
    found: set[int] = set()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in (inner for outer in function.body for inner in ast.walk(outer)):
            if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
                inside = [
                    n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt | ast.excepthandler)
                ]
                own = set(range(node.lineno, (node.end_lineno or 0) + 1))
                for child in inside:
                    own -= set(range(child.lineno, (child.end_lineno or 0) + 1))
                if line in own:
                    found = own
    return found


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
    return Reach(observer.seconds, reached, observer.fixtures)


def noticed(path: str, source: str, order: list[str]) -> str | None:
    """Run the tests in ``order`` with ``source`` in place of the module at ``path``; return who failed."""
    parts = Path(path).relative_to(ROOT).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    sys.meta_path.insert(0, Exchange(name, path, source))
    observer = Observer(order=order)
    files = dict.fromkeys(test.split("::")[0] for test in order)
    status = pytest.main([*PYTEST, *files], plugins=[observer])
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
    """A pytest plugin: runs tests in an order, takes their time and coverage, and remembers which failed."""

    def __init__(self, order: list[str] | None = None, coverage: Any = None) -> None:
        self.order, self.coverage = order, coverage
        self.seconds: dict[str, float] = {}
        self.fixtures: dict[str, list[str]] = {}
        self.running = ""
        self.failed: str | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests of the order, in it."""
        if self.order is not None:
            named = {item.nodeid: item for item in items}
            items[:] = [named[test] for test in self.order if test in named]
        for item in items:
            for fixture in getattr(item, "fixturenames", ()):
                self.fixtures.setdefault(f"fixture {fixture}", []).append(item.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Let coverage know whose lines these are."""
        began = time.monotonic()
        self.enter(item.nodeid)
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.monotonic() - began

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """Let coverage know that these are lines of all who use the fixture."""
        before = self.running
        self.enter(f"fixture {fixturedef.argname}")
        try:
            return (yield)
        finally:
            self.enter(before)

    def enter(self, name: str) -> None:
        """Give ``name`` as what is running from here on."""
        self.running = name
        if self.coverage is not None:
            self.coverage.switch_context(name)

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
