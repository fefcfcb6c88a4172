"""Takes a judged flow, gives hints on what upstream leaves open: what the other reading says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netpol.explain.hint_context import VERBS, HintContext, and_more
from netpol.explain.story import Hint
from netpol.model.verdict import Note, Verdict
from netpol.reference.identities import EXTERNAL, End, Kind
from netpol.reference.outcome import verdict_of
from netpol.reference.side_query import Packet

__all__ = ["order_hints"]

SHOWN = 4  # endpoints that are named


def order_hints(context: HintContext) -> Iterator[Hint]:
    """Yield the hints that belong to the notes ``service-nat-order`` and ``own-node-egress``."""
    yield from _service_order(context)
    yield from _source_put_in(context)
    if context.outcome.notes & Note.OWN_NODE_EGRESS:
        yield from _own_node(context)
    if context.outcome.notes & Note.MAYBE_REPLY:
        yield from _answer(context)


def _service_order(context: HintContext) -> Iterator[Hint]:
    """Say what policies that look before the translation see, and what they say (A15.11)."""
    query = context.query
    address, port = query.dialled or (query.dst, query.port)
    otherwise: dict[Verdict, list[str]] = {}
    outside: list[str] = []
    for leaf in context.leaves:
        question = leaf.egress.question
        if not leaf.notes & Note.SERVICE_NAT_ORDER or question is None:
            continue
        packet = Packet(question.packet.protocol, port, frozenset())
        at_front = replace(question, peer=End(EXTERNAL, address), packet=packet, time=query.time)
        seen = verdict_of(context.evaluator.side(at_front).verdict, leaf.ingress.verdict)
        if seen is leaf.verdict:
            outside.append(str(question.peer.address))
        else:
            otherwise.setdefault(seen, []).append(str(question.peer.address))
    for verdict, ends in otherwise.items():
        yield Hint(
            "service-nat-order",
            "Kubernetes leaves open whether policies look before a service is translated or "
            f"after: those that see {address}:{port} instead of {and_more(ends, SHOWN)} would "
            f"{VERBS[verdict]} it",
        )
    if outside:
        are = "is" if len(outside) == 1 else "are"
        yield Hint(
            "service-nat-order",
            f"{and_more(outside, SHOWN)} {are} outside the cluster: Kubernetes leaves open whether "
            "ipBlocks apply to what a service leads to out there, so plugins may allow it",
        )


def _source_put_in(context: HintContext) -> Iterator[Hint]:
    """Say that the server is recorded to have seen another source, where its own would do."""
    query = context.query
    if query.src_seen is None or query.src_seen == query.src:
        return
    clients = context.evaluator.identities.of(query.src, query.time, query.src_pod)
    for _, question in context.denied():
        if question.direction != "ingress" or question.peer.address != query.src_seen:
            continue
        as_client = replace(question, peer=End(clients[0], query.src))
        if context.evaluator.side(as_client).verdict is Verdict.ALLOW:
            yield Hint(
                "source-seen",
                f"NAT put {question.peer} in for {query.src}, as recorded: ingress policies "
                "compare that address and not the client's, which they would allow; "
                "externalTrafficPolicy: Local keeps the client's",
            )


def _own_node(context: HintContext) -> Iterator[Hint]:
    """Say what ``own_node_egress=allow`` would make of it (A11.3, A11.6)."""
    switches = replace(context.evaluator.switches, own_node_egress="allow")
    then = context.evaluator.under(switches).judge(context.flow)
    node = next(
        (
            leaf.egress.question.peer
            for leaf in context.leaves
            if leaf.egress.question is not None
            and leaf.egress.question.peer.identity.kind is Kind.NODE
        ),
        None,
    )
    if node is None:
        return
    yield Hint(
        "own-node-egress",
        f"{node} is the pod's own node: Kubernetes' texts contradict each other on whether "
        f"egress policies hold there; with --own-node-egress allow the verdict is "
        f"{then.verdict.label}: {then.reason.label}",
    )


def _answer(context: HintContext) -> Iterator[Hint]:
    """Say what it would be as an answer, where that differs (A16.1)."""
    then = context.evaluator.judge(replace(context.flow, is_reply=True))
    if then.verdict is not context.outcome.verdict:
        yield Hint(
            "maybe-reply",
            f"it goes from port {context.flow.sport}, a server's, to port {context.flow.dport}, a "
            "client's: if it is an answer that the log does not mark as one, the verdict is "
            f"{then.verdict.label}: {then.reason.label}",
        )
