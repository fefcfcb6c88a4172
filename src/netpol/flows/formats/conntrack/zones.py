"""Takes conntrack text or records, says what zones make of them.

A zone is a table of its own. OVN-Kubernetes passes a connection through several of one node, with
NAT in some, so that ``conntrack -L`` lists it once a zone. Such text is read twice: once for the
tuples, by which the records of a connection are found (``dedup``), and once for the flows.

Whether text has zones is seen in its first ``WINDOW`` bytes, so that text without them is read
once and costs nothing more. Zones that appear only after that are counted, and not linked.
"""

from __future__ import annotations

import ipaddress
import re

import numpy as np
import numpy.typing as npt

from netpol.flows.formats.conntrack.text import Entries
from netpol.io.stream import Source
from netpol.model.batch import Column, FlowBatch

__all__ = ["WINDOW", "count_zoned", "ends_inside_ovn", "names_zones"]

#: Bytes of text, some 1 300 records, in which a table with zones names one.
WINDOW = 1 << 18

_ZONE = re.compile(rb" zone(?:-orig|-reply)?=0*[1-9]")

#: What OVN-Kubernetes takes for itself unless told otherwise: nodes and routers masquerade as
#: these (both defaults there were), and logical routers join a switch with those. (network, bits)
_OVN = (
    ("169.254.169.0", 29), ("169.254.0.0", 29), ("100.64.0.0", 16),
    ("fd69::", 125), ("fd98::", 64),
)  # fmt: skip


def names_zones(source: Source) -> bool:
    """Return whether text that is not read yet names a zone in its first ``WINDOW`` bytes."""
    text = source.look_ahead(WINDOW)[:WINDOW]
    # No other word of a record has a "z", and a byte is found ten times as fast as a pattern.
    at = text.find(b"z")
    return at >= 0 and _ZONE.search(text, max(at - 1, 0)) is not None


def count_zoned(entries: Entries) -> int:
    """Return how many records name a zone."""
    return int(np.count_nonzero(entries["zone_orig"] | entries["zone_reply"]))


def ends_inside_ovn(batch: FlowBatch) -> int:
    """Return how many flows begin or end at an address that OVN-Kubernetes keeps to itself."""
    return int(np.count_nonzero(_inside(batch.src) | _inside(batch.dst)))


def _inside(addresses: Column) -> npt.NDArray[np.bool_]:
    """Return whether addresses of either layout are in one of ``_OVN``."""
    inside = np.zeros(len(addresses), np.bool_)
    for mask, network in _MASKS if addresses.ndim == 2 else _MASKS_IPV4:
        found = (addresses & mask) == network
        inside |= found.all(axis=1) if found.ndim == 2 else found
    return inside


def _masks() -> tuple[list[tuple[Column, Column]], list[tuple[np.uint32, np.uint32]]]:
    """Return masks and networks for 16 bytes a row (IPv4 mapped), and those of IPv4 for words."""
    wide, narrow = [], []
    for text, length in _OVN:
        address = ipaddress.ip_address(text)
        bits = length + 128 - address.max_prefixlen
        mask = (1 << 128) - (1 << (128 - bits))
        value = int(address)
        if address.version == 4:
            narrow.append((np.uint32(mask & 0xFFFFFFFF), np.uint32(value)))
            value |= 0xFFFF << 32
        wide.append((_octets(mask), _octets(value)))
    return wide, narrow


def _octets(value: int) -> Column:
    return np.frombuffer(value.to_bytes(16, "big"), np.uint8)


_MASKS, _MASKS_IPV4 = _masks()
