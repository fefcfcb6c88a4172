"""Takes address columns of a block of flows, gives the endpoint of each, at its time if it has one.

IPv4 goes through the trie of ``plain``, IPv6 through a hash of known addresses and, for others, a
search of regions. At most a block of rows at a time.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from netpol._core.addresses cimport BUCKET, bucket_v6, is_mapped, known_v6, lookup_v6
from netpol._core.columns cimport NO_TIME, Columns
from netpol._core.layout cimport LINK_COLUMNS, LINK_SEGMENTS, LINK_SEGMENT_COUNT
from netpol._core.plain cimport IS_TIMED, KERNEL_BLOCK, RECORD_COLUMNS, resolve_v4
from netpol._core.portability cimport be64, prefetch
from netpol._core.sides cimport flags_of
from netpol._core.tables cimport View


cdef inline uint32_t at_time(const View* v, uint32_t endpoint, int64_t time) noexcept nogil:
    """Who held a timed address then: the last segment that begins no later (A13.4)."""
    cdef const uint32_t* link = v.links + LINK_COLUMNS * <size_t> endpoint
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
    """Sort rows by family, then those of IPv6 by whether the first bucket has them.

    Neither is a branch: where families are mixed, or an eighth of the addresses external, a branch
    costs as much as the lookup.
    """
    cdef uint16_t rows_v4[KERNEL_BLOCK]
    cdef uint16_t rows_v6[KERNEL_BLOCK]
    cdef uint32_t v4[KERNEL_BLOCK]
    cdef uint32_t found[KERNEL_BLOCK]
    cdef uint64_t buckets[KERNEL_BLOCK]
    cdef size_t count_v4 = 0
    cdef size_t count_v6 = 0
    cdef size_t missed
    cdef const uint8_t* p
    cdef uint64_t high, low, bucket, found_v6
    cdef uint32_t endpoint
    cdef size_t i, k
    cdef bint mapped
    for i in range(count):
        high = be64(column + 16 * i)
        low = be64(column + 16 * i + 8)
        mapped = is_mapped(high, low)
        rows_v4[count_v4] = <uint16_t> i
        v4[count_v4] = <uint32_t> low
        count_v4 += mapped
        bucket = bucket_v6(v, high, low)
        prefetch(v.v6_hash + BUCKET * bucket)
        rows_v6[count_v6] = <uint16_t> i
        buckets[count_v6] = bucket
        count_v6 += not mapped
    resolve_v4(&v.plain, v4, count_v4, records, found)
    for k in range(count_v4):
        out[rows_v4[k]] = found[k]
    missed = 0
    for k in range(count_v6):
        i = rows_v6[k]
        p = column + 16 * i
        found_v6 = known_v6(v.v6_hash + BUCKET * buckets[k], be64(p), be64(p + 8))
        endpoint = <uint32_t> (found_v6 - 1) & (0 - <uint32_t> (found_v6 != 0))
        prefetch(&records[RECORD_COLUMNS * <size_t> endpoint])
        out[i] = endpoint
        buckets[missed] = buckets[k]
        rows_v6[missed] = <uint16_t> i
        missed += found_v6 == 0
    for k in range(missed):
        i = rows_v6[k]
        p = column + 16 * i
        out[i] = lookup_v6(v, buckets[k], be64(p), be64(p + 8))
        prefetch(&records[RECORD_COLUMNS * <size_t> out[i]])


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
