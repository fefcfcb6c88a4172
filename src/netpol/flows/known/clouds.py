"""Flow logs of cloud networks: what identifies each, and what to do with it today."""

from __future__ import annotations

from netpol.flows.known.formats import KnownFormat
from netpol.flows.known.writing import ONE_DIRECTION, all_of, header, text

__all__ = ["CLOUDS"]

_IP = rb"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:.]*)"

_AWS_COLUMNS = (
    "action log_status logstatus interface_id interfaceid account_id account accountid vpc_id "
    "pkt_srcaddr tcp_flags flow_direction numpackets numbytes traffic_path instance_id"
)

CLOUDS = (
    KnownFormat(
        name="aws-transit-gateway",
        what="an AWS transit gateway flow log",
        advice=f"{ONE_DIRECTION}, and columns src,dst,protocol,port,sport (srcaddr, dstaddr, "
        "protocol, dstport, srcport)",
        headers=(header("srcaddr dstaddr", "tgw_id tgw_attachment_id tgw_pair_attachment_id"),),
        keys=(all_of("tgw_id", "srcaddr"), all_of("tgw-id", "srcaddr")),
        text=text(rb"^(?:\S+[ \t]+)*tgw-(?:id|attachment-id)\b", rb"^\d+ TransitGateway \d{12} "),
    ),
    KnownFormat(
        name="aws-vpc",
        what="an AWS VPC flow log",
        advice=f"{ONE_DIRECTION} (tcp-flags 18 and 19 are a server's), and columns src,dst,"
        "protocol,port,sport from pkt-srcaddr, pkt-dstaddr, protocol, dstport, srcport "
        "(srcaddr and dstaddr are an interface's, not a pod's); leave action out: it is a "
        "security group's, not a policy's verdict",
        headers=(
            header("srcaddr dstaddr", _AWS_COLUMNS),
            header("sourceaddress destinationaddress interfaceid"),
            header("pkt_srcaddr pkt_dstaddr"),
            header("interface_id log_status"),
            header("account_id interface_id"),
        ),
        keys=(
            all_of("srcaddr", "dstaddr", "action"),
            all_of("srcaddr", "dstaddr", "interface_id"),
            all_of("srcaddr", "dstaddr", "interface-id"),
        ),
        text=text(
            rb"^(?=[^\n,{]*\bsrcaddr[ \t])(?=[^\n,{]*\bdstaddr\b)[a-z][a-z0-9 \t-]*\r?$",
            rb"(?:^|[\"\s])\d{1,2}[ \t](?:\d{12}|unknown)[ \t]eni-",
        ),
    ),
    KnownFormat(
        name="aws-network-firewall",
        what="an AWS Network Firewall log (JSON)",
        advice="its flow records are one direction each (event.netflow): give a table with "
        "columns src,dst,protocol,port and is_reply",
        keys=(all_of("firewall_name", "event"),),
    ),
    KnownFormat(
        name="gcp-firewall",
        what="a Google Cloud firewall rule log",
        advice="give a table with columns src,dst,protocol,port from connection.src_ip, dest_ip, "
        "protocol, dest_port; leave disposition out: it is a firewall's, not a policy's "
        "verdict",
        headers=(header("connection_src_ip disposition", "rule_details_reference"),),
        keys=(all_of("rule_details", "disposition", "connection"),),
    ),
    KnownFormat(
        name="gke-policy",
        what="a GKE network policy log",
        advice="give a table with columns time,src,dst,sport,port,protocol,verdict from timestamp,"
        " connection.src_ip, dest_ip, src_port, dest_port, protocol, and disposition; "
        "flows from count",
        headers=(header("connection_src_ip connection_dest_ip disposition"),),
        keys=(all_of("connection", "disposition", "src_ip", "dest_ip"),),
    ),
    KnownFormat(
        name="gcp-vpc",
        what="Google Cloud VPC flow logs",
        advice=f"{ONE_DIRECTION}, of one reporter only (both ends may report a connection), and "
        "columns src,dst,protocol,port,sport from connection.src_ip, dest_ip, protocol, "
        "dest_port, src_port",
        headers=(
            header("connection_src_ip connection_dest_ip"),
            header("src_ip dest_ip reporter", "bytes_sent packets_sent rtt_msec"),
        ),
        keys=(
            all_of("connection", "src_ip", "dest_ip", "bytes_sent"),
            all_of("connection", "src_ip", "dest_ip", "reporter"),
        ),
    ),
    KnownFormat(
        name="azure-vnet",
        what="an Azure virtual network flow log",
        advice="give a table with columns src,dst,sport,port,protocol from its flowTuples (time "
        "ms, src, dst, sport, port, IANA protocol, direction, state, ...), one row where "
        "the state is B; leave the state's D out: it is a security rule's, not a policy's "
        "verdict",
        keys=(all_of("flowRecords", "flowTuples"), all_of("flowLogVersion", "flowTuples")),
    ),
    KnownFormat(
        name="azure-nsg",
        what="an Azure NSG flow log",
        advice="give a table with columns src,dst,sport,port,protocol from its flowTuples (time s,"
        " src, dst, sport, port, T or U, I or O, A or D, state), one row where the state "
        "is B; leave A and D out: they are a security group's, not a policy's verdict",
        keys=(all_of("flowTuples"),),
        text=text(rb"^\"?\d{10},(?:" + _IP + rb",){2}\d+,\d+,[TU],[IO],[AD]\b"),
    ),
    KnownFormat(
        name="azure-analytics",
        what="Azure traffic analytics",
        advice="give a table with columns src,dst,protocol,port,flows from SrcIp, DestIp, "
        "L4Protocol (T is TCP, U is UDP), DestPort; leave FlowStatus out: it is a security "
        "group's, not a policy's verdict",
        headers=(
            header(
                "srcip destip",
                "l4protocol l7protocol flowtype nsgrule nsglist aclrule aclgroup flowstatus "
                "flowdirection",
            ),
            header("srcip_s destip_s"),
        ),
        keys=(all_of("SrcIp", "DestIp"), all_of("SrcIP_s", "DestIP_s")),
    ),
)
