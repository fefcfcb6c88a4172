"""The picture of a matrix: what each field says, and what becomes of too many names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest

from netpol.questions.allpairs.portsets import Ports
from netpol.questions.reach.matrix import Cell, Matrix, Reach
from netpol.report.html.matrix import sections
from netpol.report.html.reachmap import WORDS, reach_map
from netpol.report.html.sections import ReachMap, Table
from netpol.report.html.top import top

WEB = (Ports("tcp", ((443, 443),)),)
ALLOW, DENY, UNKNOWN = (Cell(WEB, False, *counts) for counts in ((4, 0, 0), (0, 4, 0), (0, 0, 4)))


def reach(src: str, dst: str, *cells: Cell, pairs: int = 4) -> Reach:
    return Reach(src, dst, (), (), pairs, cells)


def page_parts(
    *reaches: Reach, by: str = "workload", denied: bool = False
) -> tuple[ReachMap, Table]:
    def again() -> Iterator[Reach]:
        return iter(reaches)

    picture, table, _ = sections(Matrix(by, 1, 1, 0, again), (), denied=denied)
    assert isinstance(picture, ReachMap)
    assert isinstance(table, Table)
    return picture, table


def said(picture: ReachMap) -> dict[tuple[str, str], str]:
    return {
        (picture.rows[row], picture.columns[column]): sign
        for (row, column), sign in picture.fields.items()
    }


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        ([ALLOW], "all"),
        ([ALLOW, DENY], "some"),
        ([Cell(WEB, True, 3, 1, 0)], "some"),
        ([ALLOW, UNKNOWN], "some"),
        ([UNKNOWN], "unknown"),
        ([UNKNOWN, DENY], "unknown"),
        ([DENY], "none"),
    ],
)
def test_a_field_says_what_is_reached(cells: Sequence[Cell], sign: str) -> None:
    picture, _ = page_parts(reach("a/x", "b/y", *cells))
    assert said(picture) == {("a/x", "b/y"): sign}


def test_parts_of_what_is_external_are_one_row() -> None:
    picture, table = page_parts(
        Reach("external", "a/x", ("192.0.2.0/24",), (), 1, (ALLOW,)),
        Reach("external", "a/x", ("198.51.100.0/24",), (), 1, (DENY,)),
    )
    assert said(picture) == {("external", "a/x"): "some"}
    assert [row[0] for row in table.rows] == ["external 192.0.2.0/24"]
    assert table.rest == "1 pair of names with everything denied"


def test_names_stand_in_order_with_the_world_outside_last() -> None:
    names = ["external", "node/n1", "b/x", "a/z"]
    picture, _ = page_parts(*(reach(name, name, ALLOW) for name in names))
    assert list(picture.rows) == list(picture.columns) == ["a/z", "b/x", "node/n1", "external"]


def test_too_many_workloads_are_drawn_by_namespace() -> None:
    many = [reach(f"ns{n % 3}/app-{n}", "shop/web", ALLOW if n % 3 else DENY) for n in range(61)]
    nodes = [reach("node/n1", "shop/web", ALLOW), reach("node/n2", "shop/web", DENY)]
    picture, _ = page_parts(*nodes, *many)
    assert said(picture) == {
        ("ns0", "shop/web"): "none",
        ("ns1", "shop/web"): "all",
        ("ns2", "shop/web"): "all",
        ("nodes", "shop/web"): "some",
    }
    assert "more than 60 workloads, so rows are namespaces" in picture.intro
    assert page_parts(*many[:60])[0].rows[0] == "ns0/app-0"


def test_namespaces_of_fewest_pairs_are_left_out_and_counted() -> None:
    many = [reach("shop", f"ns{n:03}", ALLOW, pairs=1000 - n) for n in range(200)]
    picture, table = page_parts(*many, by="namespace")
    assert list(picture.columns) == [f"ns{n:03}" for n in range(60)]
    assert len(picture.fields) == 60
    assert "Left out: 140 columns of fewest pairs." in picture.intro
    assert len(table.rows) == 200


def test_a_table_lists_what_is_denied_where_that_was_asked() -> None:
    reaches = [reach("a/x", "b/y", DENY), reach("b/y", "a/x", Cell(WEB, False, 1, 2, 3))]
    _, table = page_parts(*reaches)
    assert [row[3:] for row in table.rows] == [["differs", 1, 2, 3]]
    _, table = page_parts(*reaches, denied=True)
    assert [row[3:] for row in table.rows] == [["deny", 0, 4, 0], ["differs", 1, 2, 3]]
    assert table.rest == ""


def test_nothing_to_reach() -> None:
    picture, table = page_parts()
    assert (picture.fields, table.rows) == ({}, [])
    assert "There are no pairs." in picture.intro


def test_a_picture_has_a_sign_and_a_colour_for_each_field_and_says_them_in_words() -> None:
    names = ["a/x", "b/y"]
    signs = dict(zip([(0, 0), (0, 1), (1, 0), (1, 1)], WORDS, strict=True))
    picture = reach_map(ReachMap("Who", names, names, signs), "s0")  # type: ignore[arg-type]
    paints = {
        "all": {"f-allow-2", "f-allow-5"}, "some": {"f-plain-2", "f-plain-5", "s-plain-5"},
        "unknown": {"f-unknown-2", "f-unknown-5", "sign"}, "none": {"f-deny-1", "s-deny-5"},
    }  # fmt: skip
    for reach, words in WORDS.items():
        for look in "wn":
            drawn = re.search(rf'<g id="s0{look}-{reach}">(.*?)</g>', picture, re.DOTALL)
            assert drawn is not None
            classes = re.findall(r'class="([^"]*)"', drawn[1])
            assert {one for names in classes for one in names.split()} == paints[reach]
            assert picture.count(f'href="#s0{look}-{reach}"') == 2  # field and legend
        assert f"{words}: 1" in picture
        assert f">{words} (1)<" in picture


def test_top_gives_the_heaviest_in_the_order_given() -> None:
    assert top(iter([3, 9, 1, 9, 5]), 3, int) == ([9, 9, 5], 5)
    assert top(["a", "b"], 5, len) == (["a", "b"], 2)
    assert top([], 3, int) == ([], 0)
    # Of equal ones, the first.
    assert top(range(10), 2, lambda _: 1) == ([0, 1], 10)
