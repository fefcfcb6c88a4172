"""Takes a ``Diff`` or the flows that differ, gives them as tables: Arrow, pandas, polars."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from netpol.model.text import encodable
from netpol.model.verdict import Verdict
from netpol.questions.diff.changes import Change
from netpol.questions.diff.differences import Differing
from netpol.questions.diff.groups import Group, Kind, kind_of
from netpol.questions.diff.relevance import OTHER_CHANGE
from netpol.questions.replay.replay import Pair

if TYPE_CHECKING:
    from netpol.questions.diff.diff import Diff
    from netpol.run.pairs import Credit

__all__ = ["flows_of", "frame_of", "table_of"]

_SIDES = ("before", "after")
_COMMON = ("src", "dst", "protocol", "port")
_JUDGED = (
    "verdict", "side", "reason", "egress_policy", "egress_rule", "ingress_policy", "ingress_rule",
    "src_identity", "dst_identity",
)  # fmt: skip


def flows_of(
    differing: Differing, tried: tuple[Change, ...], *, encode_addresses: bool = False
) -> pa.Table:
    """Return one row per flow that differs (docs/output.md has the columns)."""
    judged = differing.first, differing.second
    tables = [one.to_arrow(encode_addresses=encode_addresses) for one in judged]
    columns = {name: tables[0].column(name) for name in _COMMON}
    columns["kind"] = _kinds(*(one.verdict for one in judged))
    columns["responsible"] = _responsible(differing.causes, tried)
    for suffix, table in zip(_SIDES, tables, strict=True):
        columns |= {f"{name}_{suffix}": table.column(name) for name in _JUDGED}
    return pa.Table.from_pydict(columns)


def _kinds(first: Any, second: Any) -> pa.DictionaryArray:
    words = list(Kind)
    place = np.array([[words.index(kind_of(a, b)) for b in Verdict] for a in Verdict], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(place[first, second]), [str(w) for w in words])


def _responsible(causes: Any, tried: tuple[Change, ...]) -> pa.DictionaryArray:
    """Return the changes that each suffice, words apart by comma and blank; absent if none does."""
    causes = causes & ~OTHER_CHANGE
    masks, inverse = np.unique(causes, return_inverse=True)
    words = pa.array(
        [
            ", ".join(one.text for place, one in enumerate(tried) if mask >> place & 1)
            for mask in masks.tolist()
        ],
        pa.string(),
    )
    codes = pa.array(inverse.astype(np.int32).reshape(-1), mask=np.asarray(causes == 0))
    return pa.DictionaryArray.from_arrays(codes, words)


def table_of(diff: Diff) -> pa.Table:
    """Return one row per listed group."""
    groups = diff.groups
    columns: dict[str, pa.Array] = {
        "kind": pa.array([str(group.kind) for group in groups], pa.string()),
        "src": pa.array([group.before.src for group in groups], pa.string()),
        "dst": pa.array([group.before.dst for group in groups], pa.string()),
        "protocol": pa.array([group.before.protocol for group in groups], pa.string()),
        "port": pa.array([group.before.port for group in groups], pa.uint16()),
        "flows": _numbers([group.weight.flows for group in groups]),
        "packets": _numbers(
            [group.weight.packets if diff.has_packets else None for group in groups]
        ),
        "bytes": _numbers([group.weight.bytes if diff.has_bytes else None for group in groups]),
    }
    for name in ("first_seen", "last_seen"):
        times = [getattr(group, name) for group in groups]
        columns[name] = pa.array(times, pa.int64()).cast(pa.timestamp("ns", "UTC"))
    columns["responsible"] = pa.array([_causes(group) for group in groups], pa.string())
    for place, side in enumerate(_SIDES):
        verdicts = [group.verdicts[place].label for group in groups]
        columns[f"verdict_{side}"] = pa.array(verdicts, pa.string())
        columns |= {
            f"{name}_{side}": pa.array(values, pa.string())
            for name, values in _judged([getattr(group, side) for group in groups]).items()
        }
    return pa.table(columns)


def _numbers(values: list[int | None]) -> pa.Array:
    """Return counters; what no 64 bits hold, which only made-up logs have, as floats."""
    try:
        return pa.array(values, pa.uint64())
    except (pa.ArrowInvalid, OverflowError):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())


def _causes(group: Group) -> str | None:
    return encodable(", ".join(one.text for one in group.responsible)) or None


def _judged(pairs: list[Pair]) -> dict[str, list[str]]:
    return {
        "side": [pair.side.label for pair in pairs],
        "reason": [pair.reason.label for pair in pairs],
        "decided_by": [encodable("; ".join(map(decider, pair.credits))) for pair in pairs],
    }


def decider(credit: Credit) -> str:
    """Return who decided a side, in a few words."""
    rule = f"{credit.side.label}[{credit.rule}]" if credit.rule is not None else "no rule"
    place = f" ({credit.file}:{credit.line})" if credit.line is not None else ""
    if credit.rule is None:
        return f"{credit.side.label}: {rule} of {credit.policy}{place}"
    return f"{credit.policy} {rule}{place}"


def frame_of(diff: Diff, library: str) -> Any:
    """Return the listed groups as a DataFrame of ``pandas`` or ``polars``."""
    try:
        frames = import_module(library)
    except ImportError as error:
        raise ImportError(f"{library} is not installed: pip install {library}") from error
    table = table_of(diff)
    return table.to_pandas() if library == "pandas" else frames.from_arrow(table)
