"""Takes the packed tables, raises ``ValueError`` unless rows, cells and decisions fit each other.

The sum of what a flow's row, column and port add must stay inside the runs: checked by the largest
part that each row can meet, not for every combination.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from netpol._core.layout cimport (
    HAIRPIN_COLUMN, OWN_NODE_COLUMN, PAGE, PART_EGRESS_CIDR, PART_EGRESS_ROW, PART_INGRESS_CIDR,
    PART_INGRESS_ROW, PART_NODE, PIECE_RUN, POD_EGRESS_LABEL, POD_EGRESS_ROW, POD_INGRESS_LABEL,
    POD_INGRESS_ROW, ROW_FLAGS, ROW_PAIRS, ROW_PORT_MAP, ROW_WIDTH, SEEN_NODE, SEEN_POD, SPLIT_ROW,
)
from netpol._core.lengths cimport need
from netpol._core.outcome cimport (
    CNP_ACCEPT, FIRST_RULES, NP_RULE, OWN_NODE_DENIED, RULE_ALLOWS, SIDE_EGRESS, SIDE_INGRESS, TIED,
    VERDICTS, VERDICT_MASK,
)
from netpol._core.plain cimport (
    CELL_DECISION_MASK, CELL_VERDICT_SHIFT, IS_NODE, NO_COLUMN, PAGE_CELLS, RECORD_CELLS,
    RECORD_COLUMN, RECORD_COLUMN_MASK, RECORD_FLAG_SHIFT, RECORD_MAP, RECORD_MAP_MASK,
    RECORD_NODE_SHIFT, RECORD_RUNS, UNKNOWN_NODE,
)

cdef enum:  # private
    ALL_FACTS = VERDICT_MASK | RULE_ALLOWS | TIED | OWN_NODE_DENIED
    ALL_FLAGS = 3                # of a row


cdef object wrong(str name, str what):
    return ValueError(f"table {name}: {what}")


cdef object check_sides(dict a):
    """Check ports, runs and both sides' row tables; shapes and endpoints were checked before."""
    decisions = a["decision_info"].size
    classes = a["port_maps"].shape[1]
    if decisions < FIRST_RULES:
        raise wrong("decision_info", "the reserved decisions are missing")
    facts = a["decision_info"]
    if int((facts & VERDICT_MASK).max()) >= VERDICTS or int(facts.max()) > ALL_FACTS:
        raise wrong("decision_info", "no such verdict")
    if int(a["port_lookup"].max()) >= classes:
        raise wrong("port_lookup", "an index points outside its table")
    if a["runs"].size == 0 or int(a["runs"].max()) >= decisions:
        raise wrong("runs", "an index points outside its table")
    longest = a["port_maps"].max(axis=1).astype(np.uint32)
    ends = run_split(a), a["runs"].size
    tops = a["pages"].max(axis=1)
    for number, side in enumerate(("egress", "ingress")):
        if a[f"hairpin_rows_{side}"].max() >= a[f"rows_{side}"].shape[0]:
            raise wrong(f"hairpin_rows_{side}", "an index points outside its table")
        _check_strips(side, a[f"strips_{side}"], a[f"pieces_{side}"], ends[number])
        _check_rows(
            side, a[f"rows_{side}"], a[f"pairs_{side}"], a[f"label_pages_{side}"],
            a[f"cidr_pages_{side}"], tops, longest, classes, ends[number],
            a[f"strips_{side}"].shape[0] - 1)
        _check_columns(
            a["endpoint_parts"], a["pod_parts"], a[f"seen_cidr_{side}"], number,
            a[f"rows_{side}"].shape[0], PAGE * a[f"label_pages_{side}"].shape[1],
            PAGE * a[f"cidr_pages_{side}"].shape[1])


cdef object run_split(dict a):
    """Give where the runs of ingress begin: those of egress end before.

    What leads there are the pairs of rows that are not split, and the pieces of strips.
    """
    rows, pairs, end = a["rows_ingress"], a["pairs_ingress"], a["runs"].size
    starts = np.append(rows[:, ROW_PAIRS], pairs.size).astype(np.int64)
    if starts[0] or (np.diff(starts) < 0).any():
        raise wrong("rows_ingress", "pairs must begin with the first row, and ascend")
    whole = np.repeat(rows[:, ROW_FLAGS] & SPLIT_ROW == 0, np.diff(starts))
    first = pairs[whole].min(initial=end), a["pieces_ingress"][:, PIECE_RUN].min(initial=end)
    return int(min(first))


cdef object cell_split(dict a):
    """Do as ``run_split`` for ``cell_runs``."""
    return int(a["dst_records"][:, RECORD_RUNS].min()) if a["cell_runs"].size else 0


