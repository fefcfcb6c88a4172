from typing import Any

import numpy as np
import numpy.typing as npt

MAX_LINE: int
CAUSES: tuple[str, ...]
STATE_NAMES: tuple[str, ...]

class Scanner:
    """Columns, by name, of ``capacity`` rows.

    Addresses ``orig_src orig_dst reply_src reply_dst``: uint32 host order (0 if IPv6), and the same
    with ``_wide``: uint8[n, 16] network order, valid for IPv6 records, after ``widen()`` for all.
    Ports ``orig_sport orig_dport reply_sport reply_dport``: uint16; ICMP has its id in sport, GRE
    its keys (low 16 bits), other protocols 0. ``protocol``, ``icmp_type``, ``icmp_code`` (of the
    original tuple, 255 if not ICMP): uint8. ``packets``, ``bytes``: uint64, both directions,
    saturating.
    ``flags``: uint16 of 1 unreplied, 2 assured, 4 offload, 8 hardware offload, 16 has counters,
    32 IPv6, 64 event caused by a program. ``event``: uint8, 0 none, 1 NEW, 2 UPDATE, 3 DESTROY.
    ``state``: uint8, index into STATE_NAMES, 255 another. ``zone_orig``, ``zone_reply``: uint16.
    ``time``: int64 ns since the epoch; ``start``: int64 seconds of a local clock, both the smallest
    int64 if not printed. ``delta_time``: int64 s, -1 if not printed. ``line``: int64 from 1.
    """

    def __init__(self, capacity: int, fast: bool = True) -> None: ...
    @property
    def columns(self) -> dict[str, npt.NDArray[Any]]: ...
    @property
    def rows(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def lines(self) -> int: ...
    @property
    def blank(self) -> int: ...
    @property
    def notices(self) -> int: ...
    @property
    def repaired(self) -> int: ...
    @property
    def expectations(self) -> int: ...
    @property
    def counts(self) -> list[int]: ...
    def scan(
        self,
        buffer: bytes | bytearray | memoryview | npt.NDArray[np.uint8],
        start: int,
        stop: int,
        final: bool,
    ) -> int: ...
    @property
    def between_lines(self) -> bool: ...
    def clear(self) -> None: ...
    def restart(self, lines: int = 0) -> None: ...
    def errors(self) -> list[tuple[int, int, int, int]]: ...
    def widen(self) -> None: ...
