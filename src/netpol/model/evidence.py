"""What a record proves about what one side's policies saw of its connection (A15.9, A15.13)."""

from __future__ import annotations

from enum import IntFlag

__all__ = ["Evidence"]


class Evidence(IntFlag):
    """Proofs that a record carries; a set of bits per flow.

    Without a proof, what NAT showed each side is worked out from the snapshot, and where two
    readings differ the verdict is unknown.
    """

    NONE = 0
    #: The client's node sent the packets on to the address dialled: its egress policies saw
    #: ``original_dst:original_dport``, or ``dst:dport`` where those are not recorded (A15.9).
    EGRESS_DIALLED = 1
    #: The server's node recorded ``src_seen`` as the source: its ingress policies saw it (A15.13).
    INGRESS_SEEN = 2
