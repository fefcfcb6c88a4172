"""Lines of fields in JSON, against the YAML reader, which tells the place of everything."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netpol.kube.api.objects import Source
from netpol.kube.read.jsonlines import JsonLines
from netpol.kube.read.yamltree import MAX_PATH, field_lines, read_yaml

KEYS = st.text('ab.[]-/0 "\\é', min_size=1, max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('{["],:} x', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


def by_yaml(text: str) -> dict[str, int]:
    (document,) = read_yaml(text, "f")
    return field_lines(document.value, document.lines)


@given(value=st.dictionaries(KEYS, VALUES, max_size=3), indent=st.sampled_from([None, 0, 1]))
def test_as_the_yaml_reader(value: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    wanted = by_yaml(text)
    assert dict(JsonLines(text.encode(), 1)) == wanted
    for path, line in reversed(wanted.items()):  # each as the first that is asked for
        assert JsonLines(text.encode(), 1)[path] == line


def test_paths_that_nothing_is_at() -> None:
    lines = JsonLines(b'{"a": [\n1,\n{"b": 2}]}', 5)
    assert "a[2]" not in lines
    assert "a[1].c" not in lines
    assert "a.b" not in lines
    assert "" not in lines
    assert {path: lines[path] for path in lines} == {"a": 5, "a[0]": 6, "a[1]": 7, "a[1].b": 7}
    assert Source("f", 5, lines).line_of("a[1].b[7].c") == 7


def test_pickled_lines_are_looked_for_on_the_other_side() -> None:
    lines = pickle.loads(pickle.dumps(JsonLines(b'{\n"a": 1}', 3)))
    assert dict(lines) == {"a": 4}


def test_paths_end_where_they_are_too_long() -> None:
    key = "k" * (MAX_PATH + 1)
    assert list(JsonLines(json.dumps({key: {"a": 1}}).encode(), 1)) == [key]


@pytest.mark.parametrize("text", [b"{", b'{"a": }'])
def test_text_that_is_no_json_has_no_lines(text: bytes) -> None:
    assert len(JsonLines(text, 1)) == 0
