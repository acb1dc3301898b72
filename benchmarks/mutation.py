"""Would the tests notice? Mutants of the code that measures and decides, and how many of them the tests kill.

    python benchmarks/mutation.py --sample 60            # a random sample over all targets
    python benchmarks/mutation.py --target inference     # of one of them: diagnostics, inference, gates

A mutant is a copy of the package with one small error in it: a comparison turned or moved by its boundary, an
arithmetic operator exchanged, a number changed by one, a condition negated, ``and`` for ``or``, a keyword
such as ``axis`` or ``ddof`` dropped. It is killed if a test of its target fails, errs or does not end in
time. The sample is drawn at random and by seed. The share killed comes with a Wilson interval, survivors with
their line. The tests must pass without a mutant, or nothing is run.
"""

import argparse
import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmaudit.inference import proportion
from mmaudit.seeds import generator

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {
    "diagnostics": ("mmaudit/diagnostics", ["tests/diagnostics"]),
    "inference": ("mmaudit/inference", ["tests/inference"]),
    "gates": ("mmaudit/gates", ["tests/gates"]),
}
"""Package that is mutated, and the tests that must notice."""
TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
EXCHANGED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
DROPPED = ("axis", "ddof", "clusters", "shared", "keepdims")


def main() -> None:
    """Draw mutants, run the tests on each and print who survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--target", choices=list(TARGETS), action="append")
    parser.add_argument("--sample", type=int, default=60, metavar="N")
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="of the sample, that ran before")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="for one mutant")
    arguments = parser.parse_args()
    chosen = arguments.target or list(TARGETS)
    every = [(target, path, i, what) for target in chosen for path, i, what in sites(TARGETS[target][0])]
    order = generator(arguments.seed, "mutation", *chosen).permutation(len(every))
    for target in chosen:
        if notices(None, TARGETS[target][1], arguments.timeout):
            raise SystemExit(f"the tests of {target} fail without a mutant; mend them first")
    killed = []
    for place in order[arguments.skip : arguments.sample]:
        target, path, i, what = every[place]
        dead = is_killed(path, i, TARGETS[target][1], arguments.timeout)
        killed.append(dead)
        print(f"{'killed  ' if dead else 'SURVIVED'} {path.relative_to(ROOT)}: {what}", flush=True)
    m = proportion("killed", np.array(killed, dtype=np.float64))
    share = f"{m.value:.0%} [{m.low:.0%}, {m.high:.0%}]"
    print(f"{sum(killed)} of {len(killed)} killed: {share}; there are {len(every)} mutants")


def sites(package: str) -> Iterator[tuple[Path, int, str]]:
    """Yield every place a mutant can be made: the file, its number there, and what is changed."""
    for path in sorted((ROOT / package).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        lines = path.read_text(encoding="utf-8").splitlines()
        for i, (node, change) in enumerate(changes(tree)):
            line = getattr(node, "lineno", 0)
            yield path, i, f"line {line}: {change}: {lines[line - 1].strip()}"


def changes(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield the nodes that :func:`mutate` changes, each with what is done to it, in one order always."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in TURNED:
            yield node, f"{type(node.ops[0]).__name__} for {TURNED[type(node.ops[0])].__name__}"
        elif isinstance(node, ast.BinOp) and type(node.op) in EXCHANGED and not _typed(node):
            yield node, f"{type(node.op).__name__} for {EXCHANGED[type(node.op)].__name__}"
        elif isinstance(node, ast.BoolOp):
            yield node, "and for or"
        elif isinstance(node, (ast.If, ast.IfExp)):
            yield node, "the condition negated"
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield node, f"{node.value} and one more"
        elif isinstance(node, ast.Call) and any(k.arg in DROPPED for k in node.keywords):
            yield node, "a keyword dropped"


def _typed(node: ast.BinOp) -> bool:
    """Return whether this is the `|` of a type, or a text put together: no arithmetic."""
    return any(
        isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, node.right)
    )


def mutate(node: ast.AST) -> None:
    """Change the node in place."""
    if isinstance(node, ast.Compare):
        node.ops[0] = TURNED[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp):
        node.op = EXCHANGED[type(node.op)]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, (ast.If, ast.IfExp)):
        node.test = ast.UnaryOp(op=ast.Not(), operand=copy.deepcopy(node.test))
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        node.value = node.value + 1
    elif isinstance(node, ast.Call):
        node.keywords = [k for k in node.keywords if k.arg not in DROPPED]


def is_killed(path: Path, number: int, tests: list[str], timeout: float) -> bool:
    """Return whether the ``tests`` notice the mutant of the place ``number`` in the file at ``path``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    node, _ = list(changes(tree))[number]
    mutate(node)
    return notices((path, ast.unparse(ast.fix_missing_locations(tree))), tests, timeout)


def notices(mutant: tuple[Path, str] | None, tests: list[str], timeout: float) -> bool:
    """Return whether one of the ``tests`` fails on a copy of the project with one file changed."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copied = Path(folder)
        for name in ("mmaudit", "plugin", "checks", "tests", "benchmarks", "examples", "pyproject.toml"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copied / name)
        if mutant is not None:
            (copied / mutant[0].relative_to(ROOT)).write_text(mutant[1], encoding="utf-8")
        roots = os.pathsep.join(str(copied / name) for name in (".", "plugin", "checks"))
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-n",
            "0",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
        ]
        try:
            done = subprocess.run(
                [*command, *tests],
                cwd=copied,
                env={**os.environ, "PYTHONPATH": roots, "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return True
    return done.returncode != 0


if __name__ == "__main__":
    main()
