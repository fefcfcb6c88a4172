"""Records of one connection, made on several nodes and in several zones, come out as one flow."""

from __future__ import annotations

import io
import ipaddress
import os
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netpol.flows.formats.conntrack.zones import WINDOW
from netpol.flows.reader import FlowStream, open_flows
from netpol.model.evidence import Evidence

from .support import dump

DIALLED, SEEN = int(Evidence.EGRESS_DIALLED), int(Evidence.INGRESS_SEEN)

Tuple = tuple[str, int, str, int]  # source, its port, destination, its port


def record(before: Tuple, after: Tuple, *, zone: int = 0, event: str = "", count: int = 1) -> str:
    """One line of conntrack: what came in, and what went on."""
    src, sport, dst, dport = before
    seen, seen_port, server, server_port = after
    named = f" zone={zone}" if zone else ""
    start = f"{f'[{event}]':>9} " if event else ""
    return (
        f"{start}tcp      6 300 ESTABLISHED src={src} dst={dst} sport={sport} dport={dport} "
        f"packets={count} bytes={100 * count} src={server} dst={seen} sport={server_port} "
        f"dport={seen_port} packets=1 bytes=60 [ASSURED] mark=0{named} use=1\n"
    )


@dataclass(frozen=True)
class Flow:
    """A flow as it comes out."""

    sent: Tuple
    arrived: Tuple
    evidence: int = field(compare=False, default=0)
    place: tuple[str, int] = field(compare=False, default=("", 0))


def flows_of(stream: FlowStream) -> list[Flow]:
    flows = []
    for batch in stream:
        n = len(batch)
        columns: dict[str, Any] = {
            "dialled": batch.dst if batch.original_dst is None else batch.original_dst,
            "dport": batch.dport if batch.original_dport is None else batch.original_dport,
            "evidence": np.zeros(n, np.uint8) if batch.evidence is None else batch.evidence,
        }
        assert batch.sport is not None
        assert batch.src_seen is not None
        assert batch.line is not None
        for i in range(n):
            flows.append(
                Flow(
                    (
                        _text(batch.src[i]), int(batch.sport[i]),
                        _text(columns["dialled"][i]), int(columns["dport"][i]),
                    ),
                    # Which port the server saw, no column says.
                    (_text(batch.src_seen[i]), 0, _text(batch.dst[i]), int(batch.dport[i])),
                    int(columns["evidence"][i]),
                    (Path(batch.file).name, int(batch.line[i])),
                )
            )  # fmt: skip
    return flows


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        address = ipaddress.IPv6Address(value.tobytes())
        return str(address.ipv4_mapped or address)
    return str(ipaddress.IPv4Address(int(value)))


def write(folder: Path, **texts: str) -> list[str]:
    """Write files by their names; give their paths."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [str(folder / name) for name in texts]


def portless(after: Tuple) -> Tuple:
    return (after[0], 0, after[2], after[3])


# --- several nodes -----------------------------------------------------------------------------

CLIENT, NODE = ("10.244.2.11", 40000), ("192.168.0.11", 51001)
DIAL = (*CLIENT, "192.168.0.11", 30080)
LOCAL, MASQUERADED = (*CLIENT, "10.244.1.10", 8080), (*NODE, "10.244.1.10", 8080)


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_a15_13_the_node_before_the_translation_settles_what_was_dialled(tmp_path, order):
    """A15.9: a pod dials another node's nodePort, which that node translates."""
    texts = {"A": record(DIAL, DIAL, count=3), "B": record(DIAL, MASQUERADED, count=5)}
    files = write(tmp_path, **{name: texts[name] for name in order})
    stream = open_flows(files, dedup=True)
    (flow,) = flows_of(stream)
    assert flow == Flow(DIAL, portless(MASQUERADED))
    assert flow.evidence == DIALLED
    assert flow.place == ("B", 1)
    assert stream.stats.duplicates == 1
    (batch,) = open_flows(files, dedup=True)
    assert batch.packets is not None
    assert batch.packets.tolist() == [6]  # of one record, both ways; not summed


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_a15_13_the_node_after_the_translation_settles_what_was_seen(tmp_path, order):
    """A15.5: a NodePort masqueraded on one node, the pod on another."""
    texts = {"A": record(DIAL, MASQUERADED), "B": record(MASQUERADED, MASQUERADED)}
    files = write(tmp_path, **{name: texts[name] for name in order})
    (flow,) = flows_of(open_flows(files, dedup=True))
    assert flow == Flow(DIAL, portless(MASQUERADED))
    assert flow.evidence == SEEN


