"""What a compile takes grows as its input does, or is refused before it is taken.

Counted are calls and bytes, not seconds: both are the same on any machine.
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import netpol
from bench.growth import GROWTH, REFUSED, world
from netpol.compiler.rows import row as rows
from netpol.model.errors import CapacityError
from netpol.model.flow import Flow
from netpol.reference import ReferenceEvaluator
from worlds import adapt_engine, adapt_reference

#: Each compiles thousands of rules, some under a profiler: a minute together.
pytestmark = pytest.mark.long

SMALL = 400
#: Four times the input takes at most 5.4 times the work; n squared would be 16 times.
MOST = 7.0


def calls_of(work: Callable[[], object]) -> int:
    """Count the calls of Python and C functions."""
    found = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal found
        found += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def peak_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("measure", [calls_of, peak_of])
@pytest.mark.parametrize("shape", GROWTH)
def test_a_compile_grows_as_its_input_does(
    shape: str, measure: Callable[[Callable[[], object]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with many thousand rules: a row of 400 would not be split.
    monkeypatch.setattr(rows, "SPLIT_FROM", 0)
    monkeypatch.setattr(rows, "SPLIT_BYTES", 0)
    netpol.compile(*world(shape, 1))  # what is imported once is no growth
    nothing, small, large = (
        measure(partial(netpol.compile, *world(shape, number))) for number in (1, SMALL, 4 * SMALL)
    )
    assert large - nothing < MOST * (small - nothing)


@pytest.mark.parametrize("shape", REFUSED)
def test_what_is_too_much_is_refused_before_it_is_made(shape: str) -> None:
    def work() -> None:
        with pytest.raises(CapacityError, match="cases of peer and port"):
            netpol.compile(*policies)

    policies = world(shape, 20_000)
    # A bit for each rule and address alone would be 50 MB, the cases 20 000 times that.
    assert peak_of(work) < 100_000_000


LIMITED = """
import resource, sys
from bench.growth import world
import netpol
from netpol.model.errors import CapacityError
one = world(sys.argv[1], int(sys.argv[2]))
budget = int(sys.argv[3])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = used + budget + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    netpol.compile(*one, memory_budget=budget)
    print("compiled")
except CapacityError as error:
    print("refused")
"""


@pytest.mark.parametrize("budget", [16 << 20, 64 << 20])
@pytest.mark.parametrize(
    "shape",
    ["n rules of CIDR and port", "n rules of all but a CIDR, and port", "one rule, n CIDRs"],
)
def test_the_budget_holds_for_the_process(shape: str, budget: int) -> None:
    """It gets no more address space than its budget and some: it must not run out of it."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, shape, "4000", str(budget)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) in (
        ("compiled\n", "", 0), ("refused\n", "", 0),
    )  # fmt: skip


def test_some_fit_and_some_do_not() -> None:
    """Or the test before would hold for a compile that refuses everything."""
    found = []
    for budget in (16 << 20, 64 << 20):
        try:
            netpol.compile(*world("n rules of CIDR and port", 4000), memory_budget=budget)
            found.append("compiled")
        except CapacityError:
            found.append("refused")
    assert found == ["refused", "compiled"]


@pytest.mark.parametrize("shape", GROWTH)
def test_large_policies_are_judged_as_the_reference_evaluator_does(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "SPLIT_FROM", 1 << 10)
    policies, snapshot = world(shape, 300)
    engine, reference = netpol.compile(policies, snapshot), ReferenceEvaluator(policies, snapshot)
    pod = next(str(item.status.pod_ip) for item in snapshot.pods if item.status)
    flows = [
        Flow(src=src, dst=pod, protocol=protocol, dport=dport)
        for src in ("20.0.0.1", "20.0.1.1", "20.0.76.9", "20.2.86.1", "8.8.8.8", pod)
        for protocol in (6, 17)
        for dport in (None, 1, 2, 77, 299, 300, 301, 8000, 8003)
    ]
    answers: list[Any] = adapt_engine(engine, flows)
    for flow, answer in zip(flows, answers, strict=True):
        assert answer == adapt_reference(reference.judge(flow)), flow
