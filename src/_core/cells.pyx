"""Takes rows, gives their pages: of local classes by column, and of cells by pair of columns.

A cell says which of its row's few runs a column gets: one byte where no row has more than 256.
Equal pages are stored once, for both sides: most rows treat most columns alike.
"""

import numpy as np

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from netpol._core.layout cimport PAGE, ROW_PAIRS, ROW_WIDTH
from netpol._core.lengths cimport need, need_room
from netpol._core.plain cimport PAGE_CELLS

cdef enum:  # private
    RUNS = 65536                 # of a row: what a cell of 16 bits can tell apart


cdef class Pages:
    """Pages of uint16 entries, equal ones stored once.

    Parameters
    ----------
    size : int
        Entries of a page, a multiple of 4, at most 64.
    limit : int
        Bytes that pages may take.
    """

    cdef readonly size_t size
    cdef uint16_t* _pages
    cdef uint32_t* _slots            # page + 1, 0 where empty
    cdef size_t _count
    cdef size_t _room
    cdef size_t _mask
    cdef size_t _limit

    def __cinit__(self, size_t size, size_t limit):
        if size % 4 or not 0 < size <= PAGE_CELLS:
            raise ValueError("size has to be a multiple of 4, at most 64")
        self.size = size
        self._limit = limit
        self._room = 1024
        self._mask = 4095
        self._pages = <uint16_t*> malloc(self._room * size * sizeof(uint16_t))
        self._slots = <uint32_t*> malloc((self._mask + 1) * sizeof(uint32_t))
        if self._pages == NULL or self._slots == NULL:
            raise MemoryError
        memset(self._slots, 0, (self._mask + 1) * sizeof(uint32_t))

    def __dealloc__(self):
        free(self._pages)
        free(self._slots)

    def __len__(self):
        return self._count

    def array(self):
        """Give uint16[pages, size], a copy; one page of zeros if there is none."""
        result = np.zeros((max(self._count, 1), self.size), np.uint16)
        cdef uint16_t[:, ::1] into = result
        if self._count:
            memcpy(&into[0, 0], self._pages, self._count * self.size * sizeof(uint16_t))
        return result

    def put_sparse(
        self, uint32_t[::1] index not None, const int64_t[::1] columns not None,
        const uint16_t[::1] values not None,
    ):
        """Write the pages of one row to ``index``, by page of columns; all others are not touched.

        Parameters
        ----------
        index : uint32[pages of columns].
        columns : int64[n], ascending.
        values : uint16[n].

        Raises
        ------
        MemoryError
            There is no room for another page.
        ValueError
            ``values`` is not as long as ``columns``.
        IndexError
            A column lies beyond the index.
        """
        cdef uint16_t page[PAGE_CELLS]
        cdef size_t n = columns.shape[0]
        cdef size_t i = 0
        cdef size_t number
        cdef int64_t place = 0
        need("values", values.shape[0], columns.shape[0])
        for i in range(n):
            if columns[i] < 0 or <size_t> columns[i] >= index.shape[0] * self.size:
                raise IndexError("a column lies beyond the index")
        i = 0
        with nogil:
            while i < n:
                number = <size_t> columns[i] // self.size
                memset(page, 0, self.size * sizeof(uint16_t))
                while i < n and <size_t> columns[i] // self.size == number:
                    page[<size_t> columns[i] % self.size] = values[i]
                    i += 1
                place = self.put(page)
                if place < 0:
                    break
                index[number] = <uint32_t> place
        if place < 0:
            raise MemoryError

    cdef int64_t put(self, const uint16_t* cells) noexcept nogil:
        """Give the number of the page with these cells; -1 where memory or the limit ends."""
        cdef size_t slot = hash_page(cells, self.size) & self._mask
        cdef uint32_t found = self._slots[slot]
        while found:
            if memcmp(self._pages + (found - 1) * self.size, cells, self.size * 2) == 0:
                return found - 1
            slot = (slot + 1) & self._mask
            found = self._slots[slot]
        if (self._count + 1) * self.size * sizeof(uint16_t) > self._limit or not self._grow():
            return -1
        slot = hash_page(cells, self.size) & self._mask
        while self._slots[slot]:
            slot = (slot + 1) & self._mask
        memcpy(self._pages + self._count * self.size, cells, self.size * sizeof(uint16_t))
        self._count += 1
        self._slots[slot] = <uint32_t> self._count
        return <int64_t> self._count - 1

    cdef bint _grow(self) noexcept nogil:
        """Make room for one more page and keep the slots at most half full."""
        cdef void* more
        cdef size_t i, slot
        if self._count == self._room:
            more = realloc(self._pages, 2 * self._room * self.size * sizeof(uint16_t))
            if more == NULL:
                return False
            self._pages = <uint16_t*> more
            self._room *= 2
        if 2 * self._count < self._mask:
            return True
        more = malloc(2 * (self._mask + 1) * sizeof(uint32_t))
        if more == NULL:
            return False
        free(self._slots)
        self._slots = <uint32_t*> more
        self._mask = 2 * self._mask + 1
        memset(self._slots, 0, (self._mask + 1) * sizeof(uint32_t))
        for i in range(self._count):
            slot = hash_page(self._pages + i * self.size, self.size) & self._mask
            while self._slots[slot]:
                slot = (slot + 1) & self._mask
            self._slots[slot] = <uint32_t> (i + 1)
        return True


