"""The kinds that a person may put before a name, as kubectl abbreviates them."""

from __future__ import annotations

__all__ = ["KINDS"]

#: By abbreviation or plural; any other word in front of a name is taken as it is.
KINDS = {
    "po": "pod", "pods": "pod", "no": "node", "nodes": "node", "svc": "service",
    "services": "service", "deploy": "deployment", "deployments": "deployment",
    "sts": "statefulset", "statefulsets": "statefulset", "ds": "daemonset",
    "daemonsets": "daemonset", "rs": "replicaset", "replicasets": "replicaset", "jobs": "job",
    "cj": "cronjob", "cronjobs": "cronjob", "rc": "replicationcontroller",
}  # fmt: skip
