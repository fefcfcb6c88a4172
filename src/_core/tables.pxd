# The packed tables as raw pointers: what kernels see of netpol.compiler.tables.LAYOUT.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    # Columns of endpoint_fast; flags are netpol.compiler.endpoints.EndpointFlag.
    FAST_EGRESS_CELL = 0
    FAST_EGRESS_COLUMN = 1
    FAST_EGRESS_PORTS = 2
    FAST_INGRESS_CELL = 3
    FAST_INGRESS_COLUMN = 4
    FAST_INGRESS_PORTS = 5
    FAST_NODE = 6
    FAST_FLAGS = 7
    # Columns of endpoint_parts.
    PART_EGRESS_ROW = 0
    PART_EGRESS_LABEL = 1
    PART_EGRESS_CIDR = 2
    PART_INGRESS_ROW = 3
    PART_INGRESS_LABEL = 4
    PART_INGRESS_CIDR = 5
    PART_POD = 6
    PART_NODE = 7
    # Columns of endpoint_links.
    LINK_ALTERNATIVES = 0
    LINK_ALTERNATIVE_COUNT = 1
    LINK_NODE_PORT_GROUP = 2
    LINK_OWN_GROUP = 3
    LINK_SEGMENTS = 4
    LINK_SEGMENT_COUNT = 5
    LINK_NOTES = 6
    POD_COLUMNS = 7              # of pod_parts
    # EndpointFlag.
    IS_POD = 1
    IS_NODE = 2
    IS_LOOPBACK = 4
    IS_AMBIGUOUS = 8
    IS_SERVICE = 16
    IS_TIMED = 32
    IS_MULTI = 64
    # Label columns with a meaning of their own (netpol.compiler.sides).
    OWN_NODE_COLUMN = 1
    HAIRPIN_COLUMN = 2
    NO_COLUMN = 0xFFFFFFFF
    PAGE_SHIFT = 4
    PAGE_MASK = 15

cdef struct SideView:
    const uint32_t* rows          # [R, 4]
    const uint32_t* pairs
    const uint32_t* label_pages   # [R, label_width]
    const uint32_t* cidr_pages    # [R, cidr_width]
    const void* cells             # uint16 or uint32, see View.narrow
    size_t label_width
    size_t cidr_width
    uint32_t own_column           # dense column of the own node, NO_COLUMN if not exempt
    bint own_exempt
    bint hairpin_exempt

cdef struct View:
    const uint32_t* v4_root
    const uint32_t* v4_blocks
    const uint64_t* v6_hash
    const uint32_t* v6_hash_value
    uint64_t v6_mask
    uint64_t v6_seed
    const uint64_t* v6_starts
    const uint32_t* v6_values
    size_t v6_count
    const uint32_t* fast
    const uint32_t* parts
    const uint32_t* links
    const uint32_t* alternatives
    const int64_t* segment_starts
    const uint32_t* segment_values
    const uint64_t* service_keys
    const uint32_t* service_slots  # hash of service_keys: index + 1, 0 where empty
    uint64_t service_mask
    const uint32_t* service_entries
    size_t service_count
    const uint32_t* backend_endpoints
    const uint16_t* backend_ports
    const uint8_t* backend_source_nat
    const uint32_t* backend_pods  # + 1
    const uint8_t* backend_alike
    const uint32_t* node_endpoints
    size_t node_split
    size_t node_count
    const uint32_t* pod_parts
    size_t pod_count
    const uint16_t* port_lookup
    const uint32_t* slot_base
    const uint32_t* slot_mask
    const uint32_t* slot_first
    const uint16_t* port_maps
    const uint16_t* pages
    const uint32_t* runs
    const uint8_t* decision_info
    SideView egress
    SideView ingress
    bint dense
    bint narrow
    bint no_policies
    bint hide_pod_cidr            # ipblock_scope (A6.4, R20)
    bint hide_node_cidr

cdef class CompiledTables:
    cdef View view
    cdef dict _arrays
