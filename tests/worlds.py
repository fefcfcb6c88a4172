"""Small clusters as plain Kubernetes objects, and one way to ask either evaluator about them.

``World`` takes policies, objects and switches, gives an ``Answer`` to a flow from the reference
evaluator or from the compiled engine, so that a test is written once for both.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import yaml

from netpol.flows.columns.normalise import batch_from
from netpol.kube.policies import PolicySet, policies_from_objects
from netpol.kube.snapshot import Snapshot, snapshot_from_objects
from netpol.model.batch import FlowBatch
from netpol.model.dns_observations import DnsObservations
from netpol.model.flow import Flow
from netpol.model.switches import Switches
from netpol.model.verdict import Note, Reason, Side, Verdict
from netpol.reference import Outcome, ReferenceEvaluator, SideOutcome

Object = dict[str, Any]
EVALUATORS = ("reference", "engine")

# --- answers ------------------------------------------------------------------------------------


class SideAnswer(NamedTuple):
    """One side of an answer, the same from both evaluators; a side that is no pod is ``n/a``."""

    verdict: str
    reason: str | None
    policy: str | None
    rule: int | None


#: The tier that decided a side, and the ways to other verdicts that a doubt or a tie leaves open.
Trace = tuple[str, tuple[tuple[str, str | None, int | None], ...]]


class Answer(NamedTuple):
    """What either evaluator says to one flow."""

    verdict: str
    side: str
    reason: str
    notes: tuple[str, ...]
    egress: SideAnswer
    ingress: SideAnswer
    traces: tuple[Trace, Trace]

    def __str__(self) -> str:
        return f"{self.verdict} {self.side} {self.reason}"

    @property
    def policy(self) -> str | None:
        """The policy credited by the first side that has the flow's verdict."""
        sides = [s for s in (self.egress, self.ingress) if s.verdict == self.verdict]
        return next((s.policy for s in sides if s.policy is not None), None)


def adapt_reference(outcome: Outcome) -> Answer:
    """Give the reference evaluator's outcome as an answer."""

    def side(one: SideOutcome) -> SideAnswer:
        reason = one.reason.label if one.reason is not None else None
        return SideAnswer(one.verdict.label, reason, one.policy, one.rule)

    return Answer(
        outcome.verdict.label,
        outcome.side.label,
        outcome.reason.label,
        tuple(outcome.notes.labels),
        side(outcome.egress),
        side(outcome.ingress),
        (_trace(outcome.egress), _trace(outcome.ingress)),
    )


