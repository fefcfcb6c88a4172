"""Takes a ``Coverage``, gives what a person reads: what was never hit first, then every rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple, TextIO

from rich.console import Console

from netpol.model.verdict import Side
from netpol.questions.coverage.coverage import (
    Coverage,
    Evidence,
    NeverHit,
    PodCoverage,
    PolicyCoverage,
    RuleCoverage,
)
from netpol.questions.coverage.hits import Hits
from netpol.report.words.layout import (
    WIDE,
    judged_against,
    listed,
    new_table,
    place_of,
    plural,
    print_indented,
    printed,
    shown,
)
from netpol.report.words.sources import print_dns, print_reader
from netpol.report.words.unjudged import print_unjudged
from netpol.report.words.wording import count, moment

__all__ = ["headline", "render"]

_NEVER_ROWS = 40
_ROWS = 80
_NAMES = 8


def render(coverage: Coverage, target: TextIO) -> str:
    """Return every section that has something to say, as it should look on ``target``."""
    return printed(target, partial(_print_sections, coverage))


def _print_sections(coverage: Coverage, console: Console) -> None:
    wide = console.width >= WIDE
    _print_evidence(coverage, console)
    print_unjudged(coverage.unjudged.sentence(), console)
    rules = sum(len(policy.rules) for policy in coverage.policies)
    title = f"Never hit: {count(len(coverage.never_hit))} of {plural(rules, 'rule')}"
    _print_never(title, coverage.never_hit, console)
    elements = coverage.never_hit_elements
    if elements:
        number = plural(len(elements), "peer or port", "peers or ports")
        title = f"Never hit, of rules that were: {number}"
        _print_never(title, elements, console)
    _print_rules(coverage, console, wide)
    _print_isolation(coverage.pods, console)
    print_reader(coverage.evidence.reader, console)
    print_dns(coverage.evidence.dns, console)


# --- evidence -------------------------------------------------------------------------------------


def headline(coverage: Coverage) -> str:
    """Say how much was judged, against what."""
    return judged_against(
        coverage.evidence.flows, len(coverage.policies), len(coverage.pods), coverage.profile
    )


def _print_evidence(coverage: Coverage, console: Console) -> None:
    evidence = coverage.evidence
    console.print(headline(coverage))
    sums = (f"{verdict.label} {count(flows)}" for verdict, flows in evidence.verdicts.items())
    print_indented(console, ", ".join(sums), 2)
    print_indented(console, _window(evidence), 2)
    unseen = [pod.label for pod in coverage.pods_never_seen]
    if unseen:
        number = f"{count(len(unseen))} of {plural(len(coverage.pods), 'pod')}"
        print_indented(console, f"no flow of {number}: {listed(unseen, _NAMES)}", 2)
    others = any(
        item.other_reading
        for policy in coverage.policies
        for rule in policy.rules
        for item in [rule.hits, *(element.hits for element in rule.elements)]
    )
    if evidence.several:
        print_indented(
            console,
            f"{plural(evidence.several, 'flow')} can be read in several ways (services, NAT, "
            "shared addresses): rules are counted for the first"
            + (", and have some under PERHAPS if only others match" if others else ""),
            2,
        )


def _window(evidence: Evidence) -> str:
    if evidence.first is None or evidence.last is None:
        return "the log has no times"
    return f"from {moment(evidence.first)} to {moment(evidence.last)}"


# --- never hit ------------------------------------------------------------------------------------


def _print_never(title: str, items: Sequence[NeverHit], console: Console) -> None:
    console.print(f"\n{title}", style="bold")
    if not items:
        return
    table = new_table(("POLICY", "RULE", "WHERE"), fold=("POLICY", "RULE", "WHERE"))
    for item in items[:_NEVER_ROWS]:
        text = item.name + (f": {shown(item.element.text)}" if item.element else "")
        table.add_row(shown(item.policy.label), text, place_of(item.policy.file, item.line))
    console.print(table)
    _print_rest(len(items) - _NEVER_ROWS, console)


def _print_rest(number: int, console: Console) -> None:
    if number > 0:
        console.print(f"  and {plural(number, 'row')} more; -o json has all", style="dim")


# --- rules ----------------------------------------------------------------------------------------


class _Row(NamedTuple):
    policy: PolicyCoverage
    name: str
    hits: Hits
    line: int | None


def _print_rules(coverage: Coverage, console: Console, wide: bool) -> None:
    rows = [row for policy in coverage.policies for row in _policy_rows(policy)]
    if not rows:
        return
    timed = coverage.evidence.last is not None
    doubt = any(row.hits.possible or row.hits.other_reading for row in rows)
    console.print("\nPolicies, rules and elements", style="bold")
    names = ["POLICY", "RULE", "FLOWS", *(["PERHAPS"] if doubt else []), "SOLE"]
    if timed:
        names += ["FIRST", "LAST"] if wide else ["LAST"]
    if wide and not timed:
        names.append("WHERE")
    table = new_table(names, right=("FLOWS", "PERHAPS", "SOLE"), fold=("POLICY", "RULE", "WHERE"))
    last = None
    for row in rows[:_ROWS]:
        times = [row.hits.first, row.hits.last] if wide else [row.hits.last]
        table.add_row(
            shown(row.policy.label) if row.policy is not last else "",
            shown(row.name),
            count(row.hits.flows),
            *(["some" if row.hits.other_reading else count(row.hits.possible)] if doubt else []),
            count(row.hits.sole),
            *([moment(time) if time is not None else "" for time in times] if timed else []),
            *([place_of(row.policy.file, row.line)] if wide and not timed else []),
            style="dim" if row.hits.never else "",
        )
        last = row.policy
    console.print(table)
    _print_rest(len(rows) - _ROWS, console)
    _print_denied(coverage, console)


def _policy_rows(policy: PolicyCoverage) -> Iterator[_Row]:
    for rule in policy.rules:
        yield _Row(policy, rule.name, rule.hits, rule.line)
        yield from _element_rows(policy, rule)


def _element_rows(policy: PolicyCoverage, rule: RuleCoverage) -> Iterator[_Row]:
    """Yield a row per element, where a rule has several of a kind and was hit."""
    if rule.hits.never:
        return
    for kind in ("peer", "port"):
        elements = [one for one in rule.elements if one.kind == kind]
        for one in elements if len(elements) > 1 else ():
            yield _Row(policy, f"  {one.field} {one.text}", one.hits, one.line)


def _print_denied(coverage: Coverage, console: Console) -> None:
    """Print what was denied since no rule matched, by policy that isolates."""
    rows = [
        (policy, side, policy.side(side).denied)
        for policy in coverage.policies
        for side in (Side.EGRESS, Side.INGRESS)
        if policy.side(side).denied
    ]
    if not rows:
        return
    rows.sort(key=lambda row: -row[2])
    console.print("\nDenied for want of a rule, by policy that isolates", style="bold")
    table = new_table(("POLICY", "SIDE", "FLOWS", "WHERE"), right=("FLOWS",), fold=("POLICY",))
    for policy, side, flows in rows[:_NEVER_ROWS]:
        place = place_of(policy.file, policy.line)
        table.add_row(shown(policy.label), side.label, count(flows), place)
    console.print(table)
    _print_rest(len(rows) - _NEVER_ROWS, console)


# --- pods -----------------------------------------------------------------------------------------


def _print_isolation(pods: Sequence[PodCoverage], console: Console) -> None:
    if not pods:
        return
    console.print("\nPods", style="bold")
    for what, chosen in (
        ("isolated for egress", [pod for pod in pods if pod.isolated_egress]),
        ("isolated for ingress", [pod for pod in pods if pod.isolated_ingress]),
        (
            "not isolated at all",
            [pod for pod in pods if not (pod.isolated_egress or pod.isolated_ingress)],
        ),
    ):
        text = f"{what}: {count(len(chosen))} of {count(len(pods))}"
        names = listed([pod.label for pod in chosen], _NAMES)
        print_indented(console, f"{text}: {names}" if chosen else text, 2)
