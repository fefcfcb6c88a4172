"""Takes a pair of ends and the ways between them, gives what NAT may have shown each side (A15).

Every address that a side's policies may have seen is a *reading*; readings that differ make the
side unknown. ``docs/semantics.md`` has the readings as R10, R11 and R28 to R33.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from netpol.kube.policies import PolicySet
from netpol.model.evidence import Evidence
from netpol.model.switches import Switches
from netpol.model.verdict import Note, Reason, Verdict
from netpol.reference.addresses import NOWHERE, Network, parse_cidr
from netpol.reference.identities import EXTERNAL, End, Identities, Identity, Kind, KnownPod
from netpol.reference.outcome import SideOutcome, verdict_of
from netpol.reference.query import Query
from netpol.reference.services import Front, Target, Way
from netpol.reference.side_query import Packet, SideQuery

__all__ = ["Nat", "Pair"]

NODE_FRONTS = (Front.HOST_PORT, Front.NODE_PORT_LOCAL, Front.NODE_PORT)
SERVICE_FRONTS = (Front.CLUSTER_IP, Front.OUTSIDE_LOCAL, Front.OUTSIDE)
NO_NAMES: frozenset[tuple[str, int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Pair:
    """One source and one server (None: a service without backends), and how it was reached."""

    query: Query
    source: End
    target: Target | None
    protocol: int | None
    ways: tuple[Way, ...]
    hairpin: bool = False

    @property
    def packet(self) -> Packet:
        """The packet as the server's pod sees it."""
        if self.target is None:
            return Packet(self.protocol, None, NO_NAMES)
        pod = self.target.end.identity.pod
        return Packet(self.protocol, self.target.port, pod.named_ports if pod else NO_NAMES)

    @property
    def proxied(self) -> bool:
        """Whether the connection certainly left to a load balancer (A15.10)."""
        return bool(self.ways) and all(way.front is Front.PROXY for way in self.ways)

    def proves(self, evidence: Evidence) -> bool:
        """Return whether the record proves something of a side (A15.13)."""
        return evidence in self.query.evidence


