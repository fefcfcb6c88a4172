"""Opening: what is recognised, what is refused, and how errors name the input."""

from __future__ import annotations

import gzip
import io
import sys

import pyarrow as pa
import pytest

from netpol.flows.reader import open_flows
from netpol.model.errors import ConfigError, FlowError

from .support import dump, path

LINE = dump("n1.L.noacct.txt").splitlines()[0] + b"\n"
NOTHING = b"conntrack v1.4.7 (conntrack-tools): 0 flow entries have been shown.\n"


def count(*paths: object, **options: object) -> int:
    return sum(len(batch) for batch in open_flows([str(p) for p in paths], **options))


def test_compression_is_found_by_content(tmp_path):
    text = dump("n1.L.txt")
    for name, data in {
        "plain": text,
        "gz": gzip.compress(text),
        "members": gzip.compress(text[:30000]) + gzip.compress(text[30000:]),
        "zst": pa.Codec("zstd").compress(text, asbytes=True),
    }.items():
        file = tmp_path / name
        file.write_bytes(data)
        assert count(file) == 344, name


def test_truncated_and_damaged_compression(tmp_path):
    text = dump("bulk.proc.txt")
    whole = gzip.compress(text)
    zstd = pa.Codec("zstd").compress(text, asbytes=True)
    for name, data in {
        "cut.gz": whole[:-5],
        "half.gz": whole[: len(whole) // 2],
        "odd.gz": whole[:5000] + b"\0\0\0\0" + whole[5004:],
        "crc.gz": whole[:-8] + b"\1\2\3\4" + whole[-4:],
        "half.zst": zstd[: len(zstd) // 2],
    }.items():
        file = tmp_path / name
        file.write_bytes(data)
        with pytest.raises(FlowError, match=rf"{name}: (compressed data ends|damaged compressed)"):
            count(file)


def test_standard_input(monkeypatch):
    for data, dedup in ((dump("n1.L.txt"), False), (gzip.compress(dump("n1.L.txt")), True)):
        stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(data)))
        monkeypatch.setattr(sys, "stdin", stdin)
        stream = open_flows("-", dedup=dedup)
        assert sum(len(batch) for batch in stream) == 344
        assert not stdin.buffer.closed


def test_batches_name_their_input_and_keep_order():
    files = [path("n2.L.extended.txt"), path("n1.L.noacct.txt")]
    stream = open_flows(files)
    assert [(batch.file, len(batch)) for batch in stream] == [(files[0], 160), (files[1], 11)]
    assert (stream.stats.records, stream.stats.batches) == (171, 2)
    assert [len(batch) for batch in stream] == [160, 11]  # iterating again reads again
    assert stream.stats.records == 171


REFUSED = {
    b"": "no records: the file is empty",
    b"\n\n  \n": "no records: the file is empty",
    dump("n1.L.xml")[:2000]: "conntrack XML",
    dump("n1.L.save.txt"): "-o save",
    dump("n1.L.stderr.txt"): "no records in 1 line",
    dump("n1.L.expect.txt"): "no records in 1 line: 1 of conntrack's table of expected connections",
    b"\xd4\xc3\xb2\xa1\x02\0\x04\0": "packet capture",
    b"\x0a\x0d\x0d\x0a\0\0": "packet capture",
    b"\xfd7zXZ\0\0": "compressed with xz",
    b"\x7fELF\x02\x01\x01\0\0\0": "binary data",
    bytes(range(256)) * 8: "binary data",
    b'{"flow":{"time":"2026"}}\n': "JSON",
    b'[\n{"first": 1}]': "JSON",
    b"2026-11-23 02:14:37.771     00:00:00.000 TCP        10.244.1.10:46500 ->   10.2.2.4:7 1\n":
        "nfdump",
    b"ts,te,td,sa,da,sp,dp,pr\n": "nfdump CSV",
    b"#separator \\x09\n": "Zeek",
    b"version account-id interface-id srcaddr dstaddr\n": "AWS VPC",
    b"hello\nworld\n": "not a flow log that netpol knows .it begins 'hello'",
    b"src,dst,protocol,port\n": "no records",
}  # fmt: skip


@pytest.mark.parametrize("data", REFUSED, ids=[text[:18] for text in REFUSED.values()])
def test_what_is_refused_is_named(tmp_path, data):
    file = tmp_path / "input"
    file.write_bytes(data)
    with pytest.raises(FlowError, match=REFUSED[data]) as caught:
        count(file)
    assert str(file) in str(caught.value)