def test_a15_13_three_nodes_prove_both_sides(tmp_path):
    files = write(
        tmp_path, mine=record(DIAL, DIAL), nat=record(DIAL, MASQUERADED),
        server=record(MASQUERADED, MASQUERADED),
    )  # fmt: skip
    for paths in (files, files[::-1], [files[1], files[0], files[2]]):
        (flow,) = flows_of(open_flows(paths, dedup=True))
        assert flow == Flow(DIAL, portless(MASQUERADED))
        assert flow.evidence == DIALLED | SEEN


def test_nat_of_two_nodes_is_put_together(tmp_path):
    """The client's node masquerades it, the dialled node translates and masquerades it again."""
    left = ("192.168.0.12", 40007, "192.168.0.11", 30080)
    files = write(
        tmp_path, first=record(DIAL, left), second=record(left, MASQUERADED),
        server=record(MASQUERADED, MASQUERADED),
    )  # fmt: skip
    for paths in (files, files[::-1]):
        (flow,) = flows_of(open_flows(paths, dedup=True))
        assert flow == Flow(DIAL, portless(MASQUERADED))
        # The first translates the source only, so its policies saw the address dialled.
        assert flow.evidence == DIALLED | SEEN
        assert flow.place == ("second", 1)  # both ends there


def test_one_file_proves_nothing_about_its_own_nat(tmp_path):
    """A15.13: zones of one node, or dumps of two nodes in one file."""
    texts = record(DIAL, DIAL) + record(DIAL, MASQUERADED) + record(MASQUERADED, MASQUERADED)
    other = record(("10.0.0.1", 1, "10.0.0.2", 2), ("10.0.0.1", 1, "10.0.0.2", 2))
    files = write(tmp_path, both=texts, other=other)
    first, _ = flows_of(open_flows(files, dedup=True))
    assert (first, first.evidence) == (Flow(DIAL, portless(MASQUERADED)), 0)


def test_a_node_that_translates_too_proves_nothing_of_what_it_has_besides(tmp_path):
    files = write(
        tmp_path,
        n1=record(DIAL, DIAL, zone=4) + record(DIAL, LOCAL, zone=5) + record(LOCAL, LOCAL, zone=6),
        n2=record(DIAL, LOCAL),
    )
    (flow,) = flows_of(open_flows(files, dedup=True))
    assert (flow, flow.evidence) == (Flow(DIAL, portless(LOCAL)), 0)


def test_a_record_alone_proves_only_that_it_is_not_translated(tmp_path):
    files = write(tmp_path, a=record(DIAL, DIAL) + record((*NODE, "1.1.1.1", 53), LOCAL))
    for dedup in (False, True):
        plain, translated = flows_of(open_flows(files, dedup=dedup))
        assert (plain.evidence, translated.evidence) == (DIALLED, 0)


def test_records_without_nat_on_two_nodes_are_one_and_prove_nothing_more(tmp_path):
    files = write(tmp_path, a=record(LOCAL, LOCAL), b=record(LOCAL, LOCAL))
    (flow,) = flows_of(open_flows(files, dedup=True))
    assert (flow.evidence, flow.place) == (DIALLED, ("a", 1))


def test_what_branches_is_not_linked(tmp_path):
    """Two nodes say different things of the same tuple: which of them was on its way?"""
    elsewhere = (*NODE, "10.244.3.3", 8080)
    files = write(tmp_path, a=record(DIAL, DIAL), b=record(DIAL, LOCAL), c=record(DIAL, elsewhere))
    flows = flows_of(open_flows(files, dedup=True))
    assert flows == [Flow(DIAL, portless(t)) for t in (DIAL, LOCAL, elsewhere)]
    # Nor does the first prove that its own node did not translate it, in another zone.
    assert [flow.evidence for flow in flows] == [0, 0, 0]


