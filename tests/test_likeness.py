"""What is most like a word: for the messages of every command."""

from __future__ import annotations

import time

from netpol.model.likeness import CLOSE, closest, suggestion

NAMES = [
    "aaa/cache-0",
    "shop/web-7d9f-x1",
    "shop/deployment/web",
    "shop/deployment/worker",
    "data/db-0",
    "service/shop/api",
    "service/data/api",
    "node/n1",
]


def test_names_are_ranked_by_likeness_not_by_the_alphabet() -> None:
    names = ["shop/abc", "shop/webz", "shop/web", "shop/zebra"]
    assert closest("shop/wbe", names)[0] == "shop/web"
    assert closest("db-1", NAMES)[0] == "data/db-0"


def test_its_own_namespace_comes_first() -> None:
    assert closest("service/api", NAMES, "data")[0] == "service/data/api"
    assert closest("service/api", NAMES, "shop")[0] == "service/shop/api"
    assert closest("service/dta/api", NAMES)[0] == "service/data/api"


def test_a_name_that_goes_on_is_like_the_word() -> None:
    assert "shop/web-7d9f-x1" in closest("shop/web", NAMES)


def test_case_does_not_matter() -> None:
    assert closest("SHOP/DEPLOYMENT/WEB", NAMES)[0] == "shop/deployment/web"


def test_nothing_like_it_is_not_suggested_unless_there_is_little_else() -> None:
    assert closest("zzzz", NAMES) == []
    assert suggestion("zzzz", [f"name-{i}" for i in range(9)]) == ""
    assert suggestion("zzzz", ["b", "a"]) == "; there are a, b"
    assert suggestion("zzzz", []) == ""


def test_equal_names_are_in_order_and_few() -> None:
    names = [f"shop/web-{letter}" for letter in "fedcba"]
    assert closest("shop/web-x", names) == sorted(names)[:CLOSE]
    assert suggestion("shop/web-x", names).startswith("; close are shop/web-a, ")
    assert suggestion("shop/wex", ["shop/web"] * 2) == "; close is shop/web"


def test_a_large_cluster_is_searched_in_bearable_time() -> None:
    names = [f"team-{i % 50}/app-{i % 997}-{i:x}" for i in range(50_000)]
    begin = time.perf_counter()
    assert closest("team-7/ap-36-89d8", [*names, "team-7/app-36-89d8x"])[0] == "team-7/app-36-89d8x"
    assert time.perf_counter() - begin < 10
