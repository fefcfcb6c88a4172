"""Takes a ``ReplaySummary``, gives what a person reads: tables on a terminal or in a file.

Every name comes from a cluster or a log and may hold anything, so all of it is escaped and none is
read as markup. Colour only underlines what the words already say.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from netpol.replay import (
    Credit,
    Pair,
    PairList,
    PolicyUse,
    ReaderCounts,
    ReplaySummary,
    RuleUse,
)
from netpol.report.text import escape_controls
from netpol.report.wording import NOTES, REASONS, SETTLES, count, percent, size
from netpol.tally import Weight
from netpol.verdict import Reason, Side, Verdict

__all__ = ["render"]

_STYLES = {Verdict.ALLOW: "green", Verdict.DENY: "red", Verdict.UNKNOWN: "yellow"}
_WIDE = 100  # columns from which the optional columns of a table fit
_RULE_ROWS = 40
_NAMES = 8


def render(summary: ReplaySummary, target: TextIO) -> str:
    """Give every section that has something to say, as it should look on ``target``.

    Coloured for a terminal unless NO_COLOR, and as wide as it is; plain for anything else, with
    lines as long as ``COLUMNS``, else 120. Lines have no trailing blanks.
    """
    terminal = target.isatty()
    console = Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=None if terminal or os.environ.get("COLUMNS") else 120,
        highlight=False,
        markup=False,
        emoji=False,
    )
    with console.capture() as capture:
        _print_sections(summary, console)
    return "\n".join(line.rstrip() for line in capture.get().split("\n"))


def _print_sections(summary: ReplaySummary, console: Console) -> None:
    wide = console.width >= _WIDE
    _print_totals(summary, console)
    _print_pairs("Denied", Verdict.DENY, summary.denied, summary, console, wide)
    _print_pairs("Unknown", Verdict.UNKNOWN, summary.unknown, summary, console, wide)
    _print_unknown_reasons(summary, console)
    _print_policies(summary.policies, console, wide)
    _print_isolation(summary, console)
    _print_notes(summary, console)
    _print_reader(summary, console)
    _print_dns(summary, console)


# --- totals -----------------------------------------------------------------------------------


def _print_totals(summary: ReplaySummary, console: Console) -> None:
    policies = _plural(len(summary.policies), "policy", "policies")
    console.print(
        f"{_plural(summary.total.flows, 'flow')} judged against {policies}"
        f" and {_plural(summary.isolation.pods, 'pod')}"
    )
    table = _table(("VERDICT", "FLOWS", "SHARE"), right=("FLOWS", "SHARE", "BYTES", " "))
    if summary.has_bytes:
        table.add_column("BYTES", justify="right", no_wrap=True)
        table.add_column("SHARE", justify="right", no_wrap=True)
    for verdict, weight in summary.by_verdict().items():
        row = [verdict.label, count(weight.flows), percent(weight.flows, summary.total.flows)]
        if summary.has_bytes:
            row += [size(weight.bytes), percent(weight.bytes, summary.total.bytes)]
        table.add_row(*row, style=_STYLES[verdict] if weight.flows else "dim")
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
    with_bytes = summary.has_bytes and wide
    heading = Text(title, style=f"bold {_STYLES[verdict]}")
    heading.append(_how_many(pairs), style="not bold default")
    console.print()
    console.print(heading)
    names = ["FLOWS", *(["BYTES"] if with_bytes else []), "FROM", "TO", "PORT", "WHY"]
    table = _table(names, right=("FLOWS", "BYTES"), fold=("FROM", "TO", "WHY"))
    for pair in pairs.pairs:
        table.add_row(
            count(pair.weight.flows),
            *([size(pair.weight.bytes)] if with_bytes else []),
            _name(pair.src),
            _name(pair.dst),
            _port(pair),
            _why(pair, wide),
        )
    console.print(table)
    if pairs.others.flows:
        console.print(f"  and {_plural(pairs.others.flows, 'flow')} between others", style="dim")


def _how_many(pairs: PairList) -> str:
    shown = len(pairs.pairs)
    if shown == pairs.distinct and not pairs.capped:
        return ", by workload"
    more = "more than " if pairs.capped else ""
    return f", by workload (top {count(shown)} of {more}{count(pairs.distinct)})"


def _port(pair: Pair) -> str:
    return pair.protocol if pair.port is None else f"{pair.port}/{pair.protocol}"


def _why(pair: Pair, wide: bool) -> Text:
    """Say who decided; where nobody did, the reason alone."""
    lines = [_decided(credit, wide) for credit in pair.credits]
    if not lines:
        return Text(pair.reason.label)
    if pair.reason is not Reason.NP_IMPLICIT_DENY and pair.reason is not Reason.NP_RULE:
        lines.insert(0, Text(pair.reason.label))
    return Text("\n").join(lines)


def _decided(credit: Credit, wide: bool) -> Text:
    if credit.rule is None:
        names = _listed(credit.isolating or (credit.policy,), 3 if wide else 1)
        return Text(f"{credit.side.label}: no rule of {names}")
    text = Text(f"{_name(credit.policy)} {credit.side.label}[{credit.rule}]")
    if wide and credit.line is not None:
        text.append(f" ({_place(credit.file, credit.line)})", style="dim")
    return text


def _print_unknown_reasons(summary: ReplaySummary, console: Console) -> None:
    reasons = summary.by_reason(Verdict.UNKNOWN)
    if not reasons:
        return
    console.print("\nWhat could not be judged, and what would settle it", style="bold")
    for reason, weight in reasons.items():
        _print_item(console, weight, f"{reason.label}: {REASONS[reason]}")
        if reason in SETTLES:
            _print_indented(console, f"settled by {SETTLES[reason]}", 11)


# --- policies ---------------------------------------------------------------------------------


def _print_policies(policies: Sequence[PolicyUse], console: Console, wide: bool) -> None:
    if not policies:
        return
    rows = [row for policy in policies for row in _policy_rows(policy)]
    shown = rows
    if len(rows) > _RULE_ROWS:
        use = [_use(row) for row in rows]
        busiest = sorted(range(len(rows)), key=use.__getitem__, reverse=True)[:_RULE_ROWS]
        shown = [rows[index] for index in sorted(busiest)]
    console.print("\nPolicies and rules", style="bold")
    names = ["POLICY", "RULE", "MATCHED", "DECIDED", *(["WHERE"] if wide else [])]
    table = _table(names, right=("MATCHED", "DECIDED"), fold=("POLICY", "WHERE"))
    last = None
    for policy, rule, matched, decided, line in shown:
        table.add_row(
            _name(policy.label) if policy is not last else "",
            rule,
            "" if matched is None else count(matched.flows),
            count(decided.flows),
            *([_place(policy.file, line)] if wide else []),
            style="" if _use((policy, rule, matched, decided, line)) else "dim",
        )
        last = policy
    console.print(table)
    if len(shown) < len(rows):
        console.print(
            f"  and {_plural(len(rows) - len(shown), 'row')} with less; -o json has all",
            style="dim",
        )


_PolicyRow = tuple[PolicyUse, str, Weight | None, Weight, int | None]


def _use(row: _PolicyRow) -> int:
    _, _, matched, decided, _ = row
    return max(matched.flows if matched else 0, decided.flows)


def _policy_rows(policy: PolicyUse) -> Iterable[_PolicyRow]:
    """Give a row per rule, and per isolated direction one for what no rule matched."""
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
        _print_indented(console, f"{text}: {_listed(pods, _NAMES)}" if pods else text, 2)


def _listed(names: Sequence[str], limit: int) -> str:
    more = f" and {count(len(names) - limit)} more" if len(names) > limit else ""
    return ", ".join(_name(name) for name in names[:limit]) + more


def _print_notes(summary: ReplaySummary, console: Console) -> None:
    if not summary.notes:
        return
    console.print("\nNotes that lower confidence", style="bold")
    for note, weight in summary.notes.items():
        _print_item(console, weight, f"{note.labels[0]}: {NOTES[note]}")


def _print_reader(summary: ReplaySummary, console: Console) -> None:
    reader = summary.reader
    facts = (
        (reader.duplicates, "left out: another dump has the same connection"),
        (reader.repaired, "put together again: a message had cut the line in two"),
        (reader.suspected_reversed, "may be reversed: picked up while the server spoke"),
        (reader.evicted, "given before its end was seen: too many open at once"),
    )
    if not (reader.skipped or any(number for number, _ in facts)):
        return
    console.print("\nThe log", style="bold")
    for number, what in facts:
        if number:
            _print_indented(console, f"{_plural(number, 'record')} {what}", 2)
    _print_skipped(reader, console)


def _print_dns(summary: ReplaySummary, console: Console) -> None:
    dns = summary.dns
    if dns is None:
        return
    console.print("\nDNS", style="bold")
    records = _plural(dns.reader.records, "record")
    names = f"{_plural(dns.names, 'name')} with {_plural(dns.answers, 'address', 'addresses')}"
    _print_indented(console, f"{records}: {names}", 2)
    if dns.unanswered:
        unseen = f"{_plural(dns.unanswered, 'name')} asked for whose answer was not seen"
        _print_indented(console, unseen, 2)
    _print_skipped(dns.reader, console)


def _print_skipped(reader: ReaderCounts, console: Console) -> None:
    for cause, number in reader.skipped.items():
        _print_indented(console, f"{_plural(number, 'line')} skipped: {_name(cause)}", 2)
    for sample in reader.samples:
        place = _place(sample.file, sample.line)
        _print_indented(console, f"{place}: {_name(sample.cause)}: {_name(sample.text)}", 4)


def _print_item(console: Console, weight: Weight, text: str) -> None:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", width=8, no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(count(weight.flows), Text(text))
    console.print(table)


def _print_indented(console: Console, text: str, indent: int) -> None:
    table = Table.grid(padding=0)
    table.add_column(width=indent)
    table.add_column(overflow="fold")
    table.add_row("", Text(text))
    console.print(table)


def _table(names: Sequence[str], right: Sequence[str] = (), fold: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        table.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="fold",
            no_wrap=name not in fold,
        )
    return table


def _name(text: str) -> str:
    return escape_controls(text)


def _place(file: str | None, line: int | None) -> str:
    place = _name(file or "")
    return place if line is None else f"{place}:{line}"


def _plural(number: int, one: str, many: str | None = None) -> str:
    return f"{count(number)} {one if number == 1 else many or one + 's'}"
