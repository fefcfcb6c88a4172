"""Takes pod groups, regions and port classes, gives what every row says to every column.

One ``SideCompiler`` does one side. A *row* is a set of subjects (the same policies isolate them), a
*label column* a set of peers no selector of the side can tell apart, a *CIDR column* the same for
addresses. The two kinds of column are kept apart, since their product is what blows up; a row
knows only the few local classes of columns that its own rules tell apart, and a small table of
their pairs. See docs/tables.md.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from netpol.compiler.addresses.cidrcolumns import CidrColumns
from netpol.compiler.addresses.peers import AddressPeers
from netpol.compiler.addresses.regions import Swept
from netpol.compiler.layout import NOT_A_POD_ROW, NOT_ISOLATED_ROW, Reserved
from netpol.compiler.rows.cases import Case, RowCases
from netpol.compiler.rows.decisions import Decision, DecisionTable
from netpol.compiler.rows.partition import PodGroups
from netpol.compiler.rows.ports import RowPorts
from netpol.compiler.rows.removals import Removals
from netpol.compiler.rows.row import (
    CompiledRow,
    Row,
    RowClasses,
    RowRules,
    RowWidth,
    own_node_exemption,
)
from netpol.compiler.rows.rulecolumns import RuleColumns, rule_columns
from netpol.compiler.rows.splitrows import OwnNode, SplitRow, on_own_node
from netpol.compiler.rows.strips import RowStrips, Strips
from netpol.compiler.rows.subjects import Subjects, rules_of
from netpol.compiler.rows.tiers import RowTiers, TierRule
from netpol.compiler.shared.budget import Budget
from netpol.compiler.shared.columns import Indexes, group_columns, mask_of
from netpol.compiler.shared.portclasses import NamedPorts
from netpol.compiler.shared.selection import YES
from netpol.model.errors import CapacityError
from netpol.model.switches import Switches
from netpol.model.verdict import Reason, Side, Tier, Verdict
from netpol.policy.program import NamedPort, PodPeer, Policy
from netpol.policy.split import Piece

__all__ = ["SideCompiler"]

_FIRST_COLUMN = 3
#: Local classes of one row; their ids are 16 bits wide in the pages.
MAX_LOCALS = 0xFFFF
_ISOLATING = Decision._fields.index("isolating")
# What one subject's rules may combine to: 10 us each, and 1.8 million where 2 500 policies meet.
MAX_CASES = 1 << 22
# In Python, until they are packed; measured with 20 000 rules of each shape in bench/growth.py.
STRIP_BYTES, RUN_BYTES, RUN_ENTRY_BYTES = 100, 120, 20


_Meanings = tuple[list[NamedPorts], npt.NDArray[np.int64] | None]


@dataclass(slots=True)
class SideCompiler:
    """Compiles one side. ``policies`` are those of the program, by index; ``tiers`` theirs.

    ``rows`` are subjects' rows, followed by twins for hairpins; ``subject_rows`` counts the former.
    ``hairpin_rows`` has, by row, the row that judges traffic of its pods to themselves, 0 where
    the hairpin column says all. ``pieces`` are what could be removed of each policy, where
    decisions are to say what they hang on.
    """

    side: Side
    policies: Sequence[Policy]
    tiers: Sequence[Tier]
    groups: PodGroups
    row_ports: RowPorts
    addresses: AddressPeers
    decisions: DecisionTable
    switches: Switches
    budget: Budget
    pieces: Mapping[tuple[int, Side], Piece] | None = None
    rows: list[Row] = field(default_factory=list)
    subject_rows: int = field(init=False)
    hairpin_rows: list[int] = field(init=False)
    row_of_group: npt.NDArray[np.int32] = field(init=False)
    column_of_group: npt.NDArray[np.int32] = field(init=False)
    column_ports: list[NamedPorts] = field(init=False)
    columns: CidrColumns = field(init=False)
    strips: Strips = field(default_factory=Strips)
    _rules: dict[int, list[RuleColumns]] = field(default_factory=dict)
    _last: RowRules | None = None
    _named: dict[frozenset[str], _Meanings] = field(default_factory=dict)
    _runs: dict[tuple[int, ...], int] = field(default_factory=dict)
    _single: dict[int, int] = field(default_factory=dict)
    runs: array[int] = field(default_factory=lambda: array("I"))

    # --- partition ---------------------------------------------------------------------------

    def __post_init__(self) -> None:
        size = self.addresses.lanes * len(self.addresses)
        self.columns = CidrColumns(self.addresses.sets, size, self.budget)

    def swept(self) -> Swept:
        """Return what the sweep over addresses reads and fills."""
        return Swept(self.addresses.spans, self.addresses.sets, self.columns)

    def partition(self, learned: Iterable[int]) -> None:
        """Return groups their row and label column, and all sets of address peers their column.

        ``learned`` are the sets that DNS makes of those that the sweep has found.
        """
        self._assign_rows()
        matched = self._assign_columns()
        for number in (*self.columns.of, *learned):
            self.columns.add(number)
            for hidden in self._hidden():
                self.columns.add(self.addresses.sets.without(number, hidden))
        places, count = iter(self.addresses.by_rule), len(self.addresses)
        members = [
            self.columns.members[lane * count : (lane + 1) * count]
            for lane in range(self.addresses.lanes)
        ]
        for index, policy in enumerate(self.policies):
            self._rules[index] = [
                rule_columns(index, rule, matched, next(places), members)
                for rule in rules_of(policy, self.side)
            ]

    def _hidden(self) -> tuple[int, int]:
        return self.addresses.hidden_from_pods, self.addresses.hidden_from_nodes

    def seen_columns(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """Return uint32[CIDR columns] twice: the column of an address as a pod's, as a node's."""
        of, sets = self.columns.of, self.addresses.sets
        pods, nodes = (
            np.array([of[sets.without(number, hidden)] for number in of], np.uint32)
            for hidden in self._hidden()
        )
        return pods, nodes

    def isolating(self, row: Row) -> tuple[int, ...]:
        """Return the NetworkPolicies of a row: those that isolate its subjects."""
        return tuple(index for index in row.policies if self.tiers[index] is Tier.NETWORKPOLICY)

    def _assign_rows(self) -> None:
        chosen, doubtful = Subjects(self.policies, self.tiers, self.groups, self.switches).of(
            self.side
        )
        names = [
            frozenset(
                port.name
                for rule in rules_of(policy, self.side)
                for port in rule.ports or ()
                if isinstance(port, NamedPort)
            )
            for policy in self.policies
        ]
        self.rows = [Row(()), Row(())]
        ids: dict[Row, int] = {Row(()): NOT_ISOLATED_ROW}
        self.row_of_group = np.empty(len(self.groups), np.int32)
        for group, policies in enumerate(chosen):
            ports: NamedPorts = frozenset()
            if self.side is Side.INGRESS and self.groups.ports[group]:
                used = frozenset().union(*(names[index] for index in policies))
                ports = frozenset(item for item in self.groups.ports[group] if item[0] in used)
            row = Row(tuple(policies), ports, tuple(doubtful[group]))
            found = ids.get(row)
            if found is None:
                found = ids[row] = len(self.rows)
                self.rows.append(row)
            self.row_of_group[group] = found
        self._add_hairpin_twins()

    def _add_hairpin_twins(self) -> None:
        """Add twins where the hairpin column is not enough: NetworkPolicies alone need none."""
        self.subject_rows = len(self.rows)
        self.hairpin_rows = [0] * len(self.rows)
        for index in range(self.subject_rows):
            row = self.rows[index]
            isolating = self.isolating(row)
            if len(isolating) == len(row.policies):
                continue
            if isolating and self.switches.np_service_hairpin == "allow":
                self.hairpin_rows[index] = len(self.rows)
                self.rows.append(row._replace(hairpin=True))
            else:
                self.hairpin_rows[index] = index
        self.hairpin_rows += [0] * (len(self.rows) - self.subject_rows)

    def _assign_columns(self) -> dict[PodPeer, tuple[Indexes, Indexes]]:
        """Group pod groups by the peers that match them; egress also by their port names (A8.1)."""
        peers = dict.fromkeys(
            peer
            for policy in self.policies
            for rule in rules_of(policy, self.side)
            for peer in rule.peers or ()
            if isinstance(peer, PodPeer)
        )
        values = {peer: self.groups.peers(peer) for peer in peers}
        signature: list[list[int]] = [[] for _ in range(len(self.groups))]
        for bit, (members, verdicts) in enumerate(values.values()):
            for group, verdict in zip(members.tolist(), verdicts.tolist(), strict=True):
                signature[group].append(bit * 2 + (verdict == YES))
        ids: dict[tuple[tuple[int, ...], NamedPorts], int] = {}
        self.column_of_group = np.empty(len(self.groups), np.int32)
        self.column_ports = [frozenset()] * _FIRST_COLUMN
        for group, bits in enumerate(signature):
            ports = self.groups.ports[group] if self.side is Side.EGRESS else frozenset()
            key = (tuple(bits), ports)
            found = ids.get(key)
            if found is None:
                found = ids[key] = _FIRST_COLUMN + len(ids)
                self.column_ports.append(ports)
            self.column_of_group[group] = found
        return {peer: self._to_columns(*found) for peer, found in values.items()}

    def _to_columns(
        self, members: Indexes, verdicts: npt.NDArray[np.uint8]
    ) -> tuple[Indexes, Indexes]:
        columns = self.column_of_group[members].astype(np.int64)
        return np.unique(columns[verdicts == YES]), np.unique(columns[verdicts != YES])

    # --- rows --------------------------------------------------------------------------------

    def compile_row(self, index: int) -> CompiledRow:
        """Return one row's tables. Raises ``CapacityError`` before it allocates too much."""
        if index == NOT_A_POD_ROW:
            return self._constant_row(Reserved.NOT_A_POD)
        row = self.rows[index]
        if not row.policies:
            return self._constant_row(
                self.decisions.intern(
                    Decision(self.side, Verdict.ALLOW, Reason.NOT_ISOLATED, Tier.NONE)
                )
            )
        of = self._row_rules(row)
        rules, width = of.rules, self._width(row, of)
        if width.splits:
            split = self._split_row(row, rules, width)
            if split is not None:
                return split
        classes = self._classes(row, rules, width)
        labels, cidrs, ports = classes.labels, classes.cidrs, classes.ports
        locals_ = len(labels.bits)
        special = (locals_, locals_ + 1)
        pairs = self._allocate_pairs(row, locals_ + 2, len(cidrs.bits))
        cases = classes.cases()
        self.check_cases(row, cases.bound())
        tiers = self.row_tiers(row, classes.rules)
        exempt = Reason.NP_HAIRPIN if row.hairpin else None
        for i, j, ids in cases.pairs():
            pairs[i, j] = self._run(tiers, cases, exempt, i, j, ids)
        own = own_node_exemption(self.side, self.switches)
        for place, reason in zip(special, (own, Reason.NP_HAIRPIN), strict=True):
            # Where only NetworkPolicies speak, an exemption does not hang on the address.
            for j in range(1 if tiers.plain and reason is not None else len(cidrs.bits)):
                pairs[place, j:] = self._special(tiers, cases, reason, j, len(ports))
        return CompiledRow(ports.map_id, labels, cidrs, special, pairs)

    def row_classes(self, row: Row) -> RowClasses:
        """Return the rules of a row and the classes they make.

        Raises
        ------
        CapacityError
            If the bits of the classes would take too much.
        """
        of = self._row_rules(row)
        return self._classes(row, of.rules, self._width(row, of))

    def _row_rules(self, row: Row) -> RowRules:
        """Return the rules of a row; of the row before, where only what port names mean differs."""
        if self._last is None or self._last.policies != row.policies:
            rules = [item for policy in row.policies for item in self._rules[policy]]
            self._last = RowRules.of(row.policies, rules, self.row_ports)
        return self._last

    def _width(self, row: Row, of: RowRules) -> RowWidth:
        """Measure a row before anything is made of it that may be large."""
        count = len(of.rules)
        meanings, extra = self._meanings(of.rules, row)
        labels = group_columns(
            [(bit, rule.label_yes) for bit, rule in enumerate(of.rules)]
            + [(count + bit, rule.label_maybe) for bit, rule in enumerate(of.rules)],
            extra,
        )
        ports = self.row_ports.of(of.ports, meanings)
        lanes = count * (self.addresses.lanes * of.cidrs + 2 * len(meanings) * len(ports)) // 8
        return RowWidth(labels, ports, of.cidrs, of.incidences * 8 + 2 * lanes)

    def _classes(self, row: Row, rules: list[RuleColumns], width: RowWidth) -> RowClasses:
        count = len(rules)
        with self.budget.held(
            width.bytes, f"rules by class of peers and ports of {self._first(row)}"
        ):
            cidrs = group_columns(
                [
                    (lane * count + bit, columns)
                    for bit, rule in enumerate(rules)
                    for lane, columns in enumerate(rule.cidr_indexes)
                ]
            )
        everyone = mask_of([bit for bit, rule in enumerate(rules) if rule.rule.peers is None])
        return RowClasses(self._ordered(row, rules), width.labels, cidrs, everyone, width.ports)

    def _ordered(self, row: Row, rules: list[RuleColumns]) -> list[TierRule]:
        doubtful = set(row.doubtful)
        return [
            TierRule(
                item.policy, item.rule.index, self.tiers[item.policy],
                self.policies[item.policy].priority, item.rule.action, item.rule.fail_closed,
                item.policy in doubtful,
            )
            for item in rules
        ]  # fmt: skip

    def _first(self, row: Row) -> str:
        return self.policies[row.policies[0]].label

    def _split_row(self, row: Row, rules: list[RuleColumns], width: RowWidth) -> CompiledRow | None:
        """Return a row split by port, if that is less: pairs are strips by (label, port local)."""
        everyone = frozenset(bit for bit, rule in enumerate(rules) if rule.rule.peers is None)
        tiers = self.row_tiers(row, self._ordered(row, rules))
        strips = RowStrips(
            [rule.cidrs for rule in rules], everyone, width.labels, width.ports,
            plain=tiers.plain and not tiers.has_removals,
        )  # fmt: skip
        bound = strips.bound()
        if not width.pays(bound.pieces + bound.listed):
            self.check_cases(row, bound.cases)
            return None
        self.check_cases(row, bound.pieces + bound.listed)
        labels = len(width.labels.bits)
        self._take_pairs(row, labels + 2, len(width.ports), labels + 2)
        self.budget.take(
            (bound.pieces + bound.listed) * STRIP_BYTES,
            f"strips of what {self._first(row)} selects",
        )
        hairpin = Reason.NP_HAIRPIN
        exemption = own_node_exemption(self.side, self.switches)
        decide = SplitRow(tiers, self._place, hairpin if row.hairpin else None)
        unexempt = SplitRow(tiers, self._place, None) if row.hairpin else decide
        own_node = (
            OwnNode(unexempt, self._decision_at, self._place).place
            if exemption is None
            else SplitRow(tiers, self._place, exemption).always()
        )
        to_itself = SplitRow(tiers, self._place, hairpin).always()
        pairs = strips.pairs(self.strips, decide.place, [own_node, to_itself])
        return CompiledRow(
            width.ports.map_id, width.labels, group_columns([]), (labels, labels + 1), pairs,
            split=True,
        )  # fmt: skip

    def row_tiers(self, row: Row, rules: list[TierRule]) -> RowTiers:
        """Return what decides the cases of a row."""
        return RowTiers(
            self.side, rules, self.isolating(row), self.switches.cnp_tie,
            lambda index: self.policies[index].label, self._removals(row),
        )  # fmt: skip

    def _removals(self, row: Row) -> Removals | None:
        if self.pieces is None:
            return None
        found, places = [], 0
        for policy in row.policies:
            piece = self.pieces.get((policy, self.side))
            if piece is not None:
                found.append(piece.moved(places))
            places += len(self._rules[policy])
        return Removals(found)

    def _allocate_pairs(self, row: Row, labels: int, cidrs: int) -> npt.NDArray[np.uint32]:
        """Return an empty pair table, if it fits."""
        self._take_pairs(row, labels, cidrs, max(labels, cidrs))
        return np.empty((labels, cidrs), np.uint32)

    def _take_pairs(self, row: Row, labels: int, others: int, locals_: int) -> None:
        """Take the room of a pair table; pages hold local classes of peers in 16 bits."""
        subject = self._first(row)
        if locals_ > MAX_LOCALS:
            raise CapacityError(
                f"the {self.side.label} rules of {len(row.policies)} policies on one subject "
                f"({subject} is the first) tell {locals_} classes of peers apart; at "
                f"most {MAX_LOCALS} fit. Give their peers fewer distinct selectors or CIDRs"
            )
        self.budget.take(
            labels * others * 4,
            f"{labels} x {others} classes of {self.side.label} rules of what {subject} selects",
        )

    def check_cases(self, row: Row, cases: int) -> None:
        """Raise ``CapacityError`` if a row has more cases than can be decided."""
        if cases > MAX_CASES:
            raise CapacityError(
                f"the {self.side.label} rules of {len(row.policies)} policies on one subject "
                f"({self._first(row)} is the first) combine to {cases:,} cases of peer and port; "
                f"at most {MAX_CASES:,} are decided. Leave ports out of rules that list many "
                "CIDRs, or split what the policies select"
            )

    def _constant_row(self, decision: int) -> CompiledRow:
        none = group_columns([])
        base = self._intern_run((decision,))
        return CompiledRow(0, none, none, (0, 0), np.array([[base]], np.uint32))

    def _meanings(self, rules: list[RuleColumns], row: Row) -> _Meanings:
        """Return what port names may mean in this row, and which meaning each label column has.

        Ingress names resolve on the subject, so the row has one meaning; egress names resolve on
        the peer (A8.1), so columns differ.
        """
        if self.side is Side.INGRESS:
            return [row.ports], None
        used = frozenset().union(*(rule.names for rule in rules))
        if not used:
            return [frozenset()], None
        found = self._named.get(used)  # most rows use the few names that everyone does
        if found is None:
            found = self._named[used] = self._egress_meanings(used)
        return found

    def _egress_meanings(self, used: frozenset[str]) -> _Meanings:
        meanings: list[NamedPorts] = [frozenset()]
        extra = np.zeros(len(self.column_ports), np.int64)
        ids: dict[NamedPorts, int] = {frozenset(): 0}
        for column, ports in enumerate(self.column_ports):
            if ports:
                mine = frozenset(item for item in ports if item[0] in used)
                if mine not in ids:
                    ids[mine] = len(meanings)
                    meanings.append(mine)
                extra[column] = ids[mine]
        return meanings, extra

    def _run(
        self,
        tiers: RowTiers,
        cases: RowCases,
        exempt: Reason | None,
        i: int,
        j: int,
        ids: tuple[int, ...],
    ) -> int:
        """Return the run of one pair of classes."""
        outcome = [decided.get(case, -1) for decided, case in zip(cases.decided, ids, strict=True)]
        if -1 in outcome:
            for port, case in enumerate(ids):
                if outcome[port] < 0:
                    decision = tiers.decide(cases.bits(i, j, port), exempt)
                    outcome[port] = self._intern(tiers, decision)
                    cases.decided[port][case] = outcome[port]
        return self._intern_run(tuple(outcome))

    def _special(
        self, tiers: RowTiers, cases: RowCases, exempt: Reason | None, j: int, count: int
    ) -> int:
        """Return the run of the own node, or of the pod itself, by its class of addresses.

        Without an exemption it is the own node, as any other but for the note (A11.6).
        """
        if tiers.plain and exempt is not None:
            decision = self.decisions.intern(tiers.decide(Case(0, 0), exempt))
            return self._intern_run((decision,) * count)
        decisions = [tiers.decide(cases.bits(0, j, port), exempt) for port in range(count)]
        if exempt is None:
            decisions = list(map(on_own_node, decisions))
        return self._intern_run(tuple(map(self.decisions.intern, decisions)))

    def _place(self, decision: Decision) -> int:
        """Return the place of a run of one decision."""
        number = self.decisions.intern(decision)
        found = self._single.get(number)
        if found is None:
            self.budget.take(RUN_BYTES, "decisions by port and class of peers")
            found = self._single[number] = len(self.runs)
            self.runs.append(number)
        return found

    def _decision_at(self, place: int) -> Decision:
        return self.decisions.items[self.runs[place]]

    def _intern(self, tiers: RowTiers, decision: Decision) -> int:
        """Return id of a decision of a row; the isolating policies are the same for all of it."""
        key = decision[:_ISOLATING] + decision[_ISOLATING + 1 :]
        found = tiers.known.get(key)
        if found is None:
            found = tiers.known[key] = self.decisions.intern(decision)
        return found

    def _intern_run(self, run: tuple[int, ...]) -> int:
        """Return the place of a run of decisions in ``runs``."""
        found = self._runs.get(run)
        if found is None:
            size = RUN_BYTES + RUN_ENTRY_BYTES * len(run)
            self.budget.take(size, "decisions by class of peers and port")
            found = self._runs[run] = len(self.runs)
            self.runs.extend(run)
        return found
