import ast
import collections
import importlib.util
import pathlib
import subprocess
import sys

import pytest

ROOTS = {
    name: pathlib.Path(importlib.util.find_spec(name).origin).parent
    for name in ("mmaudit", "pytest_mmaudit", "mmaudit_checks")
}
SUBPACKAGES = sorted(p.name for p in ROOTS["mmaudit"].iterdir() if (p / "__init__.py").exists())

# What each part of the core may import of the others, itself aside.
FOUNDATION = {
    "errors",
    "seeds",
    "threads",
    "memory",
    "executor",
    "cluster",
    "measurement",
    "embeddings",
    "labels",
    "pairs",
}
ALLOWED = {
    "world": FOUNDATION,
    "inference": FOUNDATION,
    "interventions": FOUNDATION | {"data"},
    "data": FOUNDATION | {"settings"},
    "diagnostics": FOUNDATION | {"inference"},
    "aligner": FOUNDATION | {"diagnostics"},
    "subjects": FOUNDATION | {"world", "aligner", "diagnostics"},
    "failures": FOUNDATION | {"world", "aligner", "diagnostics", "inference", "subjects"},
    "gates": FOUNDATION
    | {"settings", "data", "interventions", "inference", "diagnostics", "world", "subjects", "failures"},
    "evidence": {"errors", "measurement", "mmaudit"},
    "report": {"errors", "measurement", "embeddings", "threads", "gates", "diagnostics", "suites"},
    "strategies": FOUNDATION | {"interventions", "world", "failures"},
    "suites": FOUNDATION | {"settings", "inference", "diagnostics", "world", "aligner", "subjects", "gates"},
    "scale": FOUNDATION | {"settings", "inference", "diagnostics", "subjects", "gates"},
    "stress": FOUNDATION
    | {"settings", "inference", "diagnostics", "world", "subjects", "failures", "gates", "strategies"},
    "comparison": FOUNDATION | {"inference", "diagnostics", "gates", "evidence"},
}
# Reports and comparisons read what the gates concluded, and none of the code that ran them.
CONCLUSIONS = {"mmaudit.gates.diagnosis", "mmaudit.gates.outcome", "mmaudit.gates.policy"}


def modules(root):
    return sorted(ROOTS[root].rglob("*.py"))


def imported(path):
    """The modules a file imports at any depth, as (module, whether at module level)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(
        ast.walk(
            ast.Module(
                body=[n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))], type_ignores=[]
            )
        )
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                known = importlib.util.find_spec(node.module) if node.module.startswith("mmaudit") else None
                inside = known is not None and known.submodule_search_locations
                is_module = inside and any(
                    (pathlib.Path(folder) / f"{alias.name}{end}").exists()
                    for folder in known.submodule_search_locations
                    for end in (".py", "/__init__.py")
                )
                yield (whole if is_module else node.module), node in top


def part(module):
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else pieces[0]


def edges():
    graph = collections.defaultdict(set)
    for path in modules("mmaudit"):
        here = path.relative_to(ROOTS["mmaudit"]).parts
        source = here[0] if len(here) > 1 else path.stem
        for name, _ in imported(path):
            if name.split(".")[0] == "mmaudit" and part(name) != source:
                graph[source].add(name)
    return graph


def test_every_part_of_the_core_has_a_rule():
    assert set(ALLOWED) == set(SUBPACKAGES)


@pytest.mark.parametrize("name", SUBPACKAGES)
def test_the_core_depends_in_one_direction(name):
    assert {part(module) for module in edges()[name]} <= ALLOWED[name]


def test_the_foundation_stands_on_nothing_above_it():
    graph = edges()
    for name in FOUNDATION:
        assert {part(module) for module in graph[name]} <= FOUNDATION, name
    assert {part(module) for module in graph["settings"]} <= FOUNDATION


@pytest.mark.parametrize("name", ["report", "comparison"])
def test_readers_read_conclusions_and_not_the_gates(name):
    assert {module for module in edges()[name] if part(module) == "gates"} <= CONCLUSIONS


def test_the_rules_allow_no_circle():
    done = set()
    for _ in ALLOWED:
        done |= {name for name, below in ALLOWED.items() if below & set(ALLOWED) <= done}
    assert done == set(ALLOWED)


@pytest.mark.parametrize(
    ("root", "forbidden"),
    [
        ("mmaudit", {"pytest", "_pytest", "xdist", "pytest_jsonreport", "pytest_mmaudit", "mmaudit_checks"}),
        ("pytest_mmaudit", {"mmaudit_checks"}),
        ("mmaudit_checks", {"numpy", "scipy", "sklearn"}),
    ],
)
def test_packages_depend_in_one_direction(root, forbidden):
    for path in modules(root):
        found = {name.split(".")[0] for name, _ in imported(path)}
        assert not found & forbidden, path.name


HEAVY = {
    "scipy",
    "sklearn",
    "matplotlib",
    "jsonschema",
    "jinja2",
    "PIL",
    "hypothesis",
    "safetensors",
    "filelock",
    "pyarrow",
    "datasets",
    "dask",
    "distributed",
}


def test_heavy_libraries_are_imported_where_they_are_used():
    for path in modules("mmaudit"):
        if path.parent.name == "strategies":
            continue  # Hypothesis strategies have no use without Hypothesis
        at_top = {name.split(".")[0] for name, top in imported(path) if top}
        assert not at_top & HEAVY, path.relative_to(ROOTS["mmaudit"])


def loaded(statement):
    code = f"import sys; {statement}; print(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    paths = [str(root.parent) for root in ROOTS.values()]
    env = {"PYTHONPATH": ":".join(dict.fromkeys(paths)), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded("import mmaudit") & (HEAVY | {"numpy", "pytest"})


def test_importing_the_audit_loads_numpy_alone():
    found = loaded("from mmaudit import audit")
    assert "numpy" in found
    assert not found & (HEAVY | {"pytest"})


def test_the_public_names_are_there():
    import mmaudit

    assert sorted(mmaudit._HOME) == sorted(mmaudit.__all__)
    for name in mmaudit.__all__:
        assert getattr(mmaudit, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'audits'"):
        _ = mmaudit.audits


def test_no_public_name_is_hidden_by_a_module_of_that_name():
    """Importing a submodule binds its name in the package, over any function that is called the same."""
    import mmaudit

    files = {p.stem for p in ROOTS["mmaudit"].glob("*.py")} | set(SUBPACKAGES)
    assert not files & set(mmaudit.__all__)


@pytest.mark.parametrize("root", ["mmaudit", "pytest_mmaudit"])
def test_every_module_says_what_is_public(root):
    for path in modules(root):
        if path.name == "__main__.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = [n for n in tree.body if isinstance(n, (ast.Assign, ast.AnnAssign))]
        targets = {
            t.id
            for n in named
            for t in getattr(n, "targets", [getattr(n, "target", None)])
            if isinstance(t, ast.Name)
        }
        assert "__all__" in targets, path.relative_to(ROOTS[root])
