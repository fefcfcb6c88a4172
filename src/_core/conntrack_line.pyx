"""Takes one line of conntrack text, gives its fields or the cause why it is no record.

This is the whole grammar, one function a rule, in the order in which the tokens stand:

    line = [prefix] [time] [event] [l3] l4 [timeout] [state] TUPLE [zone-orig] [ACCT] [[UNREPLIED]]
           TUPLE [zone-reply] [ACCT] [flag] tail [user]

It is written to be obviously right; ``conntrack_fast`` takes the common shapes and has to agree.
Every function moves the cursor over what it read and gives OK or a cause; none reads at or past
``cursor.end``.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memchr, memcmp, strlen

from netpol._core.addresses_text cimport is_mapped, mapped_ipv4, parse_ipv4, parse_ipv6
from netpol._core.conntrack_cursor cimport (
    Cursor, at_end, eat, hexadecimal, is_digit, keyed, number, spaces,
)
from netpol._core.conntrack_prefix cimport skip_log_prefix
from netpol._core.conntrack_row cimport (
    ACCT, BAD_COUNTER, BAD_DST, BAD_FAMILY, BAD_GRE_KEY, BAD_ICMP, BAD_PORT, BAD_PROTOCOL, BAD_SRC,
    BAD_STATE, BAD_TIMEOUT, BAD_TIMESTAMP, BAD_ZONE, BINARY, EVENT_DESTROY, EVENT_NEW,
    EVENT_UPDATE, EXPECTATION, NO_REPLY_TUPLE, NOT_CONNTRACK, OK, TRUNCATED, UNREPLIED, WIDE,
    Address, Row, Tuple, clear_row,
)
from netpol._core.conntrack_tail cimport flag, tail

# What the names of layer 4 imply. The keys of a tuple follow the name, not the number: /proc
# prints "unknown 33" without ports where the library prints "dccp 33" with them.
cdef enum Shape:  # private
    SHAPE_PORTS
    SHAPE_ICMP
    SHAPE_GRE
    SHAPE_NONE


cdef struct Protocol:
    const char *name
    int number  # -1: any
    Shape shape


cdef Protocol PROTOCOLS[9]
PROTOCOLS[0] = Protocol(b"tcp", 6, SHAPE_PORTS)
PROTOCOLS[1] = Protocol(b"udp", 17, SHAPE_PORTS)
PROTOCOLS[2] = Protocol(b"icmp", 1, SHAPE_ICMP)
PROTOCOLS[3] = Protocol(b"icmpv6", 58, SHAPE_ICMP)
PROTOCOLS[4] = Protocol(b"sctp", 132, SHAPE_PORTS)
PROTOCOLS[5] = Protocol(b"gre", 47, SHAPE_GRE)
PROTOCOLS[6] = Protocol(b"udplite", 136, SHAPE_PORTS)
PROTOCOLS[7] = Protocol(b"dccp", 33, SHAPE_PORTS)
PROTOCOLS[8] = Protocol(b"unknown", -1, SHAPE_NONE)

# Index + 1 is the state code; 0 is "no state", 255 a name not listed (it decides nothing).
cdef const char *STATES[28]
STATES[:] = [
    b"NONE", b"SYN_SENT", b"SYN_RECV", b"ESTABLISHED", b"FIN_WAIT", b"CLOSE_WAIT", b"LAST_ACK",
    b"TIME_WAIT", b"CLOSE", b"SYN_SENT2", b"LISTEN",
    b"CLOSED", b"COOKIE_WAIT", b"COOKIE_ECHOED", b"SHUTDOWN_SENT", b"SHUTDOWN_RECD",
    b"SHUTDOWN_ACK_SENT", b"HEARTBEAT_SENT", b"HEARTBEAT_ACKED",
    b"REQUEST", b"RESPOND", b"PARTOPEN", b"OPEN", b"CLOSEREQ", b"CLOSING", b"TIMEWAIT", b"IGNORE",
    b"INVALID",
]

#: Names of the state codes: ``STATE_NAMES[code]``; 0 is no state, 255 (not here) any other name.
STATE_NAMES = ("",) + tuple(STATES[i].decode() for i in range(28))

cdef uint8_t state_code(const uint8_t *p, size_t length) noexcept nogil:
    cdef int i
    for i in range(28):
        if strlen(STATES[i]) == length and memcmp(STATES[i], p, length) == 0:
            return i + 1
    return 255


# --- head --------------------------------------------------------------------------------------

cdef const uint8_t *skip_number(const uint8_t *p, const uint8_t *end) noexcept nogil:
    """Skip indentation and the number that grep -n, cat -n or nl put before a line."""
    cdef const uint8_t *q
    while p != end and (p[0] == c" " or p[0] == c"\t"):
        p += 1
    q = p
    while q != end and is_digit(q[0]):
        q += 1
    if q == p or q == end or (q[0] != c":" and q[0] != c" " and q[0] != c"\t"):
        return p
    q += 1
    while q != end and (q[0] == c" " or q[0] == c"\t"):
        q += 1
    return q


cdef const uint8_t *skip_prefix(const uint8_t *p, const uint8_t *end) noexcept nogil:
    """Skip all that stands before what conntrack wrote: line numbers, and prefixes of logs."""
    cdef const uint8_t *content
    p = skip_number(p, end)
    content = skip_log_prefix(p, end)
    return p if content == p else skip_number(content, end)


cdef int timestamp(Cursor *c, Row *row) noexcept nogil:
    """Read ``[seconds.micros]`` and the tab after it, if the line begins with one.

    Before conntrack-tools 1.4.5 both were numbers padded with blanks: ``[1795400074.480   ]``.
    """
    cdef uint64_t seconds, micros
    cdef const uint8_t *start
    if c.end - c.p < 2 or c.p[0] != c"[" or not is_digit(c.p[1]):
        return OK
    c.p += 1
    # Beyond 2262 nanoseconds do not fit in 64 bits.
    if not number(c, 9223372035u, &seconds):
        return BAD_TIMESTAMP
    while c.p != c.end and c.p[0] == c" ":
        c.p += 1
    if not eat(c, b"."):
        return BAD_TIMESTAMP
    start = c.p
    if not number(c, 999999, &micros):
        return BAD_TIMESTAMP
    while c.p != c.end and c.p[0] == c" ":
        c.p += 1
    if c.p - start != 6 or not eat(c, b"]"):
        return BAD_TIMESTAMP
    if c.p == c.end or (c.p[0] != c"\t" and c.p[0] != c" "):
        return BAD_TIMESTAMP
    while c.p != c.end and (c.p[0] == c"\t" or c.p[0] == c" "):
        c.p += 1
    row.time = <int64_t> (seconds * 1000000000 + micros * 1000)
    return OK


cdef int event(Cursor *c, Row *row) noexcept nogil:
    """Read the event's type if there is one."""
    if eat(c, b"[NEW]"):
        row.event = EVENT_NEW
    elif eat(c, b"[UPDATE]"):
        row.event = EVENT_UPDATE
    elif eat(c, b"[DESTROY]"):
        row.event = EVENT_DESTROY
    else:
        return OK
    return OK if spaces(c) else NOT_CONNTRACK


