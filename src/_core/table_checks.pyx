"""Takes the packed tables, raises ``ValueError`` unless every index kernels follow is inside."""

import numpy as np

from netpol._core.tables cimport ROW_SPLIT


def _limit(array, size_t size, str name not None):
    if array.size and int(array.max()) >= size:
        raise ValueError(f"table {name}: an index points outside its table")


def check_bounds(dict a not None):
    """Check every index; a saved file that was damaged must not become a wild read."""
    endpoints = a["src_records"].shape[0]
    blocks = a["v4_blocks"].size // 256
    for name in ("v4_root", "v4_blocks"):
        entries = a[name]
        pointers = entries >= 0x80000000
        _limit(entries[~pointers], endpoints, name)
        _limit(entries[pointers] & np.uint32(0x7FFFFFFF), blocks, name)
    flat = a["v4_blocks"]
    last = (flat[flat >= 0x80000000] & np.uint32(0x7FFFFFFF)).astype(np.int64)
    if (flat.reshape(-1, 256)[last] >= 0x80000000).any():
        raise ValueError("table v4_blocks: more than three levels")
    if a["v4_root"].size != 65536 or endpoints == 0:
        raise ValueError("table v4_root: must have 65536 entries")
    slots = a["v6_hash"].shape[0]
    if slots < 2 or slots & (slots - 1) or a["v6_hash"].shape[1] != 4:
        raise ValueError("table v6_hash: size must be a power of two")
    hashed = a["v6_hash"][:, 2]
    if not (hashed[1::2] == 0xFFFFFFFF).any():
        raise ValueError("table v6_hash: must have a bucket with room")
    _limit(hashed[hashed != 0xFFFFFFFF], endpoints, "v6_hash")
    if a["v6_starts"].shape != (a["v6_values"].size, 2) or a["v6_starts"][0].any():
        raise ValueError("table v6_starts: must begin at ::")
    for name in ("v6_values", "alternatives", "segment_values", "backend_endpoints",
                 "node_endpoints", "node_samples_v4", "node_samples_v6", "outside_v4",
                 "outside_v6"):
        _limit(a[name], endpoints, name)
        if (a["dst_records"][a[name].astype(np.intp), 2] >> np.uint32(24) & 8).any():
            if name not in ("v6_values", "segment_values"):
                raise ValueError(f"table {name}: an ambiguous endpoint, where one is meant")
    starts = a["node_starts"].astype(np.int64)
    if starts.ndim != 2 or starts.shape[0] != 2 or starts.shape[1] == 0:
        raise ValueError("table node_starts: wrong shape")
    if (np.diff(starts, axis=1) < 0).any():
        raise ValueError("table node_starts: must ascend")
    _limit(starts, a["node_endpoints"].size + 1, "node_starts")
    for name, column in (("endpoint_parts", 7), ("pod_parts", 4)):
        _limit(a[name][:, column], starts.shape[1], name)
    _check_endpoints(a, endpoints)
    _check_sides(a)


def _check_endpoints(dict a not None, size_t endpoints):
    pods = a["pod_parts"].shape[0]
    parts, links = a["endpoint_parts"], a["endpoint_links"]
    for name, width in (
        ("endpoint_parts", 8), ("endpoint_links", 8), ("src_records", 4), ("dst_records", 4)
    ):
        if a[name].shape != (endpoints, width):
            raise ValueError(f"table {name}: wrong shape")
    if a["pod_parts"].shape[1] != 7:
        raise ValueError("table pod_parts: wrong shape")
    _limit(parts[:, 6], pods + 1, "endpoint_parts")
    flags = a["dst_records"][:, 2] >> np.uint32(24)
    if (a["src_records"][:, 2] >> np.uint32(24) != flags).any():
        raise ValueError("table src_records: other flags than dst_records")
    ends = links.astype(np.int64)
    _limit(ends[:, 0] + ends[:, 1], a["alternatives"].size + 1, "endpoint_links")
    _limit(ends[:, 4] + ends[:, 5], a["segment_values"].size + 1, "endpoint_links")
    ambiguous = (flags & 8) != 0
    timed = (flags & 32) != 0
    if (links[ambiguous, 1] == 0).any() or (links[timed, 5] == 0).any():
        raise ValueError("table endpoint_links: an ambiguous or timed endpoint names nobody")
    slots = a["service_slots"]
    if slots.size == 0 or slots.size & (slots.size - 1) or slots.all():
        raise ValueError("table service_slots: size must be a power of two, one slot empty")
    _limit(slots, a["service_keys"].size + 1, "service_slots")
    if a["node_ports"].size != 8192:
        raise ValueError("table node_ports: wrong size")
    if a["segment_starts"].size != a["segment_values"].size:
        raise ValueError("table segment_starts: wrong size")
    entries = a["service_entries"].astype(np.int64)
    count = a["service_keys"].size + a["service_locals"].size
    if entries.shape != (count, 3):
        raise ValueError("table service_entries: wrong shape")
    _check_locals(a["service_locals"], a["service_keys"].size)
    _limit(entries[:, 0] + entries[:, 1], a["backend_endpoints"].size + 1, "service_entries")
    kept = a["service_replicas"].astype(np.int64)
    if kept.shape != (count, 2) or a["replicas"].shape[1] != 2:
        raise ValueError("table service_replicas: wrong shape")
    _limit(kept[:, 0] + kept[:, 1], a["replicas"].shape[0] + 1, "service_replicas")
    _limit(a["replicas"][:, 0], endpoints, "replicas")
    _limit(a["replicas"][:, 1], a["port_maps"].shape[1], "replicas")
    for name in ("backend_ports", "backend_ways", "backend_pods", "backend_alike"):
        if a[name].size != a["backend_endpoints"].size:
            raise ValueError(f"table {name}: wrong size")
    _limit(a["backend_ways"], 7, "backend_ways")


