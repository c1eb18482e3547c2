"""Who may import whom: docs/architecture.md beside the imports as they stand in the files."""

import ast
import re
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TREES = ("lipzoo", "lipzoo_catalogue", "lipzoo_cli", "studies")


def _name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {_name(path): path for tree in (*TREES, "tests") for path in (ROOT / tree).rglob("*.py")}
FLOORS = {
    package: int(floor)
    for floor, package in re.findall(r"^\| (\d+) \| `([\w.]+)` \|", DOCUMENT, re.MULTILINE)
}


def _imports(path):
    """Every name that a file imports, at its top or inside a function, `a.b` for `from a import b`.

    A submodule that is named in a `from` is that submodule; any other name is in the module before.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: expected an absolute import"
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in FILES else node.module for name in names)


IMPORTS = {module: set(_imports(path)) for module, path in FILES.items()}


def _package(module):
    """The row of the table that a module belongs to: `lipzoo.bounds`, `studies`."""
    top, *rest = module.split(".")
    return f"lipzoo.{rest[0]}" if top == "lipzoo" and rest else top


def _arrows():
    for module, names in IMPORTS.items():
        if module.split(".")[0] in TREES:
            yield from ((module, name) for name in sorted(names) if name in FILES)


def test_the_document_names_every_package():
    packages = {_package(module) for module in FILES if module.split(".")[0] in TREES}
    assert set(FLOORS) == packages


def test_imports_run_downwards():
    upwards = [
        f"{module} imports {name}"
        for module, name in _arrows()
        if _package(module) != _package(name)
        and FLOORS[_package(module)] <= FLOORS.get(_package(name), 99)
    ]
    assert not upwards


def _folder(module):
    return f"{FILES[module].parent.relative_to(ROOT).as_posix()}/"


def test_no_two_files_import_each_other():
    graph = {module: names & set(FILES) for module, names in IMPORTS.items()}
    assert _circle(graph) is None


@pytest.mark.parametrize("tree", ["lipzoo", "lipzoo_catalogue"])
def test_no_two_folders_import_each_other(tree):
    # Loose files stand for themselves, see above; a package may gather what its subpackages have.
    graph = defaultdict(set)
    for module, name in _arrows():
        here, there = _folder(module), _folder(name)
        apart = not here.startswith(there) and not there.startswith(here)
        if apart and {here.split("/")[0], there.split("/")[0]} == {tree}:
            graph[here].add(there)
    assert _circle(graph) is None


def _circle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def test_a_circle_is_found():
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) is not None
    assert _circle({"a": {"b", "c"}, "b": {"c"}}) is None


def _users(name, *trees):
    """Modules of some trees that import `name` or anything in it."""
    return {
        module
        for module, names in IMPORTS.items()
        if module.split(".")[0] in trees
        and any(f"{found}.".startswith(f"{name}.") for found in names)
    }


def test_the_command_line_is_no_part_of_the_library():
    # `python -m lipzoo` is the command.
    assert _users("lipzoo_cli", "lipzoo", "lipzoo_catalogue") == {"lipzoo.__main__"}
    assert not _users("argparse", "lipzoo", "lipzoo_catalogue")
    assert _users("argparse", "lipzoo_cli")


def test_the_catalogue_needs_neither_keras_nor_the_library():
    for name in ("keras", "lipzoo", "tensorflow", "jax", "torch"):
        assert not _users(name, "lipzoo_catalogue"), name


def test_studies_are_for_readers():
    assert not _users("studies", "lipzoo", "lipzoo_catalogue", "lipzoo_cli")
    assert not _users("tests", *TREES)


def test_rounding_is_plain_numpy():
    for name in ("keras", "tensorflow", "jax", "torch", "scipy"):
        assert not [m for m in _users(name, "lipzoo") if _package(m) == "lipzoo.rounding"], name
