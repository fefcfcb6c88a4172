"""Takes a row's classes of peers and ports, gives the cases to decide: which rules match in each.

A pair of a label class and a CIDR class matches the rules of both, and each local port keeps some
of those. Rules are bits of Python integers. With few rules a case is told from others by its bits;
but where thousands of policies select one pod, a row has a million pairs of thousands of bits.
There what a class contributes to a port is numbered once, and a case has two small numbers: a third
of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netpol.compiler.rows.ports import LocalPort, Treatment
from netpol.compiler.shared.columns import Grouped

__all__ = ["Case", "RowCases", "case_of"]

_SHIFT = 32
_FEW = 40


class Case(NamedTuple):
    """One case of a row: bits of its rules.

    ``certain`` match, ``possible`` may. ``doubts`` are those whose peer is in doubt: for want of
    namespaces' labels, of Node objects, of DNS answers (R15).
    """

    certain: int
    possible: int
    doubts: tuple[int, int, int] = (0, 0, 0)
    treatment: Treatment = Treatment.PLAIN


def case_of(
    yes: int, doubts: tuple[int, int, int], ports: tuple[int, int], treatment: Treatment
) -> Case:
    """Return a case.

    Parameters
    ----------
    yes : rules whose peer matches.
    doubts : rules whose peer may, by reason, also such that match.
    ports : rules whose port matches, and those whose does or may.
    """
    certain = yes & ports[0]
    maybe, nodes, dns = doubts
    if not nodes and not dns:
        maybe &= ~yes
        return Case(certain, (yes | maybe) & ports[1] & ~certain, (maybe, 0, 0), treatment)
    open_ = maybe & ~yes, nodes & ~yes, dns & ~yes
    possible = (yes | open_[0] | open_[1] | open_[2]) & ports[1] & ~certain
    return Case(certain, possible, open_, treatment)


class RowCases:
    """The cases of one row.

    Parameters
    ----------
    labels, cidrs
        Classes of peers; a label class has ``count`` bits of rules that match and ``count`` of
        those that may, and what port names mean there as its extra. A CIDR class has ``count``
        bits of rules that match, then those in doubt about nodes, then about DNS.
    everyone
        Bits of the rules that have no peers.
    count
        How many rules there are.
    ports
        The row's local ports.

    Attributes
    ----------
    decided : list of dict
        Per local port, what was decided of each case by its number; for the caller to fill.
    """

    def __init__(
        self, labels: Grouped, cidrs: Grouped, everyone: int, count: int, ports: list[LocalPort]
    ) -> None:
        low = (1 << count) - 1
        self._count = count
        self._ports = ports
        self._cidrs = [
            (bits & low, (bits >> count) & low, bits >> (2 * count)) for bits in cidrs.bits
        ]
        self._labels = [
            ((bits & low) | everyone, bits >> count, meaning)
            for bits, meaning in zip(labels.bits, labels.extra, strict=True)
        ]
        self.decided: list[dict[int, int]] = [{} for _ in ports]
        self._label_ids: list[dict[tuple[int, ...], int]] = [{} for _ in ports]
        self._cidr_ids: list[dict[tuple[int, ...], int]] = [{} for _ in ports]
        self._label_numbers: list[list[int]] = []
        self._cidr_numbers: dict[int, list[tuple[int, ...]]] = {}
        if count > _FEW:
            self._number()

    def pairs(self) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """Return each label class, CIDR class, and the number of their case at every local port."""
        return self._by_bits() if self._count <= _FEW else self._by_number()

    def _by_bits(self) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        once, twice = self._count, 2 * self._count
        for i, (label, maybe, meaning) in enumerate(self._labels):
            ports = [
                (by_meaning[meaning][0], by_meaning[meaning][0] | by_meaning[meaning][1])
                for _, by_meaning in self._ports
            ]
            for j, (cidr, nodes, dns) in enumerate(self._cidrs):
                yes = label | cidr
                if nodes or dns:
                    ids = self._doubtful_ids(yes, (maybe, nodes, dns), ports)
                elif maybe:
                    doubt = maybe & ~yes
                    ids = tuple(
                        [
                            yes & some | (yes & any_) << once | (doubt & any_) << twice
                            for some, any_ in ports
                        ]
                    )
                else:
                    ids = tuple([yes & some | (yes & any_) << once for some, any_ in ports])
                yield i, j, ids

    def _doubtful_ids(
        self, yes: int, doubts: tuple[int, int, int], ports: list[tuple[int, int]]
    ) -> tuple[int, ...]:
        """Return numbers where an address is in doubt: each reason of doubt has its own bits."""
        once = self._count
        tail = 0
        for lane, bits in enumerate(doubts):
            tail |= (bits & ~yes) << (lane + 2) * once
        low = (1 << once) - 1
        ids = []
        for some, any_ in ports:
            kept = any_ & low
            mask = kept << 2 * once | kept << 3 * once | kept << 4 * once
            ids.append(yes & some | (yes & any_) << once | tail & mask)
        return tuple(ids)

    def _number(self) -> None:
        """Return numbers to what each class contributes to each port."""
        for yes, maybe, meaning in self._labels:
            self._label_numbers.append(
                [
                    ids.setdefault(key, len(ids)) << _SHIFT
                    for ids, key in zip(
                        self._label_ids, self._label_keys(yes, maybe, meaning), strict=True
                    )
                ]
            )
            if meaning not in self._cidr_numbers:
                self._cidr_numbers[meaning] = self._numbers_of_cidrs(meaning)

    def bound(self) -> int:
        """Return at most how many cases ``pairs`` tells apart; 0, not counted, with few rules."""
        return sum(
            len(labels) * len(cidrs)
            for labels, cidrs in zip(self._label_ids, self._cidr_ids, strict=True)
        )

    def _by_number(self) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        for i, (mine, (_, _, meaning)) in enumerate(
            zip(self._label_numbers, self._labels, strict=True)
        ):
            for j, theirs in enumerate(self._cidr_numbers[meaning]):
                yield i, j, tuple([a | b for a, b in zip(mine, theirs, strict=True)])

    def bits(self, i: int, j: int, port: int) -> Case:
        """Return a case by its classes and local port."""
        yes, maybe, meaning = self._labels[i]
        cidr, nodes, dns = self._cidrs[j]
        treatment, by_meaning = self._ports[port]
        sure, may = by_meaning[meaning]
        return case_of(yes | cidr, (maybe, nodes, dns), (sure, sure | may), treatment)

    def _label_keys(self, yes: int, maybe: int, meaning: int) -> Iterator[tuple[int, ...]]:
        for _, by_meaning in self._ports:
            port_yes, port_maybe = by_meaning[meaning]
            either = port_yes | port_maybe
            yield yes & port_yes, yes & either, maybe & either, meaning

    def _numbers_of_cidrs(self, meaning: int) -> list[tuple[int, ...]]:
        """Give, per CIDR class, the number of what it contributes at every local port."""
        numbers = []
        for bits, nodes, dns in self._cidrs:
            mine = []
            for ids, (_, by_meaning) in zip(self._cidr_ids, self._ports, strict=True):
                port_yes, port_maybe = by_meaning[meaning]
                either = port_yes | port_maybe
                key = (bits & port_yes, bits & either, nodes & either, dns & either, meaning)
                mine.append(ids.setdefault(key, len(ids)))
            numbers.append(tuple(mine))
        return numbers
