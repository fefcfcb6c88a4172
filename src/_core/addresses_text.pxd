"""Addresses as text, in memory: inline parsers on raw pointers, for every reader of the core."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from netpol._core.portability cimport load32, load64


cdef extern from "digits.h" nogil:
    unsigned digit_run8 "netpol_digit_run8"(uint64_t word) noexcept
    unsigned digit_run7 "netpol_digit_run7"(uint64_t word) noexcept
    uint64_t digits8 "netpol_digits8"(uint64_t word, unsigned length) noexcept
    void two_digits8 "netpol_two_digits8"(
        uint64_t a, unsigned a_length, uint64_t b, unsigned b_length,
        uint64_t *a_out, uint64_t *b_out) noexcept
    uint32_t octet "netpol_octet"(const uint8_t *p, unsigned length) noexcept
    uint32_t other16 "netpol_other16"(const uint8_t *p) noexcept
    unsigned lowest_bit "netpol_lowest_bit"(uint32_t word) noexcept


cdef inline const uint8_t *parse_ipv4(
    const uint8_t *p, const uint8_t *end, uint32_t *out
) noexcept nogil:
    """Parse dotted decimal at ``p``; give where it stops, NULL if it is not an IPv4 address.

    Octets with a leading zero are refused: inet_aton reads them as octal, inet_pton does not.
    """
    cdef uint32_t address = 0, value
    cdef int part, digits
    for part in range(4):
        if part:
            if p == end or p[0] != c".":
                return NULL
            p += 1
        value = 0
        digits = 0
        while p != end and c"0" <= p[0] <= c"9":
            if digits and value == 0:
                return NULL
            value = value * 10 + (p[0] - c"0")
            digits += 1
            if value > 255:
                return NULL
            p += 1
        if digits == 0:
            return NULL
        address = address << 8 | value
    out[0] = address
    return p


cdef inline const uint8_t *parse_ipv4_fast(const uint8_t *p, uint32_t *out) noexcept nogil:
    """As ``parse_ipv4``, with 20 readable bytes at ``p``; the byte after it is not looked at."""
    cdef uint32_t marks = other16(p)
    cdef unsigned first, second, third, last, a, b, c, d
    cdef uint32_t wrong, w, x, y, z
    first = lowest_bit(marks | 0x10000)
    marks &= marks - 1
    second = lowest_bit(marks | 0x10000)
    marks &= marks - 1
    third = lowest_bit(marks | 0x10000)
    marks &= marks - 1
    last = lowest_bit(marks | 0x10000)
    a = first
    b = second - first - 1
    c = third - second - 1
    d = last - third - 1
    # Each length has to be 1, 2 or 3; unsigned, so an underflow fails too.
    if a - 1 > 2 or b - 1 > 2 or c - 1 > 2 or d - 1 > 2:
        return NULL
    if p[first] != c"." or p[second] != c"." or p[third] != c".":
        return NULL
    w = octet(p, a)
    x = octet(p + first + 1, b)
    y = octet(p + second + 1, c)
    z = octet(p + third + 1, d)
    # A leading zero shows as a value too small for its length.
    wrong = (w > 255) | (x > 255) | (y > 255) | (z > 255)
    wrong |= (p[0] == c"0") & (a > 1)
    wrong |= (p[first + 1] == c"0") & (b > 1)
    wrong |= (p[second + 1] == c"0") & (c > 1)
    wrong |= (p[third + 1] == c"0") & (d > 1)
    if wrong:
        return NULL
    out[0] = w << 24 | x << 16 | y << 8 | z
    return p + last


cdef inline int hex_digit(uint8_t c) noexcept nogil:
    """Give the value of a hexadecimal digit, -1 if it is none."""
    if c"0" <= c <= c"9":
        return c - c"0"
    c |= 0x20
    if c"a" <= c <= c"f":
        return c - c"a" + 10
    return -1


cdef inline const uint8_t *parse_ipv6(
    const uint8_t *p, const uint8_t *end, uint8_t *out
) noexcept nogil:
    """Parse an IPv6 address (RFC 4291 2.2, with or without ``::`` and a dotted tail) at ``p``.

    Gives where it stops, NULL if it is not one; ``out`` is 16 bytes in network order.
    """
    cdef int groups = 0, gap = -1, digits, digit
    cdef uint32_t value, tail
    cdef const uint8_t *start
    cdef const uint8_t *stop
    memset(out, 0, 16)
    if end - p >= 2 and p[0] == c":" and p[1] == c":":
        gap = 0
        p += 2
    while groups < 8 and p != end:
        start = p
        value = 0
        digits = 0
        while p != end and digits < 5:
            digit = hex_digit(p[0])
            if digit < 0:
                break
            value = value << 4 | <uint32_t> digit
            digits += 1
            p += 1
        if p != end and p[0] == c"." and groups <= 6:
            stop = parse_ipv4(start, end, &tail)
            if stop == NULL:
                return NULL
            out[groups * 2] = tail >> 24
            out[groups * 2 + 1] = (tail >> 16) & 0xff
            out[groups * 2 + 2] = (tail >> 8) & 0xff
            out[groups * 2 + 3] = tail & 0xff
            groups += 2
            p = stop
            break
        if digits > 4:
            return NULL
        if digits == 0:
            # Only a closing "::" may end without a group.
            if gap == groups:
                break
            return NULL
        out[groups * 2] = value >> 8
        out[groups * 2 + 1] = value & 0xff
        groups += 1
        if groups == 8 or p == end or p[0] != c":":
            break
        if end - p >= 2 and p[1] == c":":
            if gap >= 0:
                return NULL
            gap = groups
            p += 2
        else:
            p += 1
            if p == end:
                return NULL
    return close_gap(p, out, groups, gap)


cdef inline const uint8_t *close_gap(
    const uint8_t *p, uint8_t *out, int groups, int gap
) noexcept nogil:
    """Move the groups after ``::`` to the end; NULL if the number of groups is wrong."""
    cdef int moved
    if gap < 0:
        return p if groups == 8 else NULL
    if groups > 7:
        return NULL
    moved = (groups - gap) * 2
    cdef int k
    for k in range(moved):
        out[15 - k] = out[groups * 2 - 1 - k]
    memset(out + gap * 2, 0, 16 - groups * 2)
    return p


cdef inline bint is_mapped(const uint8_t *address) noexcept nogil:
    """Whether 16 bytes are an IPv4-mapped address (``::ffff:0:0/96``)."""
    return (
        load64(address) == 0
        and load32(address + 8) == 0xffff0000u
    )


cdef inline uint32_t mapped_ipv4(const uint8_t *address) noexcept nogil:
    """Give the IPv4 address of a mapped one."""
    return (
        <uint32_t> address[12] << 24 | <uint32_t> address[13] << 16
        | <uint32_t> address[14] << 8 | address[15]
    )


cdef inline void map_ipv4(uint32_t address, uint8_t *out) noexcept nogil:
    """Write ``address`` as 16 mapped bytes."""
    memset(out, 0, 10)
    out[10] = 0xff
    out[11] = 0xff
    out[12] = address >> 24
    out[13] = (address >> 16) & 0xff
    out[14] = (address >> 8) & 0xff
    out[15] = address & 0xff
