"""Takes lines of CoreDNS's ``log`` plugin, gives the names that were asked for.

A line tells who asked for what and with which code it was answered, never the answer. Both formats
the plugin names are read (``common``, ``combined``), alone or behind whatever a collector of logs
puts before a line.
"""

from __future__ import annotations

import re

from netpol.dns.gather import Gatherer
from netpol.dns.lines import read_lines
from netpol.io.stream import Source

__all__ = ["holds_coredns", "read_coredns", "take_line"]

# remote:port - id "type class name proto size do bufsize" rcode flags size duration
# Lengths are bounded: a line is searched for a client at every place.
_HOST = r"[0-9A-Fa-f:.]{2,45}"
_CLIENT = rf"(?:\[{_HOST}\]|{_HOST}):\d{{1,5}} - (?:\[[^\]]{{0,40}}\] )?(?:\d{{1,5}} )?"
_QUERY = re.compile(
    _CLIENT + r'"(?P<type>\S+) \S+ (?P<name>\S+) \S+ \S+ \S+ \S+" (?P<code>\S+) (?P<flags>\S+)'
)
_BEGUN = re.compile(_CLIENT + '"')
_MESSAGE = re.compile(r"\[(?:INFO|WARNING|ERROR|DEBUG)\] plugin/|^CoreDNS-\d", re.MULTILINE)
_ADDRESS_TYPES = ("A", "AAAA")


def holds_coredns(head: bytes) -> bool:
    """Return whether an input that begins with ``head`` is a log of CoreDNS."""
    text = head.decode("utf-8", "replace")
    return any(pattern.search(text) is not None for pattern in (_QUERY, _MESSAGE))


def read_coredns(source: Source, gather: Gatherer) -> None:
    """Read a whole log."""
    for number, line in read_lines(source, gather.stats, strict=gather.strict):
        take_line(line, source.name, number, gather)


def take_line(line: str, file: str, number: int, gather: Gatherer) -> None:
    """Read one line; what is no query is counted as a notice of the server's.

    Only a query for addresses that was answered without error counts as asked: what a search
    domain made of a name is not (NXDOMAIN). Without flags nothing was answered, whatever the code
    says: that is how older versions log a time-out (coredns#4724).
    """
    found = _QUERY.search(line)
    if found is None:
        if _BEGUN.search(line) is None:
            gather.stats.notices += 1
        else:
            gather.stats.skip(file, number, "bad query", line, strict=gather.strict)
        return
    gather.stats.records += 1
    kind, name, code, flags = found.group("type", "name", "code", "flags")
    if kind not in _ADDRESS_TYPES or code != "NOERROR" or flags == "-":
        return
    if not gather.ask(name):
        gather.stats.records -= 1
        gather.stats.skip(file, number, "bad name", line, strict=gather.strict)