cdef inline size_t hash_page(const uint16_t* cells, size_t size) noexcept nogil:
    cdef uint64_t mixed = 0
    cdef uint64_t word
    cdef size_t i
    for i in range(size // 4):
        memcpy(&word, cells + 4 * i, sizeof(word))  # cells are aligned to 2 bytes only
        mixed = (mixed ^ word) * <uint64_t> 0x9E3779B97F4A7C15
        mixed ^= mixed >> 32
    return <size_t> mixed


def _check_rows(
    Pages store not None, rows, pairs, label_pages, cidr_pages, pages, labels, cidrs,
    size_t run_count, index,
):
    """Raise ``ValueError`` if one of a side's tables points outside another."""
    rows, pairs, label_pages, cidr_pages, pages, labels, cidrs, index = map(
        np.asarray, (rows, pairs, label_pages, cidr_pages, pages, labels, cidrs, index))
    need("pages of store", store.size, PAGE_CELLS)
    need_room("columns of rows", rows.shape[1], ROW_WIDTH + 1)
    need("columns of pages", pages.shape[1], PAGE)
    need("label_pages", len(label_pages), len(rows))
    need("cidr_pages", len(cidr_pages), len(rows))
    need("index", len(index), len(rows))
    need("cidrs", len(cidrs), len(labels))
    need_room("cells by index", index.shape[1] * PAGE_CELLS, len(labels))
    for name, array, size in (
        ("labels", labels, label_pages.shape[1] * PAGE),
        ("cidrs", cidrs, cidr_pages.shape[1] * PAGE),
        ("label_pages", label_pages, len(pages)),
        ("cidr_pages", cidr_pages, len(pages)),
        ("pairs", pairs, run_count),
    ):
        if array.size and int(array.max()) >= size:
            raise ValueError(f"{name}: points outside")


def pack_rows(
    Pages store not None,
    const uint32_t[:, ::1] rows not None,
    const uint32_t[::1] pairs not None,
    const uint32_t[:, ::1] label_pages not None,
    const uint32_t[:, ::1] cidr_pages not None,
    const uint16_t[:, ::1] pages not None,
    const uint32_t[::1] labels not None,
    const uint32_t[::1] cidrs not None,
    size_t run_count,
    uint32_t[:, ::1] index not None,
):
    """Fill ``index`` (uint32[rows, ceil(columns / 64)]) with the page of each 64 columns.

    ``store`` has pages of 64.

    Parameters
    ----------
    rows, pairs, label_pages, cidr_pages, pages : the side's tables, see compiler.tables.LAYOUT.
    labels, cidrs : uint32[columns], the label and CIDR column of each column.
    run_count : length of the run table that ``pairs`` points into.

    Returns
    -------
    tuple of uint32[rows + 1] and uint32[...], or None
        Where each row's runs begin in the second array, which holds run bases by cell value; None
        where the pages exceed the limit, or a row has more than 65536 runs.

    Raises
    ------
    ValueError
        The tables do not fit together.
    """
    _check_rows(store, rows, pairs, label_pages, cidr_pages, pages, labels, cidrs, run_count, index)
    cdef size_t width = index.shape[1]
    cdef size_t columns = labels.shape[0]
    cdef size_t row_count = rows.shape[0]
    cdef size_t label_width = label_pages.shape[1]
    cdef size_t cidr_width = cidr_pages.shape[1]
    starts = np.zeros(row_count + 1, np.uint32)
    cdef uint32_t[::1] start = starts
    # A row cannot have more runs than pairs, nor than columns.
    found = np.zeros(min(pairs.shape[0], row_count * columns) + 1, np.uint32)
    cdef uint32_t[::1] bases = found
    local_labels = np.zeros(label_width * PAGE, np.uint32)
    local_cidrs = np.zeros(cidr_width * PAGE, np.uint32)
    row_cells = np.zeros(width * PAGE_CELLS, np.uint16)
    seen_in = np.zeros(run_count, np.uint32)
    value_of = np.zeros(run_count, np.uint16)
    cdef uint32_t[::1] label_of = local_labels
    cdef uint32_t[::1] cidr_of = local_cidrs
    cdef uint16_t[::1] cells = row_cells
    cdef uint32_t[::1] seen = seen_in
    cdef uint16_t[::1] value = value_of
    cdef size_t r, j, p, total = 0, mine
    cdef uint32_t first, pair_width, base
    cdef const uint32_t* pair
    cdef const uint16_t* page
    cdef int64_t place
    cdef bint fits = True
    cdef bint outside = False
    cdef uint64_t pair_count = pairs.shape[0]
    cdef uint16_t widest_label, widest_cidr
    with nogil:
        for r in range(row_count):
            pair_width = rows[r, ROW_WIDTH]
            widest_label = widest_cidr = 0
            for p in range(label_width):
                page = &pages[label_pages[r, p], 0]
                for j in range(PAGE):
                    widest_label = max(widest_label, page[j])
                    label_of[p * PAGE + j] = page[j] * pair_width
            for p in range(cidr_width):
                page = &pages[cidr_pages[r, p], 0]
                for j in range(PAGE):
                    widest_cidr = max(widest_cidr, page[j])
                    cidr_of[p * PAGE + j] = page[j]
            first = rows[r, ROW_PAIRS]
            if first + <uint64_t> widest_label * pair_width + widest_cidr >= pair_count:
                outside = True
                break
            pair = &pairs[first]
            mine = 0
            for j in range(columns):
                base = pair[label_of[labels[j]] + cidr_of[cidrs[j]]]
                if seen[base] != r + 1:
                    if mine == RUNS:
                        fits = False
                        break
                    if total + mine >= <size_t> bases.shape[0]:  # rows that share pairs
                        outside = True
                        break
                    seen[base] = <uint32_t> (r + 1)
                    value[base] = <uint16_t> mine
                    bases[total + mine] = base
                    mine += 1
                cells[j] = value[base]
            if not fits or outside:
                break
            total += mine
            start[r + 1] = <uint32_t> total
            for p in range(width):
                place = store.put(&cells[p * PAGE_CELLS])
                if place < 0:
                    fits = False
                    break
                index[r, p] = <uint32_t> place
            if not fits:
                break
    if outside:
        raise ValueError("a row has no pair for its classes")
    if not fits:
        return None
    return starts, found[:total].copy()
