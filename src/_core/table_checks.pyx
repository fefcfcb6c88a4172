"""Takes the packed tables, raises ``ValueError`` unless kernels can follow every value in them.

A saved file that was damaged or forged must not lead to a read outside a table, an endless loop or
an id that does not exist. Range alone is not enough: what a value leads to is checked too. Here are
shapes, addresses, endpoints and services; ``row_checks`` has rows, cells and decisions.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from netpol._core.addresses cimport (
    BLOCK_ENTRIES, BUCKET_SLOTS, EMPTY_SLOT, MAPPED, POINTER, V6_PROBES, is_mapped, mix_v6,
)
from netpol._core.columns cimport NO_TIME
from netpol._core.layout cimport (
    ENTRY_BACKENDS, ENTRY_BACKEND_COUNT, ENTRY_COLUMNS, ENTRY_WAYS, FIRST_OWN_GROUP, KINDS,
    KIND_AMBIGUOUS, KIND_EXTERNAL, KIND_NODE, KIND_POD, LINK_ALTERNATIVES, LINK_ALTERNATIVE_COUNT,
    LINK_COLUMNS, LINK_KIND, LINK_NODE_PORT_GROUP, LINK_NOTES, LINK_OWN_GROUP, LINK_SEGMENTS,
    LINK_SEGMENT_COUNT, LOCAL_ENTRY_SHIFT, PAGE, PART_COLUMNS, PART_EGRESS_LABEL, PART_EGRESS_ROW,
    PART_INGRESS_LABEL, PART_INGRESS_ROW, PART_NODE, PART_POD, PIECE_COLUMNS, POD_AS_NODE,
    POD_COLUMNS, POD_EGRESS_LABEL, POD_EGRESS_ROW, POD_INGRESS_LABEL, POD_INGRESS_ROW, POD_NODE,
    POD_NOTES, RANGE_COLUMNS, RANGE_COUNT, RANGE_FIRST, REPLICA_COLUMNS, REPLICA_ENDPOINT,
    REPLICA_PORT_CLASS, ROW_COLUMNS, SEEN_ROWS, SERVICE_GROUP_SHIFT, SLOT_COLUMNS, SLOT_ENDPOINT,
    SLOT_HIGH, SLOT_LOW, SLOT_ZERO,
)
from netpol._core.outcome cimport LOCAL_ENTRY, NOTE_SETS, WAYS
from netpol._core.plain cimport (
    IS_ALONE, IS_AMBIGUOUS, IS_LOOPBACK, IS_NODE, IS_NOTED, IS_POD, IS_SERVICE, IS_TIMED,
    PAGE_CELLS, PORTS, PORT_PLACES, RECORD_COLUMN, RECORD_COLUMNS, RECORD_FLAG_SHIFT,
)
from netpol._core.row_checks cimport check_sides

cdef enum:  # private
    LIMIT = 0x7FFFFFFF           # vector kernels index by signed 32 bits
    SLOT_PROBES = 4096           # more than any table half full needs

# By kind.
cdef uint32_t[KINDS] FLAGS = [0, IS_POD, IS_NODE, IS_LOOPBACK, IS_AMBIGUOUS]

# What each dimension has to be: a number, or a name for what is equal wherever it stands.
SHAPES = {
    "v4_root": (65536,), "v4_blocks": ("v4",), "v6_hash": ("v6", SLOT_COLUMNS), "v6_seed": (1,),
    "v6_starts": ("regions", 2), "v6_values": ("regions",),
    "src_records": ("endpoints", RECORD_COLUMNS), "dst_records": ("endpoints", RECORD_COLUMNS),
    "endpoint_parts": ("endpoints", PART_COLUMNS), "endpoint_links": ("endpoints", LINK_COLUMNS),
    "alternatives": ("alternatives",), "segment_starts": ("segments",),
    "segment_values": ("segments",), "service_keys": ("services",), "service_slots": ("slots",),
    "service_entries": ("entries", ENTRY_COLUMNS), "service_locals": ("locals",),
    "service_replicas": ("entries", RANGE_COLUMNS), "replicas": ("replicas", REPLICA_COLUMNS),
    "node_ports": (PORTS // 8,),
    "backend_endpoints": ("backends",), "backend_ports": ("backends",),
    "backend_ways": ("backends",), "backend_pods": ("backends",), "backend_alike": ("backends",),
    "node_endpoints": ("at nodes",), "node_starts": (2, "nodes"), "node_samples_v4": ("n4",),
    "node_samples_v6": ("n6",), "outside_v4": ("o4",), "outside_v6": ("o6",),
    "pod_parts": ("pods", POD_COLUMNS), "port_lookup": (PORT_PLACES,),
    "port_maps": ("maps", "classes"),
    "runs": ("runs",), "decision_info": ("decisions",), "pages": ("pages", PAGE),
    "rows_egress": ("rows e", ROW_COLUMNS), "rows_ingress": ("rows i", ROW_COLUMNS),
    "hairpin_rows_egress": ("rows e",), "hairpin_rows_ingress": ("rows i",),
    "seen_cidr_egress": (SEEN_ROWS, "cidr e"), "seen_cidr_ingress": (SEEN_ROWS, "cidr i"),
    "pairs_egress": ("pairs e",), "pairs_ingress": ("pairs i",),
    "strips_egress": ("strips e",), "strips_ingress": ("strips i",),
    "pieces_egress": ("pieces e", PIECE_COLUMNS), "pieces_ingress": ("pieces i", PIECE_COLUMNS),
    "label_pages_egress": ("rows e", "label pages e"),
    "label_pages_ingress": ("rows i", "label pages i"),
    "cidr_pages_egress": ("rows e", "cidr pages e"),
    "cidr_pages_ingress": ("rows i", "cidr pages i"),
    "cell_index_egress": ("cell rows e", "cell pages e"),
    "cell_index_ingress": ("cell rows i", "cell pages i"), "cell_pages": ("cell pages", PAGE_CELLS),
    "cell_maps": ("cell maps",), "cell_runs": ("cell runs",),
}
# Dimensions that must not be 0.
SOME = {
    "v6", "regions", "endpoints", "slots", "nodes", "maps", "classes", "decisions", "pages",
    "rows e", "rows i", "strips e", "strips i", "cidr e", "cidr i", "label pages e",
    "label pages i", "cidr pages e",
    "cidr pages i",
}


cdef object wrong(str name, str what):
    """Give the error that a table is wrong."""
    return ValueError(f"table {name}: {what}")


cdef object check_bounds(dict a):
    """Check all but the cells. ``a`` has every array of ``LAYOUT``, of its types."""
    sizes = _check_shapes(a)
    _check_v4(a["v4_root"], a["v4_blocks"], sizes["endpoints"])
    _check_v6(a["v6_hash"], int(a["v6_seed"][0]), sizes["endpoints"])
    _check_regions(a["v6_starts"])
    _check_endpoints(a)
    _check_segments(a["endpoint_links"], a["segment_starts"], a["segment_values"],
                    a["dst_records"])
    _check_lists(a)
    _check_nodes(a)
    _check_pods(a["pod_parts"], sizes["nodes"])
    _check_slots(a["service_keys"], a["service_slots"])
    _check_services(a)
    check_sides(a)


cdef dict _check_shapes(dict a):
    """Check every shape, and give what its names stand for."""
    sizes = {}
    for name, shape in SHAPES.items():
        array = a[name]
        most = 2 * <object> LIMIT if name == "cell_pages" else LIMIT
        if len(array.shape) != len(shape) or array.size > most:
            raise wrong(name, "wrong shape")
        for size, wanted in zip(array.shape, shape, strict=True):
            if isinstance(wanted, str):
                wanted = sizes.setdefault(wanted, size)
                if size > LIMIT:
                    raise wrong(name, "wrong shape")
            if size != wanted:
                raise wrong(name, "wrong shape")
    for name in SOME:
        if not sizes[name]:
            raise ValueError(f"tables without {name}")
    if sizes["entries"] != sizes["services"] + sizes["locals"]:
        raise wrong("service_entries", "wrong shape")
    if sizes["v4"] % BLOCK_ENTRIES:
        raise wrong("v4_blocks", "wrong shape")
    for name, size, least in (
        ("v6_hash", sizes["v6"], 2), ("service_slots", sizes["slots"], 2 * sizes["services"])
    ):
        if size < least or size & (size - 1):
            raise wrong(name, "size must be a power of two, with room")
    return sizes


# --- addresses ------------------------------------------------------------------------------------


cdef int _check_v4(
    const uint32_t[::1] root, const uint32_t[::1] blocks, size_t endpoints
) except -1:
    """Check that each block stands for one prefix, at the second or the third level."""
    cdef size_t count = blocks.shape[0] // BLOCK_ENTRIES
    cdef uint8_t[::1] level = np.zeros(count + 1, np.uint8)
    cdef size_t i
    cdef bint fits = True
    for i in range(65536):
        fits = fits and take_entry(root[i], endpoints, count, 2, level)
    if not fits:
        raise wrong("v4_root", "an index points outside its table, or where another does")
    for i in range(BLOCK_ENTRIES * count):
        fits = fits and take_entry(blocks[i], endpoints, count, 3, level)
    for i in range(BLOCK_ENTRIES * count):
        fits = fits and not (blocks[i] & POINTER and level[i // BLOCK_ENTRIES] != 2)
    if not fits:
        raise wrong(
            "v4_blocks", "an index points outside its table, where another does, or too deep")


cdef inline bint take_entry(
    uint32_t entry, size_t endpoints, size_t blocks, uint8_t level, uint8_t[::1] levels
) noexcept:
    if not entry & POINTER:
        return entry < endpoints
    entry ^= POINTER
    if entry >= blocks or levels[entry]:
        return False
    levels[entry] = level
    return True


cdef int _check_v6(const uint64_t[:, ::1] hash_, uint64_t seed, size_t endpoints) except -1:
    """Check that each known address is found once, and that looking for others ends.

    A lookup takes both slots of a bucket together, so one address in both gives a third endpoint;
    the key of an empty slot must be one that is never looked up.
    """
    cdef size_t mask = hash_.shape[0] // BUCKET_SLOTS - 1
    cdef size_t i, bucket, _probe
    cdef bint room = False
    for i in range(<size_t> hash_.shape[0]):
        if hash_[i, SLOT_ZERO]:
            raise wrong("v6_hash", "a slot has more than an address and an endpoint")
        if hash_[i, SLOT_ENDPOINT] == EMPTY_SLOT:
            room |= i & 1
            if hash_[i, SLOT_HIGH] or hash_[i, SLOT_LOW] != MAPPED or (
                not i & 1 and hash_[i + 1, SLOT_ENDPOINT] != EMPTY_SLOT
            ):
                raise wrong("v6_hash", "an empty slot has an address, or a filled one behind it")
            continue
        if hash_[i, SLOT_ENDPOINT] >= endpoints:
            raise wrong("v6_hash", "an index points outside its table")
        if is_mapped(hash_[i, SLOT_HIGH], hash_[i, SLOT_LOW]):
            raise wrong("v6_hash", "an address is not of IPv6")
        bucket = mix_v6(hash_[i, SLOT_HIGH], hash_[i, SLOT_LOW], seed) & mask
        for _probe in range(V6_PROBES):
            if is_at(hash_, 2 * bucket, i) or is_at(hash_, 2 * bucket + 1, i):
                break
            if hash_[2 * bucket + 1, SLOT_ENDPOINT] == EMPTY_SLOT:
                raise wrong("v6_hash", "an address is where nobody looks for it")
            bucket = (bucket + 1) & mask
        if bucket != i // 2 or (i & 1 and is_at(hash_, i - 1, i)):
            raise wrong("v6_hash", "an address is there twice, or where nobody looks for it")
    if not room:
        raise wrong("v6_hash", "must have a bucket with room")


cdef inline bint is_at(const uint64_t[:, ::1] hash_, size_t slot, size_t wanted) noexcept:
    return hash_[slot, SLOT_HIGH] == hash_[wanted, SLOT_HIGH] and (
        hash_[slot, SLOT_LOW] == hash_[wanted, SLOT_LOW])


cdef int _check_regions(const uint64_t[:, ::1] starts) except -1:
    cdef size_t i
    if starts[0, SLOT_HIGH] or starts[0, SLOT_LOW]:
        raise wrong("v6_starts", "must begin at ::")
    for i in range(1, <size_t> starts.shape[0]):
        if starts[i, SLOT_HIGH] < starts[i - 1, SLOT_HIGH] or (
            starts[i, SLOT_HIGH] == starts[i - 1, SLOT_HIGH]
            and starts[i, SLOT_LOW] <= starts[i - 1, SLOT_LOW]
        ):
            raise wrong("v6_starts", "must ascend")


# --- endpoints ------------------------------------------------------------------------------------


cdef int _check_endpoints(dict a) except -1:
    """Check that flags, kind, pod, node, alternatives and segments of an endpoint fit."""
    cdef const uint32_t[:, ::1] source = a["src_records"]
    cdef const uint32_t[:, ::1] target = a["dst_records"]
    cdef const uint32_t[:, ::1] links = a["endpoint_links"]
    cdef const uint32_t[:, ::1] parts = a["endpoint_parts"]
    cdef const uint32_t[:, ::1] pods = a["pod_parts"]
    cdef const uint32_t[::1] others = a["alternatives"]
    cdef size_t nodes = a["node_starts"].shape[1]
    # Groups are numbered as they get ports; before come those of NodePorts.
    cdef uint32_t groups = a["service_keys"].size + FIRST_OWN_GROUP
    cdef uint64_t alternatives = 0, segments = 0
    cdef uint32_t flags, kind
    cdef size_t i
    for i in range(<size_t> links.shape[0]):
        kind = links[i, LINK_KIND]
        flags = flags_at(target, i)
        if kind >= KINDS or links[i, LINK_NOTES] >= NOTE_SETS:
            raise wrong("endpoint_links", "no such kind, or no such notes")
        if flags != flags_at(source, i) or flags & ~<uint32_t> IS_ALONE != flags_by(links, i):
            raise wrong("dst_records", "flags are not those of the endpoint")
        if flags & IS_ALONE:
            if kind != KIND_POD and (
                kind != KIND_EXTERNAL or links[i, LINK_ALTERNATIVE_COUNT] == 0
            ):
                raise wrong("dst_records", "flags are not those of the endpoint")
        elif kind == KIND_EXTERNAL and links[i, LINK_ALTERNATIVE_COUNT]:
            raise wrong("dst_records", "flags are not those of the endpoint")
        if links[i, LINK_NODE_PORT_GROUP] >= groups or links[i, LINK_OWN_GROUP] >= groups:
            raise wrong("endpoint_links", "no such group of service ports")
        if links[i, LINK_ALTERNATIVES] != alternatives or links[i, LINK_SEGMENTS] != segments:
            raise wrong("endpoint_links", "lists must follow each other")
        alternatives += links[i, LINK_ALTERNATIVE_COUNT]
        segments += links[i, LINK_SEGMENT_COUNT]
        if alternatives > <size_t> others.shape[0]:
            raise wrong("endpoint_links", "an index points outside its table")
        check_owner(parts, pods, kind, i, nodes)
        check_alternatives(links, others, target, kind, i)
    if alternatives != a["alternatives"].size or segments != a["segment_values"].size:
        raise wrong("endpoint_links", "lists must end with their tables")


cdef inline uint32_t flags_at(const uint32_t[:, ::1] records, size_t endpoint) noexcept:
    return records[endpoint, RECORD_COLUMN] >> RECORD_FLAG_SHIFT


cdef inline uint32_t flags_by(const uint32_t[:, ::1] links, size_t i) noexcept:
    """Give the flags that what an endpoint is linked to makes; IS_ALONE depends on more."""
    return (
        FLAGS[links[i, LINK_KIND]]
        | (IS_SERVICE if links[i, LINK_NODE_PORT_GROUP] or links[i, LINK_OWN_GROUP] else 0)
        | (IS_TIMED if links[i, LINK_SEGMENT_COUNT] else 0)
        | (IS_NOTED if links[i, LINK_NOTES] else 0)
    )


cdef int check_owner(
    const uint32_t[:, ::1] parts, const uint32_t[:, ::1] pods, uint32_t kind, size_t i,
    size_t nodes
) except -1:
    """Check that pods have the row, the label column and the node of their pod, others none."""
    cdef const uint32_t* part = &parts[i, 0]
    cdef const uint32_t* pod
    if kind != KIND_POD:
        if part[PART_POD] or part[PART_EGRESS_ROW] or part[PART_INGRESS_ROW] or (
            part[PART_EGRESS_LABEL] or part[PART_INGRESS_LABEL]
        ):
            raise wrong("endpoint_parts", "what is no pod has the columns of one")
        if part[PART_NODE] and kind != KIND_NODE or part[PART_NODE] >= nodes:
            raise wrong("endpoint_parts", "no such node")
        return 0
    if part[PART_POD] == 0 or part[PART_POD] > <size_t> pods.shape[0]:
        raise wrong("endpoint_parts", "no such pod")
    pod = &pods[part[PART_POD] - 1, 0]
    if (
        part[PART_EGRESS_ROW] != pod[POD_EGRESS_ROW]
        or part[PART_EGRESS_LABEL] != pod[POD_EGRESS_LABEL]
        or part[PART_INGRESS_ROW] != pod[POD_INGRESS_ROW]
        or part[PART_INGRESS_LABEL] != pod[POD_INGRESS_LABEL]
        or part[PART_NODE] != pod[POD_NODE]
    ):
        raise wrong("endpoint_parts", "a pod has other columns than pod_parts says")
    return 0


cdef int check_alternatives(
    const uint32_t[:, ::1] links, const uint32_t[::1] others, const uint32_t[:, ::1] records,
    uint32_t kind, size_t i
) except -1:
    """Check that alternatives are single owners: pods and nodes; of a gateway, nodes."""
    cdef size_t first = links[i, LINK_ALTERNATIVES]
    cdef size_t k
    cdef uint32_t wanted = IS_NODE | (IS_POD if kind == KIND_AMBIGUOUS else 0)
    if (kind == KIND_AMBIGUOUS and links[i, LINK_ALTERNATIVE_COUNT] == 0) or (
        kind != KIND_AMBIGUOUS and kind != KIND_EXTERNAL and links[i, LINK_ALTERNATIVE_COUNT]
    ):
        raise wrong("endpoint_links", "an ambiguous endpoint names nobody, or another does")
    for k in range(first, first + links[i, LINK_ALTERNATIVE_COUNT]):
        if others[k] >= <size_t> records.shape[0]:
            raise wrong("alternatives", "an index points outside its table")
        if not flags_at(records, others[k]) & wanted or flags_at(records, others[k]) & IS_TIMED:
            raise wrong("alternatives", "an endpoint that is not one pod or one node")
    return 0


cdef int _check_segments(
    const uint32_t[:, ::1] links, const int64_t[::1] starts, const uint32_t[::1] values,
    const uint32_t[:, ::1] records
) except -1:
    """Check that segments ascend from the smallest time, and lead to what has no times."""
    cdef size_t i, k, first
    for i in range(<size_t> links.shape[0]):
        first = links[i, LINK_SEGMENTS]
        for k in range(first, first + links[i, LINK_SEGMENT_COUNT]):
            if starts[k] != NO_TIME if k == first else starts[k] <= starts[k - 1]:
                raise wrong("segment_starts", "must ascend from the beginning")
    for k in range(<size_t> values.shape[0]):
        if values[k] >= <size_t> records.shape[0] or flags_at(records, values[k]) & IS_TIMED:
            raise wrong("segment_values", "an index points outside its table, or to a timed one")


cdef int _check_lists(dict a) except -1:
    """Check lists of endpoints that stand for one owner each."""
    cdef const uint32_t[:, ::1] records = a["dst_records"]
    cdef const uint32_t[::1] list_
    cdef size_t k
    for name, wanted in (
        ("v6_values", 0), ("backend_endpoints", 0), ("node_endpoints", IS_NODE),
        ("node_samples_v4", IS_NODE), ("node_samples_v6", IS_NODE), ("outside_v4", 0),
        ("outside_v6", 0),
    ):
        list_ = a[name]
        for k in range(<size_t> list_.shape[0]):
            if list_[k] >= <size_t> records.shape[0]:
                raise wrong(name, "an index points outside its table")
            if flags_at(records, list_[k]) & (IS_AMBIGUOUS | IS_TIMED):
                raise wrong(name, "an ambiguous or timed endpoint, where one is meant")
            if wanted and not flags_at(records, list_[k]) & <uint32_t> wanted:
                raise wrong(name, "an endpoint that is no node")


cdef int _check_nodes(dict a) except -1:
    """Check that the endpoints of a family stand by their nodes, those of IPv4 first."""
    cdef const uint32_t[:, ::1] starts = a["node_starts"]
    cdef const uint32_t[::1] endpoints = a["node_endpoints"]
    cdef const uint32_t[:, ::1] parts = a["endpoint_parts"]
    cdef size_t nodes = starts.shape[1] - 1
    cdef size_t family, node, k
    if starts[0, 0] or starts[1, 0] != starts[0, nodes] or (
        starts[1, nodes] != <size_t> endpoints.shape[0]
    ):
        raise wrong("node_starts", "must begin and end with its table")
    for family in range(2):
        for node in range(nodes):
            if starts[family, node] > starts[family, node + 1] or (
                starts[family, node + 1] > <size_t> endpoints.shape[0]
            ):
                raise wrong("node_starts", "must ascend")
            for k in range(starts[family, node], starts[family, node + 1]):
                if parts[endpoints[k], PART_NODE] != node + 1:
                    raise wrong("node_endpoints", "an endpoint of another node")


cdef int _check_pods(const uint32_t[:, ::1] pods, size_t nodes) except -1:
    cdef size_t i
    for i in range(<size_t> pods.shape[0]):
        if pods[i, POD_NODE] >= nodes or pods[i, POD_AS_NODE] > 1 or (
            pods[i, POD_NOTES] >= NOTE_SETS
        ):
            raise wrong("pod_parts", "no such node, or no such notes")


# --- services -------------------------------------------------------------------------------------


cdef int _check_slots(const uint64_t[::1] keys, const uint32_t[::1] slots) except -1:
    """Check that each key is found at its place, and that looking for others ends."""
    cdef size_t mask = slots.shape[0] - 1
    cdef size_t count = keys.shape[0]
    cdef size_t i, filled = 0, _probe
    cdef uint64_t slot, group
    for i in range(count):
        if i and keys[i] <= keys[i - 1]:
            raise wrong("service_keys", "must ascend")
        # Groups are numbered as they get ports: there are no more of them.
        group = keys[i] >> SERVICE_GROUP_SHIFT
        if group == 0 or group >= count + FIRST_OWN_GROUP:
            raise wrong("service_keys", "no such group")
    for i in range(mask + 1):
        filled += slots[i] != 0
        if slots[i] > count:
            raise wrong("service_slots", "an index points outside its table")
    if filled != count:
        raise wrong("service_slots", "not as many as there are keys")
    for i in range(count):
        slot = keys[i] * <uint64_t> 0x9E3779B97F4A7C15
        slot = (slot ^ (slot >> 32)) & mask
        for _probe in range(SLOT_PROBES):
            if slots[slot] == i + 1 or slots[slot] == 0:
                break
            slot = (slot + 1) & mask
        if slots[slot] != i + 1:
            raise wrong("service_slots", "a key is where nobody looks for it")


cdef int _check_services(dict a) except -1:
    """Check entries, their backends and replicas, and which entry is for a client's own node."""
    cdef const uint32_t[:, ::1] entries = a["service_entries"]
    cdef const uint32_t[:, ::1] kept = a["service_replicas"]
    cdef const uint32_t[:, ::1] replicas = a["replicas"]
    cdef const uint32_t[:, ::1] parts = a["endpoint_parts"]
    cdef const uint32_t[::1] backends = a["backend_endpoints"]
    cdef const uint32_t[::1] owners = a["backend_pods"]
    cdef const uint8_t[::1] ways = a["backend_ways"]
    cdef const uint8_t[::1] alike = a["backend_alike"]
    cdef size_t services = a["service_keys"].size
    cdef uint32_t classes = a["port_maps"].shape[1]
    cdef uint64_t backend = 0, replica = 0
    cdef size_t endpoint, first, i, k
    for i in range(<size_t> entries.shape[0]):
        first = entries[i, ENTRY_BACKENDS]
        if first != backend or kept[i, RANGE_FIRST] != replica:
            raise wrong("service_entries", "lists must follow each other")
        backend += entries[i, ENTRY_BACKEND_COUNT]
        replica += kept[i, RANGE_COUNT]
        if entries[i, ENTRY_WAYS] >> WAYS & ~<uint32_t> (i < services):
            raise wrong("service_entries", "no such way")
        if backend > <size_t> backends.shape[0]:
            break
        for k in range(first, backend):
            if ways[k] >= WAYS or not entries[i, ENTRY_WAYS] >> ways[k] & 1:
                raise wrong("backend_ways", "not a way of its service")
            # The first of an entry is compared with another's last, and that is not read.
            if alike[k] > 1 or alike[k] and k > first and ways[k] != ways[k - 1]:
                raise wrong("backend_alike", "alike to none before it")
    if backend != <size_t> backends.shape[0] or replica != <size_t> replicas.shape[0]:
        raise wrong("service_entries", "lists must end with their tables")
    for k in range(<size_t> backends.shape[0]):
        if owners[k] != parts[backends[k], PART_POD]:
            raise wrong("backend_pods", "not the pod of its endpoint")
    for k in range(<size_t> replicas.shape[0]):
        endpoint = replicas[k, REPLICA_ENDPOINT]
        if endpoint >= <size_t> parts.shape[0] or replicas[k, REPLICA_PORT_CLASS] >= classes:
            raise wrong("replicas", "an index points outside its table")
        if parts[endpoint, PART_POD] == 0:
            raise wrong("replicas", "an endpoint that is no pod")
    _check_locals(a["service_locals"], entries, services, a["node_starts"].shape[1])


cdef int _check_locals(
    const uint64_t[::1] locals_, const uint32_t[:, ::1] entries, size_t services, size_t nodes
) except -1:
    """Check that each local entry has one for all other nodes, first, and no other entry any."""
    cdef size_t i, entry, marked = 0, found = 0
    cdef uint32_t node
    for i in range(<size_t> locals_.shape[0]):
        entry = locals_[i] >> LOCAL_ENTRY_SHIFT
        node = <uint32_t> locals_[i]
        if entry >= services or node >= nodes:
            raise wrong("service_locals", "an index points outside its table")
        if i and locals_[i] <= locals_[i - 1]:
            raise wrong("service_locals", "must ascend")
        if not entries[entry, ENTRY_WAYS] & LOCAL_ENTRY or (
            node != 0 and (i == 0 or locals_[i - 1] >> LOCAL_ENTRY_SHIFT != entry)
        ):
            raise wrong("service_locals", "an entry without one for all other nodes")
        found += node == 0
    for i in range(services):
        marked += (entries[i, ENTRY_WAYS] & LOCAL_ENTRY) != 0
    if marked != found:
        raise wrong("service_entries", "a local entry without one for all other nodes")
    return 0
