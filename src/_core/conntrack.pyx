"""Takes blocks of conntrack text, gives columns of records and why lines were none.

The hot loop tries ``parse_fast`` on every line and falls back to ``parse_line``; both fill the same
``Row``. A summary that conntrack printed on stderr into the middle of a line is cut out here and
the line's two halves are joined.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcpy

from threading import Lock

import numpy as np

from netpol._core.addresses_text cimport map_ipv4
from netpol._core.conntrack_fast cimport FAST_MARGIN, parse_fast
from netpol._core.conntrack_line cimport (
    find_notice, is_blank, parse_line, skip_number, skip_prefix,
)
from netpol._core.conntrack_prefix cimport skip_log_prefix
from netpol._core.conntrack_row cimport EXPECTATION, MIXED_IN, N_CAUSES, OK, TOO_LONG, WIDE, Row
from netpol._core import conntrack_line

#: Names of the state codes: 0 is no state, 255 (not here) a name not known.
STATE_NAMES = conntrack_line.STATE_NAMES

cdef enum:  # private
    LONGEST = 65536

#: Bytes of the longest line that is read; longer ones are counted as too long.
MAX_LINE = LONGEST

#: Spelling of each cause, by code; 0 is no error.
CAUSES = (
    "", "not a conntrack line", "bad timestamp", "bad protocol", "bad timeout", "bad state",
    "bad src address", "bad dst address", "bad port", "bad icmp type, code or id", "bad gre key",
    "bad zone", "bad counter", "address family mismatch", "no reply tuple",
    "unexpected text after the reply tuple", "line cut short", "binary data", "line too long",
    "line broken by a message",
)

_COLUMNS = {
    "orig_src": np.uint32, "orig_dst": np.uint32, "reply_src": np.uint32, "reply_dst": np.uint32,
    "orig_sport": np.uint16, "orig_dport": np.uint16,
    "reply_sport": np.uint16, "reply_dport": np.uint16,
    "protocol": np.uint8, "icmp_type": np.uint8, "icmp_code": np.uint8,
    "packets": np.uint64, "bytes": np.uint64,
    "flags": np.uint16, "event": np.uint8, "state": np.uint8,
    "zone_orig": np.uint16, "zone_reply": np.uint16,
    "time": np.int64, "delta_time": np.int64, "start": np.int64, "line": np.int64,
}
_WIDE_COLUMNS = ("orig_src_wide", "orig_dst_wide", "reply_src_wide", "reply_dst_wide")


cdef inline uint64_t saturating(uint64_t a, uint64_t b) noexcept nogil:
    """Add, staying at 2^64-1 where the sum does not fit."""
    cdef uint64_t total = a + b
    return total if total >= a else 0xffffffffffffffffu


cdef inline void store(Columns *to, Py_ssize_t i, const Row *row, int64_t line) noexcept nogil:
    """Write ``row`` as record ``i``."""
    if row.flags & WIDE:
        memcpy(to.orig_src_wide + 16 * i, row.orig.src.v6, 16)
        memcpy(to.orig_dst_wide + 16 * i, row.orig.dst.v6, 16)
        memcpy(to.reply_src_wide + 16 * i, row.reply.src.v6, 16)
        memcpy(to.reply_dst_wide + 16 * i, row.reply.dst.v6, 16)
        to.orig_src[i] = to.orig_dst[i] = to.reply_src[i] = to.reply_dst[i] = 0
    else:
        to.orig_src[i] = row.orig.src.v4
        to.orig_dst[i] = row.orig.dst.v4
        to.reply_src[i] = row.reply.src.v4
        to.reply_dst[i] = row.reply.dst.v4
    to.orig_sport[i] = row.orig.sport
    to.orig_dport[i] = row.orig.dport
    to.reply_sport[i] = row.reply.sport
    to.reply_dport[i] = row.reply.dport
    to.protocol[i] = row.protocol
    to.icmp_type[i] = row.orig.icmp_type
    to.icmp_code[i] = row.orig.icmp_code
    to.packets[i] = saturating(row.orig.packets, row.reply.packets)
    to.bytes[i] = saturating(row.orig.bytes, row.reply.bytes)
    to.flags[i] = row.flags
    to.event[i] = row.event
    to.state[i] = row.state
    to.zone_orig[i] = row.zone_orig
    to.zone_reply[i] = row.zone_reply
    to.time[i] = row.time
    to.delta_time[i] = row.delta_time
    to.start[i] = row.start
    to.line[i] = line


cdef inline bint is_numbered(const uint8_t *begin, const uint8_t *content) noexcept nogil:
    """Whether [begin, content) of a line holds a line number."""
    while begin != content:
        if c"0" <= begin[0] <= c"9":
            return True
        begin += 1
    return False


cdef inline const uint8_t *behind_prefix(const uint8_t *p, const uint8_t *end) noexcept nogil:
    """Skip a log's prefix where enough is left for the fast parser; give NULL where it is not."""
    p = skip_log_prefix(p, end)
    return p if end - p >= FAST_MARGIN else NULL


