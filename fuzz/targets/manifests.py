"""Attacks the reading of manifests: YAML, JSON and what stands between, up to compiled tables.

What must hold: whatever the text, ``check`` gives findings and ``compile`` an engine, or an error
of netpol's own tree. Work is bounded by the text's length: its objects are read once, aliases
expand to at most so many values. A text that reads as policies reads as the same policies packed
with gzip or zstd, in UTF-16, and with another document behind it.
"""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from netpol import compile as compile_engine
from netpol.kube.policies import PolicySet, read_policies
from netpol.kube.read.inputs import InputFile
from netpol.kube.snapshot import read_snapshot
from netpol.lint.check import check_policies
from netpol.model.errors import NetpolError

__all__ = ["one", "seeds"]

MOST_BYTES = 1 << 16
_BUDGET = 64 << 20

_POLICY = """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop, labels: {a: b}}
spec:
  podSelector:
    matchLabels: {app: web}
    matchExpressions:
    - {key: tier, operator: In, values: [a, b]}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    - namespaceSelector: {matchLabels: {team: x}}
      podSelector: {}
    ports:
    - {protocol: TCP, port: 80, endPort: 90}
    - port: http
  egress:
  - to: [{ipBlock: {cidr: '2001:db8::/32'}}]
"""
_ADMIN = """apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: admin}
spec:
  priority: 10
  subject: {namespaces: {matchLabels: {team: x}}}
  ingress:
  - {name: a, action: Deny, from: [{namespaces: {}}]}
  egress:
  - action: Pass
    to: [{networks: [10.0.0.0/8]}, {nodes: {}}, {domainNames: ['*.example.com']}]
    ports: [{portNumber: {protocol: TCP, port: 80}}, {portRange: {start: 1, end: 5}}]
"""
_CLUSTER = """apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: shop, labels: {team: x}}
- apiVersion: v1
  kind: Node
  metadata: {name: n1}
  spec: {podCIDR: 10.244.1.0/24}
  status: {addresses: [{type: InternalIP, address: 172.18.0.2}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: web-0, namespace: shop, labels: {app: web, tier: a}}
  spec:
    nodeName: n1
    containers: [{name: c, ports: [{containerPort: 8080, name: http, protocol: TCP}]}]
  status: {phase: Running, podIP: 10.244.1.5, podIPs: [{ip: 10.244.1.5}, {ip: 'fd00::5'}]}
- apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: shop}
  spec: {selector: {app: web}, clusterIP: 10.96.0.10, ports: [{port: 80, targetPort: http}]}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
  addressType: IPv4
  endpoints: [{addresses: [10.244.1.5], targetRef: {kind: Pod, name: web-0, namespace: shop}}]
  ports: [{name: '', port: 8080, protocol: TCP}]
"""
#: Values that a field may be given instead of its own.
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 65536, 2**31, 2**63, 2**64, 10**30, 1.5, 1e308, "", "\0", "a" * 300,
    "\ud7ff", "٣", "10.0.0.0/8", "0.0.0.0/0", "::/0", "10.0.0.1/33", "1.2.3", "::ffff:1.2.3.4",
    "http", "*", "*.", "{{ x }}", "${X}", [], {}, [None], [[]], {"a": None}, {"": ""}, "TCP",
    "Ingress", "Deny", "List", "NetworkPolicyList", "2024-01-01T00:00:00Z", "9999-99-99T99:99:99Z",
)  # fmt: skip


def seeds() -> list[bytes]:
    """Return a valid text for each way of mutating it, behind the byte that chooses the way."""
    return [
        bytes([number]) + text
        for number in range(len(_WAYS))
        for text in (_POLICY.encode(), _ADMIN.encode(), bytes(range(0, 250, 7)))
    ]


def one(data: bytes) -> None:
    """Read one text; the first byte says what the rest does."""
    if not data:
        return
    text = _WAYS[data[0] % len(_WAYS)](data[1:MOST_BYTES])
    policies = _read(text)
    # Beside a cluster that can be read, so that what is right gets as far as the tables.
    files = [InputFile("a", None, text), InputFile("b", None, _CLUSTER.encode())]
    _swallow(lambda: check_policies(files[:1], cluster=files))
    try:
        snapshot = read_snapshot(files)
        if policies is not None:
            compile_engine(policies, snapshot, memory_budget=_BUDGET)
    except NetpolError:
        pass
    if policies is not None:
        _same_packed(text, policies)