def adapt_engine(engine: Any, flows: list[Flow]) -> list[Answer]:
    """Give the compiled engine's answers to some flows.

    A column of a batch is there for every row or for none, so flows that lack different fields
    are put in different batches.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, one in enumerate(flows):
        lacking = tuple(f.name for f in fields(one) if getattr(one, f.name) in (None, False))
        groups.setdefault(lacking, []).append(index)
    answers: dict[int, Answer] = {}
    for indexes in groups.values():
        found = _answers(engine, tuple([flows[index] for index in indexes]))
        answers.update(zip(indexes, found, strict=True))
    return [answers[index] for index in range(len(flows))]


def _trace(side: Any) -> Trace:
    ways = tuple((one.verdict.label, one.policy, one.rule) for one in side.witnesses)
    return side.tier.label, ways


def widened(engine: Any) -> Any:
    """Give the engine with its cells as wide as those of worlds with over 256 runs in a row."""
    from netpol.compiler.pack.tables import Tables

    arrays = dict(engine.tables.arrays)
    for name, dtype in (("cell_pages", "u2"), ("cell_maps", "u4"), ("port_lookup", "u4")):
        arrays[name] = arrays[name].astype(dtype)
    return type(engine)(Tables(arrays, engine.tables.meta))


@lru_cache(64)
def _copied(flows: tuple[Flow, ...]) -> FlowBatch:
    """Give a batch of some flows and copies of them, the same for each engine of a world.

    Kernels take 16 or 32 rows at a time, and what is left one by one: both must agree.
    """
    return batch_from([*flows] * -(-40 // len(flows)))


def _answers(engine: Any, flows: tuple[Flow, ...]) -> list[Answer]:
    found = engine.evaluate(_copied(flows))
    for name in ("verdict", "side", "reason", "notes", "egress", "ingress"):
        column = np.asarray(getattr(found, name)).reshape(-1, len(flows))
        assert (column == column[0]).all(), name

    def side(number: int) -> SideAnswer:
        one = engine.decisions[number]
        reason = None if one.reason is None else Reason(one.reason).label
        return SideAnswer(Verdict(one.verdict).label, reason, one.policy, one.rule)

    return [
        Answer(
            Verdict(int(found.verdict[i])).label,
            Side(int(found.side[i])).label,
            Reason(int(found.reason[i])).label,
            tuple(Note(int(found.notes[i])).labels),
            side(int(found.egress[i])),
            side(int(found.ingress[i])),
            (
                _trace(engine.decisions[int(found.egress[i])]),
                _trace(engine.decisions[int(found.ingress[i])]),
            ),
        )
        for i in range(len(flows))
    ]


def load(
    policies: Iterable[Object], objects: Iterable[Object], dns: DnsObservations | None = None
) -> tuple[PolicySet, Snapshot]:
    """Read, default and check policies and cluster as the tool itself does."""
    snapshot = snapshot_from_objects(copy.deepcopy(list(objects)))
    return (
        policies_from_objects(copy.deepcopy(list(policies))),
        replace(snapshot, dns=dns),
    )


def judge_with(
    evaluator: str, policies: PolicySet, snapshot: Snapshot, switches: Switches
) -> Callable[[list[Flow]], list[Answer]]:
    """Give a function that answers flows with the evaluator named."""
    if evaluator == "reference":
        reference = ReferenceEvaluator(policies, snapshot, switches)
        return lambda flows: [adapt_reference(reference.judge(flow)) for flow in flows]
    import netpol

    chosen = {name: getattr(switches, name) for name in switches.__dataclass_fields__}
    engine = netpol.compile(policies, snapshot, **chosen)
    return lambda flows: adapt_engine(engine, flows)


# --- the fixture of the test vectors --------------------------------------------------------------


def namespace(name: str, **labels: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": dict(labels)},
    }


def node(name: str, *addresses: str, pod_cidr: str | None = None) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr] if pod_cidr else None},
        "status": {"addresses": [{"type": "InternalIP", "address": a} for a in addresses]},
    }


def ports(*declared: str) -> list[Object]:
    """Give container ports from ``name=number/PROTOCOL`` words."""
    found = []
    for word in declared:
        name, _, rest = word.partition("=")
        number, _, protocol = rest.partition("/")
        found.append({"name": name, "containerPort": int(number), "protocol": protocol or "TCP"})
    return found


def pod(
    where: str,
    *addresses: str,
    node: str | None = "n1",
    labels: dict[str, str] | None = None,
    declared: tuple[str, ...] = (),
    **more: Any,
) -> Object:
    """Give a pod ``namespace/name``; ``more`` is merged into spec (camelCase keys) or status."""
    space, _, name = where.partition("/")
    status_keys = ("phase", "startTime", "containerStatuses", "podIP", "podIPs", "hostIP")
    status: Object = {"phase": "Running", "podIPs": [{"ip": a} for a in addresses]}
    if addresses:
        status["podIP"] = addresses[0]
    spec: Object = {"nodeName": node, "containers": [{"name": "main", "ports": ports(*declared)}]}
    meta: Object = {"namespace": space, "name": name, "labels": labels or {}}
    for key, value in more.items():
        if key.endswith("Timestamp"):
            meta[key] = value
        else:
            (status if key in status_keys else spec)[key] = value
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def service(where: str, address: str | None, *ports: Object, **spec: Any) -> Object:
    space, _, name = where.partition("/")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": space, "name": name},
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address] if address else None,
            "ports": list(ports),
            **spec,
        },
    }


def endpoint_slice(where: str, name: str, ports: list[Object], *endpoints: Object) -> Object:
    """Give a slice of the service ``where``; the address type follows the first address."""
    space, _, service_name = where.partition("/")
    first = next((a for e in endpoints for a in e["addresses"]), "0.0.0.0")
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": space,
            "name": name,
            "labels": {"kubernetes.io/service-name": service_name},
        },
        "addressType": "IPv6" if ":" in first else "IPv4",
        "ports": ports,
        "endpoints": list(endpoints),
    }


def policy(space: str | None, spec: str | Object | None, name: str = "p") -> Object:
    """Give a NetworkPolicy; ``spec`` is YAML text, plain data, or None for no spec at all."""
    meta: Object = {"name": name}
    if space is not None:
        meta["namespace"] = space
    found: Object = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta,
    }
    if spec is not None:
        found["spec"] = yaml.safe_load(spec) if isinstance(spec, str) else spec
    return found


def _cluster_scoped(kind: str, version: str, name: str, spec: str | Object) -> Object:
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": yaml.safe_load(spec) if isinstance(spec, str) else spec,
    }


def cluster_policy(name: str, spec: str | Object) -> Object:
    """Give a ClusterNetworkPolicy; ``spec`` is YAML text or plain data."""
    return _cluster_scoped("ClusterNetworkPolicy", "v1alpha2", name, spec)


def admin_policy(name: str, spec: str | Object) -> Object:
    """Give an AdminNetworkPolicy."""
    return _cluster_scoped("AdminNetworkPolicy", "v1alpha1", name, spec)


def baseline_policy(spec: str | Object) -> Object:
    """Give the BaselineAdminNetworkPolicy."""
    return _cluster_scoped("BaselineAdminNetworkPolicy", "v1alpha1", "default", spec)


#: The fixture of specification.md D; namespaces in lower case, as the API wants them.
FIXTURE: dict[str, Object] = {
    "x": namespace("x", team="x"),
    "y": namespace("y", team="y"),
    "z": namespace("z"),
    "n1": node("n1", "192.168.0.1", pod_cidr="10.0.0.0/24"),
    "n2": node("n2", "192.168.0.2", pod_cidr="10.0.1.0/24"),
    "x/a": pod(
        "x/a", "10.0.0.1", "fd00::1", labels={"pod": "a"}, declared=("http=80", "dns=53/UDP")
    ),
    "x/b": pod("x/b", "10.0.0.2", labels={"pod": "b"}, declared=("http=8080",)),
    "y/a": pod("y/a", "10.0.1.1", node="n2", labels={"pod": "a"}, declared=("http=8080",)),
    "y/b": pod("y/b", "10.0.1.2", node="n2", labels={"pod": "b"}),
    "z/c": pod("z/c", "10.0.1.3", node="n2"),
    "x/h": pod("x/h", "192.168.0.1", labels={"pod": "h"}, hostNetwork=True),
    "x/svc-a": service(
        "x/svc-a", "10.96.0.10", {"port": 80, "targetPort": 80}, selector={"pod": "a"}
    ),
}

#: Addresses of the words that flows are written with.
ADDRESSES = {
    "x/a": "10.0.0.1",
    "x/a6": "fd00::1",
    "x/b": "10.0.0.2",
    "y/a": "10.0.1.1",
    "y/b": "10.0.1.2",
    "z/c": "10.0.1.3",
    "x/h": "192.168.0.1",
    "n1": "192.168.0.1",
    "n2": "192.168.0.2",
    "svc-a": "10.96.0.10",
    "ext": "8.8.8.8",
    "ext6": "2001:db8::8",
}
PROTOCOL_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "icmpv6": 58, "sctp": 132, "?": None}


def flow(text: str, **more: Any) -> Flow:
    """Give the flow of ``A -> B tcp/80``; without a port it is not recorded, ``?`` is unknown."""
    source, _, target, what = text.split()
    protocol, _, port = what.partition("/")
    return Flow(
        src=ADDRESSES.get(source, source),
        dst=ADDRESSES.get(target, target),
        protocol=PROTOCOL_NUMBERS[protocol],
        dport=int(port) if port else None,
        **more,
    )


def fixture(*changes: Object, without: tuple[str, ...] = ()) -> list[Object]:
    """Give the fixture's objects, those of ``changes`` replacing or joining them."""
    found = {key: value for key, value in FIXTURE.items() if key not in without}
    for item in changes:
        meta = item["metadata"]
        key = f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else meta["name"]
        found[key] = item
    return list(found.values())


