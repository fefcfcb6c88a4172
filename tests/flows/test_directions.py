"""Tables whose rows may be of either direction are refused, unless something says which."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from netpol.flows.formats.table import directions
from netpol.flows.reader import open_flows
from netpol.model.errors import FlowError

HEADER = "src,dst,protocol,port,sport"
THERE = "10.0.0.1,10.0.0.2,tcp,443,50000"
BACK = "10.0.0.2,10.0.0.1,tcp,50000,443"
OTHER = "10.0.0.3,10.0.0.2,tcp,443,50001"


def read(tmp_path, rows: list[str], header: str = HEADER, **options: object) -> int:
    file = tmp_path / "flows.csv"
    file.write_text("\n".join([header, *rows, ""]))
    return sum(map(len, open_flows(file, **options)))


@pytest.mark.parametrize(
    ("rows", "first", "answer"),
    [
        ([THERE, OTHER, BACK], 2, 4),
        ([BACK, OTHER, THERE], 4, 2),  # whichever comes first
        ([OTHER, OTHER, THERE, BACK, BACK], 4, 5),
    ],
)
def test_a_row_that_answers_another_is_an_error(tmp_path, rows, first, answer):
    with pytest.raises(FlowError) as caught:
        read(tmp_path, rows)
    message = str(caught.value)
    assert f"flows.csv:{answer}: no column is_reply" in message
    assert f"line {answer} is the way back of line {first}" in message
    assert "(tcp 10.0.0.1:50000 -> 10.0.0.2:443)" in message
    assert "is_reply" in message
    assert "--one-way" in message
    assert read(tmp_path, rows, one_way=True) == len(rows)


@pytest.mark.parametrize(
    "rows",
    [
        [THERE, OTHER, THERE],  # the same connection twice
        [THERE, "10.0.0.2,10.0.0.1,udp,50000,443", OTHER],  # another protocol
        [THERE, "10.0.0.2,10.0.0.1,tcp,50001,443", OTHER],  # another port
        [THERE, "10.0.0.2,10.0.0.1,tcp,50000,", OTHER],  # who knows
        ["10.0.0.1,10.0.0.2,udp,7946,7946", "10.0.0.2,10.0.0.1,udp,7946,7946"],  # no client's port
        ["10.0.0.1,10.0.0.2,icmp,,", "10.0.0.2,10.0.0.1,icmp,,"],
        ["fd00::1,fd00::2,tcp,443,50000", "fd00::2,fd00::3,tcp,50000,443", OTHER],
    ],
)
def test_rows_of_one_direction_are_read(tmp_path, rows):
    assert read(tmp_path, rows) == len(rows)


def test_ipv6_and_mapped_ipv4(tmp_path):
    six = ["fd00::1,fd00::2,tcp,443,50000", "fd00::2,fd00::1,tcp,50000,443"]
    with pytest.raises(FlowError, match=r"\(tcp \[fd00::1\]:50000 -> \[fd00::2\]:443\)"):
        read(tmp_path, six)
    # The other direction stands in a batch of its own, whose layout is another.
    far = [THERE] + ["10.0.0.3,10.0.0.2,tcp,443,50001"] * 70_000 + [six[0], BACK]
    with pytest.raises(FlowError, match="line 70004 is the way back of line 2 "):
        read(tmp_path, far)


def test_a_mark_settles_it(tmp_path):
    header = f"{HEADER},is_reply"
    assert read(tmp_path, [f"{THERE},", f"{BACK},true", f"{BACK},"], header) == 3
    assert read(tmp_path, [f"{THERE},false", f"{BACK},"], header) == 2


def test_a_mark_that_says_nothing_settles_nothing(tmp_path):
    with pytest.raises(FlowError, match="line 3 is the way back of line 2"):
        read(tmp_path, [f"{THERE},", f"{BACK},"], f"{HEADER},is_reply")


def test_a_mark_may_come_late(tmp_path):
    rows = [f"{THERE},", f"{BACK},"] + [f"{OTHER},"] * 70_000 + [f"{BACK},yes"]
    assert read(tmp_path, rows, f"{HEADER},is_reply") == len(rows)


def test_mostly_answers_is_an_error(tmp_path):
    backs = [f"10.0.0.2,10.0.0.{i},tcp,5000{i},443" for i in (1, 2, 3)]
    with pytest.raises(FlowError) as caught:
        read(tmp_path, [OTHER, *backs])
    message = str(caught.value)
    assert "flows.csv:3: no column is_reply" in message
    assert "3 of 4 rows go from a server's port to a client's" in message
    assert "(first: tcp 10.0.0.2:443 -> 10.0.0.1:50001)" in message
    assert read(tmp_path, [OTHER, *backs], one_way=True) == 4
    assert read(tmp_path, [OTHER, OTHER, OTHER, *backs]) == 6  # half is not most
    assert read(tmp_path, ["10.0.0.1,10.0.0.2,tcp,50051,50000"]) == 1  # a server up there


def test_rows_without_source_ports(tmp_path):
    header = "src,dst,protocol,port"
    there = [f"10.0.0.{i},10.0.0.200,tcp,443" for i in range(1, 40)]
    back = [f"10.0.0.200,10.0.0.{i},tcp,{40000 + i}" for i in range(1, 40)]
    with pytest.raises(FlowError, match=r"flows\.csv:41: .* more than a third of the rows"):
        read(tmp_path, there + back, header)
    assert read(tmp_path, there + back, header, one_way=True) == 78
    assert read(tmp_path, there + back[:10], header) == 49
    assert read(tmp_path, back, header) == 39  # nobody asks: ports of servers up there


def test_other_tables_than_csv(tmp_path):
    file = tmp_path / "flows.parquet"
    ends = ["10.0.0.1", "10.0.0.2"]
    table = {"src": ends, "dst": ends[::-1], "protocol": [6, 6], "port": [443, 50000]}
    pa.parquet.write_table(pa.table(table | {"sport": [50000, 443]}), file)
    with pytest.raises(FlowError, match="row 2 is the way back of row 1"):
        list(open_flows(file))
    assert sum(map(len, open_flows(file, one_way=True))) == 2


def test_answers_far_away_are_found_in_bounded_memory(tmp_path, monkeypatch):
    """Whichever connections are kept, both directions of them are."""
    monkeypatch.setattr(directions, "CONNECTIONS", 1000)
    rng = np.random.default_rng(4)
    count = 200_000
    ends = rng.integers(1 << 24, 1 << 31, (2, count)).astype(np.uint32)
    sport = rng.integers(32768, 60999, count).astype(np.uint16)
    port = np.full(count, 443, np.uint16)
    one_way = pa.table(
        {"src": ends[0], "dst": ends[1], "protocol": np.full(count, 6, np.uint8),
         "port": port, "sport": sport}
    )  # fmt: skip
    back = pa.table(
        {"src": ends[1], "dst": ends[0], "protocol": np.full(count, 6, np.uint8),
         "port": sport, "sport": port}
    ).slice(0, count // 10)  # fmt: skip
    file = tmp_path / "flows.parquet"
    pa.parquet.write_table(one_way, file)
    assert sum(map(len, open_flows(file))) == count
    pa.parquet.write_table(pa.concat_tables([one_way, back]), file)
    with pytest.raises(FlowError, match=r"row 2\d{5} is the way back of row \d+"):
        list(open_flows(file))


def test_sample_stays_small(monkeypatch):
    monkeypatch.setattr(directions, "CONNECTIONS", 64)
    sample = directions._Sample()
    rng = np.random.default_rng(5)
    for start in range(0, 5000, 500):
        codes = rng.integers(0, 1 << 63, 500).astype(np.uint64)
        sample.add(codes, np.arange(start, start + 500))
        assert len(sample.codes) <= 64
        assert (np.diff(sample.codes.astype(object)) > 0).all()
    assert len(sample.codes) > 16


def test_unmarked_answers_are_counted(tmp_path):
    file = tmp_path / "flows.csv"
    rows = [f"{THERE},false", f"{BACK},", f"{BACK},true", "10.0.0.9,10.0.0.1,tcp,50000,9999,"]
    file.write_text("\n".join([f"{HEADER},is_reply", *rows, ""]))
    stream = open_flows(file)
    list(stream)
    # 9999 is no port that anything was seen to serve.
    assert stream.stats.suspected_reversed == 1