def _check_locals(locals_, size_t entries):
    if (locals_[1:] <= locals_[:-1]).any():
        raise ValueError("table service_locals: must ascend")
    if locals_.size and int(locals_[-1] >> np.uint64(32)) >= entries:
        raise ValueError("table service_locals: an index points outside its table")


def _check_sides(dict a not None):
    decisions = a["decision_info"].size
    if decisions < 13:
        raise ValueError("table decision_info: the reserved decisions are missing")
    _limit(a["runs"], decisions, "runs")
    classes = a["port_maps"].shape[1]
    _check_ports(a, classes)
    longest = a["port_maps"].max(axis=1).astype(np.int64)
    runs = a["runs"].size
    pages = a["pages"].shape[0]
    if a["pages"].shape[1] != 16:
        raise ValueError("table pages: wrong shape")
    for side, first in (("egress", 0), ("ingress", 3)):
        rows, pairs = a[f"rows_{side}"].astype(np.int64), a[f"pairs_{side}"]
        count = rows.shape[0]
        if rows.shape[1] != 4 or count == 0:
            raise ValueError(f"table rows_{side}: wrong shape")
        _limit(rows[:, 2], a["port_maps"].size - classes + 1, f"rows_{side}")
        if (rows[:, 2] % classes).any():
            raise ValueError(f"table rows_{side}: port map base is not a map's")
        _limit(a["endpoint_parts"][:, first], count, "endpoint_parts")
        _limit(a["pod_parts"][:, 0 if first == 0 else 2], count, "pod_parts")
        if a[f"hairpin_rows_{side}"].shape != (count,):
            raise ValueError(f"table hairpin_rows_{side}: wrong shape")
        _limit(a[f"hairpin_rows_{side}"], count, f"hairpin_rows_{side}")
        _check_strips(a[f"strips_{side}"].astype(np.int64), a[f"pieces_{side}"], runs, side)
        _check_row_ends(a, side, rows, pairs, longest[rows[:, 2] // classes], runs)
        for kind, column, pod_column in (("label", 1, 1 if first == 0 else 3), ("cidr", 2, None)):
            table = a[f"{kind}_pages_{side}"]
            _limit(table, pages, f"{kind}_pages_{side}")
            if table.shape[0] != count or table.shape[1] == 0:
                raise ValueError(f"table {kind}_pages_{side}: wrong shape")
            width = table.shape[1] * 16
            if kind == "cidr":
                _check_seen(a[f"seen_cidr_{side}"], a["endpoint_parts"][:, first + 2], width, side)
            _limit(a["endpoint_parts"][:, first + column], width, "endpoint_parts")
            if pod_column is not None:
                _limit(a["pod_parts"][:, pod_column], width, "pod_parts")


def _check_seen(seen, used, size_t width, str side not None):
    """Every CIDR column in use has a form as a pod's and as a node's."""
    if seen.ndim != 2 or seen.shape[0] != 2:
        raise ValueError(f"table seen_cidr_{side}: wrong shape")
    _limit(used, seen.shape[1], f"seen_cidr_{side}")
    _limit(seen, width, f"seen_cidr_{side}")


def _check_ports(dict a not None, size_t classes):
    if a["port_lookup"].size != 3 * 65536 + 512:
        raise ValueError("table port_lookup: wrong size")
    _limit(a["port_lookup"], classes, "port_lookup")


def _check_row_ends(dict a not None, str side not None, rows, pairs, longest, size_t runs):
    """Each row's pairs, whatever its local classes, and each run, must end inside their tables."""
    label_top = a["pages"].max(axis=1).astype(np.int64) if a["pages"].size else np.zeros(1, int)
    labels = label_top[a[f"label_pages_{side}"]].max(axis=1)
    cidrs = label_top[a[f"cidr_pages_{side}"]].max(axis=1)
    split = rows[:, 3] & ROW_SPLIT != 0
    columns = np.where(split, longest, cidrs)
    last = rows[:, 0] + labels * rows[:, 1] + columns
    _limit(last, pairs.size, f"rows_{side}")
    if (columns >= rows[:, 1]).any():
        raise ValueError(f"table cidr_pages_{side}: a local class is not one of its row's")
    edges = np.append(rows[1:, 0], pairs.size)
    if (edges < rows[:, 0]).any() or (edges > pairs.size).any():
        raise ValueError(f"table rows_{side}: pair bases must ascend")
    owner = np.repeat(np.arange(len(rows)), edges - rows[:, 0])
    reach = pairs[int(rows[0, 0]):].astype(np.int64)
    strip = split[owner]
    _limit(reach[strip], a[f"strips_{side}"].size - 1, f"pairs_{side}")
    _limit(reach[~strip] + longest[owner[~strip]], runs, f"pairs_{side}")


def _check_strips(strips, pieces, size_t runs, str side not None):
    """Each strip has a piece, and each piece's decision is in the runs."""
    if pieces.shape[1] != 2 or strips.size == 0 or strips[0] != 0 or strips[-1] != len(pieces):
        raise ValueError(f"table strips_{side}: does not fit its pieces")
    if (np.diff(strips) < 1).any():
        raise ValueError(f"table strips_{side}: a strip has no pieces")
    _limit(pieces[:, 1], runs, f"pieces_{side}")


def check_cells(dict a not None, own_columns):
    """Check the kernel's tables: ``own_columns`` as CompiledTables takes them."""
    pages, runs = a["cell_pages"], a["cell_runs"]
    narrow = a["port_lookup"].dtype == np.uint16
    if (pages.dtype, a["cell_maps"].dtype) != (
        (np.uint8, np.uint16) if narrow else (np.uint16, np.uint32)
    ):
        raise ValueError("table cell_pages, cell_maps: not of the widths that port_lookup has")
    classes = a["port_maps"].shape[1]
    map_count = a["cell_maps"].size // classes
    if pages.shape[1] != 64 or map_count == 0 or a["cell_maps"].size % 2:
        raise ValueError("table cell_pages, cell_maps: wrong shape")
    decision = (runs & np.uint32(0x3FFFFFFF)).astype(np.int64)
    _limit(decision, a["decision_info"].size, "cell_runs")
    if (runs >> np.uint32(30) != a["decision_info"][decision] & 3).any():
        raise ValueError("table cell_runs: a verdict is not its decision's")
    maps = a["cell_maps"][:map_count * classes].reshape(map_count, classes)
    highest_port = maps.max(axis=1).astype(np.int64)
    highest_cell = pages.max(axis=1).astype(np.int64)
    other = {"src": "ingress", "dst": "egress"}
    for number, (name, side) in enumerate((("src", "egress"), ("dst", "ingress"))):
        index, records = a[f"cell_index_{side}"], a[f"{name}_records"].astype(np.int64)
        rows, width = index.shape[0], index.shape[1] * 64
        if rows > a[f"rows_{side}"].shape[0] or width == 0 or rows * width > 1 << 32:
            raise ValueError(f"table cell_index_{side}: wrong shape")
        _limit(a["endpoint_parts"][:, 3 * number], rows, "endpoint_parts")
        _limit(index, pages.shape[0], f"cell_index_{side}")
        if (records[:, 0] != a["endpoint_parts"][:, 3 * number].astype(np.int64) * width).any():
            raise ValueError(f"table {name}_records: first cell is not its row's")
        across = a[f"cell_index_{other[name]}"].shape[1] * 64
        _limit(records[:, 2] & 0xFFFFFF, across, f"{name}_records")
        # Columns of this side stand in the records of the other end.
        ends = a["dst_records" if name == "src" else "src_records"]
        own, mask = own_columns[number]
        nodes = ends[(ends[:, 2] >> np.uint32(24)) & 2 != 0, 2].astype(np.int64) & 0xFFFFFF & mask
        if own != 0xFFFFFFFF and own + int(nodes.max(initial=0)) >= width:
            raise ValueError("meta own_columns: no such column")
        _limit(records[:, 3] & 0xFFFF, map_count, f"{name}_records")
        top = highest_cell[index].max(axis=1)[records[:, 0] // width]
        _limit(records[:, 1] + top + highest_port[records[:, 3] & 0xFFFF], runs.size,
               f"{name}_records")
