"""Takes a ``PolicySet`` of any dialects, gives the policy program."""

from __future__ import annotations

from netpol.kube.api.cluster_objects import ClusterNetworkPolicy
from netpol.kube.policies import PolicySet
from netpol.model.verdict import Tier
from netpol.policy.dialects.adminnetworkpolicy import lower_admin_network_policy
from netpol.policy.dialects.clusternetworkpolicy import lower_cluster_network_policy
from netpol.policy.dialects.networkpolicy import lower_network_policy
from netpol.policy.program import Policy, PolicyProgram, Stage

__all__ = ["lower"]


def lower(policies: PolicySet) -> PolicyProgram:
    """Return the program: the tiers in order (B3.1), tiers without policies left out.

    NetworkPolicies are ordered by (namespace, name), as C3.1 credits them; the others by
    (priority, kind, name), which B3.4 chooses among equal priorities.
    """
    tiers: dict[Tier, list[Policy]] = {Tier.ADMIN: [], Tier.NETWORKPOLICY: [], Tier.BASELINE: []}
    for loaded in policies.cluster_policies:
        if isinstance(loaded.policy, ClusterNetworkPolicy):
            tier, policy = lower_cluster_network_policy(loaded.policy, loaded.source)
        else:
            tier, policy = lower_admin_network_policy(loaded.policy, loaded.source)
        tiers[tier].append(policy)
    tiers[Tier.NETWORKPOLICY] = [lower_network_policy(item) for item in policies.policies]
    for lowered in tiers.values():
        lowered.sort(key=lambda item: (item.priority, item.namespace, item.kind, item.name))
    return PolicyProgram(tuple(Stage(tier, tuple(items)) for tier, items in tiers.items() if items))
