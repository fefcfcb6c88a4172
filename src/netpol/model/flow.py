"""One flow as a plain Python record: what the reference evaluator and the examples speak."""

from __future__ import annotations

from dataclasses import dataclass

from netpol.model.evidence import Evidence

__all__ = ["Flow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One connection tuple (specification.md C1). Addresses are text; None means not recorded."""

    src: str
    dst: str
    protocol: int | None
    dport: int | None = None
    sport: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    time: int | None = None  # ns since the epoch, UTC
    original_dst: str | None = None
    original_dport: int | None = None
    src_seen: str | None = None
    evidence: Evidence = Evidence.NONE
    is_reply: bool = False
    src_pod: str | None = None  # "namespace/name"
    dst_pod: str | None = None
