"""conntrack dumps and event streams as flow batches."""

from __future__ import annotations

import ipaddress
import json
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from netpol.flows.formats.conntrack.events import merge_events
from netpol.flows.formats.conntrack.text import entries_to_batch, read_entries
from netpol.flows.reader import open_flows
from netpol.io.stream import Source
from netpol.model.batch import NO_ICMP, NO_TIME, FlowBatch
from netpol.model.read_stats import ReadStats

from .support import LINES, dump, path

NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}
DUMPS = sorted(name for name in LINES if "events" not in name)


def flows_of(batches: list[FlowBatch]) -> list[dict[str, object]]:
    """Plain records of batches, addresses as text."""
    records = []
    for batch in batches:
        for i in range(len(batch)):
            record = {}
            for name, column in batch.columns():
                value = column[i]
                if name in ("src", "dst", "original_dst", "src_seen"):
                    record[name] = _text(value)
                else:
                    record[name] = value.item()
            records.append(record)
    return records


def _text(value: np.ndarray | np.uint32) -> str:
    if isinstance(value, np.ndarray):
        address = ipaddress.IPv6Address(value.tobytes())
        return str(address.ipv4_mapped or address)
    return str(ipaddress.IPv4Address(int(value)))


def truth() -> list[dict[str, object]]:
    return [json.loads(line) for line in dump("truth.jsonl").splitlines()]


@pytest.mark.parametrize("name", DUMPS)
def test_dump_is_read_whole(name):
    stream = open_flows(path(name))
    assert sum(len(batch) for batch in stream) == LINES[name]
    assert stream.stats.records == stream.stats.lines == LINES[name]
    assert stream.stats.skipped_total == 0
    assert stream.stats.bytes_read == len(dump(name))


@pytest.mark.parametrize(
    "names",
    [
        ["n1.L.extended.txt"],
        ["n1.proc.txt"],
        ["n1.L.extended_id_timestamp_ktimestamp_labels.txt"],
        ["n1.events.txt"],
        ["n1.events.timestamp.txt"],
    ],
)
def test_lab_truth_right_client_and_server(names):
    """Each connection whose server answered is there with the pair that really talked."""
    found = {}
    for record in flows_of(list(open_flows([path(name) for name in names]))):
        dialled = record.get("original_dst", record["dst"])
        dport = record.get("original_dport", record["dport"])
        key = (record["protocol"], record["src"], record["sport"], dialled, dport)
        found.setdefault(key, []).append(record)
    answered = [t for t in truth() if "peer_seen_by_server" in t]
    right = 0
    for t in answered:
        key = (NUMBERS[t["proto"]], t["client"], t["sport"], t["dst"], t["dport"])
        for record in found[key]:
            assert (record["dst"], record["dport"]) == (t["server"], t["server_port"]), t
            assert record.get("src_seen", record["src"]) == t["peer_seen_by_server"], t
        right += 1
    assert len(answered) == 300
    assert right == 300


def test_icmp_keeps_the_original_type_and_the_reply_source():
    records = flows_of(list(open_flows(path("n1.L.extended.txt"))))
    pings = [r for r in records if r["protocol"] in (1, 58)]
    assert {r["icmp_type"] for r in pings} == {8, 13, 128}
    assert all(r["dport"] == 0 and r["sport"] == 0 for r in pings)
    masqueraded = [r for r in pings if r["dst"] == "198.51.100.10"]
    assert {r["src_seen"] for r in masqueraded} == {"172.18.0.2"}
    assert all(r["icmp_type"] == NO_ICMP for r in records if r["protocol"] == 6)


def test_columns_that_say_nothing_are_left_out(tmp_path):
    file = tmp_path / "plain.txt"
    file.write_text(
        "udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=40101 dport=53 "
        "src=10.0.0.2 dst=10.0.0.1 sport=53 dport=40101 mark=0 use=1\n"
    )
    (batch,) = open_flows(file)
    assert [name for name, _ in batch.columns()] == [
        "src", "dst", "protocol", "dport", "sport", "src_seen", "evidence", "line",
    ]  # fmt: skip
    assert batch.src.dtype == np.uint32
    assert not batch.wide
    assert batch.file == str(file)


