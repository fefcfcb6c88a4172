"""Patterns of ``--exclude``."""

from __future__ import annotations

import pytest

from netpol.kube.read.globs import Globs
from netpol.model.errors import ConfigError


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("tests", ["tests/", "a/tests/b.yaml", "tests"], ["mytests/a", "tests.yaml"]),
        ("tests/", ["tests/", "a/tests/b.yaml"], ["tests", "a/tests"]),
        ("*.json", ["a.json", "b/a.json", "x.json/a"], ["a.jsonl", "a.json.gz"]),
        ("old-?.y[ae]ml", ["old-1.yaml", "a/old-2.yeml"], ["old-.yaml", "old-12.yaml"]),
        ("[!a]*.yaml", ["b.yaml"], ["a.yaml", "abc.yaml"]),
        ("[^x].yaml", ["^.yaml", "x.yaml"], ["a.yaml"]),
        ("[z-a].yaml", ["[z-a].yaml"], ["z.yaml"]),
        ("a/b", ["a/b", "a/b/c"], ["x/a/b", "a/bc"]),
        ("./a/b.yaml", ["a/b.yaml"], ["b.yaml"]),
        ("a/*/c", ["a/b/c"], ["a/c", "a/b/b/c"]),
        ("a/**/c", ["a/c", "a/b/c", "a/b/b/c"], ["b/c"]),
        ("**/c", ["c", "a/c", "a/b/c/d"], ["ac"]),
        ("a/**", ["a/b", "a/b/c"], ["b/a"]),
        ("/top", ["top", "/top"], ["a/top"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_patterns(pattern: str, matching: list[str], other: list[str]) -> None:
    globs = Globs([pattern])
    for path in matching:
        assert globs.match(path.rstrip("/"), folder=path.endswith("/")), path
    for path in other:
        assert not globs.match(path), path


def test_any_pattern_and_any_spelling_will_do() -> None:
    globs = Globs(["a", "k8s/b"])
    assert globs
    assert not Globs()
    assert globs.match("k8s/b", "b")
    assert globs.match("./k8s/b/c", "b/c")
    assert globs.match("x/a")
    assert not globs.match("x/b", "b")


@pytest.mark.parametrize("pattern", ["", "/", "./"])
def test_an_empty_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="no pattern of files"):
        Globs([pattern])
