"""Comments are added where YAML allows them, and change nothing else."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from netpol.report.text.annotated import annotated

BLOCK = """\
a: |
  text # no comment
  more
b: 1
"""
FOLDED = """\
- name: "one
    two"
- plain one
  goes on
- {x: 1,
   y: [1,
       2]}
"""


def same(before: str, after: str) -> None:
    assert list(yaml.safe_load_all(before)) == list(yaml.safe_load_all(after))


def test_at_the_end_of_a_line() -> None:
    assert annotated("a: 1\nb: 2\n", {2: ["x", "y"]}) == "a: 1\nb: 2  # x; y\n"


def test_beside_a_comment_that_is_there() -> None:
    assert annotated("a: 1 # old\n", {1: ["new"]}) == "a: 1 # old  # new\n"


def test_endings_stay() -> None:
    assert annotated("a: 1\r\nb: 2", {1: ["x"], 2: ["y"]}) == "a: 1  # x\r\nb: 2  # y"


def test_above_a_block_scalar() -> None:
    found = annotated(BLOCK, {1: ["x"]})
    assert found == "# x\n" + BLOCK
    same(BLOCK, found)


def test_inside_a_scalar_goes_above_it() -> None:
    found = annotated(BLOCK, {3: ["x"]})
    assert found == "# x\n" + BLOCK
    same(BLOCK, found)


@pytest.mark.parametrize("line", range(1, 8))
def test_no_line_changes_the_meaning(line: int) -> None:
    found = annotated(FOLDED, {line: ["x"]})
    same(FOLDED, found)
    assert found.count("# x") == 1
    kept = [one.split("  # x")[0] for one in found.splitlines() if not one.lstrip().startswith("#")]
    assert kept == FOLDED.splitlines()


_VALUES = st.recursive(
    st.one_of(st.text(st.characters(codec="ascii"), max_size=30), st.integers(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.lists(_VALUES, min_size=1, max_size=3),
    st.sampled_from([None, True, False]),
    st.sampled_from(["|", ">", '"', None]),
    st.integers(10, 80),
    st.sets(st.integers(1, 60)),
)
def test_any_text_means_the_same(
    documents: list[object], flow: bool | None, style: str | None, width: int, lines: set[int]
) -> None:
    text = yaml.safe_dump_all(
        documents, default_flow_style=flow, default_style=style, width=width, allow_unicode=True
    )
    found = annotated(text, {line: [f"hit {line}"] for line in lines})
    same(text, found)
