# The packed tables as raw pointers: what kernels see of netpol.compiler.pack.tables.LAYOUT.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from netpol._core.plain cimport Plain

cdef struct SideView:
    const uint32_t* rows          # [R, ROW_COLUMNS]
    const uint32_t* pairs
    const uint32_t* label_pages   # [R, label_width]
    const uint32_t* cidr_pages    # [R, cidr_width]
    const uint32_t* strips        # first piece of each, and the end of the last
    const uint32_t* pieces        # [pieces, PIECE_COLUMNS]
    size_t label_width
    size_t cidr_width
    const uint32_t* hairpin_rows  # [R]: row for hairpins, 0 if HAIRPIN_COLUMN tells
    const uint32_t* pod_cidr      # CIDR column -> what it is as a pod's (A6.4, B4.4)
    const uint32_t* node_cidr     # and as a node's
    bint own_column               # whether OWN_NODE_COLUMN means anything
    bint hairpin_exempt

cdef struct View:
    Plain plain                   # what plain pairs are judged by
    const uint64_t* v6_hash       # [slots, SLOT_COLUMNS]
    uint64_t v6_mask
    uint64_t v6_seed
    const uint64_t* v6_starts
    const uint32_t* v6_values
    size_t v6_count
    const uint32_t* parts         # [E, PART_COLUMNS]
    const uint32_t* links         # [E, LINK_COLUMNS]
    const uint32_t* alternatives
    const int64_t* segment_starts
    const uint32_t* segment_values
    const uint64_t* service_keys
    const uint32_t* service_slots  # hash of service_keys: index + 1, 0 where empty
    uint64_t service_mask
    const uint32_t* service_entries   # [entries, ENTRY_COLUMNS]
    size_t service_count
    const uint32_t* service_replicas  # [entries, RANGE_COLUMNS]
    const uint32_t* replicas          # [replicas, REPLICA_COLUMNS]
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
    const uint32_t* pod_parts     # [pods, POD_COLUMNS]
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
    # By endpoint: whether a rule about its egress tells a service's address from others.
    const uint8_t* names_fronts
    bint fronts_named             # whether any does
    bint order_always             # whether an address peer of egress may do more than allow
    bint has_node_ports
    const uint8_t* node_ports     # bit of each port that a node or a proxy is dialled at

cdef class CompiledTables:
    cdef View view
    cdef dict _arrays
