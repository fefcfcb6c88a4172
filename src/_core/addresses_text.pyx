"""Takes Arrow string buffers, gives addresses as numbers, and back.

The parsers themselves are in the .pxd, inline for every reader of the core.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from netpol._core.lengths cimport need, need_room, need_rows

cdef enum:  # private
    LONGEST_IPV4 = 15
    LONGEST_TEXT = 45  # of an address with a dotted tail


cdef inline bint is_space(uint8_t ch) noexcept nogil:
    return ch == c" " or ch == c"\t" or ch == c"\r"


cdef uint8_t parse_one(
    const uint8_t *p, const uint8_t *end, uint32_t *v4, uint8_t *wide
) noexcept nogil:
    """Parse one trimmed text, a zone (``%eth0``) stripped; give 4, 6 or 0 for neither."""
    cdef const uint8_t *stop
    while p != end and is_space(p[0]):
        p += 1
    while p != end and is_space(end[-1]):
        end -= 1
    stop = parse_ipv4(p, end, v4)
    if stop == end and p != end:
        map_ipv4(v4[0], wide)
        return 4
    v4[0] = 0
    stop = parse_ipv6(p, end, wide)
    if stop == NULL or (stop != end and (stop[0] != c"%" or stop + 1 == end)):
        return 0
    if is_mapped(wide):
        v4[0] = mapped_ipv4(wide)
        return 4
    return 6


def parse_addresses(
    const uint8_t[::1] data not None, const int64_t[::1] offsets not None,
    uint32_t[::1] v4 not None, uint8_t[:, ::1] wide not None, uint8_t[::1] family not None,
):
    """Parse ``n`` addresses, the i-th being ``data[offsets[i]:offsets[i + 1]]``.

    Parameters
    ----------
    data : uint8 buffer
        Text of all addresses.
    offsets : int64[n + 1]
        Non-decreasing offsets into ``data``.
    v4 : uint32[n], out
        IPv4 addresses in host order (v4-mapped ones too); 0 for others.
    wide : uint8[n, 16], out
        All addresses in network order, IPv4 mapped.
    family : uint8[n], out
        4, 6, or 0 where the text is no address.

    Raises
    ------
    ValueError
        An argument is not of the length that ``offsets`` says.
    IndexError
        The offsets are not within ``data``.
    """
    cdef Py_ssize_t n = offsets.shape[0] - 1, i, size = data.shape[0]
    need_room("offsets", offsets.shape[0], 1)
    need("v4", v4.shape[0], n)
    need_rows("wide", wide.shape[0], wide.shape[1], n, 16)
    need("family", family.shape[0], n)
    cdef bint inside = True
    cdef const uint8_t *base = &data[0] if size else NULL
    with nogil:
        for i in range(n):
            if not 0 <= offsets[i] <= offsets[i + 1] <= size:
                inside = False
                break
            v4[i] = 0
            if base == NULL:
                family[i] = 0
            else:
                family[i] = parse_one(base + offsets[i], base + offsets[i + 1], &v4[i], &wide[i, 0])
    if not inside:
        raise IndexError("offsets are not within the data")


cdef inline uint8_t *put_octet(uint8_t *p, uint32_t value) noexcept nogil:
    """Write a number below 256 in decimal; give the end."""
    if value >= 100:
        p[0] = c"0" + <uint8_t> (value // 100)
        p += 1
    if value >= 10:
        p[0] = c"0" + <uint8_t> (value // 10 % 10)
        p += 1
    p[0] = c"0" + <uint8_t> (value % 10)
    return p + 1


cdef inline uint8_t *put_ipv4(uint8_t *p, uint32_t address) noexcept nogil:
    """Write dotted decimal; give the end."""
    p = put_octet(p, address >> 24)
    p[0] = c"."
    p = put_octet(p + 1, (address >> 16) & 255)
    p[0] = c"."
    p = put_octet(p + 1, (address >> 8) & 255)
    p[0] = c"."
    return put_octet(p + 1, address & 255)


cdef inline uint8_t *put_group(uint8_t *p, uint16_t value) noexcept nogil:
    """Write a group in hexadecimal without leading zeros; give the end."""
    cdef const char *hexadecimal = b"0123456789abcdef"
    cdef bint begun = False
    cdef int shift
    cdef uint8_t digit
    for shift in range(12, -1, -4):
        digit = (value >> shift) & 15
        begun = begun or digit != 0 or shift == 0
        if begun:
            p[0] = hexadecimal[digit]
            p += 1
    return p


cdef uint8_t *put_ipv6(uint8_t *p, const uint8_t *address) noexcept nogil:
    """Write an address as RFC 5952 has it; give the end."""
    cdef uint16_t groups[8]
    cdef int i, run = 0, best = 0, best_at = -1
    for i in range(8):
        groups[i] = <uint16_t> (address[2 * i] << 8 | address[2 * i + 1])
        run = run + 1 if groups[i] == 0 else 0
        if run > best:
            best = run
            best_at = i - run + 1
    if best < 2:
        best_at = -1
    i = 0
    while i < 8:
        if i == best_at:
            p[0] = c":"
            p += 1
            i += best
            if i == 8:
                p[0] = c":"
                p += 1
            continue
        if i:
            p[0] = c":"
            p += 1
        p = put_group(p, groups[i])
        i += 1
    return p


def format_v4(
    const uint32_t[::1] addresses not None, int64_t[::1] offsets not None,
    uint8_t[::1] data not None,
):
    """Write IPv4 addresses one after the other.

    Parameters
    ----------
    addresses : uint32[n]
        In host order.
    offsets : int64[n + 1], out
        Where each text begins, and the end of the last.
    data : uint8[15 * n] at least, out
        The text.

    Returns
    -------
    int
        Bytes of ``data`` used.

    Raises
    ------
    ValueError
        ``offsets`` is of another length, or ``data`` too short.
    """
    cdef Py_ssize_t n = addresses.shape[0], i
    need("offsets", offsets.shape[0], n + 1)
    need_room("data", data.shape[0], LONGEST_IPV4 * n)
    offsets[0] = 0
    if n == 0:
        return 0
    cdef uint8_t *base = &data[0]
    cdef uint8_t *p = base
    with nogil:
        for i in range(n):
            p = put_ipv4(p, addresses[i])
            offsets[i + 1] = p - base
    return p - base


def format_wide(
    const uint8_t[:, ::1] addresses not None, int64_t[::1] offsets not None,
    uint8_t[::1] data not None,
):
    """As ``format_v4`` for uint8[n, 16] (v4-mapped ones in dotted decimal), 45 bytes each."""
    cdef Py_ssize_t n = addresses.shape[0], i
    need_rows("addresses", n, addresses.shape[1], n, 16)
    need("offsets", offsets.shape[0], n + 1)
    need_room("data", data.shape[0], LONGEST_TEXT * n)
    offsets[0] = 0
    if n == 0:
        return 0
    cdef uint8_t *base = &data[0]
    cdef uint8_t *p = base
    with nogil:
        for i in range(n):
            if is_mapped(&addresses[i, 0]):
                p = put_ipv4(p, mapped_ipv4(&addresses[i, 0]))
            else:
                p = put_ipv6(p, &addresses[i, 0])
            offsets[i + 1] = p - base
    return p - base
