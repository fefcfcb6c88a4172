"""Random small clusters, policies and flows, biased to collisions.

Everything is drawn from the small pools of ``pools.py``, so that labels, addresses, prefixes and
ports meet. A case is plain data that shrinks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from hypothesis import strategies as st

import pools
from cluster_strategies import cluster_scoped_of, dns_of
from netpol.model.dns_observations import DnsObservations
from netpol.model.evidence import Evidence
from netpol.model.flow import Flow
from netpol.model.switches import Switches
from worlds import Object, namespace, policy


@dataclass(slots=True)
class Case:
    """A cluster, policies, switches, and flows to judge in it."""

    objects: list[Object]
    policies: list[Object]
    flows: list[Flow]
    switches: Switches = field(default_factory=Switches)
    dns: DnsObservations | None = None


class Choices:
    """Reads choices off drawn bytes: one draw a case is fast, and bytes shrink to the first choice.

    Every method uses whole bytes; past the end it takes the first choice.
    """

    def __init__(self, drawn: bytes) -> None:
        self._left = iter(drawn)

    def between(self, first: int, last: int) -> int:
        """Give a number of a range of at most 256."""
        return first + next(self._left, 0) % (last - first + 1)

    def of(self, *values: Any) -> Any:
        """Give one of the values."""
        return values[self.between(0, len(values) - 1)]

    def some(self, values: Sequence[Any], most: int) -> list[Any]:
        """Give up to ``most`` of the values."""
        return [self.of(*values) for _ in range(self.between(0, most))]

    def rarely(self, one_in: int = 4) -> bool:
        """Give True once in ``one_in``."""
        return self.between(0, one_in - 1) == one_in - 1


# --- cluster --------------------------------------------------------------------------------------


def _node(pick: Choices, name: str) -> Object:
    own = pools.NODE_V4[int(name[1:]) - 1]
    addresses = [own, *pick.some(pools.NODE_V4, 1), *pick.some(pools.NODE_V6, 1)]
    if pick.rarely(6):
        addresses = []
    listed = [{"type": "InternalIP", "address": a} for a in addresses]
    listed.append({"type": "Hostname", "address": name})
    ranges = pick.of(None, ["10.0.0.0/29"], ["10.0.0.8/29", "fd00::/125"])
    labels = pick.of(*pools.NODE_LABELS)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "creationTimestamp": pools.TIMES[0], "labels": labels},
        "spec": {"podCIDR": ranges[0] if ranges else None, "podCIDRs": ranges},
        "status": {"addresses": listed},
    }


def _containers(pick: Choices) -> Object:
    spec: Object = {"containers": [{"name": "main", "ports": pick.some(pools.DECLARED, 2)}]}
    if pick.rarely():
        spec["containers"].append({"name": "second", "ports": pick.some(pools.DECLARED, 2)})
    if pick.rarely():
        restart = pick.of(None, "Always")
        ports = pick.some(pools.DECLARED, 2)
        spec["initContainers"] = [{"name": "init", "restartPolicy": restart, "ports": ports}]
    return spec


def _pod_addresses(pick: Choices, host_network: bool) -> list[str]:
    four, six = (pools.NODE_V4, pools.NODE_V6) if host_network else (pools.V4, pools.V6)
    found = [] if pick.rarely(8) else [pick.of(*four)]
    return [*found, pick.of(*six)] if pick.rarely(3) else found


def _pod_status(pick: Choices, addresses: list[str]) -> Object:
    phase = pick.of(*["Running"] * 7, "Pending", "Succeeded", "Failed", None)
    status: Object = {"phase": phase}
    if pick.rarely() and addresses:
        status["podIP"] = addresses[0]
    else:
        status["podIPs"] = [{"ip": a} for a in addresses]
    if pick.rarely():
        status["startTime"] = pick.of(*pools.TIMES)
    if phase in ("Succeeded", "Failed"):
        status["containerStatuses"] = [
            {"name": "main", "state": {"terminated": {"finishedAt": end}} if end else {}}
            for end in pick.some((*pools.TIMES, None), 2)
        ]
    if pick.rarely(8):
        status["hostIP"] = pick.of(*pools.NODE_V4)
        status["hostIPs"] = [{"ip": status["hostIP"]}, {"ip": pick.of(*pools.NODE_V6)}]
    return status


def _pod(pick: Choices, space: str, name: str, nodes: list[str]) -> Object:
    host_network = pick.rarely(6)
    meta: Object = {"namespace": space, "name": name, "labels": pick.of(*pools.LABELS)}
    if pick.rarely():
        meta["creationTimestamp"] = pick.of(*pools.TIMES)
    if pick.rarely(8):
        meta["deletionTimestamp"] = pools.TIMES[1]
    node = pick.of(None, "n9") if pick.rarely(8) else pick.of(*nodes)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {**_containers(pick), "nodeName": node, "hostNetwork": host_network or None},
        "status": _pod_status(pick, _pod_addresses(pick, host_network)),
    }


def _service_port(pick: Choices, name: str | None) -> Object:
    return {
        "name": name,
        "port": pick.of(80, 53, 8080),
        "targetPort": pick.of(None, 80, 8080, "http", "dns"),
        "nodePort": pick.of(None, 30080, 30081),
        "protocol": pick.of(None, "TCP", "TCP", "UDP"),
    }


def _service(pick: Choices, space: str, name: str) -> Object:
    ports = [_service_port(pick, None)]
    if pick.rarely():
        ports = [{**ports[0], "name": "one"}, _service_port(pick, "two")]
    addresses = ["None"] if pick.rarely(6) else [pick.of(*pools.VIPS), *pick.some(pools.VIPS, 1)]
    spec: Object = {
        "type": pick.of("ClusterIP", "NodePort", "LoadBalancer"),
        "clusterIP": addresses[0],
        "clusterIPs": addresses,
        "selector": pick.of({"app": "a"}, {"app": "b"}, {"env": "prod"}, {}, None),
        "externalTrafficPolicy": pick.of(None, "Cluster", "Local"),
        "internalTrafficPolicy": pick.of(None, "Cluster", "Local"),
        "ports": ports,
    }
    if pick.rarely():
        spec["externalIPs"] = pick.some((*pools.OUTSIDE, *pools.NODE_V4), 2)
    status = {}
    if pick.rarely():
        balanced = pick.some((*pools.OUTSIDE, pools.NODE_V4[0]), 2)
        modes = [{"ip": a, "ipMode": pick.of(None, "VIP", "Proxy", "Proxy")} for a in balanced]
        status = {"loadBalancer": {"ingress": modes}}
    meta = {"namespace": space, "name": name}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, "status": status}


def _endpoint(pick: Choices, pods: list[Object]) -> Object:
    anywhere = (*pools.V4, *pools.V6, *pools.OUTSIDE, *pools.NODE_V4)
    endpoint: Object = {"addresses": [pick.of(*anywhere)]}
    conditions = pick.of(*pools.CONDITIONS)
    if conditions is not None:
        endpoint["conditions"] = conditions
    if pick.rarely(2):
        endpoint["nodeName"] = pick.of(*pools.NODE_NAMES, "n9")
    if not pick.rarely(3):
        chosen = pick.of(*pods)
        own = [item["ip"] for item in chosen["status"].get("podIPs") or ()]
        endpoint["addresses"] = own[:1] or endpoint["addresses"]
        meta = chosen["metadata"]
        name = "gone" if pick.rarely(6) else meta["name"]
        ref = {"kind": "Pod", "namespace": meta["namespace"], "name": name}
        endpoint["targetRef"] = ref
    return endpoint


def _slice(pick: Choices, target: Object, name: str, pods: list[Object]) -> Object:
    """Give a slice of a service, its endpoints mostly pods of the case."""
    meta = target["metadata"]
    ports = [
        {"name": port["name"], "protocol": port["protocol"], "port": pick.of(80, 8080, 53)}
        for port in target["spec"]["ports"]
    ]
    labels = {"kubernetes.io/service-name": meta["name"]}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": meta["namespace"], "name": name, "labels": labels},
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [_endpoint(pick, pods) for _ in range(pick.between(0, 3))],
    }


def cluster_of(pick: Choices) -> list[Object]:
    """Give the objects of a small cluster."""
    nodes = list(pools.NODE_NAMES[: pick.between(0, 3)])
    objects = [_node(pick, name) for name in nodes]
    spaces = pools.NAMESPACES[: pick.between(1, 4)]
    for space in spaces:
        if not pick.rarely(5):
            objects.append(namespace(space, **pick.of(*pools.SPACE_LABELS)))
    pods = [
        _pod(pick, pick.of("x", *spaces), name, nodes or ["n1"])
        for name in pools.POD_NAMES[: pick.between(2, 7)]
    ]
    services = [_service(pick, pick.of(*spaces), f"s{i}") for i in range(pick.between(0, 2))]
    slices: list[Object] = []
    if services and not pick.rarely(3):
        slices = [
            _slice(pick, pick.of(*services), f"e{i}", pods) for i in range(pick.between(1, 3))
        ]
    return [*objects, *pods, *services, *slices]


# --- policies -------------------------------------------------------------------------------------


def _ip_block(pick: Choices) -> Object:
    if pick.rarely(8):
        return {"cidr": pick.of(*pools.LEGACY_CIDRS)}
    wide = pick.of(*pools.CIDRS)
    block: Object = {"cidr": wide}
    if pools.INSIDE[wide] and pick.rarely(2):
        block["except"] = pick.some(pools.INSIDE[wide], 3)
    return block


def _peer(pick: Choices) -> Object:
    kind = pick.between(0, 4)
    if kind > 2:
        return {"ipBlock": _ip_block(pick)}
    peer: Object = {}
    if kind != 1:
        peer["podSelector"] = pick.of(*pools.SELECTORS)
    if kind != 0:
        peer["namespaceSelector"] = pick.of(*pools.SPACE_SELECTORS)
    return peer


def _rule(pick: Choices, peers_key: str) -> Object | None:
    if pick.rarely(12):
        return pick.of({}, None)
    rule: Object = {}
    if not pick.rarely():
        rule[peers_key] = [_peer(pick) for _ in range(pick.between(0, 3))]
    if not pick.rarely(3):
        rule["ports"] = pick.some(pools.PORT_ELEMENTS, 3) or pick.of(None, [])
    return rule


def policy_of(pick: Choices, space: str, name: str) -> Object:
    """Give a policy of any shape the API accepts (A4)."""
    spec: Object = {}
    if not pick.rarely(3):
        spec["podSelector"] = pick.of(*pools.SELECTORS)
    types = pick.of(None, [], ["Ingress"], ["Egress"], *[["Egress", "Ingress"]] * 3)
    if types is not None:
        spec["policyTypes"] = types
    for side, peers_key in (("ingress", "from"), ("egress", "to")):
        shape = pick.between(0, 7)
        if shape == 0:
            spec[side] = pick.of([], None)
        elif shape > 1:
            spec[side] = [_rule(pick, peers_key) for _ in range(pick.between(1, 3))]
    return policy(space, spec, name)


# --- flows ----------------------------------------------------------------------------------------


class Interesting:
    """What flows of a cluster should touch: its addresses, service ports and pod names."""

    def __init__(self, objects: list[Object]) -> None:
        self.addresses: list[str] = []
        self.dialled: list[tuple[str, int]] = []
        self.pods: list[str] = []
        for item in objects:
            status, spec = item.get("status") or {}, item.get("spec") or {}
            if item["kind"] == "Pod":
                self.pods.append(f"{item['metadata']['namespace']}/{item['metadata']['name']}")
                own = [one["ip"] for one in status.get("podIPs") or ()]
                self.addresses += own or [a for a in [status.get("podIP")] if a]
            elif item["kind"] == "Node":
                self.addresses += [
                    a["address"] for a in status["addresses"] if a["type"] != "Hostname"
                ]
            elif item["kind"] == "Service":
                self._service(spec, status)
        self.addresses = list(dict.fromkeys(self.addresses)) or ["10.0.0.1"]
        # Twice: pods are what policies are about.
        self.addresses += [a for a in self.addresses if a in (*pools.V4, *pools.V6)]

    def _service(self, spec: Object, status: Object) -> None:
        fronts = [a for a in spec["clusterIPs"] if a != "None"]
        fronts += spec.get("externalIPs") or []
        fronts += [i["ip"] for i in (status.get("loadBalancer") or {}).get("ingress", ())]
        for port in spec["ports"]:
            self.dialled += [(front, port["port"]) for front in fronts]
            if port["nodePort"]:
                nodes = [a for a in self.addresses if a.startswith("192.168.")]
                self.dialled += [(address, port["nodePort"]) for address in (*nodes, *nodes)]


def _flow(pick: Choices, near: Interesting) -> Flow:
    def address() -> str:
        return pick.of(*pools.ANYWHERE) if pick.rarely(5) else pick.of(*near.addresses)

    protocol = pick.of(*pools.PROTOCOLS)
    dst, dport = address(), pick.of(*pools.PORTS)
    if near.dialled and pick.rarely(4):
        dst, dport = pick.of(*near.dialled)
    more: Object = {"dport": None if pick.rarely(8) else dport}
    extra = pick.between(0, 15)
    if protocol in (1, 58) and extra < 8:
        more["icmp_type"] = pick.of(*pools.ICMP_TYPES)
    if extra in (8, 9):
        more["original_dst"] = pick.of(*pools.VIPS) if pick.rarely(2) else address()
        more["original_dport"] = pick.of(80, 8080, None)
        if near.dialled and pick.rarely(2):
            more["original_dst"], more["original_dport"] = pick.of(*near.dialled)
    if extra in (9, 10):
        seen = address()
        # A batch says "not recorded" by the unspecified address, which no packet comes from.
        more["src_seen"] = None if seen in ("::", "0.0.0.0") else seen
    if extra in (11, 12):
        more["time"] = pick.of(*pools.TIMES_NS) + pick.between(-1, 1)
    if extra == 13:
        more["is_reply"] = True
        more["sport"] = pick.of(80, 8080, 53, None)
    if extra in (13, 14):  # perhaps from a server's port to a client's
        more["sport"] = pick.of(53, 8080, 40000, None)
        more["dport"] = pick.of(40000, 32768, 32767, None)
    if pick.rarely(3):
        more["evidence"] = Evidence(pick.between(0, 3))
    if pick.rarely(12):
        more[pick.of("src_pod", "dst_pod")] = pick.of(*near.pods, "x/gone")
    return Flow(src=address(), dst=dst, protocol=protocol, **more)


def switches_of(pick: Choices) -> Switches:
    """Give switches, mostly at their defaults."""
    names = pick.some(tuple(pools.SWITCHES), 3)
    return Switches(**{name: pick.of(*pools.SWITCHES[name]) for name in names})


# --- strategies -----------------------------------------------------------------------------------

#: Bytes a part of a case reads at most; each has its own, so that shrinking one leaves the others.
CLUSTER_BYTES, POLICY_BYTES, SWITCH_BYTES, FLOW_BYTES = 320, 72, 8, 16
MOST_POLICIES = 5
WIDE_BYTES, MOST_WIDE, DNS_BYTES = 64, 4, 32


def policies_of(drawn: bytes) -> list[Object]:
    """Give policies of distinct names in the namespaces of ``cluster_of``."""
    count = Choices(drawn[-1:]).between(0, MOST_POLICIES + 2)
    found = []
    for index in range(min(count, MOST_POLICIES)):
        pick = Choices(drawn[index * POLICY_BYTES : (index + 1) * POLICY_BYTES])
        space = pick.of("x", "x", "x", *pools.NAMESPACES)
        found.append(policy_of(pick, space, f"p{index}"))
    return found


def cluster_scoped_policies_of(drawn: bytes) -> list[Object]:
    """Give policies of the admin and baseline tiers, of distinct names; sometimes none."""
    count = Choices(drawn[-1:]).between(-1, MOST_WIDE)
    found = {}
    for index in range(count):
        pick = Choices(drawn[index * WIDE_BYTES : (index + 1) * WIDE_BYTES])
        item = cluster_scoped_of(pick, f"c{index}")
        found[item["kind"], item["metadata"]["name"]] = item  # one BaselineAdminNetworkPolicy
    return list(found.values())


def cases(flows: int = 12, *, network_policies_only: bool = False) -> st.SearchStrategy[Case]:
    """Give a cluster, policies, switches and flows between interesting addresses.

    One draw of bytes is ten times as fast as a draw a choice, and as uniform.
    """
    sizes = (
        CLUSTER_BYTES, POLICY_BYTES * MOST_POLICIES + 1, SWITCH_BYTES, FLOW_BYTES * flows,
        WIDE_BYTES * MOST_WIDE + 1, DNS_BYTES,
    )  # fmt: skip

    def case(drawn: bytes) -> Case:
        parts = []
        for size in sizes:
            part, drawn = drawn[:size], drawn[size:]
            parts.append(part)
        objects = cluster_of(Choices(parts[0]))
        near = Interesting(objects)
        wide = [] if network_policies_only else cluster_scoped_policies_of(parts[4])
        return Case(
            objects,
            [*policies_of(parts[1]), *wide],
            [
                _flow(Choices(parts[3][i : i + FLOW_BYTES]), near)
                for i in range(0, len(parts[3]), FLOW_BYTES)
            ],
            switches_of(Choices(parts[2])),
            dns_of(Choices(parts[5])),
        )

    return st.binary(min_size=sum(sizes), max_size=sum(sizes)).map(case)


def mapped(address: str) -> str:
    """Give an IPv4 address as its v4-mapped IPv6 form; others as they are (A6.3)."""
    return f"::ffff:{address}" if ip_address(address).version == 4 else address
