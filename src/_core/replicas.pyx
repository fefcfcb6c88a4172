"""Takes a flow to a service port, gives its outcome by the backends that policies tell apart.

Replicas with the same rows, columns and port come out alike, so one of each kind is judged: three
loads a side. What is left to ``judge``: sources that are nodes or may be a backend themselves
(A10.3) or have no owner, translated flows, and services with backends that are no pods or reached
by source NAT.
"""

from libc.stdint cimport uint8_t, uint32_t

from netpol._core.cases cimport is_direct
from netpol._core.columns cimport Columns, Results
from netpol._core.judge cimport find_service, local_entry
from netpol._core.layout cimport (
    PART_COLUMNS, PART_EGRESS_LABEL, PART_EGRESS_ROW, PART_INGRESS_LABEL, PART_INGRESS_ROW,
    PART_NODE, RANGE_COLUMNS, RANGE_COUNT, RANGE_FIRST, REPLICA_COLUMNS, REPLICA_ENDPOINT,
    REPLICA_PORT_CLASS,
)
from netpol._core.outcome cimport (
    DENY, MERGED_SERVICE_BACKEND_DEPENDENT, ORDER_NOTE, SERVICE_BACKEND_DEPENDENT, UNKNOWN,
    VERDICT_MASK,
)
from netpol._core.plain cimport (
    CELL_DECISION_MASK, CELL_VERDICT_SHIFT, IS_ALONE, IS_AMBIGUOUS, IS_LOOPBACK, IS_NODE, IS_POD,
    IS_SERVICE, RECORD_COLUMN, RECORD_COLUMN_MASK, RECORD_COLUMNS, cell_decision, port_class,
    port_place,
)
from netpol._core.sides cimport flags_of, side_decision
from netpol._core.tables cimport View


cdef inline bint may_be_same_pod(const uint32_t* a, const uint32_t* b) noexcept nogil:
    """Whether two endpoints agree in all that depends on the pod and not on its address."""
    return (
        a[PART_EGRESS_ROW] == b[PART_EGRESS_ROW]
        and a[PART_EGRESS_LABEL] == b[PART_EGRESS_LABEL]
        and a[PART_INGRESS_ROW] == b[PART_INGRESS_ROW]
        and a[PART_INGRESS_LABEL] == b[PART_INGRESS_LABEL]
    )


cdef inline uint32_t combined(uint32_t egress, uint32_t ingress) noexcept nogil:
    """Give the verdict of two cells: deny (1) beats unknown (2) beats allow (C5)."""
    cdef uint32_t verdict = (egress | ingress) >> CELL_VERDICT_SHIFT
    return DENY if verdict & DENY else verdict


cdef uint32_t nowhere_verdict(
    const View* v, const uint32_t* parts, uint32_t ports
) noexcept nogil:
    """Give what egress says of an address that no peer is about."""
    return VERDICT_MASK & v.decision_info[
        side_decision(v, &v.egress, parts[PART_EGRESS_ROW], 0, 0, ports)]


cdef bint judge_service(
    const View* v, const Columns* c, size_t i, const Results* r
) noexcept nogil:
    """Judge the row if it is of this kind; tell whether it was."""
    cdef uint32_t src = r.src_endpoint[i]
    cdef uint32_t dst = r.dst_endpoint[i]
    cdef uint32_t s = flags_of(v, src)
    cdef uint32_t d = flags_of(v, dst)
    cdef const uint32_t* entry
    cdef const uint32_t* replica
    cdef const uint32_t* from_record = v.plain.src_records + RECORD_COLUMNS * <size_t> src
    cdef const uint32_t* from_parts = v.parts + PART_COLUMNS * <size_t> src
    cdef const uint32_t* to_record
    cdef uint32_t egress, ingress, verdict, first_egress = 0, first_ingress = 0, first = 0
    cdef uint32_t differ_verdict = 0, differ_egress = 0, differ_ingress = 0
    cdef uint32_t at_front, front_ports
    cdef bint ordered = False
    cdef size_t found, k, backend
    if not v.dense or not d & IS_SERVICE or not is_direct(c, i):
        return False
    if (s | d) & (IS_LOOPBACK | IS_AMBIGUOUS | IS_ALONE) or s & IS_NODE:
        return False
    found = find_service(v, dst, c.protocol[i], c.dport[i])
    if found == v.service_count:
        return True  # no port of a service: the plain pair it is judged as already
    if not s & IS_POD or d & IS_NODE:
        return False
    entry = v.service_replicas + RANGE_COLUMNS * local_entry(v, found, from_parts[PART_NODE])
    if entry[RANGE_COUNT] == 0:
        return False
    front_ports = port_class(&v.plain, port_place(c.protocol[i], c.dport[i], True))
    at_front = cell_decision(
        &v.plain, v.plain.egress_index, from_record,
        RECORD_COLUMN_MASK & v.plain.dst_records[
            RECORD_COLUMNS * <size_t> dst + RECORD_COLUMN], front_ports)
    for k in range(entry[RANGE_COUNT]):
        replica = v.replicas + REPLICA_COLUMNS * (entry[RANGE_FIRST] + k)
        backend = replica[REPLICA_ENDPOINT]
        if s & IS_POD and may_be_same_pod(
            from_parts, v.parts + PART_COLUMNS * backend
        ):
            return False
        to_record = v.plain.dst_records + RECORD_COLUMNS * backend
        egress = cell_decision(
            &v.plain, v.plain.egress_index, from_record,
            to_record[RECORD_COLUMN] & RECORD_COLUMN_MASK, replica[REPLICA_PORT_CLASS])
        ingress = cell_decision(
            &v.plain, v.plain.ingress_index, to_record,
            from_record[RECORD_COLUMN] & RECORD_COLUMN_MASK, replica[REPLICA_PORT_CLASS])
        verdict = combined(egress, ingress)
        if k == 0:
            first, first_egress, first_ingress = verdict, egress, ingress
        if verdict != combined(at_front, ingress) and not ordered:  # A15.3
            ordered = at_front >> CELL_VERDICT_SHIFT != nowhere_verdict(v, from_parts, front_ports)
        differ_verdict |= verdict ^ first
        differ_egress |= (egress ^ first_egress) >> CELL_VERDICT_SHIFT
        differ_ingress |= (ingress ^ first_ingress) >> CELL_VERDICT_SHIFT
    r.verdict[i] = <uint8_t> first
    r.egress[i] = first_egress & CELL_DECISION_MASK
    r.ingress[i] = first_ingress & CELL_DECISION_MASK
    if differ_verdict:  # C6, R14: agreeing sides are kept
        r.verdict[i] = UNKNOWN
        r.special[i] = SERVICE_BACKEND_DEPENDENT
        if differ_egress:
            r.egress[i] = MERGED_SERVICE_BACKEND_DEPENDENT
        if differ_ingress:
            r.ingress[i] = MERGED_SERVICE_BACKEND_DEPENDENT
    if ordered:
        r.special[i] |= ORDER_NOTE
    return True
