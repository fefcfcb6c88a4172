"""A flow batch: one record per connection as NumPy columns, judged in the initiator's direction.

Addresses of one batch share one layout: ``uint32[n]`` in host order while every row is IPv4,
else ``uint8[n, 16]`` in network order with IPv4 mapped (``::ffff:a.b.c.d``). A v4-mapped address
in the input is folded to IPv4 by the readers (A6.3). Columns that a source lacks are None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "NO_ICMP",
    "NO_TIME",
    "PORT_PROTOCOLS",
    "PROTOCOL_NAMES",
    "UNKNOWN_PROTOCOL",
    "Column",
    "FlowBatch",
    "SkippedRecord",
]

UNKNOWN_PROTOCOL = 255  # reserved by IANA; stands for "not recorded"
NO_ICMP = 255  # icmp_type / icmp_code not recorded (255 is reserved)
NO_TIME = np.iinfo(np.int64).min  # time not recorded

#: Protocols whose headers have ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
PORT_PROTOCOLS = (6, 17, 33, 132, 136)

#: Names for protocol numbers, as conntrack and most logs write them; both ways unambiguous.
PROTOCOL_NAMES = {
    1: "icmp",
    4: "ipip",
    6: "tcp",
    17: "udp",
    33: "dccp",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "icmpv6",
    112: "vrrp",
    132: "sctp",
    136: "udplite",
}

Column = npt.NDArray[Any]


@dataclass(slots=True)
class SkippedRecord:
    """A record that did not parse: where, why (a short stable cause) and the text, cut."""

    file: str
    line: int
    cause: str
    text: str


@dataclass(slots=True, kw_only=True)
class FlowBatch:
    """Columns of ``n`` flows; see each for dtype, shape and what absence means.

    Judge ``src`` -> ``dst``: the client to the real server, after destination NAT (A15.1).
    """

    src: Column  # uint32[n] or uint8[n, 16]
    dst: Column  # as src
    protocol: Column  # uint8[n], UNKNOWN_PROTOCOL where not recorded
    dport: Column  # uint16[n]; meaningless where dport_known is False and for portless protocols
    dport_known: Column | None = None  # bool[n]; None: every port is known
    sport: Column | None = None  # uint16[n]
    sport_known: Column | None = None  # bool[n]; None: every one of ``sport`` is known
    icmp_type: Column | None = None  # uint8[n], NO_ICMP where absent
    icmp_code: Column | None = None  # uint8[n], NO_ICMP where absent
    time: Column | None = None  # int64[n], ns since the epoch UTC, NO_TIME where absent
    flows: Column | None = None  # uint64[n]: connections a record stands for; None: 1 each
    packets: Column | None = None  # uint64[n], both directions
    bytes: Column | None = None  # uint64[n], both directions
    original_dst: Column | None = None  # as src: what the client dialled; equals dst if not NATed
    original_dport: Column | None = None  # uint16[n]
    # As src: the source the server saw; equals src if not NATed, all zeros if not recorded.
    src_seen: Column | None = None
    evidence: Column | None = None  # uint8[n], Evidence bits; None: nothing is proved
    is_reply: Column | None = None  # bool[n]: record of the reply direction (A16.1)
    recorded_verdict: Column | None = None  # uint8[n], Verdict codes
    src_pod: Any = None  # sequence of "namespace/pod" or None: identity the log gives (C1 hints)
    dst_pod: Any = None  # as src_pod
    file: str = ""  # where the batch was read
    line: Column | None = None  # int64[n]: 1-based line or row of each record in ``file``

    def __len__(self) -> int:
        return len(self.protocol)

    @property
    def wide(self) -> bool:
        """Whether addresses are 16 bytes (any row of the batch is IPv6)."""
        return self.src.ndim == 2

    def columns(self) -> Iterator[tuple[str, Column]]:
        """Yield the name and array of every column that is present."""
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                yield item.name, value

    def take(self, rows: npt.NDArray[np.int64]) -> FlowBatch:
        """Return the flows at ``rows``, int64[m], in that order."""
        picked: dict[str, Any] = {name: column[rows] for name, column in self.columns()}
        for name in ("src_pod", "dst_pod"):
            hints = getattr(self, name)
            if hints is not None:
                picked[name] = (
                    hints.take(rows) if hasattr(hints, "take") else [hints[row] for row in rows]
                )
        return replace(self, **picked)
