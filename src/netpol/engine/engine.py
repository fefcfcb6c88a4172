"""Takes compiled tables and flow batches, gives verdicts: the public face of compile and core."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

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
    Link,
    Part,
    Pod,
    Row,
)
from netpol.compiler.layout import EndpointKind as TableKind
from netpol.compiler.pack.tablemeta import PolicyMeta, check_meta, write_meta
from netpol.compiler.pack.tables import Tables
from netpol.compiler.rows.row import has_own_column
from netpol.engine.verdicts import Verdicts, results_for
from netpol.flows.columns.fitting import fitting
from netpol.flows.columns.normalise import batch_from
from netpol.io.gcpause import gc_paused
from netpol.kube.api.times import NO_TIMES, PolicyTimes
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.kube.unjudged import Unjudged
from netpol.model.batch import FlowBatch
from netpol.model.errors import ConfigError, InputError, Location
from netpol.model.switches import Switches
from netpol.model.verdict import Reason, Side, Tier, Verdict
from netpol.policy.dialects.lower import lower
from netpol.policy.program import Action

__all__ = ["Decision", "EndpointKind", "EndpointTable", "Engine", "PolicyInfo", "compile", "load"]


class EndpointKind(IntEnum):
    """What an endpoint is."""

    EXTERNAL = TableKind.EXTERNAL
    POD = TableKind.POD
    NODE = TableKind.NODE
    LOOPBACK = TableKind.LOOPBACK
    AMBIGUOUS = TableKind.AMBIGUOUS
    SERVICE = 5  # external in the tables, with service ports of its own


class Witness(NamedTuple):
    """One way to a verdict: by a rule, by a policy's isolation (no rule), by default (None)."""

    verdict: Verdict
    policy: str | None
    rule: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What one side says; ids index ``Engine.decisions``.

    Attributes
    ----------
    id : the id that verdict columns carry. Id 0 is "this side is not a pod".
    side : NONE for id 0 and for sides on which merged candidates disagree.
    reason : None where the side is not a pod.
    policy, policy_index : label and index of the credited policy; None if there is none (C3.1).
    rule : index of the credited rule in that policy, None for an implicit deny.
    matching : (policy index, rule index) of every rule that certainly matches, in order.
    isolating : indexes of every NetworkPolicy that isolates the subject.
    witnesses : two ways to two verdicts, where a doubt (C4) or a tie of priorities (B3.4) leaves
        both open.
    tie : whether policies of equal priority, tried in another order, decide otherwise (B3.4).
    """

    id: int
    side: Side
    verdict: Verdict
    reason: Reason | None
    tier: Tier
    policy: str | None
    rule: int | None
    policy_index: int | None
    matching: tuple[tuple[int, int], ...]
    isolating: tuple[int, ...]
    witnesses: tuple[Witness, ...] = ()
    tie: bool = False


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """One policy of the program, by index.

    ``egress_rules`` and ``ingress_rules`` count rules that are in force; ``rule_lines`` gives the
    line of each, egress then ingress, 0 where not known, and ``rule_actions`` what each does.
    ``tier`` and ``priority`` say where the policy stands among others (B3.1, B3.2), ``times`` since
    when it says what it says.
    """

    kind: str
    namespace: str
    name: str
    label: str
    file: str
    line: int
    egress_rules: int
    ingress_rules: int
    isolates_egress: bool
    isolates_ingress: bool
    rule_lines: tuple[tuple[int, ...], tuple[int, ...]]
    tier: Tier = Tier.NETWORKPOLICY
    priority: int = 0
    rule_actions: tuple[tuple[Action, ...], tuple[Action, ...]] = ((), ())
    times: PolicyTimes = NO_TIMES


class EndpointTable:
    """Who an endpoint id is.

    Attributes
    ----------
    kind : uint8[E], ``EndpointKind``.
    notes : uint16[E], ``Note`` bits of an address.
    workload : one name per endpoint: what made the pod, ``node/NAME``, ``service/NS/NAME``,
        ``external``.
    """

    def __init__(self, tables: Tables) -> None:
        links = tables.arrays["endpoint_links"]
        self._parts = tables.arrays["endpoint_parts"]
        self._links = links
        self._alternatives = tables.arrays["alternatives"]
        self._meta = tables.meta
        self.notes: npt.NDArray[np.uint16] = links[:, Link.NOTES].astype(np.uint16)
        kind = links[:, Link.KIND].astype(np.uint8)
        is_service = (kind == EndpointKind.EXTERNAL) & (links[:, Link.OWN_GROUP] != 0)
        kind[is_service] = EndpointKind.SERVICE
        self.kind: npt.NDArray[np.uint8] = kind

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def has_pods(self) -> bool:
        """Whether any address is a pod's that policies select, times left aside."""
        pods = (self.kind == EndpointKind.POD) | (self.kind == EndpointKind.AMBIGUOUS)
        return bool(pods.any())

    def by_pod(self, sums: npt.NDArray[np.uint64], pods: int) -> npt.NDArray[np.uint64]:
        """Turn uint64[E] of endpoints into uint64[pods] of ``Engine.pods``.

        What an address of several pods has counts for each of them.
        """
        found = np.zeros(pods + 1, np.uint64)  # those of no pod first
        np.add.at(found, self._parts[:, Part.POD], sums)
        for index in np.flatnonzero((self.kind == EndpointKind.AMBIGUOUS) & (sums != 0)).tolist():
            owners = self._parts[self._owners(index), Part.POD]
            found[np.unique(owners)] += sums[index]
        return found[1:]

    def label(self, index: int) -> str:
        """Return ``namespace/pod``, ``node/NAME``, ``service/NS/NAME``, ``external`` and so on."""
        return self._name(index, 0)

    @cached_property
    def labels(self) -> list[str]:
        """The label of every endpoint."""
        return [self._name(index, 0) for index in range(len(self))]

    @cached_property
    def workload(self) -> list[str]:
        """The workload of every endpoint."""
        return [self._name(index, 1) for index in range(len(self))]

    def _owners(self, index: int) -> npt.NDArray[np.uint32]:
        """Return the endpoints that an ambiguous one may be."""
        link = self._links[index]
        first, count = int(link[Link.ALTERNATIVES]), int(link[Link.ALTERNATIVE_COUNT])
        found: npt.NDArray[np.uint32] = self._alternatives[first : first + count]
        return found

    def _name(self, index: int, column: int) -> str:
        kind = EndpointKind(int(self.kind[index]))
        if kind is EndpointKind.POD:
            return str(self._meta["pods"][int(self._parts[index, Part.POD]) - 1][column])
        if kind is EndpointKind.NODE:
            node = int(self._parts[index, Part.NODE]) - 1
            return f"node/{self._meta['nodes'][node]}" if node >= 0 else "node"
        if kind is EndpointKind.SERVICE:
            names = self._meta["services"].get(str(int(self._links[index, Link.OWN_GROUP])), [])
            return ", ".join(f"service/{name}" for name in names) or "service"
        if kind is EndpointKind.AMBIGUOUS:
            names = [self._name(int(item), column) for item in self._owners(index)]
            return "ambiguous: " + ", ".join(dict.fromkeys(names))
        return kind.name.lower()


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
        self.policies = tuple(_policy_info(item) for item in meta["policies"])
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
        return tuple(_decision(index, item, self.policies) for index, item in enumerate(items))

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


