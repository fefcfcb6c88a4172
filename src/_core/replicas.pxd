# Flows to a service port whose backends are plain pods, judged by the few that differ.
from netpol._core.columns cimport Columns, Results
from netpol._core.tables cimport View

cdef bint judge_service(
    const View* v, const Columns* c, size_t i, const Results* r
) noexcept nogil
