"""Flow logs of Kubernetes networks: what identifies each, and what to do with it today."""

from __future__ import annotations

from netpol.flows.known.formats import KnownFormat
from netpol.flows.known.writing import CONNTRACK, ONE_DIRECTION, all_of, header, text

__all__ = ["CLUSTERS"]

_IP = rb"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:.]*)"

CLUSTERS = (
    KnownFormat(
        name="retina",
        what="flows of Retina (JSON)",
        advice="its is_reply is a guess for connections that were open before: give a table with "
        "one row per connection whose src is who began it, or with a column is_reply",
        keys=(all_of("IP", "verdict", "extensions"),),
    ),
    KnownFormat(
        name="hubble",
        what="Hubble flows (JSON)",
        advice="give a table with columns time,src,dst,protocol,sport,port,is_reply,verdict from "
        "time, IP.source, IP.destination, the key in l4, source_port, destination_port, "
        "is_reply (needed) and verdict; docs/formats.md has the jq line",
        headers=(header("IP.source IP.destination"), header("ip_source ip_destination l4")),
        keys=(
            all_of("flow", "IP", "l4"),
            all_of("IP", "verdict", "node_name"),
            all_of("IP", "l4"),
            all_of("lost_events", "num_events_lost"),
            all_of("flow", "verdict", "node_name"),
        ),
    ),
    KnownFormat(
        name="hubble-text",
        what="Hubble's text output",
        advice="it has names in place of addresses and not always a direction: write it with "
        "hubble observe -o json, and give that as a table with columns time,src,dst,"
        "protocol,sport,port,is_reply (docs/formats.md has the jq line)",
        text=text(
            rb"\(ID:\d+\)\s*(?:->|<-|<>)\s*\S+",
            rb"^[A-Z][a-z]{2} [ \d]\d [\d:]{8}\.\d{3}.{0,300}? (?:->|<-|<>) .{0,300}"
            rb"(?:FORWARDED|DROPPED|ALLOWED|DENIED|AUDIT|REDIRECTED|TRACED|TRANSLATED)",
            rb"^TIMESTAMP\s+SOURCE\s+DESTINATION\s+TYPE\s+VERDICT",
            rb"^ *TIMESTAMP: .{0,300}\n *(?:NODE: .{0,300}\n *)?SOURCE: ",
        ),
    ),
    KnownFormat(
        name="cilium-ct",
        what="cilium bpf ct list",
        advice="it lists one connection as several entries, some reversed; write flows with "
        "hubble observe -o json and give them as a table with columns src,dst,protocol,"
        "port,is_reply",
        text=text(
            rb"^(?:TCP|UDP|SCTP|ICMP|ICMPv6|ANY) (?:OUT|IN|RELATED) \S+ -> \S+ "
            rb"(?:service |expires=|lifetime=)",
        ),
    ),
    KnownFormat(
        name="cilium-nat",
        what="cilium bpf nat list",
        advice="it holds translations, not connections; write flows with hubble observe -o json "
        "and give them as a table with columns src,dst,protocol,port,is_reply",
        text=text(rb"^(?:TCP|UDP|ICMP|ICMPv6) (?:OUT|IN) \S+ -> \S+ XLATE_(?:SRC|DST) "),
    ),
    KnownFormat(
        name="cilium-monitor",
        what="cilium monitor",
        advice="its lines have neither a time nor a reply mark; write flows with hubble observe "
        "-o json and give them as a table with columns time,src,dst,protocol,port,is_reply",
        keys=(all_of("observationPoint", "summary"), all_of("cpu", "observationPoint")),
        text=text(
            rb"^(?:\S+ )?(?:Policy verdict log: flow 0x|(?:xx|->|<-) .{0,300}\bflow 0x[0-9a-f]+ )",
            rb"^Listening for events on \d+ CPUs",
        ),
    ),
    KnownFormat(
        name="goldmane",
        what="flows of Calico's Goldmane (JSON)",
        advice="they name groups of pods, not addresses; the connection tables of the nodes have "
        "them: conntrack -L -o extended",
        keys=(
            all_of("num_connections_started"),
            all_of("numConnectionsStarted"),
            all_of("Key", "reporter", "source_name"),
            all_of("key", "sourceName", "destName"),
        ),
    ),
    KnownFormat(
        name="whisker",
        what="flows of Calico's Whisker (JSON)",
        advice="they name groups of pods, not addresses; the connection tables of the nodes have "
        "them: conntrack -L -o extended",
        keys=(
            all_of("source_name", "dest_name", "enforced"),
            all_of("source_name", "dest_name", "pending"),
        ),
    ),
    KnownFormat(
        name="calico-flows",
        what="Calico flow logs",
        advice="both ends report a connection: give a table of one reporter with columns src,dst,"
        "protocol,port,flows,verdict from source_ip, dest_ip, proto, dest_port (or "
        "dest_port_num), num_flows and action, where the addresses are not null",
        headers=(
            header("dest_name_aggr source_name_aggr"),
            header("source_ip dest_ip reporter"),
        ),
        keys=(
            all_of("source_name_aggr", "dest_name_aggr"),
            all_of("source_ip", "dest_ip", "reporter"),
        ),
    ),
    KnownFormat(
        name="calico-packets",
        what="Calico's log of packets",
        advice=f"its lines are packets without a verdict; {CONNTRACK}",
        text=text(rb"calico-packet: "),
    ),
    KnownFormat(
        name="netobserv",
        what="flows of NetObserv",
        advice=f"{ONE_DIRECTION} (Flags with 256, SYN_ACK, are a server's; FlowDirection is no "
        "such mark), and columns src,dst,protocol,port,sport from SrcAddr, DstAddr, Proto, "
        "DstPort, SrcPort",
        headers=(
            header(
                "srcaddr dstaddr",
                "flowdirection timeflowstartms timeflowendms srck8s_name srck8s_namespace "
                "dstk8s_name dstk8s_namespace agentip ifdirections _recordtype",
                marked=True,
            ),
        ),
        keys=(
            all_of("SrcAddr", "DstAddr", "Proto"),
            all_of("SrcAddr", "TimeFlowStartMs"),
            all_of("_RecordType", "SrcK8S_Name"),
        ),
    ),
    KnownFormat(
        name="antrea-np",
        what="Antrea's log of policies (np.log)",
        advice="its lines are packets that met a logging rule, so only some of the connections; "
        f"{CONNTRACK}",
        text=text(
            rb"^\d{4}/\d\d/\d\d [\d:.]+ \S+ (?:\S*NetworkPolicy:\S+|K8sNetworkPolicy|<nil>) "
            rb".{0,300}(?:Allow|Drop|Reject)",
        ),
    ),
    KnownFormat(
        name="antrea",
        what="flow records of Antrea",
        advice="give a table with columns src,dst,protocol,sport,port,original_dst,original_port "
        "from sourceIP, destinationIP, protocolIdentifier, sourceTransportPort, "
        "destinationTransportPort, destinationClusterIP, destinationServicePort; its src "
        "began the connection; keep one row of a connection, the last",
        headers=(
            header(
                "sourceip destinationip",
                "sourcetransportport protocolidentifier sourcepodname destinationclusterip "
                "flowstartseconds",
            ),
        ),
        keys=(
            all_of("sourceTransportPort", "destinationTransportPort"),
            all_of("sourceIPv4Address", "destinationIPv4Address"),
            all_of("ipfix", "@timestamp"),
        ),
        text=text(
            rb"^\d{10},\d{10},(?:\d{10},\d{10},\d+,)?" + _IP + rb"," + _IP + rb",\d+,\d+,\w+,",
        ),
    ),
    KnownFormat(
        name="aws-npa",
        what="a log of the AWS network policy agent",
        advice="its DENY records are often of replies, and no record says so: give a table with "
        "columns src,dst,protocol,sport,port and is_reply, without its verdict",
        headers=(header("SIP DIP", "SPORT DPORT"), header("src_ip dest_ip logger")),
        keys=(all_of("Src IP", "Dest IP"), all_of("Src Port", "Dest Port", "Verdict")),
        text=text(rb"\bSIP: \S+;SPORT: \d+;DIP: ", rb"Proto:? \S+ Verdict:? \S+ Direction:? "),
    ),
    KnownFormat(
        name="inspektor-gadget",
        what="output of Inspektor Gadget",
        advice="give a table with columns src,dst,protocol,port of its connect events only "
        "(accept events are the same connections, seen by the server)",
        keys=(
            all_of("k8s", "podName", "runtime"),
            all_of("k8s", "podName", "src", "dst"),
            all_of("node", "namespace", "pod", "container", "daddr"),
        ),
        text=text(rb"^(?:K8S\.NODE|RUNTIME\.CONTAINERNAME|NODE +NAMESPACE +POD +CONTAINER)\b"),
    ),
    KnownFormat(
        name="ztunnel",
        what="an access log of Istio's ztunnel",
        advice="one connection is logged at both ends: give a table of the lines with "
        "direction=outbound with columns src,dst,protocol,port from src.addr and dst.addr",
        keys=(all_of("src.addr", "dst.addr"),),
        text=text(rb"\bsrc\.addr=\S+ .{0,300}\bdst\.addr="),
    ),
    KnownFormat(
        name="envoy",
        what="an access log of Envoy",
        advice="its lines are requests, not connections; give a table with columns src,dst,"
        "protocol,port from upstream_local_address and upstream_host of each client's "
        f"sidecar, or {CONNTRACK}",
        keys=(all_of("downstream_remote_address"), all_of("upstream_host", "response_flags")),
        text=text(
            rb"^(?:\S+ \S+ \S )?\[\d{4}-\d\d-\d\dT[\d:.]+Z\] "
            rb"\"(?:[A-Z]+ \S+ HTTP/[\d.]+|- - -)\" \d+ "
        ),
    ),
    KnownFormat(
        name="ovn-acl",
        what="a log of OVN's ACLs",
        advice="its lines are packets, those of replies among them: give a table of those with "
        "tcp_flags=syn, with columns src,dst,protocol,port,sport,verdict from nw_src, "
        "nw_dst, tp_dst, tp_src and verdict",
        text=text(rb"\bacl_log\(\S*\)\|", rb"\bverdict=\w+, severity=\w+, direction="),
    ),
    KnownFormat(
        name="kubernetes",
        what="Kubernetes objects",
        advice="give them with --cluster or --policies; what is judged here are flow logs",
        keys=(all_of("apiVersion", "kind"),),
        text=text(rb"\A(?:---[^\n]*\n|#[^\n]*\n|\s)*(?:apiVersion|kind): \S"),
    ),
)
