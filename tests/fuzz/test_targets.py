"""Every target of ``fuzz``, over its seeds and corpus and over mutations of them.

New targets and new files of the corpus are found by themselves. ``NETPOL_EXAMPLES`` says how many
mutations are run, and then they are others each time.
"""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drawing import draw_worlds, drawn
from fuzz.mutate import tokens_of
from fuzz.registry import CORPUS, Target, load, names

NAMES = names()
EXAMPLES = drawn(80)


@cache
def target(name: str) -> Target:
    return load(name)


def test_the_corpus_holds_nothing_that_no_target_reads() -> None:
    assert NAMES
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_corpus_break_nothing(name: str) -> None:
    assert target(name).seeds(), "a target without a seed attacks nothing"
    for data in target(name).inputs():
        target(name).one(data)


@st.composite
def mutations(draw: st.DrawFn, inputs: list[bytes], tokens: list[bytes]) -> bytes:
    """One of the inputs, with bytes and blocks replaced, put in, taken out and repeated."""
    text = bytearray(draw(st.sampled_from(inputs)))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(text)))
        width = draw(st.sampled_from([0, 0, 1, 1, 2, 4, 8, 64]))
        piece = draw(
            st.one_of(
                st.binary(min_size=1, max_size=4),
                st.sampled_from(tokens),
                st.sampled_from([b"", bytes(text[at : at + 3 * width])]),
                st.integers(0, 63).map(lambda bit: (1 << bit).to_bytes(8, "little")),
            )
        )
        text[at : at + width] = piece
    return bytes(text)


@pytest.mark.parametrize("name", NAMES)
def test_mutations_break_nothing(name: str) -> None:
    inputs = target(name).inputs()

    @draw_worlds(80)
    @example(b"")
    @given(mutations(inputs, tokens_of(inputs)))
    def holds(data: bytes) -> None:
        target(name).one(data)

    holds()