cdef int _check_rows(
    str side, const uint32_t[:, ::1] rows, const uint32_t[::1] pairs,
    const uint32_t[:, ::1] labels, const uint32_t[:, ::1] cidrs, const uint16_t[::1] tops,
    const uint32_t[::1] longest, uint32_t classes, size_t runs, size_t strips
) except -1:
    """Check that a row's pairs are its own, whatever its local classes, and end inside the runs.

    Those of a row that is split are by local port in place of CIDRs, and lead to strips.
    """
    cdef size_t i, k
    cdef uint64_t base, edge, label, cidr, width
    cdef uint32_t map_
    cdef bint split
    if rows[0, ROW_PAIRS]:
        raise wrong(f"rows_{side}", "pairs must begin with the first row")
    for i in range(<size_t> rows.shape[0]):
        base, width = rows[i, ROW_PAIRS], rows[i, ROW_WIDTH]
        edge = rows[i + 1, ROW_PAIRS] if i + 1 < <size_t> rows.shape[0] else pairs.shape[0]
        if edge > <size_t> pairs.shape[0]:
            raise wrong(f"rows_{side}", "an index points outside its table")
        map_ = rows[i, ROW_PORT_MAP] // classes
        if rows[i, ROW_PORT_MAP] % classes or map_ >= <size_t> longest.shape[0] or (
            rows[i, ROW_FLAGS] > ALL_FLAGS
        ):
            raise wrong(f"rows_{side}", "port map base is not a map's")
        label = highest(labels, i, tops)
        cidr = highest(cidrs, i, tops)
        if label > 0xFFFF or cidr > 0xFFFF:
            raise wrong(f"label_pages_{side}, cidr_pages_{side}", "no such page")
        split = rows[i, ROW_FLAGS] & SPLIT_ROW
        if split:
            cidr = longest[map_]
        if cidr >= width or base + label * width + cidr >= edge:
            raise wrong(f"rows_{side}", "a local class is not one of its row's")
        for k in range(base, edge):
            if pairs[k] >= strips if split else <uint64_t> pairs[k] + longest[map_] >= runs:
                raise wrong(f"pairs_{side}", "an index points outside its table")


cdef int _check_strips(
    str side, const uint32_t[::1] strips, const uint32_t[:, ::1] pieces, size_t runs
) except -1:
    """Check that each strip has pieces, and that they lead into the side's runs."""
    cdef size_t i
    if strips[0] or strips[strips.shape[0] - 1] != <size_t> pieces.shape[0]:
        raise wrong(f"strips_{side}", "do not fit their pieces")
    for i in range(1, <size_t> strips.shape[0]):
        if strips[i] <= strips[i - 1]:
            raise wrong(f"strips_{side}", "a strip without pieces")
    for i in range(<size_t> pieces.shape[0]):
        if pieces[i, PIECE_RUN] >= runs:
            raise wrong(f"pieces_{side}", "an index points outside its table")


cdef inline uint64_t highest(
    const uint32_t[:, ::1] index, size_t row, const uint16_t[::1] tops
) noexcept:
    """Give the highest entry of any of a row's pages; 0x10000 where there is no such page."""
    cdef uint64_t found = 0
    cdef size_t p
    for p in range(<size_t> index.shape[1]):
        if index[row, p] >= <size_t> tops.shape[0]:
            return 0x10000
        found = max(found, <uint64_t> tops[index[row, p]])
    return found


cdef int _check_columns(
    const uint32_t[:, ::1] parts, const uint32_t[:, ::1] pods, const uint32_t[:, ::1] seen,
    size_t side, size_t rows, size_t labels, size_t cidrs
) except -1:
    """Check rows and columns of endpoints and pods; two label columns are of no endpoint."""
    cdef size_t column = PART_INGRESS_CIDR if side else PART_EGRESS_CIDR
    cdef size_t row_column = POD_INGRESS_ROW if side else POD_EGRESS_ROW
    cdef size_t label_column = POD_INGRESS_LABEL if side else POD_EGRESS_LABEL
    cdef uint32_t row, label
    cdef size_t i
    for i in range(<size_t> seen.shape[1]):
        if seen[SEEN_POD, i] >= <size_t> seen.shape[1] or (
            seen[SEEN_NODE, i] >= <size_t> seen.shape[1]
        ):
            raise ValueError("table seen_cidr: an index points outside its table")
    if <size_t> seen.shape[1] > cidrs:
        raise ValueError("table seen_cidr: more columns than there are")
    for i in range(<size_t> parts.shape[0]):
        if parts[i, column] >= <size_t> seen.shape[1]:
            raise wrong("endpoint_parts", "an index points outside its table")
    for i in range(<size_t> pods.shape[0]):  # endpoints have their pods' row and label column
        row, label = pods[i, row_column], pods[i, label_column]
        if row >= rows or label >= labels or OWN_NODE_COLUMN <= label <= HAIRPIN_COLUMN:
            raise wrong("pod_parts", "an index points outside its table")


