"""Sums must be exact whatever a log's counters claim, and memory bounded whatever its pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netpol.tally import GroupCounter, Histogram, Weight, Weights

U64 = st.integers(min_value=0, max_value=2**64 - 1)
ROWS = st.lists(st.tuples(st.integers(0, 5), U64, U64, U64), max_size=30)


def weights(rows: list[tuple[int, int, int, int]]) -> Weights:
    columns = [np.array([row[i] for row in rows], np.uint64) for i in (1, 2, 3)]
    return Weights(len(rows), *columns)


def expected(rows: list[tuple[int, int, int, int]]) -> dict[int, Weight]:
    sums: dict[int, Weight] = {}
    for key, *row in rows:
        sums[key] = sums.get(key, Weight()) + Weight(*row)
    return sums


@given(batches=st.lists(ROWS, max_size=4))
def test_histogram_is_exact_for_any_64_bit_counter(
    batches: list[list[tuple[int, int, int, int]]],
) -> None:
    histogram = Histogram()
    for rows in batches:
        histogram.add(np.array([row[0] for row in rows], np.uint32), weights(rows))
    everything = [row for rows in batches for row in rows]
    assert histogram.items() == {
        key: weight for key, weight in expected(everything).items() if weight != Weight()
    }


def test_histogram_without_weights_counts_flows() -> None:
    histogram = Histogram()
    histogram.add(np.array([3, 3, 1], np.uint16), Weights(3))
    assert histogram.items() == {1: Weight(flows=1), 3: Weight(flows=2)}


@given(batches=st.lists(ROWS, max_size=4))
def test_groups_are_exact_and_in_order_of_first_sight(
    batches: list[list[tuple[int, int, int, int]]],
) -> None:
    counter = GroupCounter(2)
    for rows in batches:
        key = np.array([row[0] for row in rows], np.uint64)
        counter.add([key, key << np.uint64(40)], weights(rows))
    sums = expected([row for rows in batches for row in rows])
    assert counter.words().T.tolist() == [[key, key << 40] for key in sums]
    rows = np.arange(len(sums))
    assert dict(counter.heaviest(rows, 100)) == {(k, k << 40): w for k, w in sums.items()}
    assert counter.others == Weight()


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_beyond_the_limit_later_keys_are_others_and_kept_keys_stay_exact(batch_size: int) -> None:
    keys = np.array([*range(10), *range(100), 2, 2, 99], np.uint64)
    counter = GroupCounter(1, limit=10)
    for start in range(0, len(keys), batch_size):
        part = keys[start : start + batch_size]
        counter.add([part], Weights(len(part)))
    assert counter.words().tolist() == [list(range(10))]
    groups = dict(counter.heaviest(np.arange(10), 10))
    assert groups[(2,)] == Weight(flows=4)
    assert groups[(3,)] == Weight(flows=2)
    assert counter.others == Weight(flows=91)


def test_an_empty_counter_has_no_groups() -> None:
    counter = GroupCounter(3)
    assert counter.words().shape == (3, 0)
    assert counter.heaviest(np.arange(0), 5) == []


def test_the_heaviest_are_those_with_most_flows_then_bytes() -> None:
    counter = GroupCounter(1)
    keys = np.array([1, 2, 3, 4], np.uint64)
    flows = np.array([5, 2**63, 5, 1], np.uint64)
    octets = np.array([1, 0, 2, 2**64 - 1], np.uint64)
    counter.add([keys], Weights(4, flows, None, octets))
    assert [key for (key,), _ in counter.heaviest(np.array([0, 2, 3, 1]), 3)] == [2, 3, 1]
    assert counter.heaviest(np.array([0, 3]), 1) == [((1,), Weight(5, 0, 1))]


def test_keys_that_mix_to_one_number_are_still_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("netpol.tally._MULTIPLIER", np.uint64(0))
    counter = GroupCounter(2)
    words = [np.array(column, np.uint64) for column in ([7, 1, 7, 1], [1, 1, 1, 2])]
    counter.add(words, Weights(4))
    assert counter.words().T.tolist() == [[7, 1], [1, 1], [1, 2]]
    assert [w.flows for _, w in counter.heaviest(np.arange(3), 3)] == [2, 1, 1]
