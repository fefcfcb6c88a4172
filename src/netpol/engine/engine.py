"""Takes compiled tables and flow batches, gives verdicts: the public face of compile and core."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from netpol._core.evaluate import evaluate as _evaluate
from netpol._core.evaluate import notes as _notes
from netpol._core.tables import CompiledTables
from netpol.compiler.addresses.clusters import Clusters
from netpol.compiler.build import DENSE_LIMIT, compile_program
from netpol.compiler.layout import (
    EGRESS_SEES_BACKEND,
    EGRESS_SEES_EITHER,
    EGRESS_SEES_NODE,
    ISOLATED_ROW,
    NO_REASON,
    NO_SPORT,
    ORDER_NOTE,
    Field,
    Pod,
    Row,
)
from netpol.compiler.pack.tablemeta import check_meta, write_meta
from netpol.compiler.pack.tables import Tables
from netpol.compiler.rows.row import has_own_column
from netpol.engine.decisions import Decision, decision, policy_info
from netpol.engine.endpoints import EndpointTable
from netpol.engine.verdicts import Verdicts, results_for
from netpol.flows.columns.fitting import fitting
from netpol.flows.columns.normalise import batch_from
from netpol.io.gcpause import gc_paused
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.kube.unjudged import Unjudged
from netpol.model.batch import FlowBatch
from netpol.model.errors import ConfigError, InputError, Location
from netpol.model.switches import Switches
from netpol.model.verdict import Reason, Side
from netpol.policy.dialects.lower import lower

__all__ = ["Engine", "compile", "load"]


class Engine:
    """Policies compiled against a snapshot. Made by ``compile`` or ``load``; immutable.

    Attributes
    ----------
    tables : the packed arrays, see ``netpol.compiler.pack.tables.LAYOUT``.
    switches : what the policies were compiled with.
    policies : ``PolicyInfo`` by index, ordered as they are tried: by tier, priority, namespace,
        kind and name.
    unjudged : policies of other dialects that were among the inputs: they may deny what is allowed
        here.
    decisions : ``Decision`` by id.
    endpoints : who an endpoint id is.
    """

    def __init__(
        self, tables: Tables, source: tuple[PolicySet, Snapshot, Switches] | None = None
    ) -> None:
        self.tables = tables
        self.source = source
        meta = tables.meta
        options: dict[str, Any] = dict(meta["switches"])
        options["node_addresses"] = tuple(tuple(pair) for pair in options["node_addresses"])
        self.switches = Switches(**options)
        self.policies = tuple(policy_info(item) for item in meta["policies"])
        self.unjudged = Unjudged.of_rows(meta.get("unjudged", ()))
        self._core = CompiledTables(
            tables.arrays,
            dense=meta["layout"] == "dense",
            own_columns=meta["own_columns"],
            own_node=(
                has_own_column(Side.EGRESS, self.switches),
                has_own_column(Side.INGRESS, self.switches),
            ),
            hairpin_exempt=self.switches.np_service_hairpin == "allow",
            no_policies=not self.policies,
            order_always=meta["order_always"],
            node_port_egress=_NODE_PORT_EGRESS[self.switches.node_port_egress],
        )
        self.endpoints = EndpointTable(tables)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the tables alone; ``explain`` of a copy tells what the tables know."""
        arrays = {name: np.asarray(array) for name, array in self.tables.arrays.items()}
        return _unpickle, (arrays, write_meta(self.tables.meta))

    def __repr__(self) -> str:
        return (
            f"<netpol.Engine: {len(self.policies)} policies, {len(self.pods)} pods, "
            f"{self.tables.meta['layout']} tables of {self.tables.nbytes >> 10} KiB>"
        )

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """``Decision`` by id; made when first asked for, which judging does not."""
        items = self.tables.meta["decisions"]
        return tuple(decision(index, item, self.policies) for index, item in enumerate(items))

    @cached_property
    def pods(self) -> list[tuple[str, bool, bool]]:
        """(namespace/name, isolated for egress, isolated for ingress) of every pod (A9.1)."""
        parts = self.tables.arrays["pod_parts"]
        isolated = [
            self.tables.arrays[f"rows_{side}"][parts[:, column], Row.FLAGS] & ISOLATED_ROW != 0
            for side, column in (("egress", Pod.EGRESS_ROW), ("ingress", Pod.INGRESS_ROW))
        ]
        return [
            (names[0], bool(egress), bool(ingress))
            for names, egress, ingress in zip(self.tables.meta["pods"], *isolated, strict=True)
        ]

    @cached_property
    def decision_reasons(self) -> npt.NDArray[np.uint8]:
        """uint8[decisions]: ``Reason`` of each decision, 255 where the side is not a pod."""
        reasons = (item[Field.REASON] for item in self.tables.meta["decisions"])
        return np.array([NO_REASON if reason is None else reason for reason in reasons], np.uint8)

    @cached_property
    def _pod_ids(self) -> dict[str, int]:
        parts = self.tables.arrays["pod_parts"]
        # A pod that is only its node, and that is not known.
        nowhere = (parts[:, Pod.AS_NODE] != 0) & (parts[:, Pod.NODE] == 0)
        return {
            names[0]: index + 1
            for index, names in enumerate(self.tables.meta["pods"])
            if not nowhere[index]
        }

    def evaluate(self, flows: Any, out: Verdicts | None = None) -> Verdicts:
        """Judge flows; each row in the initiator's direction (specification.md C5).

        Parameters
        ----------
        flows
            A ``FlowBatch``; a mapping of arrays or lists; a list of ``Flow``; or anything Arrow or
            DataFrame, categoricals too. Columns are those of ``FlowBatch``. Only ``src`` and
            ``dst`` are needed, addresses as text, uint32 (IPv4, host order) or 16 bytes; without
            ``protocol`` or ``dport`` that is not recorded (R16), so the verdict is UNKNOWN
            wherever it depends on it.
        out
            Verdicts of an earlier batch, whose arrays are reused if they have enough rows: what
            they held is gone. Saves touching fresh memory.

        Raises
        ------
        FlowError
            A column is missing, damaged, of another shape or type than it has to be, or a value
            cannot be read.
        TypeError
            ``out`` is no ``Verdicts``.
        RuntimeError
            Another thread is writing to ``out``. An engine itself may be shared by threads.
        """
        batch = fitting(flows if isinstance(flows, FlowBatch) else batch_from(flows))
        opened = _as_opened(batch)
        opened["src_hint"] = self._hints(batch.src_pod, batch.is_reply, batch.dst_pod)
        opened["dst_hint"] = self._hints(batch.dst_pod, batch.is_reply, batch.src_pod)
        results, filling = results_for(len(batch), out)
        try:
            self._judge(batch, opened, results)
        finally:
            filling.clear()
        return Verdicts(self, batch, opened, results, filling)

    def _judge(
        self, batch: FlowBatch, opened: dict[str, Any], results: dict[str, npt.NDArray[Any]]
    ) -> None:
        """Fill ``results``."""
        _evaluate(self._core, len(batch), opened, results)
        if batch.is_reply is not None:
            special = results["special"]
            noted = special[batch.is_reply] & ORDER_NOTE
            special[batch.is_reply] = noted | (Reason.REPLY + 1)  # R19

    def _hints(
        self, names: Any, is_reply: npt.NDArray[np.bool_] | None, other: Any
    ) -> npt.NDArray[np.uint32] | None:
        """Turn pod names into pod indexes plus 1; names the snapshot lacks are ignored (R5)."""
        if names is None and (other is None or is_reply is None):
            return None
        mine = self._hint_ids(names, other)
        if is_reply is None or not is_reply.any():
            return mine
        return np.where(is_reply, self._hint_ids(other, names), mine).astype(np.uint32)

    def _hint_ids(self, names: Any, other: Any) -> npt.NDArray[np.uint32]:
        if names is None:
            return np.zeros(len(other), np.uint32)
        if hasattr(names, "to_pylist"):
            names = names.to_pylist()
        return np.fromiter(
            (self._pod_ids.get(name, 0) if name else 0 for name in names), np.uint32, len(names)
        )

    def notes(self, opened: dict[str, Any], results: dict[str, Any]) -> npt.NDArray[np.uint16]:
        """Return the ``Note`` bits of who the ends of each flow may be; for ``Verdicts``."""
        count = len(results["verdict"])
        found = np.empty(count, np.uint16)
        _notes(self._core, count, opened, results["src_endpoint"], results["dst_endpoint"], found)
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tables to one file, which appears whole or not at all; ``netpol.load`` maps it.

        A new file has the mode that ``open`` would give it, an old one's is kept.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        self.tables.save(path)


