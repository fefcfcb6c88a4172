"""Takes findings, gives them as GitHub workflow commands: annotations on the lines of a change.

The runner reads ``::error file=F,line=N,title=T::MESSAGE`` from what a step prints. It shows only
the first ten of each level, which is why the gravest come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netpol.report.ci.heading import Heading
from netpol.report.words.annotations import Annotation
from netpol.report.words.safe import escape_controls

__all__ = ["render"]

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(annotations: Sequence[Annotation], heading: Heading) -> str:
    """Return one command a finding, then a plain line with the counts."""
    lines = [_command(each, heading) for each in annotations]
    # Words that begin with :: would be a command of their own, and so would ##[ anywhere.
    lines.append(escape_controls(heading.line).lstrip(" :").replace("##[", "## ["))
    return "\n".join(lines) + "\n"


def _command(annotation: Annotation, heading: Heading) -> str:
    settings = ",".join(f"{name}={_setting(value)}" for name, value in _settings(annotation))
    message = f"{annotation.message} [{annotation.code}]"
    more = heading.more(annotation.code)
    if more:
        message += f"\n{more}"
    return f"::{_COMMANDS[annotation.level]} {settings}::{_data(message)}"


def _settings(annotation: Annotation) -> Iterator[tuple[str, str]]:
    if annotation.file is not None and not annotation.file.startswith("<"):
        yield "file", annotation.file
        if annotation.line is not None:
            yield "line", str(annotation.line)
    yield "title", f"netpol: {annotation.title}"


def _data(text: str) -> str:
    """Escape as the runner unescapes: line breaks stay, other controls are shown."""
    lines = [escape_controls(line) for line in text.split("\n")]
    return "%0A".join(line.replace("%", "%25") for line in lines)


def _setting(text: str) -> str:
    return escape_controls(text).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
