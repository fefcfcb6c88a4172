"""Takes a rule and what each of its peers matches, gives the rule with its peers as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from netpol.compiler.shared.columns import Indexes
from netpol.compiler.shared.intervals import Interval, merged
from netpol.policy.program import NamedPort, PodPeer, Rule

__all__ = ["MatchedLabels", "RuleColumns", "rule_columns"]

#: Label columns that a peer matches, and those that it may.
MatchedLabels = Mapping[PodPeer, tuple[Indexes, Indexes]]


@dataclass(slots=True)
class RuleColumns:
    """One rule with its peers as sparse columns.

    Attributes
    ----------
    policy : its policy, by index.
    label_yes, label_maybe : sorted label columns that match, and that may.
    cidrs : by lane of ``AddressPeers``, the CIDR columns that match (or are in doubt): disjoint
        intervals, in order.
    names : port names it uses.
    """

    policy: int
    rule: Rule
    label_yes: Indexes
    label_maybe: Indexes
    cidrs: tuple[list[Interval], ...]
    names: frozenset[str]
    _indexes: list[Indexes] | None = field(default=None)

    @property
    def cidr_indexes(self) -> list[Indexes]:
        """The CIDR columns one by one, by lane; rows share rules, so they are kept."""
        if self._indexes is None:
            self._indexes = [_indexes(intervals) for intervals in self.cidrs]
        return self._indexes


def rule_columns(
    policy: int,
    rule: Rule,
    matched: MatchedLabels,
    places: Sequence[int],
    members: Sequence[Sequence[Sequence[Interval]]],
) -> RuleColumns:
    """Return a rule with its columns.

    ``places`` are those of its peers that match addresses, ``members`` the columns of each place by
    lane, as ``AddressPeers`` and ``CidrColumns`` have them.
    """
    pods = [matched[peer] for peer in rule.peers or () if isinstance(peer, PodPeer)]
    cidrs = tuple([_joined([lane[place] for place in places]) for lane in members])
    names = frozenset([port.name for port in rule.ports or () if isinstance(port, NamedPort)])
    yes, maybe = _union([yes for yes, _ in pods]), _union([maybe for _, maybe in pods])
    return RuleColumns(policy, rule, yes, maybe, cidrs, names)


_NO_COLUMNS = np.empty(0, np.int64)


def _joined(parts: list[Sequence[Interval]]) -> list[Interval]:
    if len(parts) < 2:
        return list(parts[0]) if parts else []
    return merged(interval for part in parts for interval in part)


def _union(parts: list[Indexes]) -> Indexes:
    parts = [part for part in parts if len(part)]
    if not parts:
        return _NO_COLUMNS
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))


def _indexes(intervals: Sequence[Interval]) -> Indexes:
    if not intervals:
        return _NO_COLUMNS
    return np.concatenate([np.arange(first, end, dtype=np.int64) for first, end in intervals])
