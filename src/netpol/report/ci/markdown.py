"""Takes findings, gives Markdown with a table: a comment on a pull request, or a job summary.

Names come from manifests and may hold anything: nothing of them is read as Markdown or HTML, and
none mentions a person or another issue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from netpol.report.ci.heading import Heading
from netpol.report.words.annotations import Annotation
from netpol.report.words.safe import escape_controls

__all__ = ["escape_markdown", "render"]

MOST = 60_000  # characters: a comment of GitHub holds 65,536
LONGEST = 500  # characters of a message before escaping

_ICONS = {"error": "❌ error", "warning": "⚠️ warning", "note": "note"}
_ACTIVE = re.compile(r"[\\`*_\[\]<>|~$#]")
#: Where a mention, an issue, an address or an emoji would begin.
_LINKING = re.compile(
    r"(?<=[@#])|(?<=:)(?=//)|(?<=:)(?=[\w+-]+:)|(?<=www)(?=\.)|(?<=GH)(?=-\d)|(?<=\d)(?=[.)] )",
    re.IGNORECASE,
)
_BREAK = "\0"  # no control character is left when it is put in


def render(annotations: Sequence[Annotation], heading: Heading) -> str:
    """Return a title, the counts, and a row for each finding."""
    return "\n".join(_lines(annotations, heading)) + "\n"


def _lines(annotations: Sequence[Annotation], heading: Heading) -> Iterator[str]:
    yield f"### netpol {escape_markdown(heading.command)}"
    yield ""
    yield escape_markdown(", ".join(heading.counts)) if heading.counts else "Done."
    if not annotations:
        return
    yield ""
    yield "| | where | what |"
    yield "|---|---|---|"
    room = MOST
    for index, each in enumerate(annotations):
        row = f"| {_ICONS[each.level]} | {_place(each)} | {_what(each)} |"
        room -= len(row) + 1
        if room < 0:
            yield ""
            yield f"and {len(annotations) - index:,} more"
            return
        yield row
    yield from _explained(annotations, heading, room)


def _explained(annotations: Sequence[Annotation], heading: Heading, room: int) -> Iterator[str]:
    """Yield what is known of each code met, folded up, as far as there is room."""
    codes = dict.fromkeys(each.code for each in annotations)
    for code in codes:
        page = heading.pages.get(code)
        if page is None:
            continue
        lines = [
            "",
            f"<details><summary>{code}: {escape_markdown(heading.help[code])}</summary>",
            "",
            page,
            "</details>",
        ]
        room -= sum(len(line) + 1 for line in lines)
        if room < 0:
            return
        yield from lines


def _place(annotation: Annotation) -> str:
    if annotation.file is None:
        return ""
    line = "" if annotation.line is None else f":{annotation.line}"
    return escape_markdown(annotation.file + line)


def _what(annotation: Annotation) -> str:
    title, message = _cut(annotation.title), _cut(annotation.message)
    lines = "<br>".join(escape_markdown(line) for line in message.split("\n"))
    return f"**{escape_markdown(title)}**<br>{lines} (`{annotation.code}`)"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, in a table's cell too."""
    text = _LINKING.sub(_BREAK, escape_controls(text)).replace("&", "&amp;")
    text = _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", text)
    return text.replace(_BREAK, "<!-- -->")
