"""Text that is not UTF-8: what begins with a byte order mark is decoded, what has none is named."""

from __future__ import annotations

import codecs
import gzip
import io

import pytest

from netpol.dns.read import read_dns
from netpol.flows.reader import open_flows
from netpol.io.stream import Source
from netpol.model.errors import FlowError

CONNTRACK = (
    "tcp      6 86 TIME_WAIT src=10.0.0.1 dst=10.0.0.2 sport=42000 dport=8080 "
    "src=10.0.0.2 dst=10.0.0.1 sport=8080 dport=42000 [ASSURED] mark=0 use=1\r\n"
)
TABLE = "src,dst,protocol,port,comment\r\n10.0.0.1,10.0.0.2,tcp,80,\u00fcber\U0001f600\r\n"
MARKED = ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"]


def marked(text: str, encoding: str) -> bytes:
    data = text.encode(encoding)
    return codecs.BOM_UTF16_BE + data if encoding == "utf-16-be" else data


@pytest.mark.parametrize("encoding", MARKED)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("text", [CONNTRACK, TABLE])
def test_marked_text_is_read(tmp_path, encoding, pack, text):
    file = tmp_path / "flows"
    file.write_bytes(pack(marked(text, encoding)))
    (batch,) = open_flows(file, strict=True)
    assert batch.dport.tolist() == [8080 if text is CONNTRACK else 80]
    assert batch.line.tolist() == [1 if text is CONNTRACK else 2]


@pytest.mark.parametrize("encoding", MARKED)
def test_all_of_a_long_text_is_decoded(tmp_path, encoding):
    """Pieces end within characters and surrogates, and reads take any number of bytes."""
    text = "".join(f"{i} \u00fc\u20ac\U0001f600\n" for i in range(30_000))
    file = tmp_path / "long"
    file.write_bytes(marked(text, encoding))
    with Source(str(file)) as source:
        pieces = []
        buffer = bytearray(777)
        while n := source.readinto(memoryview(buffer)):
            pieces.append(bytes(buffer[:n]))
        assert b"".join(pieces) == text.encode()
        assert source.bytes_read == len(text.encode())
        assert source.plain_path is None


@pytest.mark.parametrize("encoding", MARKED)
def test_dedup_of_marked_standard_input(tmp_path, monkeypatch, encoding):
    class Stdin:
        buffer = io.BytesIO(marked(CONNTRACK, encoding))

    monkeypatch.setattr("sys.stdin", Stdin)
    (batch,) = open_flows("-", dedup=True)
    assert len(batch) == 1


@pytest.mark.parametrize("encoding", MARKED)
def test_dns_logs_are_decoded(tmp_path, encoding):
    file = tmp_path / "dns.csv"
    file.write_bytes(marked("name,address\r\na.example,203.0.113.7\r\n", encoding))
    assert len(read_dns([file]).answers) == 1


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [CONNTRACK, TABLE])
def test_text_without_a_mark_is_named(tmp_path, encoding, text):
    file = tmp_path / "flows"
    file.write_bytes(text.encode(encoding))
    name = encoding.upper().replace("UTF-16-", "UTF-16")
    with pytest.raises(FlowError, match=f"{name} without a byte order mark; .*iconv -f {name}"):
        list(open_flows(file))


def test_broken_utf16_is_no_traceback(tmp_path):
    file = tmp_path / "flows"
    file.write_bytes(codecs.BOM_UTF16_LE + b"\x00\xd8a\0b")
    with pytest.raises(FlowError, match="not a flow log"):
        list(open_flows(file))
