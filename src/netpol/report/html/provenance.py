"""Takes how a page came about, gives the section that lets somebody else repeat it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from netpol.report.html.sections import Column, Facts, Table

__all__ = ["InputDigest", "Provenance", "provenance"]

_FILES = 300


@dataclass(frozen=True, slots=True)
class InputDigest:
    """A file that was read.

    Attributes
    ----------
    role : what it is to the command: ``flows``, ``cluster``, ``policies`` and so on.
    name : as it was given.
    size : bytes, as stored; None where not known.
    sha256 : of these bytes; None where it could not be told.
    remark : what is to be said of that.
    """

    role: str
    name: str
    size: int | None
    sha256: str | None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a page came about.

    Attributes
    ----------
    command : as a shell would take it.
    environment : ``NAME=value`` of every variable that netpol looks at.
    settings : ``name = value`` of what a settings file said.
    inputs : the files read.
    version : of netpol.
    generated : when, in UTC.
    """

    command: str
    environment: tuple[str, ...]
    settings: tuple[str, ...]
    inputs: tuple[InputDigest, ...]
    version: str
    generated: datetime
    title: str = field(default="How this was made", init=False)


def provenance(made: Provenance, switches: Mapping[str, Any] | None = None) -> Facts:
    """Return the section; ``switches`` are what was judged with, by name."""
    items: list[tuple[str, str | Sequence[str], bool]] = [("Command", made.command, True)]
    if made.environment:
        items.append(("Environment", made.environment, True))
    if made.settings:
        items.append(("Settings file", made.settings, True))
    if switches is not None:
        items.append(("Switches", [f"{name} = {value}" for name, value in switches.items()], True))
    if len(made.inputs) > 1:
        items.append(("Digest of all inputs", _whole(made.inputs), True))
    return Facts(made.title, items, tables=[_files(made.inputs)])


def _files(inputs: Sequence[InputDigest]) -> Table:
    remarks = any(item.remark for item in inputs)
    columns = [
        Column("Role"),
        Column("File"),
        Column("Size in bytes", "number"),
        Column("SHA-256", "code"),
        *([Column("Remark")] if remarks else []),
    ]
    rows = [
        [item.role, item.name, item.size, item.sha256, *([item.remark] if remarks else [])]
        for item in inputs[:_FILES]
    ]
    return Table("Inputs", columns, rows, total=len(inputs))


def _whole(inputs: Sequence[InputDigest]) -> str:
    """Return one digest that changes with any input: that of what ``sha256sum`` prints of all."""
    lines = sorted({f"{item.sha256 or '?'}  {item.name}\n" for item in inputs})
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
