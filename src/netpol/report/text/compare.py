"""Takes a ``Comparison``, gives what a person reads: what changes, where, by which switch."""

from __future__ import annotations

from functools import partial
from typing import TextIO

from rich.console import Console
from rich.text import Text

from netpol.questions.compare.compare import ChangedPair, Comparison
from netpol.report.text.pair_table import PairLine, print_pairs
from netpol.report.words.before_after import judged, print_verdict_pairs
from netpol.report.words.deciders import port_text
from netpol.report.words.layout import (
    WIDE,
    plural,
    print_indented,
    print_item,
    printed,
    shown,
)
from netpol.report.words.sources import print_dns, print_reader
from netpol.report.words.unjudged import print_unjudged

__all__ = ["headline", "render"]


def render(comparison: Comparison, target: TextIO) -> str:
    """Return every section that has something to say, as it should look on ``target``."""
    return printed(target, partial(_print_sections, comparison))


def _print_sections(comparison: Comparison, console: Console) -> None:
    wide = console.width >= WIDE
    console.print(headline(comparison))
    print_verdict_pairs(
        comparison.changes, comparison.names, console, with_bytes=comparison.has_bytes
    )
    print_unjudged(comparison.unjudged.sentence(), console)
    _print_pairs(comparison, console, wide)
    _print_switches(comparison, console)
    print_reader(comparison.reader, console)
    print_dns(comparison.dns, console)


def headline(comparison: Comparison) -> str:
    """Say how much was judged, against what, and how."""
    before, after = map(shown, comparison.names)
    policies = plural(comparison.policies, "policy", "policies")
    return (
        f"{plural(comparison.total.flows, 'flow')} judged against {policies}"
        f" and {plural(comparison.pods, 'pod')}, by profile {before} and by {after}"
    )


def _print_pairs(comparison: Comparison, console: Console, wide: bool) -> None:
    if not comparison.differing.flows:
        console.print("\nNo flow gets another verdict.")
        return
    lines = [
        PairLine(
            pair.weight,
            shown(pair.before.src),
            shown(pair.before.dst),
            port_text(pair.before),
            _both(comparison, pair, wide),
        )
        for pair in comparison.pairs
    ]
    print_pairs(
        console,
        Text("Other verdicts", style="bold"),
        lines,
        distinct=comparison.distinct,
        capped=comparison.capped,
        others=comparison.others,
        with_bytes=comparison.has_bytes and wide,
    )


def _both(comparison: Comparison, pair: ChangedPair, wide: bool) -> Text:
    lines = [
        judged(name, verdict, half, wide)
        for name, verdict, half in zip(
            comparison.names, pair.verdicts, (pair.before, pair.after), strict=True
        )
    ]
    if len(comparison.switches) > 1:
        options = " or ".join(map(_option, pair.switches))
        lines.append(Text(f"by {options} alone" if options else "by several switches together"))
    return Text("\n").join(lines)


def _print_switches(comparison: Comparison, console: Console) -> None:
    before, after = map(shown, comparison.names)
    if not comparison.switches:
        console.print("\nThe profiles have the same switches here", style="bold")
        return
    console.print("\nSwitches, and the flows that each alone gives the other verdict", style="bold")
    for switch in comparison.switches:
        values = f"{shown(switch.before)} ({before}), {shown(switch.after)} ({after})"
        print_item(console, switch.alone, f"{_option(switch.name)}: {values}")
    if comparison.together.flows:
        flows = plural(comparison.together.flows, "flow")
        print_indented(console, f"{flows} by several switches together", 2)


def _option(switch: str) -> str:
    return "--" + shown(switch).replace("_", "-")
