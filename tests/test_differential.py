"""The compiled engine, in every layout, width and kernel, agrees with the reference evaluator."""

from __future__ import annotations

import pytest
from hypothesis import given

import netpol
from drawing import draw_worlds, drawn
from netpol._core.plain import set_simd
from netpol.compiler.rows import row as compiled_rows
from netpol.explain.explain import explained
from netpol.reference import ReferenceEvaluator
from strategies import Case, cases
from worlds import adapt_engine, adapt_reference, load, widened

EXAMPLES = drawn(1000)
random_worlds = draw_worlds(1000)


@random_worlds
@given(cases())
def test_the_engine_agrees_with_the_reference_evaluator(case: Case) -> None:
    policies, snapshot = load(case.policies, case.objects, case.dns)
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    expected = [adapt_reference(reference.judge(flow)) for flow in case.flows]
    cells = netpol.compile(policies, snapshot, **chosen)
    rows = netpol.compile(policies, snapshot, dense_limit=0, **chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_rows, "SPLIT_FROM", -1)
        strips = netpol.compile(policies, snapshot, **chosen)
    assert (cells.tables.meta["layout"], rows.tables.meta["layout"]) == ("dense", "paged")
    engines = {"cells": cells, "wide cells": widened(cells), "rows": rows, "strips": strips}
    for name, engine in engines.items():
        for wanted in (True, False):
            kernel = f"{name}, SIMD {set_simd(wanted)}"
            compiled = adapt_engine(engine, case.flows)
            for flow, found, answer in zip(case.flows, compiled, expected, strict=True):
                assert found == answer, f"{kernel}: {flow}\n{explained(reference, flow)}"
    set_simd(True)
