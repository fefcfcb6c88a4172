"""Attacks saved engines: one to four values, types or shapes of the arrays, or pieces of metadata.

What is changed is written as ``Engine.save`` writes it, so size and checksum are right. It must be
refused with ``InputError``, or judge, add up, compare and explain flows of every kind without any
other error, whatever it answers. Arrays are handed over each in memory of its own, so that a
sanitizer sees the first step outside; the file itself is mapped every so often.
"""

from __future__ import annotations

import json
import pickle
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import netpol
from netpol.compiler.pack.tablemeta import write_meta
from netpol.compiler.pack.tables import LAYOUT, Tables
from netpol.compiler.rows import row as rows
from netpol.engine.engine import _unpickle
from netpol.flows.columns.normalise import batch_from
from netpol.model.batch import FlowBatch
from netpol.model.errors import InputError, NetpolError
from netpol.run.sums import Tally

_HERE = Path(__file__).parent.parent
_WORLDS = ("dense", "paged", "wide", "split")
_NAMES = tuple(LAYOUT)
_TYPES = ("<u1", "<u2", "<u4", "<u8", "<i8", "<f8", ">u2", ">u4", ">u8", "|O", "<i4", "|b1")
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 255, 1 << 31, (1 << 32) - 1, 1 << 63, 1 << 200, 1.5, 1e308, "", "x",
    "\ud800", [], [[]], {}, {"a": 1}, [0, 0], [-1, -1, -1],
)  # fmt: skip


