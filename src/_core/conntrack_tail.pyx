"""Takes the end of a line of conntrack text, after the reply tuple, gives what of it is kept."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcmp, strlen

from netpol._core.conntrack_cursor cimport Cursor, eat, is_digit, keyed, spaces, word
from netpol._core.conntrack_row cimport (
    ASSURED, BAD_TAIL, HW_OFFLOAD, OFFLOAD, OK, USERSPACE, Row,
)

cdef const char *DAYS = b"MonTueWedThuFriSatSun"
cdef const char *MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"

cdef enum Tail:  # private
    TAIL_MARK = 1
    TAIL_SECMARK = 2
    TAIL_SECCTX = 4
    TAIL_ZONE = 8
    TAIL_DELTA = 16
    TAIL_START = 32
    TAIL_STOP = 64
    TAIL_HELPER = 128
    TAIL_USE = 256
    TAIL_ID = 512
    TAIL_LABELS = 1024
    TAIL_UNKNOWN = 2048

cdef const char *TUPLE_KEYS[13]
TUPLE_KEYS[:] = [
    b"src", b"dst", b"sport", b"dport", b"type", b"code", b"srckey", b"dstkey",
    b"packets", b"bytes", b"proto", b"zone-orig", b"zone-reply",
]


cdef int flag(Cursor *c, Row *row) noexcept nogil:
    """Read the one flag that may follow the reply tuple."""
    if eat(c, b"[ASSURED]"):
        row.flags |= ASSURED
    elif eat(c, b"[OFFLOAD]"):
        row.flags |= OFFLOAD
    elif eat(c, b"[HW_OFFLOAD]"):
        row.flags |= OFFLOAD | HW_OFFLOAD
    else:
        return OK
    return OK if spaces(c) else BAD_TAIL


cdef int name_index(const uint8_t *p, const char *names, int count) noexcept nogil:
    """Give the index of a three-letter name, -1 if it is none of them."""
    cdef int i
    for i in range(count):
        if memcmp(p, names + 3 * i, 3) == 0:
            return i
    return -1


cdef int month_index(const uint8_t *p) noexcept nogil:
    """Give the index of the month that three letters name, from 0; -1 if they name none."""
    return name_index(p, MONTHS, 12)


cdef int weekday_index(const uint8_t *p) noexcept nogil:
    """Give the index of the weekday that three letters name, from 0; -1 if they name none."""
    return name_index(p, DAYS, 7)


cdef int two_digits(const uint8_t *p) noexcept nogil:
    """Give the value of two digits (the first may be a space), a large number if they are none."""
    if not is_digit(p[1]) or not (is_digit(p[0]) or p[0] == c" "):
        return 10000
    return (p[0] & 15) * 10 + p[1] - c"0"


cdef int64_t days_before(int64_t year, int64_t month, int64_t day) noexcept nogil:
    """Give the days from 1970-01-01 to a date of the Gregorian calendar (month from 1)."""
    if month <= 2:
        year -= 1
        month += 12
    year = 365 * year + year // 4 - year // 100 + year // 400
    return year + (153 * month - 457) // 5 + day - 719469


cdef bint ctime_text(const uint8_t *p, int64_t *seconds) noexcept nogil:
    """Read the 24 characters that ctime prints: ``Mon Nov 23 02:10:15 2026``."""
    cdef int month = month_index(p + 4)
    cdef int day = two_digits(p + 8), hour = two_digits(p + 11), minute = two_digits(p + 14)
    cdef int second = two_digits(p + 17), high = two_digits(p + 20), low = two_digits(p + 22)
    if weekday_index(p) < 0 or month < 0 or day > 31 or day < 1:
        return False
    if hour > 23 or minute > 59 or second > 60 or high > 99 or low > 99 or p[22] == c" ":
        return False
    if p[3] != c" " or p[7] != c" " or p[10] != c" " or p[19] != c" ":
        return False
    if p[13] != c":" or p[16] != c":":
        return False
    seconds[0] = days_before(high * 100 + low, month + 1, day) * 86400
    seconds[0] += hour * 3600 + minute * 60 + second
    return True


cdef bint bracketed_time(Cursor *c, const char *key, int64_t *seconds) noexcept nogil:
    """Read ``[start=...]`` or ``[stop=...]`` and the spaces after it."""
    if not eat(c, key) or c.end - c.p < 25 or not ctime_text(c.p, seconds):
        return False
    c.p += 24
    return eat(c, b"]") and spaces(c)


cdef bint rest_of_line(Cursor *c) noexcept nogil:
    """Skip text that may hold spaces, up to the end or to ``[USERSPACE]``."""
    cdef const uint8_t *start = c.p
    while c.p != c.end and c.p[0] != c"[":
        if c.p[0] < 32 or c.p[0] == 127:
            return False
        c.p += 1
    return c.p != start


cdef bint userspace(Cursor *c, Row *row) noexcept nogil:
    """Read ``[USERSPACE] portid=N [progname=...]``, the end of an event that a program caused."""
    cdef uint64_t value
    row.flags |= USERSPACE
    if not spaces(c) or not keyed(c, b"portid=", 0xffffffffu, &value):
        return False
    if c.p == c.end:
        return True
    if not eat(c, b"progname="):
        return False
    while c.p != c.end:
        if c.p[0] < 32 or c.p[0] == 127:
            return False
        c.p += 1
    return True


cdef bint is_tuple_key(const uint8_t *p, Py_ssize_t length) noexcept nogil:
    """Whether a key belongs to a tuple, so that it means something else after both."""
    cdef int i
    for i in range(13):
        if <Py_ssize_t> strlen(TUPLE_KEYS[i]) == length and memcmp(p, TUPLE_KEYS[i], length) == 0:
            return True
    return False


cdef bint unknown_key(Cursor *c) noexcept nogil:
    """Skip ``key=value`` of a version that is not known here."""
    cdef const uint8_t *start = c.p
    while c.p != c.end and (
        c"a" <= c.p[0] <= c"z" or is_digit(c.p[0]) or c.p[0] == c"-" or c.p[0] == c"_"
    ):
        c.p += 1
    if c.p == start or not c"a" <= start[0] <= c"z" or is_tuple_key(start, c.p - start):
        return False
    return eat(c, b"=") and word(c)


cdef int tail_key(Cursor *c, Row *row) noexcept nogil:
    """Read one known token of the tail.

    Give its Tail bit, 0 if it is not well formed, TAIL_UNKNOWN if it is none that is known.
    """
    cdef uint64_t value = 0
    cdef int64_t stop
    if eat(c, b"mark="):
        return TAIL_MARK if keyed(c, b"", 0xffffffffu, &value) else 0
    if eat(c, b"use="):
        return TAIL_USE if keyed(c, b"", 0xffffffffu, &value) else 0
    if eat(c, b"id="):
        return TAIL_ID if keyed(c, b"", 0xffffffffu, &value) else 0
    if eat(c, b"helper="):
        return TAIL_HELPER if word(c) else 0
    if eat(c, b"labels="):
        return TAIL_LABELS if rest_of_line(c) else 0
    if eat(c, b"delta-time="):
        if not keyed(c, b"", 0x7fffffffffffffffu, &value):
            return 0
        row.delta_time = <int64_t> value
        return TAIL_DELTA
    if eat(c, b"zone="):
        if not keyed(c, b"", 65535, &value):
            return 0
        row.zone_orig = <uint16_t> value
        row.zone_reply = <uint16_t> value
        return TAIL_ZONE
    if eat(c, b"secctx="):
        return TAIL_SECCTX if word(c) else 0
    if eat(c, b"secmark="):
        return TAIL_SECMARK if keyed(c, b"", 0xffffffffu, &value) else 0
    if c.p[0] == c"[":
        if c.end - c.p > 4 and c.p[3] == c"a":
            return TAIL_START if bracketed_time(c, b"[start=", &row.start) else 0
        return TAIL_STOP if bracketed_time(c, b"[stop=", &stop) else 0
    return TAIL_UNKNOWN


cdef int tail(Cursor *c, Row *row) noexcept nogil:
    """Read the tail: known keys, each at most once, and what later versions may add to them."""
    cdef int seen = 0, bit
    while c.p != c.end:
        if eat(c, b"[USERSPACE]"):
            return OK if userspace(c, row) else BAD_TAIL
        bit = tail_key(c, row)
        if bit == TAIL_UNKNOWN:
            if not unknown_key(c):
                return BAD_TAIL
            continue
        if bit == 0 or seen & bit:
            return BAD_TAIL
        seen |= bit
    return OK
