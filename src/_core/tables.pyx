"""Takes the packed tables, gives them to kernels as pointers, checked once and held alive."""

import numpy as np

from netpol._core.addresses cimport BUCKET_SLOTS
from netpol._core.layout cimport (
    LINK_ALTERNATIVES, LINK_ALTERNATIVE_COUNT, LINK_NODE_PORT_GROUP, LINK_OWN_GROUP, PAGE,
    PART_EGRESS_CIDR, PART_EGRESS_ROW, ROW_FLAGS, ROW_PAIRS, SPLIT_ROW,
)
from netpol._core.lengths cimport need
from netpol._core.row_checks cimport check_cells, check_no_cells
from netpol._core.table_checks cimport check_bounds

cdef const uint32_t* _u32(object array) except NULL:
    cdef const uint32_t[::1] flat = _flat(array)
    return &flat[0]


cdef const uint16_t* _u16(object array) except NULL:
    cdef const uint16_t[::1] flat = _flat(array)
    return &flat[0]


cdef const uint8_t* _u8(object array) except NULL:
    cdef const uint8_t[::1] flat = _flat(array)
    return &flat[0]


cdef const uint64_t* _u64(object array) except NULL:
    cdef const uint64_t[::1] flat = _flat(array)
    return &flat[0]


cdef const int64_t* _i64(object array) except NULL:
    cdef const int64_t[::1] flat = _flat(array)
    return &flat[0]


def _flat(array):
    """Give the array as one dimension; an empty one as one zero, so that it has an address."""
    if array.size == 0:
        return np.zeros(1, array.dtype)
    return array.reshape(-1)


cdef class CompiledTables:
    """The tables as kernels read them.

    Parameters
    ----------
    arrays : dict of C-contiguous arrays, as netpol.compiler.pack.tables.LAYOUT describes them. They
        must not be changed afterwards, so they are made read-only.
    dense : whether the cells are there.
    own_columns : per side, own-node column of the cells (0xffffffff if not exempt), and the bits of
        the node's own column that are added to it.
    own_node, hairpin_exempt : whether those label columns mean anything (per side; both).
    no_policies : whether the program is empty (C7.1).
    order_always : whether an address peer of egress may do more than allow (A15.11).
    node_port_egress : 0 where it is not known what egress sees of another node's port, 1 the node,
        2 the backend (A15.9).

    Raises
    ------
    ValueError
        If an array is missing, not contiguous, or holds an index outside the table it points into;
        if ``own_columns`` or ``own_node`` is not of two sides.
    """

    def __cinit__(
        self, dict arrays not None, *, bint dense, own_columns, own_node, bint hairpin_exempt,
        bint no_policies, bint order_always, uint32_t node_port_egress,
    ):
        cdef View* v = &self.view
        need("own_columns", len(own_columns), 2)
        need("own_node", len(own_node), 2)
        for pair in own_columns:
            need("a side of own_columns", len(pair), 2)
        self._arrays = {}
        for name, array in arrays.items():
            if not array.flags.c_contiguous or not array.flags.aligned:
                raise ValueError(f"table {name}: not contiguous")
            array.flags.writeable = False
            # Empty tables need an address that stays alive as long as this object does.
            self._arrays[name] = _flat(array)
        check_bounds(arrays)
        if dense:
            check_cells(arrays, own_columns, own_node)
        else:
            check_no_cells(arrays)
        a = self._arrays
        _fill_plain(&v.plain, a, arrays, own_columns)
        v.v6_hash = _u64(a["v6_hash"])
        v.v6_mask = arrays["v6_hash"].shape[0] // BUCKET_SLOTS - 1
        v.v6_seed = int(arrays["v6_seed"][0])
        v.v6_starts = _u64(a["v6_starts"])
        v.v6_values = _u32(a["v6_values"])
        v.v6_count = arrays["v6_values"].size
        v.parts = _u32(a["endpoint_parts"])
        v.links = _u32(a["endpoint_links"])
        v.alternatives = _u32(a["alternatives"])
        v.segment_starts = _i64(a["segment_starts"])
        v.segment_values = _u32(a["segment_values"])
        v.service_keys = _u64(a["service_keys"])
        v.service_entries = _u32(a["service_entries"])
        v.service_count = arrays["service_keys"].size
        v.service_slots = _u32(a["service_slots"])
        v.service_mask = arrays["service_slots"].size - 1
        v.service_replicas = _u32(a["service_replicas"])
        v.replicas = _u32(a["replicas"])
        v.backend_endpoints = _u32(a["backend_endpoints"])
        v.backend_ports = _u16(a["backend_ports"])
        v.backend_ways = _u8(a["backend_ways"])
        v.backend_pods = _u32(a["backend_pods"])
        v.backend_alike = _u8(a["backend_alike"])
        v.service_locals = _u64(a["service_locals"])
        v.local_count = arrays["service_locals"].size
        _fill_nodes(v, a, arrays)
        v.pod_parts = _u32(a["pod_parts"])
        v.pod_count = arrays["pod_parts"].shape[0]
        v.port_maps = _u32(a["port_maps"])
        v.pages = _u16(a["pages"])
        v.runs = _u32(a["runs"])
        v.decision_info = _u8(a["decision_info"])
        v.dense = dense
        v.no_policies = no_policies
        v.node_port_egress = node_port_egress
        v.order_always = order_always
        self._arrays["names_fronts"] = _names_fronts(arrays)
        v.names_fronts = _u8(self._arrays["names_fronts"])
        v.fronts_named = bool(self._arrays["names_fronts"].any())
        v.node_ports = _u8(a["node_ports"])
        v.has_node_ports = bool(arrays["node_ports"].any())
        _fill_side(&v.egress, a, arrays, "egress", own_node[0], hairpin_exempt)
        _fill_side(&v.ingress, a, arrays, "ingress", own_node[1], hairpin_exempt)


