"""Takes the JSON beside the packed arrays, gives it typed, and checked against the arrays.

Nothing that a saved file says is trusted: whoever indexes by what is here must find it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import numpy.typing as npt

from netpol._core.row_checks import check_decisions
from netpol.compiler.rows.decisions import MERGE_REASONS, WHOLE_FLOW_REASONS
from netpol.io.gcpause import gc_paused
from netpol.model.switches import Switches
from netpol.model.verdict import Reason, Side, Tier, Verdict
from netpol.policy.program import Action

__all__ = ["PolicyMeta", "TableMeta", "check_meta", "read_meta", "write_meta"]

_Int64 = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_UInt32 = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
_Index = Annotated[int, msgspec.Meta(ge=0, le=(1 << 31) - 1)]
_IndexOrNone = Annotated[int, msgspec.Meta(ge=-1, le=(1 << 31) - 1)]
_VerdictCode = Annotated[int, msgspec.Meta(ge=0, le=int(max(Verdict)))]
_ReasonCode = Annotated[int, msgspec.Meta(ge=0, le=int(max(Reason)))]
_SideCode = Annotated[int, msgspec.Meta(ge=0, le=int(max(Side)))]
_TierCode = Annotated[int, msgspec.Meta(ge=0, le=int(max(Tier)))]
_ActionCode = Annotated[int, msgspec.Meta(ge=0, le=int(max(Action)))]
_Rule = tuple[_Index, _Index]


class PolicyMeta(TypedDict):
    """A policy; ``isolates``, ``rules`` (their lines) and ``effects`` are of egress, ingress."""

    kind: str
    tier: _TierCode
    priority: _Int64
    namespace: str
    name: str
    file: str
    line: _Index
    isolates: tuple[bool, bool]
    rules: tuple[list[_Index], list[_Index]]
    effects: tuple[list[_ActionCode], list[_ActionCode]]
    times: tuple[_Int64 | None, _Int64 | None, bool]


_DecisionMeta = tuple[
    _SideCode,
    _VerdictCode,
    _ReasonCode | None,
    _TierCode,
    _IndexOrNone,
    _IndexOrNone,
    Sequence[_Rule],
    Sequence[_Index],
    Sequence[tuple[_VerdictCode, _IndexOrNone, _IndexOrNone]],
    bool,
    bool,
]


_MarksMeta = tuple[Sequence[_Index], Sequence[_Index], Sequence[tuple[_Index, _VerdictCode]]]


class TableMeta(TypedDict):
    """What the arrays do not hold: names, and what decisions and policies are."""

    layout: Literal["dense", "paged"]
    order_always: bool
    own_columns: tuple[tuple[_UInt32, _UInt32], tuple[_UInt32, _UInt32]]
    switches: dict[str, str | list[tuple[str, str]]]
    port_protocols: list[_Index]
    newest: _Int64
    pods: list[tuple[str, str]]
    nodes: list[str]
    located_nodes: list[int]
    services: dict[str, list[str]]
    policies: list[PolicyMeta]
    decisions: list[_DecisionMeta]
    marks: NotRequired[list[_MarksMeta]]
    unjudged: NotRequired[list[tuple[str, str, str, str, str, str, str, _Index]]]


_decoder = msgspec.json.Decoder(TableMeta)


def write_meta(meta: TableMeta) -> bytes:
    """Return what ``read_meta`` reads."""
    return msgspec.json.encode(meta)


def read_meta(text: bytes) -> TableMeta:
    """Return what ``write_meta`` wrote; what it names is left to ``check_meta``.

    Raises
    ------
    ValueError
        It is not JSON of this form.
    """
    try:
        with gc_paused():
            meta = _decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if set(meta["switches"]) != {field.name for field in fields(Switches)}:
        raise ValueError("meta switches: not those there are")
    return meta


def check_meta(meta: TableMeta, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Check it against arrays that the core has taken, and so checked among themselves.

    Raises
    ------
    ValueError
        It names what the arrays or the rest of it do not have, or the other way round.
    """
    for name, items, wanted in (
        ("pods", meta["pods"], len(arrays["pod_parts"])),
        ("nodes", meta["nodes"], arrays["node_starts"].shape[1] - 1),
        ("marks", meta.get("marks", meta["decisions"]), arrays["decision_info"].size),
    ):
        if len(items) != wanted:
            raise ValueError(f"meta {name}: not as many as in the tables")
    for policy in meta["policies"]:
        if list(map(len, policy["rules"])) != list(map(len, policy["effects"])):
            raise ValueError("meta policies: not an effect for each rule")
    counts = [[len(policy["rules"][side]) for policy in meta["policies"]] for side in (0, 1)]
    check_decisions(arrays, meta["decisions"], counts)
    if meta["decisions"][: len(_RESERVED)] != _RESERVED:
        raise ValueError("meta decisions: the reserved ones are others")


def _reserved(verdict: Verdict, reason: Reason | None) -> tuple[Any, ...]:
    return int(Side.NONE), int(verdict), reason, int(Tier.NONE), -1, -1, [], [], [], False, False


_RESERVED = [
    _reserved(Verdict.ALLOW, None),
    *(_reserved(Verdict.UNKNOWN, reason) for reason in MERGE_REASONS),
    *(_reserved(Verdict.ALLOW, reason) for reason in WHOLE_FLOW_REASONS),
]
