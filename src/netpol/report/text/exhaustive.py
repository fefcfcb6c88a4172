"""Takes an ``ExhaustiveDiff``, gives what a person reads: what changes, or that nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TextIO

from rich.console import Console
from rich.text import Text

from netpol.questions.allpairs.portsets import Ports
from netpol.questions.diff.exhaustive import Change, ChangeList, ExhaustiveDiff, Judged, Part
from netpol.questions.diff.groups import Kind
from netpol.report.words.deciders import decided
from netpol.report.words.layout import (
    NO_POLICIES,
    WIDE,
    new_table,
    place_of,
    plural,
    print_indented,
    printed,
    shown,
    without_policies,
)
from netpol.report.words.networks import party_text
from netpol.report.words.unjudged import of_sides, print_unjudged
from netpol.report.words.wording import STYLES, count

__all__ = ["counts", "ports_text", "render"]

_PARTS = 4  # of a change that are told apart


def render(diff: ExhaustiveDiff, target: TextIO) -> str:
    """Return every section that has something to say, as it should look on ``target``."""
    return printed(target, partial(_print_sections, diff))


def ports_text(ports: Sequence[Ports], *, everything: bool) -> str:
    """Return a set of ports: ``80,443/tcp, udp``."""
    return "all ports" if everything else ", ".join(map(str, ports))


def counts(diff: ExhaustiveDiff) -> list[str]:
    """Return how many pairs are of each kind of another verdict: ``12 newly denied``."""
    return [
        f"{count(pairs)} {kind.replace('-', ' ')}"
        for kind, pairs in diff.kinds.items()
        if pairs and kind is not Kind.OTHER_RULE
    ]


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
        print_indented(console, ", ".join(counts(diff)), 2)
        listed = ChangeList(diff.changes, diff.distinct, diff.capped)
        _print_changes(listed, console)
    for name in without_policies(diff.policies):
        console.print(NO_POLICIES.format(name))
    _print_rules(diff, console)
    print_unjudged(of_sides(diff.unjudged, ("before", "after"), "compared"), console)
    if diff.unrecorded:
        console.print("flows whose port or protocol is not recorded may be judged otherwise")
    if diff.left_out:
        console.print(f"not compared: {plural(diff.left_out, 'pod')} without an address")


def _print_rules(diff: ExhaustiveDiff, console: Console) -> None:
    """Print what gets the same verdict by another rule."""
    pairs = diff.kinds[Kind.OTHER_RULE]
    if not pairs:
        if diff.rule_sides:
            console.print("where a pair is decided by its other side, another rule may match")
        elif diff.other_rules is not None:
            console.print("no pair gets the same verdict by another rule")
        return
    judged = "is judged" if pairs == 1 else "are judged"
    text = f"{plural(pairs, 'pair')} {judged} the same by another rule"
    if diff.other_rules is None:
        console.print(f"{text}: see --other-rule")
    else:
        if not diff.proven:
            console.print()
        console.print(text)
        _print_changes(diff.other_rules, console)


def _print_changes(listed: ChangeList, console: Console) -> None:
    if not listed.changes:
        return
    wide = console.width >= WIDE
    table = new_table(
        ("PAIRS", "FROM", "TO", "PORT", "WHY"), right=("PAIRS",), fold=("FROM", "TO", "PORT", "WHY")
    )
    for change in listed.changes:
        table.add_row(
            count(change.pairs),
            Text(party_text(change.src, change.src_networks)),
            Text(party_text(change.dst, change.dst_networks)),
            Text(ports_text(change.ports, everything=change.everything)),
            _why(change, wide),
        )
    console.print()
    console.print(table)
    others = listed.distinct - len(listed.changes)
    if others:
        more = "more than " if listed.capped else ""
        console.print(f"  and {more}{plural(others, 'change')} with fewer pairs", style="dim")


def _why(change: Change, wide: bool) -> Text:
    lines = []
    for part in change.parts[:_PARTS]:
        if len(change.parts) > 1:
            lines.append(Text(f"{_which(change, part)}:", style="dim"))
        sides = (("before", part.before), ("after", part.after))
        lines += [_judged(name, judged, wide) for name, judged in sides]
        if part.responsible is not None:
            cause = part.responsible
            place = place_of(cause.file, cause.line) if wide else ""
            lines.append(Text(f"by {shown(cause.text)} alone" + (f" ({place})" if place else "")))
    others = len(change.parts) - _PARTS
    if others > 0:
        lines.append(Text(f"and {plural(others, 'more')} decided otherwise", style="dim"))
    return Text("\n").join(lines)


def _which(change: Change, part: Part) -> str:
    """Say which pairs and ports of a change are in a part."""
    words = []
    if part.pairs != change.pairs:
        words.append(plural(part.pairs, "pair"))
    for name, networks, whole in (
        ("from", part.src_networks, change.src_networks),
        ("to", part.dst_networks, change.dst_networks),
    ):
        if networks != whole:
            words.append(f"{name} {party_text('external', networks)}")
    if part.ports != change.ports or not words:
        words.append(ports_text(part.ports, everything=part.everything))
    return ", ".join(words)


def _judged(name: str, judged: Judged, wide: bool) -> Text:
    text = Text(f"{name}: ")
    text.append(judged.verdict.label, style=STYLES[judged.verdict])
    for credit in judged.credits:
        text.append(", ").append_text(decided(credit, wide))
    return text
