"""Takes a world, gives DuckDB joins that judge its flows.

Addresses and ports are first turned into classes that no rule tells apart (ASOF joins on sorted
boundaries), then only the distinct combinations of workloads and classes are joined with the rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.peers import Flat
from bench.population import PROTOCOLS, Array
from bench.shapes import World
from netpol.model.batch import FlowBatch

__all__ = ["ANY_TARGET", "DuckPeer", "relations"]

ANY_TARGET = -2
#: Ports of different protocols on one line: protocol * 65536 + port.
SPAN = 1 << 16

SIDE_SQL = """
  SELECT DISTINCT k.own, k.other, k.block, k.service FROM (
    SELECT DISTINCT {own} AS own, {other} AS other, {block} AS block, target, service
    FROM f WHERE {own} IN (SELECT workload FROM isolated WHERE side = '{side}')
  ) k
  JOIN subject s ON s.workload = k.own AND s.side = '{side}'
  JOIN service p ON p.rule = s.rule AND p.class = k.service
    AND (p.target = -2 OR p.target = k.target)
  WHERE s.everyone
    OR EXISTS (FROM peer_workload w WHERE w.rule = s.rule AND w.workload = k.other)
    OR EXISTS (FROM peer_block b WHERE b.rule = s.rule AND b.class = k.block)
"""

VERDICT_SQL = """
WITH address AS MATERIALIZED (
  SELECT d.address, coalesce(p.workload, -1) AS workload, b.class
  FROM (SELECT src AS address FROM flow UNION SELECT dst FROM flow) d
  ASOF JOIN block b ON d.address >= b.first LEFT JOIN pod p ON p.address = d.address
), known_port AS MATERIALIZED (
  SELECT d.protocol, d.dport, p.class
  FROM (SELECT DISTINCT protocol, dport FROM flow) d
  ASOF JOIN port p ON d.protocol::INTEGER * 65536 + d.dport >= p.first
), f AS MATERIALIZED (
  SELECT i, a.workload AS source, b.workload AS target,
    a.class AS source_block, b.class AS target_block, p.class AS service
  FROM flow JOIN address a ON a.address = src JOIN address b ON b.address = dst
  JOIN known_port p ON p.protocol = flow.protocol AND p.dport = flow.dport
), allow_e AS ({egress}), allow_i AS ({ingress})
SELECT i, (
    (source IN (SELECT workload FROM isolated WHERE side = 'Egress') AND e.own IS NULL)
    OR (f.target IN (SELECT workload FROM isolated WHERE side = 'Ingress') AND g.own IS NULL)
  )::UTINYINT AS verdict
FROM f
LEFT JOIN allow_e e ON e.own = source AND e.other = f.target AND e.block = target_block
  AND e.service = f.service
LEFT JOIN allow_i g ON g.own = f.target AND g.other = source AND g.block = source_block
  AND g.service = f.service
""".format(
    egress=SIDE_SQL.format(own="source", other="target", block="target_block", side="Egress"),
    ingress=SIDE_SQL.format(own="target", other="source", block="source_block", side="Ingress"),
)

Relation = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def _classes(spans: list[tuple[int, int, Any]]) -> tuple[list[tuple[int, int]], list[set[Any]]]:
    """Cut a line at the ends of (first, last, owner) spans.

    Gives (first, class) of each piece in order, from 0 on, and the owners of each class; pieces
    with equal owners share a class.
    """
    events: dict[int, list[tuple[bool, Any]]] = {0: []}
    for first, last, owner in spans:
        events.setdefault(first, []).append((True, owner))
        events.setdefault(last + 1, []).append((False, owner))
    count: dict[Any, int] = {}
    ids: dict[frozenset[Any], int] = {}
    pieces = []
    for first in sorted(events):
        for begins, owner in events[first]:
            count[owner] = count.get(owner, 0) + (1 if begins else -1)
            if not count[owner]:
                del count[owner]
        pieces.append((first, ids.setdefault(frozenset(count), len(ids))))
    return pieces, [set(owners) for owners in ids]


def relations(flat: Flat) -> dict[str, Relation]:
    """Return the rules as relations over workloads and classes."""
    blocks, block_rules = _classes(
        [(first, last, i) for i, rule in enumerate(flat.rules) for first, last in rule.ranges]
    )
    ports, port_rules = _classes(_port_spans(flat))
    subject, peer_workload = [], []
    for i, rule in enumerate(flat.rules):
        subject += [(rule.side, i, int(w), rule.everyone) for w in np.flatnonzero(rule.subjects)]
        peer_workload += [(i, int(w)) for w in np.flatnonzero(rule.peers)]
    isolated = [
        (side, int(w)) for side, mask in flat.isolated.items() for w in np.flatnonzero(mask)
    ]
    return {
        "isolated": (("side", "workload"), isolated),
        "subject": (("side", "rule", "workload", "everyone"), subject),
        "peer_workload": (("rule", "workload"), peer_workload),
        "block": (("first", "class"), blocks),
        "peer_block": (("rule", "class"), _pairs(block_rules)),
        "port": (("first", "class"), ports),
        "service": (("rule", "target", "class"), _pairs(port_rules)),
    }


def _pairs(owners: list[set[Any]]) -> list[tuple[Any, ...]]:
    return [
        (*(owner if isinstance(owner, tuple) else (owner,)), number)
        for number, group in enumerate(owners)
        for owner in sorted(group)
    ]


def _port_spans(flat: Flat) -> list[tuple[int, int, tuple[int, int]]]:
    """Return the spans on the port line that each (rule, target workload) allows."""
    declared: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for w, workload in enumerate(flat.workloads):
        for p in workload.ports:
            declared.setdefault((PROTOCOLS[p.protocol], p.name), []).append((w, p.number))
    spans = []
    for i, rule in enumerate(flat.rules):
        owner = (i, ANY_TARGET)
        for protocol, first, last in rule.ports:
            if protocol == 0:
                spans.append((0, 256 * SPAN - 1, owner))
            else:
                spans.append((protocol * SPAN + max(first, 0), protocol * SPAN + last, owner))
        for key in rule.named:
            for w, number in declared.get(key, []):
                at = key[0] * SPAN + number
                spans.append((at, at, (i, w)))
    return spans


class DuckPeer:
    """The rules as tables of DuckDB, the flows scanned where they are as Arrow columns."""

    def __init__(self, world: World, threads: int = 1) -> None:
        import duckdb
        import pyarrow as pa

        self.arrow, self.db = pa, duckdb.connect(config={"threads": threads})
        flat = Flat(world)
        self._table("pod", {"address": flat.addresses, "workload": flat.owner})
        for name, (columns, rows) in relations(flat).items():
            values = zip(*rows, strict=True) if rows else [()] * len(columns)
            self._table(name, dict(zip(columns, map(list, values), strict=True)))

    def _table(self, name: str, columns: dict[str, Any]) -> None:
        """Copy columns into a table of DuckDB's own."""
        self.db.register("incoming", self.arrow.table(columns))
        self.db.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming")
        self.db.unregister("incoming")

    def evaluate(self, batch: FlowBatch) -> Array:
        """Return uint8[n] verdicts."""
        columns = {name: getattr(batch, name) for name in ("src", "dst", "protocol", "dport")}
        self.db.register("flow", self.arrow.table({"i": np.arange(len(batch))} | columns))
        result = self.db.execute(VERDICT_SQL).fetchnumpy()
        verdict = np.empty(len(batch), np.uint8)
        verdict[result["i"]] = result["verdict"]
        return verdict