cdef bint names_layer4(Cursor *c) noexcept nogil:
    """Whether a layer 4 name comes next: lower case, but not the first tuple."""
    return (
        c.p != c.end and c"a" <= c.p[0] <= c"z"
        and not (c.end - c.p >= 4 and memcmp(c.p, b"src=", 4) == 0)
        and not (c.end - c.p >= 8 and memcmp(c.p, b"timeout=", 8) == 0)
    )


cdef int layer3(Cursor *c, int *family) noexcept nogil:
    """Read the layer 3 name and number if there; ``family`` is 4, 6 or 0 for not said."""
    cdef Cursor ahead = c[0]
    cdef uint64_t value
    family[0] = 0
    if eat(c, b"ipv4"):
        family[0] = 4
        return OK if spaces(c) and keyed(c, b"", 2, &value) and value == 2 else BAD_FAMILY
    if eat(c, b"ipv6"):
        family[0] = 6
        return OK if spaces(c) and keyed(c, b"", 10, &value) and value == 10 else BAD_FAMILY
    # "unknown" may be either layer's; it is layer 3's if another name follows its number.
    if eat(&ahead, b"unknown") and spaces(&ahead) and keyed(&ahead, b"", 255, &value):
        if names_layer4(&ahead):
            c[0] = ahead
    return OK


