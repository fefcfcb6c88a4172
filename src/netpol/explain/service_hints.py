"""Takes a judged flow, gives hints on services: what is behind one, and on which port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from netpol.explain.hint_context import HintContext, and_more
from netpol.explain.match_descriptions import packet_text
from netpol.explain.story import Hint
from netpol.model.verdict import Reason, Verdict
from netpol.reference.identities import End, Kind, KnownPod
from netpol.reference.outcome import SideOutcome
from netpol.reference.services import Entry, Front
from netpol.reference.side_query import SideQuery

__all__ = ["service_hints"]

SHOWN = 8  # endpoints that are named
NODE_PORTS = (Front.NODE_PORT, Front.NODE_PORT_LOCAL)

PortOf = tuple[int, str]  # a port, and what it is the port of


def service_hints(context: HintContext) -> Iterator[Hint]:
    """Yield the hints on what was dialled and what is behind it."""
    yield from _endpoints(context)
    yield from _either_way(context)
    yield from _proxies(context)
    yield from _listed_ports(context)
    yield from _nobody_listens(context)


# --- what is behind (A15.1) -----------------------------------------------------------------------


def _endpoints(context: HintContext) -> Iterator[Hint]:
    """Say which ends egress needs a rule for, where a service's are denied."""
    entries = _dialled(context)
    if not entries:
        return
    sides = [leaf.egress for leaf in context.leaves]
    denied = [q for q in _denied(sides) if q.peer.address != context.query.dst]
    if not denied:
        return
    names = and_more((entry.name for entry in entries), 2)
    dialled = f"{context.query.dst}:{context.query.port}"
    yield Hint(
        "service-endpoints",
        f"egress policies see what {names} leads to, not {dialled}: allow {_listed(denied)}",
    )


def _either_way(context: HintContext) -> Iterator[Hint]:
    """Say what egress would have to allow so that it does not matter what it sees (A15.9)."""
    denied: dict[str, list[SideQuery]] = {}
    for leaf in context.leaves:
        sides = [side for _, side in leaf.egress.readings]
        if leaf.egress.reason is not Reason.SERVICE_NAT_ORDER:
            continue
        if all(side.verdict is Verdict.ALLOW or _is_implicit(side) for side in sides):
            denied.setdefault(leaf.src, []).extend(_denied(sides))
    for src, questions in denied.items():
        yield Hint(
            "service-nat-order",
            f"egress of {src} would be allowed whatever its policies see if they also allowed "
            f"{_listed(questions)}",
        )


def _denied(sides: Iterable[SideOutcome]) -> list[SideQuery]:
    return [side.question for side in sides if _is_implicit(side) and side.question is not None]


def _is_implicit(side: SideOutcome) -> bool:
    return side.reason is Reason.NP_IMPLICIT_DENY


def _listed(questions: Iterable[SideQuery]) -> str:
    """Return ends and their ports, those of one port together."""
    ends: dict[str, list[str]] = {}
    for question in questions:
        ends.setdefault(packet_text(question.packet), []).append(_end_text(question.peer))
    return "; ".join(f"{and_more(found, SHOWN)} on {port}" for port, found in ends.items())


def _proxies(context: HintContext) -> Iterator[Hint]:
    """Say that a load balancer's address is not translated, where egress to it is denied."""
    proxies = [entry for entry in _dialled(context) if entry.way.front is Front.PROXY]
    for side, question in context.denied():
        at_front = question.peer.address == context.query.dst
        if proxies and question.direction == "egress" and at_front and side.rule is None:
            address = question.peer.address
            yield Hint(
                "load-balancer-proxy",
                f"{address} is a load balancer of {proxies[0].name} with ipMode Proxy: nodes do "
                "not translate it, so egress policies see that address and not the pods behind "
                f"it; {side.policy} needs an ipBlock to {address}/{address.max_prefixlen} on "
                f"{packet_text(question.packet)}",
            )


def _end_text(end: End) -> str:
    pod = end.identity.kind is Kind.POD
    return f"{end.identity} ({end.address})" if pod else str(end.address)


def _dialled(context: HintContext) -> list[Entry]:
    query = context.query
    if query.port is None or query.protocol is None:
        return []
    services = context.evaluator.services
    return services.dialled(query.dst, query.port, query.protocol)


