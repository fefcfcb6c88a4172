"""What the columns of DNS records are called: in CSV headers and as keys of JSON."""

from __future__ import annotations

from collections.abc import Iterable

from netpol.flows.columns.names import looks_like_header, map_columns
from netpol.model.errors import Location

__all__ = ["COLUMNS", "NEEDED", "has_dns_header", "map_dns_columns"]

#: Column: the names it goes by, compared in lower case, "_" for "-", "." and " ".
COLUMNS: dict[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "@timestamp", "ts"),
    "name": ("name", "query", "qname", "domain", "fqdn", "hostname"),
    "address": (
        "address", "addresses", "addr", "ip", "ips", "answer", "answers", "rdata", "resolved_ip",
    ),
    "ttl": ("ttl", "ttls"),
}  # fmt: skip

NEEDED = ("name", "address")


def map_dns_columns(names: Iterable[str], where: Location) -> dict[str, str]:
    """Give, for each column found, the table's name of it; ``FlowError`` if one is lacking."""
    return map_columns(names, where, COLUMNS, NEEDED)


def has_dns_header(head: bytes) -> bool:
    """Return whether an input begins with a header that names a name and an address."""
    return looks_like_header(head, COLUMNS, NEEDED)
