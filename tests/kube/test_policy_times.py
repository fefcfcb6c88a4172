"""Since when a policy says what it says, as its metadata tells."""

from __future__ import annotations

from typing import Any

import pytest

import netpol
from netpol.kube.api.times import NO_TIMES, PolicyTimes
from netpol.kube.policies import policies_from_objects
from netpol.kube.snapshot import Snapshot
from worlds import policy

HOUR = 3_600_000_000_000
TEN = 1_772_359_200_000_000_000  # 2026-03-01T10:00:00Z
CREATED = "2026-03-01T10:00:00Z"


def managed(time: Any, owned: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "manager": "kubectl",
        "operation": "Update",
        "time": time,
        "fieldsV1": {"f:spec": {"f:ingress": {}}} if owned is None else owned,
        **more,
    }


@pytest.mark.parametrize(
    ("metadata", "times"),
    [
        ({}, NO_TIMES),
        ({"creationTimestamp": CREATED}, PolicyTimes(TEN)),
        ({"creationTimestamp": CREATED, "generation": 1}, PolicyTimes(TEN)),
        ({"creationTimestamp": CREATED, "generation": 2}, PolicyTimes(TEN, None, True)),
        ({"creationTimestamp": "0001-01-01T00:00:00Z"}, NO_TIMES),
        # A label that changed is no change of the spec: the generation tells.
        (
            {
                "creationTimestamp": CREATED,
                "generation": 1,
                "managedFields": [managed("2026-03-01T12:00:00Z")],
            },
            PolicyTimes(TEN),
        ),
        (
            {
                "creationTimestamp": CREATED,
                "generation": 3,
                "managedFields": [
                    managed(CREATED),
                    managed("2026-03-01T12:00:00Z"),
                    managed("2026-03-01T11:00:00Z"),
                    managed("2026-03-01T13:00:00Z", {"f:metadata": {"f:labels": {}}}),
                    managed("2026-03-01T14:00:00Z", subresource="status"),
                ],
            },
            PolicyTimes(TEN, TEN + 2 * HOUR),
        ),
        # Only who created it owns the spec, but it was changed: by whom, and when, is not known.
        (
            {"creationTimestamp": CREATED, "generation": 2, "managedFields": [managed(CREATED)]},
            PolicyTimes(TEN, None, True),
        ),
        ({"managedFields": [managed("2026-03-01T12:00:00Z")]}, PolicyTimes(None, TEN + 2 * HOUR)),
        (
            {
                "creationTimestamp": CREATED,
                "managedFields": [3, None, managed(7), managed("x"), managed(CREATED, "f:spec")],
            },
            PolicyTimes(TEN),
        ),
    ],
)
def test_times_of_a_policy(metadata: dict[str, Any], times: PolicyTimes, tmp_path: Any) -> None:
    item = policy("x", {"podSelector": {}})
    item["metadata"].update(metadata)
    engine = netpol.compile(policies_from_objects([item]), Snapshot())
    assert engine.policies[0].times == times
    engine.save(tmp_path / "tables")
    assert netpol.load(tmp_path / "tables").policies == engine.policies


@pytest.mark.parametrize(
    ("kind", "version", "spec"),
    [
        (
            "ClusterNetworkPolicy",
            "v1alpha2",
            {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}},
        ),
        ("AdminNetworkPolicy", "v1alpha1", {"priority": 1, "subject": {"namespaces": {}}}),
        ("BaselineAdminNetworkPolicy", "v1alpha1", {"subject": {"namespaces": {}}}),
    ],
)
def test_times_of_cluster_wide_policies(kind: str, version: str, spec: dict[str, Any]) -> None:
    item = {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": "default", "creationTimestamp": CREATED},
        "spec": spec,
    }
    engine = netpol.compile(policies_from_objects([item]), Snapshot())
    assert engine.policies[0].times == PolicyTimes(TEN)
