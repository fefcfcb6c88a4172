"""Arrow IPC that unpacks to far more than it takes is refused before anything is allocated."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import netpol
from limits_support import limited
from netpol.flows.formats.table.arrow_messages import (
    DamagedMessageError,
    blocks_of,
    message_of,
    unpacked,
)
from netpol.model.errors import FlowError

FORMS = {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}
LIE = (1 << 40).to_bytes(8, "little")


def written(form: str, table: Any, compression: str | None) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with FORMS[form](sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def flows(count: int, *, dictionary: bool = False) -> Any:
    addresses = pa.array([f"10.0.{n >> 8}.{n & 255}" for n in range(count)])
    if dictionary:
        addresses = addresses.dictionary_encode()
    ports = pa.array(np.full(count, 80, np.int32))
    return pa.table({"src": addresses, "dst": addresses, "dport": ports})


def rows_of(path: Path) -> int:
    return sum(len(batch) for batch in netpol.open_flows(str(path), one_way=True))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("compression", ["zstd", "lz4", None])
@pytest.mark.parametrize("dictionary", [False, True])
def test_honest_ones_are_read(
    form: str, compression: str | None, dictionary: bool, tmp_path: Path
) -> None:
    path = tmp_path / "flows.arrow"
    path.write_bytes(written(form, flows(5000, dictionary=dictionary), compression))
    assert rows_of(path) == 5000


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("compression", ["zstd", "lz4"])
@pytest.mark.parametrize(
    ("dictionary", "told"), [(False, 5000 * 4), (True, 5001 * 4)], ids=["records", "dictionary"]
)
def test_a_length_that_is_a_lie(
    form: str, compression: str, dictionary: bool, told: int, tmp_path: Path
) -> None:
    """Of the ports, or of the offsets of a dictionary's words."""
    content = written(form, flows(5000, dictionary=dictionary), compression)
    assert told.to_bytes(8, "little") in content
    path = tmp_path / "flows.arrow"
    path.write_bytes(content.replace(told.to_bytes(8, "little"), LIE))
    with pytest.raises(FlowError, match=r"(message|part) \d unpacks to 1\d{12} bytes") as caught:
        rows_of(path)
    assert caught.value.location.file == str(path)


@pytest.mark.parametrize("form", FORMS)
def test_a_bomb_takes_little_memory(form: str, tmp_path: Path) -> None:
    """400 MB of zeros in 13 kB or so: an IPC message may unpack to as much as it likes."""
    ports = pa.array(np.zeros(100 << 20, np.int32))
    table = pa.table({"src": pa.nulls(len(ports)), "dst": pa.nulls(len(ports)), "dport": ports})
    path = tmp_path / "flows.arrow"
    path.write_bytes(written(form, table, "zstd"))
    assert path.stat().st_size < 1 << 16
    lab = Path("examples/lab")
    done = limited("replay", str(path), "-c", f"{lab}/cluster.json", "-p", f"{lab}/policies")
    assert done.returncode == 2, done.stderr
    assert f"{400 << 20} bytes" in done.stderr


# --- the lengths themselves ---------------------------------------------------------------------


def metadata_of(content: bytes) -> list[tuple[bytes, bytes]]:
    """Give metadata and body of each message of a stream, as pyarrow takes it apart."""
    reader = pa.ipc.MessageReader.open_stream(io.BytesIO(content))
    found = []
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return found
        found.append((message.metadata.to_pybytes(), message.body.to_pybytes()))


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_what_is_told_is_what_it_unpacks_to(compression: str, dictionary: bool) -> None:
    table = flows(5000, dictionary=dictionary)
    plain = metadata_of(written("stream", table, None))
    packed = metadata_of(written("stream", table, compression))
    assert len(plain) == len(packed)
    for (_, whole), (metadata, body) in zip(plain, packed, strict=True):
        message = message_of(metadata)
        assert message.body_length == len(body)
        told = unpacked(message, lambda first, count, body=body: body[first : first + count])
        assert len(whole) - 8 * 64 <= told <= len(whole)  # which is padded


def test_messages_of_a_file_are_found() -> None:
    table = flows(3000, dictionary=True)
    content = written("file", pa.concat_tables([table, table]), "zstd")
    length = int.from_bytes(content[-10:-6], "little")
    blocks = blocks_of(content[-10 - length : -10])
    assert len(blocks) == 2 + 2  # dictionaries, batches
    for first, size in blocks:
        assert content[first : first + 4] == b"\xff\xff\xff\xff"
        assert message_of(content[first + 8 : first + size]).buffers


METADATA = [
    metadata for metadata, _ in metadata_of(written("stream", flows(9, dictionary=True), "zstd"))
]


@given(st.sampled_from(METADATA), st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255))))
def test_changed_metadata_is_read_or_refused(
    metadata: bytes, changes: list[tuple[int, int]]
) -> None:
    changed = bytearray(metadata)
    for place, value in changes:
        changed[place % len(changed)] = value
    for read in (message_of, blocks_of):
        with suppress(DamagedMessageError):
            read(bytes(changed))
