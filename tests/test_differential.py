"""The compiled engine and the reference evaluator give the same answers in random worlds."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings

import netpol
from netpol.reference import ReferenceEvaluator
from strategies import Case, cases
from worlds import adapt_engine, adapt_reference, load

EXAMPLES = int(os.environ.get("NETPOL_EXAMPLES", "1000"))
random_worlds = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="NETPOL_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@random_worlds
@given(cases())
def test_the_engine_agrees_with_the_reference_evaluator(case: Case) -> None:
    policies, snapshot = load(case.policies, case.objects)
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    engine = netpol.compile(policies, snapshot, **chosen)
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    compiled = adapt_engine(engine, case.flows)
    for flow, found in zip(case.flows, compiled, strict=True):
        expected = adapt_reference(reference.judge(flow))
        assert found == expected, f"{flow}\n{reference.explain(flow)}"
