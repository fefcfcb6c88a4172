"""Takes paths of DNS logs, gives ``DnsObservations``; each log is read by its own reader."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import pyarrow as pa

from netpol.dns.columns import COLUMNS, has_dns_header, map_dns_columns
from netpol.dns.coredns import holds_coredns, read_coredns
from netpol.dns.gather import Gatherer
from netpol.dns.json_lines import read_json_lines
from netpol.flows.columns.names import first_line
from netpol.flows.detect import is_binary, refuse_empty_and_packed, refuse_lone_cr
from netpol.flows.formats.table.csv_rows import CsvRows, cell_text
from netpol.io.stream import Source
from netpol.model.dns_observations import DnsObservations
from netpol.model.errors import ConfigError, FlowError, Location
from netpol.model.read_stats import ReadStats

__all__ = ["read_dns"]

PathLike = str | os.PathLike[str]

_JSON_ARRAY = re.compile(rb"\s*\[\s*[{\]]")
_SHOWN = 60


def read_dns(
    paths: PathLike | Sequence[PathLike], *, strict: bool = False, stats: ReadStats | None = None
) -> DnsObservations:
    """Read what was seen of DNS, for peers of ``domainNames``.

    Parameters
    ----------
    paths : path or sequence of paths
        Files, or ``-`` for standard input; plain, gzip or zstd. Each is CSV or JSON lines of time,
        name, address and ttl, or lines of CoreDNS's ``log`` plugin, found by content.
    strict : bool
        Raise at the first record that does not parse, instead of counting it.
    stats : ReadStats, optional
        Counts are added here: records, lines, and what was skipped.

    Returns
    -------
    DnsObservations
        Windows of one answer that overlap or touch are one.

    Raises
    ------
    ConfigError
        No path is given, or standard input twice.
    FlowError
        A log cannot be read, is of no known format or has no record, or ``strict`` is set and a
        record is bad.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    names = [os.fspath(path) for path in paths]
    if not names:
        raise ConfigError("no DNS logs given")
    if names.count("-") > 1:
        raise ConfigError("standard input (-) can be read only once")
    gather = Gatherer(ReadStats() if stats is None else stats, strict=strict)
    for name in names:
        with Source(name) as source:
            _read(source, gather)
    return gather.finish()


def _read(source: Source, gather: Gatherer) -> None:
    stats = gather.stats
    records, mark = stats.records, stats.mark()
    kind = _detect(source.head, Location(source.name))
    if kind == "csv":
        _read_csv(source, gather)
    elif kind == "json":
        read_json_lines(source, gather)
    else:
        read_coredns(source, gather)
    stats.batches += 1
    stats.bytes_read += source.bytes_read
    if stats.records == records:
        raise FlowError(stats.nothing_since(mark, source.name), Location(source.name))


def _detect(head: bytes, where: Location) -> str:
    refuse_empty_and_packed(head, where)
    if has_dns_header(head):  # first: what of later lines is in the head hangs on how they came
        return "csv"
    if holds_coredns(head) and not head.lstrip().startswith(b"{"):
        refuse_lone_cr(head, where)
        return "coredns"
    if is_binary(head):
        raise FlowError("binary data, not a DNS log", where)
    if _JSON_ARRAY.match(head):
        raise FlowError("a JSON array; write one record a line, as jq -c '.[]' does", where)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        refuse_lone_cr(head, where)
        return "json"
    columns = ",".join(COLUMNS)
    raise FlowError(
        f"not a DNS log that netpol knows (it begins {first_line(head)[:_SHOWN]!r}): CSV with the "
        f"header {columns}, JSON lines with these keys, or lines of CoreDNS's log plugin",
        where,
    )


def _read_csv(source: Source, gather: Gatherer) -> None:
    try:
        for part, lines in CsvRows(source, gather.stats, map_dns_columns, strict=gather.strict):
            names = map_dns_columns(part.schema.names, Location(source.name))
            gather.stats.lines += part.num_rows
            columns = {column: cell_text(part.column(name)) for column, name in names.items()}
            gather.add(columns, source.name, lines)
    except pa.ArrowException as error:
        reason = str(error).split("\n", 1)[0]
        raise FlowError(f"not a readable csv table: {reason}", Location(source.name)) from None
