# The packed tables as raw pointers: what kernels see of netpol.compiler.pack.tables.LAYOUT.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from netpol._core.plain cimport Plain

cdef enum:
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
    # EndpointFlag, as it stands in the top byte of a record's third word.
    IS_POD = 1
    IS_NODE = 2
    IS_LOOPBACK = 4
    IS_AMBIGUOUS = 8
    IS_SERVICE = 16
    IS_TIMED = 32
    IS_ALONE = 64
    IS_NOTED = 128
    # Label columns with a meaning of their own (netpol.compiler.rows.row).
    OWN_NODE_COLUMN = 1
    HAIRPIN_COLUMN = 2
    ROW_SPLIT = 2                # flag of a row: netpol.compiler.pack.rowtables.SPLIT_ROW
    PAGE_SHIFT = 4
    PAGE_MASK = 15

cdef struct SideView:
    const uint32_t* rows          # [R, 4]
    const uint32_t* pairs
    const uint32_t* label_pages   # [R, label_width]
    const uint32_t* cidr_pages    # [R, cidr_width]
    const uint32_t* strips        # first piece of each, and the end of the last
    const uint32_t* pieces        # [pieces, 2]: first CIDR column, place in runs
    size_t label_width
    size_t cidr_width
    const uint32_t* hairpin_rows  # [R]: row for hairpins, 0 if HAIRPIN_COLUMN tells
    const uint32_t* pod_cidr      # CIDR column -> what it is as a pod's (A6.4, B4.4)
    const uint32_t* node_cidr     # and as a node's
    bint own_column               # whether OWN_NODE_COLUMN means anything
    bint hairpin_exempt

cdef struct View:
    Plain plain                   # what plain pairs are judged by
    const uint64_t* v6_hash       # [slots, 4]
    uint64_t v6_mask
    uint64_t v6_seed
    const uint64_t* v6_starts
    const uint32_t* v6_values
    size_t v6_count
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
    const uint32_t* service_replicas  # [services, 2]
    const uint32_t* replicas          # [replicas, 2]
    const uint32_t* backend_endpoints
    const uint16_t* backend_ports
    const uint8_t* backend_ways
    const uint32_t* backend_pods  # + 1
    const uint8_t* backend_alike
    const uint64_t* service_locals
    size_t local_count
    const uint32_t* node_endpoints
    const uint32_t* node_starts[2]    # by family: IPv4, IPv6
    const uint32_t* node_samples[2]
    size_t node_sample_count[2]
    const uint32_t* outside[2]
    size_t outside_count[2]
    const uint32_t* pod_parts
    size_t pod_count
    const uint32_t* port_maps
    const uint16_t* pages
    const uint32_t* runs
    const uint8_t* decision_info
    SideView egress
    SideView ingress
    bint dense                    # whether ``plain`` has cells
    bint no_policies
    uint32_t node_port_egress     # what egress sees of another node's port: outcome.pxd
    # By endpoint: whether a rule about its egress tells a service's address from nobody's.
    const uint8_t* names_fronts
    bint fronts_named             # whether any does
    bint order_always             # whether an address peer of egress may do more than allow
    bint has_node_ports
    const uint8_t* node_ports     # bit of each port that a node or a proxy is dialled at

cdef class CompiledTables:
    cdef View view
    cdef dict _arrays