def compile(  # noqa: A001
    policies: PolicySet,
    snapshot: Snapshot,
    *,
    memory_budget: int = 1 << 30,
    dense_limit: int = DENSE_LIMIT,
    clusters: Clusters | None = None,
    **switches: Any,
) -> Engine:
    """Compile policies against a snapshot.

    Parameters
    ----------
    policies, snapshot
        As ``read_policies`` and ``read_snapshot`` give them.
    memory_budget
        Bytes the tables may take.
    dense_limit
        Bytes the dense cells may take; 0 forces the paged layout. The answers are the same.
    clusters
        What is already known of snapshots (``netpol.Clusters``), for compiling several sets of
        policies against one; what is not is added.
    **switches
        Fields of ``Switches``: behaviour that upstream leaves open.

    Raises
    ------
    ConfigError
        A switch has no such value.
    CapacityError
        The tables would exceed ``memory_budget``.
    """
    chosen = Switches(**switches)
    with gc_paused():
        tables = compile_program(
            lower(policies), snapshot, chosen, memory_budget, dense_limit, clusters=clusters
        )
        tables.meta["unjudged"] = (policies.unjudged | snapshot.unjudged).rows()
        return Engine(tables, (policies, snapshot, chosen))


def load(path: str | os.PathLike[str]) -> Engine:
    """Map tables that ``Engine.save`` wrote.

    What the file says is checked once, so the engine can be used whatever that was; who wrote it
    decides what it answers. The file must not be written to while it is mapped: ``save`` puts a
    new one in its place.

    Raises
    ------
    InputError
        The file cannot be read, is damaged, or of another version.
    """
    tables = Tables.load(path)
    try:
        return _checked(tables)
    except (ValueError, ConfigError) as error:
        raise InputError(f"table file is damaged: {error}", Location(os.fspath(path))) from error


