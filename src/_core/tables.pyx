"""Holds the packed tables alive and checks, once, every index that kernels will follow."""

import numpy as np

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
    arrays : dict of C-contiguous arrays, as netpol.compiler.tables.LAYOUT describes them.
    dense : whether ``cells_*`` are filled.
    own_columns : dense own-node column of egress and ingress, 0xffffffff where not exempt.
    own_exempt, hairpin_exempt : whether those label columns mean anything (per side; both).
    node_split : how many of ``node_endpoints`` are IPv4.
    no_policies : whether the program is empty (C7.1).
    hide_pod_cidr, hide_node_cidr : whether CIDR peers ignore pods and nodes (A6.4).

    Raises
    ------
    ValueError
        If an array is missing, not contiguous, or holds an index outside the table it points into.
    """

    def __init__(self, dict arrays, *, bint dense, own_columns, own_exempt, bint hairpin_exempt,
                 size_t node_split, bint no_policies, bint hide_pod_cidr, bint hide_node_cidr):
        cdef View* v = &self.view
        self._arrays = {}
        for name, array in arrays.items():
            if not array.flags.c_contiguous:
                raise ValueError(f"table {name}: not contiguous")
            # Empty tables need an address that stays alive as long as this object does.
            self._arrays[name] = _flat(array)
        _check_bounds(arrays, dense)
        a = self._arrays
        v.v4_root = _u32(a["v4_root"])
        v.v4_blocks = _u32(a["v4_blocks"])
        v.v6_hash = _u64(a["v6_hash"])
        v.v6_hash_value = _u32(a["v6_hash_value"])
        v.v6_mask = arrays["v6_hash_value"].size - 1
        v.v6_seed = int(arrays["v6_seed"][0])
        v.v6_starts = _u64(a["v6_starts"])
        v.v6_values = _u32(a["v6_values"])
        v.v6_count = arrays["v6_values"].size
        v.fast = _u32(a["endpoint_fast"])
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
        v.backend_endpoints = _u32(a["backend_endpoints"])
        v.backend_ports = _u16(a["backend_ports"])
        v.backend_source_nat = _u8(a["backend_source_nat"])
        v.backend_pods = _u32(a["backend_pods"])
        v.backend_alike = _u8(a["backend_alike"])
        v.node_endpoints = _u32(a["node_endpoints"])
        v.node_split = node_split
        v.node_count = arrays["node_endpoints"].size
        if v.node_split > v.node_count:
            raise ValueError("table node_endpoints: split beyond its end")
        v.pod_parts = _u32(a["pod_parts"])
        v.pod_count = arrays["pod_parts"].shape[0]
        v.port_lookup = _u16(a["port_lookup"])
        v.slot_base = _u32(a["port_slot_base"])
        v.slot_mask = _u32(a["port_slot_mask"])
        v.slot_first = _u32(a["port_slot_first"])
        v.narrow = a["cells_egress"].dtype == np.uint16
        if a["cells_ingress"].dtype != a["cells_egress"].dtype:
            raise ValueError("table cells_ingress: not of the type of cells_egress")
        v.port_maps = _u16(a["port_maps"])
        v.pages = _u16(a["pages"])
        v.runs = _u32(a["runs"])
        v.decision_info = _u8(a["decision_info"])
        v.dense = dense
        v.no_policies = no_policies
        v.hide_pod_cidr = hide_pod_cidr
        v.hide_node_cidr = hide_node_cidr
        _fill_side(&v.egress, a, arrays, "egress", own_columns[0], own_exempt[0], hairpin_exempt)
        _fill_side(&v.ingress, a, arrays, "ingress", own_columns[1], own_exempt[1], hairpin_exempt)


cdef int _fill_side(SideView* side, dict a, dict arrays, str name, uint32_t own_column,
                    bint own_exempt, bint hairpin_exempt) except -1:
    side.rows = _u32(a[f"rows_{name}"])
    side.pairs = _u32(a[f"pairs_{name}"])
    side.label_pages = _u32(a[f"label_pages_{name}"])
    side.cidr_pages = _u32(a[f"cidr_pages_{name}"])
    cells = a[f"cells_{name}"]
    side.cells = <const void*> _u16(cells) if cells.dtype == np.uint16 else \
        <const void*> _u32(cells)
    side.label_width = arrays[f"label_pages_{name}"].shape[1]
    side.cidr_width = arrays[f"cidr_pages_{name}"].shape[1]
    side.own_column = own_column
    side.own_exempt = own_exempt
    side.hairpin_exempt = hairpin_exempt
    return 0


def _limit(array, size_t size, str name):
    if array.size and int(array.max()) >= size:
        raise ValueError(f"table {name}: an index points outside its table")


def _check_bounds(dict a, bint dense):
    """Check every index; a saved file that was damaged must not become a wild read."""
    endpoints = a["endpoint_fast"].shape[0]
    blocks = a["v4_blocks"].size // 256
    for name in ("v4_root", "v4_blocks"):
        entries = a[name]
        pointers = entries >= 0x80000000
        _limit(entries[~pointers], endpoints, name)
        _limit(entries[pointers] & np.uint32(0x7FFFFFFF), blocks, name)
    flat = a["v4_blocks"]
    last = (flat[flat >= 0x80000000] & np.uint32(0x7FFFFFFF)).astype(np.int64)
    if (flat.reshape(-1, 256)[last] >= 0x80000000).any():
        raise ValueError("table v4_blocks: more than three levels")
    if a["v4_root"].size != 65536 or endpoints == 0:
        raise ValueError("table v4_root: must have 65536 entries")
    slots = a["v6_hash_value"].size
    if slots == 0 or slots & (slots - 1) or a["v6_hash"].shape != (slots, 2):
        raise ValueError("table v6_hash: size must be a power of two")
    hashed = a["v6_hash_value"]
    if not (hashed == 0xFFFFFFFF).any():
        raise ValueError("table v6_hash: must have an empty slot")
    _limit(hashed[hashed != 0xFFFFFFFF], endpoints, "v6_hash_value")
    if a["v6_starts"].shape != (a["v6_values"].size, 2) or a["v6_starts"][0].any():
        raise ValueError("table v6_starts: must begin at ::")
    for name in ("v6_values", "alternatives", "segment_values", "backend_endpoints",
                 "node_endpoints"):
        _limit(a[name], endpoints, name)
    _check_endpoints(a, endpoints)
    _check_sides(a, dense)


def _check_endpoints(dict a, size_t endpoints):
    pods = a["pod_parts"].shape[0]
    parts, links, fast = a["endpoint_parts"], a["endpoint_links"], a["endpoint_fast"]
    for name, width in (("endpoint_parts", 8), ("endpoint_links", 8), ("endpoint_fast", 8)):
        if a[name].shape != (endpoints, width):
            raise ValueError(f"table {name}: wrong shape")
    if a["pod_parts"].shape[1] != 7:
        raise ValueError("table pod_parts: wrong shape")
    _limit(parts[:, 6], pods + 1, "endpoint_parts")
    classes = a["port_maps"].shape[1]
    flat_maps = a["port_maps"].size
    for column in (2, 5):
        _limit(fast[:, column], flat_maps - classes + 1, "endpoint_fast")
    ends = links.astype(np.int64)
    _limit(ends[:, 0] + ends[:, 1], a["alternatives"].size + 1, "endpoint_links")
    _limit(ends[:, 4] + ends[:, 5], a["segment_values"].size + 1, "endpoint_links")
    ambiguous = (fast[:, 7] & 8) != 0
    timed = (fast[:, 7] & 32) != 0
    if (links[ambiguous, 1] == 0).any() or (links[timed, 5] == 0).any():
        raise ValueError("table endpoint_links: an ambiguous or timed endpoint names nobody")
    nested = a["endpoint_fast"][a["alternatives"].astype(np.int64), 7] if a["alternatives"].size \
        else np.zeros(0, np.uint32)
    if (nested & 8).any():
        raise ValueError("table alternatives: an alternative is ambiguous itself")
    slots = a["service_slots"]
    if slots.size == 0 or slots.size & (slots.size - 1) or slots.all():
        raise ValueError("table service_slots: size must be a power of two, one slot empty")
    _limit(slots, a["service_keys"].size + 1, "service_slots")
    if a["segment_starts"].size != a["segment_values"].size:
        raise ValueError("table segment_starts: wrong size")
    entries = a["service_entries"].astype(np.int64)
    if entries.shape != (a["service_keys"].size, 3):
        raise ValueError("table service_entries: wrong shape")
    _limit(entries[:, 0] + entries[:, 1], a["backend_endpoints"].size + 1, "service_entries")
    for name in ("backend_ports", "backend_source_nat", "backend_pods", "backend_alike"):
        if a[name].size != a["backend_endpoints"].size:
            raise ValueError(f"table {name}: wrong size")
    backends = a["backend_endpoints"].astype(np.int64)
    if backends.size and (fast[backends, 7] & 8).any():
        raise ValueError("table backend_endpoints: a backend is ambiguous")


def _check_sides(dict a, bint dense):
    decisions = a["decision_info"].size
    if decisions < 11:
        raise ValueError("table decision_info: the reserved decisions are missing")
    _limit(a["runs"], decisions, "runs")
    classes = a["port_maps"].shape[1]
    _check_ports(a, classes)
    longest = a["port_maps"].max(axis=1).astype(np.int64)
    runs = a["runs"].size
    pages = a["pages"].shape[0]
    if a["pages"].shape[1] != 16:
        raise ValueError("table pages: wrong shape")
    for side, first in (("egress", 0), ("ingress", 3)):
        rows, pairs = a[f"rows_{side}"].astype(np.int64), a[f"pairs_{side}"]
        count = rows.shape[0]
        if rows.shape[1] != 4 or count == 0:
            raise ValueError(f"table rows_{side}: wrong shape")
        _limit(rows[:, 2], a["port_maps"].size - classes + 1, f"rows_{side}")
        if (rows[:, 2] % classes).any():
            raise ValueError(f"table rows_{side}: port map base is not a map's")
        _limit(a["endpoint_parts"][:, first], count, "endpoint_parts")
        _limit(a["pod_parts"][:, 0 if first == 0 else 2], count, "pod_parts")
        top_map = int(longest.max())
        _limit(pairs.astype(np.int64) + top_map, runs + top_map, f"pairs_{side}")
        _check_row_ends(a, side, rows, pairs, longest[rows[:, 2] // classes], runs)
        for kind, column, pod_column in (("label", 1, 1 if first == 0 else 3), ("cidr", 2, None)):
            table = a[f"{kind}_pages_{side}"]
            _limit(table, pages, f"{kind}_pages_{side}")
            if table.shape[0] != count or table.shape[1] == 0:
                raise ValueError(f"table {kind}_pages_{side}: wrong shape")
            width = table.shape[1] * 16
            _limit(a["endpoint_parts"][:, first + column], width, "endpoint_parts")
            if pod_column is not None:
                _limit(a["pod_parts"][:, pod_column], width, "pod_parts")
        _check_cells(a, side, first, dense, runs, top_map)


def _check_ports(dict a, size_t classes):
    base, mask, first = (a[f"port_slot_{name}"].astype(np.int64)
                         for name in ("base", "mask", "first"))
    if not base.size == mask.size == first.size == 512:
        raise ValueError("table port_slot_base: must have 512 entries")
    _limit(base + mask, a["port_lookup"].size, "port_slot_base")
    for slot in range(512):
        reached = a["port_lookup"][base[slot]:base[slot] + mask[slot] + 1]
        _limit(reached.astype(np.int64) + first[slot], classes, "port_slot_first")


def _check_row_ends(dict a, str side, rows, pairs, longest, size_t runs):
    """Each row's pairs, whatever its local classes, and each run, must end inside their tables."""
    label_top = a["pages"].max(axis=1).astype(np.int64) if a["pages"].size else np.zeros(1, int)
    labels = label_top[a[f"label_pages_{side}"]].max(axis=1)
    cidrs = label_top[a[f"cidr_pages_{side}"]].max(axis=1)
    last = rows[:, 0] + labels * rows[:, 1] + cidrs
    _limit(last, pairs.size, f"rows_{side}")
    if (cidrs >= rows[:, 1]).any():
        raise ValueError(f"table cidr_pages_{side}: a local class is not one of its row's")
    edges = np.append(rows[1:, 0], pairs.size)
    if (edges < rows[:, 0]).any() or (edges > pairs.size).any():
        raise ValueError(f"table rows_{side}: pair bases must ascend")
    owner = np.repeat(np.arange(len(rows)), edges - rows[:, 0])
    reach = pairs[int(rows[0, 0]):].astype(np.int64) + longest[owner]
    _limit(reach, runs, f"pairs_{side}")


def _check_cells(dict a, str side, size_t first, bint dense, size_t runs, size_t top_map):
    cells = a[f"cells_{side}"]
    if not dense:
        return
    count, width = a[f"rows_{side}"].shape[0], cells.shape[1]
    if cells.shape[0] != count or width == 0:
        raise ValueError(f"table cells_{side}: wrong shape")
    base = a["endpoint_fast"][:, first].astype(np.int64)
    if (base % width).any():
        raise ValueError("table endpoint_fast: cell base is not a row's")
    _limit(base, count * width, "endpoint_fast")
    _limit(a["endpoint_fast"][:, first + 1], width, "endpoint_fast")
    classes = a["port_maps"].shape[1]
    longest = a["port_maps"].max(axis=1).astype(np.int64)
    rows = a[f"rows_{side}"].astype(np.int64)
    reach = cells.max(axis=1).astype(np.int64) + longest[rows[:, 2] // classes]
    _limit(reach, runs, f"cells_{side}")
    if not (a["endpoint_fast"][:, first + 2] == rows[base // width, 2]).all():
        raise ValueError("table endpoint_fast: port map is not its row's")