def _names_fronts(dict arrays not None):
    """Give uint8[E]: whether rules about an endpoint's egress see services' addresses (A15.3).

    What a rule says of an address that no peer is about is the first run of its row. Rows that are
    split by port are taken to see them: working it out takes too long.
    """
    links = arrays["endpoint_links"]
    fronts = (links[:, LINK_NODE_PORT_GROUP] != 0) | (links[:, LINK_OWN_GROUP] != 0)
    several = links[fronts & (links[:, LINK_ALTERNATIVE_COUNT] != 0)]
    owners = [
        arrays["alternatives"][first : first + count]
        for first, count in zip(
            several[:, LINK_ALTERNATIVES].tolist(), several[:, LINK_ALTERNATIVE_COUNT].tolist(),
            strict=True,
        )
    ]
    ends = np.concatenate([np.flatnonzero(fronts), *owners]).astype(np.intp)
    columns = np.unique(arrays["endpoint_parts"][ends, PART_EGRESS_CIDR])
    rows = arrays["rows_egress"][:, ROW_PAIRS].astype(np.intp)
    found = arrays["rows_egress"][:, ROW_FLAGS] & SPLIT_ROW != 0
    whole = np.flatnonzero(~found)
    rows = rows[whole]
    for column in columns.tolist():
        pages = arrays["cidr_pages_egress"][whole, column // PAGE]
        places = rows + arrays["pages"][pages, column % PAGE]
        found[whole] |= arrays["pairs_egress"][places] != arrays["pairs_egress"][rows]
    return found[arrays["endpoint_parts"][:, PART_EGRESS_ROW]].astype(np.uint8)


cdef int _fill_nodes(View* v, dict a, dict arrays) except -1:
    v.node_endpoints = _u32(a["node_endpoints"])
    v.node_starts[0] = _u32(a["node_starts"])
    v.node_starts[1] = v.node_starts[0] + <size_t> arrays["node_starts"].shape[1]
    for i, family in enumerate(("v4", "v6")):
        v.node_samples[i] = _u32(a[f"node_samples_{family}"])
        v.node_sample_count[i] = arrays[f"node_samples_{family}"].size
        v.outside[i] = _u32(a[f"outside_{family}"])
        v.outside_count[i] = arrays[f"outside_{family}"].size
    return 0


cdef int _fill_plain(Plain* plain, dict a, dict arrays, own_columns) except -1:
    plain.v4_root = _u32(a["v4_root"])
    plain.v4_blocks = _u32(a["v4_blocks"])
    plain.src_records = _u32(a["src_records"])
    plain.dst_records = _u32(a["dst_records"])
    plain.egress_index = _u32(a["cell_index_egress"])
    plain.ingress_index = _u32(a["cell_index_ingress"])
    plain.runs = _u32(a["cell_runs"])
    plain.pages = _any(a["cell_pages"])
    plain.maps = _any(a["cell_maps"])
    plain.ports = _any(a["port_lookup"])
    plain.narrow = a["port_lookup"].dtype == np.uint16
    plain.classes = arrays["port_maps"].shape[1]
    plain.egress_own, plain.egress_own_mask = own_columns[0]
    plain.ingress_own, plain.ingress_own_mask = own_columns[1]
    return 0


cdef const void* _any(object array) except NULL:
    """Give where an array of any type is; kernels read it by aligned words of 4 bytes."""
    cdef const uint8_t[::1] flat = array.view(np.uint8)
    if <size_t> &flat[0] % 4:
        raise ValueError("a table is not aligned to 4 bytes")
    return &flat[0]


cdef int _fill_side(
    SideView* side, dict a, dict arrays, str name, bint own_column, bint hairpin_exempt
) except -1:
    side.rows = _u32(a[f"rows_{name}"])
    side.pairs = _u32(a[f"pairs_{name}"])
    side.label_pages = _u32(a[f"label_pages_{name}"])
    side.cidr_pages = _u32(a[f"cidr_pages_{name}"])
    side.strips = _u32(a[f"strips_{name}"])
    side.pieces = _u32(a[f"pieces_{name}"])
    side.label_width = arrays[f"label_pages_{name}"].shape[1]
    side.cidr_width = arrays[f"cidr_pages_{name}"].shape[1]
    side.hairpin_rows = _u32(a[f"hairpin_rows_{name}"])
    side.pod_cidr = _u32(a[f"seen_cidr_{name}"])
    side.node_cidr = side.pod_cidr + <size_t> arrays[f"seen_cidr_{name}"].shape[1]
    side.own_column = own_column
    side.hairpin_exempt = hairpin_exempt
    return 0
