"""Saved engines: whatever a file or a pickle says is refused, or used without a wild read.

Each change here passed the checks of ranges alone and crashed, or hung, or came to an id that
nobody has.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netpol
from fuzz.targets import engine as target
from netpol.engine.engine import _unpickle
from netpol.model.errors import InputError

Arrays = dict[str, Any]


def saved(kind: str = "dense") -> tuple[Arrays, bytes]:
    arrays, meta = target._saved()[kind]
    return {name: array.copy() for name, array in arrays.items()}, meta


def empty_slot_with_a_key(a: Arrays) -> None:
    table = a["v6_hash"]
    table[np.flatnonzero(table[:, 2] == 0xFFFFFFFF)[0], :2] = 0x20010DB8 << 32, 1


def one_address_in_both_slots(a: Arrays) -> None:
    table = a["v6_hash"].reshape(-1, 2, 4)
    bucket = np.flatnonzero(table[:, 0, 2] != 0xFFFFFFFF)[0]
    table[bucket, 1] = table[bucket, 0]


def address_where_nobody_looks(a: Arrays) -> None:
    a["v6_hash"] = np.roll(a["v6_hash"], 8, axis=0)


def other_byte_order(a: Arrays) -> None:
    a["port_lookup"] = a["port_lookup"].astype(">u2")


def local_entry_without_others(a: Arrays) -> None:
    entries = a["service_entries"]
    entries[np.flatnonzero(entries[: a["service_keys"].size, 2] & 128 == 0)[0], 2] |= 128


def no_local_entries(a: Arrays) -> None:
    others = (a["service_locals"] & np.uint64(0xFFFFFFFF)) == 0
    a["service_locals"][np.flatnonzero(others)[0]] += np.uint64(1)


def hash_of_services_without_a_key(a: Arrays) -> None:
    slots = a["service_slots"]
    filled = np.flatnonzero(slots)
    slots[filled[0]] = slots[filled[1]]


def a_row_reaches_into_the_next(a: Arrays) -> None:
    a["rows_ingress"][2, 1] += 1


def two_prefixes_in_one_block(a: Arrays) -> None:
    root = a["v4_root"]
    root[np.flatnonzero(root < 1 << 31)[:50000]] = root[np.flatnonzero(root >= 1 << 31)[0]]


def own_label_column(a: Arrays) -> None:
    a["pod_parts"][:, 1] = 1
    pods = a["endpoint_parts"][:, 6] != 0
    a["endpoint_parts"][pods, 1] = 1


def verdict_three(a: Arrays) -> None:
    a["decision_info"][-1] |= 3


def kind_that_is_none(a: Arrays) -> None:
    a["endpoint_links"][0, 7] = 9


def ambiguous_of_itself(a: Arrays) -> None:
    links = a["endpoint_links"]
    ambiguous = int(np.flatnonzero(links[:, 7] == 4)[0])
    a["alternatives"][links[ambiguous, 0]] = ambiguous


def huge_group(a: Arrays) -> None:
    a["endpoint_links"][0, 3] = 0xFFFFFFF0


def decision_of_the_other_side(a: Arrays) -> None:
    split = int(a["pairs_ingress"].min())
    a["runs"][:split] = a["runs"][-1]


def unsorted_segments(a: Arrays) -> None:
    links = a["endpoint_links"]
    timed = np.flatnonzero(links[:, 5] > 1)[0]
    a["segment_starts"][links[timed, 4] + 1] = np.iinfo(np.int64).min


CHANGES = [
    empty_slot_with_a_key, one_address_in_both_slots, address_where_nobody_looks, other_byte_order,
    local_entry_without_others, no_local_entries, hash_of_services_without_a_key,
    a_row_reaches_into_the_next, two_prefixes_in_one_block, own_label_column, verdict_three,
    kind_that_is_none, ambiguous_of_itself, huge_group, decision_of_the_other_side,
    unsorted_segments,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("way", ["file", "pickle"])
def test_a_value_is_checked_beside_what_it_leads_to(
    tmp_path: Path, change: Callable[[Arrays], None], way: str
) -> None:
    arrays, meta = saved()
    engine = _unpickle(arrays, meta)
    changed, meta = saved()
    change(changed)
    if way == "file":
        engine.tables.arrays = changed
        engine.save(tmp_path / "tables")
        with pytest.raises(InputError, match=r"tables: table file is damaged: .") as caught:
            netpol.load(tmp_path / "tables")
        assert caught.value.location.file == str(tmp_path / "tables")
    else:
        with pytest.raises(InputError, match="a pickled engine is damaged"):
            _unpickle(changed, meta)


def strip_without_pieces(a: Arrays) -> None:
    a["strips_egress"][1] = 0


def strip_beyond_the_pieces(a: Arrays) -> None:
    a["strips_ingress"][1:] += 1 << 20


def piece_of_no_run(a: Arrays) -> None:
    a["pieces_egress"][-1, 1] = a["runs"].size


def pair_to_no_strip(a: Arrays) -> None:
    a["pairs_egress"][-1] = a["strips_egress"].size - 1


def port_of_the_next_row(a: Arrays) -> None:
    a["rows_egress"][np.flatnonzero(a["rows_egress"][:, 3] & 2)[0], 1] -= 1


def split_though_it_is_whole(a: Arrays) -> None:
    a["rows_ingress"][0, 3] |= 2
    a["pairs_ingress"][0] = a["strips_ingress"].size - 1


@pytest.mark.parametrize(
    "change",
    [
        strip_without_pieces, strip_beyond_the_pieces, piece_of_no_run, pair_to_no_strip,
        port_of_the_next_row, split_though_it_is_whole,
    ],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_rows_that_are_split_by_port(change: Callable[[Arrays], None]) -> None:
    arrays, meta = saved("split")
    assert (arrays["rows_egress"][:, 3] & 2).any()
    _unpickle(arrays, meta)
    arrays, meta = saved("split")
    change(arrays)
    with pytest.raises(InputError, match="a pickled engine is damaged"):
        _unpickle(arrays, meta)


def set_to(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(meta: Any) -> None:
        for step in path[:-1]:
            meta = meta[step]
        meta[path[-1]] = value

    return change


META = {
    "wrong type": set_to("pods", value=7),
    "a pod without a workload": set_to("pods", 0, value=["x/a"]),
    "a pod too many": lambda meta: meta["pods"].append(["x/a", "x/a"]),
    "a node too few": lambda meta: meta["nodes"].pop(),
    "missing": lambda meta: meta.pop("newest"),
    "huge": set_to("newest", value=1 << 70),
    "no number": set_to("newest", value=float("nan")),
    "unknown switch": set_to("switches", "x", value="y"),
    "switch too few": lambda meta: meta["switches"].pop("cnp_tie"),
    "no such choice": set_to("switches", "cnp_tie", value="y"),
    "no such policy": set_to("decisions", -1, 4, value=99),
    "no such rule": set_to("decisions", -1, 5, value=99),
    "no such reason": set_to("decisions", -1, 2, value=26),
    "no such isolating policy": set_to("decisions", -1, 7, value=[99]),
    "no such matching rule": set_to("decisions", -1, 6, value=[[0, 99]]),
    "another verdict": lambda meta: meta["decisions"][-1].__setitem__(
        1, 1 - meta["decisions"][-1][1] % 2
    ),
    "reserved decisions": set_to("decisions", 1, 2, value=18),
    "own column too large": set_to("own_columns", 0, 0, value=1 << 31),
    "own column though none is told apart": set_to("own_columns", 0, 0, value=0xFFFFFFFF),
    "layout": set_to("layout", value="paged"),
}


@pytest.mark.parametrize("kind", META)
def test_metadata_is_typed_and_checked(kind: str) -> None:
    arrays, meta = saved()
    changed = json.loads(meta)
    META[kind](changed)
    with pytest.raises(InputError, match="a pickled engine is damaged"):
        _unpickle(arrays, json.dumps(changed).encode())


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b'{"layout": "\xff"}'],
    ids=["empty", "null", "deep lists", "deep objects", "no text", "no UTF-8"],
)  # fmt: skip
def test_metadata_that_is_no_json(text: bytes) -> None:
    with pytest.raises(InputError):
        _unpickle(saved()[0], text)


SHAPES = {
    "product beyond 64 bits": "[4294967296,4294967296,65536]",
    "negative": "[-1]",
    "longer than the file": "[999999999]",
    "fraction": "[1.5]",
    "text": '"x"',
}


@pytest.mark.parametrize("kind", SHAPES)
def test_no_shape_in_a_file_is_trusted(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "tables"
    _unpickle(*saved()).save(path)
    shape = SHAPES[kind].encode()
    rewrite(
        path, lambda head: re.sub(rb'"runs":\["<u4",\[[0-9]+\]', b'"runs":["<u4",' + shape, head)
    )
    with pytest.raises(InputError, match="table file is damaged"):
        netpol.load(path)


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the directory of a file, and let size and checksum fit again."""
    from zlib import crc32

    first, sizes, rest = path.read_bytes().split(b"\n", 2)
    length = int(sizes.split()[0])
    head = change(rest[:length])
    assert head != rest[:length]
    lines = b"%s\n%d 00000000\n" % (first, len(head))
    body = head + b"\0" * (-(len(lines) + len(head)) % 64) + rest[length:].lstrip(b"\0")
    path.write_bytes(b"%s\n%d %08x\n" % (first, len(head), crc32(body)) + body)


