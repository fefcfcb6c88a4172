"""Takes the start of a line of conntrack text, gives its fields if it has a common shape.

Common is: ``-L`` and ``-E`` with any of timestamp, extended, id, or /proc; tcp, udp, icmp, icmpv6
or sctp; one space between tokens as the printers write them; numbers of at most 8 digits (16 for
counters). Whatever else is left to ``conntrack_line``, which decides alike on every line both take.
There is no search for the line's end: the fields lead to it.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp

from netpol._core.addresses_text cimport (
    digit_run7, digit_run8, digits8, is_mapped, mapped_ipv4, parse_ipv4_fast, parse_ipv6,
    two_digits8,
)
from netpol._core.conntrack_line cimport state_code
from netpol._core.conntrack_marked cimport HAS_MARKS, marked_tuples
from netpol._core.conntrack_row cimport (
    ACCT, ASSURED, EVENT_DESTROY, EVENT_NEW, EVENT_UPDATE, HW_OFFLOAD, OFFLOAD, UNREPLIED, WIDE,
    Address, Row, Tuple, clear_row,
)
from netpol._core.portability cimport load32, load64


cdef extern from "ipv4_text.h" nogil:
    bint HAS_IPV4 "NETPOL_HAS_IPV4"
    void ipv4_init "netpol_ipv4_init"()
    unsigned ipv4 "netpol_ipv4"(const uint8_t *p, uint32_t *out)

ipv4_init()

# The common states.
cdef enum:  # = some of netpol._core.conntrack.STATE_NAMES as STATE_*
    STATE_SYN_SENT = 2
    STATE_SYN_RECV = 3
    STATE_ESTABLISHED = 4
    STATE_FIN_WAIT = 5
    STATE_CLOSE_WAIT = 6
    STATE_LAST_ACK = 7
    STATE_TIME_WAIT = 8


cdef inline uint64_t word8(const char *text) noexcept nogil:
    """Give 8 characters as the word that ``load64`` would read."""
    return load64(<const uint8_t *> text)


cdef inline uint32_t word4(const char *text) noexcept nogil:
    """Give 4 characters as the word that ``load32`` would read."""
    return load32(<const uint8_t *> text)


cdef inline const uint8_t *digits(const uint8_t *p, uint64_t *out) noexcept nogil:
    """Read 1 to 7 digits; digits that follow end no field, so callers refuse them."""
    cdef uint64_t word = load64(p)
    cdef unsigned length = digit_run7(word)
    if length == 0:
        return NULL
    out[0] = digits8(word, length)
    return p + length


cdef inline const uint8_t *counter(const uint8_t *p, uint64_t *out) noexcept nogil:
    """Read 1 to 16 digits."""
    cdef uint64_t word = load64(p), low
    cdef unsigned length = digit_run8(word)
    if length - 1 > 7:
        return NULL
    out[0] = digits8(word, length)
    if length < 8:
        return p + length
    word = load64(p + 8)
    length = digit_run8(word)
    if length == 0:
        return p + 8
    low = digits8(word, length)
    while length:
        out[0] *= 10
        length -= 1
        p += 1
    out[0] += low
    return p + 8


cdef inline const uint8_t *address(const uint8_t *p, Address *out) noexcept nogil:
    """Read an address after its key."""
    cdef const uint8_t *stop
    cdef unsigned length
    out.wide = False
    out.colons = False
    if HAS_IPV4:
        length = ipv4(p, &out.v4)
        if length:
            return p + length
    else:
        stop = parse_ipv4_fast(p, &out.v4)
        if stop != NULL:
            return stop
    # 46 readable bytes hold every IPv6 address and the character after it.
    stop = parse_ipv6(p, p + 46, out.v6)
    if stop == NULL:
        return NULL
    out.colons = True
    out.wide = not is_mapped(out.v6)
    if not out.wide:
        out.v4 = mapped_ipv4(out.v6)
    return stop


cdef inline const uint8_t *ports(const uint8_t *p, Tuple *t) noexcept nogil:
    """Read `` sport=N dport=N``."""
    cdef uint64_t first, second, sport, dport
    cdef unsigned length, more
    first = load64(p + 7)
    length = digit_run7(first)
    if load64(p) << 8 != word8(b" sport=") << 8 or length == 0:
        return NULL
    p += 7 + length
    second = load64(p + 7)
    more = digit_run7(second)
    if load64(p) << 8 != word8(b" dport=") << 8 or more == 0:
        return NULL
    two_digits8(first, length, second, more, &sport, &dport)
    if (sport | dport) > 65535:
        return NULL
    t.sport = <uint16_t> sport
    t.dport = <uint16_t> dport
    return p + 7 + more


cdef inline const uint8_t *icmp(const uint8_t *p, Tuple *t) noexcept nogil:
    """Read `` type=N code=N id=N``."""
    cdef uint64_t value
    if memcmp(p, b" type=", 6) != 0:
        return NULL
    p = digits(p + 6, &value)
    if p == NULL or value > 255 or memcmp(p, b" code=", 6) != 0:
        return NULL
    t.icmp_type = <uint8_t> value
    p = digits(p + 6, &value)
    if p == NULL or value > 255 or memcmp(p, b" id=", 4) != 0:
        return NULL
    t.icmp_code = <uint8_t> value
    p = digits(p + 4, &value)
    if p == NULL or value > 65535:
        return NULL
    t.sport = <uint16_t> value
    return p


cdef inline const uint8_t *tuple_(const uint8_t *p, bint is_icmp, Tuple *t) noexcept nogil:
    """Read a tuple from ``src=`` on; stop after its last digit."""
    if memcmp(p, b"src=", 4) != 0:
        return NULL
    p = address(p + 4, &t.src)
    if p == NULL or memcmp(p, b" dst=", 5) != 0:
        return NULL
    p = address(p + 5, &t.dst)
    if p == NULL:
        return NULL
    return icmp(p, t) if is_icmp else ports(p, t)


cdef inline const uint8_t *counters(const uint8_t *p, Row *row, Tuple *t) noexcept nogil:
    """Read `` packets=N bytes=N`` if there."""
    cdef uint64_t first, second
    cdef unsigned length, more
    if load64(p) != word8(b" packets"):
        return p
    row.flags |= ACCT
    first = load64(p + 9)
    length = digit_run7(first)
    second = load64(p + 16 + length)
    more = digit_run7(second)
    if (
        p[8] == c"=" and length and more and (more < 7 or p[23 + length] == c" ")
        and load64(p + 9 + length) << 8 == word8(b" bytes=") << 8
    ):
        two_digits8(first, length, second, more, &t.packets, &t.bytes)
        return p + 16 + length + more
    return long_counters(p, t)


cdef const uint8_t *long_counters(const uint8_t *p, Tuple *t) noexcept nogil:
    """Read `` packets=N bytes=N`` where a number has 8 digits or more."""
    if p[8] != c"=":
        return NULL
    p = counter(p + 9, &t.packets)
    if p == NULL or memcmp(p, b" bytes=", 7) != 0:
        return NULL
    return counter(p + 7, &t.bytes)


cdef const uint8_t *tuples(const uint8_t *p, bint is_icmp, Row *row) noexcept nogil:
    """Read both tuples with their counters, field after field."""
    p = tuple_(p, is_icmp, &row.orig)
    if p == NULL:
        return NULL
    p = counters(p, row, &row.orig)
    if p == NULL:
        return NULL
    if load64(p) == word8(b" [UNREPL") and load32(p + 8) == word4(b"IED]"):
        row.flags |= UNREPLIED
        p += 12
    if p[0] != c" ":
        return NULL
    p = tuple_(p + 1, is_icmp, &row.reply)
    return counters(p, row, &row.reply) if p != NULL else NULL


cdef inline const uint8_t *time_and_event(const uint8_t *p, Row *row) noexcept nogil:
    """Read ``[seconds.micros]`` TAB and the event's type, each if there."""
    cdef uint64_t seconds, micros, word
    if p[0] == c"[" and p[11] == c".":
        # Ten digits, six digits; two of the ten are read with the second word.
        if digit_run8(load64(p + 1)) < 8 or digit_run8(load64(p + 9)) != 2:
            return NULL
        if digit_run8(load64(p + 12)) != 6 or p[18] != c"]" or p[19] != c"\t":
            return NULL
        seconds = digits8(load64(p + 1), 8) * 100 + digits8(load64(p + 9), 2)
        if seconds > 9223372035u:
            return NULL
        micros = digits8(load64(p + 12), 6)
        row.time = <int64_t> (seconds * 1000000000 + micros * 1000)
        p += 20
    word = load64(p)
    if word == word8(b"    [NEW"):
        row.event = EVENT_NEW
    elif word == word8(b" [UPDATE"):
        row.event = EVENT_UPDATE
    elif word == word8(b"[DESTROY"):
        row.event = EVENT_DESTROY
    else:
        return p
    return p + 10 if p[8] == c"]" and p[9] == c" " else NULL


