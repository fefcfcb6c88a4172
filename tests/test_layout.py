"""Imports go one way, as docs/architecture.md draws it, and the public names are these."""

from __future__ import annotations

import ast
import graphlib
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import netpol
from netpol.model.moved import MOVED

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "netpol"
CORE = ROOT / "src" / "_core"

#: Folders from left to right in the picture, and what each may import besides itself.
_WORDS = {"model", "io"}
MAY_IMPORT = {
    "model": set(),
    "io": {"model"},
    "_core": set(),
    "kube": _WORDS,
    "policy": _WORDS | {"kube"},
    "compiler": _WORDS | {"kube", "policy", "_core"},
    "flows": _WORDS | {"_core"},
    "reference": {"model", "kube"},
    "explain": {"model", "kube", "policy", "reference"},
    "engine": _WORDS | {"kube", "policy", "compiler", "flows", "reference", "explain", "_core"},
    "run": _WORDS | {"compiler", "flows", "engine", "_core"},
    "questions": _WORDS | {"kube", "policy", "compiler", "flows", "engine", "run", "_core"},
    "dns": _WORDS | {"flows"},  # a log like any other: its source, cells and counts
    "lint": _WORDS | {"kube", "policy", "compiler"},
    "report": _WORDS | {"kube", "policy", "lint", "reference", "explain", "run", "questions"},
    "cli": _WORDS
    | {
        "",
        "kube",
        "policy",
        "flows",
        "dns",
        "lint",
        "reference",
        "explain",
        "run",
        "questions",
        "report",
    },
    "__main__": {"cli"},
    "__init__": {"model"},
}

#: Inside the large folders: subfolders from left to right, "." being the files beside them.
ORDER = {
    "kube": ["api", "read", "validation", "."],
    "policy": [".", "dialects"],
    "compiler": ["layout", "shared", "addresses", "rows", "pack", "overlap", "."],
    "flows": ["known", "columns", "formats/conntrack", "formats/table", "."],
    "run": [".", "distribution"],
    "questions": ["replay", "allpairs", "coverage", "diff", "compare", "reach"],
    "lint": ["catalogue", "."],
    "report": ["words", "text", "json", "records", "ci", "html"],
    "cli": [".", "commands"],
}

PUBLIC = {
    "Engine",
    "Verdict",
    "Verdicts",
    "compile",
    "read_policies",
    "read_snapshot",
}


def parts() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py")) + sorted(PACKAGE.rglob("*.pyi"))


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py").removesuffix(".pyi")


def name_of(file: Path) -> str:
    """The full name of a module, of a package for its ``__init__``."""
    path = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(path[:-1] if path[-1] == "__init__" else path)


MODULES = {name_of(file): file for file in parts() if file.suffix == ".py"}


def imports_of(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """All imports but those that only types need: at run time they import nothing."""
    only_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in only_types:
            yield node


def imported(file: Path) -> set[str]:
    """The modules of netpol that a file imports, by their full names."""
    names: set[str] = set()
    for node in imports_of(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        else:
            assert node.level == 0, f"{file}: relative import"
            module = node.module or ""
            inner = {f"{module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else module for name in inner}
    return {name for name in names if name.split(".")[0] == "netpol"} - {name_of(file)}


def folder_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize("file", parts(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_only_point_left(file: Path) -> None:
    part = part_of(file)
    assert {folder_of(name) for name in imported(file)} - {part} <= MAY_IMPORT[part]


def test_no_folder_may_import_what_may_import_it() -> None:
    order = list(MAY_IMPORT)
    for part, others in MAY_IMPORT.items():
        for other in others - {""}:
            assert order.index(other) < order.index(part), f"{part} imports {other}"


def subfolder_of(name: str, order: list[str]) -> str:
    """Where in its folder a module is: a subfolder of the order, or beside them."""
    path = "/".join(name.split(".")[2:])
    found = [part for part in order if part != "." and f"{path}/".startswith(f"{part}/")]
    return found[0] if found else "."


@pytest.mark.parametrize("folder", ORDER)
def test_subfolders_point_left(folder: str) -> None:
    order = ORDER[folder]
    for name, file in MODULES.items():
        if folder_of(name) != folder:
            continue
        if file.name == "__init__.py" and file.parent.parent == PACKAGE:
            assert not imported(file)
            continue
        place = order.index(subfolder_of(name, order))
        for other in imported(file):
            if folder_of(other) == folder:
                there = order.index(subfolder_of(other, order))
                assert there <= place, f"{name} imports {other}"


def test_every_subfolder_has_its_place() -> None:
    found = {
        (folder_of(name), part.name)
        for name, file in MODULES.items()
        if file.name == "__init__.py" and (part := file.parent).parent.parent == PACKAGE
    }
    named = {(folder, part.split("/")[0]) for folder, parts in ORDER.items() for part in parts}
    assert found <= named


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {name: imported(file) & set(MODULES) for name, file in MODULES.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"modules import each other: {error.args[1]}")


@pytest.mark.parametrize("old", sorted(name for name, new in MOVED.items() if new))
def test_old_names_lead_to_the_new_ones(old: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=old):
        module = importlib.import_module(old)
    assert module is importlib.import_module(MOVED[old])


def test_nothing_is_loose_at_the_top() -> None:
    loose = {file.name for file in PACKAGE.glob("*.py")}
    assert loose == {"__init__.py", "__main__.py"}


def test_the_core_imports_nothing_from_netpol_but_itself() -> None:
    for file in sorted(CORE.glob("*.p[yx]*")):
        text = file.read_text(encoding="utf-8")
        found = re.findall(r"^\s*(?:from|c?import)\s+netpol(?!\._core\b)\S*", text, re.MULTILINE)
        assert not found, f"{file.name}: {found}"


def test_every_part_is_in_the_picture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for part in sorted({part_of(file) for file in parts()}):
        if not part.startswith("_"):
            assert re.search(rf"`(src/)?{part}[./`]", text), f"{part} is not in architecture.md"


def test_public_names_are_locked() -> None:
    assert set(netpol.__all__) >= PUBLIC
    assert all(hasattr(netpol, name) for name in netpol.__all__)


def test_files_stay_readable() -> None:
    sizes = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for folder in (PACKAGE, CORE)
        for file in folder.rglob("*.py*")
        if file.suffix in {".py", ".pyx", ".pxd", ".pyi"}
    }
    assert {name: size for name, size in sizes.items() if size > 700} == {}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from netpol.cli.main import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print(*sorted({'numpy', 'pyarrow', 'msgspec', 'yaml', 'rich'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "\n"
