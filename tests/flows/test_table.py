"""CSV, Parquet, Arrow IPC and what programs hold in memory: one way to read them all."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from netpol.flows.columns.addresses import format_addresses
from netpol.flows.columns.names import map_columns
from netpol.flows.columns.normalise import batch_from
from netpol.flows.reader import FlowStream, open_flows
from netpol.model.batch import NO_ICMP, NO_TIME, UNKNOWN_PROTOCOL, FlowBatch
from netpol.model.errors import FlowError, Location
from netpol.model.flow import Flow
from netpol.model.verdict import Verdict


def read(tmp_path, text: str | bytes, **options: object) -> tuple[list[FlowBatch], FlowStream]:
    file = tmp_path / "flows.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    stream = open_flows(file, **options)
    return list(stream), stream


def one(tmp_path, text: str | bytes) -> FlowBatch:
    (batch,), _ = read(tmp_path, text)
    return batch


def test_minimal_csv(tmp_path):
    batch = one(
        tmp_path, "src,dst,protocol,port\n10.0.0.1,10.0.0.2,tcp,80\n10.0.0.3,10.0.0.4,17,53\n"
    )
    assert batch.src.tolist() == [10 << 24 | 1, 10 << 24 | 3]
    assert batch.protocol.tolist() == [6, 17]
    assert batch.dport.tolist() == [80, 53]
    assert batch.line.tolist() == [2, 3]
    assert [n for n, _ in batch.columns()] == ["src", "dst", "protocol", "dport", "line"]


def test_all_columns(tmp_path):
    batch = one(
        tmp_path,
        "time,src,dst,protocol,port,src_port,flows,packets,bytes,original_dst,original_dport,"
        "src_seen,is_reply,icmp_type,icmp_code,verdict,src_pod,dst_pod,comment\n"
        "2026-11-23T02:10:15.5Z,10.0.0.1,10.0.0.2,TCP,8080,42000,3,9,18446744073709551615,"
        "10.96.0.1,80,10.0.0.9,true,,,DROP,shop/web-0,-,hello\n"
        "1795400074.25,10.0.0.1,10.0.0.2,icmp,,,,,,,,,no,8,0,,,shop/db-0,\n",
    )
    assert batch.time.tolist() == [1795399815500000000, 1795400074250000000]
    assert batch.sport.tolist() == [42000, 0]
    assert batch.sport_known.tolist() == [True, False]
    assert batch.dport_known.tolist() == [True, False]
    assert batch.flows.tolist() == [3, 1]
    assert batch.packets.tolist() == [9, 0]
    assert batch.bytes.tolist() == [(1 << 64) - 1, 0]
    assert format_addresses(batch.original_dst).to_pylist() == ["10.96.0.1", "10.0.0.2"]
    assert batch.original_dport.tolist() == [80, 0]
    assert format_addresses(batch.src_seen).to_pylist() == ["10.0.0.9", "0.0.0.0"]  # not recorded
    assert batch.is_reply.tolist() == [True, False]
    assert batch.icmp_type.tolist() == [NO_ICMP, 8]
    assert batch.recorded_verdict.tolist() == [Verdict.DENY, Verdict.UNKNOWN]
    assert batch.src_pod == ["shop/web-0", None]
    assert batch.dst_pod == [None, "shop/db-0"]


@pytest.mark.parametrize(
    "header",
    ["source_ip,destination_ip,proto,dst_port", "SRCADDR,DstAddr,Protocol,dstport",
     "Source,Destination,ip_proto,Destination Port", "saddr;daddr;proto;dport",
     "src_ip\tdest_ip\tproto\tdest_port", '"src","dst","protocol","port"',
     "\ufeffsrc,dst,proto,port"],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_synonyms_delimiters_and_line_ends(tmp_path, header, end):
    delimiter = next(d for d in ";\t," if d in header)
    row = delimiter.join(["10.0.0.1", "fd00::2", "udp", "53"])
    batch = one(tmp_path, header + end + row + end)
    assert format_addresses(batch.src).to_pylist() == ["10.0.0.1"]
    assert format_addresses(batch.dst).to_pylist() == ["fd00::2"]
    assert (batch.protocol[0], batch.dport[0], batch.line[0]) == (17, 53, 2)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("src,dst,source_ip,port", "'src' and 'source_ip' both mean src"),
        ("src,dst,port,dport", "'port' and 'dport' both mean dport"),
    ],
)
def test_ambiguous_header(tmp_path, header, message):
    with pytest.raises(FlowError, match=message):
        read(tmp_path, f"{header}\n1.1.1.1,1.1.1.2,3,4\n")


def test_missing_column_is_named(tmp_path):
    with pytest.raises(FlowError, match=r"no column for dst.*there are: src, port"):
        read(tmp_path, "src,port\n1.1.1.1,2\n", format="csv")


BAD_CELLS = [
    ("10.0.0.256,10.0.0.2,tcp,80", "bad src address"),
    (",10.0.0.2,tcp,80", "bad src address"),
    ("10.0.0.1,nowhere,tcp,80", "bad dst address"),
    ("10.0.0.1,10.0.0.2,teepee,80", "bad protocol"),
    ("10.0.0.1,10.0.0.2,256,80", "bad protocol"),
    ("10.0.0.1,10.0.0.2,tcp,65536", "bad port"),
    ("10.0.0.1,10.0.0.2,tcp,http", "bad port"),
    ("10.0.0.1,10.0.0.2,tcp,-1", "bad port"),
    ("10.0.0.1,10.0.0.2,tcp,99999999999999999999999", "bad port"),
    ("10.0.0.1,10.0.0.2,tcp", "wrong number of cells"),
    ("10.0.0.1,10.0.0.2,tcp,80,more", "wrong number of cells"),
]


@pytest.mark.parametrize(("row", "cause"), BAD_CELLS)
def test_bad_row_is_counted_with_its_line(tmp_path, row, cause):
    good = "10.0.0.1,10.0.0.2,tcp,80\n"
    text = f"src,dst,protocol,port\n{good}{row}\n\n{good}"
    (batch,), stream = read(tmp_path, text)
    assert batch.line.tolist() == [2, 5]
    assert stream.stats.skipped == {cause: 1}
    assert stream.stats.blank == 1
    (sample,) = stream.stats.samples
    assert sample.line == 3
    assert sample.text == row
    with pytest.raises(FlowError, match=r"flows\.csv:3: "):
        read(tmp_path, text, strict=True)


WHICH_CONNECTION = [
    ("is_reply", "perhaps", "bad is_reply"),
    ("original_dst", "x", "bad original_dst address"),
    ("original_port", "70000", "bad original port"),
    ("src_seen", "x", "bad src_seen address"),
]


@pytest.mark.parametrize(("column", "cell", "cause"), WHICH_CONNECTION)
def test_bad_cell_that_says_which_connection_costs_its_row(tmp_path, column, cell, cause):
    good, bad = "10.0.0.1,10.0.0.2,tcp,80,", f"10.0.0.1,10.0.0.2,tcp,80,{cell}"
    (batch,), stream = read(tmp_path, f"src,dst,protocol,port,{column}\n{good}\n{bad}\n")
    assert len(batch) == 1
    assert stream.stats.skipped == {cause: 1}
    assert stream.stats.lost == {}


ONLY_DESCRIBES = [
    ("time", "yesterday", "bad time"),
    ("time", "2026-11-23 02:10:15", "a time without a zone (--start-zone names it)"),
    ("time", "2020-06-21 00:00:02.892702", "a time without a zone (--start-zone names it)"),
    ("ts", "2026-13-23T02:10:15Z", "bad time"),
    ("bytes", "-4", "bad bytes"),
    ("packets", "many", "bad packets"),
    ("flows", "1.5", "bad flows"),
    ("sport", "70000", "bad source port"),
    ("icmp_type", "256", "bad icmp type"),
    ("action", "hmm", "bad verdict"),
    ("src_pod", "web-0", "bad src_pod (not namespace/name)"),
]


@pytest.mark.parametrize(("column", "cell", "cause"), ONLY_DESCRIBES)
def test_bad_cell_that_only_describes_costs_its_value(tmp_path, column, cell, cause):
    good, bad = "10.0.0.1,10.0.0.2,tcp,80,", f"10.0.0.1,10.0.0.2,tcp,80,{cell}"
    text = f"src,dst,protocol,port,{column}\n{bad}\n{good}\n{bad}\n"
    (batch,), stream = read(tmp_path, text)
    assert batch.line.tolist() == [2, 3, 4]
    assert [n for n, _ in batch.columns()] == ["src", "dst", "protocol", "dport", "line"]
    assert batch.src_pod is None
    assert stream.stats.skipped_total == 0
    (lost,) = stream.stats.lost.values()
    assert lost.number == 2
    first = lost.first
    assert (first.line, first.cause, first.text) == (2, f"column {column}: {cause}", cell)
    with pytest.raises(FlowError, match=rf"flows\.csv:2: column {column}: "):
        read(tmp_path, text, strict=True)
    with pytest.raises(FlowError, match=r"bad|zone"):
        batch_from({"src": ["10.0.0.1"], "dst": ["10.0.0.2"], column: [cell]})


def test_values_lost_beside_good_ones(tmp_path):
    rows = ["10.0.0.1,10.0.0.2,tcp,80,7,70000", "10.0.0.1,10.0.0.2,tcp,80,x,42000", "bad,,,,x,"]
    text = "\n".join(["src,dst,protocol,port,bytes,sport", *rows, ""])
    (batch,), stream = read(tmp_path, text)
    assert batch.bytes.tolist() == [7, 0]
    assert batch.sport_known.tolist() == [False, True]
    # Of a row that is skipped, nothing is lost besides.
    assert {cause: lost.number for cause, lost in stream.stats.lost.items()} == {
        "column bytes: bad bytes": 1,
        "column sport: bad source port": 1,
    }
    assert stream.stats.skipped == {"bad src address": 1}


SQL_TIMES = [
    ("2020-06-21 00:00:02.892702+00", 1592697602892702000),
    ("2020-06-21 02:00:02.892702+02", 1592697602892702000),
    ("2020-06-21 05:30:02,5+0530", 1592697602500000000),
    ("2020-06-21 00:00:02.892702 UTC", 1592697602892702000),
    ("2020-06-21T00:00:02Z", 1592697602000000000),
]


@pytest.mark.parametrize(("text", "nanoseconds"), SQL_TIMES)
def test_times_as_sql_writes_them(tmp_path, text, nanoseconds):
    batch = one(tmp_path, f"src;dst;protocol;port;time\n10.0.0.1;10.0.0.2;tcp;80;{text}\n")
    assert batch.time.tolist() == [nanoseconds]


def test_times_without_zone_are_of_the_one_that_is_named(tmp_path):
    rows = "".join(
        f"10.0.0.1,10.0.0.2,tcp,80,{time}\n"
        for time in ("2020-06-21 02:00:02.892702", "2020-01-21T01:00:02", "2020-06-21T00:00:02Z")
    )
    (batch,), stream = read(
        tmp_path, f"src,dst,protocol,port,time\n{rows}", start_zone="Europe/Berlin"
    )
    assert batch.time.tolist() == [1592697602892702000, 1579564802000000000, 1592697602000000000]
    assert not stream.stats.lost


def test_table_in_which_every_row_is_bad_is_an_error(tmp_path):
    with pytest.raises(FlowError, match=r"no records in 2 lines \(1 bad dst address, 1 bad src"):
        read(tmp_path, "src,dst,protocol,port\nx,10.0.0.2,tcp,80\n10.0.0.2,y,tcp,80\n")
    file = tmp_path / "bad.parquet"
    pa.parquet.write_table(pa.table({"src": ["x"], "dst": ["y"]}), file)
    with pytest.raises(FlowError, match="no records in 1 line"):
        list(open_flows(file))


def test_time_units_by_magnitude(tmp_path):
    cells = ["1795400074", "1795400074000", "1795400074000000", "1795400074000000000",
             "1795400074.0", "2026-11-23T02:14:34Z", "2026-11-23T03:14:34+01:00",
             "2026-11-23t02:14:34.000000z", ""]  # fmt: skip
    rows = "".join(f"1.1.1.1,2.2.2.2,{cell}\n" for cell in cells)
    batch = one(tmp_path, "src,dst,ts\n" + rows)
    assert batch.time.tolist() == [1795400074000000000] * 8 + [NO_TIME]
    assert batch.protocol.tolist() == [UNKNOWN_PROTOCOL] * 9
    assert not batch.dport_known.any()


def test_bytes_that_are_no_text_cost_one_row(tmp_path):
    text = b"src,dst,protocol,port\n1.1.1.1,\xff\xfe,tcp,1\n1.1.1.1,2.2.2.2,tcp,1\n"
    (batch,), stream = read(tmp_path, text)
    assert len(batch) == 1
    assert stream.stats.skipped == {"bad dst address": 1}


def test_large_csv_streams_with_right_lines(tmp_path):
    rows = [f"10.{i >> 16}.{(i >> 8) & 255}.{i & 255},10.0.0.2,tcp,80" for i in range(200_000)]
    rows[77_777] = "bad"
    batches, stream = read(tmp_path, "src,dst,protocol,port\n" + "\n".join(rows) + "\n")
    lines = np.concatenate([batch.line for batch in batches])
    src = np.concatenate([batch.src for batch in batches])
    assert max(len(batch) for batch in batches) <= 65536
    assert len(lines) == 199_999
    assert ((src - (10 << 24)) == lines - 2).all()
    assert stream.stats.lines == 200_000


@pytest.mark.parametrize("kind", ["parquet", "arrow-file", "arrow-stream"])
def test_columnar_files_read_as_csv_does(tmp_path, kind):
    table = pa.table(
        {
            "src_ip": ["10.0.0.1", "fd00::1", None],
            "dst_ip": pa.array(["10.0.0.2", "fd00::2", "1.2.3.4"]).dictionary_encode(),
            "proto": pa.array([6, 17, 6], pa.int8()),
            "dst_port": pa.array([80, None, 1], pa.int32()),
            "timestamp": pa.array([1795400074, None, 0], pa.timestamp("s", "Europe/Berlin")),
            "bytes": pa.array([1.0, None, 2.0]),
        }
    )
    file = tmp_path / "flows.bin"
    if kind == "parquet":
        pa.parquet.write_table(table, file)
    else:
        make = pa.ipc.new_file if kind == "arrow-file" else pa.ipc.new_stream
        with make(str(file), table.schema) as writer:
            writer.write_table(table)
    stream = open_flows(file)
    (batch,) = stream
    assert format_addresses(batch.dst).to_pylist() == ["10.0.0.2", "fd00::2"]
    assert batch.time.tolist() == [1795400074000000000, NO_TIME]
    assert batch.dport_known.tolist() == [True, False]
    assert batch.bytes.tolist() == [1, 0]
    assert batch.line.tolist() == [1, 2]
    assert stream.stats.skipped == {"bad src address": 1}


def test_damaged_parquet(tmp_path):
    file = tmp_path / "flows.parquet"
    file.write_bytes(b"PAR1 and then nothing of use")
    with pytest.raises(FlowError, match="not a readable parquet table"):
        list(open_flows(file))


# --- in memory ---------------------------------------------------------------------------------

U32 = np.array([10 << 24 | 1, 10 << 24 | 2], np.uint32)
TEXT = ["10.0.0.1", "10.0.0.2"]
WIDE = np.array(
    [list(b"\0" * 10 + b"\xff\xff" + ipaddress.ip_address(t).packed) for t in TEXT], np.uint8
)


@pytest.mark.parametrize(
    "src",
    [
        TEXT,
        tuple(TEXT),
        np.array(TEXT),
        np.array(TEXT, object),
        [ipaddress.ip_address(text) for text in TEXT],
        U32,
        U32.astype(np.int64),
        WIDE,
        [row.tobytes() for row in WIDE],
        pa.array([row.tobytes() for row in WIDE], pa.large_binary()),
        [ipaddress.ip_address(text).packed for text in TEXT],
        ["::ffff:10.0.0.1", "::ffff:a00:2"],
        pa.array(TEXT),
        pa.chunked_array([TEXT[:1], TEXT[1:]]),
        pa.array(TEXT).dictionary_encode(),
    ],
    ids=lambda src: f"{type(src).__name__}-{type(src[0]).__name__}",
)
def test_addresses_of_every_kind(src):
    batch = batch_from({"src": src, "dst": src, "protocol": ["tcp", "tcp"], "port": [1, 2]})
    assert batch.src.dtype == np.uint32
    assert batch.src.tolist() == U32.tolist()
    assert batch.line is None


@pytest.mark.parametrize(
    "protocol",
    [["tcp", "udp"], [6, 17], ["tcp", 17], ["6", "UDP"], np.array([6, 17], np.uint8), [6.0, 17.0]],
)
def test_protocols_of_every_kind(protocol):
    batch = batch_from({"src": U32, "dst": U32, "protocol": protocol, "dport": [80, None]})
    assert batch.protocol.tolist() == [6, 17]
    assert batch.dport.tolist() == [80, 0]
    assert batch.dport_known.tolist() == [True, False]


@pytest.mark.parametrize(
    "time",
    [
        [1795400074, None],
        [1795400074.0, None],
        [1795400074000.0, None],
        [datetime(2026, 11, 23, 2, 14, 34, tzinfo=UTC), None],
        np.array(["2026-11-23T02:14:34", "NaT"], "datetime64[ms]"),
        np.array([1795400074, np.nan]),
        ["2026-11-23T02:14:34Z", ""],
    ],
)
def test_times_of_every_kind(time):
    batch = batch_from({"src": U32, "dst": U32, "time": time})
    assert batch.time.tolist() == [1795400074 * 10**9, NO_TIME]


def test_a_time_beyond_the_range_is_bad():
    for time in ([99_999_999_999], [99_999_999_999.5], [-1.0]):
        with pytest.raises(FlowError, match="bad time"):
            batch_from({"src": U32[:1], "dst": U32[:1], "time": time})


def test_flows_list_mapping_and_arrow_agree():
    flows = [
        Flow(src="10.0.0.1", dst="fd00::1", protocol=6, dport=80, time=5 * 10**18),
        Flow(src="10.0.0.1", dst="10.0.0.2", protocol=None, src_pod="a/b", is_reply=True),
    ]
    listed = batch_from(flows)
    mapping = {
        "src": ["10.0.0.1", "10.0.0.1"], "dst": ["fd00::1", "10.0.0.2"], "protocol": ["tcp", None],
        "dport": [80, None], "time": [5 * 10**18, None], "src_pod": [None, "a/b"],
        "is_reply": [False, True],
    }  # fmt: skip
    for other in (mapping, pa.table(mapping), pa.RecordBatch.from_pydict(mapping)):
        batch = batch_from(other)
        assert batch.wide
        for (name, one_), (name2, two) in zip(listed.columns(), batch.columns(), strict=True):
            assert name == name2
            assert np.array_equal(one_, two), name
        assert batch.src_pod == listed.src_pod == [None, "a/b"]
    assert listed.time.tolist() == [5 * 10**18, NO_TIME]
    assert batch_from(listed) is listed


def test_empty_inputs_are_empty_batches():
    assert len(batch_from([])) == 0
    assert len(batch_from({"src": [], "dst": [], "protocol": [], "dport": []})) == 0


@pytest.mark.parametrize(
    ("flows", "message"),
    [
        ({"src": TEXT, "dst": TEXT, "port": [1]}, "columns differ in length"),
        ({"src": TEXT}, "no column for dst"),
        ({"src": TEXT, "dst": ["10.0.0.1", "x"]}, "line 2: bad dst address: src='10.0.0.2'"),
        ({"src": TEXT, "dst": TEXT, "port": [1, 65536]}, "line 2: bad port"),
        ({"src": TEXT, "dst": TEXT, "port": [1, 1.5]}, "line 2: bad port"),
        ({"src": np.zeros((2, 4), np.uint8), "dst": TEXT}, r"is not uint8\[n, 16\]"),
        ({"src": [object(), 1], "dst": TEXT}, "column src|bad src address"),
        (42, "cannot read flows from int"),
        ([1, 2], "cannot read flows from list"),
    ],
)
def test_bad_input_is_named(flows, message):
    with pytest.raises(FlowError, match=message):
        batch_from(flows)


def test_an_odd_row_of_bytes_that_are_no_text_is_counted_too(tmp_path):
    """pyarrow alone gives up on it; characters may be cut anywhere, valid ones stay whole."""
    name = "ü" * 40_000  # more than one read
    flows = b"10.0.0.1,10.0.0.2,tcp,80,shop/%b\n" % name.encode()
    text = b"src,dst,protocol,port,src_pod\n" + flows + b"\xa5\xff\n" + flows + b"x\xe2\x82"
    (batch,), stream = read(tmp_path, text)
    assert batch.src_pod == [f"shop/{name}"] * 2
    assert batch.line.tolist() == [2, 4]
    assert stream.stats.skipped == {"wrong number of cells": 2}
    assert [sample.text for sample in stream.stats.samples] == ["??", "x??"]


@pytest.mark.parametrize("names", ["verdict,recorded-verdict", "Recorded Verdict,VERDICT"])
def test_of_records_of_a_replay_what_was_recorded_counts(names: str) -> None:
    first = names.startswith("R")
    columns = map_columns(["src", "dst", *names.split(",")], Location("f"))
    assert columns["verdict"] == names.split(",")[not first]
    with pytest.raises(FlowError, match="both mean verdict"):
        map_columns(["src", "dst", *names.split(","), "action"], Location("f"))


def test_times_of_flow_objects_are_nanoseconds_whatever_their_size() -> None:
    times = [0, 5, 1_700_000_000, 1_700_000_000_000, -7, (1 << 63) - 1]
    flows = [Flow(src="10.0.0.1", dst="10.0.0.2", protocol=6, time=time) for time in times]
    flows.append(Flow(src="10.0.0.1", dst="10.0.0.2", protocol=6))
    batch = batch_from(flows)
    assert batch.time is not None
    assert batch.time.tolist() == [*times, NO_TIME]
    wrong = replace(flows[0], time=1 << 63)
    with pytest.raises(FlowError, match="bad time: time=9223372036854775808"):
        batch_from([flows[1], wrong])
    timed = replace(flows[1], dst="nowhere")
    with pytest.raises(FlowError, match=r"time=1970-01-01 00:00:00\.000000005"):
        batch_from([timed])