cdef inline const uint8_t *layers(
    const uint8_t *p, Row *row, int *family, bint *is_icmp
) noexcept nogil:
    """Read layer 3 if there, and layer 4's name and number with the space after it."""
    cdef uint64_t word = load64(p)
    family[0] = 0
    if word == word8(b"ipv4    "):
        if p[8] != c" " or p[9] != c"2" or p[10] != c" ":
            return NULL
        family[0] = 4
        p += 11
        word = load64(p)
    elif word == word8(b"ipv6    "):
        if load32(p + 8) != word4(b" 10 "):
            return NULL
        family[0] = 6
        p += 12
        word = load64(p)
    is_icmp[0] = False
    if word == word8(b"tcp     "):
        row.protocol = 6
        return p + 11 if p[8] == c" " and p[9] == c"6" and p[10] == c" " else NULL
    if word == word8(b"udp     "):
        row.protocol = 17
        return p + 12 if load32(p + 8) == word4(b" 17 ") else NULL
    if word == word8(b"icmp    "):
        row.protocol = 1
        is_icmp[0] = True
        return p + 11 if p[8] == c" " and p[9] == c"1" and p[10] == c" " else NULL
    if word == word8(b"icmpv6  "):
        row.protocol = 58
        is_icmp[0] = True
        return p + 12 if load32(p + 8) == word4(b" 58 ") else NULL
    if word == word8(b"sctp    "):
        row.protocol = 132
        return p + 13 if load32(p + 8) == word4(b" 132") and p[12] == c" " else NULL
    return NULL


