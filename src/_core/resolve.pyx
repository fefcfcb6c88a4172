"""Takes address columns of a block of flows, gives the endpoint of each, at its time if it has one.

IPv4 goes through the trie of ``plain``, 16-byte addresses through a hash of known addresses and a
search of regions, with the hash's lines prefetched a block ahead.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from netpol._core.addresses cimport lookup_wide, prefetch_wide
from netpol._core.columns cimport Columns
from netpol._core.plain cimport NETPOL_PREFETCH, resolve_v4
from netpol._core.sides cimport flags_of
from netpol._core.tables cimport IS_TIMED, LINK_SEGMENT_COUNT, LINK_SEGMENTS, View

cdef int64_t NO_TIME = -9223372036854775807 - 1

cdef enum:
    AHEAD = 24                   # rows; enough to hide a load from the third-level cache


cdef inline uint32_t at_time(const View* v, uint32_t endpoint, int64_t time) noexcept nogil:
    """Who held a timed address then: the last segment that begins no later (A13.4)."""
    cdef const uint32_t* link = v.links + 8 * <size_t> endpoint
    cdef const int64_t* starts = v.segment_starts + link[LINK_SEGMENTS]
    cdef size_t low = 0
    cdef size_t high = link[LINK_SEGMENT_COUNT]
    cdef size_t middle
    while high - low > 1:
        middle = (low + high) >> 1
        if starts[middle] <= time:
            low = middle
        else:
            high = middle
    return v.segment_values[link[LINK_SEGMENTS] + low]


cdef void apply_times(
    const View* v, const int64_t* time, size_t count, uint32_t* endpoints
) noexcept nogil:
    cdef size_t i
    for i in range(count):
        if time[i] != NO_TIME and flags_of(v, endpoints[i]) & IS_TIMED:
            endpoints[i] = at_time(v, endpoints[i], time[i])


cdef void resolve_wide(
    const View* v, const uint8_t* column, size_t count, const uint32_t* records, uint32_t* out
) noexcept nogil:
    cdef uint32_t endpoint
    cdef size_t i
    for i in range(min(count, <size_t> AHEAD)):
        prefetch_wide(v, column + 16 * i)
    for i in range(count):
        if i + AHEAD < count:
            prefetch_wide(v, column + 16 * (i + AHEAD))
        endpoint = lookup_wide(v, column + 16 * i)
        NETPOL_PREFETCH(&records[4 * <size_t> endpoint])
        out[i] = endpoint


cdef void resolve(
    const View* v, const Columns* c, const uint8_t* column, size_t start, size_t count,
    const uint32_t* records, uint32_t* out
) noexcept nogil:
    """Resolve rows from ``start`` on of one of the columns; ``records`` is what is read next."""
    if c.width == 4:
        resolve_v4(&v.plain, <const uint32_t*> column + start, count, records, out)
    else:
        resolve_wide(v, column + 16 * start, count, records, out)
    if c.time != NULL:
        apply_times(v, c.time + start, count, out)
