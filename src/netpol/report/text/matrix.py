"""Takes a ``Matrix``, gives what a person reads: who reaches whom, alike rows as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.text import Text

from netpol.kube.unjudged import Unjudged
from netpol.model.verdict import Verdict
from netpol.questions.reach.exposure import Exposure
from netpol.questions.reach.matrix import Cell, Matrix, Reach
from netpol.report.text.exhaustive import ports_text
from netpol.report.words.layout import listed, new_table, plural, printed
from netpol.report.words.networks import networks_text, party_text
from netpol.report.words.unjudged import HERE, print_unjudged
from netpol.report.words.wording import STYLES, count

__all__ = ["render", "render_exposures"]

_ROWS = 60
_NAMES = 3


class _Row(NamedTuple):
    """Sources that all reach the same of some destinations."""

    sources: tuple[str, ...]
    targets: list[str]
    cells: tuple[Cell, ...]


def render(matrix: Matrix, target: TextIO, *, denied: bool = False) -> str:
    """Return matrix as it should look on ``target``; ``denied`` lists what is denied instead."""
    return printed(target, partial(_print, matrix, denied))


def _print(matrix: Matrix, denied: bool, console: Console) -> None:
    rows, silent = _rows(matrix.reaches(), denied)
    console.print(
        f"{plural(matrix.pairs, 'pair')} of addresses, by {matrix.by}"
        f" ({plural(matrix.parties, 'party', 'parties')})"
    )
    names = ("FROM", "TO", "PORTS", "VERDICT")
    table = new_table(names, fold=("FROM", "TO", "PORTS"))
    for row in rows[:_ROWS]:
        for number, cell in enumerate(row.cells):
            first = number == 0
            table.add_row(
                Text(listed(row.sources, _NAMES)) if first else "",
                Text(listed(row.targets, _NAMES)) if first else "",
                Text(ports_text(cell.ports, everything=cell.everything)),
                _verdict(cell),
            )
    if rows:
        console.print()
        console.print(table)
    if len(rows) > _ROWS:
        more = count(len(rows) - _ROWS)
        console.print(f"  and {more} more rows; narrow with --src, --dst, --port", style="dim")
    if silent:
        what = "have nothing denied" if denied else "have everything denied"
        console.print(f"  and {plural(silent, 'row')} that {what}", style="dim")
    _print_left_out(matrix.left_out, console)
    print_unjudged(matrix.unjudged.sentence(HERE), console)


def _print_left_out(left_out: int, console: Console) -> None:
    if left_out:
        console.print(f"not shown: {plural(left_out, 'pod')} without an address", style="dim")


def _rows(reaches: Iterable[Reach], denied: bool) -> tuple[list[_Row], int]:
    """Return rows, and how many pairs of names have nothing to show."""
    to_target: dict[tuple[str, tuple[Cell, ...]], list[str]] = {}
    silent = 0
    for reach in reaches:
        cells = tuple(cell for cell in reach.cells if denied or cell.allow or cell.unknown)
        if not cells:
            silent += 1
            continue
        key = party_text(reach.dst, reach.dst_networks), cells
        to_target.setdefault(key, []).append(party_text(reach.src, reach.src_networks))
    alike: dict[tuple[tuple[str, ...], tuple[Cell, ...]], list[str]] = {}
    for (target, cells), sources in to_target.items():
        alike.setdefault((tuple(sources), cells), []).append(target)
    rows = [_Row(sources, targets, cells) for (sources, cells), targets in alike.items()]
    return sorted(rows, key=lambda row: (row.sources, row.targets)), silent


def _verdict(cell: Cell) -> Text:
    whole = cell.verdict
    if whole is not None:
        return Text(whole.label, style=STYLES[whole])
    total = cell.allow + cell.deny + cell.unknown
    counts = zip(Verdict, (cell.allow, cell.deny, cell.unknown), strict=True)
    words = [f"{verdict.label} {count(number)}" for verdict, number in counts if number]
    return Text(f"{', '.join(words)} of {count(total)}", style=STYLES[Verdict.UNKNOWN])


def render_exposures(exposures: Sequence[Exposure], unjudged: Unjudged, target: TextIO) -> str:
    """Return what strangers may reach, workloads that say the same as one row."""
    return printed(target, partial(_print_exposures, exposures, unjudged))


def _print_exposures(exposures: Sequence[Exposure], unjudged: Unjudged, console: Console) -> None:
    console.print(
        f"What strangers may reach of {plural(len(exposures), 'workload')}: any external address,"
        " and pods not there yet"
    )
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in exposures:
        key = (
            _some(ports_text(one.external, everything=one.external_everything)),
            networks_text(one.networks) if one.external else "",
            _some(ports_text(one.stranger, everything=one.stranger_everything)),
        )
        found.setdefault(key, []).append(one.workload)
    names = ("WORKLOADS", "FROM OUTSIDE", "ADDRESSES", "FROM SOME POD")
    table = new_table(names, fold=names)
    rows = sorted(found.items(), key=lambda item: item[1])
    for key, workloads in rows[:_ROWS]:
        table.add_row(Text(listed(workloads, _NAMES)), *map(Text, key))
    console.print()
    console.print(table)
    if len(rows) > _ROWS:
        console.print(f"  and {count(len(rows) - _ROWS)} more rows; -o json has all", style="dim")
    print_unjudged(unjudged.sentence(HERE), console)


def _some(ports: str) -> str:
    return ports or "nothing"
