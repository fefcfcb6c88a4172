"""A page is one file that may load nothing, and no name in it is more than a text."""

from __future__ import annotations

import base64
import hashlib
import re
import sys

import pytest

from html_support import HOSTILE, SERIES, SHOWN, Reader, hostile_sections, numbers, page
from netpol.model.errors import MissingExtraError
from netpol.model.verdict import Cause, Reason, Side, Verdict
from netpol.questions.replay.recorded import Newer, Recorded, RecordedPair
from netpol.report.html.charts import OTHERS, compact, duration, heat_maps
from netpol.report.html.pairs import ROWS, ChangedRow, changed_table
from netpol.report.html.recorded import recorded_tables
from netpol.report.html.rules import RuleRow, rules_table
from netpol.report.html.sections import Column, Facts, HeatMap, Table, Timeline, Totals, tone_of
from netpol.run.pairs import Pair
from netpol.run.sums import Weight

HTML = page(*hostile_sections(), title=HOSTILE, lead=HOSTILE)


def policy(html: bytes) -> str:
    (found,) = (
        attributes["content"]
        for tag, attributes in Reader(html).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert found is not None
    return found


def test_the_policy_allows_this_style_and_this_script_and_nothing_else() -> None:
    text = HTML.decode()
    digests = []
    for tag in ("style", "script"):
        (inner,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[:1]
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        digests.append(f"{tag}-src 'sha256-{digest}'")
    assert policy(HTML) == (
        f"default-src 'none'; {'; '.join(digests)}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def test_nothing_in_the_page_needs_what_the_policy_forbids() -> None:
    for tag, attributes in Reader(HTML).elements:
        assert not {"style", "src", "srcset", "action", "data", "xlink:href"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        href = attributes.get("href")
        assert href is None or href.startswith("#") or href == "data:,"


def test_hostile_names_are_text() -> None:
    reader = Reader(HTML)
    tags = [tag for tag, _ in reader.elements]
    assert tags.count("script") == tags.count("style") == 1
    assert "img" not in tags
    assert sum(SHOWN in text for text in reader.texts) > 25
    assert not set("\u2028\u2029\u202e\u2066\x00\x1b\x07\u200b") & set(HTML.decode())
    assert b"{{7*7}}" in HTML


def test_ids_are_unique_and_what_is_referred_to_is_there() -> None:
    elements = Reader(HTML).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in elements:
        for name in ("href", "aria-labelledby", "clip-path"):
            target = (attributes.get(name) or "").removeprefix("url(").rstrip(")")
            if name == "aria-labelledby" and target:
                target = f"#{target}"
            if target.startswith("#"):
                assert target[1:] in ids, target


def test_every_picture_has_words_and_every_table_a_caption() -> None:
    elements = Reader(HTML).elements
    pictures = [attributes for tag, attributes in elements if tag == "svg"]
    assert len(pictures) == 8  # maps are drawn twice, for wide and for narrow screens
    assert all(one["role"] == "img" for one in pictures)
    tags = [tag for tag, _ in elements]
    assert tags.count("title") == 1 + tags.count("desc") == 1 + len(pictures)
    assert tags.count("table") == tags.count("caption") == 7
    assert {attributes.get("scope") for tag, attributes in elements if tag == "th"} == {"col"}


def test_the_same_data_give_the_same_bytes() -> None:
    assert page(*hostile_sections()) == page(*hostile_sections())


def test_a_table_says_how_much_it_leaves_out() -> None:
    text = page(numbers()).decode()
    assert "Numbers: Top 12 of 1,000,000; 9 flows between others" in text
    whole = Table("All", numbers().columns, numbers().rows, total=12)
    assert "All: 12 rows<" in page(whole).decode()
    more = Table("More", numbers().columns, numbers().rows, total=12, at_least=True)
    assert "More: Top 12 of more than 12<" in page(more).decode()


def test_an_endless_name_is_cut() -> None:
    html = page(Table("Names", [Column("Name")], [["x" * 10**6], [["y" * 10**6, "z"]]]))
    assert len(html) < 30_000
    assert "x… and 999,000 letters more" in html.decode()
    assert "y… and 999,000 letters more<br>z" in html.decode()


def test_a_timeline_without_bars_says_why() -> None:
    assert "The log records no times." in page(Timeline(SERIES, [], 1, [], 3)).decode()
    assert "There are no flows." in page(Timeline(SERIES, [], 1, [])).decode()


def test_rows_of_endless_names_are_left_out_and_counted() -> None:
    rows = [["x" * 1000, ["y" * 1000, "z" * 1000]] for _ in range(500)]
    columns = [Column("Name"), Column("Names")]
    html = page(Table("Names", columns, rows, total=900, rest="9 flows between others")).decode()
    assert "Top 116 of 900; 384 rows left out for their length; 9 flows between others" in html
    assert len(html) < 500_000
    html = page(Table("Names", columns, rows)).decode()
    assert "Top 116 of 500; 384 rows left out for their length<" in html


def test_of_several_lines_the_verdict_is_the_first() -> None:
    table = Table("V", [Column("After", "verdict")], [[["deny", "no rule of <a>"]], [["allow"]]])
    html = page(table).decode()
    assert '<td><b class="tone deny">deny</b><br>no rule of &lt;a&gt;</td>' in html
    assert '<td><b class="tone allow">allow</b></td>' in html


def test_many_rows_are_cut_and_counted() -> None:
    rows = [
        ChangedRow("a", "b", "1/tcp", "allow", "deny", ["x"], ["y"], 2) for _ in range(ROWS + 7)
    ]
    table = changed_table("Newly denied", rows, others=5)
    assert len(table.rows) == ROWS
    assert (table.total, table.rest) == (ROWS + 7, "19 flows between others")
    assert not any(column.kind == "bytes" for column in table.columns)
    rules = rules_table([RuleRow("ns/p", f"ingress[{n}]", "p.yaml", n) for n in range(600)])
    assert (len(rules.rows), rules.total, rules.rows[4][2]) == (500, 600, "p.yaml:4")
    assert rules_table([]).empty == "Every rule was hit."


@pytest.mark.parametrize(
    "section",
    [
        Totals([("allow", "allow", 0, None)]),
        Timeline(SERIES, [], 1, []),
        Timeline(SERIES, [0], 1, [(0, 0, 0)]),
        HeatMap(SERIES, []),
        HeatMap(SERIES, [("a", "a", (0, 1, 0))]),
        Facts("Nothing", []),
    ],
    ids=lambda section: type(section).__name__,
)
def test_a_section_may_have_nothing_to_show(section: object) -> None:
    assert b"</html>" in page(section)  # type: ignore[arg-type]


def test_a_heat_map_folds_what_has_least() -> None:
    cells = [(f"ns{n:02}", f"ns{n:02}", (1000 - n, 0, 0)) for n in range(40)]
    ((word, picture),) = heat_maps(HeatMap(SERIES, cells))
    assert word == "allow"
    assert ">ns14<" in picture
    assert ">ns15<" not in picture
    assert f">{OTHERS}<" in picture


def test_letters_that_no_font_has_are_drawn_by_the_browser() -> None:
    cells = [("名前空間", "שלום", (1, 0, 0)), ("\N{PILE OF POO}", "$x^2$", (1, 0, 0))]
    ((_, picture),) = heat_maps(HeatMap(SERIES, cells))
    assert all(f">{name}<" in picture for pair in cells for name in pair[:2])


@pytest.mark.parametrize(
    ("word", "tone"),
    [("allow", "allow"), ("newly denied", "deny"), ("now unknown", "unknown"), ("same", "plain")],
)
def test_tone(word: str, tone: str) -> None:
    assert tone_of(word) == tone


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (9_949, "9.9k"), (9_990, "10k"), (999_600, "1.0M"),
     (25_001_099, "25M"), (10**18, "1.0E"), (10**29, "100R")],
)  # fmt: skip
def test_compact(number: int, text: str) -> None:
    assert compact(number) == text


def test_duration() -> None:
    assert [duration(n) for n in (1, 15, 60, 900, 3600, 10_800, 86_400, 7 * 86_400)] == [
        "second", "15 seconds", "minute", "15 minutes", "hour", "3 hours", "day", "7 days",
    ]  # fmt: skip


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'netpol-replay\[report\]'"):
        page()


def test_hostile_names_beside_recorded_verdicts_are_text() -> None:
    pair = Pair(HOSTILE, HOSTILE, "tcp", 443, Side.NONE, Reason.NOT_ISOLATED, (), Weight(3))
    found = Recorded(
        table={(Verdict.DENY, Verdict.ALLOW): Weight(3)},
        causes={(Cause.PROFILE, Verdict.DENY, Verdict.ALLOW): Weight(3)},
        profiles={HOSTILE: Weight(3)},
        untried={HOSTILE: HOSTILE},
        undated=(HOSTILE,),
        pairs=(
            RecordedPair(Verdict.DENY, Verdict.ALLOW, Cause.PROFILE, pair, (HOSTILE,)),
            RecordedPair(
                Verdict.DENY, Verdict.ALLOW, Cause.POLICY_CHANGED, pair, newer=(Newer(HOSTILE, 0),)
            ),
        ),
        distinct=2,
    )
    html = page(*recorded_tables(found, with_bytes=False))
    reader = Reader(html)
    tags = [tag for tag, _ in reader.elements]
    assert tags.count("script") == tags.count("style") == 1
    assert "img" not in tags
    assert sum(SHOWN in text for text in reader.texts) == 8
    assert not set("\u2028\u2029\u202e\u2066\x00\x1b\x07\u200b") & set(html.decode())
