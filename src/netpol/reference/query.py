"""Takes a flow, gives what is asked about it: parsed, in its initiator's direction (C1, C2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from netpol.model.errors import FlowError
from netpol.model.evidence import Evidence
from netpol.model.flow import Flow
from netpol.reference.addresses import Address, parse_address

__all__ = ["Query", "query_of", "reversed_flow"]

NOT_RECORDED = 255  # as protocol or ICMP type; reserved by IANA


@dataclass(frozen=True, slots=True)
class Query:
    """A flow in its initiator's direction, addresses parsed, placeholders turned to None."""

    src: Address
    dst: Address
    protocol: int | None
    port: int | None
    icmp_type: int | None
    time: int | None
    via_service: bool
    src_seen: Address | None  # the client's own address where it was not translated
    dialled: tuple[Address, int] | None  # of a flow recorded behind its service
    evidence: Evidence
    src_pod: str | None
    dst_pod: str | None


def query_of(flow: Flow) -> Query:
    """Parse a flow.

    Raises
    ------
    FlowError
        If an address is not an IP address.
    """
    src, dst = _address(flow.src, "src"), _address(flow.dst, "dst")
    dialled = _address(flow.original_dst, "original_dst") if flow.original_dst else None
    other_port = (
        flow.original_dport is not None
        and flow.dport is not None
        and flow.original_dport != flow.dport
    )
    via_service = dialled is not None and (dialled != dst or other_port)  # R12
    behind = None
    if via_service and dialled is not None and flow.original_dport is not None:
        behind = (dialled, flow.original_dport)
    return Query(
        src=src,
        dst=dst,
        protocol=None if flow.protocol == NOT_RECORDED else flow.protocol,
        port=flow.dport,
        icmp_type=None if flow.icmp_type == NOT_RECORDED else flow.icmp_type,
        time=flow.time,
        via_service=via_service,
        src_seen=_address(flow.src_seen, "src_seen") if flow.src_seen else None,
        dialled=behind,
        evidence=flow.evidence,
        src_pod=flow.src_pod,
        dst_pod=flow.dst_pod,
    )


def _address(text: str, field: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise FlowError(f"{field}: {text!r} is not an IP address") from error


def reversed_flow(flow: Flow) -> Flow:
    """Return the flow of the initiator for one recorded in the reply direction (R19)."""
    return Flow(
        src=flow.dst,
        dst=flow.src,
        protocol=flow.protocol,
        dport=flow.sport,  # and no source port: it would be looked at as a reply's (A16.1)
        icmp_type=flow.icmp_type,
        icmp_code=flow.icmp_code,
        time=flow.time,
        src_pod=flow.dst_pod,
        dst_pod=flow.src_pod,
    )
