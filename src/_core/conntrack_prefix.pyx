"""Takes the start of a line, gives where the text begins after what collectors of logs put there.

    prefix = ["[pod/" name "/" container "] "] ["<" priority ">"] (cri | journal | bsd | syslog)
    cri    = rfc3339 [("stdout" | "stderr") ("F" | "P")]         container runtimes, kubectl logs
    journal = [weekday] (rfc3339 | date time zone) [host] tag ":"   journalctl -o short-iso, -full
    bsd    = month day time [host] tag ":"                       journalctl, RFC 3164
    syslog = "1" (rfc3339 | "-") host app process id data        RFC 5424

No line that conntrack prints begins like one of these, so trying costs nothing without one.
Nothing is read at or past ``end``, and never beyond a control character.
"""

from libc.stdint cimport uint8_t, uint64_t

from netpol._core.conntrack_cursor cimport Cursor, eat, is_digit, number
from netpol._core.conntrack_tail cimport month_index, weekday_index

cdef enum:  # private
    NESTED = 4                   # prefixes before prefixes: kubectl's, a runtime's, journald's


ctypedef bint (*Rule)(Cursor *) noexcept nogil


cdef inline bint one_space(Cursor *c) noexcept nogil:
    if c.p == c.end or c.p[0] != c" ":
        return False
    c.p += 1
    return True


cdef inline bint digits(Cursor *c, int count) noexcept nogil:
    """Skip exactly so many digits."""
    cdef int i
    if c.end - c.p < count:
        return False
    for i in range(count):
        if not is_digit(c.p[i]):
            return False
    c.p += count
    return True


cdef bint clock(Cursor *c) noexcept nogil:
    """Skip ``HH:MM:SS`` and a fraction if there is one."""
    cdef const uint8_t *start
    if not (digits(c, 2) and eat(c, b":") and digits(c, 2) and eat(c, b":") and digits(c, 2)):
        return False
    if c.p != c.end and (c.p[0] == c"." or c.p[0] == c","):
        c.p += 1
        start = c.p
        while c.p != c.end and is_digit(c.p[0]):
            c.p += 1
        return c.p != start
    return True


cdef bint date(Cursor *c) noexcept nogil:
    """Skip ``YYYY-MM-DD``."""
    return digits(c, 4) and eat(c, b"-") and digits(c, 2) and eat(c, b"-") and digits(c, 2)


cdef bint rfc3339(Cursor *c) noexcept nogil:
    """Skip a date and time with its zone; journald writes the offset without a colon."""
    if not (date(c) and eat(c, b"T") and clock(c)):
        return False
    if eat(c, b"Z"):
        return True
    if not (eat(c, b"+") or eat(c, b"-")) or not digits(c, 2):
        return False
    eat(c, b":")
    return digits(c, 2)


cdef bint token(Cursor *c, uint8_t *last) noexcept nogil:
    """Skip printable characters and the one space after them; ``last`` is the last of them."""
    cdef const uint8_t *start = c.p
    while c.p != c.end and c.p[0] > 32 and c.p[0] != 127:
        c.p += 1
    if c.p == start:
        return False
    last[0] = c.p[-1]
    return one_space(c)


cdef bint host_and_tag(Cursor *c) noexcept nogil:
    """Skip ``host tag[123]: ``; the host may be left out."""
    cdef Cursor ahead = c[0]
    cdef uint8_t last = 0
    if not token(&ahead, &last):
        return False
    if last != c":" and not (token(&ahead, &last) and last == c":"):
        return False
    c[0] = ahead
    return True


cdef bint stream(Cursor *c) noexcept nogil:
    """Skip the stream and the tag that the container runtimes' format has after the time."""
    cdef Cursor ahead = c[0]
    if not (eat(&ahead, b"stdout ") or eat(&ahead, b"stderr ")):
        return False
    if not (eat(&ahead, b"F") or eat(&ahead, b"P")):
        return False
    # A line without text may have lost the space after the tag.
    if ahead.p != ahead.end and ahead.p[0] > 32:
        return False
    one_space(&ahead)
    c[0] = ahead
    return True


