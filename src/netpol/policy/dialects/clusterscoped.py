"""Takes subjects, peers and rules of cluster-scoped policies, gives the program's (B1.2-B1.5, B4).

What the ``policy.networking.k8s.io`` dialects have in common; each dialect's own file reads its
ports and actions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from netpol.kube.api.addresses import parse_cidr
from netpol.kube.api.cluster_objects import (
    ClusterEgressPeer,
    ClusterIngressPeer,
    ClusterSubject,
    NamespacedPod,
)
from netpol.kube.api.objects import LabelSelector
from netpol.kube.validation.policies import is_valid_selector
from netpol.model.dns_observations import normalise_name
from netpol.policy.dialects.networkpolicy import lower_selector
from netpol.policy.program import (
    Action,
    CidrPeer,
    DomainPeer,
    NodePeer,
    Operator,
    Peer,
    PodPeer,
    PodSubject,
    Port,
    Requirement,
    Rule,
    Selector,
)

__all__ = ["UnusableError", "lower_rule", "lower_subject"]

_NOTHING = Selector(frozenset({Requirement("", Operator.IN)}))


class UnusableError(Exception):
    """An element that cannot be used, so that its whole rule fails closed (B4.8)."""


def lower_subject(subject: ClusterSubject | None) -> PodSubject:
    """Return the pods a policy is about; a selector that cannot be read selects nothing (B7.2)."""
    try:
        if subject is not None and subject.namespaces is not None:
            return PodSubject(None, Selector(), _selector(subject.namespaces), hosts=False)
        if subject is not None and subject.pods is not None:
            namespaces, pods = _namespaced(subject.pods)
            return PodSubject(None, pods, namespaces, hosts=False)
    except UnusableError:
        pass
    return PodSubject(None, _NOTHING, Selector(), hosts=False)


def lower_rule(
    index: int,
    action: Action,
    peers: Sequence[ClusterIngressPeer | ClusterEgressPeer] | None,
    ports: Iterator[Sequence[Port]] | None,
) -> Rule:
    """Return a rule. ``ports`` has what each element as written becomes.

    It raises ``UnusableError`` where it meets an unknown element.
    """
    try:
        found = [tuple(_peer(peer)) for peer in peers or ()]
        lowered = None if ports is None else list(ports)
    except UnusableError:
        if action is Action.ALLOW:
            return Rule(index, action, (), None, fail_closed=True)
        return Rule(index, Action.DENY, None, None, fail_closed=True)
    return Rule(
        index,
        action,
        tuple(chain.from_iterable(found)),
        None if lowered is None else tuple(chain.from_iterable(lowered)),
        peer_counts=tuple(map(len, found)),
        port_counts=None if lowered is None else tuple(map(len, lowered)),
    )


def _peer(peer: ClusterIngressPeer | ClusterEgressPeer) -> Iterator[Peer]:
    if peer.namespaces is not None:
        yield PodPeer(None, _selector(peer.namespaces), Selector(), hosts=False)
    elif peer.pods is not None:
        namespaces, pods = _namespaced(peer.pods)
        yield PodPeer(None, namespaces, pods, hosts=False)
    elif isinstance(peer, ClusterIngressPeer):
        raise UnusableError
    elif peer.networks is not None:
        for text in peer.networks:
            yield CidrPeer(parse_cidr(text).network, scoped=False)
    elif peer.nodes is not None:
        yield NodePeer(_selector(peer.nodes))
    elif peer.domain_names is not None:
        for name in peer.domain_names:
            yield DomainPeer(normalise_name(name))
    else:
        raise UnusableError


def _namespaced(pods: NamespacedPod) -> tuple[Selector, Selector]:
    """Return the selectors of namespaces (absent: all) and of pods."""
    return _selector(pods.namespace_selector), _selector(pods.pod_selector)


def _selector(selector: LabelSelector | None) -> Selector:
    if selector is not None and not is_valid_selector(selector):
        raise UnusableError
    return lower_selector(selector)
