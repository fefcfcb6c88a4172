# Columns of the packed tables, and numbers with a meaning in them: netpol.compiler.layout.
cdef enum:  # = netpol.compiler.layout.Part as PART_*
    PART_EGRESS_ROW = 0
    PART_EGRESS_LABEL = 1
    PART_EGRESS_CIDR = 2
    PART_INGRESS_ROW = 3
    PART_INGRESS_LABEL = 4
    PART_INGRESS_CIDR = 5
    PART_POD = 6
    PART_NODE = 7

cdef enum:  # = netpol.compiler.layout.Link as LINK_*
    LINK_ALTERNATIVES = 0
    LINK_ALTERNATIVE_COUNT = 1
    LINK_NODE_PORT_GROUP = 2
    LINK_OWN_GROUP = 3
    LINK_SEGMENTS = 4
    LINK_SEGMENT_COUNT = 5
    LINK_NOTES = 6
    LINK_KIND = 7

cdef enum:  # = netpol.compiler.layout.Pod as POD_*
    POD_EGRESS_ROW = 0
    POD_EGRESS_LABEL = 1
    POD_INGRESS_ROW = 2
    POD_INGRESS_LABEL = 3
    POD_NODE = 4
    POD_AS_NODE = 5
    POD_NOTES = 6

cdef enum:  # = netpol.compiler.layout.Slot as SLOT_*
    SLOT_HIGH = 0
    SLOT_LOW = 1
    SLOT_ENDPOINT = 2
    SLOT_ZERO = 3

cdef enum:  # = netpol.compiler.layout.Row as ROW_*
    ROW_PAIRS = 0
    ROW_WIDTH = 1
    ROW_PORT_MAP = 2
    ROW_FLAGS = 3

cdef enum:  # = netpol.compiler.layout.Piece as PIECE_*
    PIECE_COLUMN = 0
    PIECE_RUN = 1

cdef enum:  # = netpol.compiler.layout.Seen as SEEN_*
    SEEN_POD = 0
    SEEN_NODE = 1

cdef enum:  # = netpol.compiler.layout.Entry as ENTRY_*
    ENTRY_BACKENDS = 0
    ENTRY_BACKEND_COUNT = 1
    ENTRY_WAYS = 2

cdef enum:  # = netpol.compiler.layout.Range as RANGE_*
    RANGE_FIRST = 0
    RANGE_COUNT = 1

cdef enum:  # = netpol.compiler.layout.Replica as REPLICA_*
    REPLICA_ENDPOINT = 0
    REPLICA_PORT_CLASS = 1

cdef enum:  # = netpol.compiler.layout.EndpointKind as KIND_*
    KIND_EXTERNAL = 0
    KIND_POD = 1
    KIND_NODE = 2
    KIND_LOOPBACK = 3
    KIND_AMBIGUOUS = 4

cdef enum:  # = len(netpol.compiler.layout.EndpointKind)
    KINDS = 5

cdef enum:  # private
    PAGE_SHIFT = 4
    PAGE_MASK = 15

cdef enum:  # = netpol.compiler.layout
    PART_COLUMNS = 8
    LINK_COLUMNS = 8
    POD_COLUMNS = 7
    SLOT_COLUMNS = 4
    ROW_COLUMNS = 4
    PIECE_COLUMNS = 2
    SEEN_ROWS = 2
    ENTRY_COLUMNS = 3
    RANGE_COLUMNS = 2
    REPLICA_COLUMNS = 2
    OWN_NODE_COLUMN = 1          # label columns with a meaning of their own
    HAIRPIN_COLUMN = 2
    SPLIT_ROW = 2                # flag of a row
    PAGE = 1 << PAGE_SHIFT       # entries of a page of local classes
    FIRST_OWN_GROUP = 3
    SERVICE_GROUP_SHIFT = 24     # of service_keys
    SERVICE_PROTOCOL_SHIFT = 16
    LOCAL_ENTRY_SHIFT = 32       # of service_locals
