"""Takes a ``PolicySet`` and, if there is one, a ``Snapshot``; gives findings to act on.

The API server takes the policy, but it may not do what its author meant. Findings that only show
in the policy as written come with the ``PolicySet``; ``alone`` adds what its rules show, and with a
snapshot ``namespaced`` and ``cluster_wide`` what only shows beside the cluster.
"""

from __future__ import annotations

from netpol.kube.namespace_findings import findings_beside
from netpol.kube.policies import PolicySet
from netpol.kube.read.findings import Finding, in_order
from netpol.kube.snapshot import Snapshot
from netpol.lint.alone import lint_alone, lint_unseen
from netpol.lint.cluster_wide import lint_cluster_wide
from netpol.lint.namespaced import lint_namespaced
from netpol.lint.ranges import KnownAddresses
from netpol.lint.world import World
from netpol.model.switches import Switches

__all__ = ["lint"]


def lint(
    policies: PolicySet, snapshot: Snapshot | None = None, *, switches: Switches | None = None
) -> list[Finding]:
    """Return every finding on some policies, ordered by file, line and code.

    Parameters
    ----------
    policies
        As ``read_policies`` gives them; their own ``findings`` are included.
    snapshot
        If given, policies are also looked at beside its pods, nodes and services.
    switches
        ``named_port_init``, ``host_network``, ``missing_namespace`` and ``ipblock_scope`` matter
        here, with a snapshot.
    """
    found = [*policies.findings] if snapshot is None else findings_beside(policies, snapshot)
    found += lint_alone(policies)
    if snapshot is None:
        found += lint_unseen(policies)
    else:
        world = World(policies, snapshot, switches or Switches())
        addresses = KnownAddresses(snapshot, world.services)
        found += lint_namespaced(world, addresses)
        found += lint_cluster_wide(world, addresses)
    return in_order(found)
