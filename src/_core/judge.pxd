# One flow that the staged kernel does not finish: services, ambiguous owners, NAT, hairpins, hints.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from netpol._core.outcome cimport Case, Outcome
from netpol._core.tables cimport View

cdef size_t find_service(
    const View* v, uint32_t endpoint, uint8_t protocol, uint16_t port
) noexcept nogil

cdef size_t local_entry(const View* v, size_t entry, uint32_t node) noexcept nogil

cdef void judge(const View* v, const Case* c, Outcome* result) noexcept nogil

cdef uint32_t case_notes(const View* v, const Case* c) noexcept nogil
