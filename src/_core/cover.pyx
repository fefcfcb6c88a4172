"""Takes flows and what was judged of them, gives what coverage needs: sums by decision, and times.

Only a decision beside what the other side says tells whether a flow's verdict depends on it, so
the sums are by both. No outcome, note or pair is worked out, so a block costs less than a replay's.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from netpol._core.cases cimport case_of, is_plain
from netpol._core.columns cimport NO_TIME, Columns
from netpol._core.judge cimport judge
from netpol._core.lengths cimport need
from netpol._core.outcome cimport VERDICTS, VERDICT_MASK, Case, Outcome
from netpol._core.sums cimport Weights, hash_key, in_order
from netpol._core.tables cimport CompiledTables
from netpol._core.tally cimport Judged, Tally

cdef enum:  # private
    ASKED = 8192

cdef enum:  # = netpol.compiler.layout
    MERGED = 3                   # in the place of the other side's verdict

cdef enum:  # private
    OTHERS = VERDICTS + 1        # what there may be in that place

cdef int64_t NEVER_FIRST = 9223372036854775807  # private

# The verdict of a flow by those of its sides: egress * OTHERS + ingress.
cdef uint8_t[OTHERS * OTHERS] BOTH = [0, 1, 2, 3, 1, 1, 1, 3, 2, 1, 2, 3, 3, 3, 3, 3]


cdef inline void add_flows(uint64_t* to, uint64_t flows) noexcept nogil:
    """Add, staying at 2^64-1: a log may have any counters."""
    to[0] += flows
    if to[0] < flows:
        to[0] = <uint64_t> -1


cdef inline void note_time(int64_t* first, int64_t* last, int64_t time) noexcept nogil:
    if time < first[0]:
        first[0] = time
    if time > last[0]:
        last[0] = time


cdef class CoverTally(Tally):
    """Sums over batches, for coverage; those of ``Tally`` stay empty.

    Parameters
    ----------
    As ``Tally`` has them.

    Attributes
    ----------
    beside : uint64[2, decisions, 4]
        Flows by egress decision and what ingress says, then by ingress decision and what egress
        says; 3 where the flow's verdict is not that of its sides, several candidates being merged.
        Only flows, 8 bytes each: with exact sums of all three weights, 25 000 decisions fill the
        cache and coverage takes 1.5 times as long as a replay.
    verdicts : uint64[3]
        Flows by verdict.
    times : int64[4, decisions]
        First and last time by egress decision, then by ingress decision; the largest and smallest
        number where there is none.
    seen : uint64[2, endpoints]
        Flows by source and by destination.
    touched : uint8[decisions]
        1 for what a flow that can be read in several ways comes to in any of them. Of those ways,
        the sums hold one.

    Counts stay at their largest number where more would not fit.
    """

    cdef readonly object beside
    cdef readonly object verdicts
    cdef readonly object times
    cdef readonly object seen
    cdef readonly object touched
    cdef object _info
    cdef const uint8_t* _verdict_of
    cdef int64_t* _times
    cdef uint64_t* _seen
    cdef uint64_t* _beside
    cdef uint64_t* _verdicts
    cdef uint8_t* _touched
    cdef uint64_t _asked[ASKED]
    cdef size_t _decisions
    cdef size_t _endpoints

    def __cinit__(
        self, CompiledTables tables not None, const uint32_t[::1] decisions not None,
        const uint32_t[::1] workloads not None, const uint16_t[::1] protocols not None,
        uint32_t reasons, int64_t newest, size_t limit,
    ):
        cdef const uint8_t[::1] info
        cdef int64_t[:, ::1] times
        cdef uint64_t[:, ::1] seen
        cdef uint64_t[:, :, ::1] beside
        cdef uint64_t[::1] verdicts
        cdef uint8_t[::1] touched
        self._decisions = decisions.shape[0]
        self._endpoints = workloads.shape[0]
        self._info = np.ascontiguousarray(tables._arrays["decision_info"]) & np.uint8(VERDICT_MASK)
        info = self._info
        self._verdict_of = &info[0]
        self.beside = np.zeros((2, self._decisions, OTHERS), np.uint64)
        self.verdicts = np.zeros(VERDICTS, np.uint64)
        self.times = np.empty((4, self._decisions), np.int64)
        self.times[0::2] = NEVER_FIRST
        self.times[1::2] = NO_TIME
        self.seen = np.zeros((2, self._endpoints), np.uint64)
        times, seen, beside, verdicts = self.times, self.seen, self.beside, self.verdicts
        self._times, self._seen = &times[0, 0], &seen[0, 0]
        self._beside, self._verdicts = &beside[0, 0, 0], &verdicts[0]
        self.touched = np.zeros(self._decisions, np.uint8)
        touched = self.touched
        self._touched = &touched[0]
        memset(self._asked, 0, sizeof(self._asked))

    def merge(self, Tally other not None):
        """Add another's sums; raises ``ValueError`` unless both are of the same engine."""
        cdef CoverTally more = other
        cdef size_t i
        need("decisions of other", more._decisions, self._decisions)
        need("endpoints of other", more._endpoints, self._endpoints)
        first, second = in_order(self._lock, more._lock)
        with first, second:
            np.minimum(self.times[0::2], more.times[0::2], out=self.times[0::2])
            np.maximum(self.times[1::2], more.times[1::2], out=self.times[1::2])
            self.touched |= more.touched
            for i in range(2 * self._endpoints):
                add_flows(&self._seen[i], more._seen[i])
            for i in range(2 * OTHERS * self._decisions):
                add_flows(&self._beside[i], more._beside[i])
            for i in range(VERDICTS):
                add_flows(&self._verdicts[i], more._verdicts[i])

    cdef bint add_block(
        self, const Columns* c, const Weights* w, const Judged* j, size_t count
    ) noexcept nogil:
        cdef uint64_t* beside_egress = self._beside
        cdef uint64_t* beside_ingress = self._beside + OTHERS * self._decisions
        cdef uint64_t* verdicts = self._verdicts
        cdef const uint8_t* verdict_of = self._verdict_of
        cdef uint64_t* sources = self._seen
        cdef uint64_t* targets = self._seen + self._endpoints
        cdef Judged judged = j[0]
        cdef const uint64_t* flows_of = w.flows
        cdef uint64_t flows = 1
        cdef uint32_t egress, ingress, e, g
        cdef uint8_t verdict
        cdef bint simple
        cdef size_t i
        for i in range(count):
            egress = judged.egress[i]
            ingress = judged.ingress[i]
            verdict = judged.verdict[i]
            if flows_of != NULL:
                flows = flows_of[i]
            e = verdict_of[egress]
            g = verdict_of[ingress]
            simple = BOTH[e * OTHERS + g] == verdict
            add_flows(&beside_egress[OTHERS * <size_t> egress + (g if simple else MERGED)], flows)
            add_flows(&beside_ingress[OTHERS * <size_t> ingress + (e if simple else MERGED)], flows)
            add_flows(&verdicts[verdict], flows)
            add_flows(&sources[judged.src[i]], flows)
            add_flows(&targets[judged.dst[i]], flows)
        for i in range(count):
            if not is_plain(&self._tables.view, c, i, judged.src[i], judged.dst[i]):
                self._note_readings(c, i, judged.src[i], judged.dst[i])
        if c.time != NULL:
            self._note_times(c.time, j, count)
        return True

    cdef void _note_readings(
        self, const Columns* c, size_t i, uint32_t src, uint32_t dst
    ) noexcept nogil:
        """Note what every reading of a flow comes to; not again of the same flow.

        Judging a flow to a service takes 130 ns, and a log has the same ones many times.
        """
        cdef Case case = case_of(&self._tables.view, c, i, src, dst)
        cdef Outcome outcome
        cdef uint64_t hashed = hash_key(
            <uint64_t> src << 32 | dst,
            <uint64_t> case.dialled << 32 | case.seen,
            <uint64_t> case.dport << 48 | <uint64_t> case.dialled_port << 32
            | <uint64_t> case.protocol << 24 | <uint64_t> case.icmp_type << 16
            | <uint64_t> case.v4 << 4 | <uint64_t> case.dport_known << 3
            | <uint64_t> case.seen_differs << 2 | <uint64_t> case.via_service << 1
            | case.dialled_port_known)
        if case.src_hint == 0 and case.dst_hint == 0:
            if self._asked[hashed & (ASKED - 1)] == hashed:
                return
            self._asked[hashed & (ASKED - 1)] = hashed
        case.touched = self._touched
        judge(&self._tables.view, &case, &outcome)

    cdef void _note_times(self, const int64_t* time, const Judged* j, size_t count) noexcept nogil:
        cdef int64_t* by_egress = self._times
        cdef int64_t* by_ingress = self._times + 2 * self._decisions
        cdef size_t n = self._decisions
        cdef size_t i
        for i in range(count):
            if time[i] != NO_TIME:
                note_time(&by_egress[j.egress[i]], &by_egress[n + j.egress[i]], time[i])
                note_time(&by_ingress[j.ingress[i]], &by_ingress[n + j.ingress[i]], time[i])