@pytest.mark.parametrize("place", [0.01, 0.3, 0.6, 0.95])
def test_one_changed_bit_is_told(tmp_path: Path, place: float) -> None:
    path = tmp_path / "tables"
    _unpickle(*saved()).save(path)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="table file is damaged"):
        netpol.load(path)


def test_a_file_that_goes_on_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tables"
    _unpickle(*saved()).save(path)
    path.write_bytes(path.read_bytes() + b"\0" * 64)
    with pytest.raises(InputError, match="table file is damaged"):
        netpol.load(path)


def test_older_tables_say_so(tmp_path: Path) -> None:
    path = tmp_path / "tables"
    path.write_bytes(b'netpol-tables\n20\n{"version":5,"arrays":')
    with pytest.raises(InputError, match="a version before 6; this is version 6"):
        netpol.load(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError, match="not a regular file"):
            netpol.load(path)


def test_arrays_in_use_cannot_be_changed() -> None:
    engine = pickle.loads(pickle.dumps(_unpickle(*saved())))
    with pytest.raises(ValueError, match="read-only"):
        engine.tables.arrays["runs"][0] = 1 << 30


CORPUS = sorted((Path(target.__file__).parents[1] / "corpus" / "engine").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_was_found_stays_found(path: Path) -> None:
    target.one(path.read_bytes())


@pytest.mark.parametrize("seed", target.seeds()[::7], ids=bytes.hex)
def test_changes_at_random_are_refused_or_harmless(seed: bytes) -> None:
    target.one(seed)
