"""Formats that netpol recognises and does not read: each is named, with what to do about it.

All samples are written here, in the shape of each format.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from netpol.flows.columns.normalise import batch_from
from netpol.flows.known.registry import ENVELOPES, KNOWN
from netpol.flows.reader import open_flows
from netpol.model.errors import FlowError

FORMATS = {one.name: one for one in KNOWN}
WEB, API = "10.244.1.10", "10.244.1.20"


def refusal(tmp_path, content: str | bytes, name: str = "input", **options: object) -> str:
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(FlowError) as caught:
        list(open_flows(file, **options))
    return str(caught.value)


def is_named(message: str, name: str) -> bool:
    """Whether it says what the format is and what to do, and nothing of another format."""
    known = FORMATS[name]
    return f": {known.what}" in message and message.endswith(
        f"which netpol does not read; {known.advice}"
    )


#: Headers of tables, by the format they are of, with a row.
TABLES = [
    (
        "aws-vpc",
        "version,account_id,interface_id,srcaddr,dstaddr,srcport,dstport,protocol,packets,bytes,"
        "start,end,action,log_status",
        f"2,123456789012,eni-0a,{WEB},{API},42000,8080,6,4,222,1795400074,1795400129,ACCEPT,OK",
    ),
    ("aws-vpc", "srcaddr,dstaddr,dstport,protocol,action", f"{WEB},{API},8080,6,REJECT"),
    (
        "aws-vpc",  # as Athena's first table of it calls them
        "sourceaddress,destinationaddress,interfaceid,sourceport,destinationport,protocol",
        f"{WEB},{API},eni-0a,42000,8080,6",
    ),
    # Renamed in part: the rest says what it is, and action is still no policy's verdict.
    ("aws-vpc", "src,dst,protocol,port,action,interface_id,log_status",
     f"{WEB},{API},6,8080,REJECT,eni-0a,OK"),
    (
        "aws-vpc",
        "version\tvpc-id\tinterface-id\tsrcaddr\tdstaddr\tsrcport\tdstport\tpkt-srcaddr\t"
        "pkt-dstaddr\tprotocol\taction",
        f"5\tvpc-0\teni-0a\t172.18.0.2\t{API}\t42000\t8080\t{WEB}\t{API}\t6\tACCEPT",
    ),
    ("aws-transit-gateway", "version,tgw-id,srcaddr,dstaddr,srcport,dstport,protocol",
     f"6,tgw-0,{WEB},{API},42000,8080,6"),
    ("gcp-vpc", "jsonPayload.connection.src_ip,jsonPayload.connection.dest_ip,timestamp",
     f"{WEB},{API},2026-11-23T02:14:34Z"),
    ("gcp-firewall",
     "jsonPayload.connection.src_ip,jsonPayload.disposition,jsonPayload.rule_details.reference",
     f"{WEB},ALLOWED,r"),
    ("gke-policy", "jsonPayload.connection.src_ip,jsonPayload.connection.dest_ip,"
     "jsonPayload.disposition", f"{WEB},{API},deny"),
    ("azure-analytics", "TimeGenerated,SrcIp,DestIp,DestPort,L4Protocol,FlowStatus",
     f"2026-11-23T02:14:34Z,{WEB},{API},8080,T,Allowed"),
    ("azure-analytics", "SrcIP_s,DestIP_s,DestPort_d,L4Protocol_s", f"{WEB},{API},8080,T"),
    (
        "netobserv",
        "TimeFlowStartMs,SrcAddr,SrcPort,DstAddr,DstPort,Proto,Bytes,Packets,FlowDirection",
        f"1795400074589,{WEB},42000,{API},8080,6,222,4,1",
    ),
    ("antrea", "sourceIP,destinationIP,sourceTransportPort,destinationTransportPort,"
     "protocolIdentifier", f"{WEB},{API},42000,8080,6"),
    ("calico-flows", "source_ip,source_name_aggr,dest_ip,dest_name_aggr,dest_port,proto,action,"
     "reporter", f"{WEB},web-*,{API},api-*,8080,tcp,allow,src"),
    ("aws-npa", "SIP;SPORT;DIP;DPORT;PROTOCOL", f"{WEB};42000;{API};8080;TCP"),
    ("hubble", "time,IP.source,IP.destination", f"2026-11-23T02:14:34Z,{WEB},{API}"),
    (
        "nfdump",
        "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows",
        f"2026-11-23 02:14:34.589,0.001,TCP,{WEB},42000,{API},8080,4,222,1",
    ),
    ("nfdump", "ts,te,td,sa,da,sp,dp,pr,flg",
     f"2026-11-23 02:14:34,,0,{WEB},{API},42000,8080,TCP,"),
    ("pmacct", "SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,PACKETS,BYTES",
     f"{WEB},{API},42000,8080,tcp,4,222"),
    ("argus", "StartTime,Flgs,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,TotPkts,State",
     f"02:14:34.589, e,tcp,{WEB},42000,   <-,{API},8080,8,FIN"),
    ("ecs", '"@timestamp","source.ip","destination.ip","destination.port","network.transport"',
     f'"Nov 23, 2026",{WEB},{API},8080,tcp'),
    ("ecs", "source_ip,destination_ip,destination_port,network_transport", f"{WEB},{API},8080,tcp"),
    ("tshark", '"No.","Time","Source","Destination","Protocol","Length","Info"',
     f'"1","0.000000","{WEB}","{API}","TCP","74","42000 > 8080 [SYN]"'),
    ("tshark", "ip.src,ip.dst,tcp.srcport,tcp.dstport", f"{WEB},{API},42000,8080"),
    ("zeek", "ts,uid,id.orig_h,id.orig_p,id.resp_h,id.resp_p,proto",
     f"1,C1,{WEB},42000,{API},8080,tcp"),
    ("suricata", "timestamp,flow_id,event_type,src_ip,src_port,dest_ip,dest_port,proto",
     f"2026-11-23T02:14:34Z,1,flow,{WEB},42000,{API},8080,TCP"),
    ("goflow2", "time_received_ns,sampler_address,src_addr,dst_addr,src_port,dst_port,proto",
     f"1,10.0.0.1,{WEB},{API},42000,8080,TCP"),
    ("silk", "sIP|dIP|sPort|dPort|pro|sTime|sensor", f"{WEB}|{API}|42000|8080|6|x|S0"),
    ("nprobe", "IPV4_SRC_ADDR|IPV4_DST_ADDR|L4_SRC_PORT|L4_DST_PORT", f"{WEB}|{API}|42000|8080"),
    ("fortigate", "date,srcip,srcport,dstip,dstport,proto,action,policyid",
     f"2026-11-23,{WEB},42000,{API},8080,6,deny,4"),
    ("pan-os", "Source address,Destination address,Source Zone,Action,Destination Port,IP Protocol",
     f"{WEB},{API},trust,allow,8080,tcp"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "header", "row"), TABLES)
@pytest.mark.parametrize("kind", ["auto", "csv", "parquet"])
def test_table_is_named_by_its_header(tmp_path, name, header, row, kind):
    if kind != "parquet":
        message = refusal(tmp_path, f"{header}\n{row}\n", format=kind)
    else:
        delimiter = max(",\t;|", key=header.count)
        names = [cell.strip('"') for cell in header.split(delimiter)]
        file = tmp_path / "table"
        pa.parquet.write_table(pa.table({n: ["x"] for n in names}), file)
        with pytest.raises(FlowError) as caught:
            list(open_flows(file))
        message = str(caught.value)
    assert is_named(message, name)


@pytest.mark.parametrize(
    "header",
    [
        "SrcAddr,SrcPort,DstAddr,DstPort,Proto,FlowDirection,is_reply",
        "firstSeen,proto,srcAddr,srcPort,dstAddr,dstPort,is_reply",
        "SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,PACKETS,BYTES,is_reply",
        "SrcAddr,DstAddr,Dir,is_reply",
    ],
)
def test_what_the_advice_asks_for_is_read(tmp_path, header):
    """A table that says which rows are replies is one like any other."""
    cells = {"addr": WEB, "ip": WEB, "port": "80", "proto": "tcp", "protocol": "tcp"}
    row = ",".join(
        "false" if name == "is_reply" else next(
            (v for k, v in cells.items() if name.lower().endswith(k)), "1")
        for name in header.split(",")
    )  # fmt: skip
    file = tmp_path / "marked.csv"
    file.write_text(f"{header}\n{row}\n")
    (batch,) = open_flows(file)
    assert batch.is_reply is not None
    assert not batch.is_reply[0]


@pytest.mark.parametrize(
    "header",
    ["src_ip,dst_ip,src_port,dst_port,protocol,packets,bytes", "source_ip,destination_ip,proto",
     "SRCADDR,DstAddr,Protocol,dstport", "SRC_IP,DST_IP,DST_PORT,PROTOCOL",
     "time,source,destination,protocol,port", "src,dst,protocol,port,action"],
)  # fmt: skip
def test_tables_of_ones_own_are_read(tmp_path, header):
    file = tmp_path / "own.csv"
    names = header.lower().split(",")
    cells = {"protocol": "tcp", "proto": "tcp", "time": "1795400074", "action": "allow"}
    row = ",".join(
        cells.get(n, "80" if "port" in n or n in ("packets", "bytes") else WEB) for n in names
    )
    file.write_text(f"{header}\n{row}\n")
    assert sum(map(len, open_flows(file))) == 1


HUBBLE = {
    "time": "2026-11-23T02:14:34Z", "verdict": "FORWARDED", "node_name": "n1",
    "IP": {"source": WEB, "destination": API}, "l4": {"TCP": {"destination_port": 8080}},
    "is_reply": False,
}  # fmt: skip

#: JSON records by the format they are of.
RECORDS = [
    ("hubble", {"flow": HUBBLE, "node_name": "n1"}),
    ("hubble", HUBBLE),
    ("hubble", {"lost_events": {"source": "PERF_EVENT_RING_BUFFER", "num_events_lost": "4"}}),
    ("retina", {"flow": HUBBLE | {"extensions": {"bytes": 4}}}),
    ("cilium-monitor", {"cpu": "CPU 01:", "type": "trace", "observationPoint": "to-endpoint",
                        "summary": {}}),
    ("goldmane", {"Key": {"source_name": "web-*"}, "num_connections_started": 3}),
    ("goldmane", {"id": "1", "flow": {"key": {"sourceName": "web-*", "destName": "api-*"}}}),
    ("whisker", {"source_name": "web-*", "dest_name": "api-*", "policies": {"enforced": []}}),
    ("calico-flows", {"source_ip": WEB, "dest_ip": API, "reporter": "src", "action": "allow"}),
    ("calico-flows", {"source_name_aggr": "web-*", "dest_name_aggr": "api-*"}),
    ("netobserv", {"SrcAddr": WEB, "DstAddr": API, "Proto": 6, "FlowDirection": 1}),
    ("aws-npa", {"msg": "Flow Info:  ", "Src IP": WEB, "Src Port": 42000, "Dest IP": API}),
    ("aws-vpc", {"srcaddr": WEB, "dstaddr": API, "action": "ACCEPT"}),
    ("aws-vpc", {"message": f"2 123456789012 eni-0a {WEB} {API} 42000 8080 6 4 222 1 2 ACCEPT OK"}),
    ("aws-network-firewall", {"firewall_name": "f", "event": {"event_type": "netflow"}}),
    ("gke-policy", {"connection": {"src_ip": WEB, "dest_ip": API}, "disposition": "deny"}),
    ("gcp-vpc", {"jsonPayload": {"connection": {"src_ip": WEB, "dest_ip": API},
                                 "reporter": "SRC"}}),
    ("gcp-firewall", {"jsonPayload": {"connection": {"src_ip": WEB}, "disposition": "DENIED",
                                      "rule_details": {}}}),
    ("azure-vnet", {"records": [{"flowLogVersion": 4, "flowRecords": {"flows": [
        {"flowGroups": [{"flowTuples": [f"1,{WEB},{API},42000,8080,6,O,B,NX,0,0,0,0"]}]}]}}]}),
    ("azure-nsg", {"records": [{"properties": {"flows": [{"flows": [{"flowTuples": []}]}]}}]}),
    ("azure-analytics", {"SrcIp": WEB, "DestIp": API, "FlowStatus": "Denied"}),
    ("antrea", {"ipfix": {"sourceIPv4Address": WEB}, "@timestamp": "x"}),
    ("antrea", {"sourceIPv4Address": WEB, "destinationIPv4Address": API}),
    ("envoy", {"upstream_host": f"{API}:8080", "response_flags": "-"}),
    ("ztunnel", {"src.addr": f"{WEB}:42000", "dst.addr": f"{API}:15008"}),
    ("inspektor-gadget", {"k8s": {"podName": "web-0"}, "src": {"addr": WEB}, "dst": {}}),
    ("suricata", {"event_type": "flow", "flow_id": 1, "src_ip": WEB, "dest_ip": API}),
    ("zeek", {"ts": 1.5, "uid": "C1", "id.orig_h": WEB, "id.resp_h": API}),
    ("nfdump-json", {"type": "FLOW", "src4_addr": WEB, "dst4_addr": API}),
    ("pmacct", {"event_type": "purge", "ip_src": WEB, "ip_dst": API}),
    ("goflow2", {"type": "NETFLOW_V9", "sampler_address": "10.0.0.1", "src_addr": WEB}),
    ("ecs", {"@timestamp": "x", "source": {"ip": WEB}, "destination": {}, "network": {}}),
    ("nprobe", {"IPV4_SRC_ADDR": WEB, "IPV4_DST_ADDR": API}),
    ("fortigate", {"srcip": WEB, "dstip": API, "policyid": 4}),
    ("ulogd", {"orig.ip.saddr.str": WEB, "reply.ip.saddr.str": API}),
    ("tshark", {"_index": "packets", "_source": {"layers": {"frame": {}}}}),
    ("kubernetes", {"apiVersion": "v1", "kind": "List", "items": []}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "record"), RECORDS)
@pytest.mark.parametrize("shape", ["lines", "array", "pretty", "docker", "cri", "elastic"])
def test_json_is_named_by_its_producer(tmp_path, name, record, shape):
    line = json.dumps(record)
    text = {
        "lines": f"{line}\n{line}\n",
        "array": json.dumps([record, record]),
        "pretty": json.dumps([record], indent="\t"),
        "docker": json.dumps({"log": line + "\n", "stream": "stdout", "time": "x"}) + "\n",
        "cri": f"2026-11-23T02:14:34.1Z stdout F {line}\n",
        "elastic": json.dumps({"_index": "i", "_source": record}) + "\n",
    }[shape]
    message = refusal(tmp_path, text)
    assert FORMATS[name].what in message
    assert message.endswith(FORMATS[name].advice)
    if shape == "docker":
        assert "in container logs of Docker" in message
    if shape == "cri":
        assert "in log lines of a container runtime (CRI)" in message


def test_json_cut_anywhere_is_named(tmp_path):
    """What is looked at is the beginning, which may end within a record."""
    many = json.dumps([{"flow": HUBBLE | {"summary": "x" * 900}}] * 400)
    assert is_named(refusal(tmp_path, many), "hubble")
    assert is_named(refusal(tmp_path, many[:700]), "hubble")


@pytest.mark.parametrize(
    ("record", "what", "unwrap"),
    [
        ({"log": "tcp 6 src=10.0.0.1", "stream": "stdout"}, "container logs", "jq -rj .log"),
        ({"streams": []}, "an answer of Loki", "jq -r '.data.result"),
        ({"MESSAGE": "x", "__CURSOR": "s=1"}, "entries of journald", "jq -r .MESSAGE"),
        ({"logEvents": []}, "events of CloudWatch", "jq -r '.events[]"),
    ],
)
def test_envelopes_of_something_else_are_named(tmp_path, record, what, unwrap):
    message = refusal(tmp_path, json.dumps(record) + "\n")
    assert f": {what}" in message
    assert unwrap in message


def test_json_of_nobody(tmp_path):
    message = refusal(tmp_path, '{"a": 1, "b": 2}\n')
    assert "JSON of no producer that netpol knows" in message
    assert "is_reply" in message


#: Text by the format it is of.
TEXTS = [
    ("aws-vpc", "version account-id interface-id srcaddr dstaddr srcport dstport protocol\n2 1\n"),
    ("aws-vpc", "interface-id dstaddr srcaddr action\neni-1 10.0.0.1 10.0.0.2 ACCEPT\n"),
    ("aws-vpc", f"2 123456789012 eni-0a {WEB} {API} 42000 8080 6 4 222 1 2 ACCEPT OK\n"),
    ("aws-vpc", f"2026-11-23T02:14:34.000Z 2 123456789012 eni-0a {WEB} {API} 1 2 6 ACCEPT OK\n"),
    ("aws-vpc", "2 unknown eni-0a - - - - - - - 1795400074 1795400129 - NODATA\n"),
    ("aws-transit-gateway", "version resource-type account-id tgw-id tgw-attachment-id srcaddr\n"),
    ("aws-transit-gateway", "6 TransitGateway 123456789012 tgw-0 tgw-attach-0\n"),
    ("azure-nsg", f"1795400074,{WEB},{API},42000,8080,T,O,D,B,,,,\n"),
    ("hubble-text", "Nov 23 02:14:34.480: shop/web-0:42000 (ID:20411) -> shop/api:8080 (ID:3638) "
     "to-endpoint FORWARDED (TCP Flags: SYN)\n"),
    ("hubble-text", "TIMESTAMP             SOURCE    DESTINATION   TYPE   VERDICT   SUMMARY\n"),
    ("hubble-text", f"  TIMESTAMP: Nov 23 02:14:34.480\n     SOURCE: {WEB}:42000\n"),
    ("hubble-text", "Nov 23 02:14:34.480: 10.0.0.1:42000 <> 10.0.0.2:8080 Policy denied DROPPED\n"),
    ("cilium-ct", f"TCP OUT {WEB}:42000 -> {API}:8080 expires=17284 Packets=0 Bytes=0\n"),
    ("cilium-nat",
     f"TCP OUT {WEB}:42000 -> 198.51.100.1:443 XLATE_SRC 172.18.0.2:42000 Created=1\n"),
    ("cilium-monitor",
     "Policy verdict log: flow 0x1 local EP ID 2, remote ID 3, proto 6, ingress\n"),
    ("cilium-monitor",
     f"xx drop (Policy denied) flow 0x1 to endpoint 2, , identity 3->4: {WEB}:1\n"),
    ("calico-packets", "Nov 23 02:14:34 n1 kernel: calico-packet: IN=cali1 OUT=cali2\n"),
    ("antrea-np",
     "2026/11/23 02:14:34.480 IngressRule K8sNetworkPolicy:shop/api <nil> Ingress Drop "
     f"-1 shop/api {WEB} 42000 {API} 8080 TCP 60 <nil>\n"),
    ("antrea", f"1795400074,1795400077,{WEB},{API},42000,8080,TCP,web-0,shop,node1,api,shop\n"),
    ("antrea", f"1795400074,1795400077,1795400078,1795400079,3,{WEB},{API},42000,8080,6,1,2\n"),
    ("aws-npa", f"Node: n1;SIP: {WEB};SPORT: 42000;DIP: {API};DPORT: 8080;PROTOCOL: TCP\n"),
    ("inspektor-gadget", "K8S.NODE   K8S.NAMESPACE   K8S.PODNAME   SRC   DST\n"),
    ("ztunnel", f'2026-11-23T02:14:34Z info access src.addr={WEB}:42000 dst.addr={API}:8080\n'),
    ("envoy", '[2026-11-23T02:14:34.480Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 230 1\n'),
    ("ovn-acl", '2026-11-23T02:14:34.480Z|00001|acl_log(ovn_pinctrl0)|INFO|name="NP:shop:Ingress", '
     "verdict=drop, severity=info, direction=to-lport: tcp,vlan_tci=0x0000\n"),
    ("kubernetes", "# a policy\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"),
    ("conntrack-xml", '<?xml version="1.0"?>\n<conntrack><flow></flow></conntrack>\n'),
    ("conntrack-save", "-A -s 10.0.0.1 -d 10.0.0.2 -p tcp\n"),
    ("conntrack-statistics", "cpu=0   \tfound=0 invalid=1 insert=0\n"),
    ("ovs-conntrack", f"tcp,orig=(src={WEB},dst=10.96.0.1,sport=1,dport=2),reply=(src={API})\n"),
    ("ovs-flows", "recirc_id(0),in_port(2),eth_type(0x0800), packets:1, bytes:2\n"),
    ("ipvs", "IPVS connection entries\npro expire state       source             virtual\n"),
    ("pf-states", f"all tcp {API}:8080 <- {WEB}:42000       ESTABLISHED:ESTABLISHED\n"),
    ("pf-log",
     f"2026-11-23 02:14:34.4 rule 5/0(match): block in on igb0: {WEB}.1 > {API}.2: tcp\n"),
    ("kernel-log", f"Nov 23 02:14:34 n1 kernel: [1.2] DROP IN=cni0 OUT=cni0 MAC=aa SRC={WEB} "
     f"DST={API} LEN=60 PROTO=TCP SPT=42000 DPT=8080 SYN\n"),
    ("tcpdump", f"02:14:34.480106 IP {WEB}.42000 > {API}.8080: Flags [S], seq 1\n"),
    ("tcpdump", f"02:14:34.480106 eth0  In  IP {WEB}.42000 > {API}.8080: Flags [S], seq 1\n"),
    ("ss", "State  Recv-Q Send-Q Local Address:Port   Peer Address:Port\n"),
    ("ss", f"tcp   ESTAB 0      0      {WEB}:42000      {API}:8080\n"),
    ("netstat", f"tcp        0      0 {WEB}:42000     {API}:8080     ESTABLISHED\n"),
    ("netstat", "Active Internet connections (w/o servers)\n"),
    ("nfdump-text",
     f"2026-11-23 02:14:34.589  00:00:00.001 TCP  {WEB}:42000 <-> {API}:8080 4 222\n"),
    ("nfdump-text", "Date first seen          Duration Proto      Src IP Addr:Port\n"),
    ("nfdump-pipe", "2|1795400074589|1795400074589|6|0|0|0|183763210|40100|0|0|0|174063626|53|0\n"),
    ("nfdump", f"2026-11-23 02:14:34,2026-11-23 02:14:34,0.000,{WEB},{API},42000,8080,TCP,S\n"),
    ("nfdump",
     f"2026-11-23 02:14:34.589,2026-11-23 02:14:34.590,TCP  ,  {WEB}, 42000, {API}, 80\n"),
    ("pmacct", "TAG     SRC_IP     DST_IP     SRC_PORT  DST_PORT  PROTOCOL  PACKETS   BYTES\n"),
    ("goflow2", "type=NETFLOW_V9 time_received_ns=1 sequence_num=1\n"),
    ("argus", " StartTime      Flgs  Proto            SrcAddr  Sport   Dir            DstAddr\n"),
    ("zeek", "#separator \\x09\n"),
    ("zeek", "#fields\tts\tuid\tid.orig_h\tid.orig_p\n"),
    ("silk", "            sIP|            dIP|sPort|dPort|pro|\n"),
    ("fortigate", f"date=2026-11-23 srcip={WEB} srcport=1 dstip={API} dstport=2 policyid=4\n"),
    ("tshark", f"    1   0.000000  {WEB} → {API} TCP 74 42000 → 8080 [SYN]\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), TEXTS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_is_named(tmp_path, name, text, end):
    assert is_named(refusal(tmp_path, text.replace("\n", end)), name)


MAGIC = [
    ("capture", b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00"),
    ("capture-ng", b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00"),
    ("nfcapd", b"\x0c\xa5\x02\x00\x01\x00"),
    ("silk", b"\xde\xad\xbe\xef\x00\x0a"),
    ("sqlite", b"SQLite format 3\0\x10\x00"),
    ("avro", b"Obj\x01\x04\x16avro.schema"),
    ("orc", b"ORC\x08\x03"),
]


@pytest.mark.parametrize(("name", "head"), MAGIC)
def test_binary_files_are_named(tmp_path, name, head):
    assert is_named(refusal(tmp_path, head), name)


def test_a_tar_archive_is_named(tmp_path):
    archive = b"dump".ljust(257, b"\0") + b"ustar\x0000"
    assert "a tar archive; unpack it first" in refusal(tmp_path, archive.ljust(1024, b"\0"))


def test_a_table_without_header(tmp_path):
    message = refusal(tmp_path, f"{WEB},{API},6,8080\n{API},{WEB},6,42000\n")
    assert "a table without a header" in message
    assert "is_reply" in message


def test_every_known_format_has_a_sample():
    named = {name for name, *_ in (*TABLES, *RECORDS, *TEXTS, *MAGIC)}
    assert named == set(FORMATS)
    assert len(FORMATS) == len(KNOWN)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_no_advice_drops_the_reply_mark(known):
    """A table made as the advice says has one row per connection, or says which are replies."""
    keeps = ("is_reply", "who began it", "began the connection", "conntrack -L", "one row")
    special = {
        "gke-policy",  # a record is of a connection
        "gcp-firewall",  # as here
        "azure-analytics", "fortigate", "pan-os", "ovn-acl", "inspektor-gadget", "ztunnel",
        "calico-flows", "kubernetes",
    }  # fmt: skip
    assert known.name in special or any(word in known.advice for word in keeps)


@pytest.mark.parametrize("known", [k for k in KNOWN if k.name.startswith(("aws-vpc", "azure"))],
                         ids=lambda known: known.name)  # fmt: skip
def test_a_security_groups_word_is_no_verdict(known):
    assert "not a policy's verdict" in known.advice


def test_known_tables_in_memory_are_refused_too():
    with pytest.raises(FlowError, match="an AWS VPC flow log, which netpol does not read"):
        batch_from({"srcaddr": [WEB], "dstaddr": [API], "protocol": [6], "action": ["REJECT"]})


def test_envelopes_are_distinct():
    assert len({one.what for one in ENVELOPES}) == len(ENVELOPES)


def test_conntrack_is_not_taken_for_another(tmp_path):
    file = tmp_path / "n1.txt"
    line = (
        f"tcp      6 86 TIME_WAIT src={WEB} dst={API} sport=42000 dport=8080 "
        f"src={API} dst={WEB} sport=8080 dport=42000 [ASSURED] mark=0 use=1\n"
    )
    file.write_text(line * 3)
    assert sum(map(len, open_flows(file))) == 3
