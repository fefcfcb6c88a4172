"""Takes keys and weights row by row, gives exact sums in bounded memory.

Sums may be shared by threads: one waits for the other (100 ns a call, which adds a whole batch).
"""

from threading import RLock

import numpy as np

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from netpol._core.lengths cimport need, need_rows
from netpol._core.portability cimport prefetch


cdef object _weight(const Sum* s):
    """Give (flows, packets, bytes) as exact numbers."""
    return (
        s.flows + (<object> s.carried[0] << 63),
        s.packets + (<object> s.carried[1] << 63),
        s.bytes + (<object> s.carried[2] << 63),
    )


cdef tuple in_order(object one, object other):
    """Give two locks in the order in which all callers take them."""
    return (one, other) if id(one) <= id(other) else (other, one)


cdef class Histogram:
    """Sums by a number below ``size``."""

    def __cinit__(self, size_t size):
        self.size = size
        self._lock = RLock()
        self.sums = <Sum*> calloc(max(size, <size_t> 1), sizeof(Sum))
        if self.sums == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.sums)

    def add(self, const uint32_t[::1] keys not None, flows, packets, bytes_):
        """Add rows: ``keys`` uint32[n] below ``size``, weights uint64[n] or None.

        Raises
        ------
        IndexError
            A key is not below ``size``; nothing is added then.
        ValueError
            A column is of another length; nothing is added then.
        """
        cdef Weights weights
        cdef size_t i
        take_weights(&weights, keys.shape[0], flows, packets, bytes_)
        for i in range(<size_t> keys.shape[0]):
            if keys[i] >= self.size:
                raise IndexError("a key is not below the size")
        with self._lock, nogil:
            for i in range(<size_t> keys.shape[0]):
                add_to(&self.sums[keys[i]], &weights, i)

    def merge(self, Histogram other not None):
        """Add another's sums; raises ``ValueError`` unless it is of the same size."""
        cdef size_t i
        need("other", other.size, self.size)
        first, second = in_order(self._lock, other._lock)
        with first, second:
            for i in range(self.size):
                add_sum(&self.sums[i], &other.sums[i])

    def items(self):
        """Give {key: (flows, packets, bytes)} of keys with any weight, ascending."""
        cdef size_t i
        cdef Sum* sums = self.sums
        with self._lock:
            return {i: _weight(&sums[i]) for i in range(self.size) if has_weight(&sums[i])}


