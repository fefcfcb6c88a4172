"""Takes decisions of an engine and times, gives what those sides may have said at these times.

A policy that was created after a time did not take part then; one whose spec was changed after it
may have said anything. What the others said is what they say. Only the policies that a decision
rests on are looked at, those that isolate the pod and those that have a matching rule: what a
policy said that has been deleted, or that matched before it was changed, cannot be known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntFlag
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netpol.model.verdict import Reason, Side, Tier, Verdict
from netpol.policy.program import Action

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["AsOf", "Could"]

_BEGINNING = np.iinfo(np.int64).min

Int64s = npt.NDArray[np.int64]
UInt8s = npt.NDArray[np.uint8]
_Steps = tuple[Int64s, UInt8s]


class Could(IntFlag):
    """The verdicts that a side may have given."""

    ALLOW = 1
    DENY = 2
    EITHER = 3


_OF_VERDICT = {
    Verdict.ALLOW: Could.ALLOW,
    Verdict.DENY: Could.DENY,
    Verdict.UNKNOWN: Could.EITHER,
}
_OF_ACTION = {Action.ALLOW: Could.ALLOW, Action.DENY: Could.DENY}
#: Reasons that policies are: what rests on something else was the same at any time.
_BY_POLICY = frozenset(
    (
        Reason.NP_RULE,
        Reason.NP_IMPLICIT_DENY,
        Reason.CNP_ACCEPT,
        Reason.CNP_DENY,
        Reason.CNP_FAIL_CLOSED,
    )
)


class AsOf:
    """What the decisions of an engine may have been at other times.

    Attributes
    ----------
    known : bool, whether the time of any policy is; without one, decisions never change.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        times = [policy.times for policy in engine.policies]
        self.known = any(item.created is not None or item.changed is not None for item in times)
        self._created = _int64s([item.created for item in times])
        self._last = np.maximum(self._created, _int64s([item.changed for item in times]))
        self._steps: dict[int, _Steps] = {}

    def could(self, decisions: npt.NDArray[np.uint32], times: Int64s) -> UInt8s:
        """Return uint8[n], ``Could``: what each decision may have been at its time, ns."""
        found = np.empty(len(decisions), np.uint8)
        distinct, places = np.unique(decisions, return_inverse=True)
        order = np.argsort(places, kind="stable")
        bounds = np.searchsorted(places[order], np.arange(len(distinct) + 1))
        for place, decision in enumerate(distinct.tolist()):
            rows = order[bounds[place] : bounds[place + 1]]
            starts, states = self._steps_of(decision)
            found[rows] = states[np.searchsorted(starts, times[rows], side="right") - 1]
        return found

    def newer(self, decisions: Sequence[int], time: int) -> Iterator[tuple[int, int]]:
        """Return the policies that decisions rest on and that were made or changed after a time.

        Each is (index, ns): the first time after ``time`` that is known of it; in order of time.
        """
        policies = {
            policy
            for decision in decisions
            for policy in _policies_of(self._engine.decisions[decision])
        }
        created, last = self._created.tolist(), self._last.tolist()
        since = sorted(
            (created[policy] if created[policy] > time else last[policy], policy)
            for policy in policies
            if last[policy] > time
        )
        return ((policy, when) for when, policy in since)

    def undated(self, decisions: Sequence[int]) -> Iterator[int]:
        """Yield the policies that decisions rest on and that were changed at an unknown time."""
        policies = self._engine.policies
        for decision in decisions:
            for policy in _policies_of(self._engine.decisions[decision]):
                if policies[policy].times.undated:
                    yield policy

    def _steps_of(self, decision: int) -> _Steps:
        """Return from which times on a decision may have been what."""
        if decision not in self._steps:
            self._steps[decision] = self._fold(self._engine.decisions[decision])
        return self._steps[decision]

    def _fold(self, decision: Any) -> _Steps:
        policies = _policies_of(decision)
        now = _OF_VERDICT[decision.verdict]
        if decision.reason not in _BY_POLICY or not policies:
            return _always(now)
        starts = np.unique(
            np.concatenate([[_BEGINNING], self._created[policies], self._last[policies]])
        )
        states = np.zeros(len(starts), np.uint8)
        for part in (
            self._ordered(decision, Tier.ADMIN, starts),
            self._network_policies(decision, starts),
            self._ordered(decision, Tier.BASELINE, starts),
            np.full(len(starts), Could.ALLOW, np.uint8),
        ):
            states = np.where(states == 0, part, states)
        if states[-1] != now:
            # An exemption or a tie: more than these rules had a say, so nothing is claimed.
            return _always(now)
        changes = np.concatenate([[True], states[1:] != states[:-1]])
        return starts[changes], states[changes]

    def _ordered(self, decision: Any, tier: Tier, starts: Int64s) -> UInt8s:
        """Return what a tier's rules say from each time on.

        0 where they leave it to what follows.
        """
        states = np.zeros(len(starts), np.uint8)
        undecided = np.ones(len(starts), np.bool_)
        policies = self._engine.policies
        for policy, rule in decision.matching:
            if policies[policy].tier is not tier:
                continue
            action = policies[policy].rule_actions[decision.side is Side.INGRESS][rule]
            there = undecided & (self._created[policy] <= starts)
            same = self._last[policy] <= starts
            states[there & ~same] = Could.EITHER
            states[there & same] = _OF_ACTION.get(action, 0)
            undecided &= ~there
        return states

    def _network_policies(self, decision: Any, starts: Int64s) -> UInt8s:
        """Return what the NetworkPolicies say from each time on; 0 where none isolated the pod."""
        policies = self._engine.policies
        isolating = list(decision.isolating)
        there, same = (
            np.searchsorted(np.sort(times[isolating]), starts, side="right")
            for times in (self._created, self._last)
        )
        states = np.where(there > same, Could.EITHER, np.where(there > 0, Could.DENY, 0))
        allowing = [p for p, _ in decision.matching if policies[p].tier is Tier.NETWORKPOLICY]
        if allowing:
            states = np.where(self._last[allowing].min() <= starts, Could.ALLOW, states)
        return states.astype(np.uint8)


def _policies_of(decision: Any) -> list[int]:
    return sorted({policy for policy, _ in decision.matching}.union(decision.isolating))


def _always(state: Could) -> _Steps:
    return np.array([_BEGINNING], np.int64), np.array([state], np.uint8)


def _int64s(times: Sequence[int | None]) -> Int64s:
    return np.array([_BEGINNING if time is None else time for time in times], np.int64)
