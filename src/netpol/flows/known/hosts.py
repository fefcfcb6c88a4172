"""What hosts list and log of connections: what identifies each, and what to run instead."""

from __future__ import annotations

from netpol.flows.known.formats import KnownFormat
from netpol.flows.known.writing import CONNTRACK, all_of, header, text

__all__ = ["HOSTS"]

# What stands before the text of a line in the logs of others.
_AT = (
    rb"^(?:\S+ (?:stdout|stderr) [FP] |[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ "
    rb"|\d{4}-\d\d-\d\dT\S+ +)?"
)
_HOST_PORT = rb"[\[\]\d.a-fA-F:*]+:(?:\d+|\*)"

HOSTS = (
    KnownFormat(
        name="conntrack-xml",
        what="conntrack XML (-o xml)",
        advice="write the dump without -o xml: conntrack -L -o extended",
        text=text(rb"\A\s*(?:<\?xml[^>]*\?>\s*)?<(?:conntrack|flow|expect)\b"),
    ),
    KnownFormat(
        name="conntrack-save",
        what="conntrack commands (-o save)",
        advice="write the dump without -o save: conntrack -L -o extended",
        text=text(rb"\A\s*-[AUD] (?:-\S+ \S+ )*-[stu] "),
    ),
    KnownFormat(
        name="conntrack-statistics",
        what="conntrack's statistics (-S)",
        advice="write the table of connections: conntrack -L -o extended",
        text=text(rb"\A\s*cpu=\d+\s+(?:found|searched|invalid)="),
    ),
    KnownFormat(
        name="ovs-conntrack",
        what="connections of Open vSwitch (dump-conntrack)",
        advice="write those of the kernel on the same node instead: conntrack -L -o extended "
        "(ovs-vswitchd with a userspace datapath has no others: give a table with columns "
        "src,dst,protocol,sport,port,original_dst,original_port, dst and port being the "
        "source of reply)",
        text=text(_AT + rb"\w+,orig=\(src="),
    ),
    KnownFormat(
        name="ovs-flows",
        what="flows of Open vSwitch's datapath (dump-flows)",
        advice=f"they are what switches match, not connections; {CONNTRACK}",
        text=text(rb"^(?:ufid:\S+, )?recirc_id\(", rb"^ ?cookie=0x[0-9a-f]+, duration="),
    ),
    KnownFormat(
        name="ipvs",
        what="connections of IPVS (ipvsadm -Lnc)",
        advice="IPVS's connections stand in the connection table, too: conntrack -L -o extended",
        text=text(rb"^IPVS connection entries", rb"^pro expire state +source +virtual"),
    ),
    KnownFormat(
        name="pf-states",
        what="states of pf (pfctl -ss)",
        advice="give a table with columns src,dst,protocol,port with one row per state: of a -> b "
        "src is a; of a <- b it is b",
        text=text(
            rb"^\S+ (?:tcp|udp|icmp|ipv6-icmp|sctp) \S+:?\d*(?: \(\S+\))? (?:->|<-) \S+.{0,300} "
            rb"+[A-Z_0-9]+:[A-Z_0-9]+\s*$",
        ),
    ),
    KnownFormat(
        name="pf-log",
        what="pf's log",
        advice="its lines are packets; give pfctl -ss as a table with columns src,dst,protocol,"
        "port with one row per state, whose src is who began it",
        text=text(rb"\brule \S+\(match\): (?:block|pass) (?:in|out) on "),
    ),
    KnownFormat(
        name="kernel-log",
        what="packets that the kernel logged (LOG, NFLOG)",
        advice="each line is a packet, replies among them, and what its prefix says is no verdict "
        f"that can be trusted; {CONNTRACK}",
        text=text(rb"\bIN=\S* OUT=\S* .{0,300}\bSRC=\S+ DST=\S+ "),
    ),
    KnownFormat(
        name="ulogd",
        what="ulogd's log (JSON)",
        advice="give a table with columns src,dst,protocol,sport,port,original_dst,original_port, "
        "dst and port being the source of reply, or read conntrack -L -o extended",
        keys=(
            all_of("orig.ip.saddr.str"),
            all_of("orig.ip.saddr"),
            all_of("oob.prefix"),
            all_of("oob.in", "oob.out"),
        ),
    ),
    KnownFormat(
        name="tcpdump",
        what="tcpdump's output",
        advice=f"its lines are packets; {CONNTRACK}",
        text=text(
            rb"^(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d+ (?:\S+ +(?:In|Out|P|B|M) +)?"
            rb"IP6? \S+ > \S+: "
        ),
    ),
    KnownFormat(
        name="capture",
        what="a packet capture (pcap)",
        advice=CONNTRACK,
        magic=(
            b"\xd4\xc3\xb2\xa1",
            b"\xa1\xb2\xc3\xd4",
            b"\x4d\x3c\xb2\xa1",
            b"\xa1\xb2\x3c\x4d",
        ),
    ),
    KnownFormat(
        name="capture-ng",
        what="a packet capture (pcapng)",
        advice=CONNTRACK,
        magic=(b"\x0a\x0d\x0d\x0a",),
    ),
    KnownFormat(
        name="tshark",
        what="packets that Wireshark or tshark listed",
        advice=f"its rows are packets, replies among them; {CONNTRACK}",
        headers=(
            header("no_ time source destination protocol info"),
            header("source destination protocol length info", marked=True),
            header("ip.src ip.dst", marked=True),
            header("ipv6.src ipv6.dst", marked=True),
            header(
                "ip_src ip_dst",
                "tcp_srcport tcp_dstport udp_srcport udp_dstport frame_number",
                marked=True,
            ),
            header("ipv6_src ipv6_dst", marked=True),
        ),
        keys=(all_of("_source", "layers"), all_of("layers", "frame.number")),
        text=text(
            rb"^ *\d+ +\d+\.\d{6,9} +\S+ (?:->|\xe2\x86\x92) \S+ +[A-Z]\S* \d+ ",
        ),
    ),
    KnownFormat(
        name="ss",
        what="sockets listed by ss",
        advice=f"a socket does not say which end began; {CONNTRACK}",
        text=text(
            rb"^(?:Netid +)?State +Recv-Q +Send-Q +Local",
            rb"^(?:(?:tcp|udp|sctp) +)?(?:ESTAB|TIME-WAIT|SYN-SENT|SYN-RECV|CLOSE-WAIT"
            rb"|FIN-WAIT-[12]|LAST-ACK|CLOSING|UNCONN|LISTEN) +\d+ +\d+ +\S+:\S+ +\S+:\S+",
        ),
    ),
    KnownFormat(
        name="netstat",
        what="sockets listed by netstat",
        advice=f"a socket does not say which end began; {CONNTRACK}",
        text=text(
            rb"^Active (?:Internet|Connections)",
            rb"^Proto +(?:Recv-Q|Local Address)",
            rb"^ *(?:tcp|udp)[46]? +\d+ +\d+ +" + _HOST_PORT + rb" +" + _HOST_PORT + rb"(?: |$)",
        ),
    ),
)
