"""Both tuples of a line with IPv4 and ports, each field found by where its "=" stands.

The positions come from four windows of 64 bytes, so that hardly a field waits for the one before:
1.5 times as fast as reading field after field.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from netpol._core.addresses_text cimport digit_run8
from netpol._core.conntrack_row cimport ACCT, UNREPLIED, Row, Tuple
from netpol._core.portability cimport load32, load64


cdef extern from "ipv4_text.h" nogil:
    bint ipv4_sized "netpol_ipv4_sized"(const uint8_t *p, uint64_t length, uint32_t *out)

cdef extern from "text_marks.h" nogil:
    bint HAS_MARKS "NETPOL_HAS_MARKS"
    uint64_t equals64 "netpol_equals64"(const uint8_t *p)
    uint64_t first_mark "netpol_first_mark"(uint64_t marks)
    bint two_numbers "netpol_two_numbers"(
        const uint8_t *a_end, uint64_t a_len, const uint8_t *b_end, uint64_t b_len,
        uint64_t *a_out, uint64_t *b_out)


cdef inline const uint8_t *next_mark(const uint8_t *window, uint64_t marks) noexcept nogil:
    """Give where the first mark is; without one the window's last byte, which then is no "="."""
    return window + first_mark(marks | <uint64_t> 1 << 63)


cdef inline bint ends_with(const uint8_t *p, const char *key) noexcept nogil:
    """Whether the 7 characters of ``key`` end with the one at ``p``."""
    return load64(p - 7) >> 8 == load64(<const uint8_t *> key)


cdef inline const uint8_t *marked_tuple(
    const uint8_t *p, Tuple *t, bint *counted, const uint8_t **following
) noexcept nogil:
    """Read a tuple from ``src=`` on; give where its last number ends, NULL if it is another shape.

    With ``following``, the next tuple's ``src=`` is found, and the last number ends before it;
    else its digits tell.
    """
    cdef uint64_t marks = equals64(p)
    cdef uint64_t sport, dport
    cdef bint has_counters
    cdef const uint8_t *dst_at
    cdef const uint8_t *sport_at
    cdef const uint8_t *dport_at
    cdef const uint8_t *last
    cdef const uint8_t *last_end
    cdef const uint8_t *packets_at
    cdef const uint8_t *dport_end
    if load32(p) != load32(<const uint8_t *> b"src="):
        return NULL
    marks &= marks - 1
    dst_at = next_mark(p, marks)
    marks &= marks - 1
    sport_at = next_mark(p, marks)
    marks &= marks - 1
    dport_at = next_mark(p, marks)
    if load32(dst_at - 4) != load32(<const uint8_t *> b" dst"):
        return NULL
    if not ends_with(sport_at, b" sport=") or not ends_with(dport_at, b" dport="):
        return NULL
    marks = equals64(dport_at + 1)
    last = dport_at
    packets_at = next_mark(dport_at + 1, marks)
    has_counters = load64(packets_at - 8) == load64(<const uint8_t *> b" packets")
    counted[0] = has_counters
    if has_counters:
        marks &= marks - 1
        last = next_mark(dport_at + 1, marks)
        marks &= marks - 1
        if not ends_with(last, b" bytes="):
            return NULL
    if following != NULL:
        following[0] = next_mark(dport_at + 1, marks) - 3
        last_end = following[0] - 1
        if (last_end - 1)[0] == c"]":
            last_end -= 12
    else:
        last_end = last + 1 + digit_run8(load64(last + 1))
        if last_end[0] != c" ":
            return NULL
    dport_end = packets_at - 8 if has_counters else last_end
    if not ipv4_sized(p + 4, dst_at - p - 8, &t.src.v4):
        return NULL
    if not ipv4_sized(dst_at + 1, sport_at - dst_at - 7, &t.dst.v4):
        return NULL
    if not two_numbers(
        dport_at - 6, dport_at - sport_at - 7, dport_end, dport_end - dport_at - 1, &sport, &dport
    ) or (sport | dport) > 65535:
        return NULL
    if has_counters and not two_numbers(
        last - 6, last - packets_at - 7, last_end, last_end - last - 1, &t.packets, &t.bytes
    ):
        return NULL
    t.src.wide = t.src.colons = t.dst.wide = t.dst.colons = False
    t.sport = <uint16_t> sport
    t.dport = <uint16_t> dport
    return last_end


cdef inline const uint8_t *marked_tuples(const uint8_t *p, Row *row) noexcept nogil:
    """Read both tuples, the first ``src=`` being at ``p``; give where the reply's ends.

    NULL if they are of another shape, which says nothing about the line; ``row`` is then as good
    as before for reading it field after field.
    """
    cdef const uint8_t *reply
    cdef const uint8_t *end
    cdef bint counted, answered
    cdef uint16_t flags = 0
    p = marked_tuple(p, &row.orig, &counted, &reply)
    if p == NULL or (reply - 1)[0] != c" ":
        return NULL
    if p + 1 != reply:
        if load64(p) != load64(<const uint8_t *> b" [UNREPL"):
            return NULL
        if load32(p + 8) != load32(<const uint8_t *> b"IED]"):
            return NULL
        flags = UNREPLIED
    end = marked_tuple(reply, &row.reply, &answered, NULL)
    if end == NULL:
        return NULL
    if counted | answered:
        flags |= ACCT
    row.flags |= flags
    return end