class World:
    """The fixture, some policies and one evaluator."""

    def __init__(self, evaluator: str) -> None:
        self.evaluator = evaluator

    def answer(
        self,
        policies: Object | Iterable[Object],
        asked: str | Flow,
        objects: Iterable[Object] | None = None,
        switches: dict[str, Any] | None = None,
        dns: DnsObservations | None = None,
        **more: Any,
    ) -> Answer:
        """Give the answer to one flow."""
        listed = [policies] if isinstance(policies, dict) else policies
        read, snapshot = load(listed, fixture() if objects is None else objects, dns)
        judge = judge_with(self.evaluator, read, snapshot, Switches(**(switches or {})))
        return judge([flow(asked, **more) if isinstance(asked, str) else asked])[0]

    def check(
        self,
        policies: Object | Iterable[Object],
        expected: dict[str, str],
        objects: Iterable[Object] | None = None,
        switches: dict[str, Any] | None = None,
        dns: DnsObservations | None = None,
        **more: Any,
    ) -> None:
        """Assert ``verdict side reason`` of each flow."""
        listed = [policies] if isinstance(policies, dict) else list(policies)
        world = fixture() if objects is None else list(objects)
        found = {
            asked: str(self.answer(listed, asked, world, switches, dns, **more))
            for asked in expected
        }
        assert found == expected
