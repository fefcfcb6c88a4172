"""Takes flows judged by two engines, gives which are judged differently, and sums by verdicts.

A flow is judged differently if its verdict is another, or the mark of who decided a side of it.
The caller decides what marks stand for.
"""

import numpy as np

from libc.stdint cimport uint32_t

from netpol._core.lengths cimport need_rows
from netpol._core.outcome cimport VERDICTS
from netpol._core.plain cimport RECORD_COLUMNS
from netpol._core.sums cimport Histogram, Sum, Weights, add_to, take_weights
from netpol._core.tables cimport CompiledTables
from netpol._core.tally cimport Judged, take_judged

cdef enum:  # private
    SPECIALS = 256               # no more than a byte holds


cdef class Contrast:
    """Compares what two engines say.

    Parameters
    ----------
    first, second : CompiledTables
        Those of the two engines.
    first_marks, second_marks : uint32[3, decisions]
        Who decides a flow of a verdict by a decision, in numbers that both engines share.

    Attributes
    ----------
    verdicts : Histogram
        All flows by first verdict * 3 + second verdict.
    """

    def __cinit__(
        self, CompiledTables first not None, CompiledTables second not None,
        const uint32_t[:, ::1] first_marks not None, const uint32_t[:, ::1] second_marks not None,
    ):
        need_rows(
            "first_marks", first_marks.shape[0], first_marks.shape[1], VERDICTS,
            first._arrays["decision_info"].size)
        need_rows(
            "second_marks", second_marks.shape[0], second_marks.shape[1], VERDICTS,
            second._arrays["decision_info"].size)
        self._first, self._second = first, second
        self._kept = (first_marks, second_marks)
        self._first_marks, self._second_marks = &first_marks[0, 0], &second_marks[0, 0]
        self._first_decisions, self._second_decisions = first_marks.shape[1], second_marks.shape[1]
        self.verdicts = Histogram(VERDICTS * VERDICTS)
        self._lock = self.verdicts._lock

    def merge(self, Contrast other not None):
        """Add another's sums."""
        self.verdicts.merge(other.verdicts)

    def add(
        self, size_t n, dict first not None, dict second not None, flows, packets, bytes_
    ):
        """Add ``n`` flows; give uint32[m], the rows that are judged differently, ascending.

        The GIL is released.

        Parameters
        ----------
        first, second : what ``evaluate`` gave for each engine.
        flows, packets, bytes_ : uint64[n] or None (1 flow each, no packets, no bytes).

        Raises
        ------
        ValueError
            A column is of another length, or a result is not one of these tables'.
        """
        cdef Weights w
        cdef Judged a, b
        cdef uint32_t[::1] rows
        cdef size_t found
        room = np.empty(n, np.uint32)
        if n == 0:
            return room
        first, second = first.copy(), second.copy()  # another thread may take arrays out
        take_weights(&w, n, flows, packets, bytes_)
        take_judged(
            &a, n, first, SPECIALS, self._first_decisions,
            self._first._arrays["src_records"].size // RECORD_COLUMNS)
        take_judged(
            &b, n, second, SPECIALS, self._second_decisions,
            self._second._arrays["src_records"].size // RECORD_COLUMNS)
        rows = room
        with self._lock, nogil:
            found = self.add_rows(&w, &a, &b, 0, n, &rows[0])
        return room[:found]

    cdef size_t add_rows(
        self, const Weights* w, const Judged* a, const Judged* b, size_t first, size_t count,
        uint32_t* rows
    ) noexcept nogil:
        """Add rows; list those judged differently, counted from ``first``; give how many.

        No branches on verdicts: their order cannot be predicted.
        """
        # Locals, since the compiler must assume that storing a row may change what these are.
        cdef Sum* sums = self.verdicts.sums
        cdef const uint32_t* first_marks = self._first_marks
        cdef const uint32_t* second_marks = self._second_marks
        cdef size_t first_decisions = self._first_decisions
        cdef size_t second_decisions = self._second_decisions
        cdef Judged one = a[0]
        cdef Judged other = b[0]
        cdef Weights weights = w[0]
        cdef const uint32_t* p
        cdef const uint32_t* q
        cdef size_t found = 0
        cdef size_t i
        for i in range(count):
            p = first_marks + one.verdict[i] * first_decisions
            q = second_marks + other.verdict[i] * second_decisions
            add_to(&sums[one.verdict[i] * VERDICTS + other.verdict[i]], &weights, i)
            rows[found] = <uint32_t> (first + i)
            found += (
                (one.verdict[i] != other.verdict[i])
                | (p[one.egress[i]] != q[other.egress[i]])
                | (p[one.ingress[i]] != q[other.ingress[i]])
            )
        return found