def test_what_comes_together_is_not_linked_and_kept_once_as_the_first_nat_shows_it(tmp_path):
    other = ("10.244.2.99", 7, "10.96.0.1", 80)
    files = write(
        tmp_path, a=record(DIAL, DIAL), b=record(other, MASQUERADED), c=record(DIAL, MASQUERADED),
        d=record(MASQUERADED, MASQUERADED),
    )  # fmt: skip
    flows = flows_of(open_flows(files, dedup=True))
    assert flows == [Flow(DIAL, portless(DIAL)), Flow(other, portless(MASQUERADED))]
    assert [flow.evidence for flow in flows] == [0, 0]


def test_a_circle_is_left_as_it_is(tmp_path):
    tuples: list[Tuple] = [("10.0.0.1", 1, "10.0.0.2", port) for port in (81, 82, 83)]
    text = "".join(record(tuples[i], tuples[(i + 1) % 3]) for i in range(3))
    flows = flows_of(open_flows(write(tmp_path, a=text + record(LOCAL, LOCAL)), dedup=True))
    assert len(flows) == 4


def test_events_that_repeat_a_tuple_follow_each_other_one_by_one(tmp_path):
    """The k-th connection of a tuple before NAT is the k-th after it."""
    second = ("192.168.0.11", 51002, "10.244.1.99", 8080)

    def twice(before: tuple[Tuple, Tuple], after: tuple[Tuple, Tuple]) -> str:
        return "".join(
            record(before[i], after[i], event=kind) for i in range(2) for kind in ("NEW", "DESTROY")
        )

    files = write(
        tmp_path,
        client=twice((DIAL, DIAL), (DIAL, DIAL)),
        nat=twice((DIAL, DIAL), (MASQUERADED, second)),
        server=record(second, second, event="NEW"),
    )
    flows = flows_of(open_flows(files, dedup=True))
    assert flows == [Flow(DIAL, portless(MASQUERADED)), Flow(DIAL, portless(second))]
    assert [flow.evidence for flow in flows] == [DIALLED, DIALLED | SEEN]


def test_icmp_keeps_its_identifier(tmp_path):
    def ping(src: str, dst: str, seen: str, one: int, two: int) -> str:
        return (
            f"icmp     1 9 src={src} dst={dst} type=8 code=0 id={one} "
            f"src={dst} dst={seen} type=0 code=0 id={two} mark=0 use=1\n"
        )

    files = write(
        tmp_path, a=ping("10.1.0.1", "8.8.8.8", "172.18.0.2", 5, 77),
        b=ping("172.18.0.2", "8.8.8.8", "203.0.113.9", 77, 78),
        c=ping("172.18.0.2", "8.8.8.8", "172.18.0.2", 5, 5),  # another one's
    )  # fmt: skip
    one, other = flows_of(open_flows(files, dedup=True))
    assert (one.sent[0], one.arrived[0]) == ("10.1.0.1", "203.0.113.9")
    assert (other.sent[0], other.arrived[0]) == ("172.18.0.2", "172.18.0.2")


# --- zones of one dump -------------------------------------------------------------------------

NODE_IP, VIP, POD, JOIN = "172.18.0.3", "10.96.146.87", "10.244.1.3", "100.64.0.4"
OURS, THEIRS = "169.254.169.2", "169.254.169.1"


def path_of(*tuples: tuple[int, Tuple]) -> str:
    """Records of one connection: (zone, tuple after it), the first being what the client sent."""
    before = tuples[0][1]
    text = ""
    for zone, after in tuples[1:]:
        text += record(before, after, zone=zone)
        before = after
    return text