def _policy_info(item: PolicyMeta) -> PolicyInfo:
    namespace, name = item["namespace"], item["name"]
    egress, ingress = (tuple(lines) for lines in item["rules"])
    return PolicyInfo(
        kind=item["kind"],
        namespace=namespace,
        name=name,
        label=f"{namespace or item['kind']}/{name}",
        file=item["file"],
        line=item["line"],
        egress_rules=len(egress),
        ingress_rules=len(ingress),
        isolates_egress=item["isolates"][0],
        isolates_ingress=item["isolates"][1],
        rule_lines=(egress, ingress),
        tier=Tier(item["tier"]),
        priority=item["priority"],
        rule_actions=(
            tuple(map(Action, item["effects"][0])),
            tuple(map(Action, item["effects"][1])),
        ),
        times=PolicyTimes(*item["times"]),
    )


def _decision(index: int, item: Sequence[Any], policies: Sequence[PolicyInfo]) -> Decision:
    side, verdict, reason, tier, policy, rule, matching, isolating, witnesses, tie, _ = item
    return Decision(
        id=index,
        side=Side(side),
        verdict=Verdict(verdict),
        reason=None if reason is None else Reason(reason),
        tier=Tier(tier),
        policy=policies[policy].label if policy >= 0 else None,
        rule=rule if rule >= 0 else None,
        policy_index=policy if policy >= 0 else None,
        matching=tuple((p, r) for p, r in matching),
        isolating=tuple(isolating),
        witnesses=tuple(
            Witness(
                Verdict(found), policies[by].label if by >= 0 else None, at if at >= 0 else None
            )
            for found, by, at in witnesses
        ),
        tie=bool(tie),
    )


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
