"""What is asked of tables does not hang on their form: split rows say what whole ones do."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings

import netpol
from analysis.support import EXAMPLES, random_worlds
from analysis.test_exhaustive import OTHERS
from netpol.compiler.rows import row as rows
from netpol.flows.columns.normalise import batch_from
from netpol.questions.coverage.coverage import CoverageEngine
from netpol.questions.diff.exhaustive import exhaustive_diff
from netpol.questions.reach.matrix import Question, reachability
from strategies import Case, cases, policies_of
from worlds import load

some_worlds = settings(random_worlds, max_examples=max(1, EXAMPLES // 2))


def engines_of(case: Case, policies: list[Any]) -> tuple[Any, Any]:
    """Give the engine with its rows whole, and with each of them split."""
    loaded, snapshot = load(policies, case.objects, case.dns)
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    whole = netpol.compile(loaded, snapshot, **chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "SPLIT_FROM", -1)
        return whole, netpol.compile(loaded, snapshot, **chosen)


@pytest.mark.long
@some_worlds
@given(cases(flows=0))
def test_the_matrix_is_the_same(case: Case) -> None:
    whole, split = engines_of(case, case.policies)
    for by in ("workload", "namespace"):
        found = [list(reachability(one, Question(by=by)).reaches()) for one in (whole, split)]
        assert found[0] == found[1]


@pytest.mark.long
@some_worlds
@given(cases(flows=0), OTHERS)
def test_an_exhaustive_diff_is_the_same(case: Case, other: tuple[bytes, int]) -> None:
    """Also of a split engine with a whole one: each has classes of its own."""
    befores = engines_of(case, case.policies)
    afters = engines_of(case, [*policies_of(other[0]), *case.policies[1:]][: other[1] + 1])
    expected = exhaustive_diff(befores[0], afters[0], top=10_000, other_rule=True)
    for before, after in ((0, 1), (1, 0), (1, 1)):
        found = exhaustive_diff(befores[before], afters[after], top=10_000, other_rule=True)
        for name in {field.name for field in fields(expected)} - {"classes"}:
            assert getattr(found, name) == getattr(expected, name), name


@some_worlds
@given(cases(flows=0))
def test_nothing_differs_between_the_forms(case: Case) -> None:
    whole, split = engines_of(case, case.policies)
    for before, after in ((whole, split), (split, whole)):
        found = exhaustive_diff(before, after, other_rule=True)
        assert (found.differing, found.changes, found.proven) == (0, (), True)
        assert found.other_rules is not None
        assert not found.other_rules.changes


@some_worlds
@given(cases(12))
def test_coverage_is_the_same(case: Case) -> None:
    """Coverage asks what each decision hangs on, so its rows keep the bits of all rules."""
    loaded, snapshot = load(case.policies, case.objects, case.dns)
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    whole = CoverageEngine(loaded, snapshot, **chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "SPLIT_FROM", -1)
        split = CoverageEngine(loaded, snapshot, **chosen)
    found = [one.cover([batch_from([flow]) for flow in case.flows]) for one in (whole, split)]
    assert found[0].policies == found[1].policies