cdef inline const uint8_t *timeout_and_state(const uint8_t *p, Row *row) noexcept nogil:
    """Read the timeout and the state, each if there."""
    cdef uint64_t ignored, word
    cdef const uint8_t *start
    if c"0" <= p[0] <= c"9":
        p = digits(p, &ignored)
        if p == NULL or p[0] != c" ":
            return NULL
        p += 1
    if p[0] == c"s":
        return p
    if row.protocol != 6 and row.protocol != 132:
        return NULL
    start = p
    word = load64(p)
    if word == word8(b"ESTABLIS") and load32(p + 8) == word4(b"HED "):
        row.state = STATE_ESTABLISHED
        return p + 12
    if word == word8(b"TIME_WAI") and p[8] == c"T" and p[9] == c" ":
        row.state = STATE_TIME_WAIT
        return p + 10
    if word == word8(b"CLOSE_WA") and load32(p + 7) == word4(b"AIT "):
        row.state = STATE_CLOSE_WAIT
        return p + 11
    if p[8] == c" ":
        row.state = (
            STATE_FIN_WAIT * (word == word8(b"FIN_WAIT"))
            + STATE_LAST_ACK * (word == word8(b"LAST_ACK"))
            + STATE_SYN_SENT * (word == word8(b"SYN_SENT"))
            + STATE_SYN_RECV * (word == word8(b"SYN_RECV"))
        )
        if row.state:
            return p + 9
    if not c"A" <= p[0] <= c"Z":
        return NULL
    while (c"A" <= p[0] <= c"Z" or c"0" <= p[0] <= c"9" or p[0] == c"_") and p - start < 20:
        p += 1
    if p[0] != c" ":
        return NULL
    row.state = state_code(start, p - start)
    return p + 1


