"""The page of each command as a person meets it: day and night, on a phone, read out."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from browser_support import CONTRAST, RATIO, Browser
from html_support import HOSTILE, SHOWN
from page_data import COMMANDS, many_names, page_of

MILLION = 1_000_000
LIMIT = 3_000_000  # bytes


@pytest.fixture(scope="module", params=list(COMMANDS))
def command(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def hostile(command: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "hostile.html"
    path.write_bytes(page_of(command, lambda _: HOSTILE, 8))
    return path


@pytest.fixture(scope="module")
def plain(command: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "plain.html"
    path.write_bytes(page_of(command, many_names, 12))
    return path


@pytest.fixture(scope="module")
def full(command: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "full.html"
    path.write_bytes(page_of(command, many_names, MILLION))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_fetched_nothing_fails_nothing_overflows(
    browser: Browser, hostile: Path, width: int, scheme: str
) -> None:
    browser.open(hostile, width=width, scheme=scheme)
    assert browser.console() == []
    assert browser.fetched() == [hostile.as_uri()]
    assert browser.fits(width)
    assert browser.run(CONTRAST) == []


def test_hostile_names_are_shown_as_text(browser: Browser, hostile: Path) -> None:
    browser.open(hostile)
    assert browser.run("return document.title") == SHOWN
    counts = browser.run(
        "return ['script', 'img', 'iframe', 'a[href^=\"http\"]']"
        ".map(n => document.querySelectorAll(n).length)"
    )
    assert counts == [1, 0, 0, 0]
    cells = browser.run("return Array.from(document.querySelectorAll('td'), td => td.textContent)")
    assert sum(SHOWN in cell for cell in cells) > 10
    raw = set("\u2028\u2029\u202e\u2066\x00\x1b\x07\u200b")
    assert not raw & set(browser.run("return document.documentElement.outerHTML"))


def test_a_million_rows(browser: Browser, full: Path) -> None:
    assert full.stat().st_size < LIMIT
    browser.open(full, width=390)
    assert browser.console() == []
    assert browser.fits(390)
    shown = browser.run("return document.querySelector('main').textContent")
    assert re.search(r"Top \d[\d,]* of (more than )?1,000,0", shown)
    cells = browser.run("return document.querySelectorAll('td').length")
    assert cells < 60_000


def test_every_table_sorts_by_every_column(browser: Browser, plain: Path) -> None:
    browser.open(plain)
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    tables = browser.run("return document.querySelectorAll('table[data-sortable]').length")
    assert tables
    for table in range(tables):
        for column in range(browser.run(_COLUMNS, table)):
            kind, states = browser.run(_CLICK, table, column)
            assert states.count("none") == len(states) - 1
            keys = browser.run(_KEYS, table, column)
            descending = states[column] == "descending"
            assert descending == (kind in ("number", "bytes"))
            if descending:
                numbers = [key for key in keys if key is not None]
                assert numbers == sorted(numbers, reverse=True)
            else:
                assert browser.run(_COLLATED, keys)


def test_every_long_table_can_be_filtered(browser: Browser, plain: Path) -> None:
    browser.open(plain)
    fields = browser.driver.find_elements("css selector", ".filter input")
    assert fields
    for field in fields:
        if not field.is_displayed():  # in a table that is folded away
            continue
        rows = browser.run(_ROWS, field)
        word = next((w for text in rows for w in text.lower().split() if hits(w, rows) > 0), None)
        if word is None:
            continue
        field.send_keys(word)
        expected = [text for text in rows if word in text.lower()]
        assert browser.run(_SHOWN, field) == expected != rows
        output = browser.run("return arguments[0].nextElementSibling.textContent", field)
        assert output == f"{len(expected)} of {len(rows)} rows"


def hits(word: str, rows: list[str]) -> int:
    """Give how many rows have a word; none where all have it, as then it would hide nothing."""
    found = sum(word in text.lower() for text in rows)
    return found if found < len(rows) else 0


def test_what_a_screen_reader_is_told(browser: Browser, plain: Path) -> None:
    browser.open(plain)
    nodes = accessible(browser)
    roles = [role for role, _, _ in nodes]
    for landmark in ("banner", "main", "contentinfo"):
        assert roles.count(landmark) == 1
    assert ("navigation", "Sections") in [(role, name) for role, name, _ in nodes]
    for role, name, _ in nodes:
        if role in ("table", "image", "img", "region", "searchbox", "button", "link"):
            assert name, role
    assert {"table", "region", "columnheader", "searchbox"} <= set(roles)
    assert roles.count("image") == browser.run("return document.querySelectorAll('figure').length")
    levels = [level for role, _, level in nodes if role == "heading"]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert browser.run("return document.documentElement.lang") == "en"


def accessible(browser: Browser) -> list[tuple[str, str, int]]:
    """Give role, name and level of all that Chromium tells a screen reader."""
    found: list[tuple[str, str, int]] = []
    tree: list[dict[str, Any]] = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})[
        "nodes"
    ]
    for node in tree:
        if not node["ignored"]:
            properties = {one["name"]: one["value"].get("value") for one in node["properties"]}
            name = node.get("name", {}).get("value", "")
            found.append((node["role"]["value"], name, properties.get("level", 0)))
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_signs_of_reach_stand_out(browser: Browser, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "matrix.html"
    path.write_bytes(page_of("matrix", many_names, 12))
    browser.open(path, scheme=scheme)
    pairs = [("allow-5", "allow-2"), ("plain-5", "plain-2"), ("unknown-5", "unknown-2"),
             ("deny-5", "deny-1")]  # fmt: skip
    for sign, field in pairs:
        assert browser.run(RATIO, f"--{sign}", f"--{field}") > 4.5


_TABLE = "const table = document.querySelectorAll('table[data-sortable]')[arguments[0]];"
_COLUMNS = _TABLE + "return table.tBodies[0].rows.length > 1 ? table.tHead.rows[0].cells.length : 0"
_CLICK = (
    _TABLE
    + """
const heads = Array.from(table.tHead.rows[0].cells);
heads[arguments[1]].querySelector('button').click();
return [heads[arguments[1]].dataset.kind, heads.map(h => h.getAttribute('aria-sort'))];
"""
)
_KEYS = (
    _TABLE
    + """
return Array.from(table.tBodies[0].rows, row => row.cells[arguments[1]])
  .map(cell => cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v))
  .map(key => key === '' || String(key).includes('%') ? null : key);
"""
)
_COLLATED = """
const order = new Intl.Collator('en', { numeric: true });
const keys = arguments[0].filter(key => key !== null);
return keys.every((key, n) => n === 0 || order.compare(keys[n - 1], key) <= 0);
"""
_BODY = (
    "const below = arguments[0].parentElement.nextElementSibling;"
    "const rows = Array.from(below.querySelectorAll('tbody tr'));"
)
_TEXTS = "map(row => Array.from(row.cells, cell => cell.textContent).join(' '))"
_ROWS = f"{_BODY} return rows.{_TEXTS}"
_SHOWN = f"{_BODY} return rows.filter(row => !row.hidden).{_TEXTS}"
