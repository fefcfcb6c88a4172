"""The compiled engine, in both layouts, and the reference evaluator agree in random worlds."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings

import netpol
from netpol.compiler.build import DENSE_LIMIT
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
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    expected = [adapt_reference(reference.judge(flow)) for flow in case.flows]
    for layout, limit in (("dense", DENSE_LIMIT), ("paged", 0)):
        engine = netpol.compile(policies, snapshot, dense_limit=limit, **chosen)
        assert engine.tables.meta["layout"] == layout
        compiled = adapt_engine(engine, case.flows)
        for flow, found, wanted in zip(case.flows, compiled, expected, strict=True):
            assert found == wanted, f"{layout} {flow}\n{reference.explain(flow)}"
