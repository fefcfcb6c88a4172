"""What is in the pictures: places and sizes that say the numbers, and every label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from browser_support import RATIO, Browser
from fuzz.rules import shown
from html_support import HOSTILE, SERIES, page
from netpol.report.html.charts import heat_maps, timeline, totals
from netpol.report.html.markup import asset
from netpol.report.html.reachmap import WORDS, reach_map
from netpol.report.html.sections import HeatMap, Reach, ReachMap, Timeline, Totals
from netpol.report.html.svg import short

DAY = 86_400
NOON = 1_769_860_800  # 2026-01-31 12:00:00
REACHES: list[Reach] = ["all", "some", "unknown", "none"]
NAMES = ["cert-manager", "default", "ingress-nginx", "kube-system", "observability-collectors",
         "a-namespace-of-a-very-long-name", "(external)", "\u540d\u524d", "mmwwmmwwmmwwmmww",
         HOSTILE]  # fmt: skip


class Picture:
    """One SVG: its rectangles and texts."""

    def __init__(self, svg: str) -> None:
        self.root = ElementTree.fromstring(svg)
        self.texts = [one.text or "" for one in self.root.iter("text")]

    def rects(self, paint: str) -> list[dict[str, float]]:
        """Give place and size of each rectangle of a paint, percent signs left out."""
        return [
            {name: float(value.rstrip("%")) for name, value in one.items() if name != "class"}
            for one in self.root.iter("rect")
            if re.fullmatch(paint, one.get("class", "").split()[0])
        ]


def looks(svg: str) -> dict[str, Picture]:
    """Give a map as it is on a wide and on a narrow screen."""
    wide, narrow = (f"{part}</svg>" for part in svg.split("</svg>")[:-1])
    assert 'class="chart map wide"' in wide
    assert 'class="chart map narrow"' in narrow
    return {"wide": Picture(wide), "narrow": Picture(narrow)}


def over_time(
    numbers: Sequence[tuple[int, ...]], *, first: int = NOON, width: int = 60
) -> Timeline:
    return Timeline(SERIES, [first + n * width for n in range(len(numbers))], width, numbers)


# --- totals -------------------------------------------------------------------------------------


def test_totals_are_as_long_as_their_shares() -> None:
    parts = [("allow", "allow", 6, 10), ("deny", "deny", 3, 0), ("unknown", "unknown", 1, 30)]
    picture = Picture(totals(Totals(parts)))  # type: ignore[arg-type]
    lengths = {
        tone: [(bar["x"], bar["width"]) for bar in picture.rects(f"f-{tone}")]
        for tone in ("allow", "deny", "unknown")
    }
    assert lengths == {
        "allow": [(0, 60), (0, 25)], "deny": [(60, 30), (25, 0)], "unknown": [(90, 10), (25, 75)],
    }  # fmt: skip
    assert picture.texts == ["flows", "bytes", "0 %", "25 %", "50 %", "75 %", "100 %"]
    assert picture.root.findtext("title") == "Totals"
    assert (picture.root.findtext("desc") or "").startswith("allow 60.0 % of flows, deny 30.0 %")


def test_totals_without_bytes_have_one_bar() -> None:
    picture = Picture(totals(Totals([("allow", "allow", 0, None), ("deny", "deny", 7, None)])))
    assert [bar["width"] for bar in picture.rects("f-allow|f-deny")] == [0, 100]
    assert "bytes" not in picture.texts


# --- timeline -----------------------------------------------------------------------------------


def test_bars_are_as_high_as_their_numbers_and_stand_where_their_time_is() -> None:
    numbers = [(10, 0, 0), (0, 1, 0), (40, 2, 0), (20, 0, 0)]
    picture = Picture(timeline(over_time(numbers)))
    for tone, index in (("allow", 0), ("deny", 1)):
        bars = picture.rects(f"f-{tone}")
        flows = {place: row[index] for place, row in enumerate(numbers) if row[index]}
        assert [round(bar["x"] // 25) for bar in bars] == list(flows)
        assert all(24 < bar["width"] < 25 for bar in bars)
        one = bars[0]["height"] / next(iter(flows.values()))
        assert [bar["height"] for bar in bars] == pytest.approx([one * n for n in flows.values()])
        assert len({bar["y"] + bar["height"] for bar in bars}) == 1
    assert picture.rects("f-unknown") == []
    assert [word for word, _ in SERIES if word in picture.texts] == ["allow", "deny"]
    assert picture.texts[0] == "Flows per minute"
    assert picture.texts[-1] == "2026-01-31 12:00 to 12:04 UTC"
    assert picture.root.findtext("desc") == (
        "allow: at most 40 at 2026-01-31 12:02:00 UTC; deny: at most 2 at 2026-01-31 12:02:00 UTC"
    )


def test_grid_lines_say_how_high_a_bar_is() -> None:
    picture = Picture(timeline(over_time([(10, 0, 0), (40, 0, 0)])))
    lines = [float(line.get("y1", "")) for line in picture.root.findall("line")]
    start = picture.texts.index("allow") + 1
    labels = [int(text) for text in picture.texts[start : start + len(lines)]]
    assert labels == [0, 20, 40]
    low, high = picture.rects("f-allow")
    assert lines == pytest.approx([low["y"] + low["height"], (lines[0] + lines[2]) / 2, high["y"]])
    assert 4 * low["height"] == pytest.approx(lines[0] - lines[2])


@pytest.mark.parametrize(
    ("most", "labels"),
    [(1, ["0", "1"]), (3, ["0", "1", "2", "3"]), (7, ["0", "5", "10"]),
     (13, ["0", "5", "10", "15"]), (200, ["0", "100", "200"]),
     (1_400_000, ["0", "500k", "1.0M", "1.5M"]),
     (10**25, ["0", "5.0Y", "10Y"])],
)  # fmt: skip
def test_labels_of_an_axis_are_round(most: int, labels: list[str]) -> None:
    texts = Picture(timeline(over_time([(most, 0, 0)]))).texts
    assert texts[2 : 2 + len(labels)] == labels


def test_one_flow_is_seen_beside_a_million_in_its_series() -> None:
    many, few = Picture(timeline(over_time([(10**6, 0, 0), (1, 0, 0)]))).rects("f-allow")
    assert many["height"] == 84
    assert few["height"] == 1


@pytest.mark.parametrize(
    ("first", "width", "bars", "wide", "narrow"),
    [
        (NOON, 1, 40, ["12:00:00", "12:00:10", "12:00:20", "12:00:30", "12:00:40"],
         ["12:00:00", "12:00:15", "12:00:30"]),
        (NOON, 300, 36, ["12:00", "12:30", "13:00", "13:30", "14:00", "14:30", "15:00"],
         ["12:00", "13:00", "14:00", "15:00"]),
        (NOON, 900, 96, ["12:00", "15:00", "18:00", "21:00", "02-01", "03:00", "06:00", "09:00",
                         "12:00"], ["12:00", "02-01", "12:00"]),
        (NOON, 3600, 120, ["02-01", "02-02", "02-03", "02-04", "02-05"], ["02-02", "02-04"]),
        (NOON - NOON % (7 * DAY), 7 * DAY, 52, ["2026-03", "2026-05", "2026-07", "2026-09",
                                                  "2026-11", "2027-01"], ["2026-07", "2027-01"]),
        (0, 364 * DAY, 60, ["1970", "1980", "1990", "2000", "2010", "2020"],
         ["1970", "1980", "1990", "2000", "2010", "2020"]),
        (-9_000_000_000, 364 * DAY, 580, ["1700", "1800", "1900", "2000", "2100", "2200"],
         ["1700", "1800", "1900", "2000", "2100", "2200"]),
    ],
    ids=["seconds", "hours", "a day", "days", "a year", "decades", "all there is"],
)  # fmt: skip
def test_times_are_round_and_fewer_on_a_narrow_screen(
    first: int, width: int, bars: int, wide: list[str], narrow: list[str]
) -> None:
    picture = Picture(timeline(over_time([(1, 0, 0)] * bars, first=first, width=width)))
    for look, labels in (("wide", wide), ("narrow", narrow)):
        (group,) = (one for one in picture.root.iter("g") if one.get("class") == look)
        assert [one.text for one in group.iter("text")] == labels
        places = [float(one.get("x", "").rstrip("%")) for one in group.iter("text")]
        assert places == [float(one.get("x1", "").rstrip("%")) for one in group.iter("line")]
        assert all(0 <= place <= 100 for place in places)
        steps = [b - a for a, b in pairwise(places)]
        assert max(steps) < 1.12 * min(steps)  # months are not alike


def test_a_time_stands_where_its_bar_begins() -> None:
    picture = Picture(timeline(over_time([(1, 0, 0)] * 4, first=NOON - 60)))
    (second, *_) = (one for one in picture.root.iter("text") if one.text == "12:00")
    assert second.get("x") == "25%"
    assert picture.rects("f-allow")[1]["x"] == pytest.approx(25, abs=0.2)


# --- maps ---------------------------------------------------------------------------------------


def test_a_heat_map_has_every_number_at_its_place() -> None:
    cells = [("b", "c", (7, 0, 0)), ("a", "c", (1, 0, 0)), ("c", "a", (2_000, 9, 0)),
             ("b", "c", (5, 0, 0))]  # fmt: skip
    (word, allowed), (other, denied) = heat_maps(HeatMap(SERIES, cells))
    assert (word, other) == ("allow", "deny")
    places = {(1, 2): "12", (0, 2): "1", (2, 0): "2.0k"}
    for picture in looks(allowed).values():
        fields = picture.rects(r"f-allow-\d")
        size = fields[0]["width"]
        shaded = [(round(field["y"] / size), round(field["x"] / size)) for field in fields]
        assert shaded == sorted(places)
        numbers = [one for one in picture.root.iter("text") if "small" in one.get("class", "")]
        assert {
            (int(float(one.get("y", "")) / size), int(float(one.get("x", "")) / size)): one.text
            for one in numbers
        } == places
        labels = [text for text in picture.texts if text in ("a", "b", "c")]
        assert labels == ["a", "b", "c"] * 2
    assert looks(allowed)["wide"].root.findtext("title") == "Namespace by namespace: allow"
    assert (looks(denied)["wide"].root.findtext("desc") or "").endswith("most, 9, from c to a")


def test_shades_get_darker_with_the_numbers() -> None:
    flows = [1, 2, 9, 11, 99, 101, 999, 9_000, 10_001, 99_999, 100_000]
    cells = [("a", f"n{n:02}", (number, 0, 0)) for n, number in enumerate(flows)]
    ((_, picture),) = heat_maps(HeatMap(SERIES, cells))
    fields = re.findall(r'"f-allow-(\d)"', picture.partition("</svg>")[0])
    assert [int(shade) for shade in fields] == [1, 1, 1, 2, 2, 3, 3, 4, 5, 5, 5]
    ((_, picture),) = heat_maps(HeatMap(SERIES, [("a", "b", (3, 0, 0)), ("b", "a", (3, 0, 0))]))
    assert set(re.findall(r"f-allow-(\d)", picture)) == {"5"}
    nearly = [("a", "b", (2**70, 0, 0)), ("b", "a", (2**70 + 1, 0, 0))]
    ((_, picture),) = heat_maps(HeatMap(SERIES, nearly))
    assert set(re.findall(r"f-allow-(\d)", picture)) == {"1", "5"}


def test_numbers_are_left_out_where_they_have_no_room() -> None:
    names = [f"ns{n:02}" for n in range(16)]
    ((_, picture),) = heat_maps(HeatMap(SERIES, [(a, a, (1234, 0, 0)) for a in names]))
    wide, narrow = looks(picture).values()
    assert wide.texts.count("1.2k") == 16
    assert narrow.texts.count("1.2k") == 0
    assert len(narrow.rects("f-allow-5")) == 16
    assert float(narrow.root.get("width", "")) < 331


def signs(*size: int) -> dict[tuple[int, int], Reach]:
    rows, columns = size
    return {
        (row, column): REACHES[(row + column) % 4]
        for row in range(rows)
        for column in range(columns)
        if row != column
    }


def test_a_map_of_reach_has_every_sign_at_its_place() -> None:
    names = ["a/x", "a/y", "b/x", "external"]
    fields = signs(4, 4)
    for look, picture in looks(reach_map(ReachMap("Who", names, names, fields), "s3")).items():
        ids = {one.get("id") for one in picture.root.iter("g") if one.get("id")}
        assert ids == {f"s3{look[0]}-{reach}" for reach in REACHES}
        drawn = {}
        for use in picture.root.iter("use"):
            reach = use.get("href", "").rpartition("-")[2]
            assert use.get("href", "")[1:] in ids
            if use.get("transform") is None:
                drawn[int(use.get("y", 0)) // 24, int(use.get("x", 0)) // 24] = reach
        assert drawn == fields
        assert [text for text in picture.texts if text in names] == names * 2
        legend = [text for text in picture.texts if "(" in text]
        assert legend == [
            f"{WORDS[reach]} ({list(fields.values()).count(reach)})" for reach in WORDS
        ]
        # Where another namespace begins, a line.
        (border,) = (one for one in picture.root.iter("path") if one.get("class") == "s-grid")
        assert border.get("d", "").count("M") == 4
        field = float(picture.rects("f-empty")[0]["width"]) / 4
        assert f"M0 {2 * field:.0f}h" in border.get("d", "")


def test_a_map_of_namespaces_has_no_borders() -> None:
    picture = reach_map(ReachMap("Who", ["a", "b"], ["a", "b"], signs(2, 2)), "s")
    assert picture.count('class="s-grid" d=""') == 2


@pytest.mark.parametrize("most", [28, 18])
def test_a_long_name_keeps_both_ends(most: int) -> None:
    name = "namespace/deployment-with-a-long-name-7c9d-aaaa1"
    cut = short(name, most)
    assert len(cut) == most
    begin, end = cut.split("\u2026")
    assert name.startswith(begin)
    assert name.endswith(end)
    assert short(name[:most], most) == name[:most]


def test_hostile_names_are_labels_and_nothing_else() -> None:
    ((_, heat), *_) = heat_maps(HeatMap(SERIES, [(HOSTILE, "b", (1, 0, 0))]))
    reach = reach_map(ReachMap(HOSTILE, [HOSTILE], ["b"], {(0, 0): "all"}), "s")
    times = Timeline([(HOSTILE, "deny")], [0], 1, [(1,)], title=HOSTILE)
    pictures = [*looks(heat).values(), *looks(reach).values(), Picture(timeline(times))]
    for picture in pictures:
        label = "</td></script></\u2026m\\x07\\u200b"
        narrow = "narrow" in picture.root.get("class", "")
        assert (f"{label[:10]}\u2026{label[-7:]}" if narrow else label) in picture.texts
        tags = {one.tag for one in picture.root.iter()}
        assert tags <= {"svg", "title", "desc", "g", "defs", "use", "text", "rect", "circle",
                        "path", "line"}  # fmt: skip
    assert pictures[-1].root.findtext("title") == shown(HOSTILE)


def test_every_class_of_a_picture_is_in_the_style_sheet() -> None:
    html = page(*sections()).decode()
    pictures = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    used = {one for names in re.findall(r'class="([^"]*)"', pictures) for one in names.split()}
    assert {"f-allow", "f-deny-1", "s-plain-5", "f-on-5", "fluid", "narrow"} <= used
    styled = set(re.findall(r"\.([a-z][\w-]*)", asset("page.css")))
    assert used <= styled


# --- in a browser -------------------------------------------------------------------------------


def sections() -> list[Totals | Timeline | HeatMap | ReachMap]:
    """Give pictures with few and with most of everything, and with names of every length."""
    many = [(n * n % 97 * 10**6, n % 7, n % 2) for n in range(120)]
    few = [(a, b, (10**n, n, 3)) for n, a in enumerate(NAMES) for b in NAMES[: n + 1]]
    names = [f"{NAMES[n % 7]}/workload-{n:02}" for n in range(60)]
    spaces = [f"namespace-{n:02}" for n in range(17)]
    return [
        Totals([("allow", "allow", 971, 10**12), ("deny", "deny", 29, 1)]),
        *(over_time(many, width=width) for width in (1, 60, 900, 3600, DAY, 7 * DAY, 364 * DAY)),
        *(over_time(many[:n], first=NOON - 1, width=1) for n in (2, 5, 37, 61)),
        HeatMap(SERIES, few),
        HeatMap(SERIES, [(a, b, (1_200_000, 3, 0)) for a in spaces for b in spaces]),
        ReachMap("One", ["a"], ["b"], {(0, 0): "all"}),
        *(
            ReachMap(f"{rows} by {columns}", names[:rows], names[:columns], signs(rows, columns))
            for rows, columns in ((2, 3), (10, 10), (20, 20), (60, 60), (60, 2), (2, 60))
        ),
    ]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "pictures.html"
    path.write_bytes(page(*sections()))
    return path


@pytest.mark.parametrize("width", [320, 360, 390, 641, 1280])
def test_pictures_fit_their_column_and_labels_do_not_meet(
    browser: Browser, pictures: Path, width: int
) -> None:
    browser.open(pictures, width=width)
    assert browser.fits(width)
    found = browser.run(_LAID_OUT)
    assert len(found) == browser.run("return document.querySelectorAll('figure').length") == 24
    for one in found:
        assert one["width"] <= one["column"], one["title"]
        assert one["outside"] == [], one["title"]
        assert one["meeting"] == [], one["title"]


def test_a_screen_reader_is_told_what_a_picture_is_and_shows(
    browser: Browser, pictures: Path
) -> None:
    browser.open(pictures)
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    told = [
        (node["name"]["value"], node["description"]["value"])
        for node in tree
        if node["role"]["value"] == "image" and not node["ignored"]
    ]
    assert len(told) == 24
    assert ("One", "1 rows by 1 columns; pairs with everything allowed: 1; some allowed: 0; "
            "unknown: 0; everything denied: 0") in told  # fmt: skip
    assert all(name and text for name, text in told)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_in_pictures_stands_out(browser: Browser, pictures: Path, scheme: str) -> None:
    browser.open(pictures, scheme=scheme)
    fields = [
        (f"on-{n}", f"{tone}-{n}") for tone in ("allow", "deny", "unknown") for n in range(1, 6)
    ]
    for text, behind in (("text", "back"), ("muted", "back"), *fields):
        assert browser.run(RATIO, f"--{text}", f"--{behind}") > 4.5, (text, behind)


#: Of each picture that is shown: its width, labels that leave the page or the map, and that meet.
_LAID_OUT = """
const shown = Array.from(document.querySelectorAll('svg')).filter(s => s.getClientRects().length);
return shown.map(s => {
  const column = s.closest('section').getBoundingClientRect();
  const box = s.getBoundingClientRect();
  const texts = Array.from(s.querySelectorAll('text:not(defs *)'))
    .map(t => [t.textContent, t.getBoundingClientRect()]).filter(([, r]) => r.width);
  const outside = texts.filter(([, r]) => r.left < column.left || r.right > column.right + 1 ||
    r.top < box.top - 1 || r.bottom > box.bottom + 1 ||
    (s.classList.contains('map') && r.left < box.left)).map(([t]) => t);
  // A box is as high as the highest letters of a font; lines of text may share 3 pixels of that.
  const meet = (a, b) => a.left < b.right - 3 && b.left < a.right - 3 &&
    a.top < b.bottom - 3 && b.top < a.bottom - 3;
  const meeting = texts.flatMap(([t, a], n) =>
    texts.slice(n + 1).filter(([, b]) => meet(a, b)).map(([u]) => [t, u]));
  return {title: s.querySelector('title').textContent, width: box.width, column: column.width,
          outside, meeting};
});
"""