cdef inline const uint8_t *keyed(
    const uint8_t *p, const char *key, unsigned length, uint64_t *value
) noexcept nogil:
    """Read ``key`` and up to 16 digits if the key is there."""
    if memcmp(p, key, length) != 0:
        return p
    return counter(p + length, value)


cdef inline const uint8_t *tail(const uint8_t *p, Row *row) noexcept nogil:
    """Read the flag and the tail as far as common; stop where the line should end."""
    cdef uint64_t mark = 0, zone = 0, delta = 0, use = 0, entry = 0
    cdef uint64_t word
    if p[0] == c" " and p[1] == c"[":
        word = load64(p + 1)
        if word == word8(b"[ASSURED") and p[9] == c"]":
            row.flags |= ASSURED
            p += 10
        elif word == word8(b"[OFFLOAD") and p[9] == c"]":
            row.flags |= OFFLOAD
            p += 10
        elif word == word8(b"[HW_OFFL") and load32(p + 9) == word4(b"OAD]"):
            row.flags |= OFFLOAD | HW_OFFLOAD
            p += 13
        else:
            return NULL
    # Nearly every line has "mark=0" and ends with "use=1": one comparison each.
    if load64(p) == word8(b" mark=0 "):
        p += 7
    else:
        p = keyed(p, b" mark=", 6, &mark)
        if p == NULL:
            return NULL
    if memcmp(p, b" zone=", 6) == 0:
        p = counter(p + 6, &zone)
        if p == NULL or zone > 65535:
            return NULL
        row.zone_orig = <uint16_t> zone
        row.zone_reply = <uint16_t> zone
    if memcmp(p, b" delta-time=", 12) == 0:
        p = counter(p + 12, &delta)
        if p == NULL:
            return NULL
        row.delta_time = <int64_t> delta
    if load64(p) << 8 == word8(b" use=1\n") << 8:
        return p + 6 if mark <= 0xffffffffu else NULL
    p = keyed(p, b" use=", 5, &use)
    if p == NULL:
        return NULL
    p = keyed(p, b" id=", 4, &entry)
    if p == NULL or mark > 0xffffffffu or use > 0xffffffffu or entry > 0xffffffffu:
        return NULL
    return p


cdef inline bint one_family(Row *row, int family) noexcept nogil:
    """Check that all addresses are written alike, and note what is IPv6."""
    cdef bint colons = row.orig.src.colons
    if row.orig.dst.colons != colons or row.reply.src.colons != colons:
        return False
    if row.reply.dst.colons != colons or (family and (family == 6) != colons):
        return False
    if row.orig.src.wide or row.orig.dst.wide or row.reply.src.wide or row.reply.dst.wide:
        row.flags |= WIDE
    return True


cdef const uint8_t *parse_fast(const uint8_t *p, Row *row) noexcept nogil:
    """Parse the line at ``p``, where FAST_MARGIN bytes are readable.

    Gives the start of the next line, NULL if this one is for the careful parser (``row`` is then
    undefined).
    """
    cdef int family
    cdef bint is_icmp
    cdef const uint8_t *following
    clear_row(row)
    p = time_and_event(p, row)
    if p == NULL:
        return NULL
    p = layers(p, row, &family, &is_icmp)
    if p == NULL:
        return NULL
    p = timeout_and_state(p, row)
    if p == NULL:
        return NULL
    following = NULL
    if HAS_MARKS and not is_icmp and family != 6:
        following = marked_tuples(p, row)
    if following == NULL:
        following = tuples(p, is_icmp, row)
        if following == NULL or not one_family(row, family):
            return NULL
    p = tail(following, row)
    if p == NULL:
        return NULL
    if p[0] == c"\r":
        p += 1
    return p + 1 if p[0] == c"\n" else NULL
