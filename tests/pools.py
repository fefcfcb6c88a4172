"""The small pools that random cases are drawn from, chosen so that things collide."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

Object = dict[str, Any]

NAMESPACES = ("x", "y", "z", "w")
POD_NAMES = ("a", "b", "c", "d", "e", "f", "g")
NODE_NAMES = ("n1", "n2", "n3")
V4 = tuple(f"10.0.0.{i}" for i in (0, 1, 2, 3, 6, 7, 8, 9))
V6 = tuple(f"fd00::{i:x}" for i in (0, 1, 2, 7, 8))
NODE_V4 = ("192.168.0.1", "192.168.0.2", "192.168.0.3", "169.254.1.1", "10.0.0.1", "10.0.0.7")
NODE_V6 = ("fd01::1", "fd01::2", "fd00::1")
VIPS = ("10.96.0.1", "10.96.0.2", "fd02::1")
OUTSIDE = ("203.0.113.5", "203.0.113.9", "8.8.8.8", "2001:db8::8")
ODD = (
    "127.0.0.1",
    "::1",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "0.0.0.0",
    "::",
    "169.254.9.9",
    "fe80::9",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "10.0.0.14",
    "fd00::5",
)
CIDRS = (
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/28",
    "10.0.0.0/29",
    "10.0.0.8/29",
    "10.0.0.0/30",
    "10.0.0.2/31",
    "10.0.0.1/32",
    "192.168.0.0/30",
    "192.168.0.1/32",
    "192.168.0.2/32",
    "8.8.8.8/32",
    "10.96.0.0/24",
    "203.0.113.0/24",
    "fd00::/124",
    "fd00::/125",
    "fd00::8/125",
    "fd00::1/128",
    "fd01::/64",
)
#: Text that older API servers stored, and what it means (A1.9).
LEGACY_CIDRS = {
    "10.0.0.5/29": "10.0.0.0/29",
    "010.0.0.0/28": "10.0.0.0/28",
    "::ffff:10.0.0.0/125": "10.0.0.0/29",
}
INSIDE = {
    wide: tuple(
        narrow
        for narrow in CIDRS
        if ip_network(narrow).version == ip_network(wide).version
        and ip_network(narrow) != ip_network(wide)
        and ip_network(narrow).subnet_of(ip_network(wide))  # type: ignore[arg-type]
    )
    for wide in CIDRS
}
TIMES = ("2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", "2026-03-01T12:00:00.5+00:00")
TIMES_NS = (1772359200000000000, 1772362800000000000, 1772366400500000000)
PORTS = (0, 1, 52, 53, 54, 79, 80, 81, 90, 91, 443, 8079, 8080, 8081, 30080, 30081, 65535)

LABELS = (
    {},
    {"app": "a"},
    {"app": "b"},
    {"app": ""},
    {"app": "a", "env": "prod"},
    {"app": "b", "env": ""},
    {"env": "prod"},
)
SPACE_LABELS = ({}, {"team": "t"}, {"team": "u"}, {"team": ""}, {"team": "t", "env": "prod"})


def requirement(key: str, operator: str, *values: str) -> Object:
    found: Object = {"key": key, "operator": operator}
    return {**found, "values": list(values)} if values else found


def selector(*requirements: Object, **labels: str) -> Object:
    found: Object = {}
    if labels:
        found["matchLabels"] = labels
    if requirements:
        found["matchExpressions"] = list(requirements)
    return found


SELECTORS = (
    {},
    selector(app="a"),
    selector(app="b"),
    selector(app=""),
    selector(app="a", env="prod"),
    selector(requirement("app", "In", "a", "b")),
    selector(requirement("app", "In", "", "b")),
    selector(requirement("app", "NotIn", "a")),
    selector(requirement("env", "Exists")),
    selector(requirement("env", "DoesNotExist")),
    selector(requirement("app", "NotIn", "a"), app="a"),
    selector(requirement("app", "In", "a", "b"), requirement("env", "NotIn", "prod")),
)
NAME_LABEL = "kubernetes.io/metadata.name"
SPACE_SELECTORS = (
    {},
    selector(team="t"),
    selector(team=""),
    selector(requirement("team", "NotIn", "t")),
    selector(requirement("team", "Exists")),
    selector(requirement("team", "DoesNotExist")),
    selector(requirement("team", "In", "t", "u")),
    selector(requirement(NAME_LABEL, "In", "x", "z")),
    selector(requirement(NAME_LABEL, "NotIn", "y")),
    selector(requirement("team", "Exists"), **{NAME_LABEL: "z"}),
    selector(env="prod"),
)
PORT_ELEMENTS = (
    {},
    {"protocol": "UDP"},
    {"protocol": "SCTP"},
    {"port": 80},
    {"port": 80, "protocol": "UDP"},
    {"port": 80, "protocol": "SCTP"},
    {"port": 80, "endPort": 90},
    {"port": 81, "endPort": 8080},
    {"port": 80, "endPort": 80},
    {"port": 1, "endPort": 65535},
    {"port": 8080},
    {"port": 65535},
    {"port": 53, "protocol": "UDP"},
    {"port": 53, "endPort": 54, "protocol": "UDP"},
    {"port": "http"},
    {"port": "http", "protocol": "UDP"},
    {"port": "dns", "protocol": "UDP"},
    {"port": "side"},
    {"port": "nobody"},
)
DECLARED = (
    {"name": "http", "containerPort": 80},
    {"name": "http", "containerPort": 8080},
    {"name": "http", "containerPort": 80, "protocol": "UDP"},
    {"name": "dns", "containerPort": 53, "protocol": "UDP"},
    {"name": "side", "containerPort": 81, "protocol": "TCP"},
    {"containerPort": 443},
    {"name": "host", "containerPort": 80, "hostPort": 8081},
)

SWITCHES: dict[str, tuple[Any, ...]] = {
    "host_network": ("node", "pod"),
    "own_node_ingress": ("allow", "enforce"),
    "own_node_egress": ("enforce", "allow"),
    "node_port_egress": ("unknown", "node", "backend"),
    "np_service_hairpin": ("allow", "enforce"),
    "ipblock_scope": ("any", "non-pod", "non-cluster"),
    "other_protocols": ("match-portless", "ignore", "unknown"),
    "named_port_init": ("sidecars", "none", "all-init"),
    "missing_namespace": ("unknown-labels", "name-label-only"),
    "cnp_tie": ("name-and-flag", "unknown"),
    "baseline_gate": ("per-direction", "any-direction"),
    "node_addresses": ((), (("n1", "10.0.0.6"),), (("n2", "10.0.0.1"), ("n9", "8.8.8.8"))),
}


def _edges() -> tuple[str, ...]:
    found = []
    for text in CIDRS:
        first, last = ip_network(text)[0], ip_network(text)[-1]
        for address in (int(first) - 1, int(first), int(last), int(last) + 1):
            if 0 <= address < 1 << (32 if first.version == 4 else 128):
                found.append(str(type(first)(address)))
    return tuple(dict.fromkeys(found))


ANYWHERE = (*OUTSIDE, *ODD, *_edges(), *NODE_V4, *NODE_V6, *V4, *V6)
#: Mostly what policies speak about, then ICMP, GRE, UDPLite, an unassigned one, not recorded.
PROTOCOLS = (6, 6, 6, 6, 6, 6, 17, 17, 17, 132, 1, 58, 47, 136, 254, None)
ICMP_TYPES = (0, 1, 2, 3, 4, 5, 8, 11, 12, 128, 132, 133, 137, 138)
CONDITIONS = (
    None,
    {"ready": True},
    {"ready": False},
    {"ready": False, "serving": True, "terminating": True},
    {"ready": False, "serving": False, "terminating": True},
    {"serving": True},
)

# --- cluster-scoped policies ----------------------------------------------------------------------

#: What the CRDs let through and no implementation can read (B7.2).
BROKEN_SELECTORS = (
    selector(requirement("app", "in", "a")),
    selector(requirement("app", "In")),
    selector(requirement("env", "Exists", "x")),
)
NODE_LABELS = ({}, {"zone": "a"}, {"zone": "b"})
NODE_SELECTORS = (
    {},
    selector(zone="a"),
    selector(requirement("zone", "NotIn", "a")),
    selector(requirement("zone", "Exists")),
)
NETWORKS = (*CIDRS, "10.0.0.5/29")
DOMAINS = ("example.com", "*.example.com", "Other.Example.", "*.b.example.com", "x.org")
QUERY_NAMES = ("example.com", "a.example.com", "a.b.example.com", "other.example", "x.org")


def _transports(*ports: Object) -> tuple[Object, ...]:
    found = [{"tcp": {"destinationPort": port}} for port in ports]
    found += [{"udp": {"destinationPort": port}} for port in ports[:2]]
    return (*found, {"sctp": {"destinationPort": ports[0]}})


CLUSTER_PORTS = (
    *_transports(
        {"number": 80},
        {"number": 53},
        {"number": 8080},
        {"range": {"start": 80, "end": 90}},
        {"range": {"start": 81, "end": 8080}},
        {"range": {"start": 1, "end": 65535}},
    ),
    {"destinationNamedPort": "http"},
    {"destinationNamedPort": "dns"},
    {"destinationNamedPort": "nobody"},
)
ADMIN_PORTS = (
    {"portNumber": {"port": 80}},
    {"portNumber": {"port": 80, "protocol": "UDP"}},
    {"portNumber": {"port": 53, "protocol": "UDP"}},
    {"portNumber": {"port": 8080, "protocol": "TCP"}},
    {"portRange": {"start": 80, "end": 90}},
    {"portRange": {"start": 81, "end": 8080, "protocol": "TCP"}},
    {"portRange": {"start": 80, "end": 80, "protocol": "SCTP"}},
    {"portRange": {"start": 90, "end": 80}},
    {"namedPort": "http"},
    {"namedPort": "dns"},
)
