"""Takes what reading the logs counted, gives it in words."""

from __future__ import annotations

from rich.console import Console

from netpol.questions.replay.replay import DnsCounts, ReaderCounts
from netpol.report.words.layout import place_of, plural, print_indented, shown
from netpol.report.words.wording import HOPS_MISSING, ZONES_LATE

__all__ = ["print_dns", "print_reader"]


def print_reader(reader: ReaderCounts, console: Console) -> None:
    """Print what a reader of flows has to say of its logs, if anything."""
    facts = (
        (reader.zoned, "of conntrack zones, each of which may list a connection again"),
        (reader.linked, "left out: another zone has the same connection, or a hop of it"),
        (reader.zones_unlinked, f"of zones not linked: {ZONES_LATE}"),
        (reader.duplicates, "left out: another dump or zone has the same connection"),
        (reader.repaired, "put together again: a message had cut the line in two"),
        (reader.suspected_reversed, "may be reversed: from a server's port to a client's"),
        (reader.evicted, "given before its end was seen: too many open at once"),
        (reader.expectations, "passed over: expected connections (conntrack -L expect)"),
    )
    other = reader.skipped or reader.lost or reader.empty or reader.hops_missing
    if not (other or any(number for number, _ in facts)):
        return
    console.print("\nThe log", style="bold")
    for number, what in facts:
        if number:
            print_indented(console, f"{plural(number, 'record')} {what}", 2)
    if reader.hops_missing:
        print_indented(console, f"{plural(reader.hops_missing, 'flow')} {HOPS_MISSING}", 2)
    for name in reader.empty:
        print_indented(console, f"{shown(name)}: warning: holds no records", 2)
    _print_skipped(reader, console)


def print_dns(dns: DnsCounts | None, console: Console) -> None:
    """Print what the DNS logs held, if there are any."""
    if dns is None:
        return
    console.print("\nDNS", style="bold")
    records = plural(dns.reader.records, "record")
    names = f"{plural(dns.names, 'name')} with {plural(dns.answers, 'address', 'addresses')}"
    print_indented(console, f"{records}: {names}", 2)
    if dns.unanswered:
        unseen = f"{plural(dns.unanswered, 'name')} asked for whose answer was not seen"
        print_indented(console, unseen, 2)
    _print_skipped(dns.reader, console)


def _print_skipped(reader: ReaderCounts, console: Console) -> None:
    for lost in reader.lost:
        values = f"{plural(lost.number, 'value')} not read, the records judged without"
        print_indented(console, f"{values}: {shown(lost.first.cause)}", 2)
        place = place_of(lost.first.file, lost.first.line)
        print_indented(console, f"{place}: {shown(lost.first.text)}", 4)
    for cause, number in reader.skipped.items():
        print_indented(console, f"{plural(number, 'line')} skipped: {shown(cause)}", 2)
    for sample in reader.samples:
        place = place_of(sample.file, sample.line)
        print_indented(console, f"{place}: {shown(sample.cause)}: {shown(sample.text)}", 4)