# --- cells ----------------------------------------------------------------------------------------


cdef object check_cells(dict a, object own_columns, object own_node):
    """Check the kernel's tables: ``own_columns`` and ``own_node`` as CompiledTables takes them."""
    pages, maps, classes = a["cell_pages"], a["cell_maps"], a["port_maps"].shape[1]
    if (pages.dtype, maps.dtype) != (
        (np.uint8, np.uint16) if a["port_lookup"].dtype == np.uint16 else (np.uint16, np.uint32)
    ):
        raise wrong("cell_pages, cell_maps", "not of the widths that port_lookup has")
    count = maps.size // classes
    if count == 0 or maps.size % 2 or maps.size - count * classes > 1 or pages.shape[0] > 1 << 26:
        raise wrong("cell_pages, cell_maps", "wrong shape")
    _check_verdicts(a["cell_runs"], a["decision_info"])
    highest_port = maps[: count * classes].reshape(count, classes).max(axis=1).astype(np.uint32)
    tops = pages.max(axis=1).astype(np.uint16)
    indexes = a["cell_index_egress"], a["cell_index_ingress"]
    ends = cell_split(a), a["cell_runs"].size
    for number, (name, side) in enumerate((("src", "egress"), ("dst", "ingress"))):
        index, (own, mask) = indexes[number], own_columns[number]
        rows, width = index.shape[0], index.shape[1] * PAGE_CELLS
        if rows == 0 or rows > a[f"rows_{side}"].shape[0] or not 0 < rows * width <= 1 << 32:
            raise wrong(f"cell_index_{side}", "wrong shape")
        if (own != NO_COLUMN) != bool(own_node[number]):
            raise ValueError("meta own_columns: not those of the switches")
        _check_records(
            f"{name}_records", a[f"{name}_records"], a["endpoint_parts"], index, tops,
            highest_port, PART_INGRESS_ROW if number else PART_EGRESS_ROW,
            PAGE_CELLS * indexes[1 - number].shape[1], ends[number])
        if own != NO_COLUMN:
            # Columns of this side stand in the records of the other end.
            _check_own(a["dst_records" if number == 0 else "src_records"], own, mask, width)


cdef object check_no_cells(dict a):
    """Check that records hold nothing about cells, where there are none."""
    cdef const uint32_t[:, ::1] records
    for name in ("src_records", "dst_records"):
        records = a[name]
        for i in range(<size_t> records.shape[0]):
            if records[i, RECORD_CELLS] or records[i, RECORD_RUNS] or records[i, RECORD_MAP] or (
                records[i, RECORD_COLUMN] & RECORD_COLUMN_MASK
            ):
                raise wrong(name, "cells, where there are none")


cdef int _check_verdicts(const uint32_t[::1] runs, const uint8_t[::1] info) except -1:
    cdef size_t i
    cdef uint32_t decision
    for i in range(<size_t> runs.shape[0]):
        decision = runs[i] & CELL_DECISION_MASK
        if decision >= <size_t> info.shape[0]:
            raise wrong("cell_runs", "an index points outside its table")
        if runs[i] >> CELL_VERDICT_SHIFT != info[decision] & VERDICT_MASK:
            raise wrong("cell_runs", "a verdict is not its decision's")


cdef int _check_records(
    str name, const uint32_t[:, ::1] records, const uint32_t[:, ::1] parts,
    const uint32_t[:, ::1] index, const uint16_t[::1] tops, const uint32_t[::1] ports,
    size_t row_column, size_t across, size_t runs
) except -1:
    """Check first cell, runs, column, map and node of each endpoint."""
    cdef size_t rows = index.shape[0]
    cdef uint32_t width = PAGE_CELLS * index.shape[1]
    cdef uint64_t[::1] top = np.zeros(rows, np.uint64)
    cdef int64_t[::1] first = np.full(rows, -1, np.int64)  # endpoint of each row
    cdef uint32_t row, map_, node, column
    cdef size_t i
    for i in range(rows):
        top[i] = highest(index, i, tops)
        if top[i] > 0xFFFF:
            raise wrong("cell_index", "an index points outside its table")
    for i in range(<size_t> records.shape[0]):
        row, map_ = parts[i, row_column], records[i, RECORD_MAP] & RECORD_MAP_MASK
        if row >= rows or records[i, RECORD_CELLS] != row * width:
            raise wrong(name, "first cell is not its row's")
        column = records[i, RECORD_COLUMN] & RECORD_COLUMN_MASK
        if column >= across or map_ >= <size_t> ports.shape[0]:
            raise wrong(name, "an index points outside its table")
        if first[row] < 0:
            first[row] = i
        if records[i, RECORD_RUNS] != records[first[row], RECORD_RUNS] or (
            map_ != records[first[row], RECORD_MAP] & RECORD_MAP_MASK
        ):
            raise wrong(name, "runs or port map are not its row's")
        if records[i, RECORD_RUNS] + top[row] + ports[map_] >= runs:
            raise wrong(name, "an index points outside its table")
        node = parts[i, PART_NODE]
        if node == 0 and records[i, RECORD_COLUMN] >> RECORD_FLAG_SHIFT & IS_NODE:
            node = UNKNOWN_NODE
        if records[i, RECORD_MAP] >> RECORD_NODE_SHIFT != node:
            raise wrong(name, "not on the node of its endpoint")