class _Data:
    """Bytes read as choices; zeros where they end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """Return a number below a limit."""
        size = 1 if below <= 1 << 8 else 2 if below <= 1 << 16 else 4 if below <= 1 << 32 else 8
        piece = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(piece, "little") % max(below, 1)


@lru_cache(maxsize=1)
def _saved() -> dict[str, tuple[dict[str, npt.NDArray[Any]], bytes]]:
    """Return the engines that are changed: arrays and metadata."""
    world = _HERE / "worlds" / "engine.yaml"
    sets = netpol.read_policies([world]), netpol.read_snapshot([world])
    dense = netpol.compile(*sets).tables
    paged = netpol.compile(*sets, dense_limit=0).tables
    whole_up_to, rows.SPLIT_FROM = rows.SPLIT_FROM, -1
    split = netpol.compile(*sets).tables
    rows.SPLIT_FROM = whole_up_to
    wide = dict(dense.arrays)
    for name, dtype in (("cell_pages", "u2"), ("cell_maps", "u4"), ("port_lookup", "u4")):
        wide[name] = wide[name].astype(dtype)
    return {
        "dense": (dense.arrays, write_meta(dense.meta)),
        "paged": (paged.arrays, write_meta(paged.meta)),
        "split": (split.arrays, write_meta(split.meta)),
        "wide": (wide, write_meta(dense.meta)),
    }


@lru_cache(maxsize=1)
def _good() -> netpol.Engine:
    arrays, meta = _saved()["dense"]
    return _unpickle({name: array.copy() for name, array in arrays.items()}, meta)


@lru_cache(maxsize=1)
def _batches() -> tuple[FlowBatch, ...]:
    """Return flows between all addresses of the world, with what a log may say beside."""
    v4 = [
        "10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.1.9", "10.0.2.1", "10.0.9.9", "192.168.0.1",
        "192.168.0.2", "10.96.0.10", "10.96.0.11", "203.0.113.7", "8.8.8.8", "127.0.0.1",
        "10.0.0.77", "10.0.1.77", "224.0.0.1",
    ]  # fmt: skip
    v6 = ["fd00::1", "fd00::2", "fd00::9", "fd01::10", "fd02::1", "2001:db8::1", "2002::1", "::1"]
    services = [(6, 80), (6, 8080), (17, 53), (132, 80), (6, 30080), (6, 31000), (6, 9000)]
    services += [(1, 0), (58, 0), (47, 0), (6, 65535)]
    found = []
    for addresses in (v4, v4 + v6):
        pairs = [(s, d, *p) for s in addresses for d in addresses for p in services]
        rng = np.random.default_rng(1)
        pick = rng.permutation(len(pairs))[:1400]
        rows = [pairs[k] for k in pick]
        count = len(rows)
        plain: dict[str, Any] = {
            "src": [row[0] for row in rows],
            "dst": [row[1] for row in rows],
            "protocol": np.array([row[2] for row in rows], np.uint8),
            "dport": np.array([row[3] for row in rows], np.uint16),
        }
        found.append(batch_from(plain))
        known = rng.random(count) < 0.8
        times = np.array([1, 1_767_400_000 * 10**9, 1_767_225_600 * 10**9, 2 * 10**18])
        more = {
            **plain,
            "dport_known": known,
            "icmp_type": rng.integers(0, 255, count).astype(np.uint8),
            "time": times[rng.integers(0, 4, count)],
            "original_dst": [addresses[k] for k in rng.integers(0, len(addresses), count)],
            "original_dport": np.array([80, 30080, 9000, 53], np.uint16)[rng.integers(0, 4, count)],
            "src_seen": [addresses[k] for k in rng.integers(0, len(addresses), count)],
            "evidence": rng.integers(0, 4, count).astype(np.uint8),
            "src_pod": [("x/a", "z/b", "", "x/host")[k] for k in rng.integers(0, 4, count)],
            "dst_pod": [("x/a", "z/b", "", "x/host")[k] for k in rng.integers(0, 4, count)],
        }
        found.append(batch_from(more))
    return tuple(found)


def _place(array: npt.NDArray[Any], data: _Data) -> int:
    """Choose a place, more often among the first and last."""
    near = data.number(4)
    place = data.number(max(array.size, 1))
    if near == 0:
        place %= 64
    elif near == 1:
        place = array.size - 1 - place % 64
    return place % max(array.size, 1)


def _change_value(array: npt.NDArray[Any], data: _Data) -> npt.NDArray[Any]:
    """Change one value: a bit, by one, a boundary, or another of the array."""
    flat = array.reshape(-1).copy()
    if not flat.size:
        return array
    place, top = _place(array, data), int(np.iinfo(flat.dtype).max)
    old = int(flat[place])
    kind = data.number(7)
    new = (
        old ^ 1 << data.number(8 * flat.dtype.itemsize),
        old + 1,
        old - 1,
        (0, 1, 2, top, top >> 1, 0xFFFFFFFF, 0x80000000, 128)[data.number(8)],
        int(flat[_place(array, data)]),
        data.number(1 << 32),
        int(array.max()) + data.number(3) - 1,
    )[kind]
    low = int(np.iinfo(flat.dtype).min)
    flat[place] = (new - low) % (top - low + 1) + low
    return flat.reshape(array.shape)


def _change_shape(array: npt.NDArray[Any], data: _Data) -> npt.NDArray[Any]:
    """Change type, number of rows, or order."""
    kind = data.number(7)
    if kind == 0:
        try:
            return array.astype(_TYPES[data.number(len(_TYPES))])
        except OverflowError:  # of objects, which an earlier change made
            return array
    if kind == 1:
        return array[: data.number(len(array) + 1)].copy()
    if kind == 2:
        return np.concatenate([array, array[:1]])
    if kind == 3:
        return np.asfortranarray(array.T.copy() if data.number(2) else array)
    if kind == 4:
        return array.reshape(-1)[:0].reshape((0,) * array.ndim)
    if kind == 5:
        return array[::-1].copy()
    return array.reshape(-1) if data.number(2) else array[..., None]


def _change_meta(node: Any, data: _Data) -> Any:
    """Replace, drop or double something somewhere in the metadata."""
    if isinstance(node, dict) and node and data.number(8):
        key = list(node)[data.number(len(node))]
        if data.number(16) == 1:
            del node[key]
        else:
            node[key] = _change_meta(node[key], data)
        return node
    if isinstance(node, list) and node and data.number(8):
        place = data.number(len(node))
        kind = data.number(8)
        if kind == 1:
            del node[place]
        elif kind == 2:
            node.append(node[place])
        else:
            node[place] = _change_meta(node[place], data)
        return node
    if isinstance(node, int) and data.number(2):
        return node + data.number(3) - 1
    return _VALUES[data.number(len(_VALUES))]


def _changed(data: _Data) -> tuple[dict[str, Any], bytes, bool]:
    arrays, meta = _saved()[_WORLDS[data.number(len(_WORLDS))]]
    arrays = {name: array.copy() for name, array in arrays.items()}
    as_file = data.number(16) == 1
    for _ in range(1 + data.number(4)):
        kind = data.number(16)
        name = _NAMES[data.number(len(_NAMES))]
        if kind == 0:
            arrays[name] = _change_shape(arrays[name], data)
        elif kind == 1:
            try:
                meta = json.dumps(_change_meta(json.loads(meta), data)).encode()
            except ValueError:  # changed before to what is no JSON
                meta = meta[: data.number(len(meta) + 1)]
        elif kind == 2:
            place = data.number(len(meta) + 1)
            meta = meta[:place] + bytes([data.number(256)]) + meta[place + data.number(2) :]
        elif arrays[name].dtype.kind in "iu":
            arrays[name] = _change_value(arrays[name], data)
    return arrays, meta, as_file


def _use(engine: netpol.Engine) -> None:
    """Do with an engine what can be done with it."""
    tally = Tally(engine)
    for batch in _batches():
        verdicts = engine.evaluate(batch)
        tally.add(verdicts)
        verdicts.to_arrow()
        verdicts.counts()
        for row in range(0, len(batch), 97):
            verdicts.explain(row)
    tally.outcomes()
    tally.source_nat()
    assert len(engine.decisions) == engine.tables.arrays["decision_info"].size
    assert len(engine.pods) == len(engine.tables.meta["pods"])
    _ = engine.endpoints.labels, engine.endpoints.workload, repr(engine), engine.unjudged.counts
    for one, other in ((engine, _good()), (_good(), engine)):
        netpol.diff(one, other, [_batches()[3]])
    pickle.dumps(engine)


def one(data: bytes) -> None:
    """Run one input."""
    arrays, meta, as_file = _changed(_Data(data))
    try:
        if as_file:
            with tempfile.TemporaryDirectory() as folder:
                tables = object.__new__(Tables)
                tables.arrays, tables.meta = arrays, None  # type: ignore[assignment]
                path = Path(folder) / "tables"
                write_as_saved(tables, meta, path)
                _use(netpol.load(path))
        else:
            _use(_unpickle(arrays, meta))
    except NetpolError:
        return


def write_as_saved(tables: Tables, meta: bytes, path: Path) -> None:
    """Write what ``Tables.save`` would, for metadata that it would not write."""
    from unittest import mock

    if any(array.dtype.hasobject for array in tables.arrays.values()):
        raise InputError("nothing that can be written")
    with mock.patch("netpol.compiler.pack.tables.write_meta", return_value=meta):
        tables.save(path)


def seeds() -> list[bytes]:
    """Return inputs that change each array in some way, and the metadata."""
    found = []
    for world in range(len(_WORLDS)):
        found += [
            bytes([world, 2, 0, 3 + n % 13, n, 2, n, 0, n % 7, n]) for n in range(len(_NAMES))
        ]
        found += [bytes([world, 1, 0, 1, 0, n, n, n, n, n]) for n in range(1, 12)]
    return found
