"""The page as a person meets it: in Chromium, by day and night, on a phone, with hostile names."""

from __future__ import annotations

from pathlib import Path

import pytest

from browser_support import CONTRAST, Browser
from html_support import HOSTILE, SHOWN, hostile_sections, numbers, page
from netpol.report.html.pairs import ROWS, ChangedRow, changed_table
from netpol.report.html.sections import HeatMap
from netpol.report.html.sections import Table as PageTable

LABELS = [f"namespace-{n:02}" for n in range(30)]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "hostile.html"
    path.write_bytes(page(*hostile_sections(), title=HOSTILE, lead=HOSTILE))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "table.html"
    path.write_bytes(page(numbers()))
    return path


def full() -> bytes:
    """Give a page as of a million pairs: every table as long as tables get."""
    rows = [
        ChangedRow(
            f"{LABELS[n % 30]}/deployment/a-workload-with-a-rather-long-name-{n}",
            f"{LABELS[n % 17]}/statefulset/another-workload-with-a-long-name-{n}",
            f"{n}/tcp", "allow", "deny",
            [f"ingress: namespace-{n % 30}/some-policy ingress[3] (policies/some-policy.yaml:{n})"],
            ["ingress: no rule of a/default-deny, a/allow-dns, a/another and 7 more"] * 2,
            1_000_000 - n, 10**9 + n,
        )
        for n in range(ROWS)
    ]  # fmt: skip
    tables = [changed_table(f"Table {n}", rows, total=1_000_000, others=10**9) for n in range(4)]
    cells = [(a, b, (5, 6, 7)) for a in LABELS for b in LABELS]
    sections = (*hostile_sections("a name")[:2], HeatMap(hostile_sections()[2].series, cells))  # type: ignore[union-attr]
    return page(*sections, *tables)


def column(browser: Browser, index: int, *, every: bool = False) -> list[str]:
    return browser.run(
        "return Array.from(document.querySelector('table[data-sortable]').tBodies[0].rows)"
        ".filter(row => arguments[1] || !row.hidden)"
        ".map(row => row.cells[arguments[0]].textContent)",
        index,
        every,
    )


def sort_states(browser: Browser) -> list[str]:
    return browser.run(
        "return Array.from(document.querySelectorAll('th'), th => th.getAttribute('aria-sort'))"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_fetched_nothing_fails_nothing_overflows(
    browser: Browser, hostile: Path, width: int, scheme: str
) -> None:
    browser.open(hostile, width=width, scheme=scheme)
    assert browser.console() == []
    assert browser.fetched() == [hostile.as_uri()]
    assert browser.fits(width)


def test_hostile_names_are_shown_as_text(browser: Browser, hostile: Path) -> None:
    browser.open(hostile)
    assert browser.run("return document.title") == SHOWN
    assert browser.run("return document.querySelector('h1').textContent") == SHOWN
    counts = browser.run(
        "return ['script', 'img', 'iframe'].map(n => document.querySelectorAll(n).length)"
    )
    assert counts == [1, 0, 0]
    cells = browser.run("return Array.from(document.querySelectorAll('td'), td => td.textContent)")
    assert cells.count(SHOWN) > 10


def test_the_policy_is_in_force(browser: Browser, table: Path) -> None:
    browser.open(table)
    browser.run(
        "const s = document.createElement('script'); s.textContent = 'document.title = \"run\"';"
        "document.head.append(s); document.body.setAttribute('style', 'color: red');"
        "fetch('http://127.0.0.1:9/').catch(() => 0)"
    )
    assert browser.run("return document.title") == "A page"
    assert [url for url in browser.requested() if url.startswith("http")] == []
    assert len(browser.console()) >= 3  # each of the three was refused


def test_sorting(browser: Browser, table: Path) -> None:
    browser.open(table)
    heads = browser.driver.find_elements("css selector", "th button")
    as_given = column(browser, 0)
    assert sort_states(browser) == ["none"] * 4
    heads[0].click()
    assert column(browser, 0) == sorted(as_given, key=int, reverse=True) != as_given
    assert sort_states(browser) == ["descending", "none", "none", "none"]
    heads[0].click()
    assert column(browser, 0) == sorted(as_given, key=int)
    heads[1].click()  # shown in other units, sorted by the number
    assert column(browser, 1)[0] == "22 kB"
    assert column(browser, 1)[-1] == "0 B"
    heads[2].click()  # names with numbers in them
    assert column(browser, 2) == [f"ns/app-{n}" for n in range(12)]
    assert sort_states(browser) == ["none", "none", "ascending", "none"]


def test_sorting_by_keyboard(browser: Browser, table: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(table)
    button = browser.driver.find_element("css selector", "th button")
    button.send_keys(Keys.ENTER)
    assert sort_states(browser)[0] == "descending"
    focused = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.run(focused) == "solid"


def test_filtering(browser: Browser, table: Path) -> None:
    browser.open(table)
    field = browser.driver.find_element("css selector", "input[type=search]")
    assert field.accessible_name == "Filter"
    field.send_keys("DENY app-1")
    assert column(browser, 2) == ["ns/app-1", "ns/app-10"]
    status = browser.driver.find_element("css selector", "output")
    assert status.text == "2 of 12 rows"
    browser.driver.find_elements("css selector", "th button")[2].click()
    assert column(browser, 2) == ["ns/app-1", "ns/app-10"]
    field.clear()
    field.send_keys("nothing like it")
    assert column(browser, 2) == []
    assert status.text == "0 of 12 rows"
    assert len(column(browser, 2, every=True)) == 12


def test_contrast(browser: Browser, hostile: Path) -> None:
    """Of every text with what is painted behind it, pictures left out."""
    for scheme in ("light", "dark"):
        browser.open(hostile, scheme=scheme)
        poor = browser.run(CONTRAST)
        assert poor == [], scheme


def test_pictures_follow_the_scheme(browser: Browser, hostile: Path, tmp_path: Path) -> None:
    shots, fills = [], []
    for scheme in ("light", "dark"):
        browser.open(hostile, scheme=scheme)
        shots.append(browser.screenshot(tmp_path / f"{scheme}.png"))
        fills.append(
            browser.run(
                "return ['.f-allow', '.f-deny-5', '.f-on-5', 'svg text'].map(s =>"
                " getComputedStyle(document.querySelector(s)).fill)"
            )
        )
    assert shots[0] != shots[1]
    assert all(light != dark for light, dark in zip(*fills, strict=True))


def test_a_page_with_a_million_pairs_behind_it(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "full.html"
    path.write_bytes(full())
    assert path.stat().st_size < 3_000_000
    browser.open(path, width=390)
    assert browser.console() == []
    assert browser.fits(390)
    assert "Top 500 of 1,000,000" in browser.run("return document.body.textContent")


def test_a_table_of_one_row_has_no_buttons(browser: Browser, tmp_path: Path) -> None:
    whole = numbers(1)
    path = tmp_path / "one.html"
    path.write_bytes(page(PageTable(whole.title, whole.columns, whole.rows)))
    browser.open(path)
    assert browser.run("return document.querySelectorAll('button, input').length") == 0
