"""Takes workloads (Deployments and so on) and pods, gives who made a pod and who made none.

Pods are never guessed from a template: an address cannot be, and a verdict would rest on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netpol.kube.api.objects import Lenient, ObjectMeta, Pod

__all__ = ["Workload", "podless_workloads", "workload_of"]

# Which kind stands between a workload and its pods; its name is the workload's and a suffix.
_THROUGH = {"Deployment": "ReplicaSet", "CronJob": "Job"}


class WorkloadSpec(Lenient, frozen=True):
    """How many pods a workload wants."""

    replicas: int | None = None


class WorkloadStatus(Lenient, frozen=True):
    """Whether a Job is over."""

    completion_time: str | None = None


class Workload(Lenient, frozen=True):
    """Something that makes pods. ``kind`` is set by the reader."""

    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: WorkloadSpec | None = None
    status: WorkloadStatus | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """(kind, namespace, name)."""
        return self.kind, self.metadata.namespace or "default", self.metadata.name

    @property
    def label(self) -> str:
        """``Kind namespace/name``."""
        return f"{self.kind} {self.metadata.namespace or 'default'}/{self.metadata.name}"


def workload_of(pod: Pod) -> str:
    """Name what made the pod: a Deployment through its ReplicaSet, else the controller."""
    for owner in pod.metadata.owner_references or ():
        if owner.controller is False:
            continue
        if owner.kind == "ReplicaSet":
            suffix = "-" + (pod.metadata.labels or {}).get("pod-template-hash", "")
            if len(suffix) > 1 and owner.name.endswith(suffix):
                return f"deployment/{owner.name.removesuffix(suffix)}"
        return f"{owner.kind.lower()}/{owner.name}"
    return pod.metadata.name


def podless_workloads(workloads: Sequence[Workload], pods: Iterable[Pod]) -> list[Workload]:
    """Return the workloads that should have pods and own none, in order."""
    if not workloads:
        return []
    owners = _owners(pods)
    return [each for each in workloads if not _idle(each) and each.key not in owners]


def _owners(pods: Iterable[Pod]) -> set[tuple[str, str, str]]:
    """Return (kind, namespace, name) of everything that owns a pod, and what owns that."""
    found = set()
    through = {made: maker for maker, made in _THROUGH.items()}
    for pod in pods:
        namespace = pod.metadata.namespace or "default"
        for owner in pod.metadata.owner_references or ():
            found.add((owner.kind, namespace, owner.name))
            maker = through.get(owner.kind)
            if maker is not None:
                found.add((maker, namespace, owner.name.rpartition("-")[0]))
    return found


def _idle(workload: Workload) -> bool:
    """Return whether a workload wants no pods now: scaled to zero, or a Job that is over."""
    if workload.spec is not None and workload.spec.replicas == 0:
        return True
    return workload.status is not None and workload.status.completion_time is not None
