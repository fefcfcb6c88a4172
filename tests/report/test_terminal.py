"""The summary fits the width it is shown in, and no name of a cluster reaches the terminal raw."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from netpol.model.batch import SkippedRecord
from netpol.model.verdict import Cause, Note, Reason, Side, Verdict
from netpol.questions.replay.recorded import Newer, Recorded, RecordedPair
from netpol.questions.replay.replay import (
    Credit,
    Isolation,
    Pair,
    PairList,
    PolicyUse,
    ReaderCounts,
    ReplaySummary,
    RuleUse,
)
from netpol.report.text.replay import render
from netpol.report.words.wording import NOTES, REASONS, SETTLES, percent, size
from netpol.run.sums import Weight

LONG = "a-namespace-with-a-long-name/a-workload-with-a-rather-long-name-7c9d8f"
HOSTILE = "evil\x1b]0;pwned\x07\x1b[2J[bold]x[/bold]\r\n\u202e"


def recorded(name: str, pair: Pair) -> Recorded:
    weight = Weight(12, 3, 123_456_789)
    return Recorded(
        table={(Verdict.ALLOW, Verdict.DENY): weight, (Verdict.DENY, Verdict.UNKNOWN): Weight(1)},
        absent=Weight(10**12),
        causes={
            (cause, Verdict.ALLOW, Verdict.DENY): weight for cause in (*Cause,)
        },
        profiles={name: weight, "ovn": Weight(1)},
        untried={name: name},
        undated=(name,) * 5,
        pairs=(
            RecordedPair(
                Verdict.ALLOW, Verdict.DENY, Cause.POLICY_CHANGED, pair,
                newer=(Newer(name, 0),) * 5,
            ),
            RecordedPair(Verdict.ALLOW, Verdict.DENY, Cause.PROFILE, pair, (name, "ovn")),
        ),
        distinct=40,
        capped=True,
        others=Weight(5),
    )  # fmt: skip


def summary(name: str) -> ReplaySummary:
    credit = Credit(name, None, Side.INGRESS, f"{name}.yaml", 3, (name, "ns/other"))
    rule = Credit(name, 2, Side.EGRESS, f"{name}.yaml", 17)
    denied = Pair(
        name, "external", "tcp", 443, Side.BOTH, Reason.NP_IMPLICIT_DENY,
        (rule, credit), Weight(12, 3, 123_456_789),
    )  # fmt: skip
    unknown = Pair(
        "external", name, "tcp", None, Side.INGRESS, Reason.UNKNOWN_PORT, (credit,), Weight(1)
    )
    return ReplaySummary(
        total=Weight(1_234_567, 9, 10**12),
        has_packets=True,
        has_bytes=True,
        outcomes={
            (Verdict.ALLOW, Reason.NP_RULE, Side.BOTH): Weight(1_234_554, 6, 10**12),
            (Verdict.DENY, Reason.NP_IMPLICIT_DENY, Side.BOTH): Weight(12, 3, 123_456_789),
            (Verdict.UNKNOWN, Reason.UNKNOWN_PORT, Side.INGRESS): Weight(1),
        },
        notes={Note.SNAPSHOT_AGE: Weight(4)},
        denied=PairList((denied,), 40, True, Weight(5)),
        unknown=PairList((unknown,), 1),
        policies=(
            PolicyUse(
                name,
                "NetworkPolicy",
                f"{name}.yaml",
                3,
                True,
                True,
                Weight(),
                Weight(12),
                (RuleUse(Side.EGRESS, 0, 17, Weight(1), Weight(1)),),
            ),
        ),
        isolation=Isolation(3, (name,), ()),
        recorded=recorded(name, denied),
        reader=ReaderCounts(
            records=13,
            skipped={"bad port": 2},
            samples=(SkippedRecord(name, 3, "bad port", f"src={name}"),),
        ),
    )


def shown(content: ReplaySummary, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    return render(content, io.StringIO())


@pytest.mark.parametrize("width", [72, 80, 100, 200])
@pytest.mark.parametrize("name", ["shop/web", LONG, HOSTILE, "日本/語" * 9])
def test_every_line_fits(width: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.cells import cell_len

    text = shown(summary(name), width, monkeypatch)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert "DENY" not in text
    words = ("deny", "443/tcp", "unknown-port", "snapshot-age", "bad port", "1,234,567")
    for word in (*words, "policy-changed: policies", "not-judged: our"):
        assert word in text
    if width == 200:
        assert "recorded: allow" in text
        assert "of 1970-01-01T00:00:00Z and 2 more" in " ".join(text.split())


def test_names_are_escaped_and_never_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(summary(HOSTILE), 300, monkeypatch)
    assert not [c for c in text if c < " " and c != "\n"]
    assert "\u202e" not in text
    assert r"\x1b]0;pwned\x07" in text
    assert "[bold]x[/bold]" in text


def test_no_colour_off_a_terminal_and_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" not in shown(summary("a/b"), 100, monkeypatch)
    for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert ("\x1b[3" in render(summary("a/b"), Terminal())) is coloured


def test_many_rules_are_cut_to_the_busiest(monkeypatch: pytest.MonkeyPatch) -> None:
    base = summary("ns/p").policies[0]
    rules = tuple(RuleUse(Side.EGRESS, i, i, Weight(i), Weight(i)) for i in range(100))
    content = replace(summary("ns/p"), policies=(replace(base, rules=rules),))
    text = shown(content, 100, monkeypatch)
    assert "egress[99]" in text
    assert "egress[5]" not in text
    assert "and 61 rows with less" in text


def test_every_reason_and_note_has_words() -> None:
    assert set(REASONS) == set(Reason)
    assert set(NOTES) == {note for note in Note if note}
    assert set(SETTLES) <= set(Reason)


@pytest.mark.parametrize(
    ("octets", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1234, "1.23 kB"), (999_999, "1 MB"),
     (2**64, "18.4 EB"), (10**22, "1e+04 EB")],
)  # fmt: skip
def test_size(octets: int, text: str) -> None:
    assert size(octets) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, ""), (0, 9, "0.0 %"), (9, 9, "100.0 %"), (1, 10**6, "<0.1 %"),
     (10**6 - 1, 10**6, ">99.9 %"), (1, 3, "33.3 %")],
)  # fmt: skip
def test_percent_never_rounds_something_to_nothing_or_all(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text
