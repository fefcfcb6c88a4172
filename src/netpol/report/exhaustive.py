"""Takes an ``ExhaustiveDiff``, gives what a person reads: what changes, or that nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TextIO

from rich.console import Console
from rich.text import Text

from netpol.analysis.exhaustive import Change, ExhaustiveDiff, Judged
from netpol.analysis.portsets import Ports
from netpol.report.deciders import decided
from netpol.report.layout import WIDE, new_table, plural, print_indented, printed
from netpol.report.networks import party_text
from netpol.report.wording import STYLES, count

__all__ = ["ports_text", "render"]


def render(diff: ExhaustiveDiff, target: TextIO) -> str:
    """Give every section that has something to say, as it should look on ``target``."""
    return printed(target, partial(_print_sections, diff))


def ports_text(ports: Sequence[Ports], *, everything: bool) -> str:
    """Give a set of ports: ``80,443/tcp, udp``."""
    return "all ports" if everything else ", ".join(map(str, ports))


def _print_sections(diff: ExhaustiveDiff, console: Console) -> None:
    compared = f"{plural(diff.classes, 'class', 'classes')} compared"
    if diff.proven:
        console.print(f"equivalent: no pair, port and protocol is judged otherwise ({compared})")
    elif diff.sides:
        console.print(f"no pair, port and protocol is judged otherwise ({compared})")
        print_indented(
            console,
            "not proven: one side says something else where the other denies anyway, or to who has "
            "an address at another time, or one set of policies is empty, which allows services "
            "without backends; flows through source NAT, services or shared addresses may be "
            "judged otherwise",
            2,
        )
    else:
        console.print(
            f"{count(diff.differing)} of {plural(diff.pairs, 'pair')} judged otherwise,"
            f" {count(diff.pod_pairs)} of them of two pods ({compared})"
        )
        _print_changes(diff, console)
    if diff.unrecorded:
        console.print("flows whose port or protocol is not recorded may be judged otherwise")
    if diff.left_out:
        console.print(f"not compared: {plural(diff.left_out, 'pod')} without an address")


def _print_changes(diff: ExhaustiveDiff, console: Console) -> None:
    if not diff.changes:
        return
    wide = console.width >= WIDE
    table = new_table(
        ("PAIRS", "FROM", "TO", "PORT", "WHY"), right=("PAIRS",), fold=("FROM", "TO", "PORT", "WHY")
    )
    for change in diff.changes:
        table.add_row(
            count(change.pairs),
            Text(party_text(change.src, change.src_networks)),
            Text(party_text(change.dst, change.dst_networks)),
            Text(ports_text(change.ports, everything=change.everything)),
            _why(change, wide),
        )
    console.print()
    console.print(table)
    others = diff.distinct - len(diff.changes)
    if others:
        more = "more than " if diff.capped else ""
        console.print(f"  and {more}{plural(others, 'change')} with fewer pairs", style="dim")


def _why(change: Change, wide: bool) -> Text:
    sides = (("before", change.before), ("after", change.after))
    return Text("\n").join([_judged(name, judged, wide) for name, judged in sides])


def _judged(name: str, judged: Judged, wide: bool) -> Text:
    text = Text(f"{name}: ")
    text.append(judged.verdict.label, style=STYLES[judged.verdict])
    for credit in judged.credits:
        text.append(", ").append_text(decided(credit, wide))
    return text
