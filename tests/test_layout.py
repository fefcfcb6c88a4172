"""Imports go one way, as docs/architecture.md draws it, and the public names are these."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import netpol

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "netpol"
CORE = ROOT / "src" / "_core"

_WORDS = {"errors", "verdict", "switches"}
_READ = _WORDS | {"dns", "kube", "policy", "flows", "likeness"}

#: What each part may import besides itself: only what stands left of it in the picture.
MAY_IMPORT = {
    "brevity": set(),
    "errors": {"brevity", "text"},
    "verdict": set(),
    "switches": {"errors"},
    "text": {"brevity"},
    "times": set(),
    "terminal": set(),
    "unfinished": set(),
    "standard": set(),
    "files": {"unfinished"},
    "notebook": {"text"},
    "likeness": set(),
    "_core": set(),
    "dns": {"errors", "flows"},  # a log like any other: its source, cells and counts
    "kube": _WORDS | {"dns", "likeness", "times", "standard", "unfinished"},
    "policy": _WORDS | {"dns", "kube"},
    "flows": _WORDS | {"times", "standard", "_core"},
    "reference": _WORDS | {"dns", "kube", "flows", "likeness", "text"},
    "compiler": _WORDS | {"files", "dns", "kube", "policy", "_core"},
    "verdicts": _READ | {"compiler", "reference", "engine", "notebook", "_core"},
    "engine": _READ | {"compiler", "reference", "verdicts", "_core"},
    "ahead": set(),
    "tally": {"verdict", "flows", "_core"},
    "fused": {"ahead", "errors", "flows", "tally", "_core"},
    "pairs": {"verdict", "flows", "tally"},
    "asof": {"verdict", "policy"},
    "recorded": {"errors", "verdict", "switches", "profiles", "flows", "engine", "asof"}
    | {"tally", "pairs", "_core"},
    "replay": {"verdict", "switches", "dns", "kube", "flows", "fused", "engine", "verdicts"}
    | {"tally", "pairs", "recorded"},
    "profiles": {"errors", "switches"},
    "analysis": _READ | {"text", "fused", "compiler", "engine", "tally", "replay", "_core"},
    "compare": {"verdict", "switches", "kube", "flows", "tally", "replay", "analysis"},
    "spread": {"verdict", "flows", "engine", "tally", "analysis", "_core"},
    "lint": _WORDS | {"kube"},
    "overlap": _WORDS | {"kube", "policy", "compiler"},
    "report": {"errors", "verdict", "files", "terminal", "lint"}
    | {"kube", "text", "flows", "reference", "tally", "pairs", "recorded", "replay", "compare"}
    | {"spread", "analysis"},
    "cli": _READ
    | {"", "reference", "replay", "report", "tally", "profiles", "compare", "spread", "overlap"}
    | {"analysis", "brevity", "recorded", "terminal", "lint", "text", "standard", "unfinished"},
    "program": {"", "cli", "unfinished"},
    "__main__": {"program"},
    "__init__": _READ | {"compiler", "engine", "verdicts", "replay", "recorded", "analysis"},
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


def imported(file: Path) -> set[str]:
    """Give the parts of netpol that a file imports, "" being the package itself."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            if node.module == "netpol":
                names |= {f"netpol.{alias.name}" for alias in node.names}
            elif node.module is not None:
                names.add(node.module)
    paths = [name.split(".") for name in names]
    return {path[1] if len(path) > 1 else "" for path in paths if path[0] == "netpol"}


@pytest.mark.parametrize("file", parts(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_only_point_left(file: Path) -> None:
    part = part_of(file)
    assert imported(file) - {part} <= MAY_IMPORT[part]


def test_the_core_imports_nothing_from_netpol_but_itself() -> None:
    for file in sorted(CORE.glob("*.p[yx]*")):
        text = file.read_text(encoding="utf-8")
        found = re.findall(r"^\s*(?:from|c?import)\s+netpol(?!\._core\b)\S*", text, re.MULTILINE)
        assert not found, f"{file.name}: {found}"


def test_every_part_is_in_the_picture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for part in sorted({part_of(file) for file in parts()}):
        if not part.startswith("__"):
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
        "from netpol.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print(*sorted({'numpy', 'pyarrow', 'msgspec', 'yaml', 'rich'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "\n"