# --- its port and theirs (A15.7) ------------------------------------------------------------------


def _listed_ports(context: HintContext) -> Iterator[Hint]:
    """Say that a rule lists a service's port, where it would match by the pods' own."""
    seen: set[object] = set()
    found: dict[tuple[str, int, str, str], list[str]] = {}
    for side, question in context.denied(readings=True):
        # Of readings one is asked that each policy denies: there may be one for every node.
        pod = _server(question)
        key = question.direction, pod and pod.key, question.packet.port, side.policy
        if not _is_implicit(side) or question.packet.port is None or key in seen:
            continue
        seen.add(key)
        for port, of in _ports_of_services(context, question):
            packet = replace(question.packet, port=port)
            at_port = context.evaluator.side(replace(question, packet=packet))
            if not _by_port(at_port):
                continue
            rule = f"{question.direction}[{at_port.rule}] of {at_port.policy}"
            told = rule, port, of, packet_text(question.packet)
            found.setdefault(told, []).append(_listener(pod))
    for (rule, port, of, text), who in found.items():
        listens = f"{who[0]} listens" if len(who) == 1 else "those behind it listen"
        yield Hint(
            "service-port",
            f"{rule} allows port {port}, which is {of}; {listens} on {text}, and policies see "
            f"that port: list {text}",
        )


def _by_port(side: SideOutcome) -> bool:
    """Return whether a rule of a NetworkPolicy allows, and lists ports."""
    return side.reason is Reason.NP_RULE and side.port is not None


def _listener(pod: KnownPod | None) -> str:
    return "its endpoint" if pod is None else f"pod {pod.namespace}/{pod.name}"


def _server(question: SideQuery) -> KnownPod | None:
    return question.subject if question.direction == "ingress" else question.peer.identity.pod


def _ports_of_services(context: HintContext, question: SideQuery) -> list[PortOf]:
    """Return the ports of services that lead to what was asked about, other than its own."""
    packet, pod = question.packet, _server(question)
    entries = _dialled(context)
    if pod is not None and packet.port is not None and packet.protocol is not None:
        entries += context.evaluator.services.leading_to(pod, packet.port, packet.protocol)
    found = (_port_of(entry) for entry in entries if entry.service is not None)
    return [each for each in dict.fromkeys(found) if each[0] != packet.port]


def _port_of(entry: Entry) -> PortOf:
    kind = "node port" if entry.way.front in NODE_PORTS else "port"
    return entry.way.port, f"the {kind} of {entry.name}"


def _nobody_listens(context: HintContext) -> Iterator[Hint]:
    """Say that a pod was dialled at its service's port, where its own is judged otherwise."""
    query, outcome = context.query, context.outcome
    server = next((q.subject for q in _ingress(context)), None)
    pod = server or _named(context)
    if pod is None or query.port is None or query.protocol is None or _dialled(context):
        return
    if query.dst not in pod.addresses or _declares(pod, query.port, query.protocol):
        return
    services = context.evaluator.services
    if any(True for _ in services.leading_to(pod, query.port, query.protocol)):
        return
    for entry, port in services.translating(pod, query.port, query.protocol):
        then = context.evaluator.judge(replace(context.flow, dport=port))
        if then.verdict is not outcome.verdict:
            yield Hint(
                "service-port",
                f"{query.port} is {_port_of(entry)[1]}, which leads to port {port} of "
                f"pod {pod.namespace}/{pod.name}, and policies see that port: there the verdict "
                f"is {then.verdict.label}: {then.reason.label}",
            )


def _ingress(context: HintContext) -> Iterator[SideQuery]:
    for leaf in context.leaves:
        if leaf.ingress.question is not None:
            yield leaf.ingress.question


def _named(context: HintContext) -> KnownPod | None:
    found = context.evaluator.identities.of(
        context.query.dst, context.query.time, context.query.dst_pod
    )
    return found[0].pod


def _declares(pod: KnownPod, port: int, protocol: int) -> bool:
    words = {6: "TCP", 17: "UDP", 132: "SCTP"}
    return any(
        item.container_port == port and (item.protocol or "TCP") == words.get(protocol)
        for container in (*pod.containers, *pod.init_containers)
        for item in container.ports or ()
    )
