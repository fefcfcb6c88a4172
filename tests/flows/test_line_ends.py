"""What a line is, in every log: ends, what must not stand in one, and those that are too long."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from cli_support import GUIDE, process, run
from fuzz.targets import lines as target
from netpol._core.conntrack import MAX_LINE, Scanner
from netpol.dns.read import read_dns
from netpol.flows.formats.conntrack.text import read_entries
from netpol.flows.reader import open_flows
from netpol.io.stream import Source
from netpol.model.errors import FlowError
from netpol.model.read_stats import ReadStats

LINE = (
    b"tcp      6 86 TIME_WAIT src=10.0.0.1 dst=10.0.0.2 sport=42000 dport=8080 "
    b"src=10.0.0.2 dst=10.0.0.1 sport=8080 dport=42000 [ASSURED] mark=0 use=1"
)
TABLE = b"src,dst,protocol,port,comment\n10.0.0.1,10.0.0.2,tcp,80,\n10.0.0.3,10.0.0.2,tcp,81,x\n"
DNS = b"name,address\na.example.com,10.0.0.1\nb.example.com,10.0.0.2\n"
DNS_JSON = b'{"name":"a.example.com","address":"10.0.0.1"}\n{"name":"b.example.com"}\n'
LONG = b"x" * 70_000


def read(path: Path, data: bytes, kind: str = "auto") -> tuple[list[int], ReadStats]:
    path.write_bytes(data)
    stream = open_flows(path, format=kind)
    return [line for batch in stream for line in batch.line.tolist()], stream.stats


# --- ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["auto", "conntrack"])
def test_conntrack_text_with_cr_alone_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(FlowError, match=r"its lines end with CR alone.*tr '\\r' '\\n'"):
        read(tmp_path / "f", (LINE + b"\r") * 3, kind)


def test_a_last_line_cut_inside_its_end_is_no_old_mac(tmp_path: Path) -> None:
    assert read(tmp_path / "f", LINE + b"\r")[0] == [1]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_tables_have_any_line_end(tmp_path: Path, end: bytes) -> None:
    lines, stats = read(tmp_path / "f", TABLE.replace(b"\n", end))
    assert lines == [2, 3]
    assert stats.lines == 2


@pytest.mark.parametrize("place", [1, 5, 20, 70, 100, 140])
def test_a_cr_inside_a_record_costs_the_line(tmp_path: Path, place: int) -> None:
    broken = LINE[:place] + b"\r" + LINE[place:]
    lines, stats = read(tmp_path / "f", LINE + b"\n" + broken + b"\n" + LINE + b"\n")
    assert lines == [1, 3]
    assert stats.skipped.total() == 1
    assert [sample.line for sample in stats.samples] == [2]


def test_two_records_with_a_cr_between_are_not_one(tmp_path: Path) -> None:
    lines, stats = read(tmp_path / "f", LINE + b"\r" + LINE + b"\n" + LINE + b"\n")
    assert lines == [2]
    assert stats.skipped == {"binary data": 1}


@pytest.mark.parametrize(
    "header",
    [
        b"src,dst\rprotocol,port",
        b'"src\r",dst,protocol,port',
        b"\rsrc,dst\r",
        b"\r",
        b'src,dst,"a\r',
    ],
)
@pytest.mark.parametrize("kind", ["auto", "csv"])
def test_a_cr_in_a_header_is_an_error_that_says_what(
    tmp_path: Path, header: bytes, kind: str
) -> None:
    with pytest.raises(FlowError):
        read(tmp_path / "f", header + b"\n10.0.0.1,10.0.0.2,tcp,80\n", kind)


def test_dns_logs_with_cr_alone(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(DNS.replace(b"\n", b"\r"))
    assert len(read_dns(path).answers) == 2
    path.write_bytes(DNS_JSON.replace(b"\n", b"\r"))
    with pytest.raises(FlowError, match="its lines end with CR alone"):
        read_dns(path)
    query = b'10.0.0.1:5 - 9 "A IN a.example.com. udp 40 false 512" NOERROR qr 100 0.1s\r'
    path.write_bytes(b"[INFO] " + query + b"[INFO] " + query)
    with pytest.raises(FlowError, match="its lines end with CR alone"):
        read_dns(path)


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
def test_a_table_from_a_slow_pipe(size: int) -> None:
    """A read that gives less than a line is no block of its own."""

    class Slow(io.BufferedReader):
        def read1(self, n: int = -1) -> bytes:
            return super().read1(size)

        def readinto(self, buffer: memoryview) -> int:
            return super().readinto(memoryview(buffer)[:size])

    from netpol.flows.formats.table.table import read_table

    text = TABLE + b"10.0.0.1,10.0.0.2,tcp,80," + LONG + b"\n" + b"10.0.0.1,10.0.0.2,tcp,bad,\n"
    stats = ReadStats()
    with Source("-", Slow(io.BytesIO(text))) as source:  # type: ignore[arg-type]
        batches = list(read_table(source, "csv", stats, one_way=True))
    assert [line for batch in batches for line in batch.line.tolist()] == [2, 3, 4]
    assert [sample.line for sample in stats.samples] == [5]


# --- quotes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "hidden"),
    [(b'"a\nb"', 1), (b'"a\r\nb\rc"', 2), (b'"never closed', 2), (b'"\n\n\n"', 3)],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_rows_hidden_in_a_quoted_cell_are_an_error(
    tmp_path: Path, cell: bytes, hidden: int, end: bytes
) -> None:
    text = TABLE.replace(b"80,", b"80," + cell) + b"10.0.0.4,10.0.0.2,tcp,82,\n"
    with pytest.raises(FlowError, match=f"quote that is not closed: {hidden} lines are hidden"):
        read(tmp_path / "f", text.replace(b"\n", end) if b"\r" not in cell else text)


def test_quotes_that_hide_nothing_are_read(tmp_path: Path) -> None:
    text = TABLE.replace(b"80,", b'80,"a ""b"", c"').replace(b",x", b',5" disk')
    assert read(tmp_path / "f", text)[0] == [2, 3]
    assert read(tmp_path / "f", text[:-1])[0] == [2, 3]
    assert read(tmp_path / "f", text + b"\n\r\n")[0] == [2, 3]


def test_rows_hidden_in_a_dns_table_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(
        DNS.replace(b"name,address", b"name,address,c") + b'c.example.com,10.0.0.3,"x\n'
    )
    path.write_bytes(b'name,address,c\na.example.com,10.0.0.1,"x\nb.example.com,10.0.0.2,\n')
    with pytest.raises(FlowError, match="hidden in other rows"):
        read_dns(path)


# --- NUL, and what is no text -------------------------------------------------------------------


@pytest.mark.parametrize("nuls", [1, 9, 4096])
def test_nuls_in_a_log_cost_their_line(tmp_path: Path, nuls: int) -> None:
    zeros = b"\0" * nuls
    lines, stats = read(tmp_path / "f", LINE + b"\n" + zeros + LINE + b"\n" + LINE + b"\n")
    assert lines == [1, 3]
    assert [(x.line, x.cause) for x in stats.samples] == [(2, "binary data")]
    row = b"10.0.0.1," + zeros + b"10.0.0.2,tcp,80,\n"
    lines, stats = read(tmp_path / "f", TABLE + row + TABLE.split(b"\n")[1] + b"\n")
    assert lines == [2, 3, 5]
    assert [(x.line, x.cause) for x in stats.samples] == [(4, "bad dst address")]
    lines, stats = read(tmp_path / "f", TABLE + zeros + b"\n" + TABLE.split(b"\n")[1] + b"\n")
    assert lines == [2, 3, 5]
    assert [x.line for x in stats.samples] == [4]


def test_nuls_in_a_dns_log_cost_their_line(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for text in (DNS, DNS_JSON):
        path.write_bytes(text + b"\0" * 9 + b"\n" + text.split(b"\n")[1] + b"\n")
        stats = ReadStats()
        read_dns(path, stats=stats)
        assert stats.skipped.total() == 1


@pytest.mark.parametrize("text", [LINE + b"\n", TABLE, DNS])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_wide_text_without_a_mark_is_refused(tmp_path: Path, text: bytes, encoding: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(text.decode().encode(encoding))
    with pytest.raises(FlowError):
        list(open_flows(path))
    with pytest.raises(FlowError):
        read_dns(path)


# --- too long -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [MAX_LINE, MAX_LINE + 1, 70_000, 1 << 20, 3_000_001])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("fast", [True, False])
def test_a_last_line_that_is_too_long_is_skipped_with_its_number(
    length: int, end: bytes, fast: bool
) -> None:
    text = LINE + b"\n" + b"y" * length + end
    for block in (1 << 18, 1 << 20):
        stats = ReadStats()
        with Source("-", io.BufferedReader(io.BytesIO(text))) as source:  # type: ignore[arg-type]
            entries = read_entries(source, stats, block_bytes=block, fast=fast)
            assert sum(entry.rows for entry in entries) == 1
        too_long = length + len(end.rstrip(b"\n")) > MAX_LINE
        cause = "line too long" if too_long else "not a conntrack line"
        assert stats.skipped == {cause: 1}
        assert [(sample.line, sample.cause) for sample in stats.samples] == [(2, cause)]
        assert stats.lines == 2


def test_a_line_that_is_too_long_counts_once_wherever_it_is_cut() -> None:
    text = LINE + b"\n" + LONG + b"\n" + LINE + b"\nbad"
    for cut in (len(LINE), len(LINE) + 1, 5000, 65_536, 65_700, 70_000, len(text) - 5, len(text)):
        scanner = Scanner(10)
        done = scanner.scan(text, 0, cut, False)
        done = scanner.scan(text, done, len(text), False)
        lines = [line for line, *_ in scanner.errors()]
        assert scanner.scan(text, done, len(text), True) == len(text)
        lines += [line for line, *_ in scanner.errors()]
        assert (scanner.rows, scanner.lines) == (2, 4)
        assert scanner.columns["line"][:2].tolist() == [1, 3]
        assert lines[-1] == 4


def test_the_end_of_a_line_that_is_too_long_may_be_the_end_of_all() -> None:
    """What was told of the line is complete when nothing more comes, however that is said."""
    for parts in (1, 2):
        scanner = Scanner(10)
        text = LONG * parts
        assert scanner.scan(text, 0, len(text), False) == len(text)
        assert scanner.lines == 0
        assert scanner.scan(text, len(text), len(text), True) == len(text)
        assert scanner.lines == 1
        assert scanner.between_lines
        assert scanner.scan(text, len(text), len(text), True) == len(text)
        assert scanner.lines == 1


@pytest.mark.usefixtures("in_examples")
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("stdin", [False, True])
def test_every_way_to_replay_says_where_the_long_line_is(
    tmp_path: Path, pack: type[bytes], jobs: str, stdin: bool
) -> None:
    path = tmp_path / "log"
    text = (LINE + b"\n") * 3 + LONG + b"\n" + LINE + b"\n" + LONG
    path.write_bytes(pack(text))
    for way in ("json", "jsonl"):
        words = ["replay", "-" if stdin else str(path), *GUIDE, "-j", jobs, "-o", way]
        if stdin:
            done = process(*words, input=path.read_bytes(), capture_output=True)
            code, out, said = done.returncode, done.stdout, done.stderr.decode()
        else:
            result = run(*words)
            code, out, said = result.exit_code, result.stdout_bytes, result.stderr
        assert code == 0, said
        if way == "jsonl":
            assert out.count(b"\n") == 4
            assert ":4: line too long" in said
            assert ":6: line too long" in said
            continue
        reader = json.loads(out)["reader"]
        assert reader["lines"] == 6
        assert reader["skipped"] == {"line too long": 2}
        assert [sample["line"] for sample in reader["samples"]] == [4, 6]


@pytest.mark.parametrize("seed", target.seeds(), ids=bytes.hex)
def test_lines_agree_however_they_are_given(seed: bytes) -> None:
    target.one(seed)
