"""A row: subjects alike, and what is known of it before, while and after it is compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.rows.cases import RowCases
from netpol.compiler.rows.ports import LocalPorts, PortLists, RowPorts
from netpol.compiler.rows.rulecolumns import RuleColumns
from netpol.compiler.rows.tiers import TierRule
from netpol.compiler.shared.columns import Grouped
from netpol.compiler.shared.intervals import merged
from netpol.compiler.shared.portclasses import NamedPorts
from netpol.model.switches import Switches
from netpol.model.verdict import Reason, Side

__all__ = [
    "CompiledRow",
    "Row",
    "RowClasses",
    "RowRules",
    "RowWidth",
    "has_own_column",
    "own_node_exemption",
]

# Cells of classes of labels, CIDRs and ports: 1 us each, where a strip takes 40 us.
SPLIT_FROM = 1 << 21
SPLIT_BYTES = 64 << 20
SPLIT_GAIN = 8


def own_node_exemption(side: Side, switches: Switches) -> Reason | None:
    """Return why NetworkPolicies do not bind the own node; None if they do (A11.1, A11.3)."""
    chosen = switches.own_node_ingress if side is Side.INGRESS else switches.own_node_egress
    return Reason.OWN_NODE if chosen == "allow" else None


def has_own_column(side: Side, switches: Switches) -> bool:
    """Return whether decisions on the own node are others than on other nodes.

    Where egress to it is denied, that is noted (A11.6).
    """
    return side is Side.EGRESS or own_node_exemption(side, switches) is not None


class Row(NamedTuple):
    """Subjects alike: the policies about them and, for ingress, what port names mean on them.

    ``doubtful`` are those of ``policies`` that may not be about them (R24). ``hairpin`` marks the
    twin of a row, by which traffic of a pod to itself is judged: cluster-scoped policies see the
    pod as its own peer, NetworkPolicies are exempt (A10.3, B6.3).
    """

    policies: tuple[int, ...]
    ports: NamedPorts = frozenset()
    doubtful: tuple[int, ...] = ()
    hairpin: bool = False


class RowClasses(NamedTuple):
    """A row's rules in the order they are tried, and the classes of peers and ports they make.

    ``everyone`` has the bits of the rules without peers.
    """

    rules: list[TierRule]
    labels: Grouped
    cidrs: Grouped
    everyone: int
    ports: LocalPorts

    def cases(self) -> RowCases:
        """Return the cases that the classes make."""
        return RowCases(self.labels, self.cidrs, self.everyone, len(self.rules), self.ports.locals_)


class RowRules(NamedTuple):
    """The rules of some policies, in order, and what is the same in every row that has those.

    ``incidences`` are the CIDR columns of all rules, one by one; ``cidrs`` is at most how many
    classes they make.
    """

    policies: tuple[int, ...]
    rules: list[RuleColumns]
    ports: PortLists
    incidences: int
    cidrs: int

    @classmethod
    def of(
        cls, policies: tuple[int, ...], rules: list[RuleColumns], row_ports: RowPorts
    ) -> RowRules:
        """Return the rules of ``policies``, measured."""
        spans = [span for rule in rules for lane in rule.cidrs for span in lane]
        touched = sum(end - first for first, end in merged(spans))
        return cls(
            policies, rules, row_ports.lists([item.rule.ports for item in rules]),
            sum(end - first for first, end in spans), 1 + min(touched, 2 * len(spans)),
        )  # fmt: skip


class RowWidth(NamedTuple):
    """What is known of a row before its CIDR columns are grouped.

    ``cidrs`` is at most how many classes they make; ``bytes`` what the bits of all classes take.
    """

    labels: Grouped
    ports: LocalPorts
    cidrs: int
    bytes: int

    @property
    def cells(self) -> int:
        """How many classes of peers times ports there may be."""
        return len(self.labels.bits) * self.cidrs * len(self.ports)

    @property
    def splits(self) -> bool:
        """Whether a table of all cells may be too much."""
        return self.cells > SPLIT_FROM or self.bytes > SPLIT_BYTES

    def pays(self, pieces: int) -> bool:
        """Return whether a split row, of at most so many pieces, is better than a table.

        It is not where both are much: flows are judged a quarter as fast by strips.
        """
        return pieces * SPLIT_GAIN < self.cells or self.bytes > SPLIT_BYTES or SPLIT_FROM < 0


@dataclass(slots=True)
class CompiledRow:
    """A row's local classes and what each pair of them says.

    ``pairs[label local, cidr local]`` is the base of a run of decisions, one per local port class
    of the row's port map. Of a row that is ``split``, ``pairs[label local, local port class]`` is a
    strip.
    """

    port_map: int
    labels: Grouped
    cidrs: Grouped
    special: tuple[int, int]  # label locals of own node and hairpin
    pairs: npt.NDArray[np.uint32]
    split: bool = False
