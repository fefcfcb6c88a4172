"""A comparison fits the width it is shown in, and no name of a cluster reaches the terminal raw."""

from __future__ import annotations

import io
import json

import pytest
from rich.cells import cell_len

from netpol.model.batch import SkippedRecord
from netpol.model.verdict import Reason, Side, Verdict
from netpol.questions.compare.compare import ChangedPair, Comparison, SwitchChange
from netpol.questions.replay.replay import Credit, DnsCounts, Pair, ReaderCounts
from netpol.report.json import compare as compare_json
from netpol.report.text import compare
from netpol.run.sums import Weight

LONG = "a-namespace-with-a-long-name/a-workload-with-a-rather-long-name-7c9d8f"
HOSTILE = "evil\x1b]0;pwned\x07\x1b[2J[bold]x[/bold]\r\n\u202e"


def comparison(name: str) -> Comparison:
    weight = Weight(12, 3, 123_456_789)
    denied = Credit(name, None, Side.INGRESS, f"{name}.yaml", 3, (name, "ns/other"))
    rule = Credit(name, 2, Side.INGRESS, f"{name}.yaml", 17)
    before, after = (
        Pair("external", name, "tcp", 443, Side.INGRESS, reason, (credit,), weight)
        for reason, credit in ((Reason.NP_IMPLICIT_DENY, denied), (Reason.NP_RULE, rule))
    )
    reader = ReaderCounts(
        records=13,
        skipped={"bad port": 2},
        samples=(SkippedRecord(name, 3, "bad port", f"src={name}"),),
    )
    return Comparison(
        names=("kube-network-policies", "ovn"),
        total=Weight(1_234_567, 9, 10**12),
        has_packets=True,
        has_bytes=True,
        policies=1,
        pods=3,
        changes={
            (Verdict.ALLOW, Verdict.ALLOW): Weight(1_234_550, 6, 10**12),
            (Verdict.DENY, Verdict.ALLOW): Weight(17, 3, 123_456_789),
        },
        switches=(
            SwitchChange("named_port_init", "none", "sidecars", Weight(12)),
            SwitchChange("other_protocols", "match-portless", "ignore", Weight(12)),
        ),
        together=Weight(5),
        pairs=(
            ChangedPair(
                (Verdict.DENY, Verdict.ALLOW), before, after, ("named_port_init", "other_protocols")
            ),
        ),
        distinct=40,
        capped=True,
        others=Weight(5),
        reader=reader,
        dns=DnsCounts(1, 2, 3, reader),
    )


@pytest.mark.parametrize("width", [72, 80, 100, 200])
@pytest.mark.parametrize("name", ["shop/web", LONG, HOSTILE, "日本/語" * 9])
def test_every_line_fits(width: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = compare.render(comparison(name), io.StringIO())
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    for word in ("443/tcp", "1,234,567", "bad port", "(top 1 of more than 40)", "5 flows"):
        assert word in text


def test_names_are_escaped_and_never_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    text = compare.render(comparison(HOSTILE), io.StringIO())
    assert not [c for c in text if c < " " and c != "\n"]
    assert "\u202e" not in text
    assert r"\x1b]0;pwned\x07" in text
    assert "[bold]x[/bold]" in text


def test_what_is_said_of_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = compare.render(comparison("shop/web"), io.StringIO())
    assert "by --named-port-init or --other-protocols alone" in text
    assert "--other-protocols: match-portless (kube-network-policies), ignore (ovn)" in text
    assert "5 flows by several switches together" in text
    assert "DNS\n  13 records: 1 name with 2 addresses\n  3 names asked for" in text


def test_json_says_the_same() -> None:
    found = json.loads(compare_json.render(comparison(HOSTILE)))
    assert found["profiles"] == ["kube-network-policies", "ovn"]
    assert found["differing"] == {"flows": 17, "packets": 3, "bytes": 123_456_789}
    (pair,) = found["pairs"]["top"]
    assert (pair["dst"], pair["switches"]) == (HOSTILE, ["named_port_init", "other_protocols"])
    assert [half["verdict"] for half in pair["judged"]] == ["deny", "allow"]
    assert pair["judged"][1]["decided_by"][0]["rule"] == 2
    assert found["dns"]["unanswered"] == 3
