"""Names of what stands where in the packed arrays: columns, bits and numbers with a meaning.

``tables.LAYOUT`` says which arrays there are. The core reads them by the same numbers, which its
sources (``src/_core``) write down once more; ``tests/compiler/test_layout_codes.py`` compares both
sides. What is marked "Python alone" has no name in the core.

Columns are ``IntEnum``. Bits and shifts are plain numbers: NumPy widens an array of small integers
to int64 beside a member of an enum, but not beside a number.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple

from netpol.model.verdict import Note, Side

# Two numbers in one of 64 bits, the first above the second.
HALF_SHIFT = 32
HALF_MASK = (1 << HALF_SHIFT) - 1  # Python alone

# --- reserved numbers ----------------------------------------------------------------------------

NOT_A_POD_ROW = 0  # row of what is no subject (A9.4). Python alone
NOT_ISOLATED_ROW = 1  # row of pods that no policy selects. Python alone

NO_POD_COLUMN = 0  # label column of what is no pod. Python alone
OWN_NODE_COLUMN = 1  # that of the subject's own node (A11.2)
HAIRPIN_COLUMN = 2  # that of a pod reached by itself through a service (A10.3)
NO_COLUMN = 0xFFFFFFFF  # in place of the own node's column of cells: it is not exempt

POINTER = 1 << 31  # v4_root, v4_blocks: set where the rest is a block, not an endpoint
BLOCK_ENTRIES = 256  # entries of a block: the next 8 bits of the address
EMPTY_SLOT = 0xFFFFFFFF  # v6_hash: in place of the endpoint
V6_PROBES = 8  # most buckets that are looked at for a known address

PAGE = 16  # entries of a page of local classes
PAGE_CELLS = 64  # cells of a page of cells


class Reserved(IntEnum):
    """The first decision ids, of sides that no rule decides.

    ``MERGED_``: the candidates disagree, named as the ``Reason``. ``WHOLE_``: the flow is allowed
    as a whole, named likewise.
    """

    NOT_A_POD = 0
    MERGED_AMBIGUOUS_IP = 1
    MERGED_SERVICE_BACKEND_DEPENDENT = 2
    MERGED_SERVICE_NO_ENDPOINTS = 3
    MERGED_UNKNOWN_PORT = 4
    MERGED_UNKNOWN_PROTOCOL = 5
    MERGED_SOURCE_NAT = 6
    MERGED_SERVICE_NAT_ORDER = 7
    MERGED_POSSIBLE_NODE_GATEWAY = 8
    WHOLE_LOOPBACK = 9
    WHOLE_SELF_TRAFFIC = 10
    WHOLE_REPLY = 11
    WHOLE_NEIGHBOUR_DISCOVERY = 12


FIRST_RULES = len(Reserved)  # id of the first decision that rules make

# --- endpoints -----------------------------------------------------------------------------------


class EndpointKind(IntEnum):
    """What an endpoint is (C2)."""

    EXTERNAL = 0
    POD = 1
    NODE = 2
    LOOPBACK = 3
    AMBIGUOUS = 4


class EndpointFlag(IntFlag):
    """Properties the kernel tests; POD, NODE, TIMED and NOTED leave a flow on the fast path."""

    POD = 1
    NODE = 2
    LOOPBACK = 4
    AMBIGUOUS = 8
    SERVICE = 16
    TIMED = 32
    # Never a plain pair: a pod with several addresses of one family ("same pod" is not "same
    # endpoint"), or what may be a node's gateway (A11.5).
    ALONE = 64
    NOTED = 128  # has notes


class Record(IntEnum):
    """Columns of ``src_records`` and ``dst_records``; "own" is the side judged at that end."""

    CELLS = 0  # first cell of the own row
    RUNS = 1  # first run of that row
    COLUMN = 2  # column that the other side sees, below the flags
    MAP = 3  # port map of the own row, below the node


RECORD_COLUMN_MASK = 0xFFFFFF  # of Record.COLUMN
RECORD_FLAG_SHIFT = 24  # of Record.COLUMN: EndpointFlag from there on
RECORD_MAP_MASK = 0xFFFF  # of Record.MAP
RECORD_NODE_SHIFT = 16  # of Record.MAP: node + 1 from there on, 0 without a node
UNKNOWN_NODE = 0xFFFF  # in its place at a node that is not known: it is on no one's node
RECORD_COLUMNS = len(Record)


class Part(IntEnum):
    """Columns of ``endpoint_parts``."""

    EGRESS_ROW = 0
    EGRESS_LABEL = 1  # label column that egress rows see
    EGRESS_CIDR = 2  # CIDR column that egress rows see
    INGRESS_ROW = 3
    INGRESS_LABEL = 4
    INGRESS_CIDR = 5
    POD = 6  # pod + 1, 0 if it is none
    NODE = 7  # node + 1, 0 if there is none


PART_COLUMNS = len(Part)


class SideParts(NamedTuple):
    """Columns of ``endpoint_parts`` that are of one side. Python alone."""

    row: Part
    label: Part
    cidr: Part


#: Python alone.
PARTS_OF = {
    Side.EGRESS: SideParts(Part.EGRESS_ROW, Part.EGRESS_LABEL, Part.EGRESS_CIDR),
    Side.INGRESS: SideParts(Part.INGRESS_ROW, Part.INGRESS_LABEL, Part.INGRESS_CIDR),
}


class Link(IntEnum):
    """Columns of ``endpoint_links``."""

    ALTERNATIVES = 0  # place of the first in ``alternatives``
    ALTERNATIVE_COUNT = 1
    NODE_PORT_GROUP = 2  # group of service ports that all nodes share, 0 if none
    OWN_GROUP = 3  # group of the address's own service ports, 0 if none
    SEGMENTS = 4  # place of the first in ``segment_starts`` and ``segment_values``
    SEGMENT_COUNT = 5
    NOTES = 6  # netpol.model.verdict.Note
    KIND = 7  # EndpointKind


LINK_COLUMNS = len(Link)
FIRST_OWN_GROUP = 3  # groups of service ports before it are the nodes' NodePorts, by family


class Pod(IntEnum):
    """Columns of ``pod_parts``."""

    EGRESS_ROW = 0
    EGRESS_LABEL = 1
    INGRESS_ROW = 2
    INGRESS_LABEL = 3
    NODE = 4  # node + 1, 0 if it is not known
    AS_NODE = 5  # 1 if the pod is only its node
    NOTES = 6  # netpol.model.verdict.Note


POD_COLUMNS = len(Pod)


class Slot(IntEnum):
    """Columns of ``v6_hash``; ``v6_starts`` has the first two."""

    HIGH = 0  # of the address
    LOW = 1
    ENDPOINT = 2  # or EMPTY_SLOT
    ZERO = 3  # nothing: a slot is half a cache line


SLOT_COLUMNS = len(Slot)

# --- rows ----------------------------------------------------------------------------------------


class Row(IntEnum):
    """Columns of ``rows_egress`` and ``rows_ingress``."""

    PAIRS = 0  # place of the first in ``pairs_*``
    WIDTH = 1  # pairs by label class: CIDR classes, of a split row local ports
    PORT_MAP = 2  # place in ``port_maps`` taken as one dimension
    FLAGS = 3  # ISOLATED_ROW, SPLIT_ROW


ROW_COLUMNS = len(Row)
ISOLATED_ROW = 1  # flag of a row: some policy selects its subjects. Python alone
SPLIT_ROW = 2  # flag of a row: its pairs lead to strips


class Piece(IntEnum):
    """Columns of ``pieces_egress`` and ``pieces_ingress``."""

    COLUMN = 0  # first CIDR column that the piece is about
    RUN = 1  # place in ``runs``


PIECE_COLUMNS = len(Piece)


class Seen(IntEnum):
    """Rows of ``seen_cidr_egress`` and ``seen_cidr_ingress``: whose address it is (A6.4, B4.4)."""

    POD = 0
    NODE = 1


SEEN_ROWS = len(Seen)

# --- services ------------------------------------------------------------------------------------


class Entry(IntEnum):
    """Columns of ``service_entries``."""

    BACKENDS = 0  # place of the first in ``backend_*``
    BACKEND_COUNT = 1
    WAYS = 2  # a bit for each Way, and LOCAL_ENTRY


ENTRY_COLUMNS = len(Entry)
LOCAL_ENTRY = 1 << 7  # of Entry.WAYS: clients on different nodes reach different backends (A15.12)


class Range(IntEnum):
    """Columns of ``service_replicas``."""

    FIRST = 0  # place in ``replicas``
    COUNT = 1  # 0 if backends are judged one by one


RANGE_COLUMNS = len(Range)


class Replica(IntEnum):
    """Columns of ``replicas``."""

    ENDPOINT = 0
    PORT_CLASS = 1


REPLICA_COLUMNS = len(Replica)

SERVICE_GROUP_SHIFT = 24  # service_keys: group of service ports
SERVICE_PROTOCOL_SHIFT = 16  # service_keys: protocol; its port is below
LOCAL_ENTRY_SHIFT = 32  # service_locals: entry; client's node + 1 is below, 0 for all other nodes

# --- ports ---------------------------------------------------------------------------------------

PORTS = 65536  # port_lookup: entries of each protocol with ports
OTHER_PORTS = 3 * PORTS  # port_lookup: where entries by protocol number begin
NO_PORT = 256  # port_lookup: added to the protocol where its port is not recorded
PORT_PLACES = OTHER_PORTS + 2 * NO_PORT  # entries of port_lookup

# --- decisions -----------------------------------------------------------------------------------

VERDICT_MASK = 3  # decision_info: Verdict
RULE_ALLOWS = 4  # decision_info: a rule allows
TIED = 8  # decision_info: policies of equal priority, tried otherwise, decide otherwise (B3.4)
OWN_NODE_DENIED = 16  # decision_info: a NetworkPolicy denies the way to the own node (A11.6)

CELL_VERDICT_SHIFT = 30  # cell_runs: Verdict
CELL_DECISION_MASK = (1 << CELL_VERDICT_SHIFT) - 1  # cell_runs: decision


class Field(IntEnum):
    """Places in a decision of the metadata, which is a list there. Python alone."""

    SIDE = 0
    VERDICT = 1
    REASON = 2  # None where the side is not a pod
    TIER = 3
    POLICY = 4
    RULE = 5
    MATCHING = 6
    ISOLATING = 7
    WITNESSES = 8
    TIE = 9
    OWN_NODE = 10


NO_REASON = 255  # in place of a Reason: the side is not a pod

# --- results -------------------------------------------------------------------------------------

NOTE_SETS = 2 * int(max(Note))  # every set of notes is below
ORDER_NOTE = 128  # special: note service-nat-order (A15.11), beside Reason + 1 of the whole flow
NO_SPORT = 65535  # sport: not known, or the record is a reply's. Python alone

# Switch node_port_egress: what egress sees of another node's port (A15.9).
EGRESS_SEES_EITHER = 0  # not known
EGRESS_SEES_NODE = 1
EGRESS_SEES_BACKEND = 2

# --- sums ----------------------------------------------------------------------------------------

# What ``Tally`` is told of each decision. Bit v: it decides a flow of Verdict v.
FACT_OWN_NODE = 64  # OWN_NODE_DENIED
FACT_TIED = 128  # TIED
FACT_REASON_SHIFT = 8  # Reason or NO_REASON
FACT_LOUDNESS_SHIFT = 16  # 0 for what an allowed flow's reason is taken from first

# What ``Tally`` is told of each protocol.
PROTOCOL_HAS_PORTS = 1
PROTOCOL_NOTE_SHIFT = 1  # Note bits


class PairWord(IntEnum):
    """Words of 64 bits of the key of a pair of workloads."""

    ENDS = 0  # source and destination, as two halves
    WHAT = 1  # the bits below
    DECIDED = 2  # decisions of egress and of ingress, as two halves


PAIR_PORT_MASK = 0xFFFF  # second word: port, 0 without one. Python alone
PAIR_PROTOCOL_SHIFT = 16  # second word: protocol
PAIR_PROTOCOL_MASK = 0xFF  # Python alone
PAIR_HAS_PORT_SHIFT = 24  # second word: 1 if it has a port
PAIR_OUTCOME_SHIFT = 25  # second word: (verdict * reasons + reason) * sides + side, below 2^9
# What is put into the second word beside or in place of the outcome.
PAIR_CAUSES_SHIFT = 32  # questions/diff/differences.py, without an outcome: causes. Python alone
PAIR_RECORDED_SHIFT = 40  # recorded.py: recorded Verdict. Python alone
PAIR_CAUSE_SHIFT = 44  # recorded.py: Cause. Python alone
PAIR_CODE_MASK = 0xF  # recorded.py: of both. Python alone
PAIR_PROFILES_SHIFT = 48  # recorded.py: a bit for each profile. Python alone

MERGED = 3  # CoverTally.beside: in place of the other side's Verdict, candidates being merged