SENT = (NODE_IP, 47108, VIP, 80)
#: Situations of OVN-Kubernetes, with the zones it uses: hops, and what comes out.
OVN: dict[str, tuple[str, Flow]] = {
    "a node reaches a pod through a ClusterIP": (
        path_of(
            (0, SENT), (0, SENT), (64001, (OURS, 47108, VIP, 80)), (16, (OURS, 47108, POD, 80)),
            (0, (JOIN, 47108, POD, 80)), (9, (JOIN, 47108, POD, 80)),
        ),
        Flow(SENT, (JOIN, 0, POD, 80)),
    ),
    "a node reaches its own hostNetwork pod through a ClusterIP": (
        path_of(
            (0, SENT), (0, SENT), (64001, (OURS, 47108, VIP, 80)), (16, (OURS, 47108, OURS, 80)),
            (0, (NODE_IP, 47108, OURS, 80)), (64001, (NODE_IP, 47108, NODE_IP, 80)),
            (64002, (THEIRS, 47108, NODE_IP, 80)), (0, (THEIRS, 47108, NODE_IP, 80)),
        ),
        Flow(SENT, (THEIRS, 0, NODE_IP, 80)),
    ),
    "a pod reaches a pod through a ClusterIP": (
        path_of(
            (0, (POD, 5000, VIP, 80)), (7, (POD, 5000, "10.244.1.9", 8080)),
            (8, (POD, 5000, "10.244.1.9", 8080)),
        ),
        Flow((POD, 5000, VIP, 80), (POD, 0, "10.244.1.9", 8080)),
    ),
    "a pod reaches itself through a ClusterIP": (
        path_of(
            (0, (POD, 5000, VIP, 80)), (7, (POD, 5000, POD, 8080)),
            (7, ("169.254.169.5", 5000, POD, 8080)),
        ),
        Flow((POD, 5000, VIP, 80), ("169.254.169.5", 0, POD, 8080)),
    ),
    "a pod reaches the outside": (
        path_of(
            (0, (POD, 5000, "8.8.8.8", 443)), (7, (POD, 5000, "8.8.8.8", 443)),
            (3, (NODE_IP, 31000, "8.8.8.8", 443)), (64000, (NODE_IP, 31000, "8.8.8.8", 443)),
        ),
        Flow((POD, 5000, "8.8.8.8", 443), (NODE_IP, 0, "8.8.8.8", 443)),
    ),
    "the outside reaches a pod through a NodePort, gateway shared": (
        path_of(
            (0, ("203.0.113.5", 60000, NODE_IP, 30080)),
            (64000, ("203.0.113.5", 60000, NODE_IP, 30080)),
            (16, ("203.0.113.5", 60000, POD, 8080)), (17, (JOIN, 60000, POD, 8080)),
            (9, (JOIN, 60000, POD, 8080)),
        ),
        Flow(("203.0.113.5", 60000, NODE_IP, 30080), (JOIN, 0, POD, 8080)),
    ),
    "the same by IPv6": (
        path_of(
            (0, ("2001:db8::5", 60000, "fd00:18::3", 30080)),
            (16, ("2001:db8::5", 60000, "fd00:244::3", 8080)),
            (17, ("fd98::4", 61, "fd00:244::3", 8080)), (9, ("fd98::4", 61, "fd00:244::3", 8080)),
        ),
        Flow(("2001:db8::5", 60000, "fd00:18::3", 30080), ("fd98::4", 0, "fd00:244::3", 8080)),
    ),
    "two pods on one node": (
        path_of((0, LOCAL), (7, LOCAL), (8, LOCAL)), Flow(LOCAL, portless(LOCAL)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", OVN)
@pytest.mark.parametrize("seed", range(3))
def test_zones_of_a_dump_are_linked_without_dedup(tmp_path, situation, seed):
    text, expected = OVN[situation]
    lines = text.splitlines(keepends=True)
    random.Random(seed).shuffle(lines)
    files = write(tmp_path, dump="".join(lines))
    stream = open_flows(files)
    assert flows_of(stream) == [expected]
    assert stream.stats.linked == len(lines) - 1
    assert stream.stats.zoned == text.count("zone=")
    assert (stream.stats.hops_missing, stream.stats.duplicates) == (0, 0)
    assert all(flow.evidence in (0, DIALLED) for flow in flows_of(open_flows(files)))


def test_all_of_these_at_once_and_twice_in_two_dumps(tmp_path):
    # The two of a node begin alike, as do two of a pod: which record belongs to which?
    apart = [text for name, (text, _) in OVN.items() if "hostNetwork" not in name]
    expected = [flow for name, (_, flow) in OVN.items() if "hostNetwork" not in name]
    apart[2] = apart[2].replace("port=5000 ", "port=5001 ")
    lines = "".join(apart).splitlines(keepends=True)
    random.Random(2).shuffle(lines)
    files = write(tmp_path, a="".join(lines), b="".join(reversed(lines)))
    found = flows_of(open_flows(files))
    assert len(found) == 2 * len(expected)
    assert {flow.arrived for flow in found} == {flow.arrived for flow in expected}
    assert len(flows_of(open_flows(files, dedup=True))) == len(expected)


def test_dumps_one_after_the_other_in_a_file_count_each(tmp_path):
    """As they do without zones; with --dedup once."""
    text = OVN["a pod reaches a pod through a ClusterIP"][0] + record(LOCAL, LOCAL)
    expected = flows_of(open_flows(write(tmp_path, once=text)))
    files = write(tmp_path, thrice=text * 3)
    assert flows_of(open_flows(files)) == expected * 3
    assert sorted(map(repr_of, flows_of(open_flows(files, dedup=True)))) == sorted(
        map(repr_of, expected)
    )


def test_a_chain_with_a_hole_is_told_of(tmp_path):
    text, _ = OVN["a node reaches a pod through a ClusterIP"]
    lines = text.splitlines(keepends=True)
    files = write(tmp_path, dump="".join(lines[:2] + lines[3:]))
    stream = open_flows(files)
    assert len(flows_of(stream)) == 2
    assert stream.stats.hops_missing == 1
    stream = open_flows(files, dedup=True)
    assert len(flows_of(stream)) == 2
    assert stream.stats.hops_missing == 1


def test_a_dump_without_zones_is_not_linked_without_dedup(tmp_path):
    text = path_of((0, SENT), (0, SENT), (0, (OURS, 47108, VIP, 80)))
    stream = open_flows(write(tmp_path, dump=text.replace(" use", " zone=0 use")))
    assert len(flows_of(stream)) == 2
    assert (stream.stats.zoned, stream.stats.linked) == (0, 0)


def test_zones_are_linked_wherever_text_comes_from(tmp_path, monkeypatch):
    text, expected = OVN["a pod reaches the outside"]
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(text.encode())))
    )
    assert flows_of(open_flows("-")) == [expected]
    read, written = os.pipe()
    os.write(written, text.encode())
    os.close(written)
    assert flows_of(open_flows(f"/dev/fd/{read}")) == [expected]
    os.close(read)


