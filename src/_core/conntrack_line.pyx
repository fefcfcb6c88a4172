"""Takes one line of conntrack text, gives its fields or the cause why it is no record.

This is the whole grammar, one function a rule, in the order in which the tokens stand:

    line   = [prefix] [time] [event] [l3] l4 [timeout] [state] TUPLE [zone-orig] [ACCT] [[UNREPLIED]]
             TUPLE [zone-reply] [ACCT] [flag] tail [user]

It is written to be obviously right; ``conntrack_fast`` takes the common shapes and has to agree.
Every function moves the cursor over what it read and gives OK or a cause; none reads at or past
``cursor.end``.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, strlen

from netpol._core.addresses_text cimport is_mapped, mapped_ipv4, parse_ipv4, parse_ipv6
from netpol._core.conntrack_row cimport (
    ACCT, ASSURED, BAD_COUNTER, BAD_DST, BAD_FAMILY, BAD_GRE_KEY, BAD_ICMP, BAD_PORT, BAD_PROTOCOL,
    BAD_SRC, BAD_STATE, BAD_TAIL, BAD_TIMEOUT, BAD_TIMESTAMP, BAD_ZONE, BINARY, EVENT_DESTROY,
    EVENT_NEW, EVENT_UPDATE, HW_OFFLOAD, NO_REPLY_TUPLE, NOT_CONNTRACK, OFFLOAD, OK, TRUNCATED,
    UNREPLIED, USERSPACE, WIDE, Address, Row, Tuple, clear_row,
)


cdef struct Cursor:
    const uint8_t *p
    const uint8_t *end


# What the names of layer 4 imply. The keys of a tuple follow the name, not the number: /proc
# prints "unknown 33" without ports where the library prints "dccp 33" with them.
cdef enum Shape:
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

cdef const char *DAYS = b"MonTueWedThuFriSatSun"
cdef const char *MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"

cdef enum Tail:
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


cdef uint8_t state_code(const uint8_t *p, size_t length) noexcept nogil:
    cdef int i
    for i in range(28):
        if strlen(STATES[i]) == length and memcmp(STATES[i], p, length) == 0:
            return i + 1
    return 255


# --- tokens ------------------------------------------------------------------------------------

cdef inline bint eat(Cursor *c, const char *word) noexcept nogil:
    cdef size_t n = strlen(word)
    if <size_t> (c.end - c.p) < n or memcmp(c.p, word, n) != 0:
        return False
    c.p += n
    return True


cdef inline bint at_end(Cursor *c) noexcept nogil:
    """Whether a token is over: at the end of the line or before a space."""
    return c.p == c.end or c.p[0] == c" "


cdef inline bint spaces(Cursor *c) noexcept nogil:
    """Skip one or more spaces; at the end of the line none is needed."""
    if c.p == c.end:
        return True
    if c.p[0] != c" ":
        return False
    while c.p != c.end and c.p[0] == c" ":
        c.p += 1
    return True


cdef inline bint is_digit(uint8_t ch) noexcept nogil:
    return c"0" <= ch <= c"9"


cdef bint number(Cursor *c, uint64_t limit, uint64_t *out) noexcept nogil:
    """Read decimal digits, at most ``limit``; False if there is none or it is larger."""
    cdef uint64_t value = 0, digit
    cdef const uint8_t *start = c.p
    while c.p != c.end and is_digit(c.p[0]):
        digit = c.p[0] - c"0"
        if value > (limit - digit) // 10:
            return False
        value = value * 10 + digit
        c.p += 1
    out[0] = value
    return c.p != start


cdef bint keyed(Cursor *c, const char *key, uint64_t limit, uint64_t *out) noexcept nogil:
    """Read ``key`` (with its "="), a number and the spaces after it."""
    return eat(c, key) and number(c, limit, out) and spaces(c)


cdef bint hexadecimal(Cursor *c, const char *key, uint64_t *out) noexcept nogil:
    """Read ``key`` (with its "=0x"), hexadecimal digits below 2^32 and the spaces after them."""
    cdef int digits = 0
    cdef uint8_t ch
    if not eat(c, key):
        return False
    out[0] = 0
    while c.p != c.end and digits < 9:
        ch = c.p[0]
        if is_digit(ch):
            out[0] = out[0] << 4 | <uint64_t> (ch - c"0")
        elif c"a" <= (ch | 0x20) <= c"f":
            out[0] = out[0] << 4 | <uint64_t> ((ch | 0x20) - c"a" + 10)
        else:
            break
        digits += 1
        c.p += 1
    return 0 < digits < 9 and spaces(c)


cdef bint word(Cursor *c) noexcept nogil:
    """Skip a non-empty run of printable characters and the spaces after it."""
    cdef const uint8_t *start = c.p
    while c.p != c.end and c.p[0] > 32 and c.p[0] != 127:
        c.p += 1
    return c.p != start and spaces(c)


# --- head --------------------------------------------------------------------------------------

cdef const uint8_t *skip_prefix(const uint8_t *p, const uint8_t *end) noexcept nogil:
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


cdef int timestamp(Cursor *c, Row *row) noexcept nogil:
    """Read ``[seconds.micros]`` and the tab after it, if the line begins with one."""
    cdef uint64_t seconds, micros
    cdef const uint8_t *start
    if c.end - c.p < 2 or c.p[0] != c"[" or not is_digit(c.p[1]):
        return OK
    c.p += 1
    # Beyond 2262 nanoseconds do not fit in 64 bits.
    if not number(c, 9223372035u, &seconds) or not eat(c, b"."):
        return BAD_TIMESTAMP
    start = c.p
    if not number(c, 999999, &micros) or c.p - start != 6 or not eat(c, b"]"):
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


# --- tail --------------------------------------------------------------------------------------

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
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469


cdef bint ctime_text(const uint8_t *p, int64_t *seconds) noexcept nogil:
    """Read the 24 characters that ctime prints: ``Mon Nov 23 02:10:15 2026``."""
    cdef int month = name_index(p + 4, MONTHS, 12)
    cdef int day = two_digits(p + 8), hour = two_digits(p + 11), minute = two_digits(p + 14)
    cdef int second = two_digits(p + 17), high = two_digits(p + 20), low = two_digits(p + 22)
    if name_index(p, DAYS, 7) < 0 or month < 0 or day > 31 or day < 1:
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


cdef int tail_key(Cursor *c, Row *row) noexcept nogil:
    """Read one token of the tail; give its Tail bit, 0 if it is not well formed."""
    cdef uint64_t value = 0
    cdef int64_t stop
    if c.p[0] == c"m":
        return TAIL_MARK if keyed(c, b"mark=", 0xffffffffu, &value) else 0
    if c.p[0] == c"u":
        return TAIL_USE if keyed(c, b"use=", 0xffffffffu, &value) else 0
    if c.p[0] == c"i":
        return TAIL_ID if keyed(c, b"id=", 0xffffffffu, &value) else 0
    if c.p[0] == c"h":
        return TAIL_HELPER if eat(c, b"helper=") and word(c) else 0
    if c.p[0] == c"l":
        return TAIL_LABELS if eat(c, b"labels=") and rest_of_line(c) else 0
    if c.p[0] == c"d":
        if not keyed(c, b"delta-time=", 0x7fffffffffffffffu, &value):
            return 0
        row.delta_time = <int64_t> value
        return TAIL_DELTA
    if c.p[0] == c"z":
        if not keyed(c, b"zone=", 65535, &value):
            return 0
        row.zone_orig = <uint16_t> value
        row.zone_reply = <uint16_t> value
        return TAIL_ZONE
    if c.p[0] == c"s":
        if eat(c, b"secctx="):
            return TAIL_SECCTX if word(c) else 0
        return TAIL_SECMARK if keyed(c, b"secmark=", 0xffffffffu, &value) else 0
    if c.p[0] == c"[":
        if c.end - c.p > 4 and c.p[3] == c"a":
            return TAIL_START if bracketed_time(c, b"[start=", &row.start) else 0
        return TAIL_STOP if bracketed_time(c, b"[stop=", &stop) else 0
    return 0


cdef int tail(Cursor *c, Row *row) noexcept nogil:
    """Read the tail: known keys, each at most once."""
    cdef int seen = 0, bit
    while c.p != c.end:
        if eat(c, b"[USERSPACE]"):
            return OK if userspace(c, row) else BAD_TAIL
        bit = tail_key(c, row)
        if bit == 0 or seen & bit:
            return BAD_TAIL
        seen |= bit
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
    """Read every field of a line whose prefix is gone."""
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


cdef bint has_binary(const uint8_t *p, const uint8_t *end) noexcept nogil:
    """Whether bytes are there that no text of conntrack holds."""
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

    ``terminated`` says that the line's end is its end, not that of a file cut short.
    """
    cdef Cursor c
    cdef const uint8_t *tuple_end = NULL
    cdef int cause
    while begin != end and (end[-1] == c" " or end[-1] == c"\t" or end[-1] == c"\r"):
        end -= 1
        terminated = True
    c.p = skip_prefix(begin, end)
    c.end = end
    clear_row(row)
    cause = fields(&c, row, &tuple_end)
    if cause == OK:
        return OK if terminated or not cut_short(&c, row, tuple_end) else TRUNCATED
    if has_binary(begin, end):
        return BINARY
    if cause != NOT_CONNTRACK and (c.p == end or not terminated):
        return TRUNCATED
    return cause