cdef int layer4(Cursor *c, Row *row, Shape *shape) noexcept nogil:
    """Read the protocol's name and number. Where the name is a known one they have to agree."""
    cdef const uint8_t *start = c.p
    cdef size_t length
    cdef uint64_t value
    cdef int i
    while c.p != c.end and (c"a" <= c.p[0] <= c"z" or is_digit(c.p[0])):
        c.p += 1
    length = c.p - start
    for i in range(9):
        if length == strlen(PROTOCOLS[i].name) and memcmp(start, PROTOCOLS[i].name, length) == 0:
            break
    else:
        return NOT_CONNTRACK
    if not spaces(c) or not keyed(c, b"", 255, &value):
        return BAD_PROTOCOL
    if PROTOCOLS[i].number >= 0 and PROTOCOLS[i].number != <int> value:
        return BAD_PROTOCOL
    row.protocol = <uint8_t> value
    shape[0] = PROTOCOLS[i].shape
    return OK


cdef int timeout_and_state(Cursor *c, Row *row, Shape shape) noexcept nogil:
    """Read the optional timeout, the timeouts that /proc adds for GRE, and the optional state."""
    cdef uint64_t value
    cdef const uint8_t *start
    if c.p != c.end and is_digit(c.p[0]):
        if not keyed(c, b"", 0xffffffffu, &value):
            return BAD_TIMEOUT
    if shape == SHAPE_GRE and eat(c, b"timeout="):
        if not number(c, 0xffffffffu, &value) or not eat(c, b",") or not spaces(c):
            return BAD_TIMEOUT
        if not keyed(c, b"stream_timeout=", 0xffffffffu, &value):
            return BAD_TIMEOUT
    if c.p == c.end or not c"A" <= c.p[0] <= c"Z":
        return OK
    start = c.p
    while c.p != c.end and (c"A" <= c.p[0] <= c"Z" or is_digit(c.p[0]) or c.p[0] == c"_"):
        c.p += 1
    if row.protocol != 6 and row.protocol != 132 and row.protocol != 33:
        return BAD_STATE
    row.state = state_code(start, c.p - start)
    return OK if spaces(c) else BAD_STATE


# --- tuples ------------------------------------------------------------------------------------

cdef bint address(Cursor *c, const char *key, Address *out) noexcept nogil:
    """Read ``key`` and an address; a v4-mapped one is folded to IPv4."""
    cdef const uint8_t *stop
    if not eat(c, key):
        return False
    stop = parse_ipv4(c.p, c.end, &out.v4)
    out.colons = stop == NULL
    out.wide = False
    if out.colons:
        stop = parse_ipv6(c.p, c.end, out.v6)
        if stop == NULL:
            return False
        out.wide = not is_mapped(out.v6)
        if not out.wide:
            out.v4 = mapped_ipv4(out.v6)
    c.p = stop
    return at_end(c) and spaces(c)


