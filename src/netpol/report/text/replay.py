"""Takes a ``ReplaySummary``, gives what a person reads: tables on a terminal or in a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TextIO

from rich.console import Console
from rich.text import Text

from netpol.model.verdict import Side, Verdict
from netpol.questions.replay.replay import (
    PairList,
    PolicyUse,
    ReplaySummary,
    RuleUse,
)
from netpol.report.text.pair_table import PairLine, print_pairs
from netpol.report.text.recorded import print_recorded
from netpol.report.words.deciders import port_text, why
from netpol.report.words.layout import (
    WIDE,
    judged_against,
    listed,
    new_table,
    place_of,
    plural,
    print_indented,
    print_item,
    printed,
    shown,
)
from netpol.report.words.sources import print_dns, print_reader
from netpol.report.words.unjudged import print_unjudged
from netpol.report.words.wording import NOTES, REASONS, STYLES, count, percent, settled_by, size
from netpol.run.sums import Weight

__all__ = ["headline", "render"]

_RULE_ROWS = 40
_NAMES = 8


def render(summary: ReplaySummary, target: TextIO) -> str:
    """Return every section that has something to say, as it should look on ``target``."""
    return printed(target, partial(_print_sections, summary))


def _print_sections(summary: ReplaySummary, console: Console) -> None:
    wide = console.width >= WIDE
    _print_totals(summary, console)
    print_unjudged(summary.unjudged.sentence(), console)
    print_recorded(summary.recorded, console, with_bytes=summary.has_bytes, wide=wide)
    _print_pairs("Denied", Verdict.DENY, summary.denied, summary, console, wide)
    _print_pairs("Unknown", Verdict.UNKNOWN, summary.unknown, summary, console, wide)
    _print_unknown_reasons(summary, console)
    _print_policies(summary.policies, console, wide)
    _print_isolation(summary, console)
    _print_notes(summary, console)
    print_reader(summary.reader, console)
    print_dns(summary.dns, console)


# --- totals -----------------------------------------------------------------------------------


def headline(summary: ReplaySummary) -> str:
    """Say how much was judged, against what."""
    return judged_against(
        summary.total.flows, len(summary.policies), summary.isolation.pods, summary.profile
    )


def _print_totals(summary: ReplaySummary, console: Console) -> None:
    console.print(headline(summary))
    table = new_table(("VERDICT", "FLOWS", "SHARE"), right=("FLOWS", "SHARE", "BYTES", " "))
    if summary.has_bytes:
        table.add_column("BYTES", justify="right", no_wrap=True)
        table.add_column("SHARE", justify="right", no_wrap=True)
    for verdict, weight in summary.by_verdict().items():
        row = [verdict.label, count(weight.flows), percent(weight.flows, summary.total.flows)]
        if summary.has_bytes:
            row += [size(weight.bytes), percent(weight.bytes, summary.total.bytes)]
        table.add_row(*row, style=STYLES[verdict] if weight.flows else "dim")
    console.print(table)


# --- pairs ------------------------------------------------------------------------------------


def _print_pairs(
    title: str,
    verdict: Verdict,
    pairs: PairList,
    summary: ReplaySummary,
    console: Console,
    wide: bool,
) -> None:
    if not pairs.pairs:
        return
    lines = [
        PairLine(pair.weight, shown(pair.src), shown(pair.dst), port_text(pair), why(pair, wide))
        for pair in pairs.pairs
    ]
    print_pairs(
        console,
        Text(title, style=f"bold {STYLES[verdict]}"),
        lines,
        distinct=pairs.distinct,
        capped=pairs.capped,
        others=pairs.others,
        with_bytes=summary.has_bytes and wide,
    )


def _print_unknown_reasons(summary: ReplaySummary, console: Console) -> None:
    reasons = summary.by_reason(Verdict.UNKNOWN)
    if not reasons:
        return
    console.print("\nWhat could not be judged, and what would settle it", style="bold")
    for reason, weight in reasons.items():
        print_item(console, weight, f"{reason.label}: {REASONS[reason]}")
        settled = settled_by(reason, summary.source_nat)
        if settled is not None:
            print_indented(console, f"settled by {settled}", 11)


# --- policies ---------------------------------------------------------------------------------


def _print_policies(policies: Sequence[PolicyUse], console: Console, wide: bool) -> None:
    if not policies:
        return
    rows = [row for policy in policies for row in _policy_rows(policy)]
    busy = rows
    if len(rows) > _RULE_ROWS:
        use = [_use(row) for row in rows]
        busiest = sorted(range(len(rows)), key=use.__getitem__, reverse=True)[:_RULE_ROWS]
        busy = [rows[index] for index in sorted(busiest)]
    console.print("\nPolicies and rules", style="bold")
    names = ["POLICY", "RULE", "MATCHED", "DECIDED", *(["WHERE"] if wide else [])]
    table = new_table(names, right=("MATCHED", "DECIDED"), fold=("POLICY", "WHERE"))
    last = None
    for policy, rule, matched, decided, line in busy:
        table.add_row(
            shown(policy.label) if policy is not last else "",
            rule,
            "" if matched is None else count(matched.flows),
            count(decided.flows),
            *([place_of(policy.file, line)] if wide else []),
            style="" if _use((policy, rule, matched, decided, line)) else "dim",
        )
        last = policy
    console.print(table)
    if len(busy) < len(rows):
        console.print(
            f"  and {plural(len(rows) - len(busy), 'row')} with less; -o json has all",
            style="dim",
        )


_PolicyRow = tuple[PolicyUse, str, Weight | None, Weight, int | None]


def _use(row: _PolicyRow) -> int:
    _, _, matched, decided, _ = row
    return max(matched.flows if matched else 0, decided.flows)


def _policy_rows(policy: PolicyUse) -> Iterable[_PolicyRow]:
    """Yield a row per rule, and per isolated direction one for what no rule matched."""
    for side, isolates, denied in (
        (Side.EGRESS, policy.isolates_egress, policy.denied_egress),
        (Side.INGRESS, policy.isolates_ingress, policy.denied_ingress),
    ):
        rules = [rule for rule in policy.rules if rule.side is side]
        for rule in rules:
            yield policy, _rule_name(rule), rule.matched, rule.decided, rule.line or policy.line
        if isolates and (denied.flows or not rules):
            yield policy, f"{side.label} denied", None, denied, policy.line


def _rule_name(rule: RuleUse) -> str:
    return f"{rule.side.label}[{rule.index}]"


# --- the rest ---------------------------------------------------------------------------------


def _print_isolation(summary: ReplaySummary, console: Console) -> None:
    isolation = summary.isolation
    if not isolation.pods:
        return
    console.print("\nIsolated pods", style="bold")
    for side, pods in ((Side.EGRESS, isolation.egress), (Side.INGRESS, isolation.ingress)):
        text = f"{side.label}: {count(len(pods))} of {count(isolation.pods)}"
        print_indented(console, f"{text}: {listed(pods, _NAMES)}" if pods else text, 2)


def _print_notes(summary: ReplaySummary, console: Console) -> None:
    if not summary.notes:
        return
    console.print("\nNotes that lower confidence", style="bold")
    for note, weight in summary.notes.items():
        print_item(console, weight, f"{note.labels[0]}: {NOTES[note]}")
