"""Attacks everything that is written with names, paths, reasons and words that are hostile.

The first byte chooses what is written, the rest is the text: UTF-8, other bytes as file names have
them (lone surrogates). What comes out must keep the rule of its medium (``netpol.model.text``),
which ``fuzz.rules`` checks: nothing that nobody sees, in text; the value itself, in what machines
read; no cell, line, command, element or link that a name has made.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from fuzz import found, rules
from netpol.cli.errors import say
from netpol.kube.unjudged import NOTHING_UNJUDGED
from netpol.model.verdict import Verdict
from netpol.report.ci import coverage as coverage_annotations
from netpol.report.ci import diff as diff_annotations
from netpol.report.ci import formats as ci
from netpol.report.json import compare as compare_json
from netpol.report.json import coverage as coverage_json
from netpol.report.json import diff as diff_json
from netpol.report.json import matrix as matrix_json
from netpol.report.json import replay as json
from netpol.report.records import matrix as matrix_csv
from netpol.report.records import matrix_dot
from netpol.report.records.csv_rows import written as csv_written
from netpol.report.records.files import OutputSink
from netpol.report.records.records import record_writer
from netpol.report.text import compare, coverage, diff, matrix
from netpol.report.text import replay as terminal
from netpol.report.words.annotations import Annotation, Level
from netpol.report.words.formats import CSV_CELLS

__all__ = ["MEDIA", "one", "seeds"]

ROWS = 3
LONGEST = 300


def one(data: bytes) -> None:
    """Write the text in one medium and check what came."""
    if not data:
        return
    text = data[1 : LONGEST + 1].decode("utf-8", "surrogateescape")
    list(MEDIA.values())[data[0] % len(MEDIA)](text)


def seeds() -> list[bytes]:
    """Return a few of the worst in every medium."""
    worst = (
        "=1+1", "\x1b[2J\u202e\u2066x\r\n::error::y", "|`<b>*_[l](http://e.x)@me #1", "\x9b31m\0",
        "\ufffe\uffff\ufeff\u2028\U000e0041", "</td><script>x</script>", '"\\n";', "a\udcff\ud800",
    )  # fmt: skip
    return [
        bytes([number]) + text.encode("utf-8", "surrogatepass")
        for number in range(len(MEDIA))
        for text in worst
    ]


def _names(text: str) -> found.NameOf:
    """Return names of which each holds the text, at the start, in the middle or at the end."""
    shapes = ("{}", "ns/{}/name", "{}-web", "shop/deployment/{}")
    return lambda number: shapes[number % len(shapes)].format(text)


# --- for people ---------------------------------------------------------------------------------


class _Screen(io.StringIO):
    """A terminal without colours, as ``TERM=dumb`` has it: as narrow as rich takes it for."""

    encoding = "utf-8"


def _texts(text: str) -> None:
    name_of = _names(text)
    for written in (
        terminal.render(found.replayed(name_of, ROWS), _Screen()),
        compare.render(found.compared(name_of, ROWS), _Screen()),
        diff.render(found.differing(name_of, ROWS), _Screen()),
        coverage.render(found.covered(name_of, ROWS), _Screen()),
        matrix.render(found.reachable(name_of, ROWS), _Screen()),
        matrix.render_exposures(found.exposed(name_of, ROWS), NOTHING_UNJUDGED, _Screen()),
    ):
        rules.check_text(written)


def _messages(text: str) -> None:
    for kind, lines in (("warning", 1), ("note", 1), ("error", 1 + text.count("\n"))):
        stream = io.StringIO()
        with contextlib.redirect_stderr(stream):
            say(kind, f"x{text}")
        said = rules.check_text(stream.getvalue())
        assert said.count("\n") == lines
        first, *others = said.split("\n")[:-1]
        assert first.startswith(f"netpol: {kind}: ")
        for line in others:
            assert line.startswith("  ")
            assert not line.lstrip().startswith("::")


def _html(text: str) -> None:
    name_of = _names(text)
    rules.check_html(found.differing(name_of, ROWS)._repr_html_())
    rules.check_html(found.covered(name_of, ROWS)._repr_html_())


def _page(text: str) -> None:
    from datetime import UTC, datetime

    from netpol.report.html import coverage as coverage_page
    from netpol.report.html import matrix as matrix_page
    from netpol.report.html import replay as replay_page
    from netpol.report.html.page import Page, render

    name_of = _names(text)
    spread = found.spread(name_of, ROWS, [verdict.label for verdict in Verdict])
    sections = (
        *replay_page.sections(found.replayed(name_of, ROWS), spread),
        *coverage_page.sections(found.covered(name_of, ROWS), spread),
        *matrix_page.sections(found.reachable(name_of, ROWS), found.exposed(name_of, ROWS)),
    )
    page = Page(text, text, sections, text, datetime(2026, 1, 31, tzinfo=UTC), text)
    rules.check_html(render(page), scripts=1)


def _pictures(text: str) -> None:
    from netpol.report.html import charts, reachmap
    from netpol.report.html.sections import HeatMap, ReachMap, Timeline

    series = [("allow", "allow"), ("deny", "deny"), (text, "unknown")]
    fields = [(text, "shop", (5, 1, 0)), ("shop", f"{text}{text}", (0, 700, 2))]
    for _, svg in charts.heat_maps(HeatMap(series, fields)):  # type: ignore[arg-type]
        rules.check_svg(svg, 2)
    reach = ReachMap(text, [text, f"{text}/{text}"], [text], {(0, 0): "all", (1, 0): "none"})
    rules.check_svg(reachmap.reach_map(reach, "s0"), 2)
    times = Timeline(series, [0, 60], 60, [(1, 2, 0), (5, 6, 7)], 1, 2)  # type: ignore[arg-type]
    rules.check_svg(charts.timeline(times))


# --- for machines -------------------------------------------------------------------------------


def _documents(text: str) -> None:
    name_of = _names(text)
    replayed = rules.check_json(json.render(found.replayed(name_of, ROWS)))
    policies = [policy["policy"] for policy in replayed["policies"]]
    assert policies == [rules.encodable(name_of(n)) for n in range(ROWS)]
    rules.check_json(compare_json.render(found.compared(name_of, ROWS)))
    rules.check_json(diff_json.render(found.differing(name_of, ROWS)))
    rules.check_json(coverage_json.render(found.covered(name_of, ROWS)))
    rules.check_json(matrix_json.render(found.reachable(name_of, ROWS)))
    rules.check_json(matrix_json.render_exposures(found.exposed(name_of, ROWS), NOTHING_UNJUDGED))


class _Verdicts:
    """All that a writer of records asks of verdicts."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        columns = zip(*rows, strict=True)
        names = ("src", "dst", "protocol", "verdict", "reason", "egress_policy")
        self.table = pa.table(dict(zip(names, map(pa.array, columns), strict=False)))

    def to_arrow(self, *, encode_addresses: bool = False) -> pa.Table:
        return self.table


