"""Takes a policy program and a snapshot, gives ``Tables``: the stages of compiler/, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from netpol.compiler.addresses.clusters import Clusters
from netpol.compiler.addresses.dnsregions import DnsRegions
from netpol.compiler.addresses.endpoints import (
    EndpointKey,
    Endpoints,
    region_marks,
    region_of,
)
from netpol.compiler.addresses.identities import family_of
from netpol.compiler.addresses.peers import AddressPeers, Surroundings
from netpol.compiler.addresses.regions import cut_regions
from netpol.compiler.addresses.services import ServicePorts
from netpol.compiler.layout import (
    LINK_COLUMNS,
    OWN_NODE_DENIED,
    PART_COLUMNS,
    PARTS_OF,
    POD_COLUMNS,
    PORTS,
    RULE_ALLOWS,
    TIED,
    VERDICT_MASK,
    EndpointFlag,
    EndpointKind,
    Part,
    Pod,
    Seen,
)
from netpol.compiler.pack.cells import Endpoints as KernelEndpoints
from netpol.compiler.pack.cells import Kernel, RowTables, build_kernel, fold_ports, without_cells
from netpol.compiler.pack.prefixes import build_prefixes
from netpol.compiler.pack.replicas import KEEPS_PODS, distinct_replicas
from netpol.compiler.pack.rowtables import SideTables, local_pages, pack_side
from netpol.compiler.pack.servicetables import pack_services
from netpol.compiler.pack.tablemeta import PolicyMeta, TableMeta
from netpol.compiler.pack.tables import Tables
from netpol.compiler.rows.decisions import DecisionTable
from netpol.compiler.rows.partition import PodGroups
from netpol.compiler.rows.ports import RowPorts
from netpol.compiler.rows.row import has_own_column, own_node_exemption
from netpol.compiler.rows.sides import SideCompiler
from netpol.compiler.rows.subjects import rules_of
from netpol.compiler.shared.budget import Budget
from netpol.compiler.shared.portclasses import PORT_PROTOCOLS, cut_port_classes
from netpol.kube.snapshot import Snapshot
from netpol.model.switches import Switches
from netpol.model.verdict import Note, Reason, Side, Tier
from netpol.policy.program import (
    AddressPeer,
    NamedPort,
    PodPeer,
    Policy,
    PolicyProgram,
    Rule,
)
from netpol.policy.split import Piece

if TYPE_CHECKING:
    from netpol.compiler.overlap.overlaps import Overlaps

__all__ = ["DENSE_LIMIT", "compile_program", "overlaps_of"]

#: Bytes that each of the kernel's tables may take; beyond, the row tables alone are used, which are
#: a quarter as fast. 100 000 pods and 5 000 policies need 7 MB, with labels of every pod's own 40.
DENSE_LIMIT = 128 << 20

_BYTES_A_RULE, _BYTES_A_PEER, _BYTES_A_PORT = 1800, 2000, 1200

Pieces = Mapping[tuple[int, Side], Piece]


def compile_program(
    program: PolicyProgram,
    snapshot: Snapshot,
    switches: Switches,
    memory_budget: int,
    dense_limit: int = DENSE_LIMIT,
    pieces: Pieces | None = None,
    clusters: Clusters | None = None,
) -> Tables:
    """Return the packed tables.

    Parameters
    ----------
    memory_budget : bytes all tables may take.
    dense_limit : bytes that each table of cells may take; 0 forces the paged form.
    pieces : what could be removed of the policies (``netpol.policy.split``); the metadata then
        has the ``marks`` of every decision.
    clusters : what is already known of snapshots; what is not is added.

    Raises
    ------
    CapacityError
        If the tables would exceed ``memory_budget``.
    """
    compilation = _Compilation(program, snapshot, switches, memory_budget, pieces, clusters)
    return compilation.run(dense_limit)


def overlaps_of(
    program: PolicyProgram, snapshot: Snapshot, switches: Switches, memory_budget: int
) -> Overlaps:
    """Return which rules never act and which policies tie, instead of tables.

    Raises
    ------
    CapacityError
        As for ``compile_program``.
    """
    return _Compilation(program, snapshot, switches, memory_budget).overlaps()


class _Compilation:
    """State shared by the stages of one compile."""

    def __init__(
        self,
        program: PolicyProgram,
        snapshot: Snapshot,
        switches: Switches,
        memory_budget: int,
        pieces: Pieces | None = None,
        clusters: Clusters | None = None,
    ) -> None:
        policies = [policy for stage in program.stages for policy in stage.policies]
        tiers = [stage.tier for stage in program.stages for _ in stage.policies]
        self.policies, self.tiers = policies, tiers
        self.switches = switches
        self._marked = pieces is not None
        self.budget = Budget(memory_budget)
        self.decisions = DecisionTable(self.budget)
        self.identities, services = (clusters or Clusters()).of(snapshot, switches)
        rules = [rule for policy in policies for rule in (*policy.egress, *policy.ingress)]
        _take_rules(rules, self.budget)
        names = _port_names(rules)
        self.groups = PodGroups(self.identities, names, switches)
        self.ports = cut_port_classes(
            [port for rule in rules for port in rule.ports or ()],
            {item for ports in self.groups.ports for item in ports},
        )
        self.row_ports = RowPorts(self.ports, switches, self.budget)
        around = Surroundings(snapshot, self.identities)
        self.egress, self.ingress = (
            SideCompiler(
                side, policies, tiers, self.groups, self.row_ports,
                AddressPeers(_address_peers(policies, side), around, switches),
                self.decisions, switches, self.budget, pieces,
            )
            for side in (Side.EGRESS, Side.INGRESS)
        )  # fmt: skip
        marks = region_marks(snapshot, self.identities)
        swept = self.egress.swept(), self.ingress.swept()
        regions = {family: cut_regions(family, *swept, marks, self.budget) for family in (4, 6)}
        learned = DnsRegions(self.egress.addresses, self.ingress.addresses)
        at_times = [
            item
            for address in learned.addresses
            for item in learned.all_at(address, region_of(regions, address))
        ]
        for compiler in (self.egress, self.ingress):
            compiler.partition([item.of(compiler.side) for item in at_times])
        self.endpoints = Endpoints(self.identities, services, regions, learned)
        self.endpoints.resolve_all()

    def run(self, dense_limit: int) -> Tables:
        """Build the arrays. Endpoints are complete only after services and prefixes used them."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        arrays.update(pack_services(self.endpoints))
        arrays.update(self._nodes())
        prefixes = build_prefixes(self.endpoints, self.budget)
        arrays.update(prefixes._asdict())
        parts = self._endpoint_parts()
        arrays.update(_backend_likeness(arrays, parts))
        store = local_pages(self.budget)
        sides, first_run = [], 0
        for compiler in (self.egress, self.ingress):
            sides.append(
                pack_side(compiler, self.switches, len(self.ports), store, self.budget, first_run)
            )
            first_run += len(compiler.runs)
        for side, packed in zip(("egress", "ingress"), sides, strict=True):
            arrays.update({f"{name}_{side}": value for name, value in packed._asdict().items()})
        for compiler in (self.egress, self.ingress):
            name = compiler.side.label
            arrays[f"hairpin_rows_{name}"] = np.array(compiler.hairpin_rows, np.uint32)
            arrays[f"seen_cidr_{name}"] = np.stack(compiler.seen_columns())
        arrays["pages"] = store.array()
        arrays["runs"] = np.array(self.egress.runs + self.ingress.runs, np.uint32)
        arrays["port_maps"] = np.stack(self.row_ports.maps)
        arrays["decision_info"] = np.array(
            [
                d.verdict
                | (RULE_ALLOWS if d.reason in _BY_RULE else 0)
                | (TIED if d.tie else 0)
                | (OWN_NODE_DENIED if d.own_node else 0)
                for d in self.decisions.items
            ],
            np.uint8,
        )
        kernel = self._kernel(arrays, parts, (sides[0], sides[1]), dense_limit)
        arrays.update(kernel.arrays)
        arrays.update(distinct_replicas(arrays, parts))
        arrays["endpoint_parts"] = parts
        arrays.update(self._endpoint_links())
        arrays["pod_parts"] = self._pod_parts()
        dense = bool(arrays["cell_index_egress"].size)
        layout: Literal["dense", "paged"] = "dense" if dense else "paged"
        return Tables(arrays, self._meta(layout, kernel.own_columns))

    def overlaps(self) -> Overlaps:
        """Look for overlaps; as for ``run``, endpoints must be complete first."""
        from netpol.compiler.overlap.overlaps import (
            find_overlaps,  # only ``netpol check`` needs them
        )
        from netpol.compiler.overlap.realpeers import real_peers

        pack_services(self.endpoints)
        self._nodes()
        build_prefixes(self.endpoints, self.budget)
        visible = self._visible(self._endpoint_parts())
        return find_overlaps(
            (side, real_peers(side, self.identities, self.endpoints.keys, visible))
            for side in (self.egress, self.ingress)
        )

    def _kernel(
        self,
        arrays: dict[str, npt.NDArray[Any]],
        parts: npt.NDArray[np.uint32],
        sides: tuple[SideTables, SideTables],
        limit: int,
    ) -> Kernel:
        """Return the cells if they fit in ``limit``, and what the kernel needs in any case."""
        endpoints = KernelEndpoints(self._visible(parts), self._flags())
        rows = RowTables(
            arrays["pages"],
            arrays["port_maps"],
            arrays["runs"],
            (arrays["decision_info"] & VERDICT_MASK).astype(np.uint8),
        )
        sides_ = (Side.EGRESS, Side.INGRESS)
        egress, ingress = (has_own_column(side, self.switches) for side in sides_)
        left = (self.budget.limit - self.budget.taken) // 8  # records, index, pages, runs, maps
        subjects = tuple(
            SideTables(
                packed.rows[: side.subject_rows],
                packed.pairs,
                packed.label_pages[: side.subject_rows],
                packed.cidr_pages[: side.subject_rows],
                packed.strips,
                packed.pieces,
            )
            for packed, side in zip(sides, (self.egress, self.ingress), strict=True)
        )
        kernel = build_kernel(
            (subjects[0], subjects[1]), rows, endpoints, (egress, ingress), min(limit, left),
            (self._own_node_has_rules(Side.EGRESS), self._own_node_has_rules(Side.INGRESS)),
        )  # fmt: skip
        if kernel is None:
            kernel = without_cells(endpoints)
        narrow = kernel.arrays["cell_pages"].dtype == np.uint8 and len(self.ports) <= PORTS
        kernel.arrays["port_lookup"] = fold_ports(self.ports, narrow=narrow)
        size = sum(array.nbytes for array in kernel.arrays.values())
        self.budget.take(size, f"cells of {len(parts)} endpoints")
        return kernel

    def _own_node_has_rules(self, side: Side) -> bool:
        """Return whether what is said of the own node depends on its address.

        NetworkPolicies exempt it whatever its address, where they do; cluster-scoped policies may
        name that.
        """
        exempt = own_node_exemption(side, self.switches) is not None
        return not exempt or self._has_wide_address_peers(side)

    def _has_wide_address_peers(self, side: Side) -> bool:
        """Return whether cluster-scoped policies have peers that are about addresses."""
        return any(
            not isinstance(peer, PodPeer)
            for policy, tier in zip(self.policies, self.tiers, strict=True)
            if tier is not Tier.NETWORKPOLICY
            for rule in rules_of(policy, side)
            for peer in rule.peers or ()
        )

    def _endpoint_parts(self) -> npt.NDArray[np.uint32]:
        """Rows and columns of every endpoint; see ``tables.LAYOUT``."""
        keys = self.endpoints.keys
        parts = np.zeros((len(keys), PART_COLUMNS), np.uint32)
        for side in (self.egress, self.ingress):
            of, which = side.columns.of, side.side
            parts[:, PARTS_OF[which].cidr] = np.fromiter(
                (of[key.region.of(which)] for key in keys), np.uint32
            )
        pod = np.fromiter((key.pod for key in keys), np.int64, len(keys))
        is_pod = pod >= 0
        group = self.groups.of_pod[pod[is_pod]]
        for side in (self.egress, self.ingress):
            parts[is_pod, PARTS_OF[side.side].row] = side.row_of_group[group]
            parts[is_pod, PARTS_OF[side.side].label] = side.column_of_group[group]
        parts[:, Part.POD] = pod + 1
        parts[:, Part.NODE] = np.fromiter((key.node + 1 for key in keys), np.uint32, len(keys))
        return parts

    def _visible(self, parts: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Return the parts with CIDR columns as they are seen of pods and nodes (A6.4, B4.4)."""
        kinds = np.fromiter((key.kind for key in self.endpoints.keys), np.int64, len(parts))
        visible = parts.copy()
        for side in (self.egress, self.ingress):
            column = PARTS_OF[side.side].cidr
            for kind, seen in zip(
                (EndpointKind.POD, EndpointKind.NODE), side.seen_columns(), strict=True
            ):
                rows = kinds == kind
                visible[rows, column] = seen[parts[rows, column]]
        return visible

    def _flags(self) -> npt.NDArray[np.uint32]:
        """Return the ``EndpointFlag`` of every endpoint."""
        multi = {
            pod.index
            for pod in self.identities.pods
            if len(pod.addresses) > len({family_of(address) for address in pod.addresses})
        }
        service, timed, noted, alone = (
            int(flag)
            for flag in (
                EndpointFlag.SERVICE, EndpointFlag.TIMED, EndpointFlag.NOTED, EndpointFlag.ALONE,
            )
        )  # fmt: skip
        return np.fromiter(
            (
                _KIND_FLAGS[key.kind]
                | (service if any(key.groups) else 0)
                | (timed if key.segments else 0)
                | (noted if key.notes else 0)
                | (alone if key.pod in multi or _may_be_gateway(key) else 0)
                for key in self.endpoints.keys
            ),
            np.uint32,
            len(self.endpoints.keys),
        )

    def _endpoint_links(self) -> dict[str, npt.NDArray[Any]]:
        links: list[tuple[int, ...]] = []
        alternatives: list[int] = []
        starts: list[int] = []
        values: list[int] = []
        for key in self.endpoints.keys:
            links.append(
                (
                    len(alternatives), len(key.alternatives), *key.groups,
                    len(starts), len(key.segments), key.notes, key.kind,
                )
            )  # fmt: skip
            alternatives += key.alternatives
            for start, endpoint in key.segments:
                starts.append(start)
                values.append(endpoint)
        return {
            "endpoint_links": np.array(links, np.uint32).reshape(-1, LINK_COLUMNS),
            "alternatives": np.array(alternatives, np.uint32),
            "segment_starts": np.array(starts, np.int64),
            "segment_values": np.array(values, np.uint32),
        }

    def _nodes(self) -> dict[str, npt.NDArray[np.uint32]]:
        """Return the sources that NAT may show a server: nodes, and anybody outside (R10, R29)."""
        found: dict[str, npt.NDArray[np.uint32]] = {}
        columns, seen = self.ingress.columns.of, self.ingress.seen_columns()[Seen.NODE]
        starts: list[npt.NDArray[np.int64]] = []
        all_nodes: list[int] = []
        for family in (4, 6):
            nodes = self.endpoints.node_endpoints(family)
            keys = [self.endpoints.keys[item] for item in nodes]
            owners = np.array([key.node for key in keys], np.int64)
            counts = np.bincount(owners, minlength=len(self.identities.nodes))
            starts.append(len(all_nodes) + np.concatenate([[0], np.cumsum(counts)]))
            all_nodes += nodes
            told: dict[int, list[int]] = {}
            for item, key in zip(nodes, keys, strict=True):
                mine = told.setdefault(int(seen[columns[key.region.ingress]]), [])
                if len(mine) < 2 and all(self.endpoints.keys[m].node != key.node for m in mine):
                    mine.append(item)
            samples = [item for mine in told.values() for item in mine]
            found[f"node_samples_v{family}"] = np.array(samples, np.uint32)
            outside = self.endpoints.outside_endpoints(family)
            found[f"outside_v{family}"] = np.array(outside, np.uint32)
        found["node_endpoints"] = np.array(all_nodes, np.uint32)
        found["node_starts"] = np.array(starts, np.uint32)
        return found

    def _pod_parts(self) -> npt.NDArray[np.uint32]:
        pods = self.identities.pods
        parts = np.zeros((len(pods), POD_COLUMNS), np.uint32)
        group = self.groups.of_pod
        has_group = group >= 0
        for column, values in (
            (Pod.EGRESS_ROW, self.egress.row_of_group),
            (Pod.EGRESS_LABEL, self.egress.column_of_group),
            (Pod.INGRESS_ROW, self.ingress.row_of_group),
            (Pod.INGRESS_LABEL, self.ingress.column_of_group),
        ):
            parts[has_group, column] = values[group[has_group]]
        located = self.identities.located_nodes
        unknown = int(Note.OWN_NODE_UNKNOWN)
        parts[:, Pod.NODE] = [pod.node + 1 for pod in pods]
        parts[:, Pod.AS_NODE] = [pod.as_node for pod in pods]
        parts[:, Pod.NOTES] = [0 if pod.as_node or pod.node in located else unknown for pod in pods]
        return parts

    def _meta(self, layout: Literal["dense", "paged"], own: list[tuple[int, int]]) -> TableMeta:
        meta: TableMeta = {
            "layout": layout,
            "order_always": self._has_wide_address_peers(Side.EGRESS),
            "own_columns": (own[0], own[1]),
            "switches": asdict(self.switches),
            "port_protocols": list(PORT_PROTOCOLS),
            "newest": self.identities.newest,
            "pods": [(pod.label, pod.workload) for pod in self.identities.pods],
            "nodes": self.identities.nodes,
            "located_nodes": sorted(self.identities.located_nodes),
            "services": _service_names(self.endpoints.services),
            "policies": [
                _policy_meta(policy, tier)
                for policy, tier in zip(self.policies, self.tiers, strict=True)
            ],
            "decisions": [decision[:-1] for decision in self.decisions.items],
        }
        if self._marked:
            meta["marks"] = [item.marks for item in self.decisions.items]
        return meta


_KIND_FLAGS = {
    EndpointKind.POD: int(EndpointFlag.POD),
    EndpointKind.NODE: int(EndpointFlag.NODE),
    EndpointKind.LOOPBACK: int(EndpointFlag.LOOPBACK),
    EndpointKind.AMBIGUOUS: int(EndpointFlag.AMBIGUOUS),
    EndpointKind.EXTERNAL: 0,
}
_BY_RULE = (Reason.NP_RULE, Reason.CNP_ACCEPT)


def _may_be_gateway(key: EndpointKey) -> bool:
    return key.kind is EndpointKind.EXTERNAL and bool(key.alternatives)


def _take_rules(rules: list[Rule], budget: Budget) -> None:
    """Take what a compile needs for each rule and its elements, before it makes anything of them.

    In Python, as measured with 20 000 rules or elements of each shape in bench/growth.py.
    """
    peers = sum(len(rule.peers or ()) for rule in rules)
    ports = sum(len(rule.ports or ()) for rule in rules)
    size = len(rules) * _BYTES_A_RULE + peers * _BYTES_A_PEER + ports * _BYTES_A_PORT
    budget.take(size, f"{len(rules)} rules with {peers} peers and {ports} ports")


def _port_names(rules: list[Rule]) -> frozenset[str]:
    return frozenset(
        port.name for rule in rules for port in rule.ports or () if isinstance(port, NamedPort)
    )


def _backend_likeness(
    arrays: dict[str, npt.NDArray[Any]], parts: npt.NDArray[np.uint32]
) -> dict[str, npt.NDArray[Any]]:
    """Tell replicas: pods alike in all a destination is judged by, which see pods as they are.

    That is the egress columns, by which the source's policies see it, and its ingress row.
    """
    backends = parts[arrays["backend_endpoints"]]
    seen = backends[:, [Part.EGRESS_LABEL, Part.EGRESS_CIDR, Part.INGRESS_ROW]]
    told = np.column_stack([seen, arrays["backend_ports"]]).astype(np.int64)
    way = arrays["backend_ways"]
    plain = (backends[:, Part.POD] != 0) & np.isin(way, KEEPS_PODS)
    alike = np.zeros(len(told), bool)
    alike[1:] = (told[1:] == told[:-1]).all(axis=1) & plain[1:] & (way[1:] == way[:-1])
    return {"backend_pods": backends[:, Part.POD].copy(), "backend_alike": alike.astype(np.uint8)}


def _service_names(services: ServicePorts) -> dict[str, list[str]]:
    """Return names of the services behind each own group, for reports."""
    found: dict[str, set[str]] = {}
    for (group, _, _), entry in services.entries.items():
        found.setdefault(str(group), set()).update(entry.names)
    return {group: sorted(names) for group, names in found.items()}


def _address_peers(policies: list[Policy], side: Side) -> Iterator[list[AddressPeer]]:
    for policy in policies:
        for rule in rules_of(policy, side):
            yield [peer for peer in rule.peers or () if not isinstance(peer, PodPeer)]


def _policy_meta(policy: Policy, tier: Tier) -> PolicyMeta:
    source = policy.source
    return {
        "kind": policy.kind,
        "tier": tier,
        "priority": policy.priority,
        "namespace": policy.namespace,
        "name": policy.name,
        "file": source.file if source else "",
        "line": source.line if source else 0,
        "isolates": (policy.isolates_egress, policy.isolates_ingress),
        "rules": (_lines(policy, Side.EGRESS), _lines(policy, Side.INGRESS)),
        "effects": (
            [rule.action for rule in policy.egress],
            [rule.action for rule in policy.ingress],
        ),
        "times": policy.times,
    }


def _lines(policy: Policy, side: Side) -> list[int]:
    """Return the line of each rule of a side, 0 where not known."""
    source, rules = policy.source, rules_of(policy, side)
    return [source.line_of(f"spec.{side.label}[{rule.index}]") if source else 0 for rule in rules]