cdef int tuple_(Cursor *c, Shape shape, Tuple *t) noexcept nogil:
    """Read the addresses and, by protocol, ports, type and code, or keys."""
    cdef uint64_t a = 0, b = 0, d = 0
    if not address(c, b"src=", &t.src):
        return BAD_SRC
    if not address(c, b"dst=", &t.dst):
        return BAD_DST
    if shape == SHAPE_PORTS:
        if not keyed(c, b"sport=", 65535, &a) or not keyed(c, b"dport=", 65535, &b):
            return BAD_PORT
    elif shape == SHAPE_ICMP:
        if not keyed(c, b"type=", 255, &b) or not keyed(c, b"code=", 255, &d):
            return BAD_ICMP
        t.icmp_type = <uint8_t> b
        t.icmp_code = <uint8_t> d
        b = 0
        if not keyed(c, b"id=", 65535, &a):
            return BAD_ICMP
    elif shape == SHAPE_GRE:
        if not hexadecimal(c, b"srckey=0x", &a) or not hexadecimal(c, b"dstkey=0x", &b):
            return BAD_GRE_KEY
    t.sport = <uint16_t> a
    t.dport = <uint16_t> b
    return OK


cdef int zone_and_counters(Cursor *c, const char *key, uint16_t *zone, Tuple *t, Row *row) \
        noexcept nogil:
    """Read what may follow a tuple: its zone and its counters."""
    cdef uint64_t value
    cdef Cursor ahead = c[0]
    if eat(&ahead, key):
        if not keyed(c, key, 65535, &value):
            return BAD_ZONE
        zone[0] = <uint16_t> value
        ahead = c[0]
    if eat(&ahead, b"packets="):
        if not keyed(c, b"packets=", 0xffffffffffffffffu, &t.packets):
            return BAD_COUNTER
        if not keyed(c, b"bytes=", 0xffffffffffffffffu, &t.bytes):
            return BAD_COUNTER
        row.flags |= ACCT
    return OK


# --- line --------------------------------------------------------------------------------------

cdef bint same_address(Address *a, Address *b) noexcept nogil:
    if a.wide != b.wide:
        return False
    return memcmp(a.v6, b.v6, 16) == 0 if a.wide else a.v4 == b.v4


cdef int check_families(Row *row, int family) noexcept nogil:
    """All addresses are written in one family, the one layer 3 names if it names one."""
    cdef bint colons = row.orig.src.colons
    if row.orig.dst.colons != colons or row.reply.src.colons != colons:
        return BAD_FAMILY
    if row.reply.dst.colons != colons or (family and (family == 6) != colons):
        return BAD_FAMILY
    if row.orig.src.wide or row.orig.dst.wide or row.reply.src.wide or row.reply.dst.wide:
        row.flags |= WIDE
    return OK


cdef bint cut_short(const Cursor *c, Row *row, const uint8_t *tuple_end) noexcept nogil:
    """Whether a line without its newline may lack digits of a field that matters.

    A shorter mark decides nothing, so what follows the counters is not missed. A line that ends
    with the reply tuple is whole for certain only if it mirrors the original one.
    """
    cdef const uint8_t *last = c.end
    if tuple_end == c.end:
        return not (
            same_address(&row.orig.src, &row.reply.dst) and row.orig.sport == row.reply.dport
        )
    while last[-1] != c" ":
        last -= 1
    return c.end - last >= 6 and memcmp(last, b"bytes=", 6) == 0


cdef int fields(Cursor *c, Row *row, const uint8_t **tuple_end) noexcept nogil:
    """Read every field of a line, from after its prefix on."""
    cdef int cause, family
    cdef Shape shape
    cause = timestamp(c, row)
    if cause:
        return cause
    while c.p != c.end and c.p[0] == c" ":
        c.p += 1
    cause = event(c, row)
    if cause == OK:
        cause = layer3(c, &family)
    if cause == OK:
        cause = layer4(c, row, &shape)
    if cause == OK:
        cause = timeout_and_state(c, row, shape)
    if cause == OK:
        cause = tuple_(c, shape, &row.orig)
    if cause == OK:
        cause = zone_and_counters(c, b"zone-orig=", &row.zone_orig, &row.orig, row)
    if cause:
        return cause
    if eat(c, b"[UNREPLIED]"):
        row.flags |= UNREPLIED
        if not spaces(c):
            return NO_REPLY_TUPLE
    if c.end - c.p < 4 or memcmp(c.p, b"src=", 4) != 0:
        return NO_REPLY_TUPLE
    cause = tuple_(c, shape, &row.reply)
    tuple_end[0] = c.p
    if cause == OK:
        cause = zone_and_counters(c, b"zone-reply=", &row.zone_reply, &row.reply, row)
    if cause == OK:
        cause = flag(c, row)
    if cause == OK:
        cause = tail(c, row)
    return check_families(row, family) if cause == OK else cause