def test_unreadable_paths(tmp_path):
    with pytest.raises(FlowError, match="no such file"):
        count(tmp_path / "absent")
    with pytest.raises(FlowError, match="is a directory"):
        count(tmp_path)


def test_bad_lines_are_counted_sampled_and_fatal_if_strict(tmp_path):
    file = tmp_path / "dump"
    file.write_bytes(LINE + b"kubectl exec says hello\n" * 20 + LINE)
    stream = open_flows(file)
    assert sum(len(batch) for batch in stream) == 2
    assert stream.stats.skipped == {"not a conntrack line": 20}
    assert len(stream.stats.samples) == 10
    sample = stream.stats.samples[0]
    assert (sample.file, sample.line, sample.text) == (str(file), 2, "kubectl exec says hello")
    with pytest.raises(FlowError, match="dump:2: not a conntrack line: 'kubectl exec says hello'"):
        count(file, strict=True)


def test_named_format_beats_content(tmp_path):
    file = tmp_path / "dump"
    file.write_bytes(b"nothing of use\n")
    with pytest.raises(FlowError, match=r"no records in 1 line \(1 not a conntrack line\)"):
        count(file, format="conntrack")


def test_lines_without_end_need_little_memory(tmp_path):
    file = tmp_path / "dump"
    file.write_bytes(LINE + b"z" * (5 << 20) + b"\n" + LINE)
    stream = open_flows(file)
    (batch,) = stream
    assert batch.line.tolist() == [1, 3]
    assert stream.stats.skipped == {"line too long": 1}


@pytest.mark.parametrize(
    ("paths", "options", "message"),
    [
        ([], {}, "no flow logs"),
        (["-", "-"], {}, "only once"),
        (["x"], {"format": "xml"}, "not one of auto, conntrack"),
        (["x"], {"format": "csv", "dedup": True}, "dedup needs conntrack"),
    ],
)
def test_arguments_that_make_no_sense(paths, options, message):
    with pytest.raises(ConfigError, match=message):
        open_flows(paths, **options)


def test_dedup_refuses_tables(tmp_path):
    file = tmp_path / "flows.csv"
    file.write_text("src,dst\n1.1.1.1,2.2.2.2\n")
    with pytest.raises(FlowError, match="dedup needs conntrack"):
        count(file, dedup=True)


@pytest.mark.parametrize("dedup", [False, True])
@pytest.mark.parametrize("text", [b"", b"\n\n", NOTHING, b"2026-11-30T12:00:00Z stdout F \n"])
def test_an_empty_dump_among_others_is_a_warning(tmp_path, text: bytes, dedup: bool):
    empty, dump_file = tmp_path / "empty", tmp_path / "dump"
    empty.write_bytes(text)
    dump_file.write_bytes(LINE)
    stream = open_flows([empty, dump_file, empty], dedup=dedup)
    assert sum(len(batch) for batch in stream) == 1
    assert stream.stats.empty == [str(empty)] * 2
    assert not stream.stats.skipped
    assert sum(len(batch) for batch in stream) == 1  # again
    with pytest.raises(FlowError, match=r"empty: no records"):
        count(empty, dedup=dedup)
    with pytest.raises(FlowError, match=r"empty: no records in any of the logs"):
        count(empty, empty, dedup=dedup)


def test_a_log_of_nothing_but_bad_lines_is_an_error_among_others_too(tmp_path):
    for bad in (b"hello\n", dump("n1.L.expect.txt")):
        (tmp_path / "bad").write_bytes(bad)
        (tmp_path / "dump").write_bytes(LINE)
        with pytest.raises(FlowError, match="bad: no records in 1 line"):
            count(tmp_path / "dump", tmp_path / "bad", format="conntrack")


def test_an_error_about_a_log_without_records_shows_the_first_line(tmp_path):
    file = tmp_path / "dump"
    file.write_bytes(b"\x1b[31m" + b"x" * 100 + b"\nhello\n")
    with pytest.raises(FlowError) as caught:
        count(file, format="conntrack")
    assert "(1 binary data, 1 not a conntrack line)" in str(caught.value)
    assert "the first is line 1: '\\x1b[31mxxx" in str(caught.value)
    assert len(str(caught.value)) < 300
