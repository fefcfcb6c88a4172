"""Takes a ``Matrix``, gives a graph in DOT: an edge for each pair of names that reaches."""

from __future__ import annotations

from collections.abc import Iterable

from netpol.model.verdict import Verdict
from netpol.questions.reach.matrix import Cell, Matrix, Reach
from netpol.report.text.exhaustive import ports_text
from netpol.report.words.safe import escape_controls
from netpol.report.words.unjudged import HERE

__all__ = ["render"]

_LABELS = 3


def render(matrix: Matrix) -> bytes:
    """Return the graph; dashed where only some pairs reach, dotted where it is not known."""
    lines = ["digraph netpol {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    if matrix.unjudged:
        lines.append(f"  label={_quoted(matrix.unjudged.sentence(HERE))};")
    lines += _edges(matrix.reaches())
    lines.append("}")
    return ("\n".join(lines) + "\n").encode()


def _edges(reaches: Iterable[Reach]) -> Iterable[str]:
    nodes: dict[tuple[str, tuple[str, ...]], str] = {}
    for reach in reaches:
        cells = [cell for cell in reach.cells if cell.allow or cell.unknown]
        if not cells:
            continue
        ends = []
        for key in ((reach.src, reach.src_networks), (reach.dst, reach.dst_networks)):
            if key not in nodes:
                nodes[key] = f"n{len(nodes)}"
                yield f"  {nodes[key]} [label={_quoted(_name(*key))}];"
            ends.append(nodes[key])
        words = [_label(cell) for cell in cells[:_LABELS]]
        words += ["..."] if len(cells) > _LABELS else []
        label = _quoted("\n".join(words))
        yield f"  {ends[0]} -> {ends[1]} [label={label}, style={_style(cells)}];"


def _name(name: str, networks: tuple[str, ...]) -> str:
    lines = [name.replace("\n", "\\n"), *networks[:2], *(["..."] if len(networks) > 2 else [])]
    return "\n".join(lines)


def _label(cell: Cell) -> str:
    ports = ports_text(cell.ports, everything=cell.everything)
    return ports if cell.verdict is Verdict.ALLOW else f"{ports} ({cell.allow} pairs)"


def _style(cells: list[Cell]) -> str:
    if all(cell.verdict is Verdict.ALLOW for cell in cells):
        return "solid"
    return "dashed" if any(cell.allow for cell in cells) else "dotted"


def _quoted(text: str) -> str:
    """Return a DOT string of some lines; quotes and backslashes alone mean anything in one."""
    lines = (
        escape_controls(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n")
    )
    return '"' + "\\n".join(lines) + '"'