def _records(text: str) -> None:
    text = rules.encodable(text)  # no Arrow table holds half a character
    rows = [["10.0.0.1", text, "tcp", f" {text}"], [text, "fd00::1", f'"{text}', "deny"]]
    verdicts = _Verdicts(rows)
    header = verdicts.table.column_names
    for cells in CSV_CELLS:
        rules.check_csv(_recorded("csv", verdicts, cells), [header, *rows], cells)
    lines = rules.check_json_lines(_recorded("jsonl", verdicts))
    assert [list(line.values()) for line in lines] == rows
    stream = pyarrow.ipc.open_stream(_recorded("arrow", verdicts)).read_all()
    parquet = pyarrow.parquet.read_table(io.BytesIO(_recorded("parquet", verdicts)))
    for table in (stream, parquet):
        assert [list(row.values()) for row in table.to_pylist()] == rows


def _recorded(kind: str, verdicts: _Verdicts, cells: str = "safe") -> bytes:
    file = io.BytesIO()
    sink = OutputSink(file, kind)
    with record_writer(kind, sink, cells) as writer:  # type: ignore[arg-type]
        writer.write(verdicts)
    return file.getvalue()


def _rows(text: str) -> None:
    rows = [["a", text], [f"{text};{text}", f"'{text}"], [f"x{text}", f" {text}|{text}"]]
    for cells in CSV_CELLS:
        rules.check_csv(csv_written(rows[0], rows[1:], cells), rows, cells)
    name_of = _names(text)
    rules.check_text(matrix_csv.render(found.reachable(name_of, ROWS)))
    rules.check_text(matrix_csv.render_exposures(found.exposed(name_of, ROWS)))


def _dot(text: str) -> None:
    rules.check_dot(matrix_dot.render(found.reachable(_names(text), ROWS)))


# --- for CI -------------------------------------------------------------------------------------


def _findings(text: str) -> list[tuple[Sequence[Annotation], ci.Heading]]:
    name_of = _names(text)
    levels: tuple[Level, ...] = ("error", "warning", "note")
    made = [
        Annotation(level, "a-code", text, f"{text}\n{text}", file, 3, (text,), 12)
        for level, file in zip(levels, (text, f"a/{text}", None), strict=True)
    ]
    return [
        (made, ci.Heading("diff", (text,), {"a-code": "What it is."}, (text,))),
        (diff_annotations.annotations_of(found.differing(name_of, ROWS)), ci.Heading("diff")),
        (coverage_annotations.annotations_of(found.covered(name_of, ROWS)), ci.Heading("coverage")),
    ]


def _github(text: str) -> None:
    for findings, heading in _findings(text):
        rules.check_github(ci.render("github", findings, heading), len(findings))


def _sarif(text: str) -> None:
    for findings, heading in _findings(text):
        document = rules.check_json(ci.render("sarif", findings, heading))
        results = document["runs"][0]["results"]
        assert len(results) == len(findings)
        for result in results:
            rules.check_text(result["message"]["text"])
            for place in result["locations"]:
                uri = place["physicalLocation"]["artifactLocation"]["uri"]
                assert uri.isascii()
                assert rules.check_text(uri, beside="") == uri.replace(" ", "")


def _junit(text: str) -> None:
    for findings, heading in _findings(text):
        root = rules.check_xml(ci.render("junit", findings, heading).partition("\n")[2])
        cases = root.findall("testsuite/testcase")
        assert len(cases) == len(findings) + len(heading.passed)


def _markdown(text: str) -> None:
    for findings, heading in _findings(text):
        rules.check_markdown(ci.render("markdown", findings, heading), len(findings))


#: What writes in each medium and checks it, by the medium's name.
MEDIA: dict[str, Callable[[str], None]] = {
    "text": _texts,
    "messages": _messages,
    "notebook": _html,
    "page": _page,
    "pictures": _pictures,
    "json": _documents,
    "records": _records,
    "csv rows": _rows,
    "dot": _dot,
    "github": _github,
    "sarif": _sarif,
    "junit": _junit,
    "markdown": _markdown,
}