def _read(data: bytes) -> PolicySet | None:
    try:
        return read_policies([InputFile("a", None, data)], ignore_kinds=True)
    except NetpolError as error:
        return _bounded(error)


def _swallow(work: Callable[[], object]) -> None:
    with contextlib.suppress(NetpolError):
        work()


def _same_packed(text: bytes, policies: PolicySet) -> None:
    """Hold that how a text is stored says nothing."""
    if text.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return  # packed already
    stored = [gzip.compress(text, 1), pa.compress(text, "zstd", asbytes=True)]
    if not text.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff", b"\xef\xbb\xbf")):
        stored.append(text.decode().encode("utf-16"))
    for data in stored:
        again = _read(data)
        assert again is not None, "readable as it is, not as it is stored"
        assert again.policies == policies.policies, "other policies as it is stored"


def _bounded(error: NetpolError) -> None:
    assert len(str(error)) < 1 << 20, "a message of more than 1 MB"


# --- ways to make a text of bytes ---------------------------------------------------------------


def _as_it_is(data: bytes) -> bytes:
    return data


def _documents(data: bytes) -> bytes:
    """Put the bytes between a good policy and another."""
    return _POLICY.encode() + b"---\n" + data + b"\n---\n" + _ADMIN.encode()


def _in_a_value(data: bytes) -> bytes:
    return _POLICY.replace("app: web", "app: @").encode().replace(b"@", data[:1000])


def _noise(data: bytes) -> bytes:
    """Put JSON between lines made of the bytes, as ``2>&1`` does."""
    policy = json.dumps(_object_of(b"")).encode()
    lines = data.split(b"\xff")
    return b"\n".join(line + b"\n" + policy for line in lines[:20])


def _json(data: bytes) -> bytes:
    return json.dumps(_object_of(data)).encode()


def _json_lines(data: bytes) -> bytes:
    parts = [data[at : at + 8] for at in range(0, min(len(data), 80), 8)]
    return b"\n".join(json.dumps(_object_of(part)).encode() for part in parts)


def _yaml(data: bytes) -> bytes:
    """Write the object as YAML of flows, with anchors, tags and merges where the bytes say so."""
    return _flow(_object_of(data[16:]), iter(data[:16])).encode(errors="replace")


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data[:1000]) + data[1000:]


_WAYS: tuple[Callable[[bytes], bytes], ...] = (
    _as_it_is, _documents, _in_a_value, _noise, _json, _json_lines, _yaml, _gzip,
)  # fmt: skip


def _object_of(data: bytes) -> Any:
    """Return one of the seeds as plain data, some of its fields changed as the bytes say."""
    import yaml

    choices = iter(data)
    text = (_POLICY, _ADMIN, _CLUSTER)[next(choices, 0) % 3]
    value = yaml.safe_load(text)
    for _ in range(next(choices, 0) % 5):
        value = _changed(value, choices)
    return value


def _changed(value: Any, choices: Any, depth: int = 0) -> Any:
    """Change one field: another value, none, twice as many, or another name."""
    if not isinstance(value, dict | list) or not value or depth > 12:
        return _ODD[next(choices, 0) % len(_ODD)]
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[next(choices, 0) % len(keys)]
    how = next(choices, 0) % 8
    if how == 0:
        del value[key]
    elif how == 1:
        value[key] = _ODD[next(choices, 0) % len(_ODD)]
    elif how == 2 and isinstance(value, dict):
        value[str(_ODD[next(choices, 0) % len(_ODD)])] = value[key]
    elif how == 3 and isinstance(value, list):
        value.extend([value[key]] * (next(choices, 0) % 16))
    else:
        value[key] = _changed(value[key], choices, depth + 1)
    return value


def _flow(value: Any, choices: Any) -> str:
    mark = ("", "", "", "&a ", "!!str ", "!!map ", "!x ", "&b ")[next(choices, 0) % 8]
    if isinstance(value, dict):
        fields = [f"{json.dumps(key)}: {_flow(each, choices)}" for key, each in value.items()]
        if next(choices, 0) % 4 == 3:
            fields.append("<<: *a")
        return f"{mark}{{{', '.join(fields)}}}"
    if isinstance(value, list):
        return f"{mark}[{', '.join(_flow(each, choices) for each in value)}]"
    return mark + ("*b" if next(choices, 0) % 16 == 15 else json.dumps(value))