cdef int _check_own(
    const uint32_t[:, ::1] records, uint64_t own, uint32_t mask, size_t width
) except -1:
    """Check that the column of the own node, of any node, is one."""
    cdef size_t i
    for i in range(<size_t> records.shape[0]):
        if records[i, RECORD_COLUMN] >> RECORD_FLAG_SHIFT & IS_NODE and (
            own + (records[i, RECORD_COLUMN] & RECORD_COLUMN_MASK & mask) >= width
        ):
            raise ValueError("meta own_columns: no such column")
    if own >= width:
        raise ValueError("meta own_columns: no such column")


# --- decisions ------------------------------------------------------------------------------------


def check_decisions(dict a not None, list decisions not None, list counts not None):
    """Check what decisions say of policies and rules, and that runs of a side lead to its own.

    Parameters
    ----------
    a : every array of compiler.pack.tables.LAYOUT, as check_bounds and check_cells passed them.
    decisions : list of tuples, as compiler.rows.decisions.Decision has them but for its marks.
    counts : per side, egress first, the rules that each policy has.

    Raises
    ------
    ValueError
        They name what is not there; or ``counts`` has not as many policies on both sides.
    """
    cdef const uint8_t[::1] info = a["decision_info"]
    sides = np.zeros(info.shape[0], np.uint8)
    cdef uint8_t[::1] side_of = sides
    cdef tuple one
    cdef size_t i
    cdef list mine, egress_counts, ingress_counts
    cdef long side, verdict, facts, policy, rule, policies
    need("counts", len(counts), 2)
    egress_counts, ingress_counts = counts
    if egress_counts is None or ingress_counts is None:
        raise ValueError("counts: a side is missing")
    policies = len(egress_counts)
    need("counts of ingress", len(ingress_counts), policies)
    if <size_t> len(decisions) != <size_t> info.shape[0]:
        raise ValueError("meta decisions: not as many as in table decision_info")
    for i in range(<size_t> len(decisions)):
        one = decisions[i]
        side, verdict, reason, _, policy, rule, matching, isolating, witnesses, tie, own_node = one
        facts = verdict | (TIED if tie else 0) | (OWN_NODE_DENIED if own_node else 0)
        if reason == NP_RULE - 1 or reason == CNP_ACCEPT - 1:
            facts |= RULE_ALLOWS
        if info[i] != facts:
            raise ValueError("meta decisions: not what table decision_info says")
        side_of[i] = <uint8_t> side
        mine = ingress_counts if side == SIDE_INGRESS else egress_counts
        if side != SIDE_EGRESS and side != SIDE_INGRESS and (
            policy >= 0 or matching or isolating or witnesses
        ):
            raise ValueError("meta decisions: a rule, and of no side")
        check_rule(policy, rule, policies, mine)
        for by, place in matching:
            if by < 0 or place < 0:
                raise ValueError("meta decisions: no such rule")
            check_rule(by, place, policies, mine)
        for _, by, place in witnesses:
            check_rule(by, place, policies, mine)
        for policy in isolating:
            if policy >= policies:
                raise ValueError("meta decisions: no such policy")
    _check_run_sides("runs", a["runs"], run_split(a), side_of)
    _check_run_sides("cell_runs", a["cell_runs"], cell_split(a), side_of)


cdef int _check_run_sides(
    str name, const uint32_t[::1] runs, size_t split, const uint8_t[::1] side_of
) except -1:
    """Check that runs are of egress before ``split`` and of ingress behind, or of no side."""
    cdef size_t i
    cdef uint8_t side
    for i in range(<size_t> runs.shape[0]):
        side = side_of[runs[i] & CELL_DECISION_MASK]
        if side and side != (SIDE_EGRESS if i < split else SIDE_INGRESS):
            raise wrong(name, "a decision is of the other side")


cdef inline int check_rule(long policy, long rule, long policies, list counts) except -1:
    if policy >= policies or rule >= 0 and (policy < 0 or rule >= <long> counts[policy]):
        raise ValueError("meta decisions: no such rule")
    return 0
