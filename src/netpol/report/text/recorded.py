"""Takes a ``Recorded``, gives what a person reads: how well both agree, and why they may not."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from netpol.model.verdict import Cause
from netpol.questions.replay.recorded import Recorded, RecordedPair
from netpol.report.text.pair_table import PairLine, print_pairs
from netpol.report.words.before_after import judged, print_verdict_pairs
from netpol.report.words.deciders import port_text
from netpol.report.words.layout import (
    listed,
    plural,
    print_indented,
    print_item,
    shown,
)
from netpol.report.words.wording import CAUSES, STYLES, count, moment, percent

__all__ = ["agreement", "cause_line", "cause_text", "left_open", "print_recorded"]

_NAMES = 3


def print_recorded(
    recorded: Recorded | None, console: Console, *, with_bytes: bool, wide: bool
) -> None:
    """Print how recorded verdicts agree with ours; more than a line only where they do not."""
    if recorded is None:
        return
    console.print()
    console.print(
        Text("Recorded verdicts", style="bold").append(f": {agreement(recorded)}", style="not bold")
    )
    if not recorded.causes:
        return
    print_verdict_pairs(recorded.table, ("recorded", "judged"), console, with_bytes=with_bytes)
    _print_causes(recorded, console)
    _print_pairs(recorded, console, with_bytes=with_bytes and wide, wide=wide)


def agreement(recorded: Recorded) -> str:
    """Say in a line how much agrees."""
    compared = recorded.compared.flows
    if not compared:
        return "no flow has one that says allow or deny"
    shares = [
        f"{percent(recorded.agreeing.flows, compared)} agree",
        f"{percent(recorded.differing.flows, compared)} differ",
    ]
    if recorded.unknown.flows:
        shares.append(f"{percent(recorded.unknown.flows, compared)} are unknown here")
    absent = f"; {count(recorded.absent.flows)} have none" if recorded.absent.flows else ""
    return f"of {plural(compared, 'flow')}, {', '.join(shares)}{absent}"


def cause_text(recorded: Recorded, cause: Cause) -> str:
    """Say what a cause means; of profiles also which, and for how many flows."""
    text = f"{cause.label}: {CAUSES[cause]}"
    if cause is not Cause.PROFILE:
        return text
    profiles = (f"{shown(name)} {count(w.flows)}" for name, w in recorded.profiles.items())
    return f"{text} ({', '.join(profiles)})"


def left_open(recorded: Recorded) -> list[str]:
    """Say what could not be tried, and what would let more be explained."""
    whys: dict[str, list[str]] = {}
    for name, why in recorded.untried.items():
        whys.setdefault(why, []).append(name)
    lines = [f"not tried: {listed(names, 8)}: {shown(why)}" for why, names in whys.items()]
    if recorded.undated:
        lines.append(
            f"changed at an unknown time: {listed(recorded.undated, _NAMES)}; "
            "kubectl get --show-managed-fields tells when"
        )
    return lines


def cause_line(pair: RecordedPair) -> str:
    """Say in a line what may explain a pair."""
    if pair.profiles:
        return f"{pair.cause.label}: {listed(pair.profiles, 8)}"
    if pair.newer:
        newer = [f"{item.policy} of {moment(item.time)}" for item in pair.newer]
        return f"{pair.cause.label}: {listed(newer, _NAMES)}"
    return pair.cause.label


def _print_causes(recorded: Recorded, console: Console) -> None:
    console.print("\nDisagreements, and what may explain them", style="bold")
    for cause, weight in recorded.by_cause().items():
        print_item(console, weight, cause_text(recorded, cause))
    for line in left_open(recorded):
        print_indented(console, line, 11)


def _print_pairs(recorded: Recorded, console: Console, *, with_bytes: bool, wide: bool) -> None:
    if not recorded.pairs:
        return
    print_pairs(
        console,
        Text("Disagreements", style="bold"),
        [_line(pair, wide) for pair in recorded.pairs],
        distinct=recorded.distinct,
        capped=recorded.capped,
        others=recorded.others,
        with_bytes=with_bytes,
    )


def _line(pair: RecordedPair, wide: bool) -> PairLine:
    said = Text("recorded: ").append(pair.recorded.label, style=STYLES[pair.recorded])
    why = [said, judged("judged", pair.ours, pair.pair, wide), Text(cause_line(pair))]
    src, dst = shown(pair.pair.src), shown(pair.pair.dst)
    return PairLine(pair.weight, src, dst, port_text(pair.pair), Text("\n").join(why))