def _checked(tables: Tables) -> Engine:
    """Return the engine of tables that nobody vouches for."""
    engine = Engine(tables)
    check_meta(tables.meta, tables.arrays)
    return engine


def _unpickle(arrays: dict[str, npt.NDArray[Any]], meta: bytes) -> Engine:
    """Return the engine of what ``Engine.__reduce__`` gave, checked as a file's tables are.

    Raises
    ------
    InputError
        It is damaged.
    """
    if not isinstance(arrays, dict) or not isinstance(meta, bytes):
        raise InputError("a pickled engine is damaged, or of another version")
    try:
        return _checked(Tables.checked(arrays, meta))
    except (ValueError, ConfigError) as error:
        raise InputError(f"a pickled engine is damaged: {error}") from error


_NODE_PORT_EGRESS = {
    "unknown": EGRESS_SEES_EITHER, "node": EGRESS_SEES_NODE, "backend": EGRESS_SEES_BACKEND,
}  # fmt: skip
_COLUMNS = {
    "protocol": np.uint8, "dport": np.uint16, "dport_known": np.bool_,
    "original_dport": np.uint16, "icmp_type": np.uint8, "time": np.int64, "evidence": np.uint8,
}  # fmt: skip
_ADDRESSES = ("src", "dst", "original_dst", "src_seen")


_NO_SPORT = np.uint16(NO_SPORT)


def _maybe_answering(batch: FlowBatch) -> npt.NDArray[np.uint16]:
    """Return the source ports of records that may be unmarked answers, ``_NO_SPORT`` elsewhere."""
    sport: npt.NDArray[np.uint16] = np.ascontiguousarray(batch.sport, np.uint16)
    if batch.sport_known is not None:
        sport = np.where(batch.sport_known, sport, _NO_SPORT)
    if batch.is_reply is not None:
        sport = np.where(batch.is_reply, _NO_SPORT, sport)
    return sport


def _as_opened(batch: FlowBatch) -> dict[str, Any]:
    """Return the core's columns, records of replies turned round (A16.1, R19)."""
    address = np.uint8 if batch.wide else np.uint32
    columns: dict[str, Any] = {
        name: np.ascontiguousarray(getattr(batch, name), address)
        for name in _ADDRESSES
        if getattr(batch, name) is not None
    }
    for name, dtype in _COLUMNS.items():
        value = getattr(batch, name)
        if value is not None:
            columns[name] = np.ascontiguousarray(value, dtype)
    reply = batch.is_reply
    if batch.sport is not None:
        columns["sport"] = _maybe_answering(batch)
    if reply is None or not reply.any():
        return columns
    forward = dict(columns)
    turned = reply[:, None] if batch.wide else reply
    columns["src"] = np.where(turned, forward["dst"], forward["src"])
    columns["dst"] = np.where(turned, forward["src"], forward["dst"])
    known = forward.get("dport_known")
    known = np.ones(len(batch), bool) if known is None else known
    sport = batch.sport if batch.sport is not None else np.zeros(len(batch), np.uint16)
    columns["dport"] = np.where(reply, sport, forward["dport"]).astype(np.uint16)
    answered = batch.sport_known
    if answered is None:
        answered = np.full(len(batch), batch.sport is not None)
    columns["dport_known"] = np.where(reply, answered, known)
    if "original_dst" in columns:
        columns["original_dst"] = np.where(turned, columns["dst"], forward["original_dst"])
    if "original_dport" in columns:
        columns["original_dport"] = np.where(
            reply, columns["dport"], forward["original_dport"]
        ).astype(np.uint16)
    if "src_seen" in columns:
        columns["src_seen"] = np.where(turned, address(0), forward["src_seen"])
    if "evidence" in columns:
        columns["evidence"] = np.where(reply, np.uint8(0), forward["evidence"])
    return columns