class Nat:
    """Judges the sides of pairs for every reading. ``side`` judges one question."""

    def __init__(
        self,
        identities: Identities,
        policies: PolicySet,
        switches: Switches,
        side: Callable[[SideQuery], SideOutcome],
    ) -> None:
        self._node_port_egress = switches.node_port_egress
        self._identities = identities
        self._policies = policies
        self._side = side
        self._edges: list[Network] | None = None

    # --- egress ---------------------------------------------------------------------------------

    def egress(self, pair: Pair) -> SideOutcome | None:
        """Judge the client's side; None where that hangs on a backend and there is none."""
        client = pair.source.identity.pod
        assert client is not None
        fronts, backend = self._egress_ends(pair, client)
        if backend and pair.target is None:
            return None
        questions = []
        if backend and pair.target is not None:
            # Services stand as the snapshot shows them, whatever the time (R6, R26).
            time = None if pair.target.way else pair.query.time
            end, packet, hairpin = pair.target.end, pair.packet, pair.hairpin
            questions.append(SideQuery("egress", client, end, packet, hairpin, time))
        for end, port in fronts:
            packet = Packet(pair.protocol, port, NO_NAMES)
            questions.append(SideQuery("egress", client, end, packet, time=pair.query.time))
        return self._readings(questions, Reason.SERVICE_NAT_ORDER)

    def _egress_ends(self, pair: Pair, client: KnownPod) -> tuple[list[tuple[End, int]], bool]:
        """Return the dialled ends that egress may have seen, and whether it may be the backend."""
        fronts: list[tuple[End, int]] = []
        backend = not pair.ways
        for way in pair.ways:
            ends: list[End] = []
            if way.front is Front.PROXY:  # A15.10
                owners = self._identities.of(way.address, pair.query.time)
                ends = [End(who, way.address) for who in owners]
            elif way.front not in NODE_FRONTS:  # A15.1
                backend = True
            elif pair.proves(Evidence.EGRESS_DIALLED):  # A15.9
                ends = self._nodes_at(way)
            else:
                here = self._is_own(way, client)
                if not here and self._node_port_egress != "backend":
                    ends = self._nodes_at(way)
                backend |= self._node_port_egress != "node" or not self._is_others(way, client)
            fronts += [(end, way.port) for end in ends]
        return list(dict.fromkeys(fronts)), backend

    def _is_own(self, way: Way, client: KnownPod) -> bool:
        """Whether a dialled node is certainly the client's own: it translates first (A15.9)."""
        return self._identities.node_addresses.get(way.address) == {client.node}

    def _is_others(self, way: Way, client: KnownPod) -> bool:
        """Return whether a dialled node is certainly another than the client's."""
        owners = self._identities.node_addresses.get(way.address, set())
        return client.node is not None and client.node not in owners

    def order_note(self, pair: Pair, egress: SideOutcome, ingress: SideOutcome) -> Note:
        """Note where policies that see the service's address would say otherwise (A15.11)."""
        client, target = pair.source.identity.pod, pair.target
        if client is None or target is None:
            return Note.NONE
        for way in pair.ways:
            if way.front not in SERVICE_FRONTS:
                continue
            packet = Packet(pair.protocol, way.port, NO_NAMES)
            at_front = SideQuery(
                "egress", client, End(EXTERNAL, way.address), packet, time=pair.query.time
            )
            seen = self._side(at_front).verdict
            if target.end.identity.kind is Kind.EXTERNAL and egress.verdict is not Verdict.ALLOW:
                return Note.SERVICE_NAT_ORDER  # it may not be subject to ipBlocks at all
            if verdict_of(seen, ingress.verdict) is verdict_of(egress.verdict, ingress.verdict):
                continue
            if target.end.identity.kind is Kind.POD:  # A15.3: only where an ipBlock names it
                nowhere = replace(at_front, peer=End(EXTERNAL, NOWHERE))
                if self._side(nowhere).verdict is seen:
                    continue
            return Note.SERVICE_NAT_ORDER
        return Note.NONE

    # --- ingress --------------------------------------------------------------------------------

    def ingress(self, pair: Pair) -> SideOutcome:
        """Judge the server's side for every source it may have seen (A15.5, R10-R12)."""
        assert pair.target is not None
        server = pair.target.end.identity.pod
        assert server is not None
        question = SideQuery("ingress", server, pair.source, pair.packet, pair.hairpin)
        if pair.hairpin:  # R12; another node may still masquerade it (A15.9)
            away = [way for way in pair.ways if not self._is_own(way, server)]
            ends = [
                end
                for way in away
                if way.front is Front.NODE_PORT
                for end in self._translated(way, pair.source.identity)
            ]
            more = [replace(question, peer=end, hairpin=False) for end in ends]
            return self._readings([question, *more], Reason.SOURCE_NAT)
        ends = list(dict.fromkeys(self._sources(pair, server)))
        return self._readings([replace(question, peer=end) for end in ends], Reason.SOURCE_NAT)

    def _sources(self, pair: Pair, server: KnownPod) -> Iterator[End]:
        """Yield the sources that the server may have seen, the likeliest first."""
        query = pair.query
        recorded: list[End] = []
        if query.src_seen is not None:
            owners = self._identities.of(query.src_seen, query.time)
            recorded = [End(who, query.src_seen) for who in owners]
        if recorded and pair.proves(Evidence.INGRESS_SEEN):  # A15.13
            yield from recorded
            return
        at_front = pair.target is not None and pair.target.way is not None
        before = at_front and pair.proves(Evidence.EGRESS_DIALLED)
        if recorded and not before:  # R11
            if query.src_seen == query.src:
                yield pair.source
            elif _elsewhere(recorded, server):
                yield from recorded
            else:
                yield pair.source
                yield from recorded
            return
        if not pair.proxied:
            yield pair.source
        if query.src_seen != query.src:
            yield from recorded
        for way in pair.ways:
            yield from self._translated(way, pair.source.identity)

    def _translated(self, way: Way, client: Identity) -> Iterable[End]:
        """Return the further sources that a way may show the server (R10)."""
        if way.front is Front.NODE_PORT:
            # What is translated where the connection begins goes straight to the backend.
            direct = client.kind is Kind.POD and self._node_port_egress == "backend"
            return () if direct else self._nodes_at(way)
        if way.front is Front.OUTSIDE or (
            way.front is Front.CLUSTER_IP and client.kind is Kind.EXTERNAL  # A15.8
        ):
            return self._all_nodes(way)
        if way.front is Front.PROXY:  # A15.10: a balancer, at any address, or a node
            balancers = self._identities.nobodys(way.address.version, self._ingress_edges())
            return [End(EXTERNAL, way.address), *balancers, *self._all_nodes(way)]
        return ()

    def _ingress_edges(self) -> list[Network]:
        """Return every network that an ingress rule tells apart."""
        if self._edges is None:
            self._edges = [
                parse_cidr(text)
                for loaded in self._policies.policies
                for rule in (loaded.policy.spec.ingress if loaded.policy.spec else None) or ()
                for peer in (rule.from_ if rule else None) or ()
                if peer is not None and peer.ip_block is not None
                for text in (peer.ip_block.cidr, *(peer.ip_block.except_ or ()))
            ]
        return self._edges

    # --- both -----------------------------------------------------------------------------------

    def _nodes_at(self, way: Way) -> list[End]:
        names = sorted(self._identities.node_addresses.get(way.address, ()))
        return [End(Identity(Kind.NODE, "", name), way.address) for name in names]

    def _all_nodes(self, way: Way) -> list[End]:
        """Return every address of every node in a family."""
        known = self._identities.node_addresses
        same = sorted(address for address in known if address.version == way.address.version)
        return [
            End(Identity(Kind.NODE, "", name), address)
            for address in same
            for name in sorted(known[address])
        ]

    def _readings(self, questions: list[SideQuery], reason: Reason) -> SideOutcome:
        """Judge every reading; where they differ the side is unknown.

        An end in the pod range of the subject's node is read as that node, too (A11.5).
        """
        read: list[tuple[SideQuery, bool]] = []
        for question in questions:
            read.append((question, False))
            subject = question.subject
            if subject.node in self._identities.gateway_of(question.peer):
                node = End(Identity(Kind.NODE, "", subject.node), question.peer.address)
                read.append((replace(question, peer=node), True))
        sides = [self._side(question) for question, _ in read]
        if len({side.verdict for side in sides}) == 1:
            return sides[0]
        if len(read) > 1 and read[1][1] and sides[1].verdict is not sides[0].verdict:
            reason = Reason.POSSIBLE_NODE_GATEWAY
        return SideOutcome(
            verdict=Verdict.UNKNOWN,
            reason=reason,
            subject=sides[0].subject,
            readings=tuple(
                (str(question.peer), side) for (question, _), side in zip(read, sides, strict=True)
            ),
        )


def _elsewhere(seen: list[End], server: KnownPod) -> bool:
    """Whether a source was put there by another node than the server's, so before it (R32)."""
    nodes = {end.identity.name for end in seen if end.identity.kind is Kind.NODE}
    return (
        len(nodes) > 0
        and server.node is not None
        and server.node not in nodes
        and all(end.identity.kind is Kind.NODE for end in seen)
    )
