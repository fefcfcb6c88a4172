"""Takes a world, gives the file that ``kubectl get … -o json|yaml`` would have written.

Pods carry the fields netpol ignores too (volumes, tolerations, images, conditions), as they are
most of a real dump's bytes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from netpol.kube.api.objects import Pod

if TYPE_CHECKING:
    from bench.world import World

__all__ = ["write_manifests"]

API = {
    "NetworkPolicy": "networking.k8s.io/v1",
    "EndpointSlice": "discovery.k8s.io/v1",
}
#: What every pod's spec and status also hold.
POD_SPEC_EXTRA: dict[str, Any] = {
    "dnsPolicy": "ClusterFirst",
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
    "priority": 0,
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "serviceAccount": "default",
    "serviceAccountName": "default",
    "terminationGracePeriodSeconds": 30,
    "tolerations": [
        {
            "effect": "NoExecute",
            "key": "node.kubernetes.io/not-ready",
            "operator": "Exists",
            "tolerationSeconds": 300,
        }
    ],
    "volumes": [
        {
            "name": "kube-api-access",
            "projected": {
                "defaultMode": 420,
                "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}],
            },
        }
    ],
}
CONTAINER_EXTRA: dict[str, Any] = {
    "imagePullPolicy": "IfNotPresent",
    "resources": {
        "limits": {"memory": "256Mi"},
        "requests": {"cpu": "100m", "memory": "128Mi"},
    },
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "volumeMounts": [
        {
            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            "name": "kube-api-access",
            "readOnly": True,
        }
    ],
}


def _prune(value: Any) -> Any:
    """Leave out what is null: kubectl prints no absent fields."""
    if isinstance(value, dict):
        return {key: _prune(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_prune(item) for item in value]
    return value


def _enrich_pod(document: dict[str, Any]) -> None:
    name = document["metadata"]["name"]
    document["metadata"]["uid"] = f"5b0c9d52-0000-4000-8000-{zlib.crc32(name.encode()):012x}"
    document["metadata"]["resourceVersion"] = "104857"
    spec, status = document["spec"], document["status"]
    spec |= POD_SPEC_EXTRA
    statuses = []
    for container in spec["containers"]:
        image = f"registry.example/{container['name']}:1.4.2"
        container |= CONTAINER_EXTRA | {"image": image}
        statuses.append(
            {
                "containerID": "containerd://" + "0123456789abcdef" * 4,
                "image": image,
                "name": container["name"],
                "ready": True,
                "restartCount": 0,
                "started": True,
                "state": {"running": {"startedAt": status["startTime"]}},
            }
        )
    status["containerStatuses"] = statuses
    status["qosClass"] = "Burstable"


def documents(world: World) -> Iterator[dict[str, Any]]:
    """Yield every object as a document with apiVersion and kind, the policies last."""
    snapshot = world.snapshot
    groups = (
        snapshot.namespaces,
        snapshot.nodes,
        snapshot.services,
        snapshot.endpoint_slices,
        snapshot.pods,
        tuple(loaded.policy for loaded in world.policies.policies),
    )
    for group in groups:
        for item in group:
            kind = type(item).__name__
            document = {"apiVersion": API.get(kind, "v1"), "kind": kind}
            document |= _prune(msgspec.to_builtins(item))
            if isinstance(item, Pod):
                _enrich_pod(document)
            yield document


def _write_json(world: World, out: IO[bytes]) -> None:
    """Write a List indented by four blanks, as kubectl does."""
    out.write(b'{\n    "apiVersion": "v1",\n    "items": [\n')
    separator = b"        "
    for document in documents(world):
        text = msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=4)
        out.write(separator + text.replace(b"\n", b"\n        "))
        separator = b",\n        "
    out.write(b'\n    ],\n    "kind": "List",\n    "metadata": {\n        "resourceVersion": ""\n')
    out.write(b"    }\n}\n")


_WORD_MARKS = str.maketrans("", "", "-/.")


def _scalar(value: Any) -> str:
    """Return a YAML scalar: text is quoted unless it can only be text."""
    if not isinstance(value, str):
        return json.dumps(value)
    plain = value[:1].isalpha() and value.translate(_WORD_MARKS).isalnum()
    plain = plain or (value.count(".") == 3 and value.translate(_WORD_MARKS).isdigit())
    if plain and value.lower() not in {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}:
        return value
    return json.dumps(value)


def _yaml(value: Any, indent: str, lines: list[str], lead: str) -> None:
    """Append ``value`` in block style; ``lead`` begins its first line."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            item = value[key]
            head = f"{lead}{_scalar(key)}:"
            lead = indent
            if isinstance(item, dict | list) and item:
                lines.append(head)
                deeper = indent if isinstance(item, list) else indent + "  "
                _yaml(item, deeper, lines, deeper)
            else:
                lines.append(f"{head} {_empty(item)}")
    elif isinstance(value, list) and value:
        for item in value:
            _yaml(item, indent + "  ", lines, f"{lead}- ")
            lead = indent
    else:
        lines.append(lead + _empty(value))


def _empty(value: Any) -> str:
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    return _scalar(value)


def _write_yaml(world: World, out: IO[bytes]) -> None:
    """Write a List in block style, as kubectl does."""
    out.write(b"apiVersion: v1\nitems:\n")
    for document in documents(world):
        lines: list[str] = []
        _yaml(document, "  ", lines, "- ")
        out.write("\n".join(lines).encode() + b"\n")
    out.write(b'kind: List\nmetadata:\n  resourceVersion: ""\n')


def write_manifests(world: World, path: str | Path, syntax: str = "json") -> int:
    """Write snapshot and policies of ``world`` as one List; give the number of bytes.

    ``syntax`` is ``json`` or ``yaml``.
    """
    writer = {"json": _write_json, "yaml": _write_yaml}[syntax]
    with Path(path).open("wb") as out:
        writer(world, out)
        return out.tell()
