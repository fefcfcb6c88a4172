"""Takes records as the conntrack scanner left them, gives their sums: judged block by block.

What ``entries_to_batch``, ``evaluate`` and ``Tally.add`` or ``Contrast.add`` do one after the other
to whole batches is done here to blocks of 1 024 records while they are in the cache, on the
scanner's own columns.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from netpol._core.columns cimport NO_TIME, Columns, Results, shift_columns
from netpol._core.conntrack cimport Scanner
from netpol._core.conntrack_row cimport ACCT, WIDE
from netpol._core.contrast cimport Contrast
from netpol._core.evaluate cimport evaluate_all
from netpol._core.lengths cimport need
from netpol._core.suspects cimport Suspects
from netpol._core.sums cimport Weights
from netpol._core.tables cimport View
from netpol._core.tally cimport BLOCK, Judged, Tally


cdef bint any_time(const int64_t* time, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        if time[i] != NO_TIME:
            return True
    return False


cdef void mask_ports(
    const uint8_t* has_ports, const uint8_t* protocol, uint16_t* server, uint16_t* dialled, size_t n
) noexcept nogil:
    """Set the ports of records without ports to 0: the scanner keeps other things there."""
    cdef uint16_t mask
    cdef size_t i
    for i in range(n):
        mask = <uint16_t> (0 - <int> has_ports[protocol[i]])
        server[i] &= mask
        dialled[i] &= mask


cdef class FusedRecords:
    """Judges a scanner's records block by block; a subclass says what is done with them.

    Attributes
    ----------
    suspects : Suspects
        Of all records added.
    counted : bool
        Whether any record had counters.
    """

    cdef readonly Suspects suspects
    cdef readonly bint counted
    cdef uint8_t _has_ports[256]
    cdef object _lock
    cdef object _shared          # lock of where the sums go

    def __cinit__(self):  # any arguments of a subclass are let pass
        self.suspects = Suspects()
        self._lock = self._shared = self.suspects._lock

    cdef int _take_ports(self, const uint8_t[::1] has_ports) except -1:
        cdef size_t i
        need("has_ports", has_ports.shape[0], 256)
        for i in range(256):
            self._has_ports[i] = has_ports[i]
        return 0

    def add(self, Scanner scanner not None):
        """Add the scanner's records; its port columns are overwritten. The GIL is released.

        Raises
        ------
        MemoryError
            There is no room for what is kept of them.
        RuntimeError
            Another thread is using the scanner.
        """
        with self._lock:
            scanner.claim()
            try:
                self._add_claimed(scanner)
            finally:
                scanner._busy.release()

    cdef int _add_claimed(self, Scanner scanner) except -1:
        cdef Columns c
        cdef bint fits = True
        with self._shared, nogil:
            if scanner.rows:
                self._take(scanner, &c)
                fits = self._add(scanner, &c)
        if not fits:
            raise MemoryError
        return 0

    cdef void _take(self, Scanner scanner, Columns* c) noexcept nogil:
        """Give the flows of the records, by the NAT rule of netpol.flows.formats.conntrack.text."""
        cdef size_t n = scanner.rows
        cdef uint16_t flags = 0
        cdef size_t i
        for i in range(n):
            flags |= scanner._to.flags[i]
        self.counted |= (flags & ACCT) != 0
        if flags & WIDE:
            scanner._widen()
            c.width = 16
            c.src = scanner._to.orig_src_wide
            c.dst = scanner._to.reply_src_wide
            c.original_dst = scanner._to.orig_dst_wide
            c.src_seen = scanner._to.reply_dst_wide
        else:
            c.width = 4
            c.src = <const uint8_t*> scanner._to.orig_src
            c.dst = <const uint8_t*> scanner._to.reply_src
            c.original_dst = <const uint8_t*> scanner._to.orig_dst
            c.src_seen = <const uint8_t*> scanner._to.reply_dst
        self.suspects.add_rows(
            scanner._to.protocol, scanner._to.orig_sport, scanner._to.reply_sport, n)
        mask_ports(
            self._has_ports, scanner._to.protocol, scanner._to.reply_sport,
            scanner._to.orig_dport, n)
        c.protocol = scanner._to.protocol
        c.sport = scanner._to.orig_sport
        c.dport = scanner._to.reply_sport
        c.dport_known = NULL
        c.original_dport = scanner._to.orig_dport
        c.icmp_type = scanner._to.icmp_type
        c.time = scanner._to.time if any_time(scanner._to.time, n) else NULL
        c.src_hint = NULL
        c.dst_hint = NULL
        c.evidence = NULL
        c.is_dump = True

    cdef bint _add(self, Scanner scanner, Columns* c) noexcept nogil:
        cdef Weights weights
        cdef size_t n = scanner.rows
        cdef size_t start = 0
        cdef size_t count
        weights.flows = NULL
        while start < n:
            count = min(n - start, <size_t> BLOCK)
            weights.packets = scanner._to.packets + start
            weights.bytes = scanner._to.bytes + start
            if not self._add_block(c, &weights, start, count):
                return False
            shift_columns(c, count)
            start += count
        return True

    cdef bint _add_block(
        self, const Columns* c, const Weights* w, size_t start, size_t count
    ) noexcept nogil:
        """Judge up to BLOCK rows, and add them; ``start`` is the place of the first."""
        return False


cdef struct Room:                # what a block's results are written to
    uint8_t verdict[BLOCK]
    uint8_t special[BLOCK]
    uint32_t egress[BLOCK]
    uint32_t ingress[BLOCK]
    uint32_t src[BLOCK]
    uint32_t dst[BLOCK]


cdef inline void judge_block(
    const View* v, const Columns* c, size_t count, Room* room, Judged* judged
) noexcept nogil:
    cdef Results results
    results.verdict, results.special = room.verdict, room.special
    results.egress, results.ingress = room.egress, room.ingress
    results.src_endpoint, results.dst_endpoint = room.src, room.dst
    judged.verdict, judged.special = room.verdict, room.special
    judged.egress, judged.ingress = room.egress, room.ingress
    judged.src, judged.dst = room.src, room.dst
    evaluate_all(v, c, count, &results)


cdef class FusedSums(FusedRecords):
    """Judges a scanner's records and adds them up.

    Parameters
    ----------
    tally : Tally
        Where sums go.
    has_ports : uint8[256]
        1 for protocols with ports.
    """

    cdef readonly Tally tally

    def __cinit__(self, Tally tally not None, const uint8_t[::1] has_ports not None):
        self._take_ports(has_ports)
        self.tally = tally
        self._shared = tally._lock

    cdef bint _add_block(
        self, const Columns* c, const Weights* w, size_t start, size_t count
    ) noexcept nogil:
        cdef Room room
        cdef Judged judged
        judge_block(&self.tally._tables.view, c, count, &room, &judged)
        return self.tally.add_block(c, w, &judged, count)


cdef class FusedContrast(FusedRecords):
    """Judges a scanner's records by two engines and lists those judged differently.

    Parameters
    ----------
    contrast : Contrast
        Where sums go.
    has_ports : uint8[256]
        1 for protocols with ports.
    capacity : int
        Most records of a scanner.
    """

    cdef readonly Contrast contrast
    cdef object _room
    cdef uint32_t* _rows
    cdef size_t _capacity
    cdef size_t _found

    def __cinit__(
        self, Contrast contrast not None, const uint8_t[::1] has_ports not None, size_t capacity
    ):
        cdef uint32_t[::1] rows
        self._take_ports(has_ports)
        self.contrast = contrast
        self._shared = contrast._lock
        self._capacity = capacity
        self._room = np.empty(max(capacity, 1), np.uint32)
        rows = self._room
        self._rows = &rows[0]

    def add(self, Scanner scanner not None):
        """Add the scanner's records; its port columns are overwritten. The GIL is released.

        Raises
        ------
        IndexError
            There are more of them than ``capacity``.
        """
        with self._lock:
            scanner.claim()
            try:
                if <size_t> scanner.rows > self._capacity:
                    raise IndexError("more records than there is room for")
                self._found = 0
                self._add_claimed(scanner)
            finally:
                scanner._busy.release()

    @property
    def rows(self):
        """uint32[m]: the records of the last scanner that are judged differently, ascending."""
        return self._room[:self._found]

    cdef bint _add_block(
        self, const Columns* c, const Weights* w, size_t start, size_t count
    ) noexcept nogil:
        cdef Room first
        cdef Room second
        cdef Judged a, b
        judge_block(&self.contrast._first.view, c, count, &first, &a)
        judge_block(&self.contrast._second.view, c, count, &second, &b)
        self._found += self.contrast.add_rows(
            w, &a, &b, start, count, self._rows + self._found)
        return True
