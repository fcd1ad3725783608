"""Imports run one way and in no circle, nothing is too long to read, and what must start fast loads nothing slow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINE = ["resnet_core.nets", "resnet_core.probes", "resnet_core.runs", "analysis", "ablations", "search"]
ANALYSIS_MAY_USE = {
    "resnet_core.arguments", "resnet_core.command_line", "resnet_core.errors", "resnet_core.folders",
    "resnet_core.sealed", "resnet_core.surroundings", "resnet_core.telling", "resnet_core.users_code",
    "resnet_core.runs.description", "resnet_core.runs.records.frames",
    "resnet_core.runs.records.outcomes",
    "resnet_core.runs.records.plan", "resnet_core.runs.records.store", "resnet_core.runs.records.versions",
    "resnet_core.nets.cost", "resnet_core.nets.spec", "resnet_core.probes.registry",
    "resnet_core.probes.spec", "resnet_core.runs.spec",
}  # fmt: skip
MODULES = [path for top in ("resnet_core", "ablations", "analysis", "search") for path in (ROOT / top).rglob("*.py")]
MODULES.remove(ROOT / "resnet_core" / "__init__.py")  # the names a user imports, from all of the core


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names.add(str(node.module))
    return names


def place(module: str) -> int:
    """Return the place of a module on the line; -1 for the base that all of them use."""
    return max((i for i, top in enumerate(LINE) if f"{module}.".startswith(f"{top}.")), default=-1)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_modules_import_each_other_in_a_circle():
    """Whether at the top, within a function or for annotations alone."""
    files = {name_of(path): path for path in MODULES}
    left = {name: imported_modules(path, files) - {name} for name, path in files.items()}
    while free := [name for name, uses in left.items() if not uses & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}


MOST_LINES = {"module": 300, "function": 60}


def test_no_module_and_no_function_is_too_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name for name, length in lengths.items() if length > MOST_LINES["module"]} == set()
    functions = {
        f"{path.relative_to(ROOT)}:{node.name}": node.end_lineno - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name for name, length in functions.items() if length > MOST_LINES["function"]} == set()


def test_a_class_has_a_name_of_its_own():
    files: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files.setdefault(node.name, []).append(name_of(path))
    assert {name: places for name, places in files.items() if len(places) > 1} == {}


SAY_NOTHING = {"of", "said", "one", "found", "told", "made"}
ALL_FILES = [*MODULES, *(path for top in ("tests", "benchmarks", "docs") for path in (ROOT / top).rglob("*.py"))]
STORED = {("resnet_core/runs/records/measurements.py", "of")}  # a name that files of measurements have


def test_names_say_what_they_hold():
    """Variables, arguments, attributes, functions and methods."""
    names = {(str(path.relative_to(ROOT)), name) for path in ALL_FILES for name in named(ast.parse(path.read_text()))}
    assert {(path, name) for path, name in names if name.strip("_") in SAY_NOTHING} == STORED


def named(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                names.add(name)
    return names | {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def imported_modules(path: Path, files: dict[str, Path]) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & files.keys()
            modules |= inside or {str(node.module)}
    return modules & files.keys()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_nothing_that_stands_right_of_it(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    ours = {name for name in imported(path) if name.split(".")[0] in {"resnet_core", "ablations", "analysis", "search"}}
    assert {name for name in ours if place(name) > place(module)} == set()
    if module.startswith("analysis"):
        assert {name for name in ours if name.startswith("resnet_core")} <= ANALYSIS_MAY_USE


SLOW = ("tensorflow", "keras", "keras_tuner", "optuna", "sklearn", "pandas", "scipy", "matplotlib")


@pytest.mark.parametrize(
    ("arguments", "unloaded"),
    [
        (["ablations", "--help"], SLOW),
        (["ablations", "list"], SLOW),
        (["ablations", "run", "depth", "--help"], SLOW),
        (["ablations", "run", "depth", "--dry-run"], SLOW),
        (["ablations", "run", "depth", "--dry-run", "--scale", "paper"], SLOW),
        (["analysis", "--help"], SLOW),
        (["ablations.probing", "--help"], SLOW),
        (["ablations.probing", "list"], SLOW),
        (["search", "--help"], SLOW),
        (["search", "list"], SLOW),
        (["search", "run", "--help"], SLOW),
        (["analysis", "STUDY", "--out", "OUT"], ("tensorflow", "keras", "sklearn")),
    ],
    ids=" ".join,
)
def test_what_a_command_does_not_load(arguments, unloaded, tiny_study, tmp_path):
    words = [{"STUDY": str(tiny_study), "OUT": str(tmp_path / "report")}.get(word, word) for word in arguments]
    script = (
        "import runpy, sys\n"
        f"sys.argv = {words!r}\n"
        "try: runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=False)\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"assert not set({unloaded!r}) & set(sys.modules), set({unloaded!r}) & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
