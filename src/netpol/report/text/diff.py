"""Takes a ``Diff``, gives what a person reads: what a change breaks, opens, and which change."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TextIO

from rich.console import Console
from rich.text import Text

from netpol.model.verdict import Verdict
from netpol.questions.diff.changes import Change
from netpol.questions.diff.diff import Diff
from netpol.questions.diff.groups import Group, GroupList, Kind
from netpol.report.text.pair_table import PairLine, print_pairs
from netpol.report.words.before_after import judged, print_verdict_pairs
from netpol.report.words.deciders import port_text
from netpol.report.words.layout import (
    NO_POLICIES,
    WIDE,
    place_of,
    plural,
    print_indented,
    print_item,
    printed,
    shown,
    without_policies,
)
from netpol.report.words.sources import print_dns, print_reader
from netpol.report.words.unjudged import of_sides, print_unjudged
from netpol.report.words.wording import STYLES, count

__all__ = ["TITLES", "headline", "render", "seen", "together"]

TITLES = {
    Kind.NEWLY_DENIED: "Newly denied",
    Kind.NEWLY_ALLOWED: "Newly allowed",
    Kind.NEWLY_UNKNOWN: "Newly unknown",
    Kind.OTHER_RULE: "Same verdict by another rule",
}
_STYLES = {
    Kind.NEWLY_DENIED: STYLES[Verdict.DENY],
    Kind.NEWLY_ALLOWED: STYLES[Verdict.ALLOW],
    Kind.NEWLY_UNKNOWN: STYLES[Verdict.UNKNOWN],
    Kind.OTHER_RULE: "",
}
_CHANGES = 20
_OR_UNTRIED = ", or by one that was not tried alone"


def render(diff: Diff, target: TextIO) -> str:
    """Return every section that has something to say, as it should look on ``target``."""
    return printed(target, partial(_print_sections, diff))


def _print_sections(diff: Diff, console: Console) -> None:
    wide = console.width >= WIDE
    _print_totals(diff, console)
    print_unjudged(of_sides(diff.unjudged, diff.names), console)
    if not diff.differing.flows:
        console.print("\nNo flow is judged differently.")
    for kind, listed in diff.kinds.items():
        _print_groups(diff, kind, listed, console, wide)
    _print_changes(diff, console)
    print_reader(diff.reader, console)
    print_dns(diff.dns, console)


def headline(diff: Diff) -> str:
    """Say how much was judged, against what, and which side has no policies."""
    policies = _two(diff.policies, "policy", "policies")
    pods = _two(diff.pods, "pod", "pods")
    empty = [NO_POLICIES.format(name) for name in without_policies(diff.policies, diff.names)]
    judged_by = f"{plural(diff.total.flows, 'flow')} judged against {policies} and {pods}"
    return "; ".join([judged_by, *empty])


def _print_totals(diff: Diff, console: Console) -> None:
    console.print(headline(diff))
    print_verdict_pairs(diff.verdicts, diff.names, console, with_bytes=diff.has_bytes)


def _two(numbers: tuple[int, int], one: str, many: str) -> str:
    before, after = numbers
    if before == after:
        return plural(after, one, many)
    return f"{count(before)}, then {plural(after, one, many)}"


def _print_groups(diff: Diff, kind: Kind, listed: GroupList, console: Console, wide: bool) -> None:
    if not listed.total.flows:
        return
    lines = [
        PairLine(
            group.weight,
            _end(group.before.src, group.after.src),
            _end(group.before.dst, group.after.dst),
            port_text(group.before),
            _why(diff, group, wide),
        )
        for group in listed.groups
    ]
    print_pairs(
        console,
        Text(TITLES[kind], style=f"bold {_STYLES[kind]}"),
        lines,
        distinct=listed.distinct,
        capped=diff.capped,
        others=listed.others,
        with_bytes=diff.has_bytes and wide,
    )


def _end(before: str, after: str) -> str:
    return shown(before) if before == after else f"{shown(before)}, then {shown(after)}"


def _why(diff: Diff, group: Group, wide: bool) -> Text:
    halves = (group.before, group.after)
    lines = [
        judged(name, verdict, half, wide)
        for name, verdict, half in zip(diff.names, group.verdicts, halves, strict=True)
    ]
    if diff.changes is not None:
        lines.append(Text(_cause(group)))
    if group.first_seen is not None and group.last_seen is not None:
        lines.append(Text(seen(group.first_seen, group.last_seen), style="dim"))
    return Text("\n").join(lines)


def _cause(group: Group) -> str:
    if group.responsible:
        return "by " + " or ".join(map(_changed, group.responsible)) + " alone"
    return f"by {together(untold=group.untold)}"


def together(*, untold: bool) -> str:
    """Say what makes flows differ that no change alone is known to."""
    return f"several changes together{_OR_UNTRIED if untold else ''}"


def _changed(change: Change) -> str:
    place = place_of(change.file, change.line)
    return shown(change.text) + (f" ({place})" if place else "")


def seen(first: int, last: int) -> str:
    """Say when flows were seen, in UTC to the second."""
    texts = [_time(moment) for moment in (first, last)]
    return f"seen {texts[0]}" if texts[0] == texts[1] else f"seen {texts[0]} to {texts[1]}"


def _time(moment: int) -> str:
    try:
        return datetime.fromtimestamp(moment // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{moment} ns"


def _print_changes(diff: Diff, console: Console) -> None:
    if diff.changes is None:
        return
    if not diff.changes:
        console.print("\nBoth sides have the same policies and the same cluster", style="bold")
        return
    console.print("\nChanges, and the flows that each alone judges differently", style="bold")
    told = [(one.change, one.alone) for one in diff.changes if one.alone is not None]
    for change, alone in told[:_CHANGES]:
        print_item(console, alone, _changed(change))
    for weight, untold in ((diff.together, False), (diff.untold, True)):
        if weight.flows:
            flows = plural(weight.flows, "flow")
            print_indented(console, f"{flows} by {together(untold=untold)}", 2)
    if diff.untried:
        changes = plural(diff.untried, "change")
        print_indented(console, f"{changes} not tried alone on every flow that differs", 2)
