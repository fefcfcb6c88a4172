"""What reasons and notes mean to a reader, in a line each, and numbers in a reader's units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from netpol.model.verdict import Cause, Note, Reason, Verdict
from netpol.run.sums import SourceNat

__all__ = [
    "CAUSES",
    "HOPS_MISSING",
    "NOTES",
    "REASONS",
    "SETTLES",
    "SOURCE_RECORDED",
    "STYLES",
    "ZONES_LATE",
    "count",
    "moment",
    "percent",
    "settled_by",
    "size",
]

#: Of records of conntrack zones, why they were not linked.
ZONES_LATE = "the log names none at its beginning; --dedup links them"

#: Of flows of a dump with zones, that a record of theirs is missing.
HOPS_MISSING = (
    "from or to an address of OVN-Kubernetes' own: the log lacks a hop, so who really talked is "
    "not known"
)

#: Why a flow was judged as it was.
REASONS = {
    Reason.NO_POD_ENDPOINT: "neither end is a pod, so no policy applies",
    Reason.LOOPBACK: "loopback traffic never leaves the host",
    Reason.SELF_TRAFFIC: "a pod may always talk to itself",
    Reason.REPLY: "the answer of a connection that was allowed",
    Reason.NEIGHBOUR_DISCOVERY: "IPv6 neighbour discovery is never filtered",
    Reason.DEFAULT_ALLOW: "no policy says otherwise",
    Reason.NOT_ISOLATED: "no policy isolates the pods in this direction",
    Reason.NP_RULE: "a rule allows it",
    Reason.NP_IMPLICIT_DENY: "the pod is isolated and no rule allows it",
    Reason.OWN_NODE: "a pod accepts its own node (health checks)",
    Reason.NP_HAIRPIN: "a pod reached itself through a service",
    Reason.CNP_ACCEPT: "a cluster-wide rule accepts it",
    Reason.CNP_DENY: "a cluster-wide rule denies it",
    Reason.CNP_FAIL_CLOSED: "a cluster-wide rule that cannot be understood denies it",
    Reason.SERVICE_BACKEND_DEPENDENT: "the service's backends get different verdicts",
    Reason.SERVICE_NO_ENDPOINTS: "the service has no backends",
    Reason.AMBIGUOUS_IP: "several pods or nodes have the address, with different verdicts",
    Reason.AMBIGUOUS_PRIORITY: "cluster-wide policies of equal priority disagree",
    Reason.UNKNOWN_PORT: "the port was not recorded and a rule depends on it",
    Reason.UNKNOWN_PROTOCOL: "the protocol was not recorded, or policies do not define it",
    Reason.NAMESPACE_LABELS_UNKNOWN: "the labels of a namespace are not in the snapshot",
    Reason.DNS_UNKNOWN: "a rule names a domain, and what it stood for then is not known",
    Reason.NODES_UNKNOWN: "a rule names nodes, and the snapshot has no Node for the address",
    Reason.SOURCE_NAT: "the server may have seen another source than the client",
    Reason.SERVICE_NAT_ORDER: "the pod dialled a port of another node, and its policies may have "
    "seen that node or what is behind it",
    Reason.POSSIBLE_NODE_GATEWAY: "an address in the pod range of the pod's node may be that node",
}

#: What a reader can add so that an unknown verdict becomes a known one.
SETTLES = {
    Reason.SERVICE_BACKEND_DEPENDENT: "a log taken behind the service's NAT, as a dump of the "
    "client's node has it",
    Reason.SERVICE_NO_ENDPOINTS: "the Pods and EndpointSlices of the service in --cluster",
    Reason.AMBIGUOUS_IP: "a snapshot taken when the flows were, or a log with times",
    Reason.AMBIGUOUS_PRIORITY: "different priorities for the policies",
    Reason.UNKNOWN_PORT: "a log that records destination ports",
    Reason.UNKNOWN_PROTOCOL: "a log that records protocols, or --other-protocols",
    Reason.NAMESPACE_LABELS_UNKNOWN: "the Namespace objects in --cluster: kubectl get namespaces "
    "-o json",
    Reason.DNS_UNKNOWN: "the domain's lookups, as --dns takes them, and a log with times",
    Reason.NODES_UNKNOWN: "the Node objects in --cluster: kubectl get nodes -o json",
    Reason.SOURCE_NAT: "a conntrack dump of the node that did the NAT",
    Reason.SERVICE_NAT_ORDER: "a conntrack dump of the client's node, with --dedup beside that of "
    "the node dialled",
    Reason.POSSIBLE_NODE_GATEWAY: "--node-address NODE=ADDRESS, if it is the node's gateway to its "
    "pods",
}

#: What is left to add where the records say which source was put in: the NATing node's was given.
SOURCE_RECORDED = (
    "--node-address NODE=ADDRESS where no object names the source seen, or the dump of the "
    "server's node beside these, with --dedup, unless it is among them; where the pod's own node "
    "put itself in, externalTrafficPolicy: Local, since network plugins differ in whether policies "
    "look before or after that"
)

#: What a note on a verdict means.
NOTES = {
    Note.STALE_POD_IP: "only a finished pod, or one of another time, has the address",
    Note.IN_PODCIDR: "the address lies in a node's pod range but is no known pod's",
    Note.POSSIBLE_NODE_GATEWAY: "it may be a node's gateway to its pods; --node-address says so",
    Note.UNSPECIFIED_PROTOCOL: "policies only define TCP, UDP and SCTP; plugins differ here",
    Note.UNSPECIFIED_ADDRESS_CLASS: "multicast, broadcast or link-local; plugins differ here",
    Note.OWN_NODE_UNKNOWN: "the pod's node is not known, so its health checks are not exempt",
    Note.SNAPSHOT_AGE: "the flow is older than the snapshot; labels may have changed",
    Note.AMBIGUOUS_PRIORITY: "cluster-wide policies of equal priority, tried in another order, "
    "decide otherwise",
    Note.MAYBE_REPLY: "it goes from a server's port to a client's; it may be an answer that its "
    "log does not mark as one",
    Note.RELATED_ICMP: "an ICMP error, judged as part of its connection",
    Note.SERVICE_NAT_ORDER: "policies that see the service's address would decide otherwise; "
    "Kubernetes leaves open which they see",
    Note.OWN_NODE_EGRESS: "denied towards the pod's own node; Kubernetes' texts contradict each "
    "other there, see --own-node-egress",
}

#: What may explain that a recorded verdict is not ours.
CAUSES = {
    Cause.IDENTITY_UNKNOWN: "who an end of the flow was is in doubt",
    Cause.POLICY_CHANGED: "policies behind our verdict are newer than the flow",
    Cause.PROFILE: "another profile gives the recorded verdict",
    Cause.NOT_JUDGED: "our verdict is unknown, for another reason than who the ends are",
    Cause.UNEXPLAINED: "none of these",
}

#: The colour of a verdict where there are colours.
STYLES = {Verdict.ALLOW: "green", Verdict.DENY: "red", Verdict.UNKNOWN: "yellow"}

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def settled_by(reason: Reason, sources: SourceNat | None = None) -> str | None:
    """Return what would make verdicts known that are unknown for a reason; None if nothing would.

    ``sources`` says how many of those for ``source-nat`` have recorded which source was seen:
    a dump that was given is not asked for.
    """
    if reason is not Reason.SOURCE_NAT or sources is None or not sources.recorded:
        return SETTLES.get(reason)
    if not sources.unrecorded:
        return SOURCE_RECORDED
    first, second = count(sources.unrecorded), count(sources.recorded)
    return (
        f"{SETTLES[reason]} ({first} whose record lacks the source seen); {SOURCE_RECORDED} "
        f"({second} whose record has it)"
    )


def count(number: int) -> str:
    """Return a number with its thousands apart: ``1,234,567``."""
    return f"{number:,}"


def percent(part: int, whole: int) -> str:
    """Return a share; never 0 % of something and never 100 % of less than everything."""
    if not whole:
        return ""
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "<0.1 %"
    if 99.9 < share < 100:
        return ">99.9 %"
    return f"{share:.1f} %"


def size(octets: int) -> str:
    """Return a number of bytes in decimal units: ``1.2 MB``."""
    value = float(octets)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{octets} B" if unit == "B" else f"{value:.3g} {unit}"


def moment(time: int) -> str:
    """Return a time in ns since the epoch to the second: ``2026-03-01T10:00:00Z``."""
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time // 1_000_000_000)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")
