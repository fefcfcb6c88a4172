"""Flows of NetFlow collectors and network monitors: what identifies each, and what to do today."""

from __future__ import annotations

from netpol.flows.known.formats import KnownFormat
from netpol.flows.known.writing import ONE_DIRECTION, all_of, header, text

__all__ = ["NETWORKS"]

NETWORKS = (
    KnownFormat(
        name="nfcapd",
        what="binary flows of nfcapd",
        advice=f"write them with nfdump -r FILE -o csv; {ONE_DIRECTION}",
        magic=(b"\x0c\xa5", b"\xa5\x0c"),
    ),
    KnownFormat(
        name="nfdump-text",
        what="nfdump's output for people (-o line)",
        advice=f"write CSV; {ONE_DIRECTION}, and columns src,dst,protocol,port,sport",
        text=text(
            rb"^Date first seen",
            rb"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ +[\d:.]+ +\S+ +\S+ +<?->",
        ),
    ),
    KnownFormat(
        name="nfdump-pipe",
        what="nfdump's output for programs (-o pipe)",
        advice=f"write CSV; {ONE_DIRECTION}, and columns src,dst,protocol,port,sport",
        text=text(rb"\A(?:2|10|30)\|\d{10,13}\|(?:\d+\|){8,}"),
    ),
    KnownFormat(
        name="nfdump",
        what="nfdump CSV",
        advice=f"{ONE_DIRECTION}, and columns src,dst,protocol,port,sport; a listing by nfdump -B "
        "has both directions in one, but what it has on the left is a guess; one by -a -A "
        "srcip,dstip has no ports",
        headers=(
            header("firstseen srcaddr dstaddr", marked=True),
            header(
                "srcaddr dstaddr srcport dstport flows proto",
                "duration lastseen flags",
                marked=True,
            ),
            header("ts te sa da"),
            header("sa da", "sp dp pr"),
        ),
        text=text(
            rb"\A(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?,){2}",
        ),
    ),
    KnownFormat(
        name="nfdump-json",
        what="nfdump JSON",
        advice=f"{ONE_DIRECTION}, and columns src,dst,protocol,port,sport from src4_addr, "
        "dst4_addr, proto, dst_port, src_port",
        keys=(
            all_of("src4_addr"),
            all_of("src6_addr"),
            all_of("t_first", "t_last"),
            all_of("first", "last", "in_packets", "in_bytes"),
        ),
    ),
    KnownFormat(
        name="pmacct",
        what="flows of pmacct",
        advice=f"{ONE_DIRECTION}, and columns src,dst,protocol,port,sport",
        headers=(header("SRC_IP DST_IP PACKETS BYTES", "SRC_PORT DST_PORT PROTOCOL", marked=True),),
        keys=(all_of("ip_src", "ip_dst"),),
        text=text(
            rb"^(?=[A-Z_0-9 ]{0,400}\bSRC_IP )(?=[A-Z_0-9 ]{0,400}\bDST_IP )"
            rb"[A-Z_0-9 ]{0,400}\bPACKETS\b"
        ),
    ),
    KnownFormat(
        name="goflow2",
        what="flows of GoFlow2",
        advice=f"{ONE_DIRECTION}, and columns src,dst,protocol,port,sport from src_addr, dst_addr, "
        "proto, dst_port, src_port",
        headers=(
            header(
                "src_addr dst_addr", "sampler_address time_received_ns sampling_rate", marked=True
            ),
        ),
        keys=(
            all_of("sampler_address", "src_addr"),
            all_of("time_received_ns", "src_addr"),
            all_of("SamplerAddress", "SrcAddr"),
        ),
        text=text(rb"^type=\S+ time_received_ns="),
    ),
    KnownFormat(
        name="argus",
        what="flows of Argus (ra)",
        advice="its column Dir says which way each row goes: give a table with columns src,dst,"
        "protocol,port,sport, turning rows with <- round, and leaving out those with <?> "
        "or ?>, or with is_reply; rows of Proto arp, man and the like are no flows",
        headers=(
            header("srcaddr dstaddr dir", marked=True),
            header("saddr daddr dir", marked=True),
        ),
        text=text(rb"^ *StartTime +Fl(?:gs|ags) +Proto +SrcAddr"),
    ),
    KnownFormat(
        name="zeek",
        what="a Zeek log",
        advice="give a table with columns time,src,dst,protocol,sport,port from ts, id.orig_h, "
        "id.resp_h, proto, id.orig_p, id.resp_p; its originator began the connection, "
        "unless history has ^ (then swap) or conn_state is OTH or SHR (then add is_reply)",
        headers=(header("id_orig_h id_resp_h"), header("id_orig_h", "conn_state uid")),
        keys=(all_of("id.orig_h"), all_of("id_orig_h", "id_resp_h")),
        text=text(rb"\A#separator ", rb"\A#fields\t.{0,300}\bid\.orig_h\b"),
    ),
    KnownFormat(
        name="suricata",
        what="events of Suricata (eve.json)",
        advice="give a table of its flow events with columns time,src,dst,protocol,sport,port "
        "from flow.start, src_ip, dest_ip, proto, src_port, dest_port; src began the "
        "connection; netflow events are the same connections, one direction each",
        headers=(header("src_ip dest_ip flow_id", "event_type in_iface app_proto"),),
        keys=(all_of("event_type", "flow_id"), all_of("event_type", "src_ip", "dest_ip")),
    ),
    KnownFormat(
        name="ecs",
        what="flows in Elastic's common schema (Packetbeat, Kibana)",
        advice="give a table with columns src,dst,protocol,sport,port from source.ip, "
        "destination.ip, network.transport, source.port, destination.port, with one row "
        "per connection (flow.final) whose src is who began it, or with a column is_reply; "
        "leave event.action out",
        headers=(
            header("source.ip destination.ip"),
            header(
                "source_ip destination_ip",
                "network_transport network_iana_number "
                "network_community_id network_direction event_dataset flow_final",
            ),
        ),
        keys=(
            all_of("source", "destination", "network", "@timestamp"),
            all_of("source.ip", "destination.ip"),
        ),
    ),
    KnownFormat(
        name="silk",
        what="flows of SiLK (rwcut)",
        advice=f"{ONE_DIRECTION}, and columns src,dst,protocol,port,sport",
        headers=(header("sip dip", "stime sensor initialflags dur"),),
        text=text(rb"^ *sIP\| *dIP\|"),
        magic=(b"\xde\xad\xbe\xef",),
    ),
    KnownFormat(
        name="nprobe",
        what="flows of nProbe or ntopng",
        advice=f"{ONE_DIRECTION}, and columns src,dst,protocol,port,sport",
        headers=(header("ipv4_src_addr ipv4_dst_addr"), header("ipv6_src_addr ipv6_dst_addr")),
        keys=(all_of("IPV4_SRC_ADDR"), all_of("IPV6_SRC_ADDR")),
    ),
    KnownFormat(
        name="fortigate",
        what="a FortiGate traffic log",
        advice="give a table with columns time,src,dst,protocol,sport,port; leave action out: it "
        "is the firewall's, not a policy's verdict",
        headers=(header("srcip dstip", "policyid logid devname devid srcintf trandisp"),),
        keys=(all_of("srcip", "dstip", "policyid"),),
        text=text(rb"\bsrcip=\S+ .{0,300}\bdstip=\S+ .{0,300}\bpolicyid="),
    ),
    KnownFormat(
        name="pan-os",
        what="a traffic log of PAN-OS",
        advice="give a table with columns time,src,dst,protocol,sport,port; leave Action out: it "
        "is the firewall's, not a policy's verdict",
        headers=(
            header(
                "source_address destination_address",
                "source_zone from_zone session_id threat_content_type nat_source_ip",
            ),
        ),
    ),
    KnownFormat(
        name="sqlite",
        what="an SQLite database",
        advice="write the table of flows as CSV with columns src,dst,protocol,port and is_reply",
        magic=(b"SQLite format 3\0",),
    ),
    KnownFormat(
        name="avro",
        what="an Avro file",
        advice="convert it to Parquet with columns src,dst,protocol,port and is_reply",
        magic=(b"Obj\x01",),
    ),
    KnownFormat(
        name="orc",
        what="an ORC file",
        advice="convert it to Parquet with columns src,dst,protocol,port and is_reply",
        magic=(b"ORC",),
    ),
)
