"""Questions that need no flows: what two sets of policies judge otherwise, who can reach whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

import netpol
from bench.shapes import World
from netpol.questions.diff.exhaustive import exhaustive_diff
from netpol.questions.diff.groups import Kind
from netpol.questions.reach.matrix import Question, reachability

#: What is done to the policies -> which of them are left.
CHANGES = {"same": slice(None, None, -1), "three-less": slice(-3), "half": slice(None, None, 2)}


def policies_after(world: World, change: str) -> Any:
    """Return the policies after a change; ``renamed`` decides everything by other ones."""
    before = world.policies.policies
    if change != "renamed":
        return replace(world.policies, policies=before[CHANGES[change]])
    renamed = (
        one._replace(policy=with_name(one.policy, f"{one.policy.metadata.name}-again"))
        for one in before
    )
    return replace(world.policies, policies=tuple(renamed))


def with_name(policy: Any, name: str) -> Any:
    made = msgspec.structs.replace
    return made(policy, metadata=made(policy.metadata, name=name))


@pytest.mark.benchmark(group="exhaustive")
@pytest.mark.parametrize("change", CHANGES)
def test_exhaustive_diff(benchmark: Any, world: World, change: str) -> None:
    before = netpol.compile(world.policies, world.snapshot)
    after = netpol.compile(policies_after(world, change), world.snapshot)
    found = benchmark.pedantic(exhaustive_diff, args=(before, after), rounds=3)
    assert found.proven is (change == "same")
    benchmark.extra_info["million pairs"] = round(found.pairs / 1e6, 2)


@pytest.mark.benchmark(group="exhaustive")
@pytest.mark.parametrize("change", [*CHANGES, "renamed"])
def test_exhaustive_with_rules(benchmark: Any, world: World, change: str) -> None:
    """Compile both sides, compare, and list what another rule decides."""

    def whole() -> Any:
        before = netpol.compile(world.policies, world.snapshot)
        after = netpol.compile(policies_after(world, change), world.snapshot)
        return exhaustive_diff(before, after, other_rule=True)

    found = benchmark.pedantic(whole, rounds=3)
    assert found.proven is (change in ("same", "renamed"))
    assert bool(found.kinds[Kind.OTHER_RULE]) is (change != "same")
    benchmark.extra_info["million pairs"] = round(found.pairs / 1e6, 2)


@pytest.mark.benchmark(group="matrix")
def test_matrix_by_namespace(benchmark: Any, world: World) -> None:
    engine = netpol.compile(world.policies, world.snapshot)

    def all_of_it() -> int:
        return len(list(reachability(engine, Question(by="namespace")).reaches()))

    assert benchmark.pedantic(all_of_it, rounds=3)
