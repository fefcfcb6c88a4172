"""When answers are valid and which names a pattern means, against the obvious way to tell."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netpol.dns.spans import FOREVER, NEVER, SpanMerger
from netpol.model.dns_observations import (
    DnsAnswer,
    DnsObservations,
    Window,
    matches_domain,
    merged_windows,
    normalise_name,
)

TIMES = range(-2, 12)
bounds = st.one_of(st.none(), st.integers(0, 9))
windows = st.builds(Window, bounds, bounds)


def holds(window: Window, time: int) -> bool:
    return (window.start is None or window.start <= time) and (
        window.end is None or time < window.end
    )


@given(st.lists(windows, max_size=8))
def test_merged_windows_hold_the_same_times(given_: list[Window]) -> None:
    merged = merged_windows(given_)
    for time in TIMES:
        assert any(holds(w, time) for w in given_) == any(holds(w, time) for w in merged)
    for earlier, later in pairwise(merged):
        assert earlier.end is not None
        assert later.start is not None
        assert earlier.end < later.start


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), windows), max_size=30),
    st.integers(1, 7),
    st.integers(1, 40),
)
def test_spans_merge_as_windows_do_whatever_the_batches(
    rows: list[tuple[int, int, Window]], batch: int, waiting: int
) -> None:
    merger = SpanMerger(waiting)
    for begin in range(0, len(rows), batch):
        part = [
            (n, a, NEVER if w.start is None else w.start, FOREVER if w.end is None else w.end)
            for n, a, w in rows[begin : begin + batch]
        ]
        merger.add(*np.array(part, np.int64).T)
    expected = [
        (name, address, window)
        for name in range(3)
        for address in range(3)
        for window in merged_windows(w for n, a, w in rows if (n, a) == (name, address))
    ]
    found = [
        (n, a, Window(None if s == NEVER else s, None if e == FOREVER else e))
        for n, a, s, e in merger.merged().tolist()
    ]
    assert found == expected


def test_spans_of_one_answer_stay_few() -> None:
    merger = SpanMerger(waiting=100)
    for begin in range(0, 10_000, 50):
        start = np.arange(begin, begin + 50)
        merger.add(np.zeros(50, np.int64), np.zeros(50, np.int64), start, start + 2)
        assert merger._rows <= 150
    assert merger.merged().tolist() == [[0, 0, 0, 10_001]]


labels = st.sampled_from(["a", "b", "example", "com", "x-y", "notexample"])
names = st.lists(labels, min_size=1, max_size=5)


@given(names, names, st.booleans())
def test_a_pattern_means_whole_labels(pattern: list[str], name: list[str], wild: bool) -> None:
    if wild:
        text = "*." + ".".join(pattern)
        expected = len(name) > len(pattern) and name[-len(pattern) :] == pattern
    else:
        text = ".".join(pattern)
        expected = name == pattern
    assert matches_domain(text, ".".join(name)) is expected


def test_vector_135() -> None:
    """D10 135: ``*.`` is any number of labels, but never none."""
    assert matches_domain("*.example.com", "a.b.example.com")
    assert not matches_domain("*.example.com", "example.com")
    assert normalise_name("A.Example.COM.") == "a.example.com"


def test_a_name_that_was_asked_for_may_have_more() -> None:
    seen = DnsObservations(
        (DnsAnswer("a.example.com", ip_address("9.9.9.9")),),
        frozenset({"a.example.com", "b.example.com"}),
    )
    assert [answer.name for answer in seen.answers_to("*.example.com")] == ["a.example.com"]
    assert seen.may_have_more("*.example.com")
    assert seen.may_have_more("b.example.com")
    assert not seen.may_have_more("a.example.com")
    assert not seen.may_have_more("*.example.org")


@given(
    st.lists(st.tuples(names, st.integers(1, 3)), max_size=8),
    st.lists(names, max_size=4),
    names,
    st.booleans(),
)
def test_what_is_found_for_a_pattern(
    answers: list[tuple[list[str], int]], asked: list[list[str]], pattern: list[str], wild: bool
) -> None:
    seen = DnsObservations(
        tuple(DnsAnswer(".".join(n), ip_address(f"9.9.9.{a}")) for n, a in dict.fromkeys(
            (tuple(n), a) for n, a in answers
        )),
        frozenset(".".join(name) for name in asked),
    )  # fmt: skip
    text = "*." * wild + ".".join(pattern)
    found = list(seen.answers_to(text))
    assert len(found) == len(set(found))
    assert set(found) == {a for a in seen.answers if matches_domain(text, a.name)}
    silent = seen.asked - {answer.name for answer in seen.answers}
    assert seen.unanswered == silent
    assert seen.may_have_more(text) is any(matches_domain(text, name) for name in silent)
