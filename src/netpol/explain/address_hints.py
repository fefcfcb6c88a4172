"""Takes a judged flow, gives hints on who its ends are: gateways, ended pods, the host network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

from netpol.explain.hint_context import HintContext, and_more, moment
from netpol.explain.story import Hint
from netpol.model.verdict import Note, Reason
from netpol.reference.addresses import Address
from netpol.reference.identities import EXTERNAL, End, Identity, Kind, KnownPod
from netpol.reference.matching import elements_of, selector_match
from netpol.reference.outcome import Match
from netpol.reference.side_query import SideQuery
from netpol.reference.stages import NetworkPolicyStage, rules_of

__all__ = ["address_hints"]

SHOWN = 4  # names in a list
#: Where node-local DNS listens unless it is told otherwise.
NODE_LOCAL_DNS = ip_address("169.254.20.10")
DNS_PORT = 53
DNS_LABELS = {("k8s-app", "node-local-dns"), ("app.kubernetes.io/name", "node-local-dns")}

NamedAddress = tuple[Address, str | None]


def address_hints(context: HintContext) -> Iterator[Hint]:
    """Yield the hints on both ends."""
    query = context.query
    ends: tuple[NamedAddress, ...] = ((query.src, query.src_pod), (query.dst, query.dst_pod))
    yield from _gateways(context)
    for address, name in ends:
        yield from _ended(context, address, name)
    for address, name in ends:
        yield from _on_host(context, address, name)
    yield from _selected_on_host(context)
    yield from _node_local_dns(context)


# --- gateways (A11.5) -----------------------------------------------------------------------------


def _gateways(context: HintContext) -> Iterator[Hint]:
    """Say how to name a gateway, where that would change the verdict."""
    if not context.outcome.notes & Note.POSSIBLE_NODE_GATEWAY:
        return
    identities, switches = context.evaluator.identities, context.evaluator.switches
    for address in (context.query.src, context.query.dst):
        if identities.of(address, context.query.time) != [EXTERNAL]:
            continue
        for node in sorted(identities.gateway_of(End(EXTERNAL, address)))[:SHOWN]:
            named = (*switches.node_addresses, (node, str(address)))
            under = context.evaluator.under(replace(switches, node_addresses=named))
            then = under.judge(context.flow)
            if then.verdict is context.outcome.verdict:
                continue
            yield Hint(
                "node-gateway",
                f"{address} lies in {node}'s pod range and is no known pod's: if it is {node}'s "
                f"gateway, give --node-address {node}={address}; the verdict would then be "
                f"{then.verdict.label}: {then.reason.label}",
            )


# --- pods that ended (A13.2, A13.4) ---------------------------------------------------------------


def _ended(context: HintContext, address: Address, name: str | None) -> Iterator[Hint]:
    """Say who had an address and who has it, where a pod that has ended is among them."""
    identities = context.evaluator.identities
    holders = sorted(identities.holders(address), key=lambda pod: (pod.start or 0, pod.key))
    who = identities.of(address, context.query.time, name)
    stale = who == [EXTERNAL] and holders
    if not stale and not any(pod.terminal for pod in holders):
        return
    spans = [_span(pod) for pod in holders]
    hidden = len(spans) - SHOWN
    told = "; ".join(spans[-SHOWN:]) + (f"; and {hidden} before" if hidden > 0 else "")
    when = "" if context.query.time is None else f" at {moment(context.query.time)}"
    judged = "nobody's" if stale else " or ".join(map(str, who))
    named = ", which was named" if identities.hinted(name) is not None else ""
    yield Hint("ended-pod", f"{address}: {told}; judged as {judged}{named}{when}")


def _span(pod: KnownPod) -> str:
    """Say when a pod had its address."""
    who = f"pod {pod.namespace}/{pod.name}"
    if not pod.terminal:
        return f"{who} has it" + ("" if pod.start is None else f" since {moment(pod.start)}")
    since = "" if pod.start is None else f" from {moment(pod.start)}"
    return f"{who} had it{since} until it ended" + (
        "" if pod.end is None else f" at {moment(pod.end)}"
    )


# --- the host network (A12.1) ---------------------------------------------------------------------


def _on_host(context: HintContext, address: Address, name: str | None) -> Iterator[Hint]:
    """Say of an end that was named that it is on the host network."""
    namespace, _, rest = (name or "").partition("/")
    pod = context.evaluator.identities.by_key.get((namespace, rest))
    if pod is None or context.evaluator.identities.is_pod(pod):
        return
    stage = _stage(context)
    labels = [f"{item.metadata.namespace}/{item.metadata.name}" for item in stage.selecting(pod)]
    by_labels = f", not even {and_more(labels, SHOWN)}, which has its labels" if labels else ""
    yield Hint(
        "host-network",
        f"pod {name} is on the host network: policies take it for node {pod.node} ({address}), so "
        f"no podSelector means it and no policy is about it{by_labels}",
    )


def _selected_on_host(context: HintContext) -> Iterator[Hint]:
    """Say of peers that a rule missed that they select a pod by labels, if it were seen as one."""
    for side, question in context.denied():
        node = question.peer.identity
        put_in = question.direction == "ingress" and question.peer.address != context.query.src
        if side.reason is not Reason.NP_IMPLICIT_DENY or node.kind is not Kind.NODE or put_in:
            continue
        meant: dict[str, list[str]] = {}
        for pod in _pods_on(context, node, question):
            for place in _selecting(context, pod, question):
                meant.setdefault(place, []).append(f"pod {pod.namespace}/{pod.name}")
        for place, pods in list(meant.items())[:SHOWN]:
            are = "is" if len(pods) == 1 else "are"
            yield Hint(
                "host-network",
                f"{place} selects {and_more(pods, SHOWN)} by labels, but on the host network "
                f"{'it' if are == 'is' else 'they'} {are} {node} ({question.peer.address}) to "
                "policies, and no selector means a node",
            )


def _pods_on(context: HintContext, node: Identity, question: SideQuery) -> Iterator[KnownPod]:
    """Yield the hostNetwork pods at the address of a node that is the peer."""
    identities, query = context.evaluator.identities, context.query
    named = query.src_pod if question.direction == "ingress" else query.dst_pod
    for pod in identities.pods:
        if (
            pod.node == node.name
            and not identities.is_pod(pod)
            and not pod.terminal
            and (question.peer.address in pod.addresses or not pod.addresses)
            and (identities.hinted(named) is None or f"{pod.namespace}/{pod.name}" == named)
        ):
            yield pod


def _selecting(context: HintContext, pod: KnownPod, question: SideQuery) -> Iterator[str]:
    """Yield the peers that select a pod by its labels, of rules that list the port."""
    matcher = context.evaluator.matcher
    for policy in _stage(context).isolating(question.direction, question.subject):
        namespace = policy.metadata.namespace or "default"
        for index, rule in enumerate(rules_of(policy, question.direction)):
            peers, ports = elements_of(rule)
            if ports and all(matcher.port(each, question.packet) is Match.NO for each in ports):
                continue
            for at, peer in enumerate(peers):
                if peer is None or peer.ip_block is not None:
                    continue
                if peer.namespace_selector is None:
                    inside = pod.namespace == namespace
                else:
                    found = matcher.namespace(peer.namespace_selector, pod.namespace)
                    inside = found is Match.YES
                if inside and selector_match(peer.pod_selector, pod.labels) is Match.YES:
                    list_ = "from" if question.direction == "ingress" else "to"
                    place = f"{question.direction}[{index}].{list_}[{at}]"
                    yield f"{place} of {namespace}/{policy.metadata.name}"


def _stage(context: HintContext) -> NetworkPolicyStage:
    stages = context.evaluator.stages
    return next(stage for stage in stages if isinstance(stage, NetworkPolicyStage))


# --- DNS on every node ----------------------------------------------------------------------------


def _node_local_dns(context: HintContext) -> Iterator[Hint]:
    """Say that a link-local address is node-local DNS, where egress to it is denied."""
    for side, question in context.denied():
        address = question.peer.address
        if (
            question.direction != "egress"
            or side.reason is not Reason.NP_IMPLICIT_DENY
            or question.peer.identity.kind is Kind.POD
            or not address.is_link_local
            or question.packet.port != DNS_PORT
        ):
            continue
        pods = _dns_pods(context)
        if address != NODE_LOCAL_DNS and not pods:
            continue
        by = f" ({and_more(pods, 1)})" if pods else ""
        needs = f"to {address}/{address.max_prefixlen} on 53/UDP and 53/TCP"
        yield Hint(
            "node-local-dns",
            f"{address} is node-local DNS{by}: every node answers there itself, and no selector "
            f"means it; {side.policy} needs an ipBlock {needs}",
        )


def _dns_pods(context: HintContext) -> list[str]:
    return [
        f"pod {pod.namespace}/{pod.name}"
        for pod in context.evaluator.identities.pods
        if pod.host_network and not pod.terminal and DNS_LABELS & pod.labels.items()
    ]