cdef class Groups:
    """Sums by key of three uint64 words, for the first ``limit`` distinct keys.

    Keys seen after the limit is reached are summed in ``others``; a kept key's sum is always
    exact, because kept keys are never removed.
    """

    def __cinit__(self, size_t limit):
        self.limit = limit
        self._lock = RLock()
        self.mask = 1023
        self.slots = <uint32_t*> calloc(self.mask + 1, sizeof(uint32_t))
        if self.slots == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.entries)
        free(self.slots)

    def __len__(self):
        return self.count

    @property
    def others(self):
        """(flows, packets, bytes) of keys beyond the limit."""
        with self._lock:
            return _weight(&self.rest)

    cdef bint reserve(self, size_t more) noexcept nogil:
        """Make room for ``more`` new keys; slots stay at most half full. False without memory."""
        cdef size_t wanted = min(self.count + more, self.limit)
        cdef size_t room = max(self.room, <size_t> 1024)
        cdef size_t slots = self.mask + 1
        cdef void* moved
        cdef size_t i, slot
        while room < wanted:
            room *= 2
        if room > self.room:
            moved = realloc(self.entries, room * sizeof(Entry))
            if moved == NULL:
                return False
            self.entries = <Entry*> moved
            self.room = room
        while slots < 2 * wanted:
            slots *= 2
        if slots == self.mask + 1:
            return True
        moved = calloc(slots, sizeof(uint32_t))
        if moved == NULL:
            return False
        free(self.slots)
        self.slots = <uint32_t*> moved
        self.mask = slots - 1
        for i in range(self.count):
            slot = hash_of(self.entries[i].key) & self.mask
            while self.slots[slot]:
                slot = (slot + 1) & self.mask
            self.slots[slot] = <uint32_t> (i + 1)
        return True

    cdef Sum* find(self, const uint64_t* key, uint64_t hash_) noexcept nogil:
        """Give the key's sum, made if new and room was reserved; else that of the others."""
        cdef size_t slot = hash_ & self.mask
        cdef Entry* entry
        while self.slots[slot]:
            entry = &self.entries[self.slots[slot] - 1]
            if entry.key[0] == key[0] and entry.key[1] == key[1] and entry.key[2] == key[2]:
                return &entry.sum
            slot = (slot + 1) & self.mask
        if self.count == self.limit:
            return &self.rest
        entry = &self.entries[self.count]
        entry.key[0], entry.key[1], entry.key[2] = key[0], key[1], key[2]
        memset(&entry.sum, 0, sizeof(Sum))
        self.count += 1
        self.slots[slot] = <uint32_t> self.count
        return &entry.sum

    def add(self, const uint64_t[:, ::1] keys not None, flows, packets, bytes_):
        """Add rows: ``keys`` uint64[n, 3], weights uint64[n] or None.

        Raises
        ------
        ValueError
            ``keys`` has not three words a row, or a column is of another length.
        MemoryError
            There is no room for the keys.
        """
        cdef Weights weights
        cdef size_t i
        need_rows("keys", keys.shape[0], keys.shape[1], keys.shape[0], KEY_WORDS)
        take_weights(&weights, keys.shape[0], flows, packets, bytes_)
        with self._lock:
            if not self.reserve(keys.shape[0]):
                raise MemoryError
            with nogil:
                for i in range(<size_t> keys.shape[0]):
                    add_to(self.find(&keys[i, 0], hash_of(&keys[i, 0])), &weights, i)

    def places(self, const uint64_t[:, ::1] keys not None):
        """Give uint32[n]: the place of each key, uint64[n, 3]; ``limit`` if it is not kept.

        Raises
        ------
        ValueError
            ``keys`` has not three words a row.
        """
        need_rows("keys", keys.shape[0], keys.shape[1], keys.shape[0], KEY_WORDS)
        result = np.empty(keys.shape[0], np.uint32)
        cdef uint32_t[::1] into = result
        cdef const uint64_t* key
        cdef const Entry* entry
        cdef size_t i, slot
        with self._lock, nogil:
            for i in range(<size_t> keys.shape[0]):
                key = &keys[i, 0]
                slot = hash_of(key) & self.mask
                into[i] = <uint32_t> self.limit
                while self.slots[slot]:
                    entry = &self.entries[self.slots[slot] - 1]
                    if (
                        entry.key[0] == key[0] and entry.key[1] == key[1]
                        and entry.key[2] == key[2]
                    ):
                        into[i] = self.slots[slot] - 1
                        break
                    slot = (slot + 1) & self.mask
        return result

    def merge(self, Groups other not None):
        """Add another's keys, in its order, and its others. The GIL is released."""
        first, second = in_order(self._lock, other._lock)
        with first, second:
            if not self.reserve(other.count):
                raise MemoryError
            with nogil:
                self._merge(other)

    cdef void _merge(self, Groups other) noexcept nogil:
        """Add in stages over parts of 256 keys, since most of them miss the cache."""
        cdef uint64_t hashes[256]
        cdef Entry* from_
        cdef size_t start = 0
        cdef size_t count, k
        cdef uint64_t slot
        while start < other.count:
            count = min(other.count - start, <size_t> 256)
            from_ = other.entries + start
            for k in range(count):
                hashes[k] = hash_of(from_[k].key)
                prefetch(&self.slots[hashes[k] & self.mask])
            for k in range(count):
                slot = self.slots[hashes[k] & self.mask]
                if slot:
                    prefetch(&self.entries[slot - 1])
            for k in range(count):
                add_sum(self.find(from_[k].key, hashes[k]), &from_[k].sum)
            start += count
        add_sum(&self.rest, &other.rest)

    def clear(self):
        """Forget all keys; the room stays."""
        with self._lock:
            memset(self.slots, 0, (self.mask + 1) * sizeof(uint32_t))
            memset(&self.rest, 0, sizeof(Sum))
            self.count = 0

    def keys(self):
        """Give uint64[keys, 3], in the order first seen."""
        cdef uint64_t[:, ::1] into
        cdef size_t i, word
        with self._lock:
            result = np.zeros((self.count, KEY_WORDS), np.uint64)
            into = result
            for i in range(self.count):
                for word in range(KEY_WORDS):
                    into[i, word] = self.entries[i].key[word]
        return result

    def measures(self):
        """Give float64[keys, 3]: flows, packets and bytes, rounded; for sorting."""
        cdef double[:, ::1] into
        cdef size_t i
        cdef const Sum* s
        with self._lock:
            result = np.zeros((self.count, 3), np.float64)
            into = result
            for i in range(self.count):
                s = &self.entries[i].sum
                into[i, 0] = <double> s.flows + s.carried[0] * 9223372036854775808.0
                into[i, 1] = <double> s.packets + s.carried[1] * 9223372036854775808.0
                into[i, 2] = <double> s.bytes + s.carried[2] * 9223372036854775808.0
        return result

    def weight(self, size_t index):
        """Give (flows, packets, bytes) of a key by its place; raises ``IndexError``."""
        with self._lock:
            if index >= self.count:
                raise IndexError("no such key")
            return _weight(&self.entries[index].sum)


cdef inline uint64_t hash_of(const uint64_t* key) noexcept nogil:
    return hash_key(key[0], key[1], key[2])


cdef inline bint has_weight(const Sum* s) noexcept nogil:
    return (s.flows | s.packets | s.bytes | s.carried[0] | s.carried[1] | s.carried[2]) != 0


cdef inline void add_sum(Sum* to, const Sum* more) noexcept nogil:
    to.carried[0] += more.carried[0]
    to.carried[1] += more.carried[1]
    to.carried[2] += more.carried[2]
    add_small(to, more.flows, more.packets, more.bytes)


cdef int take_weights(Weights* weights, size_t n, flows, packets, bytes_) except -1:
    """Check the weight columns' sizes and take their addresses."""
    weights.flows = _column(n, flows, "flows")
    weights.packets = _column(n, packets, "packets")
    weights.bytes = _column(n, bytes_, "bytes_")
    return 0


cdef const uint64_t* _column(size_t n, array, str name) except? NULL:
    cdef const uint64_t[::1] column
    if array is None or n == 0:
        return NULL
    column = array
    need(name, column.shape[0], n)
    return &column[0]
