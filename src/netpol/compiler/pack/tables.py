"""The packed form: a named set of NumPy arrays with documented dtypes, versioned, saved as is.

``Tables`` holds the arrays the core reads. ``save`` writes one file: a line with the version, one
with the size of what follows and a checksum, a JSON directory (names, dtypes, shapes, metadata),
then the arrays as listed, each on a 64-byte boundary, so that ``load`` maps the file and copies
nothing. There is no pickle inside.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any
from zlib import crc32

import msgspec
import numpy as np
import numpy.typing as npt

from netpol.compiler.pack.tablemeta import TableMeta, read_meta, write_meta
from netpol.io.atomic import Replacement
from netpol.model.errors import InputError, Location, OutputError

__all__ = ["LAYOUT", "VERSION", "Tables"]

VERSION = 6
_MAGIC = b"netpol-tables"
_NAMED = re.compile(rb"netpol-tables(?: ([0-9]{1,9}))?\n")
_SIZES = re.compile(rb"([0-9]{1,15}) ([0-9a-f]{8})\n")
_LONGEST = 64  # bytes of both lines
_ALIGN = 64

#: name -> (dtype or dtypes, dimensions, meaning). Sizes: E endpoints, R rows, L label columns and
#: K CIDR columns (both padded to 16), C port classes, D decisions; _egress/_ingress for each side.
#: Columns and bits have their names in ``layout.py``.
LAYOUT: dict[str, tuple[str, int, str]] = {
    "v4_root": ("uint32", 1, "65536: IPv4 /16 -> endpoint, or POINTER | block"),
    "v4_blocks": ("uint32", 1, "blocks * 256: next 8 bits -> endpoint, or POINTER | block"),
    "v6_hash": ("uint64", 2, "slots, 4: known IPv6 addresses: high and low half, endpoint "
                "(0xffffffff if empty), 0; in buckets of two"),
    "v6_seed": ("uint64", 1, "1: seed of the hash"),
    "v6_starts": ("uint64", 2, "regions, 2: first address of each IPv6 region"),
    "v6_values": ("uint32", 1, "regions: endpoint"),
    "src_records": ("uint32", 2, "E, 4: first cell of the egress row, first run of that row, "
                    "ingress column | flags << 24, map of that row | (node + 1) << 16"),
    "dst_records": ("uint32", 2, "E, 4: the same with egress and ingress exchanged"),
    "endpoint_parts": ("uint32", 2, "E, 8: egress row, egress label column, egress CIDR column, "
                       "ingress row, ingress label column, ingress CIDR column, pod + 1, node + 1"),
    "endpoint_links": ("uint32", 2, "E, 8: alternatives offset and count, NodePort group, own "
                       "group, segments offset and count, notes, kind"),
    "alternatives": ("uint32", 1, "endpoints that an ambiguous endpoint may be, or nodes that an "
                     "external one may be the gateway of (A11.5)"),
    "segment_starts": ("int64", 1, "ns: when each segment of a timed endpoint begins"),
    "segment_values": ("uint32", 1, "the endpoint during the segment"),
    "service_keys": ("uint64", 1, "sorted: group << 24 | protocol << 16 | port"),
    "service_slots": ("uint32", 1, "hash of the keys: index + 1, 0 where empty; a power of two"),
    "service_entries": ("uint32", 2, "keys + locals, 3: backends offset, count, a bit for each Way "
                        "| 128 where clients on different nodes reach different ones (A15.12)"),
    "service_locals": ("uint64", 1, "sorted: entry << 32 | client's node + 1, 0 for all other "
                       "nodes; the n-th is for entry keys + n"),
    "service_replicas": ("uint32", 2, "keys + locals, 2: replicas offset, count; 0 if judged "
                         "one by one"),
    "replicas": ("uint32", 2, "replicas, 2: endpoint and port class of one backend of each kind"),
    "node_ports": ("uint8", 1, "8192: a bit for each port of a node or of a balancer that nodes "
                   "do not translate (A15.9, A15.10)"),
    "backend_endpoints": ("uint32", 1, "endpoint of each backend"),
    "backend_ports": ("uint16", 1, "port of each backend"),
    "backend_ways": ("uint8", 1, "Way to each backend"),
    "backend_pods": ("uint32", 1, "pod + 1 of each backend, 0 if it is none"),
    "backend_alike": ("uint8", 1, "1 if only pod and node tell the backend from the one before"),
    "node_endpoints": ("uint32", 1, "endpoints of nodes: IPv4 ones, then IPv6 ones, by node"),
    "node_starts": ("uint32", 2, "2, nodes + 1: where a node's endpoints begin, by family"),
    "node_samples_v4": ("uint32", 1, "of nodes that ingress does not tell apart one or, of "
                        "different nodes, two"),
    "node_samples_v6": ("uint32", 1, "as node_samples_v4"),
    "outside_v4": ("uint32", 1, "one endpoint of each class of addresses outside (A15.10)"),
    "outside_v6": ("uint32", 1, "as outside_v4"),
    "pod_parts": ("uint32", 2, "pods, 7: egress row, egress label column, ingress row, ingress "
                  "label column, node + 1, 1 if the pod is only its node, notes"),
    "port_lookup": ("uint16|uint32", 1, "3 * 65536 + 512: class by port of TCP, UDP and SCTP, then "
                    "by protocol: of other protocols, and where no port is recorded"),
    "port_maps": ("uint32", 2, "maps, C: port class -> local class of the row's map"),
    "runs": ("uint32", 1, "decisions, one run per (row, column pair): indexed by local port class"),
    "decision_info": ("uint8", 1, "D: verdict, | 4 if a rule allows, | 8 if priorities tie (B3.4), "
                      "| 16 if the own node is denied (A11.6)"),
    "rows_egress": ("uint32", 2, "R, 4: pair base, CIDR locals (of a split row local ports), port "
                    "map base, 1 if isolated | 2 if split by port"),
    "rows_ingress": ("uint32", 2, "as rows_egress"),
    "hairpin_rows_egress": ("uint32", 1, "R: row that judges traffic of the row's pods to "
                            "themselves, by their own label column; 0: the hairpin column does"),
    "hairpin_rows_ingress": ("uint32", 1, "as hairpin_rows_egress"),
    "seen_cidr_egress": ("uint32", 2, "2, K as used: CIDR column of an address as a pod's, and as "
                         "a node's (A6.4, B4.4)"),
    "seen_cidr_ingress": ("uint32", 2, "as seen_cidr_egress"),
    "pairs_egress": ("uint32", 1, "run base by (label local, CIDR local) of each row; of a split "
                     "row strip by (label local, local port)"),
    "strips_egress": ("uint32", 1, "strips + 1: first piece of each"),
    "strips_ingress": ("uint32", 1, "as strips_egress"),
    "pieces_egress": ("uint32", 2, "pieces, 2: first CIDR column it is about, place in runs"),
    "pieces_ingress": ("uint32", 2, "as pieces_egress"),
    "pairs_ingress": ("uint32", 1, "as pairs_egress"),
    "label_pages_egress": ("uint32", 2, "R, L / 16: page of local classes"),
    "label_pages_ingress": ("uint32", 2, "as label_pages_egress"),
    "cidr_pages_egress": ("uint32", 2, "R, K / 16: page of local classes"),
    "cidr_pages_ingress": ("uint32", 2, "as cidr_pages_egress"),
    "pages": ("uint16", 2, "pages, 16: local classes, hash-consed over rows and sides"),
    "cell_index_egress": ("uint32", 2, "R, columns / 64: page of cells; 0 x 0 where only the row "
                          "tables are used, as all that follow are then empty"),
    "cell_index_ingress": ("uint32", 2, "as cell_index_egress"),
    "cell_pages": ("uint8|uint16", 2, "pages, 64: which of the row's runs a column has"),
    "cell_maps": ("uint16|uint32", 1, "maps * C: port class -> what to add to a cell; as wide as "
                  "port_lookup, and twice as wide as cell_pages"),
    "cell_runs": ("uint32", 1, "decision | verdict << 30, by row, port and cell"),
}  # fmt: skip


@dataclass(slots=True)
class Tables:
    """The arrays of ``LAYOUT`` by name, and metadata that is plain JSON."""

    arrays: dict[str, npt.NDArray[Any]]
    meta: TableMeta

    def __post_init__(self) -> None:
        if self.arrays.keys() != LAYOUT.keys():
            raise ValueError("tables: not those of this version")
        for name, (dtypes, dimensions, _) in LAYOUT.items():
            array = self.arrays[name]
            # By the type itself: one of another byte order has the same name.
            if (
                not isinstance(array, np.ndarray)
                or array.dtype not in [np.dtype(dtype) for dtype in dtypes.split("|")]
                or array.ndim != dimensions
            ):
                raise ValueError(f"table {name}: expected {dtypes} of {dimensions} dimensions")

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file; it appears whole or not at all.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        listed = {name: (array.dtype.str, array.shape) for name, array in self.arrays.items()}
        meta = msgspec.Raw(write_meta(self.meta))
        head = msgspec.json.encode({"arrays": listed, "meta": meta})
        begin = len(_first_lines(len(head), 0))
        checksum = 0
        for part in self._parts(begin, head):
            checksum = crc32(part, checksum)
        try:
            new = Replacement(path)
            try:
                new.file.write(_first_lines(len(head), checksum))
                for part in self._parts(begin, head):
                    new.file.write(part)
                new.commit()
            except BaseException:
                new.abandon()
                raise
        except OSError as error:
            raise OutputError(f"{path}: cannot save tables: {error.strerror or error}") from error

    def _parts(self, begin: int, head: bytes) -> Iterator[bytes | memoryview]:
        """Yield what follows the first lines, which have ``begin`` bytes."""
        yield head
        yield b"\0" * (-(begin + len(head)) % _ALIGN)
        for array in self.arrays.values():
            yield np.ascontiguousarray(array).data
            yield b"\0" * (-array.nbytes % _ALIGN)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tables:
        """Map a saved file.

        Raises
        ------
        InputError
            If the file cannot be read, is not a table file, is damaged, or of another version.
        """
        where = Location(os.fspath(path))
        try:
            if not stat.S_ISREG(Path(path).stat().st_mode):
                raise InputError("cannot read tables: not a regular file", where)
            mapped = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read tables: {error}", where) from error
        try:
            begin, length = _read_first_lines(mapped)
            head = _head_decoder.decode(mapped[begin : begin + length].data)
            arrays = _map_arrays(mapped, begin + length, head.arrays)
            return cls.checked(arrays, bytes(head.meta))
        except RecursionError:
            raise InputError("table file is damaged: nested too deeply", where) from None
        except ValueError as error:
            raise InputError(f"table file is damaged: {error}", where) from error
        except InputError as error:
            raise InputError(error.message, where) from error

    @classmethod
    def checked(cls, arrays: dict[str, npt.NDArray[Any]], meta: bytes) -> Tables:
        """Return tables of arrays and metadata (as ``write_meta`` gives) that nobody vouches for.

        Raises
        ------
        ValueError
            They are not of this form.
        """
        return cls(arrays, read_meta(meta))


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    """The directory: of each array its dtype and shape. They follow each other as listed."""

    arrays: dict[str, tuple[str, tuple[Annotated[int, msgspec.Meta(ge=0)], ...]]]
    meta: msgspec.Raw


_head_decoder = msgspec.json.Decoder(_Head)


def _first_lines(length: int, checksum: int) -> bytes:
    return b"%s %d\n%d %08x\n" % (_MAGIC, VERSION, length, checksum)


def _read_first_lines(mapped: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return where the directory begins, and its length, if what follows is what was written.

    The checksum is against accidents: whoever means harm can work it out, so all is checked.
    """
    text = bytes(mapped[:_LONGEST])
    named = _NAMED.match(text)
    if named is None:
        raise InputError("not a netpol table file")
    if named[1] is None or int(named[1]) != VERSION:
        version = f"version {int(named[1])}" if named[1] else "a version before 6"
        raise InputError(
            f"tables of {version}; this is version {VERSION}: compile the policies again"
        )
    found = _SIZES.match(text, named.end())
    if found is None:
        raise ValueError("no size and checksum")
    if crc32(mapped[found.end() :].data) != int(found[2], 16):
        raise ValueError("it is cut short or was changed (its checksum is another)")
    return found.end(), int(found[1])


def _map_arrays(
    mapped: npt.NDArray[np.uint8], end: int, listed: dict[str, tuple[str, tuple[int, ...]]]
) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that follow the directory, which ends at ``end``."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, (text, shape) in listed.items():
        dtypes = LAYOUT[name][0].split("|") if name in LAYOUT else []
        dtype = next((item for item in map(np.dtype, dtypes) if item.str == text), None)
        if dtype is None:
            raise ValueError(f"table {name}: not one of this version, or of another type")
        start = -(-end // _ALIGN) * _ALIGN
        end = start + prod(shape) * dtype.itemsize
        if end > len(mapped):
            raise ValueError(f"table {name}: goes beyond the end of the file")
        arrays[name] = mapped[start:end].view(dtype).reshape(shape)
    if -(-end // _ALIGN) * _ALIGN != len(mapped):
        raise ValueError("the file goes on behind its tables")
    return arrays