cdef bint is_expectation(Cursor *c) noexcept nogil:
    """Whether a line without its prefix is of the table of expected connections, or its event."""
    cdef Row ignored
    if timestamp(c, &ignored):
        return False
    spaces(c)
    if event(c, &ignored):
        return False
    if eat(c, b"-"):  # no timeout
        spaces(c)
    else:
        c.p = skip_number(c.p, c.end)
    return eat(c, b"proto=") or eat(c, b"l3proto = ")


cdef bint has_binary(const uint8_t *p, const uint8_t *end) noexcept nogil:
    """Whether there are bytes that conntrack never prints."""
    while p != end:
        if (p[0] < 32 and p[0] != c"\t") or p[0] >= 127:
            return True
        p += 1
    return False


cdef bint is_blank(const uint8_t *begin, const uint8_t *end) noexcept nogil:
    while begin != end and (begin[0] == c" " or begin[0] == c"\t" or begin[0] == c"\r"):
        begin += 1
    return begin == end


cdef const uint8_t *find_notice(const uint8_t *begin, const uint8_t *end) noexcept nogil:
    """Find the summary that conntrack prints on stderr, ``conntrack v1.4.7 (conntrack-tools): ``.

    Gives where it begins, NULL if it is not in the line. No field holds a parenthesis, so the
    search costs one memchr.
    """
    cdef const uint8_t *paren = <const uint8_t *> memchr(begin, c"(", end - begin)
    cdef const uint8_t *p
    if paren == NULL or end - paren < 18 or memcmp(paren, b"(conntrack-tools):", 18) != 0:
        return NULL
    p = paren
    if p == begin or p[-1] != c" ":
        return NULL
    p -= 1
    while p != begin and (is_digit(p[-1]) or p[-1] == c"."):
        p -= 1
    if p - begin < 11 or memcmp(p - 11, b"conntrack v", 11) != 0:
        return NULL
    return p - 11


cdef int parse_line(
    const uint8_t *begin, const uint8_t *end, bint terminated, Row *row
) noexcept nogil:
    """Parse one line, [begin, end) without its newline, into ``row``; give OK or the cause.

    ``terminated`` says that a newline followed; else a file may have been cut short there.
    EXPECTATION is neither OK nor a cause: the line is whole, but of another table.
    """
    cdef Cursor c
    cdef Cursor ahead
    cdef const uint8_t *content
    cdef const uint8_t *tuple_end = NULL
    cdef int cause
    while begin != end and (end[-1] == c" " or end[-1] == c"\t" or end[-1] == c"\r"):
        end -= 1
        terminated = True
    c.p = skip_prefix(begin, end)
    c.end = end
    clear_row(row)
    content = c.p
    cause = fields(&c, row, &tuple_end)
    if cause == OK:
        return OK if terminated or not cut_short(&c, row, tuple_end) else TRUNCATED
    if cause == NOT_CONNTRACK:
        ahead.p = content
        ahead.end = end
        if is_expectation(&ahead):
            return EXPECTATION
    if has_binary(begin, end):
        return BINARY
    # Families are compared when the whole line is read.
    if cause != NOT_CONNTRACK and cause != BAD_FAMILY and (c.p == end or not terminated):
        return TRUNCATED
    return cause