cdef bint timed(Cursor *c) noexcept nogil:
    """Skip an RFC 3339 time and what container runtimes or journald have after it."""
    if not rfc3339(c):
        return False
    if c.p == c.end or c.p[0] < 32:
        return True  # kubectl's timestamp of an empty line
    if not one_space(c):
        return False
    if not stream(c):
        host_and_tag(c)
    return True


cdef bint bsd(Cursor *c) noexcept nogil:
    """Skip ``Nov 30 12:00:00 host tag: ``."""
    if c.end - c.p < 4 or month_index(c.p) < 0 or c.p[3] != c" ":
        return False
    c.p += 4
    eat(c, b" ")
    if not (digits(c, 2) or digits(c, 1)):
        return False
    return one_space(c) and clock(c) and one_space(c) and host_and_tag(c)


cdef bint full(Cursor *c) noexcept nogil:
    """Skip ``Mon 2026-11-30 12:00:00 UTC host tag: ``."""
    cdef uint8_t last = 0
    if c.end - c.p < 4 or weekday_index(c.p) < 0 or c.p[3] != c" ":
        return False
    c.p += 4
    return (
        date(c) and one_space(c) and clock(c) and one_space(c) and token(c, &last)
        and host_and_tag(c)
    )


cdef bint structured_data(Cursor *c) noexcept nogil:
    """Skip ``-`` or ``[id name="value"]``, several of these without a space between."""
    cdef bint quoted = False
    if eat(c, b"-"):
        return True
    if c.p == c.end or c.p[0] != c"[":
        return False
    while c.p != c.end and c.p[0] == c"[":
        while c.p != c.end and (quoted or c.p[0] != c"]"):
            if c.p[0] < 32:
                return False
            if c.p[0] == c"\\" and quoted:
                c.p += 1
                if c.p == c.end or c.p[0] < 32:
                    return False
            elif c.p[0] == c'"':
                quoted = not quoted
            c.p += 1
        if not eat(c, b"]"):
            return False
    return True


cdef bint rfc5424(Cursor *c) noexcept nogil:
    """Skip what stands between the priority and the message, from the version on."""
    cdef uint8_t last = 0
    cdef int _i
    if not eat(c, b"1 "):
        return False
    if not (eat(c, b"-") or rfc3339(c)) or not one_space(c):
        return False
    for _i in range(4):
        if not token(c, &last):
            return False
    if not structured_data(c):
        return False
    if c.p == c.end or c.p[0] < 32:
        return True
    if not one_space(c):
        return False
    eat(c, b"\xef\xbb\xbf")
    return True


cdef inline bint either(Cursor *c, Rule first, Rule second) noexcept nogil:
    """Skip what the first or else the second rule takes; the cursor stays where neither does."""
    cdef Cursor start = c[0]
    if first(c):
        return True
    c[0] = start
    if second(c):
        return True
    c[0] = start
    return False


cdef bint syslog(Cursor *c) noexcept nogil:
    """Skip a priority, ``<13>``, and one of the two formats of syslog."""
    cdef uint64_t priority
    if not (eat(c, b"<") and number(c, 191, &priority) and eat(c, b">")):
        return False
    return either(c, rfc5424, bsd) or timed(c)


cdef bint kubectl(Cursor *c) noexcept nogil:
    """Skip ``[pod/name/container] ``."""
    if not eat(c, b"[pod/"):
        return False
    while c.p != c.end and c.p[0] > 32 and c.p[0] != c"]":
        c.p += 1
    if not eat(c, b"]"):
        return False
    if c.p == c.end or c.p[0] < 32:
        return True
    return one_space(c)


cdef bint one_prefix(Cursor *c) noexcept nogil:
    """Skip one prefix; the cursor is undefined if there is none."""
    cdef uint8_t first
    if c.p == c.end:
        return False
    first = c.p[0]
    if first == c"2":  # of a year; line numbers are not followed by "-"
        return timed(c)
    if first == c"[":
        return kubectl(c)
    if first == c"<":
        return syslog(c)
    if c"A" <= first <= c"Z":
        return either(c, full, bsd)
    return False


cdef const uint8_t *skip_log_prefix(const uint8_t *p, const uint8_t *end) noexcept nogil:
    """Give where the text begins; ``p`` itself where no prefix is known."""
    cdef Cursor c
    cdef int _i
    c.end = end
    for _i in range(NESTED):
        c.p = p
        if not one_prefix(&c):
            break
        p = c.p
    return p
