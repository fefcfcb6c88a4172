"""A diff fits the width it is shown in, and no name of a cluster reaches the terminal raw."""

from __future__ import annotations

import io
import json

import pytest
from rich.cells import cell_len

from netpol.model.batch import SkippedRecord
from netpol.model.verdict import Reason, Side, Verdict
from netpol.questions.diff.changes import Change
from netpol.questions.diff.diff import Diff
from netpol.questions.diff.groups import Group, GroupList, Kind, PolicyChange
from netpol.questions.replay.replay import Credit, Pair, ReaderCounts
from netpol.report.json import diff as diff_json
from netpol.report.text import diff
from netpol.run.sums import Weight

LONG = "a-namespace-with-a-long-name/a-workload-with-a-rather-long-name-7c9d8f"
HOSTILE = "evil\x1b]0;pwned\x07\x1b[2J[bold]x[/bold]\r\n\u202e"


def made(name: str) -> Diff:
    weight = Weight(12, 3, 123_456_789)
    denied = Credit(name, None, Side.INGRESS, f"{name}.yaml", 3, (name, "ns/other"))
    rule = Credit(name, 2, Side.INGRESS, f"{name}.yaml", 17)
    before, after = (
        Pair("external", name, "tcp", 443, Side.INGRESS, reason, (credit,), weight)
        for reason, credit in ((Reason.NP_RULE, rule), (Reason.NP_IMPLICIT_DENY, denied))
    )
    change = Change("changed", name, "NetworkPolicy", f"{name}.yaml", 2)
    group = Group(
        Kind.NEWLY_DENIED,
        (Verdict.ALLOW, Verdict.DENY),
        before,
        after,
        (change, Change("cluster", "the cluster")),
        first_seen=1_700_000_000_000_000_000,
        last_seen=2**62,
    )
    return Diff(
        total=Weight(1_234_567, 9, 10**12),
        has_packets=True,
        has_bytes=True,
        policies=(1, 2),
        pods=(3, 3),
        verdicts={
            (Verdict.ALLOW, Verdict.ALLOW): Weight(1_234_550, 6, 10**12),
            (Verdict.ALLOW, Verdict.DENY): Weight(17, 3, 123_456_789),
        },
        kinds={
            **dict.fromkeys(Kind, GroupList()),
            Kind.NEWLY_DENIED: GroupList(Weight(17), (group,), 40, Weight(5)),
        },
        changes=(
            PolicyChange(change, weight),
            PolicyChange(Change("removed", name, "NetworkPolicy"), None, tried=False),
        ),
        together=Weight(5),
        untold=Weight(2),
        capped=True,
        reader=ReaderCounts(
            records=13,
            skipped={"bad port": 2},
            samples=(SkippedRecord(name, 3, "bad port", f"src={name}"),),
        ),
    )


@pytest.mark.parametrize("width", [72, 80, 100, 200])
@pytest.mark.parametrize("name", ["shop/web", LONG, HOSTILE, "日本/語" * 9])
def test_every_line_fits(width: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = diff.render(made(name), io.StringIO())
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    for word in ("443/tcp", "1,234,567", "bad port", "(top 1 of more than 40)", "5 flows"):
        assert word in text


def test_names_are_escaped_and_never_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    text = diff.render(made(HOSTILE), io.StringIO())
    assert not [c for c in text if c < " " and c != "\n"]
    assert "\u202e" not in text
    assert r"\x1b]0;pwned\x07" in text
    assert "seen 2023-11-14T22:13:20Z to 2116-02-20T23:53:38Z" in text
    assert "1 change not tried alone on every flow that differs" in text
    assert "2 flows by several changes together, or by one that was not tried alone" in text


def test_names_survive_json() -> None:
    document = json.loads(diff_json.render(made(HOSTILE)))
    (group,) = document["newly_denied"]["top"]
    assert group["dst"] == group["responsible"][0]["label"] == HOSTILE
    assert (group["responsible"][1]["what"], document["changes"][1]["alone"]) == ("cluster", None)
