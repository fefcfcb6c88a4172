"""Cases of a row that have one number are one case, however they are numbered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netpol.compiler.rows import cases as rowcases
from netpol.compiler.rows.cases import RowCases
from netpol.compiler.rows.ports import LocalPort, Treatment
from netpol.compiler.shared.columns import Grouped

COUNT = 5
BITS = st.integers(0, 2**COUNT - 1)
PORTS = st.lists(
    st.tuples(st.sampled_from(Treatment), st.lists(st.tuples(BITS, BITS), min_size=2, max_size=2)),
    min_size=1,
    max_size=3,
)


def _places(bits: int) -> frozenset[int]:
    return frozenset(r for r in range(COUNT) if bits >> r & 1)


def classes(bits: list[int], extra: list[int]) -> Grouped:
    return Grouped(np.empty(0, np.int64), np.empty(0, np.uint32), [0, *bits], [0, *extra])


@pytest.mark.parametrize("few", [0, COUNT])
@given(
    labels=st.lists(st.tuples(BITS, BITS, st.integers(0, 1)), max_size=4),
    cidrs=st.lists(
        st.tuples(BITS, st.sampled_from([0, 0, 5]), st.sampled_from([0, 3])), max_size=4
    ),
    everyone=BITS,
    ports=PORTS,
)
def test_equal_numbers_are_equal_cases(
    few: int,
    labels: list[tuple[int, int, int]],
    cidrs: list[tuple[int, int, int]],
    everyone: int,
    ports: list[LocalPort],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rowcases, "_FEW", few)
        grouped = classes([yes | maybe << COUNT for yes, maybe, _ in labels],
                          [meaning for _, _, meaning in labels])  # fmt: skip
        lanes = [yes | nodes << COUNT | dns << 2 * COUNT for yes, nodes, dns in cidrs]
        cases = RowCases(grouped, classes(lanes, [0] * len(lanes)), everyone, COUNT, ports)
        pairs = list(cases.pairs())
    assert [(i, j) for i, j, _ in pairs] == [
        (i, j) for i in range(len(labels) + 1) for j in range(len(cidrs) + 1)
    ]
    if few < COUNT:
        assert cases.bound() >= len({(p, n) for _, _, ids in pairs for p, n in enumerate(ids)})
    known: dict[tuple[int, int], tuple[frozenset[int], ...]] = {}
    for i, j, ids in pairs:
        assert len(ids) == len(ports)
        yes, maybe, meaning = (0, 0, 0) if i == 0 else labels[i - 1]
        inside, nodes, dns = cidrs[j - 1] if j else (0, 0, 0)
        yes |= everyone | inside
        doubts = [bits & ~yes for bits in (maybe, nodes, dns)]
        any_doubt = doubts[0] | doubts[1] | doubts[2]
        for port, number in enumerate(ids):
            treatment, meanings = ports[port]
            sure, unsure = meanings[meaning]
            certain = {r for r in range(COUNT) if yes >> r & sure >> r & 1}
            open_ = {
                r for r in range(COUNT) if (yes | any_doubt) >> r & (sure | unsure) >> r & 1
            } - certain
            why = [frozenset(r for r in open_ if bits >> r & 1) for bits in doubts]
            found = cases.bits(i, j, port)
            assert _places(found.certain) == certain
            assert _places(found.possible) == open_
            assert [_places(bits) & open_ for bits in found.doubts] == why
            assert found.treatment is treatment
            # What the number has to tell apart.
            told = (frozenset(certain), frozenset(open_), *why)
            assert known.setdefault((port, number), told) == told
