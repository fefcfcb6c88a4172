"""Numbers that the core's sources repeat are those of Python: every enum and constant there.

They are found by themselves. Each says what it repeats, in a comment where it begins, or that it is
the core's own:

    cdef enum:  # = netpol.model.verdict.Verdict
    cdef enum:  # = netpol.model.verdict.Reason + 1
    cdef enum:  # = 1 << netpol.compiler.addresses.services.Way as WAY_*
    cdef enum:  # = len(netpol.model.verdict.Side)
    cdef enum:  # = some of netpol._core.conntrack.STATE_NAMES as STATE_*
    cdef enum:  # private

An enum of Python has to be there whole; of a module, the constants that are named. A line within
may say the same for itself. In C, the comment is one of C.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from netpol.compiler import layout
from netpol.compiler.rows.decisions import Decision, DecisionTable
from netpol.compiler.shared.budget import Budget

ROOT = Path(__file__).parent.parent.parent
CORE = ROOT / "src" / "_core"
LAYOUT = ROOT / "src" / "netpol" / "compiler" / "layout.py"

_HEAD = re.compile(r"cdef enum(?: \w+)?:(?:\s*#(?P<note>.*))?$")
_MEMBER = re.compile(r"    (?P<name>\w+)(?: = (?P<value>[^#]+?))?\s*(?:#(?P<note>.*))?$")
_CONSTANT = re.compile(
    r"cdef (?:const )?\w+ (?P<name>[A-Z][A-Z0-9_]*) = (?P<value>[^#]+?)\s*(?:#(?P<note>.*))?$"
)
_DEFINE = re.compile(
    r"\s*#define (?P<name>\w+) (?P<value>[^/\n]+?)\s*(?:/\*(?P<note>.*?)\*/)?$", re.MULTILINE
)
_C_ENUM = re.compile(r"enum \{(?:\s*/\*(?P<note>.*?)\*/)?(?P<body>[^}]*)\}")
_C_MEMBER = re.compile(
    r"(?P<name>\w+)(?:\s*=(?P<value>(?:/\*.*?\*/|[^,/])*))?,?(?:[ \t]*/\*(?P<note>.*?)\*/)?"
)
_ALIAS = re.compile(r'(\w+) "(NETPOL_\w+)"')
_TARGET = re.compile(
    r"= (?P<some>some of )?(?P<bit>1 << )?(?P<len>len\()?(?P<path>netpol[\w.]*)\)?"
    r"(?: (?P<operator>\+|<<) (?P<operand>\d+))?(?: as (?P<prefix>\w+)\*)?(?:$|[:;, ])"
)
_KNOWN = {"INT64_MIN": -(1 << 63), "INT64_MAX": (1 << 63) - 1}


@dataclass
class Declared:
    """A name of the core and its value as written; ``note`` is the comment beside it."""

    name: str
    text: str
    note: str = ""


@dataclass
class Group:
    """The members of an enum, or one constant."""

    where: str
    note: str
    members: list[Declared] = field(default_factory=list)


def cython_groups(name: str, text: str) -> Iterator[Group]:
    """Give the enums and constants of a Cython source."""
    group = None
    for number, line in enumerate(text.splitlines(), 1):
        head, constant = _HEAD.match(line), _CONSTANT.match(line)
        if head is not None:
            group = Group(f"{name}:{number}", (head["note"] or "").strip())
            yield group
        elif constant is not None:
            note = (constant["note"] or "").strip()
            member = Declared(constant["name"], constant["value"])
            yield Group(f"{name}:{number}", note, [member])
        elif group is not None and line.startswith("    "):
            member_line = _MEMBER.match(line)
            if member_line is not None:
                before = group.members[-1].name if group.members else None
                value = member_line["value"] or (f"{before} + 1" if before else "0")
                note = (member_line["note"] or "").strip()
                group.members.append(Declared(member_line["name"], value, note))
            elif not line.strip().startswith("#"):
                raise AssertionError(f"{name}:{number}: not understood: {line}")
        elif line.strip():
            group = None
    yield from defines(name, text)


def defines(name: str, text: str) -> Iterator[Group]:
    """Give the constants that the preprocessor defines."""
    for found in _DEFINE.finditer(text):
        note = (found["note"] or "").strip()
        yield Group(f"{name}: {found['name']}", note, [Declared(found["name"], found["value"])])


def c_groups(name: str, text: str) -> Iterator[Group]:
    """Give the enums and constants of a C header."""
    for found in _C_ENUM.finditer(text):
        number = text[: found.start()].count("\n") + 1
        group = Group(f"{name}:{number}", (found["note"] or "").strip())
        for member in _C_MEMBER.finditer(found["body"].strip()):
            before = group.members[-1].name if group.members else None
            value = re.sub(r"/\*.*?\*/", "", member["value"] or "").strip()
            group.members.append(
                Declared(
                    member["name"],
                    value or (f"{before} + 1" if before else "0"),
                    (member["note"] or "").strip(),
                )
            )
        yield group
    yield from defines(name, text)


class Numbers:
    """Values of the names of all sources."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.groups: list[Group] = []
        self._texts: dict[str, set[str]] = {}
        for name, text in sources.items():
            found = list((c_groups if name.endswith(".h") else cython_groups)(name, text))
            self.groups += found
            for member in (member for group in found for member in group.members):
                self._texts.setdefault(member.name, set()).add(member.text)
            for alias, of in _ALIAS.findall(text):
                self._texts.setdefault(alias, set()).add(of)

    def value(self, text: str) -> int | None:
        """Give what an expression comes to; None if it is no number."""
        text = re.sub(r"<\w+>|\(\w+_t\)", "", text)
        text = re.sub(r"\b(0x[0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", text)
        try:
            names = {
                node.id for node in ast.walk(ast.parse(text.strip())) if isinstance(node, ast.Name)
            }
            held = {name: self._of(name) for name in names}
            found = eval(text, {"__builtins__": {}}, held)
        except (SyntaxError, TypeError):
            return None
        return int(found) if isinstance(found, int) else None

    def _of(self, name: str) -> int | None:
        if name in _KNOWN:
            return _KNOWN[name]
        values = {self.value(text) for text in self._texts.get(name, ())}
        assert len(values) <= 1, f"{name} is {values}"
        return values.pop() if values else None


