"""Takes records as the conntrack scanner left them, gives their sums: judged block by block.

What ``entries_to_batch``, ``evaluate`` and ``Tally.add`` do one after the other to whole batches
is done here to blocks of 1 024 records while they are in the cache, on the scanner's own columns.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from netpol._core.columns cimport Columns, Results, shift_columns
from netpol._core.conntrack cimport Scanner
from netpol._core.conntrack_row cimport ACCT, WIDE
from netpol._core.evaluate cimport evaluate_all
from netpol._core.suspects cimport Suspects
from netpol._core.sums cimport Weights
from netpol._core.tally cimport BLOCK, Judged, Tally

cdef int64_t NO_TIME = -9223372036854775807 - 1


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


cdef class FusedSums:
    """Judges a scanner's records and adds them up.

    Parameters
    ----------
    tally : Tally
        Where sums go.
    has_ports : uint8[256]
        1 for protocols with ports.

    Attributes
    ----------
    tally : Tally
    suspects : Suspects
        Of all records added.
    counted : bool
        Whether any record had counters.
    """

    cdef readonly Tally tally
    cdef readonly Suspects suspects
    cdef readonly bint counted
    cdef uint8_t _has_ports[256]

    def __init__(self, Tally tally, const uint8_t[::1] has_ports):
        cdef size_t i
        if has_ports.shape[0] != 256:
            raise ValueError("has_ports has 256 entries")
        for i in range(256):
            self._has_ports[i] = has_ports[i]
        self.tally = tally
        self.suspects = Suspects()

    def add(self, Scanner scanner):
        """Add the scanner's records; its port columns are spent. The GIL is released.

        Raises
        ------
        MemoryError
            There is no room for the pairs.
        """
        cdef Columns c
        cdef bint fits
        if scanner.rows == 0:
            return
        with nogil:
            self._take(scanner, &c)
            fits = self._add(scanner, &c)
        if not fits:
            raise MemoryError

    cdef void _take(self, Scanner scanner, Columns* c) noexcept nogil:
        """Give the flows of the records, by the NAT rule of netpol.flows.conntrack."""
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
        c.dport = scanner._to.reply_sport
        c.dport_known = NULL
        c.original_dport = scanner._to.orig_dport
        c.icmp_type = scanner._to.icmp_type
        c.time = scanner._to.time if any_time(scanner._to.time, n) else NULL
        c.src_hint = NULL
        c.dst_hint = NULL

    cdef bint _add(self, Scanner scanner, Columns* c) noexcept nogil:
        cdef uint8_t verdict[BLOCK]
        cdef uint8_t special[BLOCK]
        cdef uint32_t egress[BLOCK]
        cdef uint32_t ingress[BLOCK]
        cdef uint32_t src[BLOCK]
        cdef uint32_t dst[BLOCK]
        cdef Results results
        cdef Judged judged
        cdef Weights weights
        cdef size_t n = scanner.rows
        cdef size_t start = 0
        cdef size_t count
        results.verdict, results.special = verdict, special
        results.egress, results.ingress = egress, ingress
        results.src_endpoint, results.dst_endpoint = src, dst
        judged.verdict, judged.special = verdict, special
        judged.egress, judged.ingress = egress, ingress
        judged.src, judged.dst = src, dst
        weights.flows = NULL
        while start < n:
            count = min(n - start, <size_t> BLOCK)
            weights.packets = scanner._to.packets + start
            weights.bytes = scanner._to.bytes + start
            evaluate_all(&self.tally._tables.view, c, count, &results)
            if not self.tally.add_block(c, &weights, &judged, count):
                return False
            shift_columns(c, count)
            start += count
        return True