cdef void *address_of(array) except NULL:
    """Give where an array's data is."""
    return <void *> <uintptr_t> array.ctypes.data


cdef class Scanner:
    """Scans conntrack text into preallocated columns.

    Parameters
    ----------
    capacity : int
        Records the columns hold.
    fast : bool
        Whether common lines take the fast parser; results do not depend on it.

    Attributes
    ----------
    columns : dict of str to numpy.ndarray
        The columns, reused by every scan: see the stub for dtypes and meaning.
    rows : int
        Records in the columns.
    lines, blank, notices, repaired, expectations : int
        Lines read; of them without content; that were a message of conntrack itself; records put
        together from two lines; lines of the table of expected connections.
    counts : list of int
        Lines that were no record, by cause code.
    """

    def __cinit__(self, Py_ssize_t capacity, bint fast=True):
        if capacity < 1:
            raise ValueError("capacity has to be at least 1")
        self._busy = Lock()
        self.capacity = capacity
        self._fast = fast
        self.columns = {name: np.zeros(capacity, dtype) for name, dtype in _COLUMNS.items()}
        for name in _WIDE_COLUMNS:
            self.columns[name] = np.zeros((capacity, 16), np.uint8)
        self._take_pointers()
        self._joined = <uint8_t *> malloc(2 * LONGEST)
        if self._joined == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._joined)

    cdef int claim(self) except -1:
        """Take the scanner for one call, which ends with ``_busy.release``."""
        if not self._busy.acquire(False):
            raise RuntimeError("another thread is using this scanner: each needs one of its own")
        return 0

    cdef int _take_pointers(self) except -1:
        columns = self.columns
        self._kept = tuple(columns.values())  # callers may change the dict
        self._to.orig_src = <uint32_t *> address_of(columns["orig_src"])
        self._to.orig_dst = <uint32_t *> address_of(columns["orig_dst"])
        self._to.reply_src = <uint32_t *> address_of(columns["reply_src"])
        self._to.reply_dst = <uint32_t *> address_of(columns["reply_dst"])
        self._to.orig_src_wide = <uint8_t *> address_of(columns["orig_src_wide"])
        self._to.orig_dst_wide = <uint8_t *> address_of(columns["orig_dst_wide"])
        self._to.reply_src_wide = <uint8_t *> address_of(columns["reply_src_wide"])
        self._to.reply_dst_wide = <uint8_t *> address_of(columns["reply_dst_wide"])
        self._to.orig_sport = <uint16_t *> address_of(columns["orig_sport"])
        self._to.orig_dport = <uint16_t *> address_of(columns["orig_dport"])
        self._to.reply_sport = <uint16_t *> address_of(columns["reply_sport"])
        self._to.reply_dport = <uint16_t *> address_of(columns["reply_dport"])
        self._to.protocol = <uint8_t *> address_of(columns["protocol"])
        self._to.icmp_type = <uint8_t *> address_of(columns["icmp_type"])
        self._to.icmp_code = <uint8_t *> address_of(columns["icmp_code"])
        self._to.packets = <uint64_t *> address_of(columns["packets"])
        self._to.bytes = <uint64_t *> address_of(columns["bytes"])
        self._to.flags = <uint16_t *> address_of(columns["flags"])
        self._to.event = <uint8_t *> address_of(columns["event"])
        self._to.state = <uint8_t *> address_of(columns["state"])
        self._to.zone_orig = <uint16_t *> address_of(columns["zone_orig"])
        self._to.zone_reply = <uint16_t *> address_of(columns["zone_reply"])
        self._to.time = <int64_t *> address_of(columns["time"])
        self._to.delta_time = <int64_t *> address_of(columns["delta_time"])
        self._to.start = <int64_t *> address_of(columns["start"])
        self._to.line = <int64_t *> address_of(columns["line"])
        return 0

    @property
    def counts(self):
        cdef int i
        return [self._counts[i] for i in range(<int> N_CAUSES)]

    def scan(
        self, const uint8_t[::1] buffer not None, Py_ssize_t start, Py_ssize_t stop, bint final
    ):
        """Scan ``buffer[start:stop]``; give the offset up to which it was consumed.

        Stops early where the columns are full, and before a line (or pair of lines) that may go on
        after ``stop``, unless ``final`` says that nothing comes after it.

        Raises
        ------
        IndexError
            ``start`` and ``stop`` are not a range of the buffer.
        RuntimeError
            Another thread is using the scanner (here and from every method).
        """
        if not 0 <= start <= stop <= buffer.shape[0]:
            raise IndexError("start and stop are not a range of the buffer")
        cdef const uint8_t *begin
        cdef const uint8_t *p
        self.claim()
        try:
            self._n_errors = 0
            if start == stop:
                if final and self._skipping:  # a line that is too long, and all of it was read
                    self._skipping = False
                    self.lines += 1
                return start
            begin = &buffer[0]
            self._begin = begin
            self._final = final
            with nogil:
                p = self._scan(begin + start, begin + stop)
            return p - begin
        finally:
            self._busy.release()

    @property
    def between_lines(self):
        """Whether no line is open: the last scan did not end inside one that is too long."""
        return not self._skipping

    def clear(self):
        """Forget the records, so that the columns can be filled again."""
        self.claim()
        self.rows = 0
        self._busy.release()

    def restart(self, int64_t lines=0):
        """Forget records and counts: the next scan begins after so many lines of the input."""
        cdef int i
        self.claim()
        self.rows = 0
        self.lines = lines
        self.blank = self.notices = self.repaired = self.expectations = 0
        self._n_errors = 0
        self._skipping = False
        for i in range(<int> N_CAUSES):
            self._counts[i] = 0
        self._busy.release()

    def errors(self):
        """Give the first 64 lines of the last scan that were no record.

        Returns
        -------
        list of tuple
            (line number, offset in the buffer, length, cause code) of each.
        """
        return [
            (e.line, e.offset, e.length, e.cause) for e in self._errors[:self._n_errors]
        ]

    def widen(self):
        """Fill the wide columns of the IPv4 records, so that every record has 16 bytes."""
        self.claim()
        with nogil:
            self._widen()
        self._busy.release()

    cdef void _widen(self) noexcept nogil:
        cdef Py_ssize_t i
        cdef Columns *to = &self._to
        for i in range(self.rows):
            if not to.flags[i] & WIDE:
                map_ipv4(to.orig_src[i], to.orig_src_wide + 16 * i)
                map_ipv4(to.orig_dst[i], to.orig_dst_wide + 16 * i)
                map_ipv4(to.reply_src[i], to.reply_src_wide + 16 * i)
                map_ipv4(to.reply_dst[i], to.reply_dst_wide + 16 * i)

    cdef const uint8_t *_scan(self, const uint8_t *p, const uint8_t *end) noexcept nogil:
        """Scan lines until the columns are full or no whole line is left; give where it stopped."""
        cdef const uint8_t *following
        cdef const uint8_t *content
        while p != end and self.rows < self.capacity:
            following = NULL
            if self._fast and end - p >= FAST_MARGIN and not self._skipping:
                content = behind_prefix(p, end) if self._prefixed else p
                if content != NULL:
                    following = parse_fast(content, &self._row)
            if following != NULL:
                store(&self._to, self.rows, &self._row, self.lines + 1)
                self.rows += 1
                self.lines += 1
            else:
                following = self._careful(p, end)
                if following == NULL:
                    return p
            p = following
        return p

    cdef const uint8_t *_careful(self, const uint8_t *p, const uint8_t *end) noexcept nogil:
        """Take the line at ``p``; give where the next begins, NULL if its end is not there yet."""
        cdef const uint8_t *stop = <const uint8_t *> memchr(p, c"\n", end - p)
        cdef bint terminated = stop != NULL
        cdef const uint8_t *notice
        if not terminated:
            stop = end
        if self._skipping:
            self._skipping = not terminated
            return self._line_done(stop, terminated)
        if stop - p > LONGEST:
            self._fail(p, 256, TOO_LONG)
            self._skipping = not terminated
            return self._line_done(stop, terminated)
        if not terminated and not self._final:
            return NULL
        if is_blank(skip_log_prefix(p, stop), stop):
            self.blank += 1
            return self._line_done(stop, terminated)
        notice = find_notice(p, stop)
        if notice != NULL:
            return self._mixed_in(p, notice, stop, end)
        # One line with a prefix is enough to look for it first from then on, also in other files.
        if not self._prefixed and self._fast:
            self._prefixed = skip_log_prefix(p, stop) != p
        self._take(p, stop - p, parse_line(p, stop, terminated, &self._row))
        return self._line_done(stop, terminated)

    cdef const uint8_t *_line_done(self, const uint8_t *stop, bint terminated) noexcept nogil:
        """Count a line; a piece of one that is too long counts with its last piece."""
        if terminated or self._final:
            self.lines += 1
        return stop + 1 if terminated else stop

    cdef bint _take(self, const uint8_t *p, Py_ssize_t length, int cause) noexcept nogil:
        """Store the row just parsed, or record why there is none."""
        if cause == EXPECTATION:
            self.expectations += 1
            return False
        if cause != OK:
            self._fail(p, length, cause)
            return False
        store(&self._to, self.rows, &self._row, self.lines + 1)
        self.rows += 1
        return True

    cdef void _fail(self, const uint8_t *p, Py_ssize_t length, int cause) noexcept nogil:
        """Count a line that is no record, and remember where it is."""
        cdef Error *error
        self._counts[cause] += 1
        if self._n_errors < MAX_ERRORS:
            error = &self._errors[self._n_errors]
            error.line = self.lines + 1
            error.offset = p - self._begin
            error.length = length
            error.cause = cause
            self._n_errors += 1

    cdef const uint8_t *_mixed_in(
        self, const uint8_t *p, const uint8_t *notice, const uint8_t *stop, const uint8_t *end
    ) noexcept nogil:
        """Take a line that holds conntrack's own message, and what it pushed to the next line."""
        cdef const uint8_t *content = skip_prefix(p, notice)
        cdef const uint8_t *bare = skip_number(p, notice)
        cdef const uint8_t *rest = stop + 1
        cdef const uint8_t *rest_end
        cdef bint terminated
        if is_blank(content, notice):
            self.notices += 1
            return self._line_done(stop, stop != end)
        if stop == end:
            rest = rest_end = end
            terminated = False
        else:
            rest_end = <const uint8_t *> memchr(rest, c"\n", end - rest)
            terminated = rest_end != NULL
            if not terminated:
                rest_end = end
                if not self._final and end - rest <= LONGEST:
                    return NULL
        if rest_end - rest <= LONGEST and self._join(
            content, notice, rest, rest_end, terminated,
            is_numbered(p, bare), skip_log_prefix(bare, notice) != bare,
        ):
            self._take(p, stop - p, OK)
            self.repaired += 1
            self.lines += stop != end
            return self._line_done(rest_end, terminated)
        # The message may also have come after a whole record.
        if parse_line(content, notice, False, &self._row) == OK:
            self.repaired += 1
            self._take(p, stop - p, OK)
        else:
            self._fail(p, stop - p, MIXED_IN)
        return self._line_done(stop, stop != end)

    cdef bint _join(
        self, const uint8_t *head, const uint8_t *head_end,
        const uint8_t *rest, const uint8_t *rest_end, bint terminated, bint numbered, bint logged
    ) noexcept nogil:
        """Parse two halves as one line; False if that is no record either."""
        cdef Py_ssize_t n = head_end - head
        if numbered:
            rest = skip_number(rest, rest_end)
        if logged:
            rest = skip_log_prefix(rest, rest_end)
        memcpy(self._joined, head, n)
        memcpy(self._joined + n, rest, rest_end - rest)
        n += rest_end - rest
        return parse_line(self._joined, self._joined + n, terminated, &self._row) == OK
