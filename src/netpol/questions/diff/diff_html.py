"""Takes a ``Diff``, gives a small table of it in HTML, as notebooks show a value."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from netpol.model.text import escape_controls
from netpol.questions.diff.diff_table import decider

if TYPE_CHECKING:
    from netpol.questions.diff.diff import Diff
    from netpol.questions.diff.groups import Group

__all__ = ["html_of"]

_HEAD = ("", "flows", "from", "to", "port", "before", "after", "responsible")


def html_of(diff: Diff) -> str:
    """Return totals and the listed groups; every name is escaped, nothing is loaded."""
    counts = ", ".join(f"{listed.total.flows:,} {kind}" for kind, listed in diff.kinds.items())
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    rows = "".join(map(_row, diff.groups))
    more = sum(listed.others.flows for listed in diff.kinds.values())
    before, after = diff.unjudged
    sentence = (after | before).sentence("that are judged")
    unjudged = f"<p>{_escaped(sentence)}</p>" if sentence else ""
    rest = f"<p>and {more:,} flows between others</p>" if more else ""
    return (
        f"<div><p>{diff.total.flows:,} flows: {counts}</p>{unjudged}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}</div>"
    )


def _row(group: Group) -> str:
    pair = group.before
    port = pair.protocol if pair.port is None else f"{pair.port}/{pair.protocol}"
    judged = [
        "; ".join([verdict.label, *(map(decider, half.credits) if half.credits else ())])
        for verdict, half in zip(group.verdicts, (group.before, group.after), strict=True)
    ]
    cells = (
        str(group.kind),
        f"{group.weight.flows:,}",
        pair.src,
        pair.dst,
        port,
        *judged,
        ", ".join(one.text for one in group.responsible),
    )
    return "<tr>" + "".join(f"<td>{_escaped(cell)}</td>" for cell in cells) + "</tr>"


def _escaped(text: str) -> str:
    """Return text without markup, and without characters that turn or hide what is around them."""
    return html.escape(escape_controls(text))