def found_at(path: str) -> Any:
    """Give what a dotted path names."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            found = getattr(found, name)
        return found
    raise AssertionError(path)


def python_values(target: re.Match[str], names: set[str]) -> dict[str, int]:
    """Give the values that names of the core are to have, by the target of their comment."""
    prefix, held = target["prefix"] or "", found_at(target["path"])
    if target["len"]:
        return dict.fromkeys(names, len(held))
    if isinstance(held, int):
        return dict.fromkeys(names, int(held))
    if isinstance(held, ModuleType):
        wanted = {name: getattr(held, name.removeprefix(prefix), None) for name in names}
        values = {name: value for name, value in wanted.items() if value is not None}
    elif isinstance(held, type) and issubclass(held, Enum):
        members = held.__members__.items()
        values = {
            prefix + name: one.value
            for name, one in members
            if not (issubclass(held, Flag) and one.value == 0)
        }
    else:
        values = {prefix + str(name): place for place, name in enumerate(held)}
    if target["some"]:
        values = {name: value for name, value in values.items() if name in names}
    operand = int(target["operand"] or 0)
    return {
        name: 1 << value
        if target["bit"]
        else value << operand
        if target["operator"] == "<<"
        else value + operand
        for name, value in values.items()
    }


def faults(sources: Mapping[str, str]) -> tuple[list[str], set[str]]:
    """Give what is wrong with the sources, and every path and name of a module they repeat."""
    numbers = Numbers(sources)
    wrong: list[str] = []
    repeated: set[str] = set()

    def compare(where: str, note: str, members: list[Declared]) -> None:
        target = _TARGET.match(note)
        if note.startswith("private"):
            return
        if target is None:
            names = ", ".join(member.name for member in members)
            wrong.append(f"{where}: says neither what it repeats nor that it is private: {names}")
            return
        mine = {member.name: numbers.value(member.text) for member in members}
        theirs = python_values(target, set(mine))
        repeated.add(target["path"])
        if isinstance(found_at(target["path"]), ModuleType):
            prefix = target["prefix"] or ""
            repeated.update(f"{target['path']}.{name.removeprefix(prefix)}" for name in mine)
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                wrong.append(
                    f"{where}: {name} is {mine.get(name)}, by {target['path']} {theirs.get(name)}"
                )

    for group in numbers.groups:
        own = [
            one
            for one in group.members
            if one.note.startswith("private") or _TARGET.match(one.note)
        ]
        for member in own:
            compare(f"{group.where}: {member.name}", member.note, [member])
        rest = [one for one in group.members if one not in own]
        if rest and any(numbers.value(one.text) is not None for one in rest):
            compare(group.where, group.note, rest)
    return wrong, repeated


def core_sources() -> dict[str, str]:
    """Give every source of the core by name."""
    files = sorted(file for file in CORE.iterdir() if file.suffix in (".pxd", ".pyx", ".h"))
    return {file.name: file.read_text(encoding="utf-8") for file in files}


def test_what_the_core_repeats_is_what_python_says() -> None:
    wrong, repeated = faults(core_sources())
    assert not wrong, "\n".join(wrong)
    # It looked: these are declared in a .pxd, a .h and a .pyx.
    assert {
        "netpol.compiler.layout.Part",
        "netpol.compiler.layout.EndpointFlag",
        "netpol.compiler.layout.FACT_TIED",
    } <= repeated


def test_what_layout_names_is_in_the_core_or_marked_as_python_s_alone() -> None:
    _, repeated = faults(core_sources())
    text = LAYOUT.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = {}  # name -> whether it is marked
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            note, name = ast.get_docstring(node) or "", node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            note, name = lines[node.lineno - 1], node.targets[0].id
        else:
            continue
        one = getattr(layout, name)
        if isinstance(one, int) or (isinstance(one, type) and issubclass(one, Enum)):
            found[name] = "Python alone" in note
    mirrored = {name: f"netpol.compiler.layout.{name}" in repeated for name in found}
    assert len(found) > 60
    assert {name for name, alone in found.items() if alone == mirrored[name]} == set()


ENUM = (
    "cdef enum:  # = netpol.model.verdict.Verdict\n    ALLOW = 0\n    DENY = 1\n    UNKNOWN = 2\n"
)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.pxd", ENUM, None),
        (
            "a.pxd",
            ENUM.replace("DENY = 1", "DENY = 3"),
            "DENY is 3, by netpol.model.verdict.Verdict 1",
        ),
        ("a.pxd", ENUM.replace("    DENY = 1\n", ""), "DENY is None"),
        ("a.pxd", ENUM + "    MAYBE = 3\n", "MAYBE is 3, by netpol.model.verdict.Verdict None"),
        ("a.pxd", ENUM.replace("  # = netpol.model.verdict.Verdict", ""), "says neither"),
        ("a.pxd", ENUM.replace("= netpol.model.verdict.Verdict", "verdicts"), "says neither"),
        (
            "a.pxd",
            ENUM.replace("= netpol.model.verdict.Verdict", "private") + "    MAYBE = 9\n",
            None,
        ),
        ("a.pyx", "cdef enum:\n    A\n    B  # = len(netpol.model.verdict.Side)\n", "says neither"),
        (
            "a.pyx",
            "cdef enum:  # private\n    A\n    B  # = len(netpol.model.verdict.Side)\n",
            "B is 1",
        ),
        ("a.pyx", "cdef uint32_t WIDEST = 0xFFu\n", "says neither"),
        ("a.pyx", "cdef uint32_t WIDEST = 0xFFu  # private\n", None),
        ("a.pyx", "cdef enum:  # = netpol.compiler.layout\n    PAGE = 1 << 4\n", None),
        ("a.pyx", "cdef enum:  # = netpol.compiler.layout\n    PAGES = 16\n", "PAGES is 16"),
        ("a.h", "#define NETPOL_A 4\n", "says neither"),
        ("a.h", "#define NETPOL_A 4u /* = netpol.compiler.layout.TIED */\n", "NETPOL_A is 4"),
        ("a.h", "#define NETPOL_A 8u /* = netpol.compiler.layout.TIED */\n", None),
        ("a.h", "#define NETPOL_A_H\n#define NETPOL_F(x) (x)\n", None),
        (
            "a.h",
            "enum { /* = netpol.compiler.layout.Piece as NETPOL_PIECE_* */\n"
            "    NETPOL_PIECE_COLUMN = 0, /* one */\n    NETPOL_PIECE_RUN = 1\n};\n",
            None,
        ),
        (
            "a.h",
            "enum { /* = netpol.compiler.layout.Piece as NETPOL_PIECE_* */\n"
            "    NETPOL_PIECE_COLUMN = 0,\n};\n",
            "NETPOL_PIECE_RUN is None",
        ),
    ],
)
def test_a_difference_is_a_fault(name: str, text: str, fault: str | None) -> None:
    wrong, _ = faults({name: text})
    if fault is None:
        assert wrong == []
    else:
        assert any(fault in one for one in wrong), wrong


def test_fields_of_decisions_are_those_of_the_metadata() -> None:
    names = [name.upper() for name in Decision._fields if name != "marks"]
    assert [one.name for one in layout.Field] == names


def test_reserved_decisions_have_their_ids() -> None:
    items = DecisionTable(Budget(1 << 20)).items
    assert len(items) == layout.FIRST_RULES
    for one, item in zip(layout.Reserved, items, strict=True):
        reason = "NOT_A_POD" if item.reason is None else item.reason.name
        assert one.name.removeprefix("MERGED_").removeprefix("WHOLE_") == reason