def test_port_only_nat_keeps_the_dialled_port(tmp_path):
    file = tmp_path / "redirect.txt"
    file.write_text(
        "tcp      6 29 NONE src=10.0.0.1 dst=10.0.0.2 sport=40101 dport=80 "
        "src=10.0.0.2 dst=10.0.0.1 sport=8080 dport=40101 mark=0 use=1\n"
    )
    (batch,) = open_flows(file)
    assert batch.dport.tolist() == [8080]
    assert batch.original_dport.tolist() == [80]
    assert batch.original_dst.tolist() == batch.dst.tolist()


def test_a_mixed_batch_is_wide_with_ipv4_mapped():
    (batch,) = open_flows(path("n1.L.txt"))
    assert batch.src.shape == (344, 16)
    mapped = [r for r in batch.src if r[:12].tobytes() == b"\0" * 10 + b"\xff\xff"]
    assert len(mapped) == 307


def test_start_times_are_used_only_with_a_zone():
    name = path("n1.L.ktimestamp.txt")
    (batch,) = open_flows(name)
    assert batch.time is None
    (batch,) = open_flows(name, start_zone="UTC")
    (later,) = open_flows(name, start_zone="America/New_York")
    known = batch.time != NO_TIME
    assert known.sum() == 344 - 11  # eleven were made with timestamps off
    assert set(later.time[known] - batch.time[known]) == {5 * 3600 * 10**9}
    assert batch.time[known].min() >= 1795399800 * 10**9


def test_many_small_batches_give_the_same_as_one():
    (whole,) = open_flows(path("bulk.proc.txt"))
    stats = ReadStats()
    with Source(path("bulk.proc.txt")) as source:
        pieces = [
            entries_to_batch(entries, "bulk")
            for entries in read_entries(source, stats, batch_rows=777, block_bytes=1)
        ]
    assert max(len(piece) for piece in pieces) == 777
    for name, column in whole.columns():
        if name in ("original_dst", "original_dport", "src_seen"):
            continue
        parts = [getattr(piece, name) for piece in pieces]
        assert np.array_equal(np.concatenate(parts), column), name


def test_trap_3_reversed_entries_are_counted_and_not_flipped():
    stream = open_flows(path("n1.L.midstream_reversed.txt"))
    records = flows_of(list(stream))
    assert stream.stats.suspected_reversed == 4
    assert sum(r["sport"] == 8080 for r in records) == 4


# --- events ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["n1.events.txt", "n1.events.timestamp.txt",
     "n1.events.timestamp_extended_id_ktimestamp_labels.txt"],
)  # fmt: skip
def test_events_of_a_connection_are_one_flow(name):
    stream = open_flows(path(name))
    records = flows_of(list(stream))
    assert len(records) == 356  # as many as NEW events
    assert stream.stats.events == 1464
    assert stream.stats.skipped_total == 0
    # g32: the same 5-tuple twice is two flows.
    assert sum(r["sport"] == 47000 for r in records) == 2


def test_event_flow_has_the_time_of_new_and_the_counters_of_destroy():
    records = flows_of(list(open_flows(path("n1.events.timestamp.txt"))))
    first = min((r for r in records if r["sport"] == 47000), key=lambda r: r["time"])
    assert first["time"] == 1795400078323541000
    assert first["line"] == 1009
    assert (first["packets"], first["bytes"]) == (10, 777)


def test_new_only_stream_gives_every_connection():
    records = flows_of(list(open_flows(path("n1.events.NEWonly.userspace.txt"))))
    assert len(records) == 356


def _event(kind: str, sport: int, *, at: int, extra: str = "") -> str:
    return (
        f"[{at}.000000]\t{f'[{kind}]':>9} tcp      6 120 SYN_SENT src=10.0.0.1 dst=10.0.0.2 "
        f"sport={sport} dport=80 src=10.0.0.2 dst=10.0.0.1 sport=80 dport={sport}{extra}\n"
    )


