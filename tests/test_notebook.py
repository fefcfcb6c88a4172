"""Verdicts in notebooks and data frames."""

from __future__ import annotations

import sys

import pytest

import netpol
from cli_support import EXAMPLES
from netpol.engine.verdicts import Verdicts
from netpol.model.errors import MissingExtraError
from netpol.model.notebook import ROWS, notebook_html


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    engine = netpol.compile(
        netpol.read_policies([EXAMPLES / "lab" / "policies"]),
        netpol.read_snapshot([EXAMPLES / "lab" / "cluster.json"]),
    )
    (batch,) = netpol.open_flows(EXAMPLES / "lab" / "node1.conntrack.txt")
    return engine.evaluate(batch)


def test_first_rows_and_counts(verdicts: Verdicts) -> None:
    html = verdicts._repr_html_()
    assert html.count("<tr>") == 1 + ROWS
    assert "<caption>344 flows: 273 allow, 48 deny, 23 unknown; the first 10 of 344<" in html
    assert "<td>shop/web-0</td>" in html


def test_of_nothing(verdicts: Verdicts) -> None:
    empty = verdicts.engine.evaluate({"src": [], "dst": [], "protocol": [], "dport": []})
    assert "<tbody></tbody>" in empty._repr_html_()


def test_hostile_names_are_text() -> None:
    html = notebook_html("<b>", {"<i>": 1}, ["<u>"], [["<script>\u202e\x1b"], [None]], 2)
    assert "<script>" not in html
    assert "<td>&lt;script&gt;\\u202e\\x1b</td></tr><tr><td></td>" in html
    assert "<caption>&lt;b&gt;: 1 &lt;i&gt;</caption>" in html


def test_data_frames_hold_what_arrow_holds(verdicts: Verdicts) -> None:
    table = verdicts.to_arrow()
    frame, polars = verdicts.to_pandas(), verdicts.to_polars()
    assert list(frame.columns) == polars.columns == table.column_names
    for name in table.column_names:
        expected = table.column(name).to_pylist()
        assert polars[name].to_list() == expected
        values = frame[name].astype(object)
        assert values.where(values.notna(), None).tolist() == expected


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_without_the_package(
    package: str, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'netpol-replay\[{package}\]'"):
        getattr(verdicts, f"to_{package}")()