def test_text_is_looked_at_ahead_as_it_is_decoded(tmp_path):
    """UTF-16 from PowerShell, longer than what is looked at for zones."""
    text, expected = OVN["a pod reaches the outside"]
    filler = dump("n1.L.ipv4.txt").decode()
    text = text + filler * 6
    assert len(text) > WINDOW
    (tmp_path / "dump").write_bytes(text.encode("utf-16"))
    (tmp_path / "plain").write_text(text)
    stream = open_flows(tmp_path / "dump")
    flows = flows_of(stream)
    assert expected in flows
    assert not stream.stats.skipped
    assert flows == flows_of(open_flows(tmp_path / "plain"))


def test_zones_that_come_late_are_counted_and_linked_with_dedup(tmp_path):
    plain = dump("n1.L.ipv4.txt").decode()
    plain = "".join(line for line in plain.splitlines(True) if "zone" not in line)
    text, expected = OVN["a node reaches a pod through a ClusterIP"]
    filler = plain * (WINDOW // len(plain) + 1)
    files = write(tmp_path, dump=filler + text)
    stream = open_flows(files)
    rows = filler.count("\n")
    assert len(flows_of(stream)) == rows + 5
    assert (stream.stats.zoned, stream.stats.zones_unlinked, stream.stats.linked) == (3, 3, 0)
    late = flows_of(open_flows(files))[rows:]
    # What a zone did not translate, another of the same node may have.
    assert [flow.evidence for flow in late] == [DIALLED, 0, 0, DIALLED, 0]
    stream = open_flows(files, dedup=True)
    assert expected in flows_of(stream)
    assert (stream.stats.zoned, stream.stats.zones_unlinked) == (3, 0)
    # What is there at the beginning decides about the whole text.
    files = write(tmp_path, dump=record(LOCAL, LOCAL, zone=3) + filler + text)
    stream = open_flows(files)
    assert expected in flows_of(stream)
    assert stream.stats.zones_unlinked == 0


# --- any chains --------------------------------------------------------------------------------


@dataclass
class Made:
    """A connection as it was made: its records by file, and what has to come out."""

    records: list[tuple[int, Tuple, Tuple, int]] = field(default_factory=list)
    flow: Flow | None = None


@st.composite
def worlds(draw: st.DrawFn) -> tuple[int, list[Made], int]:
    """Connections over random hops of random nodes and zones, each with or without NAT."""
    nodes = draw(st.integers(1, 4))
    made = []
    wide = draw(st.booleans())
    for number in range(draw(st.integers(1, 6))):
        steps = draw(st.integers(1, 5))

        def address(hop: int, end: int, number: int = number) -> str:
            v4 = f"10.{number}.{hop}.{end}"
            return f"fd00::{number:x}:{hop:x}:{end:x}" if wide and number % 2 else v4

        now: Tuple = (address(0, 1), 1000 + number, address(0, 2), 80)
        connection = Made()
        first = now
        for hop in range(1, steps + 1):
            kind = draw(st.sampled_from(["plain", "plain", "snat", "dnat", "both", "port"]))
            after = list(now)
            if kind in ("snat", "both"):
                after[:2] = [address(hop, 1), draw(st.integers(1, 65535))]
            if kind in ("dnat", "both"):
                after[2:] = [address(hop, 2), draw(st.integers(1, 65535))]
            if kind == "port":
                after[3] = now[3] + 1 if now[3] < 65535 else 1
            step = (now, (after[0], after[1], after[2], after[3]))
            node, zone = draw(st.integers(0, nodes - 1)), draw(st.integers(0, 3))
            connection.records.append((node, *step, zone))
            if draw(st.integers(0, 4)) == 0:  # another table has the very same
                connection.records.append((draw(st.integers(0, nodes - 1)), *step, zone))
            now = step[1]
        connection.flow = Flow(first, portless(now))
        made.append(connection)
    return nodes, made, draw(st.integers(0, 1 << 30))


def proofs(records: list[tuple[int, Tuple, Tuple, int]], flow: Flow) -> int:
    """What a connection's records prove, one question after the other."""
    first, last = records[0][1], records[-1][2]
    nat_files = {node for node, before, after, _ in records if before != after}
    dst_files = {node for node, before, after, _ in records if before[2:] != after[2:]}
    bits = 0
    if flow.sent[2:] == flow.arrived[2:]:
        bits |= DIALLED
    plain = [node for node, before, after, _ in records if before == after == first]
    sent_on = [
        node for node, before, after, _ in records if before == first and before[2:] == after[2:]
    ]
    if dst_files and set(plain or sent_on) - dst_files:
        bits |= DIALLED
    if nat_files and any(
        before == after == last and node not in nat_files for node, before, after, _ in records
    ):
        bits |= SEEN
    return bits


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_linking_gives_back_the_connections_made(tmp_path_factory, world) -> None:
    nodes, made, seed = world
    folder = tmp_path_factory.mktemp("world")
    shuffle = random.Random(seed).shuffle
    texts: list[list[str]] = [[] for _ in range(nodes)]
    for connection in made:
        for node, before, after, zone in connection.records:
            texts[node].append(record(before, after, zone=zone))
    for lines in texts:
        shuffle(lines)
    files = write(folder, **{f"n{i}": "".join(lines) for i, lines in enumerate(texts)})
    found = flows_of(open_flows(files, dedup=True))
    expected = [connection.flow for connection in made]
    assert sorted(found, key=repr_of) == sorted(expected, key=repr_of)
    by_sent = {flow.sent: flow for flow in found}
    for connection in made:
        assert connection.flow is not None
        flow = by_sent[connection.flow.sent]
        assert flow.evidence == proofs(connection.records, flow), connection.records
    # A table has a tuple once; what repeats in a dump is another connection there.
    zones = list(dict.fromkeys(line for lines in texts for line in lines))
    shuffle(zones)
    one = write(folder, one="".join(zones))
    if any("zone=" in line for line in zones):
        alone = flows_of(open_flows(one))
        assert sorted(alone, key=repr_of) == sorted(expected, key=repr_of)
        assert all(flow.evidence in (0, DIALLED) for flow in alone)


def repr_of(flow: Flow) -> str:
    return f"{flow.sent} {flow.arrived}"