def _merge(tmp_path, text: str, **options: int) -> tuple[list[dict[str, object]], ReadStats]:
    file = tmp_path / "events.txt"
    file.write_text(text)
    stats = ReadStats()
    with Source(str(file)) as source:
        batches = [
            entries_to_batch(entries, "events")
            for entries in merge_events(read_entries(source, stats, batch_rows=3), stats, **options)
            if entries.rows
        ]
    return flows_of(batches), stats


def test_update_and_destroy_without_new_count_once(tmp_path):
    text = (
        _event("UPDATE", 1001, at=1795400000)
        + _event("UPDATE", 1001, at=1795400001)
        + _event("DESTROY", 1002, at=1795400100, extra=" delta-time=60")
        + _event("DESTROY", 1001, at=1795400200, extra=" delta-time=300")
        + _event("DESTROY", 1003, at=1795400300)
    )
    records, _ = _merge(tmp_path, text)
    seconds = {r["sport"]: r["time"] // 10**9 for r in records}
    assert len(records) == 3
    assert seconds == {1001: 1795399900, 1002: 1795400040, 1003: 1795400300}


def test_new_twice_without_destroy_is_two_connections(tmp_path):
    text = _event("NEW", 1, at=1795400000) + _event("NEW", 1, at=1795400009)
    records, _ = _merge(tmp_path, text)
    assert [r["time"] // 10**9 for r in records] == [1795400000, 1795400009]


def test_open_connections_are_bounded(tmp_path):
    text = "".join(_event("NEW", port, at=1795400000 + port) for port in range(1, 101))
    records, stats = _merge(tmp_path, text, max_open=10)
    assert [r["sport"] for r in records] == list(range(1, 101))
    assert stats.evicted == 90


def test_events_in_chunks_of_any_size_are_the_same(tmp_path):
    def key(record: dict[str, object]) -> tuple[object, ...]:
        return tuple(
            sorted((k, v) for k, v in record.items() if k in ("line", "sport", "src", "dst"))
        )

    records, _ = _merge(tmp_path, dump("n1.events.timestamp.txt").decode())
    whole = flows_of(list(open_flows(path("n1.events.timestamp.txt"))))
    assert sorted(map(key, records)) == sorted(map(key, whole))


# --- the same connection on two nodes ----------------------------------------------------------


@pytest.mark.parametrize("order", [("n1", "n2"), ("n2", "n1")])
def test_dedup_keeps_the_clients_node(order):
    stream = open_flows([path(f"{node}.L.extended.txt") for node in order], dedup=True)
    records = flows_of(list(stream))
    alone = flows_of(list(open_flows(path("n1.L.extended.txt"))))
    assert len(records) == 344
    assert stream.stats.duplicates == 160

    def pairs(found):
        return sorted(
            (r["protocol"], r["src"], r["sport"], r.get("original_dst", r["dst"]), r["dst"])
            for r in found
        )

    assert pairs(records) == pairs(alone)


def test_without_dedup_both_count():
    stream = open_flows([path("n1.L.extended.txt"), path("n2.L.extended.txt")])
    assert sum(len(batch) for batch in stream) == 504


def test_dedup_of_concatenated_dumps(tmp_path):
    both = tmp_path / "both.txt"
    both.write_bytes(dump("n1.L.extended.txt") + dump("n2.L.extended.txt"))
    stream = open_flows(both, dedup=True)
    assert sum(len(batch) for batch in stream) == 344


def test_dedup_leaves_repeated_connections_of_one_event_stream():
    name = path("n1.events.timestamp.txt")
    assert sum(len(b) for b in open_flows(name, dedup=True)) == 356
    assert sum(len(b) for b in open_flows([name, name], dedup=True)) == 356


def test_zone_is_checked():
    from netpol.model.errors import ConfigError

    with pytest.raises(ConfigError, match="no time zone"):
        open_flows("x", start_zone="Mars/Base")
    assert ZoneInfo("UTC")
