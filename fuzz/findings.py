"""Findings: what tells one from another, and the files they are kept in."""

from __future__ import annotations

import hashlib
import re
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Finding:
    """An input that broke a promise: ``kind`` at ``place``, told in full by ``story``."""

    kind: str
    place: str
    data: bytes
    story: str = ""

    @property
    def signature(self) -> str:
        """What is the same for inputs that break the same thing."""
        return f"{self.kind} at {self.place}" if self.place else self.kind


def of_error(error: BaseException, data: bytes) -> Finding:
    """Return the finding that an exception amounts to: its type, and where in the project it is."""
    return Finding(
        type(error).__name__,
        _place(error.__traceback__),
        data,
        "".join(traceback.format_exception(error)),
    )


def _place(trace: TracebackType | None) -> str:
    """Return the innermost line that is ours, a target's if nothing below it is."""
    place = ""
    for frame, line in traceback.walk_tb(trace):
        file = Path(frame.f_code.co_filename)
        if "fuzz/worker" not in str(file) and file.is_absolute() and file.is_relative_to(ROOT):
            place = f"{file.relative_to(ROOT)}:{line}"
    return place


def of_death(code: int, stderr: str, data: bytes) -> Finding:
    """Return the finding that a worker's end amounts to: by signal, or by what a sanitizer said."""
    summary = re.search(r"SUMMARY: (\w+): (\S+)(?: \S*?([^/\s]+:\d+))?", stderr)
    said = re.search(r"([\w.]+:\d+):\d+: runtime error: (.*)", stderr)
    if said is not None:
        where = re.sub(r"0x[0-9a-f]+|-?\d{3,}", "N", said[2])  # else each is another finding
        kind, place = "runtime error", f"{said[1]} ({where})"
    elif summary is not None:
        kind, place = f"{summary[1]}-{summary[2]}", summary[3] or ""
    elif code < 0:
        kind, place = signal.Signals(-code).name, ""
    else:
        kind, place = f"exit {code}", ""
    return Finding(kind, place, data, stderr[-8000:])


class Folder:
    """The findings of one target, one of each signature."""

    def __init__(self, path: Path, target: str) -> None:
        self.path = path
        self._target = target
        path.mkdir(parents=True, exist_ok=True)

    def add(self, finding: Finding) -> bool:
        """Keep a finding; False if one like it is already there, with an input no longer."""
        name = hashlib.sha256(finding.signature.encode()).hexdigest()[:12]
        file = self.path / f"{name}.input"
        if file.exists() and file.stat().st_size <= len(finding.data):
            return False
        new = not file.exists()
        file.write_bytes(finding.data)
        command = f"{sys.executable} -m fuzz.run {self._target} --minimise {file}"
        text = f"{finding.signature}\n\nrepeat and minimise: {command}\n\n{finding.story}"
        file.with_suffix(".txt").write_text(text, encoding="utf-8", errors="backslashreplace")
        return new

    def files(self) -> list[Path]:
        """Return the inputs kept."""
        return sorted(self.path.glob("*.input"))

    def forget(self, file: Path) -> None:
        """Remove an input and what is told of it."""
        file.unlink()
        file.with_suffix(".txt").unlink(missing_ok=True)
