"""The packed form: a named set of NumPy arrays with documented dtypes, versioned, saved as is.

``Tables`` holds the arrays the core reads. ``save`` writes one file: a magic line, a JSON directory
(names, dtypes, shapes, offsets, metadata), then the arrays, each on a 64-byte boundary, so that
``load`` maps the file and copies nothing. There is no pickle inside.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from netpol.errors import InputError, Location, OutputError
from netpol.files import Replacement

__all__ = ["LAYOUT", "VERSION", "Tables"]

VERSION = 6
_MAGIC = b"netpol-tables\n"
_ALIGN = 64

#: name -> (dtype or dtypes, dimensions, meaning). Sizes: E endpoints, R rows, L label columns and
#: K CIDR columns (both padded to 16), C port classes, D decisions; _egress/_ingress for each side.
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
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, (dtype, dimensions, _) in LAYOUT.items():
            array = self.arrays.get(name)
            known = array is not None and array.dtype.name in dtype.split("|")
            if array is None or not known or array.ndim != dimensions:
                raise ValueError(f"table {name}: expected {dtype} of {dimensions} dimensions")

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
        directory: dict[str, Any] = {}
        offset = 0
        for name, array in self.arrays.items():
            directory[name] = {
                "dtype": array.dtype.str, "shape": list(array.shape), "offset": offset,
            }  # fmt: skip
            offset += -(-array.nbytes // _ALIGN) * _ALIGN
        head = msgspec.json.encode(
            {"version": VERSION, "arrays": directory, "size": offset, "meta": self.meta}
        )
        prefix = _MAGIC + b"%d\n" % len(head) + head
        prefix += b"\0" * (-len(prefix) % _ALIGN)
        try:
            new = Replacement(path)
            try:
                new.file.write(prefix)
                for array in self.arrays.values():
                    new.file.write(np.ascontiguousarray(array).data)
                    new.file.write(b"\0" * (-array.nbytes % _ALIGN))
                new.commit()
            except BaseException:
                new.abandon()
                raise
        except OSError as error:
            raise OutputError(f"{path}: cannot save tables: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tables:
        """Map a saved file.

        Raises
        ------
        InputError
            If the file cannot be read, is not a table file, is cut short, or of another version.
        """
        where = Location(str(path))
        try:
            mapped = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read tables: {error}", where) from error
        if bytes(mapped[: len(_MAGIC)]) != _MAGIC:
            raise InputError("not a netpol table file", where)
        try:
            newline = bytes(mapped[: len(_MAGIC) + 24]).index(b"\n", len(_MAGIC))
            length = int(bytes(mapped[len(_MAGIC) : newline]))
            head = msgspec.json.decode(bytes(mapped[newline + 1 : newline + 1 + length]))
            if head["version"] != VERSION:
                raise InputError(
                    f"tables of version {head['version']}; this is version {VERSION}", where
                )
            begin = -(-(newline + 1 + length) // _ALIGN) * _ALIGN
            arrays = {}
            for name, entry in head["arrays"].items():
                dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
                size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
                start = begin + entry["offset"]
                if start + size > len(mapped):
                    raise InputError("table file is cut short", where)
                arrays[name] = mapped[start : start + size].view(dtype).reshape(shape)
            return cls(arrays, head["meta"])
        except (ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
            raise InputError(f"table file is damaged: {error}", where) from error
