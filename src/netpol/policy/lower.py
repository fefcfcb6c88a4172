"""Takes a ``PolicySet`` of any dialects, gives the policy program."""

from __future__ import annotations

from netpol.kube.policies import PolicySet
from netpol.policy.networkpolicy import lower_network_policy
from netpol.policy.program import PolicyProgram, Stage
from netpol.verdict import Tier

__all__ = ["lower"]


def lower(policies: PolicySet) -> PolicyProgram:
    """Give the program: NetworkPolicies ordered by (namespace, name), as C3.1 credits them."""
    lowered = [lower_network_policy(item) for item in policies.policies]
    lowered.sort(key=lambda policy: (policy.namespace, policy.name))
    return PolicyProgram((Stage(Tier.NETWORKPOLICY, tuple(lowered)),))
