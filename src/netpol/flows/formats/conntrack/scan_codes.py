"""Codes in the columns that the conntrack scanner fills."""

from __future__ import annotations

from enum import IntEnum, IntFlag

__all__ = ["Event", "RecordFlag"]


class RecordFlag(IntFlag):
    """What a record says of itself; a set of bits, ``flags``."""

    UNREPLIED = 1
    ASSURED = 2
    OFFLOAD = 4
    HW_OFFLOAD = 8
    ACCT = 16  # it has counters
    WIDE = 32  # IPv6
    USERSPACE = 64  # an event that a program caused


class Event(IntEnum):
    """Which event a record is, ``event``."""

    NONE = 0
    NEW = 1
    UPDATE = 2
    DESTROY = 3
